//! The error for an invalid policy.

use std::fmt;
use std::time::Duration;

use super::GiveUp;
use crate::backoff::{BackoffError, BackoffProblem};

/// The error for a [`Policy`](super::Policy) that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    field: &'static str,
    problem: PolicyProblem,
}

impl PolicyError {
    pub(super) fn new(field: &'static str, problem: PolicyProblem) -> Self {
        Self { field, problem }
    }

    /// Creates the error for a growth that is not valid.
    pub(super) fn of_growth(error: BackoffError) -> Self {
        let field = match error.field() {
            "factor" => "growth.factor",
            "step" => "growth.step",
            "steps" => "growth.steps",
            _ => "growth",
        };
        Self::new(field, PolicyProblem::Growth(error.problem().clone()))
    }

    /// Returns the name of the field as it is spelled in [`Policy`](super::Policy).
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns what is wrong with the field.
    pub fn problem(&self) -> &PolicyProblem {
        &self.problem
    }
}

/// The reasons why a field of a [`Policy`](super::Policy) is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// It is not a number.
    NotANumber,
    /// It is less than zero.
    Negative,
    /// It is longer than [`Policy::LONGEST`](super::Policy::LONGEST).
    TooLong,
    /// It is zero, which would be a busy loop.
    Zero,
    /// There are no delays, and no limit to the number of failures.
    Endless,
    /// The number of a growth is not valid.
    Growth(BackoffProblem),
    /// It is zero, so the process would be given up before its first failure.
    NoFailures,
    /// It is above [`GiveUp::MAX_FAILURES`].
    TooManyFailures(u32),
    /// It is zero, so no failure would ever count.
    NoWindow,
    /// The minimum is above the maximum.
    AboveMaximum {
        /// The minimum.
        min: Duration,
        /// The maximum.
        max: Duration,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match &self.problem {
            PolicyProblem::NotANumber => write!(f, "{field} is not a number"),
            PolicyProblem::Negative => write!(f, "{field} is negative"),
            PolicyProblem::TooLong => write!(f, "{field} is longer than a hundred years"),
            PolicyProblem::Zero => write!(f, "{field} is zero, so a crash loop would never be slowed"),
            PolicyProblem::Endless => write!(
                f,
                "{field} has no delays, so a crash loop would never be slowed; set `give_up` or another growth"
            ),
            PolicyProblem::Growth(problem) => write!(f, "{field} {problem}"),
            PolicyProblem::NoFailures => {
                write!(f, "{field} is zero, so the process would be given up before its first failure")
            }
            PolicyProblem::TooManyFailures(failures) => {
                write!(f, "{field} is {failures}; at most {} are possible", GiveUp::MAX_FAILURES)
            }
            PolicyProblem::NoWindow => write!(f, "{field} is zero, so no failure would ever count"),
            PolicyProblem::AboveMaximum { min, max } => {
                write!(f, "{field} is {min:?}, which is above max_restart_delay, {max:?}")
            }
        }
    }
}

impl std::error::Error for PolicyError {}
