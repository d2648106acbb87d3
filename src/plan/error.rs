//! The error of a plan, with accessors for its parts.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::process::Expected;
use crate::host::SpecError;
use crate::machine::{Exit, Name, NameError, SpawnError, Stream};
use crate::monitor::StopError;
use crate::plan::journal::Journal;
use crate::ready::{ConditionError, ConditionStatus};

/// The error of a plan that failed, or that is invalid.
///
/// After a failed run none of its processes is left, unless [`survivors`](Self::survivors) names them. Both
/// `{}` and `{:?}` show the whole report: the script with a mark at the failed step, the duration of each
/// step, the last lines of output, and the path of the logs.
///
/// ```
/// use childminder::plan::PlanErrorKind;
/// use childminder::{Exit, Plan};
///
/// let mut plan = Plan::new("example")?;
/// let shell = plan.spawn(["sh", "-c", "echo oops; exit 3"])?;
/// plan.wait(shell, Exit::success())?;
///
/// let error = plan.run().unwrap_err();
/// assert_eq!(error.step(), Some(2));
/// assert!(matches!(error.kind(), PlanErrorKind::UnexpectedStatus { exit: Exit::Code(3), .. }));
/// assert_eq!(error.tails()[0].lines, ["oops"]);
/// # std::fs::remove_dir_all(error.directory().unwrap()).unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PlanError(Box<Parts>);

/// The parts of an error, as the run collects them.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) plan: String,
    pub(super) kind: PlanErrorKind,
    pub(super) step: Option<usize>,
    pub(super) steps: Vec<String>,
    pub(super) journal: Journal,
    /// The processes to describe: those that the failure is about, and one that was crashed on purpose.
    pub(super) described: Vec<Name>,
    pub(super) tails: Vec<OutputTail>,
    pub(super) survivors: Option<StopError>,
    pub(super) directory: Option<PathBuf>,
}

/// The last lines that a process wrote to one of its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputTail {
    /// The name of the process.
    pub process: Name,
    /// The stream.
    pub stream: Stream,
    /// The lines, oldest first, as printable text.
    pub lines: Vec<String>,
}

/// The kind of a [`PlanError`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlanErrorKind {
    /// The name of the plan or of a process is invalid. Names are used as file names, so a slash is not
    /// allowed.
    InvalidName(NameError),
    /// Another process of the plan has this name.
    NameTaken(Name),
    /// The command, its arguments or another part of the [`Spec`](crate::Spec) is invalid.
    InvalidSpec(SpecError),
    /// The condition can never be met.
    InvalidCondition(ConditionError),
    /// The timeout is zero, or longer than [`Policy::LONGEST`](crate::Policy::LONGEST).
    InvalidTimeout(Duration),
    /// The process belongs to another plan.
    ForeignProcess,
    /// An earlier step already waits for the end of the process.
    EndedBefore {
        /// The name of the process.
        process: Name,
        /// The number of the earlier step.
        step: usize,
    },
    /// The process is listed twice in one step.
    ListedTwice(Name),
    /// The step lists no process.
    NoProcess,
    /// An earlier step closes the standard input of the process.
    InputClosed {
        /// The name of the process.
        process: Name,
        /// The number of the earlier step.
        step: usize,
    },
    /// The spec of the process already sets its standard input, so that a plan cannot send it anything.
    InputTaken(Name),
    /// The program does not exist or cannot be executed. Found while the plan is built; nothing was started.
    CommandNotFound(SpawnError),
    /// A process ended, and the current step does not expect it to end.
    UnexpectedExit {
        /// The name of the process.
        process: Name,
        /// Its exit status.
        exit: Exit,
    },
    /// A process ended with another status than the step expects.
    UnexpectedStatus {
        /// The name of the process.
        process: Name,
        /// The expected status.
        expected: Expected,
        /// Its exit status.
        exit: Exit,
        /// The kill time after which the process, or its group, was sent KILL because the signal of a
        /// [`kill`](crate::Plan::kill) had not ended it.
        killed_after: Option<Duration>,
    },
    /// Processes were still running after the last step.
    StillRunning {
        /// Their names.
        processes: Vec<Name>,
    },
    /// A step took longer than its timeout.
    TimedOut {
        /// The timeout.
        timeout: Duration,
        /// The processes that the step was waiting for.
        waiting_for: Vec<Name>,
        /// The state of each condition of a [`wait_until`](crate::Plan::wait_until).
        progress: Vec<ConditionStatus>,
    },
    /// A process could not be started.
    NotStarted {
        /// The name of the process.
        process: Name,
        /// The step of the start that failed, and its cause.
        error: SpawnError,
    },
    /// The function of a [`call`](crate::Plan::call) returned an error.
    CallFailed(Arc<dyn Error + Send + Sync>),
    /// The function of a [`call`](crate::Plan::call) panicked with this message.
    CallPanicked(String),
    /// A process closed its standard input, or did not read it.
    InputRefused {
        /// The name of the process.
        process: Name,
        /// The error of the write.
        error: Arc<io::Error>,
    },
    /// The step waits for a process that was killed at a [crash point](crate::plan::CrashPoints) and is not
    /// started again.
    StaysDead {
        /// The name of the process.
        process: Name,
    },
    /// The directory, a log file, a pipe or a thread could not be created.
    System {
        /// The failed action, such as `cannot create the log directory`.
        what: String,
        /// The error of the system.
        error: Arc<io::Error>,
    },
}

