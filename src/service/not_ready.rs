//! The error of a service that did not become ready.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::exit::write_tail;
use super::missing::MissingProgram;
use super::placeholders::PlaceholderError;
use super::step_error::StepError;
use crate::host::SpecError;
use crate::machine::{Exit, NameError, PolicyError, SpawnError};
use crate::monitor::StopError;
use crate::output::log_format::LogFormatError;
use crate::ready::{AddressInUse, ConditionError, ConditionStatus};

/// The error of a service that did not become ready.
///
/// No process of the service is left, unless [`survivors`](Self::survivors) names some. `{}` and `{:?}` both
/// show the whole report: the reason, the command, the progress of each condition, hints, and the last lines
/// of output. So a test that returns or unwraps this error shows what went wrong.
///
/// ```
/// use childminder::{Exit, Service};
/// use childminder::service::NotReadyReason;
///
/// let error = Service::new("sh").args(["-c", "echo no such database >&2; exit 2"]).start().unwrap_err();
/// assert!(matches!(error.reason(), NotReadyReason::Exited { exit: Exit::Code(2), .. }));
/// assert_eq!(error.tail(), ["no such database"]);
/// ```
#[derive(Clone)]
pub struct NotReady(Box<Details>);

#[derive(Clone)]
pub(super) struct Details {
    pub(super) service: String,
    pub(super) command: String,
    pub(super) reason: NotReadyReason,
    pub(super) progress: Vec<ConditionStatus>,
    pub(super) hints: Vec<String>,
    pub(super) tail: Vec<String>,
    pub(super) survivors: Option<StopError>,
    pub(super) kept_dir: Option<PathBuf>,
}

/// The reason why a service is not ready.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotReadyReason {
    /// The description of the service is invalid. Nothing was started.
    Invalid(ServiceError),
    /// Another process already answers at an address of the service. Nothing was started.
    AddressInUse(AddressInUse),
    /// The program could not be started.
    Spawn(SpawnError),
    /// The process exited before it was ready, with any exit code.
    Exited {
        /// The exit of the process.
        exit: Exit,
        /// The time from the start until the exit.
        after: Duration,
    },
    /// The process was not ready within the timeout, and was stopped.
    TimedOut {
        /// The timeout.
        timeout: Duration,
    },
    /// The process was not started: its previous run could not be ended, or the driver of
    /// [`Service::start_on`](crate::Service::start_on) was dropped.
    NeverStarted,
    /// The program of a ready-made server is not installed.
    MissingProgram(MissingProgram),
    /// The scratch directory or a file in it could not be created.
    Scratch(ScratchError),
    /// A step before or after the start of the program has failed.
    Step(StepError),
    /// The output matched this regular expression of [`Service::capture`](crate::Service::capture), but no
    /// whole line did.
    NotCaptured {
        /// The regular expression.
        regex: String,
    },
    /// The system provides no thread for the monitor, or no pipe or socket for a notification.
    System(Arc<io::Error>),
}

/// The reason why the description of a service is invalid.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServiceError {
    /// The name is invalid.
    Name(NameError),
    /// The program, an argument, the environment or another part of the spec is invalid.
    Spec(SpecError),
    /// The kill time or another part of the policy is invalid.
    Policy(PolicyError),
    /// A condition can never be met.
    Condition(ConditionError),
    /// The output format is invalid.
    Format(LogFormatError),
    /// A placeholder cannot be filled in.
    Placeholder(PlaceholderError),
    /// The path of a file is not inside the scratch directory.
    FileOutside(PathBuf),
    /// The regular expression of a capture is invalid.
    Capture {
        /// The regular expression.
        regex: String,
        /// The reason.
        reason: String,
    },
    /// The regular expression of a capture has no group, so that there is nothing to capture.
    CaptureWithoutGroup(String),
    /// The command of a step is invalid.
    Step(SpecError),
    /// The timeout is shorter than the minimum uptime, so the service could never be ready.
    TimeoutBelowUptime {
        /// The timeout of the start.
        timeout: Duration,
        /// The minimum uptime.
        min_uptime: Duration,
    },
}

impl Details {
    /// Creates the details of an error before the start.
    pub(super) fn new(service: &str, command: String, reason: NotReadyReason) -> Self {
        Self {
            service: service.to_owned(),
            command,
            reason,
            progress: Vec::new(),
            hints: Vec::new(),
            tail: Vec::new(),
            survivors: None,
            kept_dir: None,
        }
    }
}

impl From<Details> for NotReady {
    fn from(details: Details) -> Self {
        Self(Box::new(details))
    }
}

impl NotReady {
    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Returns the command line, quoted for a shell.
    pub fn command(&self) -> &str {
        &self.0.command
    }

    /// Returns the reason why the service is not ready.
    pub fn reason(&self) -> &NotReadyReason {
        &self.0.reason
    }

