//! Signals and their names.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

/// A signal, identified by its number on this system.
///
/// ```
/// use childminder::Signal;
///
/// assert_eq!(Signal::TERM.to_string(), "TERM");
/// assert_eq!("SIGUSR1".parse::<Signal>()?, Signal::USR1);
/// # Ok::<(), childminder::machine::SignalError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(NonZeroU8);

/// The names for parsing and printing.
const NAMES: [(&str, Signal); 15] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("ILL", Signal::of(libc::SIGILL)),
    ("ABRT", Signal::ABRT),
    ("BUS", Signal::of(libc::SIGBUS)),
    ("FPE", Signal::of(libc::SIGFPE)),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("SEGV", Signal::of(libc::SIGSEGV)),
    ("USR2", Signal::USR2),
    ("PIPE", Signal::PIPE),
    ("TERM", Signal::TERM),
    ("CONT", Signal::CONT),
    ("STOP", Signal::STOP),
];

impl Signal {
    /// Returns the signal with a number that is known to be from 1 to 64.
    const fn of(number: i32) -> Self {
        Self(NonZeroU8::new(number as u8).expect("a number of a signal"))
    }

    /// Abort, with a core dump.
    pub const ABRT: Self = Self::of(libc::SIGABRT);
    /// Continue after a stop.
    pub const CONT: Self = Self::of(libc::SIGCONT);
    /// Hang-up; many daemons reload their configuration on it.
    pub const HUP: Self = Self::of(libc::SIGHUP);
    /// Interrupt, as Ctrl-C sends it.
    pub const INT: Self = Self::of(libc::SIGINT);
    /// A write to a pipe that nothing reads.
    pub const PIPE: Self = Self::of(libc::SIGPIPE);
    /// Ends the process, which cannot handle or ignore it.
    pub const KILL: Self = Self::of(libc::SIGKILL);
    /// Quit, as Ctrl-\ sends it.
    pub const QUIT: Self = Self::of(libc::SIGQUIT);
    /// Stops the process until CONT, which it cannot handle or ignore.
    pub const STOP: Self = Self::of(libc::SIGSTOP);
    /// Asks the process to end.
    pub const TERM: Self = Self::of(libc::SIGTERM);
    /// For the program's own use.
    pub const USR1: Self = Self::of(libc::SIGUSR1);
    /// For the program's own use.
    pub const USR2: Self = Self::of(libc::SIGUSR2);

    /// Returns the signal with this number; `None` unless it is from 1 to 64.
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=64).contains(&number).then(|| Self::of(number))
    }

    /// Returns the number.
    pub fn number(self) -> i32 {
        self.0.get().into()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, signal)| signal == self) {
            Some((name, _)) => f.pad(name),
            None => write!(f, "{}", self.number()),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    /// Parses a name or number: `TERM`, `SIGTERM`, `term` and `15` are equivalent.
    fn from_str(text: &str) -> Result<Self, SignalError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, signal)| *signal)
            .or_else(|| text.parse().ok().and_then(Self::from_number))
            .ok_or_else(|| SignalError(text.to_owned()))
    }
}

/// The error for a text that is not the name or number of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalError(String);

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a signal; use TERM, INT, HUP, QUIT, USR1, … or a number from 1 to 64", self.0)
    }
}

impl std::error::Error for SignalError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_printed_as_it_is_read() {
        for (name, signal) in NAMES {
            assert_eq!(signal.to_string(), name);
            assert_eq!(name.parse(), Ok(signal));
            assert_eq!(signal.number().to_string().parse(), Ok(signal));
        }
        for bad in ["", "SIG", "0", "65", "-1", "TERMS"] {
            assert!(bad.parse::<Signal>().is_err(), "{bad:?}");
        }
    }
}
