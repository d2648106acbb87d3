//! A descriptor that is watched for something to read.
//!
//! It belongs to the event loop of the thread that drives its process, if there is one, and otherwise to that
//! of `async-io`, which serves every executor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use async_io::Async;

use super::event_loop::{self, Closed, Registration};

/// A non-blocking descriptor, and the event loop that watches it.
#[derive(Debug)]
pub(in crate::sys) struct Watched(Watch);

#[derive(Debug)]
enum Watch {
    /// The loop of one thread. The registration is dropped before the descriptor is closed.
    Local(Registration, OwnedFd),
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
            Some(event_loop) => Watch::Local(event_loop.register(fd.as_fd())?, fd),
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
        if let Watch::Local(registration, fd) = &self.0 {
            match registration.poll_event(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(Closed)) => {
                    self.0 = Watch::Shared(Async::new_nonblocking(fd.try_clone()?)?);
                }
            }
        }
        match &self.0 {
            Watch::Shared(fd) => fd.poll_readable(cx),
            Watch::Local(..) => unreachable!("it was replaced above"),
        }
    }

    /// Called before a read without [`poll_readable`](Self::poll_readable), so that the event of what is read
    /// does not cause another one.
    pub(in crate::sys) fn begin_read(&self) {
        if let Watch::Local(registration, _) = &self.0 {
            registration.forget_event();
        }
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Watch::Local(_, fd) => fd.as_fd(),
            Watch::Shared(fd) => fd.as_fd(),
        }
    }
}
