//! What goes wrong: with an attempt, with a connection, and so with whoever waits for one.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no connection: the attempt failed, or the connection was lost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connector has failed.
    Failed(ConnectError),
    /// The connection was there, and the preparation has failed. It was closed.
    Rejected(ConnectError),
    /// Connecting, or preparing, took longer than this: the attempt time-out.
    TimedOut(Duration),
    /// The peer has ended the connection.
    Ended,
    /// The connection broke.
    Broken(Arc<io::Error>),
    /// The ping has failed.
    Mute(ConnectError),
    /// A ping was not answered in this time.
    Silent(Duration),
    /// A user of the connection has [given it up](super::Connection::abort).
    Aborted,
}

impl DisconnectReason {
    /// Whether another attempt would not help: the [`ConnectError`] says so.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Failed(error) | Self::Rejected(error) | Self::Mute(error) => error.is_permanent(),
            Self::TimedOut(_) | Self::Ended | Self::Broken(_) | Self::Silent(_) | Self::Aborted => false,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "cannot connect: {error}"),
            Self::Rejected(error) => write!(f, "cannot prepare the connection: {error}"),
            Self::TimedOut(limit) => write!(f, "not connected within {limit:?}"),
            Self::Ended => f.write_str("the peer has ended the connection"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Mute(error) => write!(f, "the ping has failed: {error}"),
            Self::Silent(limit) => write!(f, "no answer to a ping within {limit:?}"),
            Self::Aborted => f.write_str("the connection was given up"),
        }
    }
}

impl Error for DisconnectReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) | Self::Rejected(error) | Self::Mute(error) => Some(error),
            Self::Broken(error) => Some(&**error),
            Self::TimedOut(_) | Self::Ended | Self::Silent(_) | Self::Aborted => None,
        }
    }
}

/// What a connector, a preparation or a ping has failed with. Cheap to clone, for it may be told to many.
///
/// It is temporary, so there will be another attempt, unless it was made with [`permanent`](Self::permanent). The usual
/// ways to make one are `?` on an [`io::Error`] or a boxed error, and [`new`](Self::new).
#[derive(Clone, Debug)]
pub struct ConnectError {
    permanent: bool,
    error: Arc<dyn Error + Send + Sync>,
}

impl ConnectError {
    /// A failure after which another attempt may succeed.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { permanent: false, error: error.into().into() }
    }

    /// A failure that no other attempt would mend, such as a password that is wrong: the service gives up, and tells
    /// everybody who waits.
    pub fn permanent(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { permanent: true, error: error.into().into() }
    }

    /// Whether another attempt would not help.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// The error it was made of.
    pub fn inner(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }
}

/// As the error it was made of.
impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

impl From<Box<dyn Error + Send + Sync>> for ConnectError {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::new(error)
    }
}

/// Code that is not ours has panicked, with what it said.
#[derive(Debug)]
pub(super) struct Panicked(pub(super) String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a panic: {}", self.0)
    }
}

impl Error for Panicked {}

/// Why somebody who waited for a connection was not given one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectWaitError {
    /// The service was stopped (CS-13), or its last handle has gone.
    Stopped,
    /// As many attempts have failed as were to be waited for (CS-7). The service goes on trying.
    Failed {
        /// So many failures in a row, those included that were before.
        failures: u32,
        /// Why the last one failed.
        reason: DisconnectReason,
    },
    /// The service has given up, for no other attempt would help.
    GivenUp(DisconnectReason),
    /// The service's driver has been dropped.
    Closed,
}

impl fmt::Display for ConnectWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("not connected: the client service is stopped"),
            Self::Failed { failures, reason } => {
                write!(f, "not connected after failure {failures}: {reason}")
            }
            Self::GivenUp(reason) => write!(f, "not connected, and given up: {reason}"),
            Self::Closed => f.write_str("the client service is over: its driver has been dropped"),
        }
    }
}

impl Error for ConnectWaitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { reason, .. } | Self::GivenUp(reason) => Some(reason),
            Self::Stopped | Self::Closed => None,
        }
    }
}
