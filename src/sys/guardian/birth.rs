//! What a guardian knows from its birth.

#![expect(
    unsafe_code,
    reason = "the id of a process whose cached id, if there is one, is that of its parent"
)]

use std::io::Write;
use std::thread;
use std::time::Duration;

use libc::pid_t;

use super::super::mark::Token;
use super::table::Table;

/// The grace period: the time from the stop signal to KILL after the death of the monitor.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// The inheritance of a guardian.
#[derive(Clone, Copy, Debug)]
pub(super) struct Birth {
    pub(super) table: &'static Table,
    pub(super) label: Label,
    /// The common part of the resource limits that mark its runs, and the number of bits in which they
    /// differ.
    pub(super) limit_prefix: (u64, u32),
    /// The memory that a guardian needs of what it inherits: the stack it runs on.
    pub(super) stack: (usize, usize),
    /// Whether it gives the rest back.
    pub(super) lean: bool,
}

/// The token of the monitor as text that can be used after a fork.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    text: [u8; 40],
    length: usize,
}

impl Label {
    pub(super) fn new(token: Token) -> Self {
        let mut text = [0; 40];
        let mut rest = &mut text[..];
        write!(rest, "{token}").expect("a process id has ten digits at most, and the rest of a token has 17");
        let length = 40 - rest.len();
        Self { text, length }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

/// Which of the two it is. They differ only in who acts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Guardian,
    Standby,
}

impl Role {
    /// The name that its command line begins with.
    pub(super) fn name(self) -> &'static [u8] {
        match self {
            Self::Guardian => b"childminder-guardian",
            Self::Standby => b"childminder-standby",
        }
    }
}

/// Waits a moment.
#[expect(clippy::disallowed_methods, reason = "no event says that the processes of others are gone")]
pub(super) fn pause(time: Duration) {
    thread::sleep(time);
}

/// Returns the id of this process.
pub(super) fn own_pid() -> pid_t {
    // SAFETY: takes no pointers, and cannot fail.
    unsafe { libc::getpid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_token() {
        let token = Token::of_this_process();
        assert_eq!(Label::new(token).as_bytes(), token.to_string().as_bytes());
    }
}
