//! The families of all runs: which processes descend from which program that this process has started.
//!
//! A process belongs to a run if it is known to descend from its leader, if it is in a group or session that
//! a member leads or has led, or if it carries the mark of the run: the environment variable, or the resource
//! limit that `mark.rs` describes. Once it was found it stays a member, even if it changes its parent, group,
//! session or environment.
//!
//! **Identity.** A member is a process id and a start time. Before a signal is sent, the process is opened by
//! its id and its start time is compared; the signal goes to that pidfd, which cannot come to mean another
//! process. A number of a group or session that a member has led counts only while the leader or a known
//! member is still in there: until then the kernel does not use it again.
//!
//! **Cost.** Nothing is read while processes live undisturbed. A search needs the table of all processes,
//! which is shared by all runs and only brought up to date: process ids are assigned in turn, so those that
//! were created since the last search have the numbers between the latest then and the latest now, which the
//! kernel shows. Reading all of `/proc` is necessary only at the beginning, after a long time, or if very
//! many processes were created.
//!
//! **Limits.** A process that leaves group and session, loses its parent before it was seen, and removes both
//! marks is not found. Only a control group includes that one. `/proc` must show our own PID namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use crate::sync::Lock;

use super::calls::boot_ticks;
use super::process_table::{self, Entry};
use super::run_mark::{self, EnvironmentMark, RunKey};

/// A process by its id and its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) pid: u32,
    pub(super) start: u64,
}

/// The runs of this process, and what is known of the processes of this machine.
pub(super) static FAMILIES: Lock<Families> = Lock::new(Families::new());

/// The number of processes that may have been created since the last search for the table to be brought up to
/// date one by one.
const MANY: u32 = 256;

#[derive(Debug)]
pub(super) struct Families {
    /// The process that this table belongs to; a forked copy starts with an empty one.
    owner: Option<Pid>,
    runs: BTreeMap<RunKey, Run>,
    /// The leaders that are not reaped, so that their numbers are their own.
    leaders: BTreeMap<u32, RunKey>,
    seen: BTreeMap<u32, Seen>,
    coverage: Option<Coverage>,
}

#[derive(Debug)]
struct Run {
    leader: u32,
    /// Since when it is registered, in clock ticks since the boot. No member is older.
    since: u64,
    spared: Vec<OsString>,
    members: BTreeSet<Member>,
}

/// The knowledge about a process that is not a leader.
#[derive(Clone, Copy, Debug)]
struct Seen {
    start: u64,
    kin: Kin,
    /// Whether both marks could be read, so that there is no reason to read them again.
    is_read: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kin {
    /// It belongs to this run.
    Member(RunKey),
    /// It belongs to this run, but is exempt, as is everything that it starts.
    Exempt(RunKey),
    /// It belongs to no run, or to one whose mark could not be read at that moment.
    Stranger,
}

/// Which process ids have been read: all that were assigned after `from` up to `to`.
#[derive(Clone, Copy, Debug)]
struct Coverage {
    /// `None`: all of them.
    from: Option<u32>,
    to: u32,
    at: Instant,
}

impl Families {
    const fn new() -> Self {
        Self {
            owner: None,
            runs: BTreeMap::new(),
            leaders: BTreeMap::new(),
            seen: BTreeMap::new(),
            coverage: None,
        }
    }

    /// Registers a run whose leader was just created.
    pub(super) fn register(&mut self, key: RunKey, leader: u32, spared: Vec<OsString>) {
        if self.owner != Some(getpid()) {
            *self = Self { owner: Some(getpid()), ..Self::new() };
        }
        self.seen.remove(&leader);
        self.leaders.insert(leader, key);
        // The clock and the start times of processes may differ by a tick.
        let since = boot_ticks().saturating_sub(100);
        self.runs.insert(key, Run { leader, since, spared, members: BTreeSet::new() });
    }

    /// To be called before the leader is reaped: its number loses its meaning.
    pub(super) fn release_leader(&mut self, key: RunKey) {
        if let Some(run) = self.runs.get(&key)
            && self.leaders.get(&run.leader) == Some(&key)
        {
            self.leaders.remove(&run.leader);
        }
    }

    /// Forgets a run.
    pub(super) fn unregister(&mut self, key: RunKey) {
        self.release_leader(key);
        self.runs.remove(&key);
        if self.runs.is_empty() {
            (self.seen, self.coverage) = (BTreeMap::new(), None);
        }
    }

    /// Searches for members, and returns those that are alive.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub(super) fn live_members(&mut self, key: RunKey) -> io::Result<Vec<Member>> {
        loop {
            self.refresh(key)?;
            let members = self.known_members(key)?;
            let latest = self.coverage.map(|coverage| coverage.to);
            // A member may have created a process after the search and ended before it was looked at.
            if !members.is_empty() || latest == Some(last_pid()?) || !self.runs.contains_key(&key) {
                return Ok(members);
            }
        }
    }

