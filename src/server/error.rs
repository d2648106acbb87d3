//! The errors of a server: it cannot listen, it cannot be reached, or it did not close cleanly.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

use super::socket::Endpoint;

/// The error returned when a [`TidyServer`](crate::TidyServer) cannot listen or cannot be connected to.
///
/// A failed attempt leaves nothing behind. Converted to an [`io::Error`] it keeps the kind that fits, and is
/// found again by [`io::Error::downcast`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TidyError {
    /// The port is already in use.
    PortInUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system does not allow listening on the address.
    Address {
        /// The address that was asked for.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The path of the Unix socket would be longer than the system allows. Choose a directory with a shorter
    /// path: [`TidyServer::unix_in`](crate::TidyServer::unix_in).
    PathTooLong {
        /// The path that the socket would have.
        path: PathBuf,
        /// The longest path that the system allows, in bytes.
        longest: usize,
    },
    /// The private directory, or the socket in it, cannot be created.
    Directory {
        /// The directory that was to contain the private directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The system has no thread or no descriptor for the server.
    Start(io::Error),
    /// The server is closed, or is being closed.
    Closed {
        /// The address on which it listened.
        server: Endpoint,
    },
}

impl fmt::Display for TidyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortInUse { address } => {
                write!(f, "cannot listen on {address}: port {} is already in use", address.port())
            }
            Self::Address { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::PathTooLong { path, longest } => {
                let length = path.as_os_str().len();
                let path = path.display();
                write!(
                    f,
                    "cannot create the socket `{path}`: its path has {length} bytes and the limit is {longest}; \
                     choose a directory with a shorter path"
                )
            }
            Self::Directory { path, source } => {
                write!(f, "cannot create a socket in `{}`: {source}", path.display())
            }
            Self::Start(source) => write!(f, "cannot start the server: {source}"),
            Self::Closed { server } => write!(f, "the server at {server} is closed"),
        }
    }
}

impl std::error::Error for TidyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address { source, .. } | Self::Directory { source, .. } | Self::Start(source) => {
                Some(source)
            }
            Self::PortInUse { .. } | Self::PathTooLong { .. } | Self::Closed { .. } => None,
        }
    }
}

impl From<TidyError> for io::Error {
    fn from(error: TidyError) -> Self {
        let kind = match &error {
            TidyError::PortInUse { .. } => io::ErrorKind::AddrInUse,
            TidyError::PathTooLong { .. } => io::ErrorKind::InvalidFilename,
            TidyError::Closed { .. } => io::ErrorKind::NotConnected,
            TidyError::Address { source, .. }
            | TidyError::Directory { source, .. }
            | TidyError::Start(source) => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// The error returned by [`TidyServer::close`](crate::TidyServer::close) when connections did not end by
/// themselves.
///
/// The sockets are closed nevertheless. Only a handler that [blocks](LeakCause::Blocked) its thread stays
/// behind.
///
/// ```
/// use std::time::Duration;
///
/// use childminder::TidyServer;
/// use childminder::server::{LeakCause, TidyStream};
///
/// let never_ends = async |stream: TidyStream| {
///     let _stream = stream;
///     std::future::pending().await
/// };
/// let server = TidyServer::tcp().grace(Duration::from_millis(10)).listen(never_ends)?;
/// let client = server.connect().wait()?;
/// # while server.connections() == 0 { std::thread::yield_now() }
/// let leak = server.close().wait().unwrap_err();
/// assert_eq!(leak.connections()[0].peer, *client.local());
/// assert_eq!(leak.connections()[0].cause, LeakCause::Unfinished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakError {
    pub(super) server: Endpoint,
    pub(super) grace: Duration,
    pub(super) connections: Vec<LeakedConnection>,
}

impl LeakError {
    /// Returns the address on which the server listened.
    pub fn server(&self) -> &Endpoint {
        &self.server
    }

    /// Returns the time that the handlers had to return.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Returns the leaked connections, at least one, in the order in which they were accepted.
    pub fn connections(&self) -> &[LeakedConnection] {
        &self.connections
    }
}

/// A connection that did not end by itself when its server was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeakedConnection {
    /// The client's end of the connection.
    pub peer: Endpoint,
    /// The source line that called [`connect`](crate::TidyServer::connect). `None` if the client was not made
    /// by the server's handle.
    pub connected: Option<&'static Location<'static>>,
    /// The reason why it counts as leaked.
    pub cause: LeakCause,
}

/// The reason why a connection counts as leaked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeakCause {
    /// The handler had not returned at the end of the grace period, and was dropped.
    Unfinished,
    /// The handler had not returned, and cannot be dropped because it, or another handler of the server,
    /// blocks the server's thread. The sockets are closed; the handler is dropped as soon as the thread is
    /// free.
    Blocked,
    /// The handler panicked with this message. Other connections were not affected.
    Panicked(String),
}

impl fmt::Display for LeakError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, grace, connections } = self;
        match connections.len() {
            1 => write!(f, "1 connection to {server} was not closed cleanly:")?,
            count => write!(f, "{count} connections to {server} were not closed cleanly:")?,
        }
        for LeakedConnection { peer, connected, cause } in connections {
            write!(f, "\n  from {peer}")?;
            if let Some(line) = connected {
                write!(f, ", connected at {line}")?;
            }
            match cause {
                LeakCause::Unfinished => write!(f, ": its handler was still running after {grace:?}")?,
                LeakCause::Blocked => {
                    write!(f, ": its handler was still running, and the server's thread is blocked")?;
                }
                LeakCause::Panicked(message) => write!(f, ": its handler panicked: {message}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for LeakError {}
