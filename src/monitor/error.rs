//! The errors of the commands of a monitor.

use std::error::Error;
use std::fmt;

use crate::host::SpecError;
use crate::machine::{DefinitionError, DependencyError, DuplicateName, NameError, PolicyError, UnknownName};

/// The reasons why a process was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// The name is not valid.
    Name(NameError),
    /// There is a process with this name.
    Duplicate(DuplicateName),
    /// The spec or its policy is not valid.
    Spec(SpecError),
    /// The dependencies or the group of the process cannot work.
    Dependency(DependencyError),
    /// There is no process with this name to be replaced.
    Unknown(UnknownName),
    /// The monitor is closed, or its driver was dropped.
    Closed,
}

/// The reasons why a command was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no process with this name.
    Unknown(UnknownName),
    /// The policy is not valid.
    Policy(PolicyError),
    /// The monitor is closed, or its driver was dropped.
    Closed,
}

pub(super) const CLOSED: &str = "the monitor is closed, or its driver was dropped";

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Duplicate(error) => error.fmt(f),
            Self::Spec(error) => error.fmt(f),
            Self::Dependency(error) => error.fmt(f),
            Self::Unknown(error) => error.fmt(f),
            Self::Closed => f.write_str(CLOSED),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(error) => error.fmt(f),
            Self::Policy(error) => error.fmt(f),
            Self::Closed => f.write_str(CLOSED),
        }
    }
}

/// The message contains that of the cause, so there is no source.
impl Error for AddError {}

/// The message contains that of the cause, so there is no source.
impl Error for CommandError {}

impl From<NameError> for AddError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<DefinitionError> for AddError {
    fn from(error: DefinitionError) -> Self {
        match error {
            DefinitionError::Duplicate(error) => Self::Duplicate(error),
            DefinitionError::Unknown(error) => Self::Unknown(error),
            DefinitionError::Dependency(error) => Self::Dependency(error),
        }
    }
}

impl From<SpecError> for AddError {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}

impl From<UnknownName> for CommandError {
    fn from(error: UnknownName) -> Self {
        Self::Unknown(error)
    }
}

impl From<PolicyError> for CommandError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}
