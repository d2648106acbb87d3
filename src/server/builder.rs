//! Where a server listens, and how it is started.

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

use super::accept::serve;
use super::error::TidyError;
use super::handle::TidyServer;
use super::shared::{Clock, Listening, Shared};
use super::socket::Listener;
use super::stream::TidyStream;
use crate::host::{Host, LONGEST_SOCKET_PATH};
use crate::sys::System;

/// Settings of a [`TidyServer`] that does not listen yet.
///
/// A builder can be cloned: each [`listen`](Self::listen) starts a server of its own.
///
/// ```
/// use std::time::Duration;
///
/// use childminder::TidyServer;
/// use childminder::server::line_echo;
///
/// let settings = TidyServer::tcp().grace(Duration::from_millis(200));
/// let servers = [settings.clone().listen(line_echo)?, settings.listen(line_echo)?];
/// assert_ne!(servers[0].port(), servers[1].port());
/// for server in servers {
///     server.close().wait()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `listen` is called"]
pub struct TidyServerBuilder {
    place: Place,
    grace: Duration,
    /// `None`: the real one, made when the server starts.
    clock: Option<Clock>,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    /// In a private directory, which is created in this one.
    Unix(PathBuf),
}

/// Choosing where to listen.
impl TidyServer {
    /// Returns the settings of a server on 127.0.0.1, with a port that the system chooses.
    pub fn tcp() -> TidyServerBuilder {
        Self::tcp_at((Ipv4Addr::LOCALHOST, 0))
    }

    /// Returns the settings of a server on ::1, with a port that the system chooses.
    pub fn tcp_v6() -> TidyServerBuilder {
        Self::tcp_at((Ipv6Addr::LOCALHOST, 0))
    }

    /// Returns the settings of a server on this address. With port 0 the system chooses the port.
    pub fn tcp_at(address: impl Into<SocketAddr>) -> TidyServerBuilder {
        TidyServerBuilder::new(Place::Tcp(address.into()))
    }

    /// Returns the settings of a server on a Unix socket, in a private directory below the system's directory
    /// for temporary files. The directory is removed when the server is closed.
    pub fn unix() -> TidyServerBuilder {
        Self::unix_in(env::temp_dir())
    }

    /// Returns the settings of a server on a Unix socket, in a private directory below `directory`. The
    /// private directory is removed when the server is closed.
    pub fn unix_in(directory: impl Into<PathBuf>) -> TidyServerBuilder {
        TidyServerBuilder::new(Place::Unix(directory.into()))
    }
}

impl TidyServerBuilder {
    fn new(place: Place) -> Self {
        Self { place, grace: Duration::from_secs(1), clock: None }
    }

    /// Sets how long handlers may take to return when the server is closed. Default: 1 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the host whose clock measures the times of the server. Default: [`System`].
    ///
    /// With a [`Sim`](crate::testkit::Sim), the grace period passes in virtual time; sockets and threads are
    /// real all the same.
    pub fn host(mut self, host: impl Host) -> Self {
        self.clock = Some(Clock(Arc::new(host)));
        self
    }

    /// Starts the server: clients can connect from now on, and `handler` runs for each of them.
    ///
    /// The handler is an async function. All handlers run concurrently on the server's thread, so they may
    /// use values that cannot be sent to another thread.
    ///
    /// If a handler returns an error, it is logged: at level debug if the client has disconnected, and
    /// otherwise as a warning. A panic is logged too, and [`close`](TidyServer::close) returns it, so that a
    /// failed `assert!` in a handler fails the test.
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
    /// Returns a [`TidyError`] that names the port, the address or the directory.
    #[track_caller]
    pub fn listen<H>(self, handler: H) -> Result<TidyServer, TidyError>
    where
        H: AsyncFn(TidyStream) -> io::Result<()> + Send + 'static,
    {
        let line = Location::caller();
        let listening = self.place.open()?;
        let address = listening.listener.endpoint().map_err(TidyError::Start)?;
        let clock = match self.clock {
            Some(clock) => clock,
            None => Clock(Arc::new(System::try_new().map_err(TidyError::Start)?)),
        };
        let shared = Arc::new(Shared::new(clock, address, self.grace, listening));
        let body = {
            let shared = shared.clone();
            move || serve(&shared, handler)
        };
        let thread = thread::Builder::new().name("childminder-server".to_owned()).spawn(body);
        shared.set_thread(thread.map_err(TidyError::Start)?);
        Ok(TidyServer { shared, line })
    }
}

impl Place {
    fn open(self) -> Result<Listening, TidyError> {
        match self {
            Self::Tcp(address) => {
                let listener = Listener::tcp(address).map_err(|source| match source.kind() {
                    io::ErrorKind::AddrInUse => TidyError::PortInUse { address },
                    _ => TidyError::Address { address, source },
                })?;
                Ok(Listening { listener, _directory: None })
            }
            Self::Unix(parent) => {
                let unusable = |source| TidyError::Directory { path: parent.clone(), source };
                let directory = private_directory(&parent).map_err(unusable)?;
                let path = directory.path().join("tidy_unix_server");
                if path.as_os_str().len() > LONGEST_SOCKET_PATH {
                    return Err(TidyError::PathTooLong { path, longest: LONGEST_SOCKET_PATH });
                }
                let listener = Listener::unix(&path).map_err(unusable)?;
                Ok(Listening { listener, _directory: Some(directory) })
            }
        }
    }
}

/// Creates a directory that only the current user may enter.
fn private_directory(parent: &Path) -> io::Result<TempDir> {
    let owner_only = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("childminder-").permissions(owner_only).tempdir_in(parent)
}
