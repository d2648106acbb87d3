//! The outcome of a search through crash points: a report, or the error of the first point that made the plan
//! fail.

use std::error::Error;
use std::fmt;

use super::point::CrashPoint;
use super::reproduction::VARIABLE;
use crate::machine::Name;
use crate::plan::error::PlanError;
use crate::plan::journal::{Journal, JournalEvent};

/// The crash points at which a plan was run and passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashReport {
    /// The name of the plan.
    pub plan: String,
    /// The name of the process that was killed.
    pub process: Name,
    /// The points at which it was killed, in their order in the run without a crash. It is empty if
    /// `CHILDMINDER_CRASH_POINT` names another plan or process.
    pub points: Vec<CrashPoint>,
    /// The points that were not reached in several runs: the process had ended before KILL arrived, or had
    /// printed less than before. Nothing is known about these points.
    pub not_reached: Vec<CrashPoint>,
}

/// The error of [`CrashPoints::run`](crate::plan::CrashPoints::run).
///
/// Both `{}` and `{:?}` show the whole report.
#[derive(Clone)]
#[non_exhaustive]
pub enum CrashError {
    /// The plan is invalid, or failed without a crash.
    Plan(PlanError),
    /// The plan failed after a crash.
    Failed(Box<CrashFailure>),
    /// The plan failed in a run in which the crash point was not reached, although it had passed before.
    Unsteady {
        /// The point that was not reached.
        point: CrashPoint,
        /// The error of that run.
        error: PlanError,
    },
    /// The process has no crash point, or [`only`](crate::plan::CrashPoints::only) left out all of them: it
    /// prints no line, and is not running when a step begins.
    NoPoints {
        /// The name of the plan.
        plan: String,
        /// The name of the process.
        process: Name,
    },
    /// The crash point in the variable `CHILDMINDER_CRASH_POINT` cannot be run.
    InvalidVariable {
        /// The value of the variable.
        value: String,
        /// The reason, in one line.
        reason: String,
    },
}

/// A crash after which a plan failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CrashFailure {
    /// The name of the plan.
    pub plan: String,
    /// The name of the process that was killed.
    pub process: Name,
    /// The point at which it was killed.
    pub point: CrashPoint,
    /// The text of the step that was about to begin, or of the line that was printed last.
    pub moment: String,
    /// Whether the process was started again.
    pub restarted: bool,
    /// The number of the point, counted from 1, and the number of all points. It is `None` if
    /// `CHILDMINDER_CRASH_POINT` selected this point.
    pub position: Option<(usize, usize)>,
    /// The earlier points that were not reached.
    pub not_reached: Vec<CrashPoint>,
    /// The steps whose input was lost for certain: the process was killed before it could read it.
    pub lost_inputs: Vec<usize>,
    /// The steps whose input the process may or may not have read: it printed no line between the input and
    /// the crash. This makes the crash point ambiguous.
    pub unanswered_inputs: Vec<usize>,
    /// A shell command that runs this point alone.
    pub reproduction: String,
    /// The error of the plan.
    pub error: PlanError,
}

/// A problem with the value of `CHILDMINDER_CRASH_POINT`.
pub(super) enum VariableProblem {
    Malformed,
    NoSuchProcess(Vec<Name>),
    NoSuchPoint(Vec<CrashPoint>),
    /// The number of runs in which the point was not reached.
    NotReached(u32),
}

impl CrashError {
    pub(super) fn variable(value: impl Into<String>, problem: VariableProblem) -> Self {
        Self::InvalidVariable { value: value.into(), reason: problem.to_string() }
    }
}

impl From<PlanError> for CrashError {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

/// Writes one line.
impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, process, points, not_reached } = self;
        match (&points[..], &not_reached[..]) {
            ([], []) => return write!(f, "plan {plan} passes; no crash of {process} was requested"),
            ([], _) => write!(f, "plan {plan} passes; {process} was not killed at any point")?,
            ([point], _) => write!(f, "plan {plan} passes when {process} is killed at {point}")?,
            _ => write!(f, "plan {plan} passes when {process} is killed at each of {} points", points.len())?,
        }
        for (i, point) in not_reached.iter().enumerate() {
            write!(f, "{} {point}", if i == 0 { "; not reached:" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for CrashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
            Self::Unsteady { point, error } => {
                write!(f, "the plan sometimes fails without a crash: {point} was not reached\n{error}")
            }
            Self::NoPoints { plan, process } => write!(
                f,
                "plan {plan} has no point at which to kill {process}: it prints no line and is not running when a \
                 step begins, or all points were left out"
            ),
            Self::InvalidVariable { value, reason } => {
                write!(f, "{VARIABLE} is `{}`: {reason}", value.escape_debug())
            }
        }
    }
}

/// Writes the same text as `Display`: a test that returns this error shows it.
impl fmt::Debug for CrashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CrashError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Plan(error) => error.source(),
            Self::Failed(failure) => Some(&failure.error),
            Self::Unsteady { point: _, error } => Some(error),
            Self::NoPoints { .. } | Self::InvalidVariable { .. } => None,
        }
    }
}

