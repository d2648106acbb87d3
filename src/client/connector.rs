//! How a connection is made: the trait that a service uses, Unix sockets, and the socket type of the
//! connectors.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_lite::io::{AsyncRead, AsyncWrite};
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::error::ConnectError;
use crate::host::{Host, LONGEST_SOCKET_PATH};

/// Makes connections for a [`ClientService`](crate::ClientService): one per call, without retrying.
///
/// [`TcpConnector`](super::TcpConnector) and [`UnixConnector`] are provided. Any closure that returns a
/// future is a connector as well, for example one that adds a TLS or WebSocket handshake:
///
/// ```no_run
/// use std::net::TcpStream;
///
/// use async_io::Async;
/// use childminder::client::Socket;
/// use childminder::{ClientService, System};
///
/// let connect = || async {
///     let stream = Async::<TcpStream>::connect(([127, 0, 0, 1], 6379)).await?;
///     // … a handshake, which returns a stream around the stream …
///     Socket::new(stream.into_inner()?)
/// };
/// let service = ClientService::background(System::new(), connect)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Connector: Send + Sync + 'static {
    /// The stream of a connection.
    ///
    /// Its [`poll_close`](AsyncWrite::poll_close) should signal to the peer that the connection is to end, as
    /// that of [`Socket`] does. Otherwise a stop lasts for the whole [grace
    /// period](super::ClientBuilder::close_grace).
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects once. `host` is the host of the service, whose clock should measure the times of the attempt.
    ///
    /// The service drops the future when it is stopped or when the attempt times out. Dropping it must close
    /// everything that it has opened.
    fn connect(&self, host: &dyn Host) -> impl Future<Output = Result<Self::Stream, ConnectError>> + Send;

    /// Returns the name of the server for the log. Default: `the server`.
    fn target(&self) -> String {
        "the server".to_owned()
    }
}

impl<F, A, S, E> Connector for F
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output = Result<S, E>> + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<ConnectError>,
{
    type Stream = S;

    async fn connect(&self, _: &dyn Host) -> Result<S, ConnectError> {
        self().await.map_err(Into::into)
    }
}

/// Connects to a Unix socket.
///
/// ```
/// use childminder::client::UnixConnector;
/// use childminder::{ClientService, System};
///
/// let service = ClientService::background(System::new(), UnixConnector::new("/run/example.socket")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnixConnector(PathBuf);

impl UnixConnector {
    /// Creates a connector to the socket at `path`. The socket need not exist yet.
    ///
    /// # Errors
    ///
    /// Returns a [`UnixPathError`] if no socket can have this path.
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

    async fn connect(&self, _: &dyn Host) -> Result<Self::Stream, ConnectError> {
        Ok(Socket::from_async(Async::<UnixStream>::connect(&self.0).await?))
    }

    /// Returns `unix:` and the path.
    fn target(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

/// The error returned for a path that no socket can have: it is too long, or contains a NUL byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixPathError {
    path: PathBuf,
}

impl UnixPathError {
    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for UnixPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.path.as_os_str().len();
        write!(f, "cannot use `{}` as the path of a socket: ", self.path.display())?;
        if length > LONGEST_SOCKET_PATH {
            write!(f, "it has {length} bytes and the limit is {LONGEST_SOCKET_PATH}")
        } else {
            write!(f, "it contains a NUL byte")
        }
    }
}

impl std::error::Error for UnixPathError {}

/// An asynchronous socket whose [`poll_close`](AsyncWrite::poll_close) signals to the peer that no more data
/// will come.
///
/// The connectors of this module return it. A connector of your own can wrap its socket in one as well;
/// otherwise the peer may not notice that the connection is to end, and a stop lasts for the whole [grace
/// period](super::ClientBuilder::close_grace).
///
/// ```
/// use std::net::{TcpListener, TcpStream};
///
/// use childminder::client::Socket;
///
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let address = listener.local_addr()?;
/// let stream = TcpStream::connect(address)?;
/// let socket = Socket::new(stream)?;
/// assert_eq!(socket.get_ref().peer_addr()?, address);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Socket<T>(Async<T>);

impl<T: AsFd> Socket<T> {
    /// Wraps a socket of the standard library and sets it to non-blocking mode.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for example if it has no descriptor for the event loop.
    pub fn new(socket: T) -> io::Result<Self> {
        Async::new(socket).map(Self)
    }
}

impl<T> Socket<T> {
    pub(super) fn from_async(socket: Async<T>) -> Self {
        Self(socket)
    }

    /// Returns the socket inside, which is in non-blocking mode.
    pub fn get_ref(&self) -> &T {
        self.0.get_ref()
    }

    /// Calls `operation` until it does not fail with `WouldBlock`, waiting for `ready` before each further
    /// call.
    fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
        ready: fn(&Async<T>, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<R>> {
        loop {
            match operation(self.0.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            ready!(ready(&self.0, cx))?;
        }
    }
}

impl<T: AsFd> AsFd for Socket<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T> AsyncRead for Socket<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, |mut socket| socket.read(buf), Async::poll_readable)
    }
}

impl<T: AsFd> AsyncWrite for Socket<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, |mut socket| socket.write(buf), Async::poll_writable)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, |mut socket| socket.write_vectored(bufs), Async::poll_writable)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_io(cx, |mut socket| socket.flush(), Async::poll_writable)
    }

    /// Closes the direction to the peer. The stream can still be read.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Poll::Ready(match rustix::net::shutdown(&self.0, Shutdown::Write) {
            // The peer may have closed the connection earlier.
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(errno) => Err(errno.into()),
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Socket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(self.0.get_ref()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_or_contains_a_nul_byte_is_an_error_with_the_path() {
        for path in ["x".repeat(LONGEST_SOCKET_PATH + 1), "a\0b".to_owned()] {
            let error = UnixConnector::new(&path).unwrap_err();
            assert_eq!(error.path(), Path::new(&path));
            let has_nul = error.to_string().ends_with("it contains a NUL byte");
            assert_eq!(has_nul, path.len() <= LONGEST_SOCKET_PATH, "{error}");
        }
        let longest = "x".repeat(LONGEST_SOCKET_PATH);
        assert_eq!(UnixConnector::new(&longest).unwrap().target(), format!("unix:{longest}"));
    }
}
