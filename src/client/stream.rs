//! The stream of a connection, the data that was read ahead of its users, and the way it ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::error::DisconnectReason;

/// The number of bytes that are read ahead while no user reads. A read is needed to notice the end of an idle
/// connection.
const READ_AHEAD: usize = 4096;

/// The number of reads of a closing connection that are discarded before other tasks get their turn.
const MAX_DISCARDS: usize = 16;

/// The way a connection ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The peer closed it.
    Eof,
    /// It failed.
    Broken(Arc<io::Error>),
    /// A user aborted it.
    Aborted,
    /// The service closes it, or has closed it.
    Closed,
}

/// A stream that remembers how it ended.
#[derive(Debug)]
pub(super) struct ServiceStream<S> {
    /// `None`: dropped, and `end` is set.
    stream: Option<S>,
    ahead: Ahead,
    end: Option<End>,
    /// The direction to the peer is closed.
    is_shut: bool,
}

/// Data that was read ahead.
#[derive(Debug, Default)]
struct Ahead {
    bytes: Vec<u8>,
    consumed: usize,
}

/// Used by the users.
impl<S: AsyncRead + AsyncWrite + Unpin> ServiceStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: Some(stream), ahead: Ahead::default(), end: None, is_shut: false }
    }

    /// Reads, beginning with the data that was read ahead, also if the connection has ended since.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(End::Closed | End::Aborted) = self.end {
            return Poll::Ready(Err(closed()));
        }
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(self.ahead.read(buf)));
        }
        match (&self.end, &mut self.stream) {
            (Some(end), _) => Poll::Ready(end.read_result()),
            (None, None) => Poll::Ready(Err(closed())),
            (None, Some(stream)) => {
                let poll = Pin::new(stream).poll_read(cx, buf);
                if let Poll::Ready(Ok(0)) = poll
                    && !buf.is_empty()
                {
                    self.end = Some(End::Eof);
                }
                self.record_error(poll)
            }
        }
    }

    /// Writes, flushes or closes, as `operation` does.
    pub(super) fn poll_output<T>(
        &mut self,
        cx: &mut Context<'_>,
        operation: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match (&self.end, &mut self.stream) {
            (Some(end), _) => Poll::Ready(Err(end.write_error())),
            (None, None) => Poll::Ready(Err(closed())),
            (None, Some(stream)) => {
                let poll = operation(Pin::new(stream), cx);
                self.record_error(poll)
            }
        }
    }

    /// Ends the connection if the operation failed. Only an interruption can be retried.
    fn record_error<T>(&mut self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match poll {
            Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::Interrupted => {
                let error = Arc::new(error);
                self.end = Some(End::Broken(error.clone()));
                Poll::Ready(Err(clone_error(&error)))
            }
            poll => poll,
        }
    }
}

/// Used by the driver.
impl<S: AsyncRead + AsyncWrite + Unpin> ServiceStream<S> {
    /// Reads ahead, to notice the end of the connection, unless there is unconsumed data. Returns whether it
    /// has read data.
    pub(super) fn read_ahead(&mut self, cx: &mut Context<'_>) -> bool {
        if self.end.is_some() || !self.ahead.is_empty() {
            return false;
        }
        let mut scratch = [0; READ_AHEAD];
        match self.poll_read(cx, &mut scratch) {
            Poll::Ready(Ok(length)) if length > 0 => {
                self.ahead = Ahead { bytes: scratch[..length].to_vec(), consumed: 0 };
                true
            }
            // Tries an interrupted read again.
            Poll::Ready(Err(_)) if self.end.is_none() => {
                cx.waker().wake_by_ref();
                false
            }
            Poll::Ready(Ok(_) | Err(_)) | Poll::Pending => false,
        }
    }

    /// Closes the direction to the peer, then discards incoming data. Ready when the peer has closed its
    /// direction.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(()) };
        if !self.is_shut {
            match Pin::new(&mut *stream).poll_close(cx) {
                Poll::Ready(Ok(())) => self.is_shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        let mut scratch = [0; READ_AHEAD];
        for _ in 0..MAX_DISCARDS {
            match Pin::new(&mut *stream).poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(0)) => return Poll::Ready(()),
                Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::Interrupted => {
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(_) | Err(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S> ServiceStream<S> {
    /// Returns how the connection ended, if it has.
    pub(super) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Ends the connection. A later end does not replace an earlier one.
    pub(super) fn end_with(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Removes the stream. The caller drops it without holding a lock.
    pub(super) fn take(&mut self) -> Option<S> {
        self.end_with(End::Closed);
        self.stream.take()
    }

    /// Returns whether there is no data that was read ahead.
    pub(super) fn is_drained(&self) -> bool {
        self.ahead.is_empty()
    }
}

impl Ahead {
    fn is_empty(&self) -> bool {
        self.consumed == self.bytes.len()
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        let rest = &self.bytes[self.consumed..];
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        self.consumed += length;
        if self.is_empty() {
            *self = Self::default();
        }
        length
    }
}

impl End {
    fn read_result(&self) -> io::Result<usize> {
        match self {
            Self::Eof => Ok(0),
            Self::Broken(error) => Err(clone_error(error)),
            Self::Aborted | Self::Closed => Err(closed()),
        }
    }

    fn write_error(&self) -> io::Error {
        match self {
            Self::Eof => io::Error::new(io::ErrorKind::BrokenPipe, "the peer closed the connection"),
            Self::Broken(error) => clone_error(error),
            Self::Aborted | Self::Closed => closed(),
        }
    }

    /// Returns the reason why there is no connection any more.
    pub(super) fn reason(&self) -> DisconnectReason {
        match self {
            Self::Eof | Self::Closed => DisconnectReason::Closed,
            Self::Broken(error) => DisconnectReason::Broken(error.clone()),
            Self::Aborted => DisconnectReason::Aborted,
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was closed by this process")
}

/// Returns an error that shares `error`, because an [`io::Error`] cannot be cloned.
fn clone_error(error: &Arc<io::Error>) -> io::Error {
    io::Error::new(error.kind(), error.clone())
}
