//! Probes: where a server is expected, and who has answered.

use std::fmt;
use std::io;
use std::mem::offset_of;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// An address on this machine where a server may answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeTarget {
    /// A TCP port, on 127.0.0.1 or on ::1.
    Port(u16),
    /// A stream socket in the file system.
    Unix(PathBuf),
    /// An HTTP server on such a port, which must answer a GET of this path with this status.
    Http {
        /// The port.
        port: u16,
        /// The path, which begins with a slash.
        path: String,
        /// The statuses that count, such as 200.
        status: StatusRange,
    },
}

/// A range of HTTP statuses, such as `200` or `200..=399`.
///
/// ```
/// use childminder::host::StatusRange;
///
/// assert!(StatusRange::from(200..=399).contains(302));
/// assert!(!StatusRange::from(200).contains(204));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// Returns the first status of the range.
    pub fn first(self) -> u16 {
        self.first
    }

    /// Returns whether `status` is in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }

    /// Returns whether the range contains no status at all.
    pub fn is_empty(self) -> bool {
        self.first > self.last
    }
}

impl From<u16> for StatusRange {
    fn from(status: u16) -> Self {
        Self { first: status, last: status }
    }
}

impl From<RangeInclusive<u16>> for StatusRange {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self { first: *range.start(), last: *range.end() }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first} to {last}"),
        }
    }
}

/// The greatest length of the path of a Unix socket in bytes, without the NUL that some systems require.
pub(crate) const LONGEST_SOCKET_PATH: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

/// One attempt: its result is the owner of the socket that answered, or the reason why none did. Dropping it
/// closes everything that it has open.
pub type ProbeFuture = Pin<Box<dyn Future<Output = Result<ProbeOwner, ProbeError>> + Send>>;

/// The owner of a socket that answered a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeOwner {
    /// The process that was given, a member of its group, or a descendant.
    Own,
    /// Another process, described as far as it is known.
    Stranger(String),
    /// The owner cannot be determined, with the reason.
    Unverified(String),
}

/// The reason why an attempt failed. Another one may succeed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProbeError {
    /// There was no connection, or it was closed.
    Io(Arc<io::Error>),
    /// An HTTP server answered with this status.
    Status(u16),
    /// The answer was not HTTP.
    NotHttp,
}

impl fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "port {port}"),
            Self::Unix(path) => write!(f, "socket {}", path.display()),
            Self::Http { port, path, status } => {
                write!(f, "http://localhost:{port}{path} with status {status}")
            }
        }
    }
}

impl fmt::Display for ProbeOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("the process itself"),
            Self::Stranger(who) => write!(f, "a stranger: {who}"),
            Self::Unverified(why) => write!(f, "unverified: {why}"),
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Status(status) => write!(f, "answered with status {status}"),
            Self::NotHttp => f.write_str("answered, but not in HTTP"),
        }
    }
}

impl std::error::Error for ProbeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&**error),
            Self::Status(_) | Self::NotHttp => None,
        }
    }
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
