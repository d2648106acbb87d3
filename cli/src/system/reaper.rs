//! Reaps orphans as process 1 of a container: processes that were started by others and left to process 1.
//!
//! The library reaps the program and its descendants itself, by process id. To stay out of its way, a zombie
//! is reaped here only if it is not the program, and has been a zombie for [`PATIENCE`].

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// The time that the library has to reap a process of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The zombies among the children of this process.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    /// The time at which each of them was first seen.
    seen: HashMap<i32, Instant>,
}

impl Reaper {
    /// Reaps all zombies that were first seen [`PATIENCE`] ago, except for the processes `programs`. Returns
    /// whether there are others, so that this is to be called again after [`PATIENCE`].
    pub(crate) fn reap(&mut self, programs: &[u32], now: Instant) -> bool {
        let zombies = zombie_children();
        self.seen.retain(|pid, _| zombies.contains(pid));
        for pid in zombies {
            if programs.iter().any(|program| i64::from(*program) == i64::from(pid)) {
                continue;
            }
            let since = *self.seen.entry(pid).or_insert(now);
            if now.duration_since(since) >= PATIENCE {
                log::debug!("reaped the orphan {pid}");
                let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
                self.seen.remove(&pid);
            }
        }
        !self.seen.is_empty()
    }
}

fn zombie_children() -> Vec<i32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_zombie_of(*pid, own)).collect()
}

/// Whether the process `pid` is a zombie and a child of `parent`.
fn is_zombie_of(pid: i32, parent: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name is in parentheses, and may contain any characters.
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.next() == Some("Z") && fields.next().and_then(|field| field.parse().ok()) == Some(parent)
}
