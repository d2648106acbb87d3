//! Why a plan failed: the whole story in one error.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::expected::Expected;
use super::journal::Journal;
use super::mistake::PlanMistake;
use crate::machine::{Exit, Name, SpawnError, Stream};
use crate::monitor::StopError;
use crate::ready::ConditionStatus;

/// A plan that failed, or that could not be made. Nothing of it is left, unless
/// [`survivors`](PlanStory::survivors) says so.
///
/// What it shows, with `{}` and with `{:?}` alike, is all there is to know: the script with a mark at the step that
/// failed, how long each step took, the last lines of output, and where the logs are. Its parts are the fields of the
/// [`PlanStory`] in it.
#[derive(Clone)]
pub struct PlanError(Box<PlanStory>);

/// What there is to know of a plan that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlanStory {
    /// The name of the plan.
    pub plan: String,
    /// What went wrong.
    pub problem: PlanProblem,
    /// The step at which it went wrong, counted from 1; one more than there are steps is behind the last one. `None`: it
    /// is about the plan itself.
    pub step: Option<usize>,
    /// The text of all steps.
    pub steps: Vec<String>,
    /// What happened. Empty if the plan did not run.
    pub journal: Journal,
    /// The last lines of those processes that the problem is about, oldest first, for each stream that had any.
    pub tails: Vec<(Name, Stream, Vec<String>)>,
    /// What KILL did not end, if anything.
    pub survivors: Option<StopError>,
    /// The directory with the logs, the journal and the timeline. `None` if the plan did not run.
    pub directory: Option<PathBuf>,
}

/// What can go wrong with a plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlanProblem {
    /// The step cannot work. Found while building; nothing was started.
    Mistake(PlanMistake),
    /// There is no such command, or it cannot be executed. Found while building; nothing was started (PL-3).
    CommandNotFound {
        /// What was looked for, and where.
        error: SpawnError,
    },
    /// A process has ended, and no step expected it just then (PL-10, PL-11).
    UnexpectedExit {
        /// Which one.
        process: Name,
        /// How it ended.
        exit: Exit,
    },
    /// A process has ended otherwise than it should (PL-12).
    UnexpectedStatus {
        /// Which one.
        process: Name,
        /// How it should have ended.
        expected: Expected,
        /// How it ended.
        exit: Exit,
        /// It, or one of its group, did not heed the signal of a `kill`, and got KILL after this time.
        killed_after: Option<Duration>,
    },
    /// The script is at its end, and these are not (PL-16).
    StillRunning {
        /// Which ones.
        processes: Vec<Name>,
    },
    /// A step took too long (PL-14).
    TimedOut {
        /// How long it might take.
        timeout: Duration,
        /// The processes that it waited for.
        waiting_for: Vec<Name>,
        /// How far a [`wait_until`](super::Plan::wait_until) had come.
        progress: Vec<ConditionStatus>,
    },
    /// A step could not be carried out.
    StepFailed(StepFailure),
    /// The directory, the logs or the pipes could not be made.
    System {
        /// On which path, or what.
        what: String,
        /// What the system said.
        error: Arc<io::Error>,
    },
}

/// Why a step could not be carried out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StepFailure {
    /// A process could not be started.
    NotStarted {
        /// Which one.
        process: Name,
        /// At which step of the start, and why.
        error: SpawnError,
    },
    /// What was called has returned an error.
    Returned(Arc<dyn Error + Send + Sync>),
    /// What was called has panicked, with these words.
    Panicked(String),
    /// The process does not read its standard input any more.
    Input {
        /// Which one.
        process: Name,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// What was waited for can never come, for the process was [crashed](super::CrashPoints) on purpose and stays dead.
    StaysDead {
        /// Which one.
        process: Name,
    },
}

impl PlanStory {
    /// Of a plan that did not run.
    pub(super) fn early(plan: &str, steps: Vec<String>, step: Option<usize>, problem: PlanProblem) -> Self {
        Self {
            plan: plan.to_owned(),
            problem,
            step,
            journal: Journal::new(plan.to_owned(), steps.clone(), Vec::new()),
            steps,
            tails: Vec::new(),
            survivors: None,
            directory: None,
        }
    }
}

