//! The error of a stop that could not be completed.

use std::error::Error;
use std::fmt;

use super::liveness::NotDriven;
use crate::machine::{List, Name, RunId, SurvivingProcess};

/// A run that outlived KILL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survivor {
    /// The name of the process.
    pub name: Name,
    /// The run that is not over.
    pub run: RunId,
    /// The processes that are alive, and the reasons as far as they are known.
    pub processes: Vec<SurvivingProcess>,
}

/// The error of a stop that could not be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopError(StopErrorKind);

/// The reasons why a stop could not be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopErrorKind {
    /// KILL has not ended these runs within its [grace period](crate::Policy::KILL_GRACE). They are still
    /// supervised, and their processes are not started again before they are gone.
    Survived(Vec<Survivor>),
    /// The driver of the monitor is not polled.
    NotDriven(NotDriven),
}

impl StopError {
    /// Returns the reason.
    pub fn kind(&self) -> &StopErrorKind {
        &self.0
    }

    /// Returns the runs that outlived KILL; none if that is not the reason.
    pub fn survivors(&self) -> &[Survivor] {
        match &self.0 {
            StopErrorKind::Survived(survivors) => survivors,
            StopErrorKind::NotDriven(_) => &[],
        }
    }
}

impl From<Vec<Survivor>> for StopError {
    fn from(survivors: Vec<Survivor>) -> Self {
        Self(StopErrorKind::Survived(survivors))
    }
}

impl From<NotDriven> for StopError {
    fn from(error: NotDriven) -> Self {
        Self(StopErrorKind::NotDriven(error))
    }
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} ({})", self.name, self.run, List(&self.processes))
    }
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            StopErrorKind::Survived(survivors) => {
                write!(f, "still not gone after KILL: {}", List(survivors))
            }
            StopErrorKind::NotDriven(error) => error.fmt(f),
        }
    }
}

impl Error for StopError {}
