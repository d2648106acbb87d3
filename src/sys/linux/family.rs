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
//! kernel shows. So each new process is read once for all runs; leaders are known and never read. If nothing
//! was created since the last search, as when a thousand idle programs are stopped, a search is one system
//! call, and one search is enough for all leaders whose death the event loop has reported together. Reading
//! all of `/proc` is necessary only if very many processes were created, so that a number may have been
//! assigned twice; the kernel counts them.
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
use super::event_loop::{self, Turn};
use super::process_ids::{between, created, distance, last_pid, pid_max};
use super::process_table::{self, Entry};
use super::run_mark::{self, EnvironmentMark, RunKey};

/// A process by its id and its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) pid: u32,
    pub(super) start: u64,
}

impl From<Entry> for Member {
    fn from(entry: Entry) -> Self {
        Self { pid: entry.pid, start: entry.start }
    }
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
    /// The runs that have known members, which are few among thousands of idle ones.
    populated: BTreeSet<RunKey>,
    /// The leaders that are not reaped, so that their numbers are their own.
    leaders: BTreeMap<u32, RunKey>,
    seen: BTreeMap<u32, Seen>,
    coverage: Option<Coverage>,
    /// The number of processes that the system had created when the table was up to date, or earlier.
    created: Option<u64>,
    /// The last turn of an event loop in which every process that existed was known.
    complete_in: Option<Turn>,
}

#[derive(Debug)]
struct Run {
    leader: u32,
    /// Since when it is registered, in clock ticks since the boot. No member is older.
    since: u64,
    spared: Box<[OsString]>,
    members: BTreeSet<Member>,
}

