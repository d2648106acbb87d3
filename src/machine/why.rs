//! Why a process is in its state, as a chain of causes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::notice::{Failures, Span};
use super::{Dependency, Escaped, Exit, List, Name, SpawnError};

/// Why a process is in its state: a chain of causes, of which each explains the one before it.
///
/// The last cause is a root cause or a command of the user. Displayed as text, such as `web is blocked on db
/// (ready); db is started again in 1.5 s after its third failure in a row; it exited with code 1 after 40
/// ms`.
#[derive(Clone, Debug)]
pub struct Why {
    at: Instant,
    causes: Vec<Cause>,
    root: Name,
    last_line: Option<String>,
}

impl Why {
    pub(super) fn new(at: Instant, causes: Vec<Cause>) -> Self {
        let root = causes.last().expect("a chain has a cause").process.clone();
        Self { at, causes, root, last_line: None }
    }

    /// Returns the causes. There is at least one.
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// Returns the process that the last cause is about.
    pub fn root(&self) -> &Name {
        &self.root
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
    /// The service does not run: it was not started, or was stopped by a command.
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
    /// It was started by a command, or with the service.
    StartRequested,
    /// A command asked it to end.
    StopRequested,
    /// Its definition was replaced by a command.
    Replaced,
}

impl Cause {
    /// Whether this needs no further explanation: it is a root cause or a command of the user.
    pub fn is_root(&self) -> bool {
        use CauseKind as Kind;
        match self.kind {
            Kind::Missing
            | Kind::Exited { .. }
            | Kind::SpawnFailed { .. }
            | Kind::NotReady { .. }
            | Kind::Unhealthy { .. }
            | Kind::ServiceDown
            | Kind::Held
            | Kind::Removed
            | Kind::StartRequested
            | Kind::StopRequested
            | Kind::Replaced => true,
            Kind::Starting
            | Kind::Running { .. }
            | Kind::NotReadyYet { .. }
            | Kind::ReadinessLost
            | Kind::Stopping { .. }
            | Kind::Ending
            | Kind::Unkillable
            | Kind::Blocked { .. }
            | Kind::StopsAfter { .. }
            | Kind::GroupRestart { .. }
            | Kind::DependencyRestart { .. }
            | Kind::Waiting { .. }
            | Kind::Completed
            | Kind::Failed
            | Kind::GaveUp { .. }
            | Kind::StoppedByGiveUp { .. } => false,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<&Cause> = None;
        for cause in &self.causes {
            if previous.is_some() {
                write!(f, "; ")?;
            }
            let is_same = previous.is_some_and(|previous| previous.process == cause.process);
            let runs = previous.is_some_and(|previous| {
                use CauseKind as Kind;
                matches!(
                    previous.kind,
                    Kind::Starting | Kind::Running { .. } | Kind::NotReadyYet { .. } | Kind::ReadinessLost
                )
            });
            match cause.kind {
                CauseKind::ServiceDown | CauseKind::StoppedByGiveUp { .. } => {}
                CauseKind::Exited { .. } if is_same && runs => write!(f, "its last run ")?,
                _ if is_same => write!(f, "it ")?,
                _ => write!(f, "{} ", cause.process)?,
            }
            self.fmt_kind(&cause.kind, f)?;
            previous = Some(cause);
        }
        match &self.last_line {
            Some(line) => write!(f, "; last line: {}", Escaped(line)),
            None => Ok(()),
        }
    }
}

impl Why {
    fn fmt_kind(&self, kind: &CauseKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |at: &Instant| Span(at.saturating_duration_since(self.at));
        match kind {
            CauseKind::Starting => write!(f, "is being started"),
            CauseKind::Running { since } => {
                write!(f, "has been running for {}", Span(self.at.saturating_duration_since(*since)))
            }
            CauseKind::NotReadyYet { until: Some(at) } => {
                write!(f, "runs and is not ready yet, for which it has {}", until(at))
            }
            CauseKind::NotReadyYet { until: None } => write!(f, "runs and is not ready yet"),
            CauseKind::ReadinessLost => write!(f, "runs and is no longer ready"),
            CauseKind::Stopping { kill_at } => write!(f, "is being stopped, KILL in {}", until(kill_at)),
            CauseKind::Ending => write!(f, "is dead, and the end of its family or its output is awaited"),
            CauseKind::Unkillable => write!(f, "has outlived KILL"),
            CauseKind::Blocked { on } => write!(f, "is blocked on {on}"),
            CauseKind::Missing => write!(f, "does not exist"),
            CauseKind::StopsAfter { dependents } => write!(f, "is stopped after {}", List(dependents)),
            CauseKind::GroupRestart { group, after } => {
                write!(f, "is restarted with its group {group} after the end of {after}")
            }
            CauseKind::DependencyRestart { after } => write!(f, "is restarted after the end of {after}"),
            CauseKind::Waiting { at, failures: 0 } => write!(f, "is started again in {}", until(at)),
            CauseKind::Waiting { at, failures } => {
                write!(
                    f,
                    "is started again in {} after its {} failure in a row",
                    until(at),
                    Ordinal(*failures)
                )
            }
            CauseKind::Completed => write!(f, "has completed"),
            CauseKind::Failed => write!(f, "has failed and is not restarted"),
            CauseKind::GaveUp { failures, within } => {
                write!(f, "was given up after {}", Failures { count: *failures, within: *within })
            }
            CauseKind::Exited { exit, lived, asked: false } => {
                write!(f, "exited with {exit} after {}", Span(*lived))
            }
            CauseKind::Exited { exit, lived, asked: true } => {
                write!(f, "stopped with {exit} after {}", Span(*lived))
            }
            CauseKind::SpawnFailed { error } => write!(f, "was not started: {error}"),
            CauseKind::NotReady { reason } => write!(f, "did not become ready: {}", Escaped(reason)),
            CauseKind::Unhealthy { reason } => write!(f, "was unhealthy: {}", Escaped(reason)),
            CauseKind::ServiceDown => write!(f, "the service does not run"),
            CauseKind::StoppedByGiveUp { process } => {
                write!(f, "the service was stopped because {process} was given up")
            }
            CauseKind::Held => write!(f, "is held by a command"),
            CauseKind::Removed => write!(f, "was removed by a command"),
            CauseKind::StartRequested => write!(f, "was started by a command"),
            CauseKind::StopRequested => write!(f, "was stopped by a command"),
            CauseKind::Replaced => write!(f, "has a new definition"),
        }
    }
}

/// Displays a number as `first`, `2nd` or `11th`.
struct Ordinal(u32);

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        match (number, number % 10, number % 100) {
            (1, ..) => write!(f, "first"),
            (2, ..) => write!(f, "second"),
            (3, ..) => write!(f, "third"),
            (_, 1, tens) if tens != 11 => write!(f, "{number}st"),
            (_, 2, tens) if tens != 12 => write!(f, "{number}nd"),
            (_, 3, tens) if tens != 13 => write!(f, "{number}rd"),
            _ => write!(f, "{number}th"),
        }
    }
}
