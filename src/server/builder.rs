//! Where a server is to listen, and how it is started.

use std::env;
use std::fs::Permissions;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::TidyServer;
use super::error::TidyError;
use super::keeper::keep;
use super::shared::{Door, Shared};
use super::socket::Listener;
use super::stream::TidyStream;
use crate::host::LONGEST_SOCKET_PATH;

/// Settings of a [`TidyServer`] that does not listen yet. Clones are for servers of the same kind: each
/// [`listen`](Self::listen) makes a server of its own.
#[derive(Clone, Debug)]
#[must_use = "nobody listens yet"]
pub struct TidyServerBuilder {
    place: Place,
    grace: Duration,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    /// In a private directory in this one.
    Unix(PathBuf),
}

/// Where to listen.
impl TidyServer {
    /// Listens on 127.0.0.1, at a port that the system chooses (TD-2).
    pub fn tcp() -> TidyServerBuilder {
        Self::tcp_at((Ipv4Addr::LOCALHOST, 0))
    }

    /// Listens on ::1, at a port that the system chooses.
    pub fn tcp_v6() -> TidyServerBuilder {
        Self::tcp_at((Ipv6Addr::LOCALHOST, 0))
    }

    /// Listens at this address; port 0 lets the system choose one.
    pub fn tcp_at(address: impl Into<SocketAddr>) -> TidyServerBuilder {
        TidyServerBuilder::new(Place::Tcp(address.into()))
    }

    /// Listens at a Unix socket in a private directory, among the temporary files of this system (TD-3). The directory
    /// goes with the server.
    pub fn unix() -> TidyServerBuilder {
        Self::unix_in(env::temp_dir())
    }

    /// The same, with the private directory in this one.
    pub fn unix_in(directory: impl Into<PathBuf>) -> TidyServerBuilder {
        TidyServerBuilder::new(Place::Unix(directory.into()))
    }
}

impl TidyServerBuilder {
    fn new(place: Place) -> Self {
        Self { place, grace: Duration::from_secs(1) }
    }

    /// Sets how long handlers may take to end when the server is closed. Default: 1 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Listens: from now on clients can connect, and for each of them `handler` runs, an async function. Its handlers run
    /// on a thread of the server's own, side by side; they may keep things that cannot leave a thread.
    ///
    /// An error that a handler returns is logged: at level debug if the other end has hung up, else as a warning. A panic
    /// is logged as well, and is what [`close`](TidyServer::close) will answer, so that an `assert!` in a handler is worth
    /// its line.
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use childminder::TidyServer;
    /// use futures_lite::AsyncWriteExt;
    ///
    /// let served = Cell::new(0);
    /// let server = TidyServer::unix().listen(async move |mut stream| {
    ///     served.set(served.get() + 1);
    ///     stream.write_all(format!("you are number {}\n", served.get()).as_bytes()).await
    /// })?;
    /// # server.close().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TidyError`], naming what it is about: the port, the address, the directory.
    #[track_caller]
    pub fn listen<H>(self, handler: H) -> Result<TidyServer, TidyError>
    where
        H: AsyncFn(TidyStream) -> io::Result<()> + Send + 'static,
    {
        let line = Location::caller();
        let door = self.place.open()?;
        let address = door.listener.endpoint().map_err(TidyError::Start)?;
        let shared = Arc::new(Shared::new(address, self.grace, door));
        let body = {
            let shared = shared.clone();
            move || keep(&shared, handler)
        };
        let thread = thread::Builder::new().name("childminder-server".to_owned()).spawn(body);
        shared.employ(thread.map_err(TidyError::Start)?);
        Ok(TidyServer { shared, line })
    }
}

impl Place {
    fn open(self) -> Result<Door, TidyError> {
        match self {
            Self::Tcp(address) => {
                let listener = Listener::tcp(address).map_err(|source| match source.kind() {
                    io::ErrorKind::AddrInUse => TidyError::PortInUse { address },
                    _ => TidyError::Address { address, source },
                })?;
                Ok(Door { listener, _directory: None })
            }
            Self::Unix(parent) => {
                let unusable = |source| TidyError::Directory { path: parent.clone(), source };
                let directory = private_directory(&parent).map_err(unusable)?;
                let path = directory.path().join("tidy_unix_server");
                if path.as_os_str().len() > LONGEST_SOCKET_PATH {
                    return Err(TidyError::PathTooLong { path, longest: LONGEST_SOCKET_PATH });
                }
                let listener = Listener::unix(&path).map_err(unusable)?;
                Ok(Door { listener, _directory: Some(directory) })
            }
        }
    }
}

/// A directory that nobody else may enter.
fn private_directory(parent: &Path) -> io::Result<TempDir> {
    let ours_alone = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("childminder-").permissions(ours_alone).tempdir_in(parent)
}