/// The knowledge about a process that is not a leader.
#[derive(Clone, Copy, Debug)]
struct Seen {
    start: u64,
    kin: Kin,
    /// Whether both marks could be read, so that there is no reason to read them again.
    is_read: bool,
    /// Whether it was in the group of its run when it was found, and has not been seen outside of it: it may
    /// be about to become a program that is exempt.
    may_be_exempt: bool,
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
            populated: BTreeSet::new(),
            leaders: BTreeMap::new(),
            seen: BTreeMap::new(),
            coverage: None,
            created: None,
            complete_in: None,
        }
    }

    /// Registers a run whose leader was just created.
    pub(super) fn register(&mut self, key: RunKey, leader: u32, spared: Box<[OsString]>) {
        if self.owner != Some(getpid()) {
            *self = Self { owner: Some(getpid()), ..Self::new() };
        }
        if self.runs.is_empty() {
            self.created = self.created.or_else(created);
            // No member can be older than the first leader.
            self.coverage = Some(Coverage { from: Some(leader), to: leader, at: now() });
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
        self.populated.remove(&key);
        self.runs.remove(&key);
        if self.runs.is_empty() {
            (self.seen, self.coverage) = (BTreeMap::new(), None);
        }
    }

    /// Searches for members, and returns those that are alive. If members that were created after `until`
    /// need not be found, as when the leader had died by then, an earlier search may have the answer.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub(super) fn live_members(&mut self, key: RunKey, until: Option<Turn>) -> io::Result<Vec<Member>> {
        if self.had_no_members(key, until) {
            return Ok(Vec::new());
        }
        loop {
            let has_new = self.refresh(key)?;
            let Some(run) = self.runs.get(&key) else { return Ok(Vec::new()) };
            // No process was created since the last search, which has left nothing alive that could do so.
            if !has_new && run.members.is_empty() {
                self.complete_in = self.complete_in.max(event_loop::turn());
                return Ok(Vec::new());
            }
            let members = self.known_members(key)?;
            if !members.is_empty() {
                return Ok(members);
            }
            // A member may have created a process after the search and ended before it was looked at.
            if self.coverage.map(|coverage| coverage.to) == Some(last_pid()?) {
                self.complete_in = self.complete_in.max(event_loop::turn());
                return Ok(members);
            }
        }
    }

    /// Returns whether the run had no members in this turn or later, when every process was known.
    fn had_no_members(&self, key: RunKey, turn: Option<Turn>) -> bool {
        let has_none = |run: &Run| {
            run.members.is_empty() && self.coverage.is_some_and(|coverage| coverage.includes(run.leader))
        };
        turn.is_some() && self.complete_in >= turn && self.runs.get(&key).is_none_or(has_none)
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
        Ok(self.known_entries(key)?.into_iter().map(Member::from).collect())
    }

    /// Returns what `/proc` says of the members that were found before and are alive, like
    /// [`known_members`](Self::known_members).
    pub(super) fn known_entries(&mut self, key: RunKey) -> io::Result<Vec<Entry>> {
        let Some(run) = self.runs.get_mut(&key) else { return Ok(Vec::new()) };
        let mut alive = Vec::new();
        for member in run.members.clone() {
            match process_table::read(member.pid)?.filter(|entry| entry.start == member.start) {
                Some(entry) if entry.alive => {
                    if let Some(seen) = self.seen.get_mut(&member.pid)
                        && seen.may_be_exempt
                        && entry.group != run.leader
                    {
                        seen.may_be_exempt = false;
                        if run_mark::is_exempt(member.pid, &run.spared) {
                            seen.kin = Kin::Exempt(key);
                            run.members.remove(&member);
                            continue;
                        }
                    }
                    alive.push(entry);
                }
                gone => {
                    gone.iter().for_each(reap_adopted);
                    run.members.remove(&member);
                }
            }
        }
        if run.members.is_empty() {
            self.populated.remove(&key);
        }
        Ok(alive)
    }

    /// Brings the table up to date as far as this run needs it. Returns whether a process was created since
    /// it was last brought up to date.
    fn refresh(&mut self, key: RunKey) -> io::Result<bool> {
        let Some(run) = self.runs.get(&key) else { return Ok(false) };
        let (leader, latest) = (run.leader, last_pid()?);
        let Some(covered) = self.coverage.filter(|coverage| coverage.includes(leader)) else {
            return self.read_everything(latest).map(|()| true);
        };
        let (from, recent) = (covered.to, covered.is_recent());
        let created = if recent { self.created } else { created() };
        if self.are_many(from, latest) || !(recent || self.ids_are_unique(created)) {
            return self.read_everything(latest).map(|()| true);
        }
        if from != latest {
            let mut entries = Vec::new();
            for pid in between(from, latest).filter(|pid| !self.leaders.contains_key(pid)) {
                match process_table::read(pid)? {
                    Some(entry) => entries.push(entry),
                    None => drop(self.seen.remove(&pid)),
                }
            }
            self.classify(entries);
        }
        self.coverage = Some(Coverage { to: latest, at: now(), ..covered });
        self.created = created;
        Ok(from != latest)
    }

    /// Returns whether it costs less to read everything than to read the processes with these ids.
    fn are_many(&self, from: u32, latest: u32) -> bool {
        let known = self.seen.len().saturating_add(self.leaders.len());
        distance(from, latest) > MANY.max(u32::try_from(known).unwrap_or(u32::MAX).saturating_mul(2))
    }

    /// Returns whether no process id was assigned twice since the table was up to date, if this is the number
    /// of processes that were created by now.
    fn ids_are_unique(&self, created: Option<u64>) -> bool {
        let (Some(before), Some(now)) = (self.created, created) else { return false };
        // The half that remains is for starts that have failed, which use an id and are not counted.
        now.checked_sub(before).is_some_and(|new| new < u64::from(pid_max() / 2))
    }

    /// Reads all processes. `latest` was the latest process id before.
    fn read_everything(&mut self, latest: u32) -> io::Result<()> {
        let entries = process_table::read_all_but(|pid| self.leaders.contains_key(&pid))?;
        let exists: BTreeMap<u32, u64> = entries.iter().map(|entry| (entry.pid, entry.start)).collect();
        self.seen.retain(|pid, seen| exists.get(pid) == Some(&seen.start));
        self.classify(entries);
        self.coverage = Some(Coverage { from: None, to: latest, at: now() });
        self.created = created();
        Ok(())
    }

    /// Finds out which of these processes belong to runs.
    fn classify(&mut self, mut entries: Vec<Entry>) {
        let own = getpid().as_raw_nonzero().get().unsigned_abs();
        // Not that of the first key: a run whose start took long is registered after its successors.
        let oldest = self.runs.values().map(|run| run.since).min().unwrap_or(u64::MAX);
        entries.retain(|entry| {
            let known = self.seen.get(&entry.pid).filter(|seen| seen.start == entry.start);
            let settled = known.is_some_and(|seen| seen.kin != Kin::Stranger);
            !settled && entry.start >= oldest && entry.pid != own && !is_kernel_thread(entry)
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
            let (start, kin) = (entry.start, Kin::Stranger);
            self.seen.insert(entry.pid, Seen { start, kin, is_read, may_be_exempt: false });
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
        let mut populated = self.populated.iter().filter_map(|key| self.runs.get_key_value(key));
        populated.find(|(_, run)| led(run) && run.members.iter().any(holds)).map(|(key, _)| *key)
    }

    /// Returns the run whose mark a process carries, and whether both marks could be read: a process that is
    /// just executing a program has no environment for a moment.
    fn marked(&self, entry: &Entry) -> (Option<RunKey>, bool) {
        let is_registered = |key: &RunKey| self.runs.contains_key(key);
        match run_mark::in_environment(entry.pid) {
            EnvironmentMark::Empty => (None, true),
            EnvironmentMark::Run(key) if is_registered(&key) => (Some(key), true),
            mark => {
                let key = run_mark::in_limits(entry.pid).and_then(|bits| self.run_with(bits));
                (key, mark != EnvironmentMark::Unreadable)
            }
        }
    }

    /// Returns the run whose number ends with these bits, unless there are two: a resource limit has no room
    /// for more, and after some millions of starts the bits come again.
    fn run_with(&self, bits: u64) -> Option<RunKey> {
        let mut keys = self.runs.keys().copied().filter(|key| run_mark::limit_bits(*key) == bits);
        let first = keys.next();
        first.filter(|_| keys.next().is_none())
    }

    /// Adds a process to a run. False if it turns out not to be a process.
    fn add(&mut self, key: RunKey, entry: &Entry) -> bool {
        if process_table::is_thread(entry.pid) {
            return false;
        }
        let Some(run) = self.runs.get_mut(&key) else { return false };
        let parent_is_exempt =
            self.seen.get(&entry.parent).is_some_and(|seen| matches!(seen.kin, Kin::Exempt(_)));
        // The group of the run is always ended as a whole.
        let in_group = entry.group == run.leader;
        let is_exempt = !in_group && (parent_is_exempt || run_mark::is_exempt(entry.pid, &run.spared));
        if !is_exempt {
            run.members.insert(Member::from(*entry));
            self.populated.insert(key);
        }
        let kin = if is_exempt { Kin::Exempt(key) } else { Kin::Member(key) };
        let (start, may_be_exempt) = (entry.start, in_group);
        self.seen.insert(entry.pid, Seen { start, kin, is_read: true, may_be_exempt });
        true
    }
}

impl Coverage {
    /// Returns whether all processes that were created after `leader` are known or have a number after `to`.
    fn includes(&self, leader: u32) -> bool {
        let covers = |from: u32| distance(from, self.to) >= distance(leader, self.to);
        // A leader that is newer than the last search lies after `to`, which looks like far before it.
        let is_newer = distance(self.to, leader) <= pid_max() / 2;
        self.from.is_none_or(|from| is_newer || covers(from))
    }

    /// Returns whether it was up to date so short a time ago that no process id was assigned twice.
    fn is_recent(&self) -> bool {
        // More process ids than this are not assigned in a second.
        const FASTEST: u32 = 20_000;
        let age = now().saturating_duration_since(self.at);
        age < Duration::from_secs(u64::from((pid_max() / FASTEST).clamp(1, 300)))
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

/// Returns whether `/proc` shows the processes of our own PID namespace.
pub(super) fn is_available() -> bool {
    let own = getpid().as_raw_nonzero().get().to_string();
    fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.as_str()) && last_pid().is_ok()
}

#[cfg(test)]
mod tests;