/// Writes the crash, the command that reproduces it, and the error of the plan:
///
/// ```text
/// plan shop fails when server is killed at stdout:3 (point 5 of 12)
///   it had just printed: saving 2
///   it was sent KILL and started again at once
///   to run this point alone:
///     CHILDMINDER_CRASH_POINT=shop/server@stdout:3 /shop/target/debug/deps/shop-0123456789abcdef buys
/// plan shop failed at step 3 after 1.2s: server ended with code 3, and this step does not expect it to end
///      1  …
/// ```
impl fmt::Display for CrashFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, process, point, moment, restarted, position, .. } = self;
        write!(f, "plan {plan} fails when {process} is killed at {point}")?;
        if let Some((number, all)) = position {
            write!(f, " (point {number} of {all})")?;
        }
        match point {
            CrashPoint::Step(_) => write!(f, "\n  this step was about to begin: {moment}")?,
            CrashPoint::Line { .. } => write!(f, "\n  it had just printed: {moment}")?,
        }
        let then = if *restarted { "started again at once" } else { "not started again" };
        write!(f, "\n  it was sent KILL and {then}")?;
        for step in &self.lost_inputs {
            write!(f, "\n  the input of step {step} was lost: {process} was killed before it could read it")?;
        }
        for step in &self.unanswered_inputs {
            write!(
                f,
                "\n  this point is ambiguous: {process} may or may not have read the input of step {step}, which \
                 was lost with it; wait for its answer before the next step"
            )?;
        }
        for (i, point) in self.not_reached.iter().enumerate() {
            write!(f, "{} {point}", if i == 0 { "\n  not reached before:" } else { "," })?;
        }
        write!(f, "\n  to run this point alone:\n    {}\n{}", self.reproduction, self.error)
    }
}

impl fmt::Display for VariableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("expected <plan>/<process>@<point>, such as shop/server@stdout:3"),
            Self::NoSuchProcess(known) => {
                write!(f, "the plan has no such process; it has {}", list(known))
            }
            Self::NoSuchPoint(known) if known.is_empty() => f.write_str("the process has no crash point"),
            Self::NoSuchPoint(known) => {
                write!(f, "the process has no such crash point; it has {}", list(known))
            }
            Self::NotReached(runs) => {
                write!(f, "this point was not reached in {runs} runs, because the process had ended before")
            }
        }
    }
}

/// Returns the steps whose input to `process` was lost, and those whose input it may or may not have read,
/// according to the journal of a run with a crash.
pub(super) fn inputs_before_crash(journal: &Journal, process: &Name) -> (Vec<usize>, Vec<usize>) {
    let (mut lost, mut unanswered) = (Vec::new(), Vec::new());
    let mut current_step = 0;
    for entry in journal.entries() {
        match &entry.event {
            JournalEvent::StepBegan { step } => current_step = *step,
            JournalEvent::InputSent { process: name, .. } if name == process => unanswered.push(current_step),
            JournalEvent::InputLost { process: name, .. } if name == process => lost.push(current_step),
            // A line after the input shows that the process has gone on since.
            JournalEvent::Printed { process: name, lines: 1.., .. } if name == process => unanswered.clear(),
            JournalEvent::Crashed { process: name, .. } if name == process => break,
            _ => {}
        }
    }
    (lost, unanswered)
}

fn list(items: &[impl fmt::Display]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::Stream;

    #[test]
    fn a_report_names_the_points_that_were_not_reached() {
        let report = |points: &[usize], not_reached: &[usize]| {
            let process = Name::new("server").expect("a name");
            let steps = |steps: &[usize]| steps.iter().copied().map(CrashPoint::Step).collect();
            let (points, not_reached) = (steps(points), steps(not_reached));
            CrashReport { plan: "shop".to_owned(), process, points, not_reached }.to_string()
        };
        assert_eq!(report(&[], &[]), "plan shop passes; no crash of server was requested");
        assert_eq!(report(&[4], &[]), "plan shop passes when server is killed at step:4");
        assert_eq!(
            report(&[2, 3], &[4, 5]),
            "plan shop passes when server is killed at each of 2 points; not reached: step:4, step:5"
        );
        assert_eq!(
            report(&[], &[4]),
            "plan shop passes; server was not killed at any point; not reached: step:4"
        );
    }

    #[test]
    fn input_is_lost_or_in_doubt_until_the_next_line_of_output() {
        let [server, client] = ["server", "client"].map(|name| Name::new(name).expect("a name"));
        let inputs = |events: &[JournalEvent]| {
            let mut journal = Journal::new("shop", [""; 0], []);
            events.iter().cloned().for_each(|event| journal.push(Duration::ZERO, event));
            inputs_before_crash(&journal, &server)
        };
        let begins = |step| JournalEvent::StepBegan { step };
        let sent = |process: &Name| JournalEvent::InputSent { process: process.clone(), bytes: 1 };
        let lost = JournalEvent::InputLost { process: server.clone(), bytes: 1 };
        let crash = JournalEvent::Crashed { process: server.clone(), point: "step:4".to_owned() };
        let prints = |process: &Name, lines| JournalEvent::Printed {
            process: process.clone(),
            stream: Stream::Stdout,
            bytes: 1,
            lines,
            until: Duration::ZERO,
        };
        assert_eq!(inputs(&[begins(2), sent(&client), begins(3), lost, crash.clone()]), (vec![3], vec![]));
        assert_eq!(
            inputs(&[begins(2), sent(&server), prints(&server, 0), prints(&client, 1), crash.clone()]),
            (vec![], vec![2])
        );
        assert_eq!(inputs(&[begins(2), sent(&server), prints(&server, 1), crash.clone()]), (vec![], vec![]));
        assert_eq!(inputs(&[crash, begins(5), sent(&server)]), (vec![], vec![]));
    }
}
