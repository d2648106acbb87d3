//! The end of a process, and its output streams.

use std::fmt;

use super::Signal;

/// The end of a process: an exit code, or a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It was ended by a signal.
    Signal {
        /// The signal.
        signal: Signal,
        /// Whether it left a core dump.
        core: bool,
    },
    /// It ended, but its status was collected by other code: a `waitpid` in this program, or an ignored
    /// SIGCHLD.
    Lost,
}

impl Exit {
    /// Returns exit code 0.
    pub const fn success() -> Self {
        Self::Code(0)
    }

    /// Returns whether this is exit code 0.
    pub fn is_success(self) -> bool {
        self == Self::success()
    }

    /// Returns the exit code; `None` if the process did not exit by itself.
    ///
    /// ```
    /// use childminder::{Exit, Signal};
    ///
    /// assert_eq!(Exit::Code(3).code(), Some(3));
    /// let killed = Exit::Signal { signal: Signal::KILL, core: false };
    /// assert_eq!((killed.code(), killed.signal()), (None, Some(Signal::KILL)));
    /// ```
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal { .. } | Self::Lost => None,
        }
    }

    /// Returns the signal that ended the process; `None` if it exited by itself.
    pub fn signal(self) -> Option<Signal> {
        match self {
            Self::Signal { signal, .. } => Some(signal),
            Self::Code(_) | Self::Lost => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal { signal, core: false } => write!(f, "signal {signal}"),
            Self::Signal { signal, core: true } => write!(f, "signal {signal} (core dumped)"),
            Self::Lost => write!(f, "status lost"),
        }
    }
}

/// An output stream of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// Both streams, in the order of their descriptors.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}