    /// Returns the progress of each condition. It is empty if the program was never started.
    pub fn progress(&self) -> &[ConditionStatus] {
        &self.0.progress
    }

    /// Returns advice for common causes, such as a program that has put itself into the background.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Returns the last lines of output, oldest first.
    pub fn tail(&self) -> &[String] {
        &self.0.tail
    }

    /// Returns the scratch directory, if it is kept because the variable `CHILDMINDER_KEEP` is set.
    pub fn kept_dir(&self) -> Option<&Path> {
        self.0.kept_dir.as_deref()
    }

    pub(super) fn with_survivors(mut self, survivors: StopError) -> Self {
        self.0.survivors = Some(survivors);
        self
    }

    /// Returns the processes that survived KILL, if there are any.
    pub fn survivors(&self) -> Option<&StopError> {
        self.0.survivors.as_ref()
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { service, command, reason, progress, hints, tail, survivors, kept_dir } = &*self.0;
        write!(f, "service {service} is not ready: {reason}\n  command: {command}")?;
        for status in progress {
            write!(f, "\n  {status}")?;
        }
        if let Some(survivors) = survivors {
            write!(f, "\n  {survivors}")?;
        }
        if let Some(dir) = kept_dir {
            write!(f, "\n  its directory is kept: {}", dir.display())?;
        }
        for hint in hints {
            write!(f, "\n  hint: {hint}")?;
        }
        match reason {
            NotReadyReason::Exited { .. }
            | NotReadyReason::TimedOut { .. }
            | NotReadyReason::NotCaptured { .. } => write_tail(f, tail),
            NotReadyReason::Invalid(_)
            | NotReadyReason::AddressInUse(_)
            | NotReadyReason::Spawn(_)
            | NotReadyReason::NeverStarted
            | NotReadyReason::MissingProgram(_)
            | NotReadyReason::Scratch(_)
            | NotReadyReason::Step(_)
            | NotReadyReason::System(_) => Ok(()),
        }
    }
}

/// Shows the same report as `{}`, since a test that returns the error shows it in this format.
impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NotReady {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.reason() {
            NotReadyReason::Invalid(error) => Some(error),
            NotReadyReason::Spawn(error) => Some(error),
            NotReadyReason::System(error) => Some(&**error),
            NotReadyReason::AddressInUse(in_use) => Some(in_use),
            NotReadyReason::MissingProgram(error) => Some(error),
            NotReadyReason::Scratch(error) => Some(error),
            NotReadyReason::Step(error) => Some(error),
            NotReadyReason::Exited { .. }
            | NotReadyReason::TimedOut { .. }
            | NotReadyReason::NotCaptured { .. }
            | NotReadyReason::NeverStarted => None,
        }
    }
}

impl fmt::Display for NotReadyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::AddressInUse(in_use) => in_use.fmt(f),
            Self::Spawn(error) => error.fmt(f),
            Self::Exited { exit, after } => write!(f, "it exited with {exit} after {after:.0?}"),
            Self::TimedOut { timeout } => write!(f, "timed out after {timeout:?}"),
            Self::NeverStarted => write!(f, "it was not started"),
            Self::MissingProgram(error) => error.fmt(f),
            Self::Scratch(error) => error.fmt(f),
            Self::Step(error) => error.fmt(f),
            Self::NotCaptured { regex } => {
                write!(f, "its output matches the capture /{regex}/, but no whole line of it does")
            }
            Self::System(error) => write!(f, "cannot set up the observation of the process: {error}"),
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
            Self::Placeholder(error) => error.fmt(f),
            Self::FileOutside(path) => write!(
                f,
                "the file {path:?} is not inside the scratch directory: its path must be relative and without `..`"
            ),
            Self::Capture { regex, reason } => {
                write!(f, "the capture {regex:?} is not a valid regular expression: {reason}")
            }
            Self::CaptureWithoutGroup(regex) => {
                write!(f, "the capture {regex:?} has no group: put parentheses around what is to be captured")
            }
            Self::Step(error) => write!(f, "step: {error}"),
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
            Self::Placeholder(error) => Some(error),
            Self::Step(error) => Some(error),
            Self::FileOutside(_)
            | Self::Capture { .. }
            | Self::CaptureWithoutGroup(_)
            | Self::TimeoutBelowUptime { .. } => None,
        }
    }
}

/// The scratch directory of a service, or a file in it, that could not be created.
#[derive(Clone, Debug)]
pub struct ScratchError {
    path: PathBuf,
    error: Arc<io::Error>,
}

impl ScratchError {
    pub(super) fn new(path: PathBuf, error: io::Error) -> Self {
        Self { path, error: Arc::new(error) }
    }

    /// Returns the path that could not be read or created.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for ScratchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot prepare {}: {}", self.path.display(), self.error)
    }
}

impl Error for ScratchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}
