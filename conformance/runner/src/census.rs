//! A look at all processes from outside.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The variable that marks a child and everything that it starts.
pub(crate) const CHILD: &str = "CONFORMANCE_CHILD";

/// The variable that marks a supervisor and everything that it starts.
pub(crate) const SUPERVISOR: &str = "CONFORMANCE_SUPERVISOR";

/// The variable with the process id of the run of which a process is a part.
pub(crate) const RUN: &str = "CONFORMANCE_RUN";

/// Returns the living processes whose environment has this variable with this value. Zombies have no
/// environment, so they are not included.
pub fn marked(variable: &str, value: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| has_mark(*pid, variable, value)).collect()
}

fn has_mark(pid: u32, variable: &str, value: &str) -> bool {
    self::value(pid, variable).is_some_and(|found| found == value)
}

/// Returns the process of the run to which a process belongs, unless it is that process itself.
pub(crate) fn run_of(pid: u32) -> Option<u32> {
    value(pid, RUN)?.parse().ok()
}

/// Returns the value of a variable in the environment of a process. That of a zombie is empty.
fn value(pid: u32, variable: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut assignments = environment.split(|byte| *byte == 0);
    assignments.find_map(|assignment| {
        let (name, value) = str::from_utf8(assignment).ok()?.split_once('=')?;
        (name == variable).then(|| value.to_owned())
    })
}

/// Sends KILL to every process with this mark, and returns how many there were.
pub(crate) fn kill_marked(variable: &str, value: &str) -> usize {
    let mut count = 0;
    for pid in marked(variable, value) {
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
        // A look just before the signal: the id may belong to another process since the first look.
        if let Some(id) = id.filter(|_| has_mark(pid, variable, value)) {
            // It may have ended by itself.
            let _ = kill_process(id, Signal::KILL);
            count += 1;
        }
    }
    count
}

/// The identity of a process, which its id alone is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    started: u64,
}

impl Identity {
    /// Returns the identity of a living process.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (!state.starts_with(['Z', 'X'])).then_some(Self { pid, started })
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}
