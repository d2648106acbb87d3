//! How a process is to end.

use std::fmt;

use crate::machine::{Exit, Signal};

/// The end that a plan expects of a process. It is exact: code 0 and nothing else, TERM and no other signal (PL-12).
///
/// Exit codes, signals and what a process really ended with can be said as they are:
///
/// ```
/// use childminder::plan::Expected;
/// use childminder::{Exit, Signal};
///
/// assert_eq!(Expected::from(0), Expected::from(Exit::success()));
/// assert!(Expected::from(Signal::TERM).is_met_by(Exit::Signal { signal: Signal::TERM, core: false }));
/// assert!(!Expected::from(Signal::TERM).is_met_by(Exit::Code(0)));
/// assert!(Exit::any().is_met_by(Exit::Code(3)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expected {
    /// Whatever it is.
    Any,
    /// This exit code.
    Code(i32),
    /// Ended by this signal, with a core dump or without.
    Signal(Signal),
}

impl Expected {
    /// Whether this is the end that was expected.
    pub fn is_met_by(self, exit: Exit) -> bool {
        match (self, exit) {
            (Self::Any, _) => true,
            (Self::Code(expected), Exit::Code(code)) => expected == code,
            (Self::Signal(expected), Exit::Signal { signal, core: _ }) => expected == signal,
            (Self::Code(_) | Self::Signal(_), _) => false,
        }
    }
}

impl Exit {
    /// Any end will do: for a [`Plan`](crate::Plan) that does not care how a process ends, as long as it does.
    pub fn any() -> Expected {
        Expected::Any
    }
}

impl From<i32> for Expected {
    fn from(code: i32) -> Self {
        Self::Code(code)
    }
}

impl From<Signal> for Expected {
    fn from(signal: Signal) -> Self {
        Self::Signal(signal)
    }
}

/// A status that was lost cannot be expected: it stands for any.
impl From<Exit> for Expected {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Code(code),
            Exit::Signal { signal, core: _ } => Self::Signal(signal),
            Exit::Lost => Self::Any,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any end"),
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
