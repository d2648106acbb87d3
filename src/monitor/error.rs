//! What the handle refuses.

use std::fmt;

use crate::host::SpecError;
use crate::machine::{DuplicateName, NameError, UnknownName};

/// Why a process was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// The name is not one.
    Name(NameError),
    /// There is such a process already; it was not touched.
    Duplicate(DuplicateName),
    /// The spec, or the policy in it, cannot work.
    Spec(SpecError),
    /// The monitor's driver has gone.
    Closed,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such process.
    Unknown(UnknownName),
    /// The monitor's driver has gone.
    Closed,
}

const CLOSED: &str = "the monitor is over: its driver has been dropped";

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Duplicate(error) => error.fmt(f),
            Self::Spec(error) => error.fmt(f),
            Self::Closed => f.write_str(CLOSED),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(error) => error.fmt(f),
            Self::Closed => f.write_str(CLOSED),
        }
    }
}

impl std::error::Error for AddError {}
impl std::error::Error for CommandError {}

impl From<NameError> for AddError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<DuplicateName> for AddError {
    fn from(error: DuplicateName) -> Self {
        Self::Duplicate(error)
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
