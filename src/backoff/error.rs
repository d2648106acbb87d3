//! The error for delays that are not valid.

use std::fmt;
use std::time::Duration;

/// The error for a [`BackoffPolicy`](super::BackoffPolicy), a [`Growth`](super::Growth) or a
/// [`Jitter`](super::Jitter) that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackoffError {
    pub(super) field: &'static str,
    pub(super) problem: BackoffProblem,
}

impl BackoffError {
    /// Returns the name of the field as it is spelled in [`BackoffPolicy`](super::BackoffPolicy); for a
    /// growth it is `factor`, `step`, `steps` or `growth`.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns what is wrong with the field.
    pub fn problem(&self) -> &BackoffProblem {
        &self.problem
    }
}

/// The reasons why a field is not valid. Displayed as the rest of a sentence about the field.
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
    /// The fraction is above 1.
    AboveOne(f64),
    /// The maximum is below the initial delay.
    BelowInitial {
        /// The initial delay.
        initial: Duration,
        /// The maximum.
        max: Duration,
    },
    /// There is no delay, and nothing else bounds the number of failures.
    Endless,
}

/// A factor that is not a number is [`NotANumber`](Self::NotANumber), so every value equals itself.
impl Eq for BackoffProblem {}

impl fmt::Display for BackoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

impl fmt::Display for BackoffProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => write!(f, "is not a number"),
            Self::Negative => write!(f, "is negative"),
            Self::TooLong => write!(f, "is longer than a hundred years"),
            Self::Zero => write!(f, "is zero, so failures would never be slowed"),
            Self::BelowOne(factor) => {
                write!(f, "is {factor}, which is below 1, so delays would shrink")
            }
            Self::AboveOne(fraction) => {
                write!(f, "is {fraction}, which is above 1; it is a fraction of the delay, such as 0.1")
            }
            Self::BelowInitial { initial, max } => {
                write!(f, "is {max:?}, which is below initial_delay, {initial:?}")
            }
            Self::Endless => write!(f, "has no delays, so failures would never be slowed"),
        }
    }
}

impl std::error::Error for BackoffError {}
