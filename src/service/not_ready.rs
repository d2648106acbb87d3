//! Why a service did not come up: the whole story in one error.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::ended::write_tail;
use crate::host::SpecError;
use crate::machine::{Exit, NameError, PolicyError, SpawnError};
use crate::monitor::StopError;
use crate::output::log_format::LogFormatError;
use crate::ready::{AddressInUse, ConditionError, ConditionStatus};

/// A service that did not become ready. Nothing of it is left, unless [`survivors`](Story::survivors) says so.
///
/// What it shows, with `{}` and with `{:?}` alike, is all there is to know: a test that returns it, or unwraps it, says
/// what was wrong. Its parts are the fields of the [`Story`] in it.
#[derive(Clone)]
pub struct NotReady(Box<Story>);

/// What there is to know of a service that did not become ready.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Story {
    /// Which service.
    pub name: String,
    /// Its command line, as a shell would take it.
    pub command: String,
    /// Why it is not ready.
    pub cause: Cause,
    /// How far each condition had come. Empty if it was never started.
    pub progress: Vec<ConditionStatus>,
    /// The last lines that it has printed, oldest first.
    pub tail: Vec<String>,
    /// What KILL did not end, if anything.
    pub survivors: Option<StopError>,
}

/// Why a service is not ready.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// What was said of it cannot work; nothing was started.
    Invalid(ServiceError),
    /// Somebody answers already where it was to answer; nothing was started (F-82).
    AddressInUse(AddressInUse),
    /// It could not be started (SV-6).
    Spawn(SpawnError),
    /// It died before it was ready, be it with success (SV-19).
    Exited {
        /// How.
        exit: Exit,
        /// How long after its start.
        after: Duration,
    },
    /// It took too long, and was stopped (SV-20).
    TimedOut {
        /// How long it had.
        timeout: Duration,
    },
    /// It was not started: its last run would not go, or the driver of [`Service::start_on`](super::Service::start_on)
    /// was dropped.
    NeverStarted,
    /// The system has no thread to give, or no pipe or socket for the notification.
    System(Arc<io::Error>),
}

/// What was said of a service, and cannot work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServiceError {
    /// The name is not one.
    Name(NameError),
    /// The program, an argument, the environment, …
    Spec(SpecError),
    /// The kill time.
    Policy(PolicyError),
    /// What is expected of it.
    Condition(ConditionError),
    /// The output format.
    Format(LogFormatError),
    /// The time-out is shorter than the minimum uptime, so it could never be ready.
    TimeoutBelowUptime {
        /// How long the start may take.
        timeout: Duration,
        /// How long it must live.
        min_uptime: Duration,
    },
}

impl Story {
    /// Before anything was started.
    pub(super) fn early(name: &str, command: String, cause: Cause) -> Self {
        let name = name.to_owned();
        Self { name, command, cause, progress: Vec::new(), tail: Vec::new(), survivors: None }
    }
}

impl From<Story> for NotReady {
    fn from(story: Story) -> Self {
        Self(Box::new(story))
    }
}

impl Deref for NotReady {
    type Target = Story;

    fn deref(&self) -> &Story {
        &self.0
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Story { name, command, cause, progress, tail, survivors } = &**self;
        write!(f, "service {name} is not ready: {cause}\n  command: {command}")?;
        for progress in progress {
            write!(f, "\n  {progress}")?;
        }
        if let Some(survivors) = survivors {
            write!(f, "\n  {survivors}")?;
        }
        match cause {
            Cause::Exited { .. } | Cause::TimedOut { .. } => write_tail(f, tail),
            Cause::Invalid(_)
            | Cause::AddressInUse(_)
            | Cause::Spawn(_)
            | Cause::NeverStarted
            | Cause::System(_) => Ok(()),
        }
    }
}

/// The same as shown with `{}`: this is what a test shows that ends with the error.
impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NotReady {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Invalid(error) => Some(error),
            Cause::Spawn(error) => Some(error),
            Cause::System(error) => Some(&**error),
            Cause::AddressInUse(taken) => Some(taken),
            Cause::Exited { .. } | Cause::TimedOut { .. } | Cause::NeverStarted => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::AddressInUse(taken) => taken.fmt(f),
            Self::Spawn(error) => error.fmt(f),
            Self::Exited { exit, after } => write!(f, "it exited with {exit} after {after:.0?}"),
            Self::TimedOut { timeout } => write!(f, "timed out after {timeout:?}"),
            Self::NeverStarted => write!(f, "it was not started"),
            Self::System(error) => write!(f, "the system refused what it takes to watch it: {error}"),
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Spec(error) => error.fmt(f),
            Self::Policy(error) => error.fmt(f),
            Self::Condition(error) => write!(f, "expectation: {error}"),
            Self::Format(error) => write!(f, "output format: {error}"),
            Self::TimeoutBelowUptime { timeout, min_uptime } => {
                write!(f, "timeout of {timeout:?} is shorter than the minimum uptime of {min_uptime:?}")
            }
        }
    }
}

impl Error for ServiceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Spec(error) => Some(error),
            Self::Policy(error) => Some(error),
            Self::Condition(error) => Some(error),
            Self::Format(error) => Some(error),
            Self::TimeoutBelowUptime { .. } => None,
        }
    }
}
