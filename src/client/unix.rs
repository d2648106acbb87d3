//! Connections to a socket in the file system.

use std::fmt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};

use async_io::Async;

use super::connect::Connector;
use super::setback::ConnectError;
use super::socket::Socket;
use crate::host::LONGEST_SOCKET_PATH;

/// Connects to a Unix socket.
#[derive(Clone, Debug)]
pub struct UnixConnector(PathBuf);

impl UnixConnector {
    /// The socket at `path`. That it is not there is no error: the server may still make it.
    ///
    /// # Errors
    ///
    /// [`UnixPathError`] for a path that no socket can have.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, UnixPathError> {
        let path = path.as_ref();
        match SocketAddr::from_pathname(path) {
            Ok(_) => Ok(Self(path.to_owned())),
            Err(_) => Err(UnixPathError { path: path.to_owned() }),
        }
    }
}

impl Connector for UnixConnector {
    type Stream = Socket<UnixStream>;

    async fn connect(&self) -> Result<Self::Stream, ConnectError> {
        Ok(Async::<UnixStream>::connect(&self.0).await?.into())
    }

    /// `unix:` and the path.
    fn target(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

/// A path that no socket can have: the system allows about a hundred bytes, and no NUL byte among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixPathError {
    /// The path.
    pub path: PathBuf,
}

impl fmt::Display for UnixPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.path.as_os_str().len();
        write!(f, "path {} cannot be that of a socket: ", self.path.display())?;
        if length > LONGEST_SOCKET_PATH {
            write!(f, "it has {length} bytes, and {LONGEST_SOCKET_PATH} are possible")
        } else {
            write!(f, "it has a NUL byte in it")
        }
    }
}

impl std::error::Error for UnixPathError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_or_has_a_nul_byte_is_an_error_with_the_path() {
        for path in ["x".repeat(LONGEST_SOCKET_PATH + 1), "a\0b".to_owned()] {
            let error = UnixConnector::new(&path).unwrap_err();
            assert_eq!(error.path, PathBuf::from(&path));
            let has_nul = error.to_string().ends_with("it has a NUL byte in it");
            assert_eq!(has_nul, path.len() <= LONGEST_SOCKET_PATH, "{error}");
        }
        let longest = "x".repeat(LONGEST_SOCKET_PATH);
        assert_eq!(UnixConnector::new(&longest).unwrap().target(), format!("unix:{longest}"));
    }
}
