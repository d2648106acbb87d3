//! The handle of a server, and the futures that it returns.

use std::fmt;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, or};

use super::accept::warn;
use super::error::{LeakCause, LeakError};
use super::ledger::Line;
use super::link::Link;
use super::shared::Shared;
use super::socket::Endpoint;
use super::stream::TidyStream;

/// The time that the server's thread has to react after the grace period. After that it counts as blocked.
const REACTION: Duration = Duration::from_secs(5);

/// A socket server for a test, by TCP or by Unix socket, that releases everything when it is closed.
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
/// Choose where it listens with [`tcp`](Self::tcp), [`tcp_v6`](Self::tcp_v6), [`tcp_at`](Self::tcp_at),
/// [`unix`](Self::unix) or [`unix_in`](Self::unix_in), and start it with
/// [`listen`](crate::server::TidyServerBuilder::listen). A `TidyServer` always listens, on one address, until
/// it is closed. Each server has its own thread, named `childminder-server`, and is independent of all
/// others. It works in synchronous tests and with any executor.
///
/// Dropping a server that was not [closed](Self::close) closes it, logs a warning, and blocks for as long as
/// the close takes.
pub struct TidyServer {
    pub(super) shared: Arc<Shared>,
    /// The source line that started it.
    pub(super) line: Line,
}

/// Connecting, and the state of the server.
impl TidyServer {
    /// Returns the address on which the server listens.
    pub fn address(&self) -> &Endpoint {
        &self.shared.address
    }

    /// Returns the port, if the server listens by TCP.
    pub fn port(&self) -> Option<u16> {
        match self.address() {
            Endpoint::Tcp(address) => Some(address.port()),
            Endpoint::Unix(_) | Endpoint::Unnamed => None,
        }
    }

    /// Returns the path of the socket, if the server listens on a Unix socket.
    pub fn path(&self) -> Option<&Path> {
        match self.address() {
            Endpoint::Unix(path) => Some(path),
            Endpoint::Tcp(_) | Endpoint::Unnamed => None,
        }
    }

    /// Connects a client, which is closed together with the server.
    ///
    /// The source line of the call is kept and named if the connection leaks. Clients that connect by other
    /// means are served in the same way.
    ///
    /// # Errors
    ///
    /// The future fails with the error of the system. If the server is closed, it contains a
    /// [`TidyError`](crate::server::TidyError).
    #[track_caller]
    pub fn connect(&self) -> ConnectFuture {
        ConnectFuture::new(self.shared.clone(), Location::caller())
    }

    /// Returns the number of accepted connections that are not over: the handler runs, or a stream is still
    /// held.
    pub fn connections(&self) -> usize {
        self.shared.ledger().open()
    }
}

/// Closing.
impl TidyServer {
    /// Closes the server.
    ///
    /// It stops listening, asks every connection to end, and waits for the handlers. Handlers that have not
    /// returned at the end of the [grace period](crate::server::TidyServerBuilder::grace) are dropped. Then
    /// all sockets that are still open are closed, those of clients included.
    ///
    /// The close begins with this call, even if the future is dropped. A second call joins the first and
    /// returns an equal result.
    ///
    /// # Errors
    ///
    /// The future fails with a [`LeakError`] that lists every connection whose handler did not return or
    /// panicked.
    pub fn close(&self) -> CloseFuture {
        self.shared.begin_close();
        CloseFuture::new(self.shared.clone())
    }
}

impl Drop for TidyServer {
    fn drop(&mut self) {
        let first = self.shared.begin_close();
        // A test that fails does not reach its close, and needs no second message.
        let forgotten = first && !thread::panicking();
        let (address, line) = (self.address(), self.line);
        if forgotten {
            warn(format_args!("the server at {address}, started at {line}, was dropped without close()"));
        }
        // A handler that drops its own server must return before the thread can end: waiting here would
        // deadlock.
        if self.shared.is_own_thread() {
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

/// The future returned by [`TidyServer::close`]: resolves when the server is completely closed.
///
/// It resolves when the last handler has returned, and at the latest at the end of the [grace
/// period](crate::server::TidyServerBuilder::grace). If a handler blocks the server's thread, it resolves
/// five seconds later. Dropping the future does not cancel the close. Synchronous code calls
/// [`wait`](Self::wait).
pub struct CloseFuture(Pin<Box<dyn Future<Output = Result<(), LeakError>> + Send + Sync>>);

impl CloseFuture {
    fn new(shared: Arc<Shared>) -> Self {
        Self(Box::pin(async move {
            let done = async {
                shared.done.wait().await;
                shared.join_thread();
            };
            let blocked = async {
                shared.sleep_after_close(shared.grace.saturating_add(REACTION)).await;
                shared.conclude(&LeakCause::Blocked);
                shared.close_sockets();
                shared.detach();
            };
            or(done, blocked).await;
            shared.verdict().expect("a close has a verdict before it is done")
        }))
    }

    /// Waits for the end of the close on this thread.
    ///
    /// A handler must not call this for its own server: it would wait for itself until it counts as blocked.
    ///
    /// # Errors
    ///
    /// Returns a [`LeakError`] that lists the connections that were not closed cleanly.
    pub fn wait(self) -> Result<(), LeakError> {
        block_on(self)
    }
}

impl Future for CloseFuture {
    type Output = Result<(), LeakError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for CloseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseFuture").finish_non_exhaustive()
    }
}

/// The future returned by [`TidyServer::connect`]: resolves with the client's end of the connection.
///
/// The connection is established then, but the server may not have accepted it yet. Synchronous code calls
/// [`wait`](Self::wait).
#[must_use = "no connection is made before this is awaited"]
pub struct ConnectFuture(Pin<Box<dyn Future<Output = io::Result<TidyStream>> + Send>>);

impl ConnectFuture {
    fn new(shared: Arc<Shared>, line: Line) -> Self {
        Self(Box::pin(async move {
            // A server that is closed meanwhile accepts no more clients, so the connect could wait without
            // end.
            let closed = async {
                shared.closing.wait().await;
                Err(shared.closed_error().into())
            };
            or(closed, Link::connect(&shared, line)).await.map(TidyStream::new)
        }))
    }

    /// Connects, and waits for the connection on this thread.
    ///
    /// # Errors
    ///
    /// Returns the error of the system. If the server is closed, it contains a
    /// [`TidyError`](crate::server::TidyError).
    pub fn wait(self) -> io::Result<TidyStream> {
        block_on(self)
    }
}

impl Future for ConnectFuture {
    type Output = io::Result<TidyStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ConnectFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectFuture").finish_non_exhaustive()
    }
}
