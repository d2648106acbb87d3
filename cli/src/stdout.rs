//! Standard output, for the lines of the programs.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Standard output as it is: without the buffer of [`io::stdout`], for the sink has one of its own and must know what
/// was really written.
///
/// It waits when there is no room, also where somebody else has made the descriptor non-blocking, as some programs do
/// to a terminal or a pipe that they share with others (F-62). It may: sinks have a thread of their own, unless it
/// [never waits](Self::never_waits).
#[derive(Debug)]
pub(crate) struct Stdout(File);

impl Stdout {
    /// # Errors
    ///
    /// The system's, when it has no descriptor to give.
    pub(crate) fn open() -> io::Result<Self> {
        // A standard output that was closed is /dev/null by now: the runtime has seen to that before `main`.
        Ok(Self(io::stdout().as_fd().try_clone_to_owned()?.into()))
    }

    /// Whether it is a regular file, which takes everything at once. (A disk may be slow, but nobody has to read it.)
    pub(crate) fn never_waits(&self) -> bool {
        self.0.metadata().is_ok_and(|metadata| metadata.is_file())
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
