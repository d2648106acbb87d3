//! Ends the families of all registered processes.
//!
//! A process belongs to a family if it is registered, if its parent belongs to it, if a member leads or led its group or
//! session, or if the mark in its environment names a run that is registered. A process with an empty mark is exempt,
//! together with what it starts, unless it is registered itself. Once found, members are known by their process id and the
//! time at which they began, so what becomes of their parents and environments does not matter any more.
//!
//! First every member is asked to end: by the stop signal of its run within the run's own group, and by TERM outside. What
//! is there after the grace period is killed. Searching and killing is repeated until a search finds nothing new.

#![expect(unsafe_code, reason = "signals by pidfd")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use libc::{c_int, pid_t};

use super::super::GRACE;
use super::super::pair::Birth;
use super::super::table::{CAPACITY, Kind};
use super::array::Array;
use super::procfs::{self, Mark, Stat};

/// The most processes of the machine that are looked at.
const PROCESSES: usize = 1 << 18;

/// How often living members are looked at during the grace period.
const STEP: Duration = Duration::from_millis(5);

/// How long killed processes may take to be gone. Only one that the kernel itself holds takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rounds of killing after which members are stopped before they are killed, so that they fork no more.
const RESTLESS: u32 = 2;

/// Ends them. Returns false if `go_on` does, which is asked at each step.
pub(super) fn end(birth: &Birth, own_kind: &[pid_t; 2], go_on: &dyn Fn() -> bool) -> bool {
    let arrays = (Array::new(PROCESSES), Array::new(CAPACITY.saturating_mul(2)));
    let (Ok(processes), Ok(members)) = arrays else {
        return super::groups::end(birth.table, go_on);
    };
    let mut search = Search { birth, own_kind, processes, members };
    search.know_the_registered();
    search.look();
    if !go_on() {
        return false;
    }
    search.ask_to_end();
    // What was forked while it was looking.
    search.look();
    search.ask_to_end();
    let begin = now();
    while search.any_is_alive() && now().saturating_duration_since(begin) < GRACE {
        if !search.pause(STEP, go_on) {
            return false;
        }
    }
    search.kill_until_none_is_left(go_on)
}

/// A member of a family.
#[derive(Clone, Copy, Debug)]
struct Member {
    pid: pid_t,
    /// When it began: no earlier than the first, no later than the second; 0 if that is not known.
    began: (u64, u64),
    /// The signal that asks it to end.
    signal: c_int,
    /// Whether it has been asked.
    asked: bool,
    /// Whether others in its group get its signal, too.
    leads: bool,
}

impl Member {
    fn is(&self, process: &Stat) -> bool {
        let (earliest, latest) = self.began;
        // The two clocks are read one after the other, so they may differ by one.
        process.pid == self.pid
            && process.start.saturating_add(1) >= earliest
            && (latest == 0 || process.start <= latest.saturating_add(1))
    }
}

/// A process of the machine, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Process {
    stat: Stat,
    belongs: bool,
    /// Not to be looked at again in this search.
    settled: bool,
}

struct Search<'a> {
    birth: &'a Birth,
    own_kind: &'a [pid_t; 2],
    /// In the order of their ids.
    processes: Array<Process>,
    /// In the order of their ids.
    members: Array<Member>,
}

