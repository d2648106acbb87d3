//! The states of a process, and the inputs that change them.

use std::time::Instant;

use super::Event;
use super::run::{Ending, Orphans, Run, StopReason};

/// The wanted state of a process that is not in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// To run while the service runs.
    Keep,
    /// To stay down until it is released.
    Hold,
    /// To be removed.
    Gone,
}

/// The state of a process.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// No run, and none is due.
    Down(Rest),
    /// The start was requested and has not been answered. `exit` is an exit that was reported before the
    /// start.
    Starting { run: Run, unwanted: Option<StopMode>, exit: Option<Box<Event>> },
    /// Running.
    Up(Run),
    /// The stop signal was sent. `orphans` is set when the leader has died before the rest of its family.
    Stopping { run: Run, kill_at: Instant, orphans: Option<Box<Orphans>> },
    /// Dead or killed, but the family or the output may not have ended yet.
    Ending(Ending),
    /// Between two runs.
    Waiting { until: Instant },
    /// A run is due, and its conditions do not hold.
    Blocked(Blockage),
}

/// Whether it has been published that a process is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blockage {
    Published,
    /// It only waits for its restart group.
    Silent,
}

/// Why there is no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// None is wanted.
    Idle,
    /// The last one was a success, after which the policy does not restart the process.
    Completed,
    /// The last one was a failure, after which the policy does not restart the process.
    Failed,
    /// It has failed too often.
    GaveUp,
}

/// The ways to end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopMode {
    /// With the stop signal, and KILL at the kill time.
    Graceful,
    /// With KILL.
    Forced,
}

/// Something that happens to a process.
#[derive(Debug)]
pub(super) enum Input {
    /// Start it as soon as possible.
    Start,
    /// Start it if it is wanted and no run is due.
    Wake,
    /// Stop the current run.
    Stop,
    /// Stop the current run so that it is started again, because of another process or definition.
    Restart(Box<StopReason>),
    /// Stop the current run, and cancel a restart that is due.
    Cancel,
    /// Kill the current run, and cancel a restart that is due.
    Kill,
    /// The time has changed.
    Timeout,
    /// Something happened to the current run.
    Event(Event),
}

impl State {
    /// Whether a run was started and is not being stopped.
    pub(super) fn is_started(&self) -> bool {
        matches!(self, Self::Starting { unwanted: None, .. } | Self::Up(_))
    }

    pub(super) fn run(&self) -> Option<&Run> {
        match self {
            Self::Down(_) | Self::Waiting { .. } | Self::Blocked(_) => None,
            Self::Starting { run, .. } | Self::Up(run) | Self::Stopping { run, .. } => Some(run),
            Self::Ending(ending) => Some(&ending.run),
        }
    }

    pub(super) fn run_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Down(_) | Self::Waiting { .. } | Self::Blocked(_) => None,
            Self::Starting { run, .. } | Self::Up(run) | Self::Stopping { run, .. } => Some(run),
            Self::Ending(ending) => Some(&mut ending.run),
        }
    }
}
