//! The two pipes that a child writes to.
//!
//! The child's ends block, as programs expect; ours do not, and the event loop watches them. No end is ever
//! descriptor 0, 1 or 2, and a child that other code starts at the same moment inherits none.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use async_io::Async;
use rustix::io::Errno;

use crate::machine::{SpawnError, SpawnStep, Stream};

use super::platform::calls;

/// The default capacity of a pipe. A read that returns this much shows that the writer is faster than the
/// reader.
const PIPE_SIZE: usize = 64 * 1024;

/// Our ends of both pipes.
#[derive(Debug)]
pub(super) struct Outputs {
    stdout: Output,
    stderr: Output,
}

impl Outputs {
    /// Creates both pipes, or one for both streams if they are merged. Returns our ends and those of the
    /// child: its descriptors 1 and 2.
    pub(super) fn open(merge: bool) -> Result<(Self, [OwnedFd; 2]), SpawnError> {
        let (stdout, one) = Output::open()?;
        let (stderr, two) = if merge {
            let two =
                one.try_clone().map_err(|error| SpawnError::new(SpawnStep::Pipe, "its output", error))?;
            (Output::closed(), two)
        } else {
            Output::open()?
        };
        Ok((Self { stdout, stderr }, [one, two]))
    }

    pub(super) fn poll_read(
        &mut self,
        stream: Stream,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match stream {
            Stream::Stdout => self.stdout.poll_read(cx, buf),
            Stream::Stderr => self.stderr.poll_read(cx, buf),
        }
    }

    /// Makes the next reads try the pipes first. To be called when the child has died: what it wrote is in
    /// the pipes by then, whether or not the event loop has noticed.
    pub(super) fn expect_data(&mut self) {
        self.stdout.hot = true;
        self.stderr.hot = true;
    }
}

/// Our end of one pipe.
#[derive(Debug)]
struct Output {
    /// `None` after the end of the stream or an error.
    pipe: Option<Async<OwnedFd>>,
    /// Whether to read before asking the event loop. A read that did not fill its buffer has emptied the
    /// pipe, so that another one at once would be a wasted system call.
    hot: bool,
    /// Whether the event loop was asked to wake the task, so that the next poll is most likely its answer.
    registered: bool,
    /// Whether an attempt was made to enlarge the pipe.
    grown: bool,
}

impl Output {
    /// Returns the end of a stream that was closed before it began.
    fn closed() -> Self {
        Self { pipe: None, hot: false, registered: false, grown: false }
    }

    fn open() -> Result<(Self, OwnedFd), SpawnError> {
        let failed = |step| move |error| SpawnError::new(step, "its output", error);
        let (ours, theirs) = io::pipe().map_err(failed(SpawnStep::Pipe))?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true).map_err(|errno| failed(SpawnStep::Pipe)(errno.into()))?;
        let pipe = Async::new_nonblocking(ours).map_err(failed(SpawnStep::Watch))?;
        Ok((Self { pipe: Some(pipe), hot: false, registered: false, grown: false }, theirs.into()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let result = loop {
            let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(0)) };
            // The pipe is read before the event loop is asked: that one would not report an event that was
            // there already when it was asked to wake the task, but wake it once more.
            if !self.hot && !mem::take(&mut self.registered) {
                match pipe.poll_readable(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => break Err(error),
                    Poll::Pending => {
                        self.registered = true;
                        return Poll::Pending;
                    }
                }
            }
            match rustix::io::read(pipe, &mut *buf) {
                Ok(0) if !buf.is_empty() => break Ok(0),
                Ok(count) => {
                    self.hot = count == buf.len();
                    if count >= PIPE_SIZE && !self.grown {
                        self.grown = true;
                        calls::enlarge(pipe);
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.hot = false,
                Err(errno) => break Err(errno.into()),
            }
        };
        self.pipe = None;
        Poll::Ready(result)
    }
}
