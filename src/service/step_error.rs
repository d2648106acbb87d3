//! The error of a step of a start.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::exit::write_tail;
use crate::machine::{Exit, SpawnError};

/// The error of a step of a start: a command of [`Service::before`](crate::Service::before) or
/// [`prepare`](crate::Service::prepare), or a closure.
///
/// ```
/// use childminder::Service;
/// use childminder::service::NotReadyReason;
///
/// let service = Service::new("sleep").arg("1000").before(["sh", "-c", "echo no space left >&2; exit 3"]);
/// let error = service.start().unwrap_err();
/// let NotReadyReason::Step(step) = error.reason() else { panic!("{error}") };
/// assert_eq!(step.output(), ["no space left"]);
/// ```
#[derive(Clone, Debug)]
pub struct StepError {
    step: String,
    problem: StepProblem,
    output: Vec<String>,
}

/// The reason why a step has failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StepProblem {
    /// The command could not be started.
    Spawn(SpawnError),
    /// The command has not exited with 0.
    Exited(Exit),
    /// The step has taken longer than [`Service::step_timeout`](crate::Service::step_timeout). A command was
    /// stopped.
    TimedOut(Duration),
    /// The closure has returned this error, or has panicked with this message; or the command cannot be a
    /// step for this reason, for instance since it depends on another process.
    Failed(String),
}

impl StepError {
    pub(super) fn new(step: String, problem: StepProblem, output: Vec<String>) -> Self {
        Self { step, problem, output }
    }

    /// Returns the command line, quoted for a shell, or `the closure`.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Returns the reason.
    pub fn problem(&self) -> &StepProblem {
        &self.problem
    }

    /// Returns the last lines of output of the command, oldest first.
    pub fn output(&self) -> &[String] {
        &self.output
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, problem, output } = self;
        match problem {
            StepProblem::Spawn(error) => return write!(f, "cannot run the step `{step}`: {error}"),
            StepProblem::Failed(error) => return write!(f, "the step `{step}` failed: {error}"),
            StepProblem::Exited(exit) => write!(f, "the step `{step}` ended with {exit}")?,
            StepProblem::TimedOut(timeout) => write!(f, "the step `{step}` timed out after {timeout:?}")?,
        }
        write_tail(f, output)
    }
}

impl Error for StepError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            StepProblem::Spawn(error) => Some(error),
            StepProblem::Exited(_) | StepProblem::TimedOut(_) | StepProblem::Failed(_) => None,
        }
    }
}
