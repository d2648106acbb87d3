//! The ends of the standard streams of a child that stay here.
//!
//! The output comes through one or two pipes, or through a terminal. The child's ends block, as programs
//! expect; ours do not, and the event loop watches them. No end is ever descriptor 0, 1 or 2, and a child
//! that other code starts at the same moment inherits none.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::fs::{Gid, Uid, fchown};
use rustix::io::Errno;

use crate::host::{Spec, Stdin, TerminalSize};
use crate::machine::{SpawnError, SpawnStep, Stream};

use super::input::{Input, set_size};
use super::platform::{Watched, calls};
use super::stdio::{LowDescriptors, open_stdin};

/// The default capacity of a pipe. A read that returns this much shows that the writer is faster than the
/// reader.
const PIPE_SIZE: usize = 64 * 1024;

/// Our ends of the standard streams.
#[derive(Debug)]
pub(super) struct Streams {
    input: Input,
    stdout: Output,
    stderr: Output,
}

impl Streams {
    /// Opens the standard streams of a child. Returns our ends and the descriptors of the child.
    pub(super) fn open(spec: &Spec, low: &mut LowDescriptors) -> Result<(Self, [OwnedFd; 3]), SpawnError> {
        if let Some(size) = spec.get_terminal() {
            return Self::open_terminal(spec, size);
        }
        let (input, zero) = match spec.get_stdin() {
            Stdin::Piped => Input::pipe()?,
            other => (Input::Closed, open_stdin(other, low)?),
        };
        let (stdout, one) = Output::open()?;
        let (stderr, two) = if spec.merges_output() {
            let two =
                one.try_clone().map_err(|error| SpawnError::new(SpawnStep::Pipe, "its output", error))?;
            (Output::closed(), two)
        } else {
            Output::open()?
        };
        give_to_user(spec, &one);
        give_to_user(spec, &two);
        if matches!(input, Input::Pipe(_)) {
            give_to_user(spec, &zero);
        }
        Ok((Self { input, stdout, stderr }, [zero, one, two]))
    }

    /// Opens a terminal for all three streams of a child.
    fn open_terminal(spec: &Spec, size: TerminalSize) -> Result<(Self, [OwnedFd; 3]), SpawnError> {
        let failed = |error: io::Error| SpawnError::new(SpawnStep::Terminal, size.to_string(), error);
        let (master, terminal) = calls::open_terminal().map_err(|errno| failed(errno.into()))?;
        set_size(&master, size).map_err(failed)?;
        rustix::io::ioctl_fionbio(&master, true).map_err(|errno| failed(errno.into()))?;
        give_to_user(spec, &terminal);
        let copy = || terminal.try_clone().map_err(failed);
        let theirs = [copy()?, copy()?, terminal];
        let input = Input::terminal(&master)?;
        let stdout = Output { is_terminal: true, ..Output::watch(master)? };
        Ok((Self { input, stdout, stderr: Output::closed() }, theirs))
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

    /// Returns our end of the standard input.
    pub(super) fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    /// Makes the next reads try the pipes first. To be called when the child has died: what it wrote is in
    /// the pipes by then, whether or not the event loop has noticed.
    pub(super) fn expect_data(&mut self) {
        self.stdout.hot = true;
        self.stderr.hot = true;
    }
}

/// Makes the user of the child the owner of a pipe or a terminal, so that it can open `/dev/stdout` or
/// `/dev/tty`. Failing that, it uses the descriptors it has, so an error does not matter.
fn give_to_user(spec: &Spec, fd: &OwnedFd) {
    let (uid, gid) = (spec.get_uid().map(Uid::from_raw), spec.get_gid().map(Gid::from_raw));
    if uid.is_some() || gid.is_some() {
        let _ = fchown(fd, uid, gid);
    }
}

/// Our end of one output: of a pipe, or of a terminal.
#[derive(Debug)]
struct Output {
    /// `None` after the end of the stream or an error.
    pipe: Option<Watched>,
    /// Whether to read before asking the event loop. A read that did not fill its buffer has emptied the
    /// pipe, so that another one at once would be a wasted system call.
    hot: bool,
    /// Whether the event loop was asked to wake the task, so that the next poll is most likely its answer.
    registered: bool,
    /// Whether an attempt was made to enlarge the pipe.
    grown: bool,
    /// Whether a read may return less than there is.
    is_terminal: bool,
}

impl Output {
    /// Returns the end of a stream that was closed before it began.
    fn closed() -> Self {
        Self { pipe: None, hot: false, registered: false, grown: false, is_terminal: false }
    }

    fn open() -> Result<(Self, OwnedFd), SpawnError> {
        let failed = |error| SpawnError::new(SpawnStep::Pipe, "its output", error);
        let (ours, theirs) = io::pipe().map_err(failed)?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true).map_err(|errno| failed(errno.into()))?;
        Ok((Self::watch(ours)?, theirs.into()))
    }

    /// Registers a descriptor that does not block.
    fn watch(ours: OwnedFd) -> Result<Self, SpawnError> {
        let pipe =
            Watched::new(ours).map_err(|error| SpawnError::new(SpawnStep::Watch, "its output", error))?;
        Ok(Self { pipe: Some(pipe), ..Self::closed() })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let result = loop {
            let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(0)) };
            // The pipe is read before the event loop is asked: that one may not have seen what is in it, or
            // would not report an event that was there already, but wake the task once more.
            if mem::take(&mut self.registered) {
                // The last output of a terminal may arrive after the end was reported.
                if pipe.begin_read() && !self.is_terminal {
                    break Ok(0);
                }
            } else if !self.hot {
                match pipe.poll_readable(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => break Err(error),
                    Poll::Pending => {
                        self.registered = true;
                        return Poll::Pending;
                    }
                }
            }
            match rustix::io::read(&*pipe, &mut *buf) {
                Ok(0) if !buf.is_empty() => break Ok(0),
                Ok(count) => {
                    self.hot = count == buf.len() || self.is_terminal;
                    if count >= PIPE_SIZE && !self.grown {
                        self.grown = true;
                        calls::enlarge(&*pipe);
                    }
                    return Poll::Ready(Ok(count));
                }
                // A terminal that no process has open any more reports EIO at the end.
                Err(Errno::IO) => break Ok(0),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.hot = false,
                Err(errno) => break Err(errno.into()),
            }
        };
        self.pipe = None;
        Poll::Ready(result)
    }
}
