//! Why there is no server, or no connection to it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::endpoint::Endpoint;

/// Why a [`TidyServer`](super::TidyServer) cannot listen, or cannot be connected to. Nothing is left of the attempt.
#[derive(Debug)]
#[non_exhaustive]
pub enum TidyError {
    /// Somebody listens on this port already.
    PortInUse {
        /// The address with that port.
        address: SocketAddr,
    },
    /// The system does not let us listen there.
    Address {
        /// Where.
        address: SocketAddr,
        /// What it says.
        source: io::Error,
    },
    /// The path of the socket would be longer than this system allows (TD-3). Choose a directory with a shorter path:
    /// [`unix_in`](super::TidyServer::unix_in).
    PathTooLong {
        /// The path that the socket would have.
        path: PathBuf,
        /// How many bytes it may have.
        longest: usize,
    },
    /// In this directory no private one can be made, or no socket in that.
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no thread or no descriptor for the server.
    Start(io::Error),
    /// The server has been closed, or is being closed.
    Closed {
        /// Where it listened.
        server: Endpoint,
    },
}

impl fmt::Display for TidyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortInUse { address } => {
                write!(f, "port {} is in use: somebody listens on {address}", address.port())
            }
            Self::Address { address, source } => {
                write!(f, "cannot listen on the address {address}: {source}")
            }
            Self::PathTooLong { path, longest } => {
                let (length, path) = (path.as_os_str().len(), path.display());
                write!(
                    f,
                    "directory too deep: the socket's path, {path}, has {length} bytes, and may have {longest}"
                )
            }
            Self::Directory { path, source } => {
                write!(f, "cannot have a socket in the directory {}: {source}", path.display())
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
