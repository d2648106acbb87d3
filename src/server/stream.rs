//! The stream that handlers and clients are given.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

use super::endpoint::Endpoint;
use super::link::Link;

/// One end of a connection to a [`TidyServer`](super::TidyServer): a handler's, or that of a client that
/// [`connect`](super::TidyServer::connect) made. It is a stream of bytes for any executor, by TCP or by a Unix socket.
///
/// Clones are the same end, for a task that reads and one that writes; a reference can be read and written, too. The
/// socket is closed when the last clone is gone, or when the server is closed, whichever comes first. One task may wait
/// for reading and one for writing at a time; of two that read, only the one that came last is woken.
///
/// When the server is to end, a handler reads the end of the stream as soon as it has read what is there; so whoever reads
/// until the end has nothing else to do. Whoever waits for something else waits for [`closing`](Self::closing) beside it.
/// A client cannot write any more then, but reads what is still sent to it.
///
/// When the server has closed it, what had come can still be read, up to a mebibyte. If that was all, the end of the stream
/// follows; otherwise reading fails with [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), as does writing.
///
/// Synchronous code wraps it: `futures_lite::io::BlockOn::new(stream)` is a [`Read`](io::Read) and a [`Write`](io::Write).
#[derive(Clone)]
pub struct TidyStream(Arc<Link>);

impl TidyStream {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self(link)
    }

    /// The other end.
    pub fn peer(&self) -> &Endpoint {
        self.0.peer()
    }

    /// This end.
    pub fn local(&self) -> &Endpoint {
        self.0.local()
    }

    /// Resolves when the server is to end.
    ///
    /// ```
    /// use childminder::TidyServer;
    /// use childminder::server::TidyStream;
    /// use futures_lite::AsyncWriteExt;
    /// use futures_lite::future::{or, pending};
    ///
    /// async fn say_good_bye(mut stream: TidyStream) -> std::io::Result<()> {
    ///     or(stream.closing(), pending()).await;
    ///     stream.write_all(b"good bye\n").await
    /// }
    ///
    /// let server = TidyServer::tcp().listen(say_good_bye)?;
    /// server.close().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn closing(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        self.0.shared().asked.rung()
    }

    /// Whether the server is to end.
    pub fn is_closing(&self) -> bool {
        self.0.shared().asked.has_rung()
    }
}

impl AsyncRead for &TidyStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buf)
    }
}

/// Nothing is buffered. To close it is to say that nothing more will be written; it can still be read.
impl AsyncWrite for &TidyStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.finish())
    }
}

impl AsyncRead for TidyStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buf)
    }
}

/// As for a reference.
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
