//! The stream of a connection, what was read ahead of its users, and how it has ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::setback::DisconnectReason;

/// So much is read ahead when nobody reads: enough to notice the end of a connection that is idle.
const AHEAD: usize = 4096;

/// So often what still comes from a connection that is being closed is thrown away before others have their turn.
const DISCARDS: usize = 16;

/// How a connection has ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The peer has ended it.
    Eof,
    /// It broke.
    Broken(Arc<io::Error>),
    /// A user has given it up.
    Aborted,
    /// The service has closed it, or is about to.
    Closed,
}

/// A stream with its end.
#[derive(Debug)]
pub(super) struct Wire<S> {
    /// `None`: dropped, and `end` says why.
    stream: Option<S>,
    ahead: Ahead,
    end: Option<End>,
    /// Our direction is closed in good order.
    shut: bool,
}

/// What was read and nobody has taken.
#[derive(Debug, Default)]
struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
}

/// For users.
impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: Some(stream), ahead: Ahead::default(), end: None, shut: false }
    }

    /// What was read ahead goes first, also when the connection has ended since.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(End::Closed | End::Aborted) = self.end {
            return Poll::Ready(Err(closed()));
        }
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(self.ahead.take(buf)));
        }
        match (&self.end, &mut self.stream) {
            (Some(end), _) => Poll::Ready(end.read()),
            (None, None) => Poll::Ready(Err(closed())),
            (None, Some(stream)) => {
                let poll = Pin::new(stream).poll_read(cx, buf);
                if let Poll::Ready(Ok(0)) = poll
                    && !buf.is_empty()
                {
                    self.end = Some(End::Eof);
                }
                self.note(poll)
            }
        }
    }

    /// Writes, flushes or closes.
    pub(super) fn poll_out<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match (&self.end, &mut self.stream) {
            (Some(end), _) => Poll::Ready(Err(end.write())),
            (None, None) => Poll::Ready(Err(closed())),
            (None, Some(stream)) => {
                let poll = act(Pin::new(stream), cx);
                self.note(poll)
            }
        }
    }

    /// An error is the end of the connection; only an interruption is not.
    fn note<T>(&mut self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match poll {
            Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::Interrupted => {
                let error = Arc::new(error);
                self.end = Some(End::Broken(error.clone()));
                Poll::Ready(Err(again(&error)))
            }
            poll => poll,
        }
    }
}

/// For the driver.
impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Looks for the end of the connection; reads ahead, unless there is something that nobody has taken. Says whether
    /// it has read anything.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) -> bool {
        if self.end.is_some() || !self.ahead.is_empty() {
            return false;
        }
        let mut scratch = [0; AHEAD];
        match self.poll_read(cx, &mut scratch) {
            Poll::Ready(Ok(length)) if length > 0 => {
                self.ahead = Ahead { bytes: scratch[..length].to_vec(), taken: 0 };
                true
            }
            // An interrupted read is tried again.
            Poll::Ready(Err(_)) if self.end.is_none() => {
                cx.waker().wake_by_ref();
                false
            }
            Poll::Ready(Ok(_) | Err(_)) | Poll::Pending => false,
        }
    }

    /// Closes our direction, then throws away what still comes. Ready when the peer has closed the other.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(()) };
        if !self.shut {
            match Pin::new(&mut *stream).poll_close(cx) {
                Poll::Ready(Ok(())) => self.shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        let mut scratch = [0; AHEAD];
        for _ in 0..DISCARDS {
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

impl<S> Wire<S> {
    /// How it has ended, if it has.
    pub(super) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Ends it, unless it has ended already.
    pub(super) fn end_with(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Takes the stream away, for it is to be dropped when nothing is locked.
    pub(super) fn cut(&mut self) -> Option<S> {
        self.end_with(End::Closed);
        self.stream.take()
    }

    /// Whether nothing is read ahead.
    pub(super) fn is_drained(&self) -> bool {
        self.ahead.is_empty()
    }
}

impl Ahead {
    fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    fn take(&mut self, buf: &mut [u8]) -> usize {
        let rest = &self.bytes[self.taken..];
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        if self.is_empty() {
            *self = Self::default();
        }
        length
    }
}

impl End {
    fn read(&self) -> io::Result<usize> {
        match self {
            Self::Eof => Ok(0),
            Self::Broken(error) => Err(again(error)),
            Self::Aborted | Self::Closed => Err(closed()),
        }
    }

    fn write(&self) -> io::Error {
        match self {
            Self::Eof => io::Error::new(io::ErrorKind::BrokenPipe, "the peer has ended the connection"),
            Self::Broken(error) => again(error),
            Self::Aborted | Self::Closed => closed(),
        }
    }

    /// The same, as the reason for what follows.
    pub(super) fn setback(&self) -> DisconnectReason {
        match self {
            Self::Eof | Self::Closed => DisconnectReason::Ended,
            Self::Broken(error) => DisconnectReason::Broken(error.clone()),
            Self::Aborted => DisconnectReason::Aborted,
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was closed on this side")
}

/// The same error once more.
fn again(error: &Arc<io::Error>) -> io::Error {
    io::Error::new(error.kind(), error.clone())
}
