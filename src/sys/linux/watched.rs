//! A descriptor that is watched for something to read.
//!
//! It belongs to the event loop of the thread that drives its process, if there is one, and otherwise to that
//! of `async-io`, which serves every executor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use async_io::Async;

use super::event_loop::{self, Closed, Registration, Reported, Turn};

/// A non-blocking descriptor, and the event loop that watches it.
#[derive(Debug)]
pub(in crate::sys) struct Watched(Watch);

#[derive(Debug)]
enum Watch {
    /// The loop of one thread.
    Local(Registration),
    /// The loop of `async-io`.
    Shared(Async<OwnedFd>),
}

impl Watched {
    /// Has `fd` watched by the event loop of this thread.
    ///
    /// # Errors
    ///
    /// The event loop does not accept it: there are too many watches, or no memory.
    pub(in crate::sys) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(match event_loop::current() {
            Some(event_loop) => Watch::Local(event_loop.register(fd)?),
            None => Watch::Shared(Async::new_nonblocking(fd)?),
        }))
    }

    /// Ready when there may be something to read. A read that fills its buffer has to be repeated before this
    /// is called again.
    ///
    /// # Errors
    ///
    /// The event loop cannot watch the descriptor any more.
    pub(in crate::sys) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Watch::Local(registration) = &self.0 {
            match registration.poll_event(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(Closed)) => {
                    self.0 =
                        Watch::Shared(Async::new_nonblocking(registration.as_fd().try_clone_to_owned()?)?);
                }
            }
        }
        match &self.0 {
            Watch::Shared(fd) => fd.poll_readable(cx),
            Watch::Local(..) => unreachable!("it was replaced above"),
        }
    }

    /// Called before a read without [`poll_readable`](Self::poll_readable), so that the event of what is read
    /// does not cause another one. Returns whether the other end of a pipe is known to be closed and nothing
    /// is left to read, so that a read would only say that.
    pub(in crate::sys) fn begin_read(&self) -> bool {
        match &self.0 {
            Watch::Local(registration) => registration.take_event() == Reported::End,
            Watch::Shared(_) => false,
        }
    }

    /// Takes an event of the event loop of this thread. Returns the turn before which it has happened; `None`
    /// if there was none, or if another loop watches the descriptor.
    pub(super) fn take_event(&self) -> Option<Turn> {
        match &self.0 {
            Watch::Local(registration) if registration.take_event() != Reported::Nothing => {
                registration.turn()
            }
            Watch::Local(..) | Watch::Shared(_) => None,
        }
    }

    /// Returns the turn before which an event has happened that [`poll_readable`](Self::poll_readable) has
    /// just reported.
    pub(super) fn turn(&self) -> Option<Turn> {
        match &self.0 {
            Watch::Local(registration) => registration.turn(),
            Watch::Shared(_) => None,
        }
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Watch::Local(registration) => registration.as_fd(),
            Watch::Shared(fd) => fd.as_fd(),
        }
    }
}
