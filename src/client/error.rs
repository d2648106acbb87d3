//! The errors of a connection, and of waiting for one.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::drive::NotDriven;

/// The reason why there is no connection: an attempt failed, or the connection was lost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connector failed.
    ConnectFailed(ConnectError),
    /// The connection was made, but its preparation failed. The connection was closed.
    PrepareFailed(ConnectError),
    /// Connecting or preparing exceeded the attempt timeout, which is given here.
    AttemptTimedOut(Duration),
    /// The peer closed the connection.
    Closed,
    /// The connection failed with an error.
    Broken(Arc<io::Error>),
    /// A ping failed.
    PingFailed(ConnectError),
    /// A ping was not answered within this time.
    PingTimedOut(Duration),
    /// A user of the connection called [`Connection::abort`](super::Connection::abort).
    Aborted,
}

impl DisconnectReason {
    /// Returns whether a further attempt would not help, as the [`ConnectError`] says.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::ConnectFailed(error) | Self::PrepareFailed(error) | Self::PingFailed(error) => {
                error.is_permanent()
            }
            Self::AttemptTimedOut(_)
            | Self::Closed
            | Self::Broken(_)
            | Self::PingTimedOut(_)
            | Self::Aborted => false,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed(error) => write!(f, "cannot connect: {error}"),
            Self::PrepareFailed(error) => write!(f, "cannot prepare the connection: {error}"),
            Self::AttemptTimedOut(timeout) => write!(f, "not connected within {timeout:?}"),
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Broken(error) => write!(f, "the connection failed: {error}"),
            Self::PingFailed(error) => write!(f, "the ping failed: {error}"),
            Self::PingTimedOut(timeout) => write!(f, "no answer to a ping within {timeout:?}"),
            Self::Aborted => f.write_str("the connection was aborted by its user"),
        }
    }
}

impl Error for DisconnectReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ConnectFailed(error) | Self::PrepareFailed(error) | Self::PingFailed(error) => Some(error),
            Self::Broken(error) => Some(&**error),
            Self::AttemptTimedOut(_) | Self::Closed | Self::PingTimedOut(_) | Self::Aborted => None,
        }
    }
}

/// The error of a connector, a preparation or a ping.
///
/// It is temporary, so that the service tries again, unless it was made with [`permanent`](Self::permanent).
/// It can be made from any error with [`new`](Self::new), and from an [`io::Error`] or a boxed error with
/// `?`. Clones share the error, because several tasks may wait for one attempt.
///
/// ```
/// use childminder::client::ConnectError;
///
/// let wrong_password = ConnectError::permanent("wrong password");
/// assert!(wrong_password.is_permanent());
/// let refused = ConnectError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
/// assert!(!refused.is_permanent());
/// assert!(refused.inner().is::<std::io::Error>());
/// ```
#[derive(Clone, Debug)]
pub struct ConnectError {
    permanent: bool,
    error: Arc<dyn Error + Send + Sync>,
}

impl ConnectError {
    /// Creates an error after which another attempt may succeed.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { permanent: false, error: error.into().into() }
    }

    /// Creates an error that another attempt would not fix, such as a wrong password: the service gives up,
    /// and all tasks that wait for a connection receive the error.
    pub fn permanent(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { permanent: true, error: error.into().into() }
    }

    /// Returns whether another attempt would not help.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Returns the error from which this one was made.
    pub fn inner(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }
}

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

/// The panic of a user's callback, with its message.
#[derive(Debug)]
pub(super) struct Panicked(pub(super) String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

impl Error for Panicked {}

/// The error returned by [`ClientService::when_connected`](crate::ClientService::when_connected).
///
/// ```
/// use childminder::client::{ConnectWaitError, TcpConnector};
/// use childminder::{ClientService, System};
///
/// # let port = childminder::Port::reserve()?;
/// let service = ClientService::background(System::new(), TcpConnector::new("127.0.0.1", port.number()))?;
/// service.start_service();
/// match service.when_connected(Some(1)).wait() {
///     Err(ConnectWaitError::Failed { failures: 1, reason }) => println!("{reason}"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectWaitError {
    /// The service was stopped.
    Stopped,
    /// The given number of attempts failed. The service keeps trying.
    Failed {
        /// The number of consecutive failures, including those before the wait.
        failures: u32,
        /// The reason for the last failure.
        reason: DisconnectReason,
    },
    /// The service has given up, because another attempt would not help.
    GivenUp(DisconnectReason),
    /// The service was closed, or its driver was dropped.
    Closed,
    /// The driver of the service is not polled, so the wait would never end.
    NotDriven(NotDriven),
}

impl fmt::Display for ConnectWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("not connected: the client service is stopped"),
            Self::Failed { failures: 1, reason } => write!(f, "not connected after 1 failure: {reason}"),
            Self::Failed { failures, reason } => {
                write!(f, "not connected after {failures} failures: {reason}")
            }
            Self::GivenUp(reason) => write!(f, "not connected, and not trying again: {reason}"),
            Self::Closed => f.write_str("not connected: the client service is closed"),
            Self::NotDriven(error) => write!(f, "not connected: {error}"),
        }
    }
}

impl Error for ConnectWaitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { reason, .. } | Self::GivenUp(reason) => Some(reason),
            Self::NotDriven(error) => Some(error),
            Self::Stopped | Self::Closed => None,
        }
    }
}

impl From<NotDriven> for ConnectWaitError {
    fn from(error: NotDriven) -> Self {
        Self::NotDriven(error)
    }
}
