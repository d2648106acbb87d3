//! The errors of a scenario that cannot be run.

use std::error::Error;
use std::fmt;

use crate::machine::{DefinitionError, DependencyError, Name, UnknownName};

/// The error for a [`Scenario`](super::Scenario) that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehearsalError(Problem);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A process cannot be added.
    Definition { name: Name, error: DefinitionError },
    /// The service cannot be started.
    Start(DependencyError),
    /// A behaviour or an event is about a process that is never added.
    Unknown { name: UnknownName, nearest: Option<Name> },
}

impl RehearsalError {
    pub(super) fn new(problem: Problem) -> Self {
        Self(problem)
    }

    /// Returns the name of the process that the error is about; `None` if the error is about the dependencies
    /// of the service.
    pub fn process(&self) -> Option<&str> {
        match &self.0 {
            Problem::Definition { name, .. } => Some(name),
            Problem::Unknown { name, .. } => Some(name.name()),
            Problem::Start(_) => None,
        }
    }
}

impl fmt::Display for RehearsalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::Definition { name, error } => write!(f, "cannot add `{name}`: {error}"),
            Problem::Start(error) => write!(f, "cannot start the service: {error}"),
            Problem::Unknown { name, nearest: None } => {
                write!(f, "{name} in this scenario; add it with `process`")
            }
            Problem::Unknown { name, nearest: Some(nearest) } => {
                write!(f, "{name} in this scenario; there is {nearest:?}")
            }
        }
    }
}

impl Error for RehearsalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Problem::Definition { error, .. } => Some(error),
            Problem::Start(error) => Some(error),
            Problem::Unknown { name, .. } => Some(name),
        }
    }
}
