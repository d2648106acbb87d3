//! The error for an invalid policy.

use std::fmt;
use std::time::Duration;

/// The error for a [`BackoffPolicy`](super::BackoffPolicy) that is not valid.
#[derive(Clone, Debug, PartialEq)]
pub struct BackoffError {
    pub(super) field: &'static str,
    pub(super) problem: BackoffProblem,
}

impl BackoffError {
    /// Returns the name of the field as it is spelled in [`BackoffPolicy`](super::BackoffPolicy).
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns what is wrong with the field.
    pub fn problem(&self) -> &BackoffProblem {
        &self.problem
    }
}

/// The reasons why a field of a [`BackoffPolicy`](super::BackoffPolicy) is not valid.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BackoffProblem {
    /// It is not a number.
    NotANumber,
    /// It is less than zero.
    Negative,
    /// It is longer than [`BackoffPolicy::LONGEST`](super::BackoffPolicy::LONGEST).
    TooLong,
    /// It is zero, which would be a busy loop.
    Zero,
    /// The factor is below 1, so delays would shrink.
    BelowOne(f64),
    /// The maximum is below the initial delay.
    BelowInitial {
        /// The initial delay.
        initial: Duration,
        /// The maximum.
        max: Duration,
    },
}

impl fmt::Display for BackoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match &self.problem {
            BackoffProblem::NotANumber => write!(f, "{field} is not a number"),
            BackoffProblem::Negative => write!(f, "{field} is negative"),
            BackoffProblem::TooLong => write!(f, "{field} is longer than a hundred years"),
            BackoffProblem::Zero => write!(f, "{field} is zero, so failures would never be slowed"),
            BackoffProblem::BelowOne(factor) => {
                write!(f, "{field} is {factor}, which is below 1, so delays would shrink")
            }
            BackoffProblem::BelowInitial { initial, max } => {
                write!(f, "{field} is {max:?}, which is below initial_delay, {initial:?}")
            }
        }
    }
}

impl std::error::Error for BackoffError {}
