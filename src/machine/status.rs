//! The state of a process as its users see it.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Containment, Dependency, Exit, Name, Policy, RunId, SpawnError};

/// The state of a process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The name of the process.
    pub name: Name,
    /// The phase that it is in.
    pub phase: Phase,
    /// Whether it is held, or will be when its run is over.
    pub held: bool,
    /// The current run.
    pub run: Option<RunId>,
    /// The process id of the current run.
    pub pid: Option<u32>,
    /// The reliability with which the descendants of the current run are found.
    pub containment: Option<Containment>,
    /// The start of the current run.
    pub since: Option<Instant>,
    /// The number of restarts since it was added.
    pub restarts: u64,
    /// The result of its last run.
    pub last: Option<LastRun>,
    /// The delay after the next instant death.
    pub delay: Duration,
    /// The time of the next start, if it is waiting for a restart.
    pub next_start: Option<Instant>,
    /// The time since which the current run is ready; the start of the run if it has no condition for its
    /// readiness.
    pub ready_since: Option<Instant>,
    /// The time of KILL, if it is being stopped.
    pub kill_at: Option<Instant>,
    /// The first condition that does not hold, if it is blocked.
    pub blocked_on: Option<Dependency>,
    /// The number of failures that count towards [giving up](Policy::give_up), or in a row if the policy
    /// never gives up.
    pub failures: u32,
    /// The policy that applies to it.
    pub policy: Policy,
}

/// The phase that a process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Not running: the service does not run, and the process was not started by itself.
    Down,
    /// Not running, because it is held.
    Held,
    /// Waiting for a restart.
    Waiting,
    /// Being started.
    Starting,
    /// Running.
    Up,
    /// The stop signal was sent, and the process or its family is alive.
    Stopping,
    /// Dead or killed; the end of its family or its output is awaited.
    Ending,
    /// The process or its family has outlived KILL.
    Unkillable,
    /// Not running: the process is started when its dependencies permit.
    Blocked,
    /// Not running: its last run was a success, after which its policy does not restart it.
    Completed,
    /// Not running: its last run was a failure, after which its policy does not restart it.
    Failed,
    /// Not running: it has failed too often.
    GaveUp,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Down => "down",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::Ending => "ending",
            Self::Unkillable => "unkillable",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::GaveUp => "gave up",
        })
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LastRun {
    /// The process ran and ended.
    Exited(Exit),
    /// The process could not be started.
    SpawnFailed(SpawnError),
}

impl fmt::Display for LastRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(exit) => write!(f, "exited with {exit}"),
            Self::SpawnFailed(error) => write!(f, "not started: {error}"),
        }
    }
}
