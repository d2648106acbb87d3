//! What makes a policy invalid.

use std::fmt;
use std::time::Duration;

/// Why a [`BackoffPolicy`](super::BackoffPolicy) is not valid.
#[derive(Clone, Debug, PartialEq)]
pub struct BackoffError {
    /// The field as it is spelled in [`BackoffPolicy`](super::BackoffPolicy).
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: BackoffProblem,
}

/// What can be wrong with a field of a [`BackoffPolicy`](super::BackoffPolicy).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BackoffProblem {
    /// NaN.
    NotANumber,
    /// Less than zero seconds.
    Negative,
    /// Longer than [`BackoffPolicy::LONGEST`](super::BackoffPolicy::LONGEST).
    TooLong,
    /// Zero, where zero would mean a busy loop.
    Zero,
    /// A factor with which delays shrink: the one given.
    BelowOne(f64),
    /// The cap is below the initial delay.
    BelowInitial {
        /// The initial delay given.
        initial: Duration,
        /// The cap given.
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
