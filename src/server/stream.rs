//! The stream of a connection, and a handler that echoes lines.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt};

use super::link::Link;
use super::socket::Endpoint;

/// One end of a connection to a [`TidyServer`](crate::TidyServer): that of a handler, or of a client made by
/// [`connect`](crate::TidyServer::connect).
///
/// It is a byte stream for any executor, by TCP or by a Unix socket. Clones refer to the same end, for
/// example for a task that reads and one that writes, and shared references can be read and written as well.
/// The socket is closed when the last clone is dropped or when the server is closed, whichever comes first.
/// One task at a time may wait for reading and one for writing; if two wait for reading, only the later one
/// is woken.
///
/// # When the server is closed
///
/// A handler reads end-of-file once it has read the data that has arrived, so a handler that reads until the
/// end needs no other signal. A handler that waits for something else can also wait for
/// [`closing`](Self::closing). A client can no longer write, but reads what the server still sends.
///
/// After the server has closed the socket, up to 1 MiB of data that had arrived can still be read. Then
/// follows end-of-file, or, if data had to be discarded, the error
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Writing fails with that error too.
///
/// # Synchronous code
///
/// `futures_lite::io::BlockOn::new(stream)` implements [`Read`](io::Read) and [`Write`](io::Write).
#[derive(Clone)]
pub struct TidyStream(Arc<Link>);

impl TidyStream {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self(link)
    }

    /// Returns the address of the other end.
    pub fn peer(&self) -> &Endpoint {
        self.0.peer()
    }

    /// Returns the address of this end.
    pub fn local(&self) -> &Endpoint {
        self.0.local()
    }

    /// Waits until the close of the server begins.
    ///
    /// ```
    /// use childminder::TidyServer;
    /// use childminder::server::TidyStream;
    /// use futures_lite::AsyncWriteExt;
    /// use futures_lite::future::{or, pending};
    ///
    /// async fn say_goodbye(mut stream: TidyStream) -> std::io::Result<()> {
    ///     or(stream.closing(), pending()).await;
    ///     stream.write_all(b"goodbye\n").await
    /// }
    ///
    /// let server = TidyServer::tcp().listen(say_goodbye)?;
    /// server.close().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn closing(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        self.0.shared().closing.wait()
    }

    /// Returns whether the close of the server has begun.
    pub fn is_closing(&self) -> bool {
        self.0.shared().closing.is_set()
    }
}

impl AsyncRead for &TidyStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buf)
    }
}

/// Writes are not buffered. Closing ends the direction to the peer; the stream can still be read.
impl AsyncWrite for &TidyStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown_write())
    }
}

impl AsyncRead for TidyStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buf)
    }
}

/// Writes are not buffered. Closing ends the direction to the peer; the stream can still be read.
impl AsyncWrite for TidyStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}

impl fmt::Debug for TidyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TidyStream")
            .field("local", self.local())
            .field("peer", self.peer())
            .finish_non_exhaustive()
    }
}

/// A handler for [`listen`](super::TidyServerBuilder::listen) that sends back every line as soon as it is
/// complete.
///
/// An unterminated last line is sent back when the client ends the stream. The length of a line is not
/// limited.
///
/// ```
/// use childminder::TidyServer;
/// use childminder::server::line_echo;
///
/// let server = TidyServer::unix().listen(line_echo)?;
/// server.close().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns the error of the system if the connection breaks.
pub async fn line_echo(stream: TidyStream) -> io::Result<()> {
    let mut lines = BufReader::new(&stream);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await? > 0 {
        (&stream).write_all(&line).await?;
        line.clear();
    }
    Ok(())
}