impl PlanError {
    /// Returns the error of a plan that did not run.
    pub(super) fn early(plan: &str, steps: Vec<String>, step: Option<usize>, kind: PlanErrorKind) -> Self {
        Self(Box::new(Parts {
            plan: plan.to_owned(),
            kind,
            step,
            journal: Journal::new(plan, steps.iter(), []),
            steps,
            described: Vec::new(),
            tails: Vec::new(),
            survivors: None,
            directory: None,
        }))
    }

    /// Returns the error of a run.
    pub(super) fn of_run(parts: Parts) -> Self {
        Self(Box::new(parts))
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &PlanErrorKind {
        &self.0.kind
    }

    /// Returns the name of the plan.
    pub fn plan(&self) -> &str {
        &self.0.plan
    }

    /// Returns the number of the failed step, counted from 1. It is one more than the number of steps if the
    /// plan failed after its last step, and `None` if the error concerns the plan as a whole.
    pub fn step(&self) -> Option<usize> {
        self.0.step
    }

    /// Returns the text of each step.
    pub fn steps(&self) -> &[String] {
        &self.0.steps
    }

    /// Returns the journal of the run. It is empty if the plan did not run.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Returns the processes that the report describes: those that caused the failure or were waited for, and
    /// the process that was killed at a [crash point](crate::plan::CrashPoints).
    pub fn processes(&self) -> &[Name] {
        &self.0.described
    }

    /// Returns the last lines of output of those [processes](Self::processes), one item per stream that had
    /// any.
    pub fn tails(&self) -> &[OutputTail] {
        &self.0.tails
    }

    /// Returns the error of the cleanup if KILL did not end all processes; it names those that are left.
    pub fn survivors(&self) -> Option<&StopError> {
        self.0.survivors.as_ref()
    }

    /// Returns the directory with the logs, the journal and the picture. It is `None` if the plan did not
    /// run.
    pub fn directory(&self) -> Option<&Path> {
        self.0.directory.as_deref()
    }
}

/// Writes the same text as `Display`: a test that returns this error shows it.
impl fmt::Debug for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PlanError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.kind() {
            PlanErrorKind::InvalidName(error) => Some(error),
            PlanErrorKind::InvalidSpec(error) => Some(error),
            PlanErrorKind::InvalidCondition(error) => Some(error),
            PlanErrorKind::CommandNotFound(error) | PlanErrorKind::NotStarted { error, .. } => Some(error),
            PlanErrorKind::CallFailed(error) => Some(&**error),
            PlanErrorKind::InputRefused { error, .. } | PlanErrorKind::System { error, .. } => Some(&**error),
            PlanErrorKind::NameTaken(_)
            | PlanErrorKind::InvalidTimeout(_)
            | PlanErrorKind::ForeignProcess
            | PlanErrorKind::EndedBefore { .. }
            | PlanErrorKind::ListedTwice(_)
            | PlanErrorKind::NoProcess
            | PlanErrorKind::InputClosed { .. }
            | PlanErrorKind::InputTaken(_)
            | PlanErrorKind::UnexpectedExit { .. }
            | PlanErrorKind::UnexpectedStatus { .. }
            | PlanErrorKind::StillRunning { .. }
            | PlanErrorKind::TimedOut { .. }
            | PlanErrorKind::CallPanicked(_)
            | PlanErrorKind::StaysDead { .. } => None,
        }
    }
}

