//! Links: a connection as its users have it.
//!
//! The stream belongs to the service. Users have links to it, and the service can take it away from under them: when
//! the connection is lost or the service stops, the stream is dropped, however many links there still are. So nothing
//! stays open by mistake, and a link that was kept too long gives errors, not the bytes of another connection.
//!
//! Everybody who reads or writes may be the first to see the end of the connection, and tells the driver. While nobody
//! does, the driver watches: it reads one small piece ahead, which the next reader is given first. When that piece lies
//! there it reads no more, so a peer that sends and sends is held up as it would be without us; it looks again when the
//! piece was taken.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::bell::Bell;
use super::message::LinkId;
use super::setback::DisconnectReason;
use super::wire::{End, Wire};
use crate::panic_guard::catch;

/// A connection, as [`ClientService::when_connected`](super::ClientService::when_connected) hands it out.
///
/// Clones are links to the same connection, and equal; those of different connections are not. A link can be read and
/// written, also through a shared reference, by several tasks.
///
/// When the connection is lost, reads give what had come, and then the end of the stream or the error; writes fail. When
/// the service stops, or the link was [given up](Self::abort), both fail with
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). The next connection has links of its own.
pub struct Connection<S>(Arc<Line<S>>);

struct Line<S> {
    id: LinkId,
    bell: Arc<Bell>,
    /// The bell once more, as what the stream is polled with.
    waker: Waker,
    /// Of this connection alone. The stream is polled under it, and nothing else is locked then.
    wire: Mutex<Wire<S>>,
}

impl<S> Connection<S> {
    /// Counts the attempts of the service, from 1; no two connections have the same.
    pub fn number(&self) -> u64 {
        self.0.id.0
    }

    /// Whether the connection is up, as far as anybody has noticed.
    pub fn is_up(&self) -> bool {
        self.wire().end().is_none()
    }

    /// Gives the connection up: it is dropped, and the service connects anew. For whoever finds that the peer answers
    /// nonsense, or not at all. Nothing if this connection is not the service's any more.
    pub fn abort(&self) {
        self.wire().end_with(End::Aborted);
        self.0.bell.ring();
    }

    pub(super) fn id(&self) -> LinkId {
        self.0.id
    }

    /// Drops the stream. Links stay, and give errors.
    pub(super) fn cut(&self) {
        let stream = self.wire().cut();
        // It is not our code that is run here.
        let _ = catch(|| drop(stream));
        self.0.bell.wake_users();
    }

    fn wire(&self) -> MutexGuard<'_, Wire<S>> {
        self.0.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the driver.
impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(id: LinkId, stream: S) -> Self {
        let bell = Arc::new(Bell::default());
        // It is watched from the beginning.
        bell.ring();
        let waker = Waker::from(bell.clone());
        Self(Arc::new(Line { id, bell, waker, wire: Mutex::new(Wire::new(stream)) }))
    }

    /// Looks whether the connection is still there, if anything has happened since; says why it is not.
    pub(super) fn watch(&self, driver: &Waker) -> Option<DisconnectReason> {
        self.0.bell.register(driver);
        if self.0.bell.has_rung() { self.look() } else { None }
    }

    /// Looks whether the connection is still there; says why it is not.
    pub(super) fn look(&self) -> Option<DisconnectReason> {
        let mut wire = self.wire();
        let read = catch(|| wire.watch(&mut Context::from_waker(&self.0.waker)));
        if let Err(panic) = &read {
            wire.end_with(End::Broken(Arc::new(io::Error::other(format!(
                "the stream has panicked: {panic}"
            )))));
        }
        let setback = wire.end().map(End::setback);
        drop(wire);
        if matches!(read, Ok(true)) {
            self.0.bell.wake_users();
        }
        setback
    }

    /// Takes it away from its users: from now on [`poll_close`](Self::poll_close) has it.
    pub(super) fn begin_close(&self) {
        self.wire().end_with(End::Closed);
        self.0.bell.ring();
    }

    /// Brings it to its end. Ready when the peer has ended it, too.
    pub(super) fn poll_close(&self, driver: &Waker) -> Poll<()> {
        self.0.bell.register(driver);
        if !self.0.bell.has_rung() {
            return Poll::Pending;
        }
        let mut wire = self.wire();
        catch(|| wire.poll_close(&mut Context::from_waker(&self.0.waker))).unwrap_or(Poll::Ready(()))
    }
}

/// For users.
impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn poll<T>(
        &self,
        cx: &Context<'_>,
        act: impl FnOnce(&mut Wire<S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let new = self.0.bell.enter(cx.waker());
        let (poll, ended, drained) = {
            let mut wire = self.wire();
            let before = (wire.end().is_some(), wire.is_drained());
            let poll = act(&mut wire, &mut Context::from_waker(&self.0.waker));
            (poll, wire.end().is_some() && !before.0, wire.is_drained() && !before.1)
        };
        if new && poll.is_ready() {
            self.0.bell.leave(cx.waker());
        }
        if ended {
            self.0.bell.ring();
        } else if drained {
            // There is room to read ahead again.
            self.0.bell.call_driver();
        }
        poll
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for &Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |wire, cx| wire.poll_read(cx, buf))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for &Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |wire, cx| wire.poll_out(cx, |stream, cx| stream.poll_write(cx, buf)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |wire, cx| wire.poll_out(cx, |stream, cx| stream.poll_write_vectored(cx, bufs)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |wire, cx| wire.poll_out(cx, AsyncWrite::poll_flush))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |wire, cx| wire.poll_out(cx, AsyncWrite::poll_close))
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
        f.debug_tuple("Link").field(&self.number()).finish()
    }
}
