//! The two pipes that a child writes to.
//!
//! The child's ends block, as programs expect; ours do not, and the event loop watches them. No end of them is ever
//! descriptor 0, 1 or 2, and a child that is started at the same moment by somebody else inherits none.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use async_io::Async;
use rustix::io::Errno;

use crate::machine::{SpawnError, SpawnStep, Stream};

use super::platform;

/// What a pipe holds unless it is told otherwise. A read that gets this much has a writer that is faster than we are.
const PIPE_SIZE: usize = 64 * 1024;

/// Our ends.
#[derive(Debug)]
pub(super) struct Outputs {
    stdout: Output,
    stderr: Output,
}

impl Outputs {
    /// Makes both pipes, and returns our ends and those of the child: its descriptors 1 and 2.
    pub(super) fn open() -> Result<(Self, [OwnedFd; 2]), SpawnError> {
        let (stdout, one) = Output::open()?;
        let (stderr, two) = Output::open()?;
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

    /// The child has died: what it wrote is in the pipes by now, whether or not the event loop has noticed.
    pub(super) fn look_again(&mut self) {
        self.stdout.hot = true;
        self.stderr.hot = true;
    }
}

/// Our end of one pipe.
#[derive(Debug)]
struct Output {
    /// `None` after the end, or after an error.
    pipe: Option<Async<OwnedFd>>,
    /// Whether to read without asking the event loop first. A read that did not fill its buffer emptied the pipe, and
    /// another one at once would be a system call for nothing.
    hot: bool,
    /// Whether the event loop was asked to call, so that whoever comes next most likely comes because it did.
    called_for: bool,
    /// Whether the pipe has been made larger, or that was tried.
    grown: bool,
}

impl Output {
    fn open() -> Result<(Self, OwnedFd), SpawnError> {
        let failed = |step| move |error| SpawnError::new(step, "its output", error);
        let (ours, theirs) = io::pipe().map_err(failed(SpawnStep::Pipe))?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true).map_err(|errno| failed(SpawnStep::Pipe)(errno.into()))?;
        let pipe = Async::new_nonblocking(ours).map_err(failed(SpawnStep::Watch))?;
        Ok((Self { pipe: Some(pipe), hot: false, called_for: false, grown: false }, theirs.into()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let result = loop {
            let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(0)) };
            // Not the event loop's word first: it does not take an event for news if it was waiting already when it was
            // asked to call, and would call a second time.
            if !self.hot && !mem::take(&mut self.called_for) {
                match pipe.poll_readable(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => break Err(error),
                    Poll::Pending => {
                        self.called_for = true;
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
                        platform::enlarge(pipe);
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
