//! What is said to the guardian: lines, each of them sent at once, so that many may send at the same time.
//!
//! All of it may be called between fork and exec: it allocates nothing and takes no lock.

use std::io::Write;
use std::os::fd::BorrowedFd;

use libc::c_int;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::super::platform::calls;

/// The longest: the longest number has eleven characters.
const LONGEST: usize = 14;

/// How long the guardian may take to begin to listen, or to read. It does nothing else, so one that takes longer is stopped,
/// or never will.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A sign and a target, which is a process, or with a minus sign a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    text: [u8; LONGEST],
    length: usize,
}

impl Line {
    /// The target may not outlive us.
    pub(super) fn on(target: c_int) -> Self {
        Self::new('+', target)
    }

    /// The target may do what it likes.
    pub(super) fn off(target: c_int) -> Self {
        Self::new('-', target)
    }

    fn new(sign: char, target: c_int) -> Self {
        let mut text = [0; LONGEST];
        let mut rest = &mut text[..];
        // It fits.
        let _ = writeln!(rest, "{sign} {target}");
        let length = LONGEST - rest.len();
        Self { text, length }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }

    /// Sends it. It arrives whole and in its place also if others send at the same time.
    pub(super) fn send(self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        loop {
            match self.send_now(socket) {
                Err(Errno::AGAIN) => wait(socket, PollFlags::OUT)?,
                other => return other,
            }
        }
    }

    /// Sends it if there is room.
    pub(super) fn send_now(self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        let flags = SendFlags::DONTWAIT | calls::WITHOUT_SIGPIPE;
        retry_on_intr(|| send(socket, self.as_bytes(), flags)).map(|_| ())
    }
}

/// Waits until the guardian says something: it does so once, when it begins to listen.
pub(super) fn wait_for_a_word(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    wait(socket, PollFlags::IN)?;
    match retry_on_intr(|| recv(socket, &mut [0], RecvFlags::DONTWAIT))? {
        (0, _) => Err(Errno::PIPE),
        _ => Ok(()),
    }
}

fn wait(socket: BorrowedFd<'_>, what: PollFlags) -> Result<(), Errno> {
    let mut fds = [PollFd::from_borrowed_fd(socket, what)];
    match retry_on_intr(|| poll(&mut fds, Some(&PATIENCE)))? {
        0 => Err(Errno::TIMEDOUT),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_line_is_a_sign_and_a_target() {
        assert_eq!(Line::on(7).as_bytes(), b"+ 7\n");
        assert_eq!(Line::off(c_int::MIN).as_bytes(), b"- -2147483648\n");
    }

    #[test]
    fn f_45_a_guardian_that_dies_before_it_listens_is_none() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket");
        theirs.write_all(b"\n").expect("there is room");
        assert_eq!(wait_for_a_word(ours.as_fd()), Ok(()));
        drop(theirs);
        assert_eq!(wait_for_a_word(ours.as_fd()), Err(Errno::PIPE));
        assert_eq!(Line::on(7).send(ours.as_fd()), Err(Errno::PIPE));
    }
}
