//! A process as seen from outside.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Containment, Exit, Name, RunId, SpawnError};

/// What a process is doing, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Its name.
    pub name: Name,
    /// What it is doing.
    pub phase: Phase,
    /// Whether it is held down, or will be once its run is over.
    pub held: bool,
    /// The run under way.
    pub run: Option<RunId>,
    /// The process id of that run.
    pub pid: Option<u32>,
    /// How reliably the descendants of that run are found.
    pub containment: Option<Containment>,
    /// Since when that run has been up, or on its way up.
    pub since: Option<Instant>,
    /// How often it has been started again since it was added.
    pub restarts: u64,
    /// How its last run ended.
    pub last: Option<LastRun>,
    /// How long it will wait after the next instant death.
    pub delay: Duration,
    /// When it will be started, if it is waiting for that.
    pub next_start: Option<Instant>,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing: the service does not run, and nobody started it.
    Down,
    /// Nothing, because it is held.
    Held,
    /// Waiting for its next start.
    Waiting,
    /// Being started.
    Starting,
    /// Running.
    Up,
    /// Asked to end, and not gone yet.
    Stopping,
    /// Dead; the end of its group or its output is awaited.
    Ending,
    /// It got KILL and is still there.
    Unkillable,
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
        })
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LastRun {
    /// The process ran, and ended like this.
    Exited(Exit),
    /// It never ran.
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
