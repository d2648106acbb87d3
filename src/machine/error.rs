//! The errors of the commands of a machine.

use std::error::Error;
use std::fmt;

use super::{DependencyError, Name};

/// The error for a name that no process has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName(String);

impl UnknownName {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Returns the name as it was given.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no process {:?}", self.0)
    }
}

impl Error for UnknownName {}

/// The error for a name that another process has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateName(Name);

impl DuplicateName {
    pub(super) fn new(name: Name) -> Self {
        Self(name)
    }

    /// Returns the name.
    pub fn name(&self) -> &Name {
        &self.0
    }
}

impl fmt::Display for DuplicateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is a process {:?} already", self.0)
    }
}

impl Error for DuplicateName {}

/// The reasons why a [`Machine`](super::Machine) does not add a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefinitionError {
    /// There is a process with this name.
    Duplicate(DuplicateName),
    /// There is no process with this name to be replaced.
    Unknown(UnknownName),
    /// Its dependencies or its group cannot work.
    Dependency(DependencyError),
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(error) => error.fmt(f),
            Self::Unknown(error) => error.fmt(f),
            Self::Dependency(error) => error.fmt(f),
        }
    }
}

/// The message contains that of the cause, so there is no source.
impl Error for DefinitionError {}

impl From<DuplicateName> for DefinitionError {
    fn from(error: DuplicateName) -> Self {
        Self::Duplicate(error)
    }
}

impl From<UnknownName> for DefinitionError {
    fn from(error: UnknownName) -> Self {
        Self::Unknown(error)
    }
}

impl From<DependencyError> for DefinitionError {
    fn from(error: DependencyError) -> Self {
        Self::Dependency(error)
    }
}

/// The effect of [`replace_process`](super::Machine::replace_process).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replaced {
    /// Nothing: the definition is the same.
    Unchanged,
    /// The new definition is in use, and the current run goes on: the program to start is the same.
    Updated,
    /// The program to start is another one. The current run, if there is one, is being stopped.
    Restarting,
}
