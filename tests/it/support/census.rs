//! Looks at `/proc`: what this process has, and how another one is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use rustix::process::{WaitOptions, wait};

use super::PATIENCE;

/// What this process has: descriptors, threads and children, zombies included. Not counted is the guardian, which is
/// there from the first start that needs it until the end; dead and not reaped, it is counted as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    descriptors: BTreeSet<String>,
    threads: Vec<String>,
    children: BTreeSet<u32>,
}

impl Census {
    pub(crate) fn take() -> Self {
        let paths = |dir: &str| fs::read_dir(dir).expect("/proc").map(|entry| entry.expect("entry").path());
        let descriptors = paths("/proc/self/fd").filter_map(|path| {
            let target = fs::read_link(&path).ok()?.display().to_string();
            // The directory that is being read is open, too.
            (!target.ends_with("/fd")).then(|| format!("{} -> {target}", path.display()))
        });
        let mut threads: Vec<String> = paths("/proc/self/task").filter_map(|task| name_of(&task)).collect();
        threads.sort();
        Self { descriptors: descriptors.collect(), threads, children: other_children() }
    }

    /// How many descriptors there are.
    pub(crate) fn descriptors(&self) -> usize {
        self.descriptors.len()
    }

    /// A census as soon as all that was started for monitors is gone, what was adopted and has died included. For a test
    /// alone, after its last monitor was dropped.
    pub(crate) fn settled() -> Self {
        let begin = Instant::now();
        loop {
            // With all monitors gone, nobody else waits for anybody.
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            let census = Self::take();
            // The one that waits for SIGCHLD, where there is one, stays.
            let of_a_monitor =
                |thread: &String| thread.starts_with("childminder") && thread != "childminder-sig";
            if census.children.is_empty() && !census.threads.iter().any(of_a_monitor) {
                return census;
            }
            assert!(begin.elapsed() < PATIENCE, "this does not go: {census:#?}");
            thread::yield_now();
        }
    }

    /// Nothing more than before; fewer threads are fine.
    pub(crate) fn assert_unchanged_since(&self, before: &Self) {
        assert_eq!(self.descriptors, before.descriptors, "descriptors");
        assert_eq!(self.children, before.children, "children");
        let (threads, before) = (&self.threads, &before.threads);
        assert!(threads.len() <= before.len(), "threads: {threads:?}, before: {before:?}");
    }

    /// Whether there is a thread with this name, of which the kernel keeps 15 characters.
    pub(crate) fn has_thread(&self, name: &str) -> bool {
        self.threads.iter().any(|thread| thread == name)
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }
}

/// The name of a thread, but for one that is exiting: it is in the list for a moment after it was joined.
fn name_of(task: &Path) -> Option<String> {
    const PF_EXITING: u64 = 0x4;
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let flags: u64 = after.split_whitespace().nth(6)?.parse().ok()?;
    (flags & PF_EXITING == 0).then(|| name.to_owned())
}

/// The children of this process but for the guardian.
pub(crate) fn other_children() -> BTreeSet<u32> {
    children().filter(|pid| !is_guardian(*pid)).collect()
}

/// The guardians of this process that are alive: one at most, or somebody has made a mistake.
pub(crate) fn guardians() -> Vec<u32> {
    children().filter(|pid| is_guardian(*pid)).collect()
}

fn children() -> impl Iterator<Item = u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    tasks.flat_map(|task| {
        let pids = fs::read_to_string(task.expect("a task").path().join("children")).unwrap_or_default();
        pids.split_whitespace().map(|pid| pid.parse().expect("a process id")).collect::<Vec<_>>()
    })
}

/// It says so in its command line, which is there as long as it lives.
fn is_guardian(pid: u32) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.split(|b| *b == 0).any(|word| word == b"childminder-guardian")
}

/// Whether anybody on this machine listens on this TCP port, be it by IPv4 or by IPv6.
pub(crate) fn listens(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let mut sockets = tables.iter().flat_map(|table| table.lines());
    sockets.any(|socket| {
        let mut words = socket.split_whitespace().skip(1);
        let (address, state) = (words.next().unwrap_or_default(), words.nth(1));
        address.ends_with(&format!(":{port:04X}")) && state == Some(LISTEN)
    })
}

/// A field of `/proc/…/status`; `None` if there is no such process.
pub(crate) fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// Whether the process runs, or could: a zombie does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    status_field(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}
