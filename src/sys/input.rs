//! Our end of the standard input of a child: of a pipe, or of its terminal.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use async_io::Async;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::termios::{SpecialCodeIndex, Winsize, tcgetattr, tcsetwinsize};

use crate::host::TerminalSize;
use crate::machine::{SpawnError, SpawnStep};

use super::broken_pipe;

/// The character that ends the input at a terminal, Ctrl-D, if the terminal does not say.
const END_OF_TRANSMISSION: u8 = 4;

/// Our end of the standard input of a child. It does not block.
#[derive(Debug)]
pub(super) enum Input {
    /// The child reads something else, or the pipe was closed.
    Closed,
    /// A pipe.
    Pipe(Async<OwnedFd>),
    /// A terminal, which stays open as long as the run lasts.
    Terminal {
        /// A copy of the descriptor that the output is read from.
        master: Async<OwnedFd>,
        /// Whether the last byte was not the end of a line, so that the first end of input only submits it.
        within_line: bool,
        ended: bool,
    },
}

impl Input {
    /// Creates a pipe. Returns our end and that of the child.
    pub(super) fn pipe() -> Result<(Self, OwnedFd), SpawnError> {
        let failed = |step| move |error: io::Error| SpawnError::new(step, "a pipe", error);
        let (theirs, ours) = io::pipe().map_err(failed(SpawnStep::Stdin))?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true).map_err(|errno| failed(SpawnStep::Stdin)(errno.into()))?;
        let ours = Async::new_nonblocking(ours).map_err(failed(SpawnStep::Watch))?;
        Ok((Self::Pipe(ours), theirs.into()))
    }

    /// Returns the input of the terminal with this master, which does not block.
    pub(super) fn terminal(master: &OwnedFd) -> Result<Self, SpawnError> {
        let failed = |step| move |error: io::Error| SpawnError::new(step, "its input", error);
        let copy = fcntl_dupfd_cloexec(master, 3);
        let copy = copy.map_err(|errno| failed(SpawnStep::Terminal)(errno.into()))?;
        let master = Async::new_nonblocking(copy).map_err(failed(SpawnStep::Watch))?;
        Ok(Self::Terminal { master, within_line: false, ended: false })
    }

    /// Writes some of `bytes`, and returns how many.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if there is no reader; any other error of the system.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Closed | Self::Terminal { ended: true, .. } => {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
            Self::Pipe(pipe) => {
                let result = ready!(poll_write(pipe, cx, bytes));
                if result.is_err() {
                    *self = Self::Closed;
                }
                Poll::Ready(result)
            }
            Self::Terminal { master, within_line, .. } => {
                let written = ready!(poll_write(master, cx, bytes))?;
                if let Some(last) = bytes[..written].last() {
                    *within_line = *last != b'\n';
                }
                Poll::Ready(Ok(written))
            }
        }
    }

    /// Ends the input: closes the pipe, or writes the end-of-file character to the terminal.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Closed | Self::Pipe(_) => *self = Self::Closed,
            Self::Terminal { ended: true, .. } => {}
            Self::Terminal { master, within_line, ended } => {
                let end = tcgetattr(&*master).map(|settings| settings.special_codes[SpecialCodeIndex::VEOF]);
                let end = end.unwrap_or(END_OF_TRANSMISSION);
                if *within_line {
                    let _ = ready!(poll_write(master, cx, &[end]));
                    *within_line = false;
                }
                let _ = ready!(poll_write(master, cx, &[end]));
                *ended = true;
            }
        }
        Poll::Ready(())
    }

    /// Changes the size of the terminal.
    ///
    /// # Errors
    ///
    /// `Unsupported` if it is not a terminal; otherwise the error of the system.
    pub(super) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        match self {
            Self::Closed | Self::Pipe(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::Terminal { master, .. } => set_size(master, size),
        }
    }
}

/// Sets the size of a terminal.
pub(super) fn set_size(terminal: impl AsFd, size: TerminalSize) -> io::Result<()> {
    let size = Winsize { ws_row: size.rows(), ws_col: size.columns(), ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(terminal, size)?)
}

fn poll_write(fd: &Async<OwnedFd>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        match broken_pipe::write(fd, bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(fd.poll_writable(cx))?,
            done => return Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::task::Waker;

    use super::*;

    #[test]
    fn f_213_a_full_pipe_is_pending_and_a_pipe_without_a_reader_is_an_error() {
        let (mut input, theirs) = Input::pipe().expect("a pipe");
        let mut cx = Context::from_waker(Waker::noop());
        let chunk = [b'x'; 4096];
        let mut written = 0;
        while let Poll::Ready(result) = input.poll_write(&mut cx, &chunk) {
            written += result.expect("it has a reader");
            assert!(written <= 1 << 20, "a pipe has an end");
        }
        let mut theirs = File::from(theirs);
        theirs.read_exact(&mut vec![0; written]).expect("what was written");
        assert!(input.poll_close(&mut cx).is_ready());
        assert_eq!(theirs.read(&mut [0]).expect("end-of-file"), 0);
        drop(theirs);

        let (mut input, theirs) = Input::pipe().expect("a pipe");
        drop(theirs);
        let Poll::Ready(Err(error)) = input.poll_write(&mut cx, b"x") else { panic!("no reader") };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