impl From<PlanStory> for PlanError {
    fn from(story: PlanStory) -> Self {
        Self(Box::new(story))
    }
}

impl Deref for PlanError {
    type Target = PlanStory;

    fn deref(&self) -> &PlanStory {
        &self.0
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::story::write(f, &self.0)
    }
}

/// The same as shown with `{}`: this is what a test shows that ends with the error.
impl fmt::Debug for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PlanError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source()
    }
}

impl PlanProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Mistake(error) => Some(error),
            Self::CommandNotFound { error } => Some(error),
            Self::StepFailed(failure) => failure.source(),
            Self::System { what: _, error } => Some(&**error),
            Self::UnexpectedExit { .. }
            | Self::UnexpectedStatus { .. }
            | Self::StillRunning { .. }
            | Self::TimedOut { .. } => None,
        }
    }

    /// The processes that it is about.
    pub(super) fn processes(&self) -> Vec<Name> {
        match self {
            Self::Mistake(_) | Self::CommandNotFound { .. } | Self::System { .. } => Vec::new(),
            Self::UnexpectedExit { process, .. } | Self::UnexpectedStatus { process, .. } => {
                vec![process.clone()]
            }
            Self::StillRunning { processes } => processes.clone(),
            Self::TimedOut { waiting_for, .. } => waiting_for.clone(),
            Self::StepFailed(failure) => failure.process().into_iter().cloned().collect(),
        }
    }
}

impl StepFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotStarted { error, .. } => Some(error),
            Self::Returned(error) => Some(&**error),
            Self::Input { error, .. } => Some(&**error),
            Self::Panicked(_) | Self::StaysDead { .. } => None,
        }
    }

    fn process(&self) -> Option<&Name> {
        match self {
            Self::NotStarted { process, .. } | Self::Input { process, .. } | Self::StaysDead { process } => {
                Some(process)
            }
            Self::Returned(_) | Self::Panicked(_) => None,
        }
    }
}

/// In one line.
impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistake(mistake) => mistake.fmt(f),
            Self::CommandNotFound { error } => error.fmt(f),
            Self::UnexpectedExit { process, exit } => {
                write!(f, "{process} ended with {exit}, and this step does not expect it to end")
            }
            Self::UnexpectedStatus { process, expected, exit, killed_after } => {
                write!(f, "{process} ended with {exit} instead of {expected}")?;
                match killed_after {
                    Some(time) => write!(f, ", for it had not ended {time:?} after the signal and got KILL"),
                    None => Ok(()),
                }
            }
            Self::StillRunning { processes } => {
                write!(f, "the script is at its end, and ")?;
                write_names(f, processes)?;
                write!(f, " still {}", if processes.len() == 1 { "runs" } else { "run" })
            }
            Self::TimedOut { timeout, waiting_for, progress: _ } => {
                write!(f, "timed out after {timeout:?}")?;
                if !waiting_for.is_empty() {
                    write!(f, ", waiting for ")?;
                    write_names(f, waiting_for)?;
                }
                Ok(())
            }
            Self::StepFailed(failure) => failure.fmt(f),
            Self::System { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted { process, error } => write!(f, "{process} was not started: {error}"),
            Self::Returned(error) => error.fmt(f),
            Self::Panicked(words) => write!(f, "it panicked: {words}"),
            Self::Input { process, error } => write!(f, "{process} does not read its input: {error}"),
            Self::StaysDead { process } => {
                write!(f, "{process} was killed on purpose, so this can never come")
            }
        }
    }
}

fn write_names(f: &mut fmt::Formatter<'_>, names: &[Name]) -> fmt::Result {
    for (i, name) in names.iter().enumerate() {
        let between = match i {
            0 => "",
            _ if i + 1 == names.len() => " and ",
            _ => ", ",
        };
        write!(f, "{between}{name}")?;
    }
    Ok(())
}
