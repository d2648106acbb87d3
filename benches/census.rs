//! The resources of a process, as the kernel counts them.

use std::fs;
use std::io;

#[derive(Debug)]
pub(crate) struct Census {
    /// The proportional set size: shared pages are divided among the processes that share them.
    pub(crate) pss_kib: f64,
    pub(crate) descriptors: f64,
    pub(crate) threads: f64,
    /// The number of context switches of all threads.
    pub(crate) switches: f64,
    /// The CPU time of all threads, in seconds.
    pub(crate) cpu: f64,
}

impl Census {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let read = |path: String| fs::read_to_string(path);
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).unwrap_or(0.0);
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            number(line.and_then(|line| line.split_whitespace().nth(1)))
        };
        let mut census = Self {
            pss_kib: field(&read(format!("/proc/{pid}/smaps_rollup"))?, "Pss"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as f64,
            threads: 0.0,
            switches: 0.0,
            cpu: 0.0,
        };
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path().display().to_string();
            let status = read(format!("{task}/status"))?;
            census.threads += 1.0;
            census.switches +=
                field(&status, "voluntary_ctxt_switches") + field(&status, "nonvoluntary_ctxt_switches");
            census.cpu += number(read(format!("{task}/schedstat"))?.split_whitespace().next()) / 1e9;
        }
        Ok(census)
    }
}
