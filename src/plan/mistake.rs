//! What can be wrong with a step before anything has run.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::host::SpecError;
use crate::machine::{Name, NameError};
use crate::ready::ConditionError;

/// Why a step of a [`Plan`](super::Plan) cannot work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PlanMistake {
    /// The name of the plan or of a process is not one; there is no slash in names, as they are names of files.
    Name(NameError),
    /// Another process of the plan has the name.
    NameTaken(Name),
    /// The command, an argument, the environment, …
    Spec(SpecError),
    /// What is waited for can never come.
    Condition(ConditionError),
    /// The time-out is zero, or longer than [`Policy::LONGEST`](crate::Policy::LONGEST).
    Timeout(Duration),
    /// The process is of another plan; this one has never started it.
    AnotherPlan,
    /// An earlier step expects the end of the process.
    EndedBefore {
        /// Which process.
        process: Name,
        /// The earlier step, counted from 1.
        step: usize,
    },
    /// The process stands there twice.
    Twice(Name),
    /// No process was given.
    NoProcess,
    /// An earlier step closes the standard input of the process.
    ClosedBefore {
        /// Which process.
        process: Name,
        /// The earlier step, counted from 1.
        step: usize,
    },
    /// The spec says what the standard input of the process is, so nothing can be sent to it.
    OtherInput(Name),
}

impl fmt::Display for PlanMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::NameTaken(name) => write!(f, "another process of the plan is called {name}"),
            Self::Spec(error) => error.fmt(f),
            Self::Condition(error) => error.fmt(f),
            Self::Timeout(Duration::ZERO) => write!(f, "the time-out is zero: nothing is ever done in no time"),
            Self::Timeout(_) => write!(f, "the time-out is longer than a hundred years"),
            Self::AnotherPlan => write!(f, "the process is of another plan, and this one never starts it"),
            Self::EndedBefore { process, step } => {
                write!(f, "step {step} waits already for the end of {process}")
            }
            Self::Twice(name) => write!(f, "{name} stands there twice"),
            Self::NoProcess => write!(f, "no process was given"),
            Self::ClosedBefore { process, step } => {
                write!(f, "step {step} has closed the standard input of {process}")
            }
            Self::OtherInput(name) => {
                write!(f, "the spec of {name} says what its standard input is, so nothing can be sent to it")
            }
        }
    }
}

impl Error for PlanMistake {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Spec(error) => Some(error),
            Self::Condition(error) => Some(error),
            Self::Timeout(_)
            | Self::NameTaken(_)
            | Self::AnotherPlan
            | Self::EndedBefore { .. }
            | Self::Twice(_)
            | Self::NoProcess
            | Self::ClosedBefore { .. }
            | Self::OtherInput(_) => None,
        }
    }
}
