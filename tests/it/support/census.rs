//! Reads `/proc`: the descriptors, threads and children of this process, and the state of other processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use rustix::process::{WaitOptions, wait};

use super::PATIENCE;

/// The descriptors, threads and children of this process, zombies included. Guardians are left out, which are
/// children only of a process that adopts orphans: they live from the first start that needs them until the
/// process exits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    descriptors: BTreeSet<String>,
    threads: Vec<String>,
    children: BTreeSet<u32>,
}

/// The threads that live as long as the process: one waits for SIGCHLD, on the portable back end, one for the
/// end of the guardians, and one runs the drivers of all services.
const LASTING: [&str; 3] = ["childminder-sig", "childminder-gua", "childminder-fix"];

impl Census {
    pub(crate) fn take() -> Self {
        let paths = |dir: &str| fs::read_dir(dir).expect("/proc").map(|entry| entry.expect("entry").path());
        let descriptors = paths("/proc/self/fd").filter_map(|path| {
            let target = fs::read_link(&path).ok()?.display().to_string();
            // The descriptor that reads the directory.
            (!target.ends_with("/fd")).then(|| format!("{} -> {target}", path.display()))
        });
        Self { descriptors: descriptors.collect(), threads: thread_names(), children: other_children() }
    }

    /// Returns the number of open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        self.descriptors.len()
    }

    /// Takes a census as soon as every child and every thread of a monitor is gone, and reaps adopted orphans
    /// meanwhile. For a test in its own process, after its last monitor was dropped.
    pub(crate) fn settled() -> Self {
        let begin = Instant::now();
        loop {
            // All monitors are gone, so no other code waits for a child.
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            let census = Self::take();
            let of_a_monitor =
                |thread: &String| thread.starts_with("childminder") && !LASTING.contains(&thread.as_str());
            if census.children.is_empty() && !census.threads.iter().any(of_a_monitor) {
                return census;
            }
            assert!(begin.elapsed() < PATIENCE, "not gone within {PATIENCE:?}: {census:#?}");
            thread::yield_now();
        }
    }

    /// Asserts that there are no new descriptors, children or threads since `before`.
    pub(crate) fn assert_unchanged_since(&self, before: &Self) {
        assert_eq!(self.descriptors, before.descriptors, "descriptors");
        assert_eq!(self.children, before.children, "children");
        // A thread that begins has the name of the one that has started it, and one that was joined is listed
        // for a moment more. A thread that was left behind stays.
        let (mut threads, before, begin) = (self.threads.clone(), &before.threads, Instant::now());
        while threads.len() > before.len() {
            assert!(begin.elapsed() < PATIENCE, "threads: {threads:?}, before: {before:?}");
            thread::yield_now();
            threads = thread_names();
        }
    }

    /// Whether a thread has this name, of which the kernel keeps 15 characters.
    pub(crate) fn has_thread(&self, name: &str) -> bool {
        self.threads.iter().any(|thread| thread == name)
    }

    /// Returns the number of threads.
    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }
}

/// Returns the names of the threads of this process, sorted.
fn thread_names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    let mut names: Vec<String> = tasks.filter_map(|task| name_of(&task.expect("entry").path())).collect();
    names.sort();
    names
}

/// Returns the name of a thread. An exiting thread has none: it stays in the list for a moment after it was
/// joined.
fn name_of(task: &Path) -> Option<String> {
    const PF_EXITING: u64 = 0x4;
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let flags: u64 = after.split_whitespace().nth(6)?.parse().ok()?;
    (flags & PF_EXITING == 0).then(|| name.to_owned())
}

/// Returns the children of this process, without guardians.
pub(crate) fn other_children() -> BTreeSet<u32> {
    children().filter(|pid| !is_guardian(*pid)).collect()
}

/// Returns the living guardians of this process, and those that stand by. A correct program has at most one
/// of each.
pub(crate) fn guardians() -> [Vec<u32>; 2] {
    let owner = format!("{}-", std::process::id());
    let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        entry.expect("entry").file_name().to_str().and_then(|name| name.parse::<u32>().ok())
    });
    let pids: Vec<u32> =
        pids.filter(|pid| guardian_of(*pid).is_some_and(|(_, of)| of.starts_with(&owner))).collect();
    GUARDIANS.map(|name| {
        let has_name = |pid: &u32| guardian_of(*pid).is_some_and(|(its, _)| its == name);
        pids.iter().copied().filter(has_name).collect()
    })
}

fn children() -> impl Iterator<Item = u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    tasks.flat_map(|task| {
        let pids = fs::read_to_string(task.expect("a task").path().join("children")).unwrap_or_default();
        pids.split_whitespace().map(|pid| pid.parse().expect("a process id")).collect::<Vec<_>>()
    })
}

/// The names of guardians in their command lines.
pub(crate) const GUARDIANS: [&str; 2] = ["childminder-guardian", "childminder-standby"];

/// Returns the name and the owner's token of a guardian, by its command line, which a zombie no longer has.
pub(crate) fn guardian_of(pid: u32) -> Option<(String, String)> {
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let (name, rest) = command.split_once('\0')?;
    let token = rest.split('\0').next().unwrap_or_default();
    GUARDIANS.contains(&name).then(|| (name.to_owned(), token.to_owned()))
}

/// Whether this is a guardian of any process.
fn is_guardian(pid: u32) -> bool {
    guardian_of(pid).is_some()
}

/// Whether any socket on this machine listens on this TCP port, by IPv4 or IPv6.
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

/// Returns a field of `/proc/PID/status`, or `None` if there is no such process.
pub(crate) fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// Whether the process exists and is not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    status_field(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}
