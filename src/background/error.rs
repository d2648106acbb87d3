//! What can go wrong with a call, and with the thread.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why a call has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The future took longer than it may. It has been dropped; nothing of it happens any more (RX-6).
    TimedOut {
        /// How long it may take.
        after: Duration,
    },
    /// The same, but the thread is blocked, so that the future could not be dropped. It is never polled again; what it
    /// does in the poll that blocks the thread, if it is the one, cannot be prevented.
    Hung {
        /// How long it may take.
        after: Duration,
    },
    /// The future panicked, with this message. The thread goes on.
    Panicked(String),
    /// The thread has been stopped, or has died: before the call or during it (RX-7).
    Stopped,
    /// It was the thread itself that called. It cannot wait for itself (RX-7).
    FromItself,
}

/// What is wrong with the thread of a [`Background`](super::Background).
#[derive(Debug)]
#[non_exhaustive]
pub enum BackgroundError {
    /// It is alive and does not react: something that was called blocks it (RX-8, RX-10).
    Hung {
        /// How long it was waited for.
        after: Duration,
    },
    /// Its work is over and it does not end: the executor that was set does not return (RX-10).
    Lingers {
        /// How long it was waited for.
        after: Duration,
    },
    /// The executor that was set ended or panicked before it did any work.
    Ended,
    /// It cannot wait for its own end.
    FromItself,
    /// The system has no thread or no descriptor for it.
    Start(io::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { after } => write!(f, "the call took longer than {after:?} and was cancelled"),
            Self::Hung { after } => {
                write!(f, "the call took longer than {after:?}, and the background thread is blocked")
            }
            Self::Panicked(message) => write!(f, "the call panicked: {message}"),
            Self::Stopped => f.write_str("the background thread does not run"),
            Self::FromItself => f.write_str("the background thread cannot wait for a call to itself"),
        }
    }
}

impl fmt::Display for BackgroundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hung { after } => write!(f, "the background thread hangs: no reaction within {after:?}"),
            Self::Lingers { after } => {
                write!(
                    f,
                    "the background thread does not end: its executor has not returned within {after:?}"
                )
            }
            Self::Ended => f.write_str("the executor of the background thread ended before it did any work"),
            Self::FromItself => f.write_str("the background thread cannot wait for its own end"),
            Self::Start(error) => write!(f, "cannot start the background thread: {error}"),
        }
    }
}

impl std::error::Error for CallError {}

impl std::error::Error for BackgroundError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            Self::Hung { .. } | Self::Lingers { .. } | Self::Ended | Self::FromItself => None,
        }
    }
}

impl From<BackgroundError> for io::Error {
    fn from(error: BackgroundError) -> Self {
        match error {
            BackgroundError::Start(error) => error,
            BackgroundError::Hung { .. } | BackgroundError::Lingers { .. } => {
                Self::new(io::ErrorKind::TimedOut, error)
            }
            BackgroundError::Ended | BackgroundError::FromItself => Self::other(error),
        }
    }
}