impl Search<'_> {
    fn know_the_registered(&mut self) {
        let members = &mut self.members;
        self.birth.table.for_each(|entry| {
            let member = Member {
                pid: entry.pid,
                began: (entry.earliest, entry.latest),
                signal: entry.signal,
                asked: false,
                leads: entry.kind == Kind::Leader,
            };
            insert(members, member);
        });
    }

    /// Finds all members that are there now.
    fn look(&mut self) {
        self.list_processes();
        for index in 0..self.processes.len() {
            self.settle_if(index, |search, process| {
                search.members_with(process.pid).iter().any(|member| member.is(process))
            });
        }
        self.spread();
        for index in 0..self.processes.len() {
            let Some(process) = self.processes.get(index).copied().filter(|process| !process.settled) else {
                continue;
            };
            if let Mark::Run(run) = procfs::mark(process.stat.pid, self.birth.label.as_bytes())
                && self.birth.table.has_run(run)
            {
                self.add(index, libc::SIGTERM);
            }
        }
        self.spread();
    }

    fn list_processes(&mut self) {
        let (processes, own_kind, progress) =
            (&mut self.processes, self.own_kind, &self.birth.table.progress);
        processes.clear();
        procfs::for_each_pid(|pid| {
            progress.fetch_add(1, Ordering::AcqRel);
            if pid > 2
                && !own_kind.contains(&pid)
                && let Some(stat) = procfs::stat(pid)
            {
                processes.push(Process { stat, belongs: false, settled: false });
            }
        });
        processes.sort_unstable_by_key(|process| process.stat.pid);
    }

    fn settle_if(&mut self, index: usize, belongs: impl Fn(&Self, &Stat) -> bool) {
        let Some(process) = self.processes.get(index).copied() else { return };
        let belongs = belongs(self, &process.stat);
        if belongs && let Some(process) = self.processes.get_mut(index) {
            (process.belongs, process.settled) = (true, true);
        }
    }

    /// Adds those who belong to a member, until there are no more.
    fn spread(&mut self) {
        loop {
            let mut found = false;
            for index in 0..self.processes.len() {
                let Some(process) = self.processes.get(index).copied().filter(|process| !process.settled)
                else {
                    continue;
                };
                let stat = process.stat;
                let by_parent = self
                    .process(stat.parent)
                    .is_some_and(|parent| parent.belongs && parent.stat.start <= stat.start);
                let leader = self.leader_of(stat.group, &stat);
                if !by_parent && leader.is_none() && self.leader_of(stat.session, &stat).is_none() {
                    continue;
                }
                if procfs::mark(stat.pid, self.birth.label.as_bytes()) == Mark::Exempt {
                    if let Some(process) = self.processes.get_mut(index) {
                        process.settled = true;
                    }
                    continue;
                }
                let signal =
                    leader.filter(|leader| leader.leads).map_or(libc::SIGTERM, |leader| leader.signal);
                self.add(index, signal);
                found = true;
            }
            if !found {
                return;
            }
        }
    }

    /// Returns the member that leads, or led, the group or session with this number, of which `process` is.
    fn leader_of(&self, number: pid_t, process: &Stat) -> Option<Member> {
        let leader = *self
            .members_with(number)
            .iter()
            .find(|member| member.began.0 <= process.start.saturating_add(1))?;
        // A process of that number that is not a member has made it its own.
        let is_free = self
            .process(number)
            .is_none_or(|process| self.members_with(number).iter().any(|member| member.is(&process.stat)));
        is_free.then_some(leader)
    }

    fn add(&mut self, index: usize, signal: c_int) {
        let Some(process) = self.processes.get_mut(index) else { return };
        (process.belongs, process.settled) = (true, true);
        let Stat { pid, start, .. } = process.stat;
        insert(&mut self.members, Member { pid, began: (start, start), signal, asked: false, leads: false });
    }

    fn process(&self, pid: pid_t) -> Option<Process> {
        let index = self.processes.binary_search_by_key(&pid, |process| process.stat.pid).ok()?;
        self.processes.get(index).copied()
    }

    fn members_with(&self, pid: pid_t) -> &[Member] {
        let from = self.members.partition_point(|member| member.pid < pid);
        let to = self.members.partition_point(|member| member.pid <= pid);
        self.members.get(from..to).unwrap_or_default()
    }

    /// Sends every member that was not asked yet the signal that asks it to end.
    fn ask_to_end(&mut self) {
        for index in 0..self.members.len() {
            if let Some(member) = self.members.get_mut(index).filter(|member| !member.asked) {
                member.asked = true;
                let member = *member;
                send(&member, member.signal);
                send(&member, libc::SIGCONT);
            }
        }
    }

    fn any_is_alive(&self) -> bool {
        self.members.iter().any(|member| {
            procfs::stat(member.pid).is_some_and(|process| process.alive && member.is(&process))
        })
    }

    fn kill_until_none_is_left(&mut self, go_on: &dyn Fn() -> bool) -> bool {
        let begin = now();
        let mut round = 0_u32;
        let mut quiet = 0;
        while quiet < 2 && now().saturating_duration_since(begin) < PATIENCE {
            if round > 0 && !self.pause(STEP, go_on) {
                return false;
            }
            self.look();
            let alive = |process: &&Process| process.belongs && process.stat.alive;
            if self.processes.iter().any(|process| alive(&process)) {
                quiet = 0;
                if round >= RESTLESS {
                    self.send_to_all(libc::SIGSTOP);
                    self.look();
                }
                self.send_to_all(libc::SIGKILL);
            } else {
                quiet += 1;
            }
            round = round.saturating_add(1);
        }
        go_on()
    }

    fn send_to_all(&self, signal: c_int) {
        for process in self.processes.iter().filter(|process| process.belongs && process.stat.alive) {
            let began = (process.stat.start, process.stat.start);
            send(&Member { pid: process.stat.pid, began, signal, asked: true, leads: false }, signal);
        }
    }

    /// Waits a moment. Returns what `go_on` does.
    fn pause(&self, time: Duration, go_on: &dyn Fn() -> bool) -> bool {
        self.birth.table.progress.fetch_add(1, Ordering::AcqRel);
        thread::sleep(time);
        go_on()
    }
}

fn insert(members: &mut Array<Member>, member: Member) {
    let index = members.partition_point(|other| other.pid < member.pid);
    members.insert(index, member);
}

#[expect(clippy::disallowed_methods, reason = "there is no host in this process")]
fn now() -> Instant {
    Instant::now()
}

/// Sends a signal to a process if it is still the member: what a pidfd means does not change after the comparison.
fn send(member: &Member, signal: c_int) {
    // SAFETY: takes no pointers; a descriptor that is returned has no other owner.
    let pidfd = unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, member.pid, 0);
        c_int::try_from(pidfd).ok().filter(|fd| *fd >= 0).map(|fd| OwnedFd::from_raw_fd(fd))
    };
    if !procfs::stat(member.pid).is_some_and(|process| process.alive && member.is(&process)) {
        return;
    }
    let sent = pidfd.is_some_and(|pidfd| {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: without signal information the pointer is null.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0) == 0 }
    });
    if !sent {
        // SAFETY: takes no pointers. The id was compared a moment ago; a kernel without pidfds allows no more.
        unsafe { libc::kill(member.pid, signal) };
    }
}
