//! The standard input of a process that a plan writes to.

use std::io;
use std::os::fd::OwnedFd;

use async_io::Async;

use crate::host::Stdin;

/// Our end of a pipe that a process reads from. Dropping it is the end of the input.
#[derive(Debug)]
pub(super) struct Input(Async<OwnedFd>);

impl Input {
    /// A pipe: our end, and what the process is to read from.
    pub(super) fn new() -> io::Result<(Self, Stdin)> {
        let (theirs, ours) = io::pipe()?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self(Async::new_nonblocking(ours)?), Stdin::descriptor(theirs)))
    }

    /// Writes all of `bytes`, and waits while the pipe is full.
    pub(super) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.0.write_with(|ours| Ok(rustix::io::write(ours, bytes)?)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}
