//! Why a process is in its state, as a chain of causes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Dependency, Exit, Name, SpawnError};

/// Why a process is in its state: a chain of causes, of which each explains the one before it.
///
/// The last cause is a root cause or a command of the user. Displayed as text, such as `web is blocked on db
/// (ready); db is started again in 1.5 s after its 3rd failure in a row; it exited with code 1 after 40 ms`.
#[derive(Clone, Debug)]
pub struct Why {
    at: Instant,
    causes: Vec<Cause>,
    last_line: Option<String>,
}

impl Why {
    pub(super) fn new(at: Instant, causes: Vec<Cause>) -> Self {
        Self { at, causes, last_line: None }
    }

    /// Returns the causes. There is at least one.
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// Returns the process that the last cause is about.
    pub fn root(&self) -> &Name {
        &self.causes.last().expect("a chain has a cause").process
    }

    /// Returns the last line of output of the [root](Self::root) process, if it is known.
    pub fn last_line(&self) -> Option<&str> {
        self.last_line.as_deref()
    }

    /// Adds the last line of output of the [root](Self::root) process, which the machine does not know.
    #[must_use]
    pub fn with_last_line(mut self, line: Option<String>) -> Self {
        self.last_line = line;
        self
    }
}

/// One cause in a [`Why`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cause {
    /// The process.
    pub process: Name,
    /// The fact about it.
    pub kind: CauseKind,
}

/// The kinds of causes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CauseKind {
    /// Its start was requested and has not been answered.
    Starting,
    /// It runs.
    Running {
        /// The start of the run.
        since: Instant,
    },
    /// It runs and is not ready yet.
    NotReadyYet {
        /// When that becomes a failure.
        until: Option<Instant>,
    },
    /// It runs, and is no longer ready.
    ReadinessLost,
    /// It is being stopped.
    Stopping {
        /// The time of KILL.
        kill_at: Instant,
    },
    /// It is dead or killed, and the end of its family or its output is awaited.
    Ending,
    /// It has outlived KILL.
    Unkillable,
    /// It waits for something before it is started.
    Blocked {
        /// The condition that does not hold.
        on: Dependency,
    },
    /// There is no such process: it was removed, or never added.
    Missing,
    /// It waits for the end of these processes before it is stopped.
    StopsAfter {
        /// The processes that depend on it and run.
        dependents: Vec<Name>,
    },
    /// It is restarted with its group.
    GroupRestart {
        /// The name of the group.
        group: Name,
        /// The member that has ended.
        after: Name,
    },
    /// It is restarted after the process that it depends on.
    DependencyRestart {
        /// The process that it depends on.
        after: Name,
    },
    /// It waits for its next start.
    Waiting {
        /// The time of the start.
        at: Instant,
        /// The number of failures in a row.
        failures: u32,
    },
    /// Its policy does not restart it after a success.
    Completed,
    /// Its policy does not restart it after a failure.
    Failed,
    /// It was given up.
    GaveUp {
        /// The number of failures.
        failures: u32,
        /// The window in which they count.
        within: Option<Duration>,
    },
    /// Its last run ended. A root cause.
    Exited {
        /// The exit.
        exit: Exit,
        /// The time from the start to the exit.
        lived: Duration,
        /// Whether it was asked to end.
        asked: bool,
    },
    /// Its last start failed. A root cause.
    SpawnFailed {
        /// The step that failed, and the cause.
        error: SpawnError,
    },
    /// Its last run was ended because it was not ready in time. A root cause.
    NotReady {
        /// The reason.
        reason: Arc<str>,
    },
    /// Its last run was ended because it was unhealthy. A root cause.
    Unhealthy {
        /// The reason.
        reason: Arc<str>,
    },
    /// The service does not run: it was never started, or it was stopped by a command.
    ServiceDown,
    /// The service was stopped because a process was given up.
    StoppedByGiveUp {
        /// The process that was given up.
        process: Name,
    },
    /// It was held by a command.
    Held,
    /// It was removed by a command.
    Removed,
    /// It was started by a command, or by the start of the service.
    StartRequested,
    /// A command asked it to end.
    StopRequested,
    /// Its definition was replaced by a command.
    Replaced,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, cause) in self.causes.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{} {:?}", cause.process, cause.kind)?;
        }
        let _ = self.at;
        match &self.last_line {
            Some(line) => write!(f, "; last line: {}", super::Escaped(line)),
            None => Ok(()),
        }
    }
}
