//! Ends the families of all registered processes.
//!
//! A process belongs to a family if it is registered, if its parent belongs to it, if a member leads or led
//! its group or session, or if its environment or its resource limits have the mark of a run that is
//! registered. Once found, members are known by their process id and the time at which they began, so what
//! becomes of their parents and marks does not matter any more. A process outside of the run's own group is
//! exempt, together with what it starts, if the mark in its environment is empty or the run spares its
//! program.
//!
//! First all members are stopped, until a search finds no new one. Then every member is asked to end, and
//! continued: by the stop signal of the run within the run's own group, and by TERM outside. What is there
//! after the grace period is killed. Searching and killing is repeated until a search finds nothing new.

#![expect(unsafe_code, reason = "signals by pidfd")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use libc::{c_int, pid_t};

use super::super::birth::{self, Birth, GRACE};
use super::super::table::{CAPACITY, Kind};
use super::array::Array;
use super::procfs::{self, Mark, Stat};

/// The most processes of the machine that are looked at.
const PROCESSES: usize = 1 << 18;

/// The interval between two searches for living members during the grace period.
const STEP: Duration = Duration::from_millis(5);

/// The time that killed processes may take to exit. Only a process in a wait of the kernel takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The maximum number of searches before members get the stop signal. Only a family that forks faster than it
/// is stopped reaches it.
const SEARCHES: u32 = 32;

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
    if search.members.is_empty() && go_on() {
        return true;
    }
    // Stopped processes fork no more and do not end. So the last search finds all of them.
    for _ in 0..SEARCHES {
        let found = search.look();
        if !go_on() {
            return false;
        }
        if !search.freeze() && !found {
            break;
        }
    }
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
    /// The run that it belongs to.
    run: u64,
    /// The signal that asks it to end.
    signal: c_int,
    /// Whether it has been stopped, so that it forks no more.
    frozen: bool,
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
    kin: Kin,
}