    /// Searches for members in all of `/proc`, and returns those that are alive.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub(super) fn live_members_after_full_search(&mut self, key: RunKey) -> io::Result<Vec<Member>> {
        self.read_everything(last_pid()?)?;
        self.known_members(key)
    }

    /// Returns the members that were found before and are alive. Those that have died and became children of
    /// this process are reaped.
    pub(super) fn known_members(&mut self, key: RunKey) -> io::Result<Vec<Member>> {
        let Some(run) = self.runs.get_mut(&key) else { return Ok(Vec::new()) };
        let mut alive = Vec::new();
        for member in run.members.clone() {
            match process_table::read(member.pid)? {
                Some(entry) if entry.start == member.start && entry.alive => alive.push(member),
                Some(entry) if entry.start == member.start => {
                    reap_adopted(&entry);
                    run.members.remove(&member);
                }
                _ => {
                    run.members.remove(&member);
                }
            }
        }
        Ok(alive)
    }

    /// Brings the table up to date as far as this run needs it.
    fn refresh(&mut self, key: RunKey) -> io::Result<()> {
        let Some(run) = self.runs.get(&key) else { return Ok(()) };
        let (leader, latest) = (run.leader, last_pid()?);
        let known = self.seen.len().saturating_add(self.leaders.len());
        let many = MANY.max(u32::try_from(known).unwrap_or(u32::MAX).saturating_mul(2));
        let from = match self.coverage.filter(|coverage| coverage.includes(leader)) {
            Some(coverage) if distance(coverage.to, latest) <= many => coverage.to,
            // A short life: all that it has started has a number between its own and the latest.
            None if self.coverage.is_none() && distance(leader, latest) <= MANY => {
                self.coverage = Some(Coverage { from: Some(leader), to: latest, at: now() });
                leader
            }
            Some(_) | None => return self.read_everything(latest),
        };
        let mut entries = Vec::new();
        let mut pid = from;
        while pid != latest {
            pid = next_pid(pid);
            match process_table::read(pid)? {
                Some(entry) => entries.push(entry),
                None => drop(self.seen.remove(&pid)),
            }
        }
        self.classify(entries);
        if let Some(coverage) = &mut self.coverage {
            coverage.to = latest;
        }
        Ok(())
    }

    /// Reads all processes. `latest` was the latest process id before.
    fn read_everything(&mut self, latest: u32) -> io::Result<()> {
        let entries = process_table::read_all()?;
        let exists: BTreeMap<u32, u64> = entries.iter().map(|entry| (entry.pid, entry.start)).collect();
        self.seen.retain(|pid, seen| exists.get(pid) == Some(&seen.start));
        self.classify(entries);
        self.coverage = Some(Coverage { from: None, to: latest, at: now() });
        Ok(())
    }

    /// Finds out which of these processes belong to runs.
    fn classify(&mut self, mut entries: Vec<Entry>) {
        let own = getpid().as_raw_nonzero().get().unsigned_abs();
        let oldest = self.runs.values().next().map_or(u64::MAX, |run| run.since);
        entries.retain(|entry| {
            let known = self.seen.get(&entry.pid).filter(|seen| seen.start == entry.start);
            let settled = known.is_some_and(|seen| seen.kin != Kin::Stranger);
            !settled
                && entry.start >= oldest
                && entry.pid != own
                && !self.leaders.contains_key(&entry.pid)
                && !is_kernel_thread(entry)
        });
        // By their relation to processes that are known already, until no more are found.
        loop {
            let before = entries.len();
            entries.retain(|entry| match self.relation(entry) {
                Some(key) => !self.add(key, entry),
                None => true,
            });
            if entries.len() == before {
                break;
            }
        }
        // By their marks; what these have started is found by relation again.
        let mut found = false;
        entries.retain(|entry| {
            let known = self.seen.get(&entry.pid).filter(|seen| seen.start == entry.start);
            if known.is_some_and(|seen| seen.is_read) {
                return true;
            }
            let (key, is_read) = self.marked(entry);
            if let Some(key) = key
                && self.add(key, entry)
            {
                found = true;
                return false;
            }
            self.seen.insert(entry.pid, Seen { start: entry.start, kin: Kin::Stranger, is_read });
            true
        });
        if found {
            self.classify(entries);
        }
    }

    /// Returns the run that a process belongs to by its parent, its group or its session.
    fn relation(&self, entry: &Entry) -> Option<RunKey> {
        if let Some(key) = self.leaders.get(&entry.parent) {
            return Some(*key);
        }
        if let Some(seen) = self.seen.get(&entry.parent)
            && seen.start <= entry.start
            && let Kin::Member(key) | Kin::Exempt(key) = seen.kin
        {
            return Some(key);
        }
        [entry.group, entry.session].into_iter().find_map(|number| self.led_by_member(number, entry))
    }

    /// Returns the run whose member leads, or has led, the group or session with this number.
    fn led_by_member(&self, number: u32, entry: &Entry) -> Option<RunKey> {
        if number == entry.pid {
            return None;
        }
        if let Some(key) = self.leaders.get(&number) {
            return Some(*key);
        }
        if let Some(Seen { start, kin: Kin::Member(key) | Kin::Exempt(key), .. }) = self.seen.get(&number)
            && process_table::read(number).is_ok_and(|now| now.is_some_and(|now| now.start == *start))
        {
            return Some(*key);
        }
        // The leader is gone. A known member in there has kept the number from being used again.
        let holds = |member: &Member| {
            let now = process_table::read(member.pid).ok().flatten();
            now.is_some_and(|now| now.start == member.start && [now.group, now.session].contains(&number))
        };
        let led = |run: &Run| run.leader == number || run.members.iter().any(|member| member.pid == number);
        self.runs.iter().find(|(_, run)| led(run) && run.members.iter().any(holds)).map(|(key, _)| *key)
    }

    /// Returns the run whose mark a process carries, and whether both marks could be read: a process that is
    /// just executing a program has no environment for a moment.
    fn marked(&self, entry: &Entry) -> (Option<RunKey>, bool) {
        let is_registered = |key: &RunKey| self.runs.contains_key(key);
        match run_mark::in_environment(entry.pid) {
            EnvironmentMark::Empty => (None, true),
            EnvironmentMark::Run(key) if is_registered(&key) => (Some(key), true),
            mark => {
                let key = run_mark::in_limits(entry.pid).filter(is_registered);
                (key, mark != EnvironmentMark::Unreadable)
            }
        }
    }

    /// Adds a process to a run. False if it turns out not to be a process.
    fn add(&mut self, key: RunKey, entry: &Entry) -> bool {
        if process_table::is_thread(entry.pid) {
            return false;
        }
        let member = Member { pid: entry.pid, start: entry.start };
        let Some(run) = self.runs.get_mut(&key) else { return false };
        let parent_is_exempt =
            self.seen.get(&entry.parent).is_some_and(|seen| matches!(seen.kin, Kin::Exempt(_)));
        // The group of the run is always ended as a whole.
        let in_group = entry.group == run.leader;
        let is_exempt = !in_group && (parent_is_exempt || run_mark::is_exempt(entry.pid, &run.spared));
        if !is_exempt {
            run.members.insert(member);
        }
        let kin = if is_exempt { Kin::Exempt(key) } else { Kin::Member(key) };
        self.seen.insert(entry.pid, Seen { start: entry.start, kin, is_read: true });
        true
    }
}

