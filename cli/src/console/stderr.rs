//! The standard error, for messages. It never blocks for long.
//!
//! Messages may be written by the thread that supervises the program. If that waited for a stopped terminal,
//! or for a pipe that is not read, the program would not be restarted and signals would be ignored. So a
//! write waits briefly, once; after that, messages are dropped until there is room again, and then their
//! number is reported.

use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, poll};

/// The time in milliseconds after which a reader counts as blocked. A busy one needs less.
const PATIENCE: u16 = 200;

/// A pipe that is ready has room for at least this much: POSIX guarantees 512 bytes.
const PIECE: usize = 512;

/// A writer of messages that never blocks for long.
#[derive(Debug)]
pub(crate) struct Stderr<W> {
    to: W,
    /// The number of messages dropped since the reader was blocked.
    dropped: u64,
}

impl<W: Write + AsFd> Stderr<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, dropped: 0 }
    }

    fn has_room(&self, timeout: u16) -> bool {
        // After an error of `poll`, `write` fails with the same error.
        poll(&mut [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)], timeout).map_or(true, |ready| ready > 0)
    }

    /// Returns whether the whole message was written. If not, its beginning may have been.
    fn write_out(&mut self, message: &[u8]) -> io::Result<bool> {
        for piece in message.chunks(PIECE) {
            if !self.has_room(if self.dropped == 0 { PATIENCE } else { 0 }) {
                return Ok(false);
            }
            self.to.write_all(piece)?;
        }
        Ok(true)
    }
}

impl<W: Write + AsFd> Write for Stderr<W> {
    /// Writes one message or drops it.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        if self.dropped > 0 {
            let missing = format!("\n({} messages are missing here: they were not read)\n", self.dropped);
            if self.write_out(missing.as_bytes())? {
                self.dropped = 0;
            }
        }
        if self.dropped > 0 || !self.write_out(message)? {
            self.dropped += 1;
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[test]
    fn f_62_a_blocked_reader_delays_nothing_and_learns_the_number_of_missing_messages() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut stderr = Stderr::new(File::from(std::os::fd::OwnedFd::from(writer)));
        while stderr.dropped < 1000 {
            stderr.write_all(&[b'x'; 2 * PIECE]).unwrap();
        }
        let mut some = [0; 32 * 1024];
        reader.read_exact(&mut some).unwrap();
        stderr.write_all(b"hello\n").unwrap();
        drop(stderr);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(
            rest.ends_with("\n(1000 messages are missing here: they were not read)\nhello\n"),
            "{rest:?}"
        );
    }
}