/// The relation of a process to the families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kin {
    Unknown,
    /// It belongs to this run.
    Member(u64),
    /// It belongs to a run, but is exempt, as is everything that it starts.
    Exempt,
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
                run: entry.run,
                signal: entry.signal,
                frozen: false,
                asked: false,
                leads: entry.kind == Kind::Leader,
            };
            insert(members, member);
        });
    }

    /// Finds all members that are there now, and returns whether there are new ones.
    fn look(&mut self) -> bool {
        let before = self.members.len();
        self.list_processes();
        for index in 0..self.processes.len() {
            let Some(process) = self.processes.get(index).copied() else { break };
            let mut known = self.members_with(process.stat.pid).iter();
            if let Some(run) = known.find(|member| member.is(&process.stat)).map(|member| member.run) {
                self.set_kin(index, Kin::Member(run));
            }
        }
        self.spread();
        for index in 0..self.processes.len() {
            let Some(process) = self.unknown(index) else { continue };
            if let Some(run) = self.marked_run(process.stat.pid) {
                self.consider(index, run, libc::SIGTERM, false);
            }
        }
        self.spread();
        self.members.len() > before
    }

    /// Returns the registered run that the process has a mark of.
    fn marked_run(&self, pid: pid_t) -> Option<u64> {
        let table = self.birth.table;
        match procfs::mark(pid, self.birth.label.as_bytes()) {
            Mark::Exempt => None,
            Mark::Run(run) => table.find_run(|other| other == run),
            Mark::None => {
                let (prefix, bits) = self.birth.limit_prefix;
                let number = procfs::limit_mark(pid, (prefix, bits))?;
                let varying = 1_u64.checked_shl(bits)?.wrapping_sub(1);
                table.find_run(|run| run & varying == number)
            }
        }
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
                processes.push(Process { stat, kin: Kin::Unknown });
            }
        });
        processes.sort_unstable_by_key(|process| process.stat.pid);
    }

    /// Adds those who belong to a member, until there are no more.
    fn spread(&mut self) {
        loop {
            let mut found = false;
            for index in 0..self.processes.len() {
                let Some(Process { stat, .. }) = self.unknown(index) else { continue };
                let parent = self.process(stat.parent).filter(|parent| parent.stat.start <= stat.start);
                let by_parent = parent.and_then(|parent| match parent.kin {
                    Kin::Member(run) => Some(run),
                    Kin::Unknown | Kin::Exempt => None,
                });
                let leader = self.leader_of(stat.group, &stat);
                let by_session = || self.leader_of(stat.session, &stat).map(|leader| leader.run);
                let Some(run) = leader.map(|leader| leader.run).or(by_parent).or_else(by_session) else {
                    continue;
                };
                let in_group = leader.filter(|leader| leader.leads);
                let signal = in_group.map_or(libc::SIGTERM, |leader| leader.signal);
                self.consider(index, run, signal, in_group.is_some());
                found = true;
            }
            if !found {
                return;
            }
        }
    }

    /// Makes a process a member, unless it is exempt. Members of a run's own group are not.
    fn consider(&mut self, index: usize, run: u64, signal: c_int, in_group: bool) {
        let Some(Process { stat, .. }) = self.unknown(index) else { return };
        if !in_group && self.is_exempt(&stat, run) {
            return self.set_kin(index, Kin::Exempt);
        }
        self.set_kin(index, Kin::Member(run));
        let began = (stat.start, stat.start);
        let member = Member { pid: stat.pid, began, run, signal, frozen: false, asked: false, leads: false };
        insert(&mut self.members, member);
    }

    fn is_exempt(&self, stat: &Stat, run: u64) -> bool {
        let relatives = [stat.parent, stat.group, stat.session].map(|pid| self.process(pid));
        if relatives.into_iter().flatten().any(|process| process.kin == Kin::Exempt)
            || procfs::mark(stat.pid, self.birth.label.as_bytes()) == Mark::Exempt
        {
            return true;
        }
        let mut spared = false;
        procfs::for_each_name(stat.pid, |name| spared |= self.birth.table.spares(run, name));
        spared
    }

    fn unknown(&self, index: usize) -> Option<Process> {
        self.processes.get(index).copied().filter(|process| process.kin == Kin::Unknown)
    }

    fn set_kin(&mut self, index: usize, kin: Kin) {
        if let Some(process) = self.processes.get_mut(index) {
            process.kin = kin;
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

    fn process(&self, pid: pid_t) -> Option<Process> {
        let index = self.processes.binary_search_by_key(&pid, |process| process.stat.pid).ok()?;
        self.processes.get(index).copied()
    }

    fn members_with(&self, pid: pid_t) -> &[Member] {
        let from = self.members.partition_point(|member| member.pid < pid);
        let to = self.members.partition_point(|member| member.pid <= pid);
        self.members.get(from..to).unwrap_or_default()
    }

    /// Stops every member that was not stopped yet, and returns whether there were any.
    fn freeze(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.members.len() {
            if let Some(member) = self.members.get_mut(index).filter(|member| !member.frozen) {
                member.frozen = true;
                let member = *member;
                any |= send(&member, libc::SIGSTOP);
            }
        }
        any
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
            if self.living().next().is_some() {
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
        for (stat, run) in self.living() {
            let (pid, began) = (stat.pid, (stat.start, stat.start));
            send(&Member { pid, began, run, signal, frozen: true, asked: true, leads: false }, signal);
        }
    }

    /// Returns the members that were alive at the last search.
    fn living(&self) -> impl Iterator<Item = (Stat, u64)> {
        self.processes.iter().filter(|process| process.stat.alive).filter_map(|process| match process.kin {
            Kin::Member(run) => Some((process.stat, run)),
            Kin::Unknown | Kin::Exempt => None,
        })
    }

    /// Waits a moment. Returns what `go_on` does.
    fn pause(&self, time: Duration, go_on: &dyn Fn() -> bool) -> bool {
        self.birth.table.progress.fetch_add(1, Ordering::AcqRel);
        birth::pause(time);
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

/// Sends a signal to a process if it is still the member: what a pidfd means does not change after the
/// comparison. Returns whether it was sent.
fn send(member: &Member, signal: c_int) -> bool {
    // SAFETY: takes no pointers; a descriptor that is returned has no other owner.
    let pidfd = unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, member.pid, 0);
        c_int::try_from(pidfd).ok().filter(|fd| *fd >= 0).map(|fd| OwnedFd::from_raw_fd(fd))
    };
    if !procfs::stat(member.pid).is_some_and(|process| process.alive && member.is(&process)) {
        return false;
    }
    let sent = pidfd.is_some_and(|pidfd| {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: without signal information the pointer is null.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0) == 0 }
    });
    // SAFETY: takes no pointers. The id was compared a moment ago; a kernel without pidfds allows no more.
    sent || unsafe { libc::kill(member.pid, signal) == 0 }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::super::super::birth::Label;
    use super::super::super::table::{FreeList, Table};
    use super::*;
    use crate::sys::mark::{RunMark, Token};

    /// Ends registered processes, each of which is said to have begun in a range of time.
    fn end_those(kind: Kind, processes: &[(&Child, u64, u64)]) -> bool {
        let table = Table::create().expect("memory");
        let mut free = FreeList::new(table);
        for (process, earliest, latest) in processes {
            let entry = table.entry(free.take().expect("there is room"));
            entry.reserve(kind, RunMark::next().number(), *earliest, libc::SIGTERM);
            entry.set_pid(process.id().cast_signed());
            entry.set_latest(*latest);
        }
        let label = Label::new(Token::of_this_process());
        let birth = Birth { table, label, limit_prefix: (u64::MAX, 24), stack: (0, 0), lean: false };
        end(&birth, &[0; 2], &|| true)
    }

    fn start(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0).stdout(Stdio::null()).spawn().expect("a shell")
    }

    #[test]
    fn f_22_45_a_process_that_has_the_id_of_a_registered_one_is_not_touched() {
        let before = procfs::clock_ticks();
        let [mut ours, mut stranger] = [(); 2].map(|()| start("exec sleep 1000"));
        let after = procfs::clock_ticks();
        // Began long before it, and long after it.
        assert!(end_those(
            Kind::Single,
            &[(&stranger, 1, 2), (&stranger, after + 1000, 0), (&ours, before, after)]
        ));
        assert!(!ours.wait().expect("it is ours").success());
        assert_eq!(stranger.try_wait().expect("it is ours"), None, "alive");
        stranger.kill().expect("it is ours");
        stranger.wait().expect("it is ours");
    }

    #[test]
    fn f_45_a_family_that_forks_all_the_time_is_ended() {
        let script = "trap '' TERM; while :; do sleep 0.01 & (sleep 1000 &) ; sleep 0.01; done";
        let before = procfs::clock_ticks();
        let mut root = start(script);
        birth::pause(Duration::from_millis(100));
        assert!(end_those(Kind::Leader, &[(&root, before, procfs::clock_ticks())]));
        root.wait().expect("it is ours");
        let mut left = 0;
        procfs::for_each_pid(|pid| {
            left += u32::from(
                procfs::stat(pid).is_some_and(|stat| stat.alive && stat.group == root.id().cast_signed()),
            );
        });
        assert_eq!(left, 0);
    }
}
