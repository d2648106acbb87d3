//! Why a search for crash points has ended: the point that the plan did not survive, and the line that runs it again.

use std::error::Error;
use std::fmt;

use super::error::PlanError;
use super::point::CrashPoint;
use super::reproduction::VARIABLE;
use crate::machine::Name;

/// A plan that was run with crashes, and has failed.
///
/// What it shows, with `{}` and with `{:?}` alike, is the whole story.
#[derive(Clone)]
#[non_exhaustive]
pub enum CrashError {
    /// The plan has failed by itself, before anybody was to crash; or it could not be run.
    Plan(PlanError),
    /// The plan has failed after a crash.
    CrashFailure(Box<CrashFailure>),
    /// The plan has failed by itself, though it had passed before: in this run nobody had crashed.
    Unsteady {
        /// The point that was not reached.
        point: CrashPoint,
        /// How it has failed.
        error: PlanError,
    },
    /// There is no point at which the process could crash: it is over before the next step begins, and prints no line.
    /// Or no point was wanted.
    NoPoints {
        /// The plan.
        plan: String,
        /// The process.
        process: Name,
    },
    /// What the variable `CHILDMINDER_CRASH_POINT` asks for cannot be done.
    Variable {
        /// Its value.
        value: String,
        /// Why.
        problem: VariableProblem,
    },
}

/// A crash that a plan did not survive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CrashFailure {
    /// The name of the plan.
    pub plan: String,
    /// Who has crashed.
    pub process: Name,
    /// Where.
    pub point: CrashPoint,
    /// The step that began there, or the line that was printed last.
    pub moment: String,
    /// Whether it was started again.
    pub restarted: bool,
    /// Which point it was, counted from 1, of how many. `None` if it was the only one that was tried, for
    /// `CHILDMINDER_CRASH_POINT` says so.
    pub position: Option<(usize, usize)>,
    /// The points before it that were not reached.
    pub not_reached: Vec<CrashPoint>,
    /// A line for a shell that runs this point alone.
    pub reproduction: String,
    /// How the plan has failed then.
    pub error: PlanError,
}

/// Why the point that `CHILDMINDER_CRASH_POINT` asks for cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VariableProblem {
    /// It does not say `<plan>/<process>@<point>`.
    Unreadable,
    /// The plan has no such process, only these.
    NoSuchProcess(Vec<Name>),
    /// The process has no such point, only these.
    NoSuchPoint(Vec<CrashPoint>),
    /// The process has such a point, and was so often over before KILL came.
    NotReached(u32),
}

impl From<PlanError> for CrashError {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

impl fmt::Display for CrashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::CrashFailure(story) => story.fmt(f),
            Self::Unsteady { point, error } => {
                write!(
                    f,
                    "the plan fails even without a crash, but not always: {point} was not reached\n{error}"
                )
            }
            Self::NoPoints { plan, process } => write!(
                f,
                "plan {plan} has no point at which {process} is to crash: it prints no line and is up when no step begins, \
                 or none of its points is wanted"
            ),
            Self::Variable { value, problem } => {
                write!(f, "{VARIABLE} is `{}`, and {problem}", value.escape_debug())
            }
        }
    }
}

/// The same as shown with `{}`: this is what a test shows that ends with the error.
impl fmt::Debug for CrashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CrashError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Plan(error) => error.source(),
            Self::CrashFailure(story) => Some(&story.error),
            Self::Unsteady { point: _, error } => Some(error),
            Self::NoPoints { .. } | Self::Variable { .. } => None,
        }
    }
}

/// The whole story: the crash, the line that reproduces it, and how the plan has failed.
///
/// ```text
/// plan shop does not survive that server crashes at stdout:3, point 5 of 12
///   it had just printed: saving 2
///   it got KILL, and was started again at once
///   to run this point alone:
///     CHILDMINDER_CRASH_POINT=shop/server@stdout:3 /home/me/shop/target/debug/deps/shop-0123456789abcdef buys --exact
/// plan shop failed at step 3 after 1.2s: server ended with code 3, and this step does not expect it to end
///      1  …
/// ```
impl fmt::Display for CrashFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, process, point, moment, restarted, position, not_reached, reproduction, error } =
            self;
        write!(f, "plan {plan} does not survive that {process} crashes at {point}")?;
        if let Some((number, all)) = position {
            write!(f, ", point {number} of {all}")?;
        }
        match point {
            CrashPoint::Step(_) => write!(f, "\n  this step was about to begin: {moment}")?,
            CrashPoint::Line { .. } => write!(f, "\n  it had just printed: {moment}")?,
        }
        let then = if *restarted { "was started again at once" } else { "stayed dead" };
        write!(f, "\n  it got KILL, and {then}")?;
        for (i, point) in not_reached.iter().enumerate() {
            write!(f, "{} {point}", if i == 0 { "\n  not reached before:" } else { "," })?;
        }
        write!(f, "\n  to run this point alone:\n    {reproduction}\n{error}")
    }
}

impl fmt::Display for VariableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "not <plan>/<process>@<point>, such as shop/server@stdout:3"),
            Self::NoSuchProcess(there_is) => {
                write!(f, "the plan has no such process; there is {}", list(there_is))
            }
            Self::NoSuchPoint(there_is) if there_is.is_empty() => {
                write!(f, "the process has no point at all")
            }
            Self::NoSuchPoint(there_is) => {
                write!(f, "the process has no such point; there is {}", list(there_is))
            }
            Self::NotReached(tries) => {
                write!(f, "this point was not reached in {tries} runs: the process was over before")
            }
        }
    }
}

fn list(things: &[impl fmt::Display]) -> String {
    let words: Vec<String> = things.iter().map(ToString::to_string).collect();
    words.join(", ")
}
