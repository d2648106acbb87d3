//! What the monitor tells: everything that happens to a process, as data and as a sentence.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Exit, Name, RunId, Signal, SpawnError};

/// One thing that happened, and when.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When, on the host's monotonic clock.
    pub at: Instant,
    /// To which process.
    pub name: Name,
    /// In which run of it.
    pub run: RunId,
    /// What.
    pub kind: NoticeKind,
}

/// What happened to a run (PM-31).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NoticeKind {
    /// The program runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It could not be started.
    SpawnFailed {
        /// Which step failed, and why.
        error: SpawnError,
    },
    /// It was asked to end.
    Stopping {
        /// With which signal.
        signal: Signal,
        /// How long it has before KILL.
        kill_time: Duration,
    },
    /// The system refused to deliver a signal, most often because the program has become another user's.
    SignalFailed {
        /// The signal.
        signal: Signal,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// It got KILL, with its whole group: the kill time was over, or somebody was in a hurry.
    Killed,
    /// The process itself had died, these of its group had not; they got KILL.
    LeftBehind {
        /// Their process ids.
        pids: Vec<u32>,
    },
    /// The process and its group are gone, and yet something holds its output open: a process that left the group.
    /// It was waited for, [`leak_timeout`](super::Policy::leak_timeout) long; now the pipe is closed.
    Leaked {
        /// The process ended with exit code 0 before its threshold: it looks like a daemon that put itself into
        /// the background, where nobody can mind it. Most have an option to stay in the foreground (F-28).
        daemonized: bool,
    },
    /// The run is over, and all its output has been handed on.
    Exited {
        /// How the process ended.
        exit: Exit,
        /// How long it lived.
        lived: Duration,
        /// Whether it had been asked to end.
        asked: bool,
    },
    /// It will be started again.
    Restarting {
        /// How long after its end.
        delay: Duration,
        /// When.
        at: Instant,
    },
    /// KILL did not end these; there will be no new run before they are gone.
    Survived {
        /// Their process ids.
        pids: Vec<u32>,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at: _, name, run, kind } = self;
        write!(f, "{name}{run} {kind}")
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { pid } => write!(f, "started, pid {pid}"),
            Self::SpawnFailed { error } if error.is_resource() => {
                write!(f, "not started, for the system is short of something: {error}")
            }
            Self::SpawnFailed { error } => write!(f, "not started: {error}"),
            Self::Stopping { signal, kill_time } => write!(f, "sent {signal}, KILL in {}", Span(*kill_time)),
            Self::SignalFailed { signal, error } => write!(f, "cannot be sent {signal}: {error}"),
            Self::Killed => write!(f, "killed"),
            Self::LeftBehind { pids } => write!(f, "killed what it left behind: {}", Pids(pids)),
            Self::Leaked { daemonized: false } => {
                write!(f, "gone, but something that left its group holds its output; no longer read")
            }
            Self::Leaked { daemonized: true } => write!(
                f,
                "gone, but something that left its group holds its output: did it put itself into the background? \
                 Run it in the foreground"
            ),
            Self::Exited { exit, lived, asked: true } => {
                write!(f, "stopped with {exit} after {}", Span(*lived))
            }
            Self::Exited { exit, lived, asked: false } => {
                write!(f, "exited with {exit} after {}", Span(*lived))
            }
            Self::Restarting { delay: Duration::ZERO, .. } => write!(f, "starts again at once"),
            Self::Restarting { delay, .. } => write!(f, "starts again in {}", Span(*delay)),
            Self::Survived { pids } => write!(f, "still not gone after KILL: {}", Pids(pids)),
        }
    }
}

/// Process ids for people: `pid 7` or `pids 7, 8`.
pub(crate) struct Pids<'a>(pub(crate) &'a [u32]);

impl fmt::Display for Pids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 { "pid " } else { "pids " })?;
        for (i, pid) in self.0.iter().enumerate() {
            write!(f, "{}{pid}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// A duration for people: `250 ms`, `2.5 s`.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms @ 0..1000 => write!(f, "{ms} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}
