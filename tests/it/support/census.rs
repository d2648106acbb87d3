//! Looks at `/proc`: what this process has, and how another one is.

use std::collections::BTreeSet;
use std::fs;

/// What this process has: descriptors, threads and children, zombies included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Census {
    descriptors: BTreeSet<String>,
    threads: Vec<String>,
    children: BTreeSet<String>,
}

impl Census {
    pub(crate) fn take() -> Self {
        let paths = |dir: &str| fs::read_dir(dir).expect("/proc").map(|entry| entry.expect("entry").path());
        let descriptors = paths("/proc/self/fd").filter_map(|path| {
            let target = fs::read_link(&path).ok()?.display().to_string();
            // The directory that is being read is open, too.
            (!target.ends_with("/fd")).then(|| format!("{} -> {target}", path.display()))
        });
        let tasks: Vec<_> = paths("/proc/self/task").collect();
        let children = tasks.iter().flat_map(|task| {
            let pids = fs::read_to_string(task.join("children")).unwrap_or_default();
            pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        });
        let names = tasks.iter().filter_map(|task| fs::read_to_string(task.join("comm")).ok());
        let mut threads: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
        threads.sort();
        Self { descriptors: descriptors.collect(), threads, children: children.collect() }
    }

    /// How many descriptors there are.
    pub(crate) fn descriptors(&self) -> usize {
        self.descriptors.len()
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

/// A field of `/proc/…/status`; `None` if there is no such process.
pub(crate) fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// Whether the process runs, or could: a zombie does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    status_field(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}
