//! The notices of the machine: everything that happens to a process, as data and as a sentence.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Dependency, Escaped, Exit, Name, OnGiveUp, RunId, Signal, SpawnError, StopCommandError, SurvivingProcess,
};

/// Something that happened to a process, published by its monitor.
///
/// Displayed as a sentence, such as `web#2 exited with code 1 after 250 ms`.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The time on the monotonic clock of the host.
    pub at: Instant,
    /// The name of the process.
    pub name: Name,
    /// The run; `None` if the event is about the process and not about one of its runs.
    pub run: Option<RunId>,
    /// The kind of event.
    pub kind: NoticeKind,
}

/// The kinds of events in the life of a process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NoticeKind {
    /// The program was started.
    Started {
        /// The process id.
        pid: u32,
    },
    /// The program could not be started.
    SpawnFailed {
        /// The step that failed, and the cause.
        error: SpawnError,
    },
    /// The stop signal was sent.
    Stopping {
        /// The signal.
        signal: Signal,
        /// The time until KILL.
        kill_time: Duration,
    },
    /// The stop command is being run.
    StopCommand {
        /// The time until KILL.
        kill_time: Duration,
    },
    /// The stop command failed, and the stop signal was sent instead.
    StopCommandFailed {
        /// The error of the command.
        error: StopCommandError,
        /// The signal.
        signal: Signal,
    },
    /// A signal could not be sent, most often because the program has changed to another user.
    SignalFailed {
        /// The signal.
        signal: Signal,
        /// The error of the system.
        error: Arc<io::Error>,
    },
    /// KILL was sent to the whole family: the kill time had passed, or a kill was requested.
    Killed,
    /// The process exited, and other processes of its family were alive. KILL was sent to them.
    LeftBehind {
        /// Their process ids.
        pids: Vec<u32>,
    },
    /// The process and its family are dead, but a process that is not found as a member holds the output
    /// open. The end of the output was awaited for the [`leak_timeout`](super::Policy::leak_timeout); now the
    /// pipes are closed.
    Leaked {
        /// Whether the process exited with code 0 before its threshold, as a daemon does that puts itself
        /// into the background, where it cannot be supervised. Most daemons have an option to stay in the
        /// foreground.
        daemonized: bool,
    },
    /// The run is over, and all its output has been passed on.
    Exited {
        /// The exit of the process.
        exit: Exit,
        /// The time from its start to its exit.
        lived: Duration,
        /// Whether a stop or kill was requested.
        asked: bool,
        /// Whether it was a success after which the policy does not restart the process.
        expected: bool,
    },
    /// The process will be started again.
    Restarting {
        /// The time from its end to the next start.
        delay: Duration,
        /// The time of the next start.
        at: Instant,
    },
    /// KILL did not end these processes. There is no new run before they are gone.
    Survived {
        /// The processes, and the reasons why they survive as far as they are known.
        processes: Vec<SurvivingProcess>,
    },
    /// The process was added.
    Added,
    /// The process was removed. Its run, if there is one, is being stopped.
    Removed,
    /// The process is held: it stays down, and its run, if there is one, is being stopped.
    Held,
    /// The process is no longer held.
    Released,
    /// The policy of the process was changed.
    PolicyChanged,
    /// The definition of the process was replaced.
    Replaced,
    /// The process is not started before this condition holds.
    Blocked {
        /// The first condition that does not hold.
        on: Dependency,
    },
    /// The run has become ready.
    Ready,
    /// The run has not become ready, or is no longer ready.
    NotReady {
        /// The reason.
        reason: Arc<str>,
    },
    /// The run is unhealthy, and is being stopped.
    Unhealthy {
        /// The reason.
        reason: Arc<str>,
    },
    /// The run was a success, after which the policy does not restart the process.
    Completed,
    /// The run was a failure, after which the policy does not restart the process.
    Failed,
    /// The process is not started again, because it has failed too often.
    GaveUp {
        /// The number of failures.
        failures: u32,
        /// The window in which they count; `None` for failures in a row.
        within: Option<Duration>,
        /// The consequence.
        then: OnGiveUp,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at: _, name, run, kind } = self;
        match run {
            Some(run) => write!(f, "{name}{run} {kind}"),
            None => write!(f, "{name} {kind}"),
        }
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { pid } => write!(f, "started, pid {pid}"),
            Self::SpawnFailed { error } if error.is_resource() => {
                write!(f, "not started, the system is out of a resource: {error}")
            }
            Self::SpawnFailed { error } => write!(f, "not started: {error}"),
            Self::Stopping { signal, kill_time } => write!(f, "sent {signal}, KILL in {}", Span(*kill_time)),
            Self::StopCommand { kill_time } => {
                write!(f, "running its stop command, KILL in {}", Span(*kill_time))
            }
            Self::StopCommandFailed { error, signal } => write!(f, "sent {signal}: {error}"),
            Self::SignalFailed { signal, error } => write!(f, "cannot be sent {signal}: {error}"),
            Self::Killed => write!(f, "killed"),
            Self::LeftBehind { pids } => {
                write!(f, "exited and left processes behind, which were killed: {}", Pids(pids))
            }
            Self::Leaked { daemonized: false } => {
                write!(
                    f,
                    "ended, but a process that is not in its family holds its output open; it is no longer read"
                )
            }
            Self::Leaked { daemonized: true } => write!(
                f,
                "ended, but a process that is not in its family holds its output open: if it puts itself into the \
                 background, configure it to stay in the foreground"
            ),
            Self::Exited { exit, lived, asked: true, .. } => {
                write!(f, "stopped with {exit} after {}", Span(*lived))
            }
            Self::Exited { exit, lived, asked: false, .. } => {
                write!(f, "exited with {exit} after {}", Span(*lived))
            }
            Self::Restarting { delay: Duration::ZERO, .. } => write!(f, "starts again at once"),
            Self::Restarting { delay, .. } => write!(f, "starts again in {}", Span(*delay)),
            Self::Survived { processes } => write!(f, "still not gone after KILL: {}", List(processes)),
            Self::Added => write!(f, "was added"),
            Self::Removed => write!(f, "was removed"),
            Self::Held => write!(f, "is held"),
            Self::Released => write!(f, "is no longer held"),
            Self::PolicyChanged => write!(f, "has a new policy"),
            Self::Replaced => write!(f, "has a new definition"),
            Self::Blocked { on } => write!(f, "waits for {on}"),
            Self::Ready => write!(f, "is ready"),
            Self::NotReady { reason } => write!(f, "is not ready: {}", Escaped(reason)),
            Self::Unhealthy { reason } => write!(f, "is unhealthy: {}", Escaped(reason)),
            Self::Completed => write!(f, "has completed and is not started again"),
            Self::Failed => write!(f, "has failed and is not started again"),
            Self::GaveUp { failures, within, .. } => {
                write!(f, "is given up after {}", Failures { count: *failures, within: *within })
            }
        }
    }
}

/// Displays a number of failures as `5 failures in 10 s`.
pub(super) struct Failures {
    pub(super) count: u32,
    pub(super) within: Option<Duration>,
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.within) {
            (1, _) => write!(f, "its first failure"),
            (count, Some(within)) => write!(f, "{count} failures in {}", Span(within)),
            (count, None) => write!(f, "{count} failures in a row"),
        }
    }
}

/// Displays process ids as `pid 7` or `pids 7, 8`.
pub(crate) struct Pids<'a>(pub(crate) &'a [u32]);

impl fmt::Display for Pids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.0.len() == 1 { "pid" } else { "pids" }, List(self.0))
    }
}

/// Displays items with commas between them.
pub(crate) struct List<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Displays a duration as `250 ms` or `2.5 s`.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms @ 0..1000 => write!(f, "{ms} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}
