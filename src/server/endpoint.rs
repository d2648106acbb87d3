//! Where one end of a connection is.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix;
use std::path::PathBuf;

/// One end of a connection, or where a server listens.
///
/// The client of a tidy server has an endpoint of its own, by TCP and by Unix socket alike, so that both ends of a
/// connection agree on who it is: the [`peer`](super::TidyStream::peer) of one is the
/// [`local`](super::TidyStream::local) of the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A path. That of a client has no file any more.
    Unix(PathBuf),
    /// A Unix socket without a path: a client that this library did not make.
    Unnamed,
}

impl From<unix::net::SocketAddr> for Endpoint {
    fn from(address: unix::net::SocketAddr) -> Self {
        address.as_pathname().map_or(Self::Unnamed, |path| Self::Unix(path.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Unnamed => f.write_str("an unnamed socket"),
        }
    }
}