impl PlanErrorKind {
    /// Returns the processes that the failure of a run is about.
    pub(super) fn processes(&self) -> Vec<Name> {
        match self {
            Self::UnexpectedExit { process, .. }
            | Self::UnexpectedStatus { process, .. }
            | Self::NotStarted { process, .. }
            | Self::InputRefused { process, .. }
            | Self::StaysDead { process } => vec![process.clone()],
            Self::StillRunning { processes } => processes.clone(),
            Self::TimedOut { waiting_for, .. } => waiting_for.clone(),
            Self::InvalidName(_)
            | Self::NameTaken(_)
            | Self::InvalidSpec(_)
            | Self::InvalidCondition(_)
            | Self::InvalidTimeout(_)
            | Self::ForeignProcess
            | Self::EndedBefore { .. }
            | Self::ListedTwice(_)
            | Self::NoProcess
            | Self::InputClosed { .. }
            | Self::InputTaken(_)
            | Self::CommandNotFound(_)
            | Self::CallFailed(_)
            | Self::CallPanicked(_)
            | Self::System { .. } => Vec::new(),
        }
    }
}

/// Writes one line, unless the error of a called function has more.
impl fmt::Display for PlanErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::NameTaken(name) => write!(f, "another process of the plan is named {name}"),
            Self::InvalidSpec(error) => error.fmt(f),
            Self::InvalidCondition(error) => error.fmt(f),
            Self::InvalidTimeout(Duration::ZERO) => f.write_str("the timeout must not be zero"),
            Self::InvalidTimeout(timeout) => {
                write!(f, "the timeout of {timeout:?} is longer than a hundred years")
            }
            Self::ForeignProcess => f.write_str("the process belongs to another plan"),
            Self::EndedBefore { process, step } => {
                write!(f, "step {step} already waits for the end of {process}")
            }
            Self::ListedTwice(name) => write!(f, "{name} is listed twice"),
            Self::NoProcess => f.write_str("the step lists no process"),
            Self::InputClosed { process, step } => {
                write!(f, "step {step} already closes the standard input of {process}")
            }
            Self::InputTaken(name) => {
                write!(f, "cannot send input to {name}, because its spec sets its standard input")
            }
            Self::CommandNotFound(error) => error.fmt(f),
            Self::UnexpectedExit { process, exit } => {
                write!(f, "{process} ended with {exit}, and this step does not expect it to end")
            }
            Self::UnexpectedStatus { process, expected, exit, killed_after } => {
                write!(f, "{process} ended with {exit} instead of {expected}")?;
                match killed_after {
                    Some(time) => write!(f, ": it was sent KILL {time:?} after the stop signal"),
                    None => Ok(()),
                }
            }
            Self::StillRunning { processes } => {
                f.write_str("the plan ended while ")?;
                write_names(f, processes)?;
                write!(f, " {} still running", if processes.len() == 1 { "was" } else { "were" })
            }
            Self::TimedOut { timeout, waiting_for, progress: _ } => {
                write!(f, "timed out after {timeout:?}")?;
                if !waiting_for.is_empty() {
                    f.write_str(" while waiting for ")?;
                    write_names(f, waiting_for)?;
                }
                Ok(())
            }
            Self::NotStarted { process, error } => write!(f, "cannot start {process}: {error}"),
            Self::CallFailed(error) => error.fmt(f),
            Self::CallPanicked(message) => write!(f, "the call panicked: {message}"),
            Self::InputRefused { process, error } => {
                write!(f, "cannot send input to {process}, which does not read it: {error}")
            }
            Self::StaysDead { process } => {
                write!(
                    f,
                    "{process} was killed on purpose and is not started again, so this can never happen"
                )
            }
            Self::System { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

fn write_names(f: &mut fmt::Formatter<'_>, names: &[Name]) -> fmt::Result {
    for (i, name) in names.iter().enumerate() {
        let separator = match i {
            0 => "",
            _ if i + 1 == names.len() => " and ",
            _ => ", ",
        };
        write!(f, "{separator}{name}")?;
    }
    Ok(())
}
