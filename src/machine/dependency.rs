//! What a process waits for before it is started.

use std::error::Error;
use std::fmt;

use super::Name;

/// A process that has to be started, ready or completed before another one is started.
///
/// ```
/// use childminder::Until;
/// use childminder::machine::{Dependency, OnEnd};
///
/// let on = Dependency { on_end: OnEnd::Restart, ..Dependency::new("db".parse()?, Until::Ready) };
/// assert_eq!(on.to_string(), "db (ready)");
/// # Ok::<(), childminder::machine::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// The process to wait for.
    pub on: Name,
    /// The condition that has to hold.
    pub until: Until,
    /// The consequence for the dependent when a run of that process ends. Default: none.
    pub on_end: OnEnd,
}

impl Dependency {
    /// Creates a dependency whose end does not affect the dependent.
    pub fn new(on: Name, until: Until) -> Self {
        Self { on, until, on_end: OnEnd::Stay }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.on, self.until)
    }
}

/// The conditions of a dependency.
///
/// `Started` and `Ready` hold for a run that is alive and is not being stopped. What an earlier run has
/// reached does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Until {
    /// Its program was started, and runs.
    Started,
    /// It runs and is ready. A process without a condition for its readiness is ready when it is started.
    Ready,
    /// It has [completed](super::Phase::Completed): its last run was a success and it is not restarted. This
    /// needs a policy with [`Restart::OnFailure`](super::Restart::OnFailure) or
    /// [`Restart::Never`](super::Restart::Never).
    Completed,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Completed => "completed",
        })
    }
}

/// The consequence for a dependent that runs when the run that it depends on ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnEnd {
    /// Nothing: it runs on.
    #[default]
    Stay,
    /// It is stopped, and started again when its dependencies permit.
    Restart,
}

/// The error for dependencies or groups that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyError {
    problem: DependencyProblem,
}

impl DependencyError {
    pub(super) fn new(problem: DependencyProblem) -> Self {
        Self { problem }
    }

    /// Returns what is wrong.
    pub fn problem(&self) -> &DependencyProblem {
        &self.problem
    }
}

/// The reasons why dependencies or groups cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DependencyProblem {
    /// Processes wait for each other.
    Cycle {
        /// The processes, each of which waits for the next. The first and the last are the same.
        path: Vec<Name>,
    },
    /// There is no process with the name of a dependency.
    Unknown {
        /// The process that waits.
        process: Name,
        /// The missing process.
        dependency: Name,
    },
    /// A process waits for another one to complete that is always restarted.
    NeverCompletes {
        /// The process that waits.
        process: Name,
        /// The process that never completes.
        dependency: Name,
    },
    /// Two processes have a restart group of the same name with different strategies.
    GroupConflict {
        /// The process that was added before.
        process: Name,
        /// The name of the group.
        group: Name,
    },
}

impl fmt::Display for DependencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            DependencyProblem::Cycle { path } => {
                write!(f, "the processes wait for each other: ")?;
                for (i, name) in path.iter().enumerate() {
                    write!(f, "{}{name}", if i == 0 { "" } else { " -> " })?;
                }
                Ok(())
            }
            DependencyProblem::Unknown { process, dependency } => {
                write!(f, "{process} -> {dependency}: there is no process \"{dependency}\"; add it first")
            }
            DependencyProblem::NeverCompletes { process, dependency } => write!(
                f,
                "{process} -> {dependency} (completed): \"{dependency}\" is always restarted and never \
                 completes; set its `restart` to on-failure or never"
            ),
            DependencyProblem::GroupConflict { process, group } => write!(
                f,
                "the restart group \"{group}\" has another strategy for \"{process}\"; use one strategy for \
                 all its members"
            ),
        }
    }
}

impl Error for DependencyError {}