impl Coverage {
    /// Returns whether all processes that were created after `leader` are known or have a number after `to`.
    fn includes(&self, leader: u32) -> bool {
        // More process ids than this are not assigned in a second, so that none was assigned twice.
        const FASTEST: u32 = 20_000;
        let age = now().saturating_duration_since(self.at);
        let limit = Duration::from_secs(u64::from((pid_max() / FASTEST).clamp(1, 300)));
        let covers = |from: u32| distance(from, self.to) >= distance(leader, self.to);
        // A leader that is newer than the last search lies after `to`, which looks like far before it.
        let is_newer = distance(self.to, leader) <= pid_max() / 2;
        age < limit && self.from.is_none_or(|from| is_newer || covers(from))
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of a table of the real system")]
fn now() -> Instant {
    Instant::now()
}

/// Reaps a dead member that has become a child of this process.
fn reap_adopted(entry: &Entry) {
    if entry.parent == getpid().as_raw_nonzero().get().unsigned_abs()
        && let Some(pid) = i32::try_from(entry.pid).ok().and_then(Pid::from_raw)
    {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn is_kernel_thread(entry: &Entry) -> bool {
    const KTHREADD: u32 = 2;
    entry.parent == KTHREADD || (entry.pid == KTHREADD && entry.parent == 0)
}

/// Returns the latest process id that was assigned in this PID namespace.
fn last_pid() -> io::Result<u32> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let last = text.split_ascii_whitespace().last().and_then(|last| last.parse().ok());
    last.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns the end of the process ids, which are smaller.
fn pid_max() -> u32 {
    static MAX: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *MAX.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/pid_max").ok();
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(32_768)
    })
}

fn next_pid(pid: u32) -> u32 {
    if pid + 1 >= pid_max() { 1 } else { pid + 1 }
}

/// Returns how many process ids were assigned after `from` up to `to`, at most.
fn distance(from: u32, to: u32) -> u32 {
    if to >= from { to - from } else { pid_max().saturating_sub(from).saturating_add(to) }
}

/// Returns whether `/proc` shows the processes of our own PID namespace.
pub(super) fn is_available() -> bool {
    let own = getpid().as_raw_nonzero().get().to_string();
    fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.as_str()) && last_pid().is_ok()
}
