//! Listening sockets and open files for processes. They stay open over restarts and reloads, so that no
//! connection is refused meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// The sockets by their addresses.
#[derive(Debug, Default)]
pub(crate) struct Sockets(BTreeMap<String, OwnedFd>);

impl Sockets {
    /// Returns a socket that listens at `address`, such as `127.0.0.1:80` or `unix:run/web.sock`, relative to
    /// `dir`. It is opened by the first call.
    ///
    /// # Errors
    ///
    /// The error of the system, most often because another socket listens there.
    pub(crate) fn listener(&mut self, address: &str, dir: &Path) -> io::Result<OwnedFd> {
        if let Some(socket) = self.0.get(address) {
            return socket.try_clone();
        }
        let socket: OwnedFd = match address.strip_prefix("unix:") {
            Some(path) => bind(&dir.join(path))?.into(),
            None => TcpListener::bind(address)?.into(),
        };
        let clone = socket.try_clone()?;
        self.0.insert(address.to_owned(), socket);
        Ok(clone)
    }
}

/// Binds a Unix socket. One that was left behind, at which no process listens, is replaced.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let is_stale =
                UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            if !is_stale {
                return Err(error);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_socket_is_opened_once_and_a_stale_one_is_replaced() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let mut sockets = Sockets::default();
        let first = sockets.listener("unix:s", dir.path()).unwrap();
        drop((first, sockets.listener("unix:s", dir.path()).unwrap()));
        UnixStream::connect(&path).unwrap();
        // Another owner of the address is left alone.
        let error = Sockets::default().listener("unix:s", dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        UnixStream::connect(&path).unwrap();
    }
}
