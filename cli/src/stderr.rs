//! Standard error, for messages: nobody who does not read them can hold the monitor up.
//!
//! Messages are written by the very thread that minds the processes. If it waited for a terminal that is stopped, or a
//! pipe that nobody empties, no process would be restarted and no signal obeyed (F-62). So it waits a moment, once, and
//! from then on drops what there is no room for, until there is room again; then it says how much is missing.

use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, poll};

/// How long a reader may take, in milliseconds, before it is thought to be stuck. A busy one needs less.
const MOMENT: u16 = 200;

/// A pipe that is ready has room for this much at least: POSIX says so of 512 bytes and more.
const PIECE: usize = 512;

/// Standard error, or whatever else takes messages.
#[derive(Debug)]
pub(crate) struct Stderr<W> {
    to: W,
    /// How many messages were dropped since the reader got stuck.
    dropped: u64,
}

impl<W: Write + AsFd> Stderr<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, dropped: 0 }
    }

    fn has_room(&self, timeout: u16) -> bool {
        // An error of `poll` is none to worry about here: `write` will tell the same.
        poll(&mut [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)], timeout).map_or(true, |ready| ready > 0)
    }

    /// Whether all of `message` was written. Of one that was not, the beginning may be.
    fn write_out(&mut self, message: &[u8]) -> io::Result<bool> {
        for piece in message.chunks(PIECE) {
            if !self.has_room(if self.dropped == 0 { MOMENT } else { 0 }) {
                return Ok(false);
            }
            self.to.write_all(piece)?;
        }
        Ok(true)
    }
}

impl<W: Write + AsFd> Write for Stderr<W> {
    /// Takes one message, whether it is written or dropped.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        if self.dropped > 0 {
            let missing = format!("\n({} messages are missing here: nobody read them)\n", self.dropped);
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
    fn f_62_a_reader_that_is_stuck_holds_nobody_up_and_learns_what_it_missed() {
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
        assert!(rest.ends_with("\n(1000 messages are missing here: nobody read them)\nhello\n"), "{rest:?}");
    }
}
