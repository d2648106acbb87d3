//! The errors of a call and of the thread.

use std::fmt;
use std::io;
use std::time::Duration;

/// The error returned by [`Background::call`](crate::Background::call): the reason why there is no value.
///
/// ```
/// use std::time::Duration;
///
/// use childminder::Background;
/// use childminder::background::CallError;
///
/// let background = Background::start()?;
/// let timeout = Duration::from_millis(10);
/// let error = background.call(timeout, std::future::pending::<()>()).unwrap_err();
/// assert_eq!(error, CallError::TimedOut { after: timeout });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The future exceeded its timeout. It was dropped, and has no later effects.
    TimedOut {
        /// The timeout of the call.
        after: Duration,
    },
    /// The future exceeded its timeout, and could not be dropped because the thread is blocked. It is never
    /// polled again. If its current poll is what blocks the thread, the effects of that poll cannot be
    /// prevented.
    Hung {
        /// The timeout of the call.
        after: Duration,
    },
    /// The future panicked with this message. The thread keeps running.
    Panicked(String),
    /// The thread was stopped, or has died, before or during the call.
    Stopped,
    /// The call was made on the thread itself, which cannot wait for itself.
    FromItself,
}

/// The error returned when the thread of a [`Background`](crate::Background) does not start, react or end.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackgroundError {
    /// The thread is alive and does not react: a call blocks it.
    Hung {
        /// The time that it had to react.
        after: Duration,
    },
    /// The work is over and the thread does not end: the executor does not return.
    Lingers {
        /// The time that it had to end.
        after: Duration,
    },
    /// The executor returned or panicked before it did any work.
    Ended,
    /// The thread was asked to wait for its own end.
    FromItself,
    /// The system has no thread or no descriptor.
    Start(io::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { after } => {
                write!(f, "the call exceeded its timeout of {after:?} and was cancelled")
            }
            Self::Hung { after } => {
                write!(f, "the call exceeded its timeout of {after:?}, and the background thread is blocked")
            }
            Self::Panicked(message) => write!(f, "the call panicked: {message}"),
            Self::Stopped => f.write_str("the background thread is not running"),
            Self::FromItself => f.write_str("cannot wait for a call on the background thread itself"),
        }
    }
}

impl fmt::Display for BackgroundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hung { after } => {
                write!(f, "the background thread is blocked: no reaction within {after:?}")
            }
            Self::Lingers { after } => {
                write!(f, "the background thread does not end: its executor did not return within {after:?}")
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
