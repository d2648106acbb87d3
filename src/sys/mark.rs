//! The environment mark: an environment variable that says which run of which monitor a process belongs to.
//!
//! It is inherited by every descendant, so it finds daemons that have left their group, their session and
//! their parents. Its value is `<token>.<number>`: the token stands for this process and is never used twice,
//! the number for one run of one child. An empty value exempts a process, as `CHILDMINDER_RUN= tmux
//! new-session -d` does in a script: once it has left the group of the run, it does not count as a member of
//! the family.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, getpid};

use crate::sync::Lock;

/// The environment variable that carries the mark.
pub(super) const VARIABLE: &str = "CHILDMINDER_RUN";

/// The bit that distinguishes a resource limit that is a mark from one that is meant as a limit.
pub(super) const LIMIT_TAG: u64 = 1 << 62;

/// The number of bits of such a limit that hold the number of the run.
const LIMIT_NUMBER_BITS: u32 = 24;

/// The mark of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunMark {
    token: Token,
    number: u64,
}

impl RunMark {
    /// Returns a mark that no other run has.
    pub(super) fn next() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Self { token: Token::of_this_process(), number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// Returns the token of the process that runs it.
    pub(super) fn token(self) -> Token {
        self.token
    }

    /// Returns the number of the run.
    pub(super) fn number(self) -> u64 {
        self.number
    }
}

/// The value of the environment variable.
impl fmt::Display for RunMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.token, self.number)
    }
}

/// Identifies a monitor process among all processes of this machine, past and present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    owner: Pid,
    random: u64,
}

impl Token {
    /// Returns the token of this process. A forked copy of the process has a token of its own.
    pub(super) fn of_this_process() -> Self {
        static TOKEN: Lock<Option<Token>> = Lock::new(None);
        let owner = getpid();
        let mut token = TOKEN.lock();
        match *token {
            Some(token) if token.owner == owner => token,
            _ => *token.insert(Self { owner, random: RandomState::new().build_hasher().finish() }),
        }
    }

    /// Returns the common part of the resource limits that mark the runs of this process, and the number of
    /// bits in which they differ.
    pub(super) fn limit_prefix(self) -> (u64, u32) {
        (LIMIT_TAG | ((self.random << LIMIT_NUMBER_BITS) & (LIMIT_TAG - 1)), LIMIT_NUMBER_BITS)
    }
}

/// Writes the beginning of the mark, which the guardian also shows in its command line.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.owner, self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_have_the_same_mark_but_all_have_the_same_token() {
        let [first, second] = [RunMark::next(), RunMark::next()];
        assert_ne!(first, second);
        assert_ne!(first.to_string(), second.to_string());
        assert_eq!(first.token, second.token);
        assert!(first.to_string().starts_with(&format!("{}-", std::process::id())));
    }
}
