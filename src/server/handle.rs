//! The handle of a tidy server.

use std::fmt;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::keeper::warn;
use super::ledger::Line;
use super::shared::Shared;
use super::*;

/// A socket server for a test, by TCP or by Unix socket, which closes completely.
///
/// ```
/// use childminder::TidyServer;
/// use childminder::server::line_echo;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # futures_lite::future::block_on(async {
/// let server = TidyServer::tcp().listen(line_echo)?;
/// let mut client = server.connect().await?;
/// client.write_all(b"hello\n").await?;
/// let mut hello = [0; 6];
/// client.read_exact(&mut hello).await?;
/// assert_eq!(&hello, b"hello\n");
/// server.close().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Where it listens is said first: [`tcp`](Self::tcp), [`tcp_v6`](Self::tcp_v6), [`tcp_at`](Self::tcp_at),
/// [`unix`](Self::unix), [`unix_in`](Self::unix_in). Then [`listen`](TidyServerBuilder::listen) makes the server, so there
/// is none that does not listen, and none that listens twice (TD-6). Each server has a thread of its own, named
/// `childminder-server`, and is independent of all others (TD-4). It works in synchronous tests and on any executor.
///
/// Dropping it without [`close`](Self::close) closes it as well, with a warning in the log, and waits for that; it takes as
/// long as a close may take.
pub struct TidyServer {
    pub(super) shared: Arc<Shared>,
    /// Where it was made.
    pub(super) line: Line,
}

/// While it is open.
impl TidyServer {
    /// Where it listens.
    pub fn address(&self) -> &Endpoint {
        &self.shared.address
    }

    /// The port, if it listens by TCP.
    pub fn port(&self) -> Option<u16> {
        match self.address() {
            Endpoint::Tcp(address) => Some(address.port()),
            Endpoint::Unix(_) | Endpoint::Unnamed => None,
        }
    }

    /// The path of its socket, if it is one with a path.
    pub fn path(&self) -> Option<&Path> {
        match self.address() {
            Endpoint::Unix(path) => Some(path),
            Endpoint::Tcp(_) | Endpoint::Unnamed => None,
        }
    }

    /// Connects a client that goes with the server. There may be any number. The line that calls this is remembered, and
    /// named should the connection leak.
    ///
    /// Clients that come by other ways are served alike.
    ///
    /// # Errors
    ///
    /// Of the future: the system's; with a [`TidyError`] inside if the server is closed.
    #[track_caller]
    pub fn connect(&self) -> ConnectFuture {
        ConnectFuture::new(self.shared.clone(), Location::caller())
    }

    /// How many connections were accepted and are not over: their handler runs, or somebody holds their stream.
    pub fn connections(&self) -> usize {
        self.shared.ledger().open()
    }
}

/// Its end.
impl TidyServer {
    /// Closes it: stops listening, asks every connection to end, waits for the handlers, aborts those that have not ended
    /// when the [grace](TidyServerBuilder::grace) is over, and closes what is still open, clients included.
    ///
    /// It begins at once, whether or not the answer is waited for. To close it twice is fine, and gives the same answer.
    ///
    /// # Errors
    ///
    /// Of the future: [`LeakError`], naming every connection whose handler did not end, or panicked.
    pub fn close(&self) -> CloseFuture {
        self.shared.ask();
        CloseFuture::new(self.shared.clone())
    }
}

impl Drop for TidyServer {
    fn drop(&mut self) {
        let first = self.shared.ask();
        // A test that has failed does not get as far as its close.
        let forgotten = first && !thread::panicking();
        let (address, line) = (self.address(), self.line);
        if forgotten {
            warn(format_args!("the server at {address}, made at {line}, was dropped without close"));
        }
        // It cannot wait for itself, and ends by itself when the handler that dropped this lets it.
        if self.shared.is_mine() {
            return;
        }
        if let Err(leak) = CloseFuture::new(self.shared.clone()).wait()
            && first
        {
            warn(format_args!("{leak}"));
        }
    }
}

impl fmt::Debug for TidyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TidyServer").field("address", self.address()).finish_non_exhaustive()
    }
}
