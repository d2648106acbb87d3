//! Which ends of a run are successes, and after which a process is restarted.

use std::fmt;

use super::{Exit, Signal};

/// After which runs a process is restarted while the service runs. Part of the [`Policy`](super::Policy).
///
/// A run that was asked to end by `stop_process` or `restart_all` is restarted in any case: these commands
/// are restarts. `hold_process` keeps a process down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// After every run.
    #[default]
    Always,
    /// After a run that failed. After a success the process is [`Completed`](super::Phase::Completed).
    OnFailure,
    /// After no run: the process is [`Completed`](super::Phase::Completed) or
    /// [`Failed`](super::Phase::Failed).
    Never,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Always => "always",
            Self::OnFailure => "on-failure",
            Self::Never => "never",
        })
    }
}

/// The delay after a run that was long enough to reset the delay. Part of the [`Policy`](super::Policy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LongRun {
    /// There is none: the process is restarted at once.
    #[default]
    AtOnce,
    /// The delay after a first failure: the end of the run begins a new series of failures.
    FirstDelay,
}

impl fmt::Display for LongRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AtOnce => "at-once",
            Self::FirstDelay => "first-delay",
        })
    }
}

/// The exit codes and signals that count as a success. Part of the [`Policy`](super::Policy). Default: code
/// 0.
///
/// ```
/// use childminder::machine::ExitSet;
/// use childminder::{Exit, Signal};
///
/// let success = ExitSet::default().code(3).signal(Signal::TERM);
/// assert!(success.contains(Exit::Code(0)) && success.contains(Exit::Code(3)));
/// assert!(success.contains(Exit::Signal { signal: Signal::TERM, core: false }));
/// assert!(!success.contains(Exit::Code(1)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExitSet {
    /// One bit for each exit code.
    codes: [u64; 4],
    /// One bit for each signal, from 1 to 64.
    signals: u64,
}

impl ExitSet {
    /// The empty set: every exit is a failure.
    pub const NONE: Self = Self { codes: [0; 4], signals: 0 };

    /// Adds an exit code.
    #[must_use]
    pub const fn code(mut self, code: u8) -> Self {
        self.codes[code as usize / 64] |= 1 << (code % 64);
        self
    }

    /// Adds a signal, with or without a core dump.
    #[must_use]
    pub fn signal(mut self, signal: Signal) -> Self {
        self.signals |= 1 << (signal.number() - 1);
        self
    }

    /// Returns whether this exit is in the set. An exit whose status was lost never is.
    pub fn contains(self, exit: Exit) -> bool {
        match exit {
            Exit::Code(code) => u8::try_from(code)
                .is_ok_and(|code| self.codes[usize::from(code / 64)] & 1 << (code % 64) != 0),
            Exit::Signal { signal, .. } => self.signals & 1 << (signal.number() - 1) != 0,
            Exit::Lost => false,
        }
    }
}

impl Default for ExitSet {
    fn default() -> Self {
        Self::NONE.code(0)
    }
}

/// Shows the codes and signals as a list, such as `0, 3, TERM`.
impl fmt::Debug for ExitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = (0..=255).map(Exit::Code).filter(|exit| self.contains(*exit));
        let signals =
            (1..=64).filter_map(Signal::from_number).map(|signal| Exit::Signal { signal, core: false });
        let members = codes.chain(signals.filter(|exit| self.contains(*exit)));
        f.debug_list().entries(members.map(|exit| format!("{exit}"))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_170_a_set_contains_exactly_the_codes_and_signals_that_were_added() {
        let last = Signal::from_number(64).expect("a signal");
        let set = ExitSet::NONE.code(63).code(64).code(255).signal(Signal::HUP).signal(last);
        let codes: Vec<i32> = (-300..=600).filter(|code| set.contains(Exit::Code(*code))).collect();
        assert_eq!(codes, [63, 64, 255]);
        let signals = (1..=64).filter_map(Signal::from_number);
        let signals: Vec<i32> = signals
            .filter(|signal| set.contains(Exit::Signal { signal: *signal, core: true }))
            .map(Signal::number)
            .collect();
        assert_eq!(signals, [1, 64]);
        assert!(!set.contains(Exit::Lost));
        assert_eq!(format!("{:?}", ExitSet::default().signal(Signal::TERM)), r#"["code 0", "signal TERM"]"#);
    }
}
