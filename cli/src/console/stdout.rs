//! The standard output, for the lines of the program.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The standard output without the buffer of [`io::stdout`], because the sink has a buffer of its own and
/// must know what was written.
///
/// A write waits for room, even if another process has made the shared descriptor non-blocking.
#[derive(Debug)]
pub(crate) struct Stdout(File);

impl Stdout {
    /// Opens the standard output.
    ///
    /// # Errors
    ///
    /// The error of the system, if it has no descriptors left.
    pub(crate) fn open() -> io::Result<Self> {
        // If it was closed, the runtime has opened /dev/null before `main`.
        Ok(Self(io::stdout().as_fd().try_clone_to_owned()?.into()))
    }
}

impl AsFd for Stdout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Write for Stdout {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
