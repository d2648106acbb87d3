//! A connection as its users see it.
//!
//! The stream belongs to the service; users share it through [`Connection`]s. When the connection is lost or
//! the service is stopped, the stream is dropped although there still are connections that refer to it. So
//! nothing stays open by mistake, and a connection that is kept too long returns errors, never the data of
//! its successor.
//!
//! Any user may be the first to notice the end of the connection, and then wakes the driver. While no user
//! reads, the driver watches the stream: it reads one small chunk ahead, which the next reader receives
//! first. It reads no further until that chunk is consumed, so the back-pressure on the peer remains.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::error::DisconnectReason;
use super::message::AttemptId;
use super::shared_waker::SharedWaker;
use super::stream::{End, ServiceStream};
use crate::panic_guard::catch;
use crate::sync::Lock;

/// A connection of a service, from [`ClientService::when_connected`](crate::ClientService::when_connected).
///
/// Clones refer to the same connection and are equal; different connections are not. A connection can be read
/// and written by several tasks, also through a shared reference.
///
/// When the connection is lost, reads return the data that had arrived, and then end-of-file or the error;
/// writes fail. When the service is stopped, or the connection is [aborted](Self::abort), both fail with
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). It never turns into the next connection: ask the
/// service for that one.
///
/// The service notices the end of a connection also while no task reads it. While data that has arrived is
/// not read, it does not, because it reads only one chunk ahead.
///
/// ```no_run
/// use childminder::client::TcpConnector;
/// use childminder::{ClientService, System};
/// use futures_lite::AsyncWriteExt;
///
/// let service = ClientService::background(System::new(), TcpConnector::new("localhost", 6379))?;
/// service.start_service();
/// let mut connection = service.when_connected(None).wait()?;
/// futures_lite::future::block_on(connection.write_all(b"PING\r\n"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<S>(Arc<Shared<S>>);

struct Shared<S> {
    id: AttemptId,
    tasks: Arc<SharedWaker>,
    /// The waker of `tasks`, with which the stream is polled.
    waker: Waker,
    /// The stream is polled under this lock, with no other lock held.
    stream: Lock<ServiceStream<S>>,
}

impl<S> Connection<S> {
    /// Returns the number of the attempt that made the connection. A service counts its attempts from 1, so
    /// each connection has a different number.
    pub fn number(&self) -> u64 {
        self.0.id.0
    }

    /// Returns whether the connection is up, as far as the service and its users have noticed.
    pub fn is_up(&self) -> bool {
        self.stream().end().is_none()
    }

    /// Drops the connection, so that the service connects again. Use it when the peer violates the protocol
    /// or does not answer. Does nothing if the service has dropped this connection already.
    pub fn abort(&self) {
        self.stream().end_with(End::Aborted);
        self.0.tasks.wake_all();
    }

    pub(super) fn id(&self) -> AttemptId {
        self.0.id
    }

    /// Drops the stream. From now on the users of the connection receive errors.
    pub(super) fn drop_stream(&self) {
        let stream = self.stream().take();
        // The destructor of the stream is foreign code.
        let _ = catch(|| drop(stream));
        self.0.tasks.wake_users();
    }

    fn stream(&self) -> MutexGuard<'_, ServiceStream<S>> {
        self.0.stream.lock()
    }
}

/// Used by the driver.
impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(id: AttemptId, stream: S) -> Self {
        let tasks = Arc::new(SharedWaker::default());
        // Lets the driver poll the stream once, which registers the waker.
        tasks.wake_all();
        let waker = Waker::from(tasks.clone());
        Self(Arc::new(Shared { id, tasks, waker, stream: Lock::new(ServiceStream::new(stream)) }))
    }

    /// Ready with the reason when the connection has ended. Checks only if the stream was woken since the
    /// last call.
    pub(super) fn poll_end(&self, driver: &Waker) -> Poll<DisconnectReason> {
        self.0.tasks.register_driver(driver);
        if !self.0.tasks.take_woken() {
            return Poll::Pending;
        }
        self.check_end().map_or(Poll::Pending, Poll::Ready)
    }

    /// Checks whether the connection has ended, and returns the reason.
    pub(super) fn check_end(&self) -> Option<DisconnectReason> {
        let mut stream = self.stream();
        let read = catch(|| stream.read_ahead(&mut Context::from_waker(&self.0.waker)));
        if let Err(panic) = &read {
            let error = io::Error::other(format!("the stream panicked: {panic}"));
            stream.end_with(End::Broken(Arc::new(error)));
        }
        let reason = stream.end().map(End::reason);
        drop(stream);
        if matches!(read, Ok(true)) {
            self.0.tasks.wake_users();
        }
        reason
    }

    /// Ends the connection for its users. From now on the driver polls it with
    /// [`poll_close`](Self::poll_close).
    pub(super) fn begin_close(&self) {
        self.stream().end_with(End::Closed);
        self.0.tasks.wake_all();
    }

    /// Closes the connection. Ready when the peer has closed it as well.
    pub(super) fn poll_close(&self, driver: &Waker) -> Poll<()> {
        self.0.tasks.register_driver(driver);
        if !self.0.tasks.take_woken() {
            return Poll::Pending;
        }
        let mut stream = self.stream();
        catch(|| stream.poll_close(&mut Context::from_waker(&self.0.waker))).unwrap_or(Poll::Ready(()))
    }
}

/// Used by the users.
impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn poll<T>(
        &self,
        cx: &Context<'_>,
        operation: impl FnOnce(&mut ServiceStream<S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let is_new = self.0.tasks.add_user(cx.waker());
        let (poll, has_ended, is_drained) = {
            let mut stream = self.stream();
            let before = (stream.end().is_some(), stream.is_drained());
            let poll = operation(&mut stream, &mut Context::from_waker(&self.0.waker));
            (poll, stream.end().is_some() && !before.0, stream.is_drained() && !before.1)
        };
        if is_new && poll.is_ready() {
            self.0.tasks.remove_user(cx.waker());
        }
        if has_ended {
            self.0.tasks.wake_all();
        } else if is_drained {
            // The driver can read ahead again.
            self.0.tasks.wake_driver();
        }
        poll
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for &Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_read(cx, buf))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for &Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_output(cx, |inner, cx| inner.poll_write(cx, buf)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_output(cx, |inner, cx| inner.poll_write_vectored(cx, bufs)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_output(cx, AsyncWrite::poll_flush))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_output(cx, AsyncWrite::poll_close))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}

impl<S> Clone for Connection<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> PartialEq for Connection<S> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<S> Eq for Connection<S> {}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.number()).finish()
    }
}
