//! What an exploration finds: a check that does not hold, and the steps that lead there.

use std::error::Error;
use std::fmt;

/// A check that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    check: String,
    text: String,
}

pub(super) type Outcome<T = ()> = Result<T, Problem>;

impl Problem {
    pub(super) fn new(check: &str, text: String) -> Self {
        Self { check: check.to_owned(), text }
    }
}

/// Returns a problem unless `holds`.
pub(super) fn ensure(holds: bool, check: &str, text: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Problem::new(check, text())) }
}

/// The error for a check that does not hold, with the steps that lead there.
///
/// [`Explorer::run`](super::Explorer::run) returns a shortest one. Displayed as the check and the steps with
/// their outputs.
#[derive(Clone, PartialEq, Eq)]
pub struct Counterexample {
    pub(super) problem: Problem,
    pub(super) steps: Vec<String>,
    /// The steps with the outputs of the machine, as comments.
    pub(super) story: String,
}

impl Counterexample {
    /// Returns the name of the check.
    pub fn check(&self) -> &str {
        &self.problem.check
    }

    /// Returns the steps as text, for [`Explorer::replay`](super::Explorer::replay).
    pub fn scenario(&self) -> String {
        self.steps.join("\n")
    }

    /// Returns the steps. The check holds after each of them but the last.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem: Problem { check, text }, steps, story } = self;
        write!(f, "the check \"{check}\" does not hold after {} steps", steps.len())?;
        if !text.is_empty() {
            write!(f, ": {text}")?;
        }
        write!(f, "\n{story}")
    }
}

/// Shows the text with its lines, so that `unwrap` prints the steps.
impl fmt::Debug for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Counterexample {}

/// The error of [`Explorer::replay`](super::Explorer::replay) and
/// [`Explorer::review`](super::Explorer::review).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// A line is not a step of this explorer.
    NotAStep {
        /// The number of the line, from 1.
        number: usize,
        /// The line.
        line: String,
    },
    /// A step is not possible after the steps before it.
    NotPossible {
        /// The number of the line, from 1.
        number: usize,
        /// The line.
        line: String,
        /// The steps that are possible instead.
        possible: Vec<String>,
    },
    /// The text has no step, so [`review`](super::Explorer::review) would find nothing in it.
    Empty,
    /// A check does not hold.
    Found(Counterexample),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAStep { number, line } => {
                write!(
                    f,
                    "line {number}: `{line}` is not a step of these processes; copy the steps of a counterexample"
                )
            }
            Self::NotPossible { number, line, possible } => {
                write!(f, "line {number}: `{line}` is not possible here; possible: {}", possible.join(", "))
            }
            Self::Empty => {
                write!(f, "there is no step in this scenario; the first one is `start the service`")
            }
            Self::Found(counterexample) => counterexample.fmt(f),
        }
    }
}

/// The message contains that of the counterexample, so there is no source.
impl Error for ReplayError {}
