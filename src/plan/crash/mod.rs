//! Runs a plan again and again, and kills one of its processes at another point each time.
//!
//! 1. The first run has no crash. Its journal gives the points: each step that begins while the process is
//!    running, and each line that the process prints. If this run fails, its error is the result.
//! 2. Then there is one run per point, in the order in which the points came. The executor has KILL sent at
//!    the point, before anything else that the script asks for. So the process has not been affected by the
//!    new step, and no step that waits for the line has gone on because of it. How far the process itself has
//!    come since it printed the line is unknown.
//! 3. The first run that fails ends the search. A process that ends by itself at that moment may be faster
//!    than KILL, so a point that was not reached is tried again, and reported in the end.
//!
//! Each run is an ordinary run; only this module knows that there are several.

pub(super) mod outcome;
pub(super) mod point;
mod reproduction;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use outcome::{CrashError, CrashFailure, CrashReport, VariableProblem, inputs_before_crash};
use point::{AfterCrash, Crash, CrashPoint};
use reproduction::{NamedPoint, this_command};

use super::builder::Plan;
use super::error::{PlanError, PlanErrorKind};
use super::process::ProcessRef;
use super::run::{Report, RunFuture};
use super::script::Script;
use crate::host::{Host, Spec};
use crate::machine::Name;
use crate::output::Line;
use crate::sys::System;

/// The number of runs after which a point counts as not reached.
const TRIES: u32 = 3;

/// The log target of the progress messages.
const TARGET: &str = "childminder::plan";

/// A search through all points at which a process of a [`Plan`] can crash, made by
/// [`crash_points`](Plan::crash_points).
///
/// First the plan is run as it is. Then it is run once for each *point* of that run, in order, and each time
/// the process and its descendants are sent KILL there:
///
/// * when a step begins while the process is running, before anything is done for the step. The step that
///   starts the process is not a point; the step that waits for its end, or kills it, is one;
/// * when it has printed a line to either stream, including the lines that it prints while it is shutting
///   down.
///
/// Afterwards the process is started again at once, as a process monitor would do, or it [stays
/// dead](Self::stays_dead), and the plan goes on as if nothing had happened. The exit of the killed process
/// is not checked. All other checks remain: a client that does not retry, or a server that finds half a file
/// when it comes back, fails the plan. Some advice for a plan that is to pass:
///
/// * The first step should remove what an earlier run has left in files and elsewhere.
/// * If the current step asked something of the killed process and is not done, it asks its successor. Input
///   that earlier steps have sent is lost; an input that they have closed is closed.
/// * A [`wait_for_output`](Plan::wait_for_output) accepts output from before the crash and from after it.
/// * A `kill` waits until the successor is up, that is, until it meets the first condition that the plan
///   waited for ([`wait_until`](Plan::wait_until), [`wait_for_output`](Plan::wait_for_output)). So the stop
///   signal does not reach a process that is still starting, and the last points show whether it can be
///   started again.
///
/// # What is exact
///
/// KILL arrives a moment after the line that a point names: the line has to be read first, and meanwhile the
/// process runs on. If it matters what the process does after a line, let it wait there, for example for
/// input of the next step.
///
/// Input is exact: if a step [sends](Plan::send_input) something to the process, or closes its input, and the
/// process is to be killed when the following step begins, then the input is withheld from it. Otherwise it
/// would depend on luck whether the process reads it before it is killed. The error names the steps whose
/// input was lost. If other steps lie between the input and the crash, and the process has printed no line
/// since, then the process may or may not have read it; the error says so.
///
/// # Reproduction
///
/// The first point at which the plan fails is the [error](CrashError). It contains a shell command that runs
/// just that point: `CHILDMINDER_CRASH_POINT=<plan>/<process>@<point>`, followed by the command line of this
/// program. In a test binary the command runs this test alone, by the name of the thread that calls
/// [`run`](Self::run) or [`run_async`](Self::run_async). While the variable is set, the plan and process that
/// it names are run with this crash only, and all others without any.
///
/// There is one run per point and one more; [`only`](Self::only) leaves out points. In a
/// [`Sim`](crate::testkit::Sim) the points are always the same.
///
/// ```
/// use childminder::{Exit, Plan};
///
/// let mut plan = Plan::new("greeting")?;
/// let hello = plan.spawn(["sh", "-c", "echo hello; exec cat"])?;
/// plan.wait_for_output(hello, "hello")?;
/// plan.close_input(hello)?;
/// plan.wait(hello, Exit::success())?;
///
/// let report = plan.crash_points(hello).run()?;
/// assert_eq!(report.points.len() + report.not_reached.len(), 4); // three steps and a line
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing runs before `run` or `run_async` is called"]
pub struct CrashPoints {
    host: Arc<dyn Host>,
    script: Script,
    /// `None` if the process belongs to another plan.
    process: Option<ProcessRef>,
    after: AfterCrash,
    filter: Option<Filter>,
}

type Filter = Box<dyn Fn(CrashPoint) -> bool + Send + Sync>;

impl Plan {
    /// Returns a search that runs the plan once for each point at which this process can crash: when a step
    /// begins, and when it has printed a line. See [`CrashPoints`].
    pub fn crash_points(&self, process: ProcessRef) -> CrashPoints {
        CrashPoints {
            host: self.host.clone(),
            script: self.script.clone(),
            process: (process.plan() == self.id).then_some(process),
            after: AfterCrash::Restart,
            filter: None,
        }
    }
}

impl CrashPoints {
    /// Leaves the process dead after the crash. It then counts as ended as expected, input for it is dropped,
    /// and a step that waits for something it has not done fails at once. Default: it is started again.
    pub fn stays_dead(mut self) -> Self {
        self.after = AfterCrash::StaysDead;
        self
    }

    /// Runs only the points for which `wanted` returns `true`. Default: all points.
    pub fn only(mut self, wanted: impl Fn(CrashPoint) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Box::new(wanted));
        self
    }

    /// Runs all points on this thread, until one fails.
    ///
    /// # Errors
    ///
    /// [`CrashError`] if the plan fails, with or without a crash, or if there is no point.
    pub fn run(self) -> Result<CrashReport, CrashError> {
        System::block_on(self.run_async())
    }

    /// Returns a future that runs all points, on any executor. Dropping it ends the current run, as for
    /// [`Plan::run_async`].
    ///
    /// # Errors
    ///
    /// [`CrashError`] as from [`run`](Self::run).
    pub fn run_async(self) -> impl Future<Output = Result<CrashReport, CrashError>> + Send {
        // Taken now: an executor may poll the future on a thread with another name.
        let (selected, command) = (NamedPoint::from_env(), this_command());
        async move { Search::new(self, command)?.run(selected).await }
    }
}

impl fmt::Debug for CrashPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashPoints")
            .field("plan", &self.script.name)
            .field("process", &self.process.map(|process| self.script.name(process)))
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// The search for a point at which the plan fails.
struct Search {
    host: Arc<dyn Host>,
    script: Script,
    process: ProcessRef,
    name: Name,
    after: AfterCrash,
    filter: Option<Filter>,
    /// The command that runs this search again.
    command: Spec,
}

/// A run with a crash point that passed.
enum Trial {
    Crashed,
    NotReached(Report),
}

impl Search {
    fn new(points: CrashPoints, command: Spec) -> Result<Self, PlanError> {
        let CrashPoints { host, script, process, after, filter } = points;
        let Some(process) = process else {
            return Err(PlanError::early(&script.name, script.texts(), None, PlanErrorKind::ForeignProcess));
        };
        let name = script.name(process).clone();
        Ok(Self { host, script, process, name, after, filter, command })
    }

    /// Runs the point that the environment selects, or all points if it selects none.
    async fn run(&self, selected: Option<Result<NamedPoint, String>>) -> Result<CrashReport, CrashError> {
        let selected = match selected {
            None => return self.run_all().await,
            Some(Ok(selected)) => selected,
            Some(Err(value)) => return Err(CrashError::variable(value, VariableProblem::Malformed)),
        };
        let names = || self.script.processes.iter().map(|process| &process.name);
        let is_this_plan = selected.plan == self.script.name;
        if is_this_plan && selected.process == *self.name {
            return self.run_one(&selected).await;
        }
        if is_this_plan && !names().any(|name| **name == *selected.process) {
            let problem = VariableProblem::NoSuchProcess(names().cloned().collect());
            return Err(CrashError::variable(selected.to_string(), problem));
        }
        // The point belongs to another search of this program.
        self.begin_run(None).await?;
        Ok(self.report([]))
    }

    async fn run_all(&self) -> Result<CrashReport, CrashError> {
        let report = self.begin_run(None).await?;
        let mut points = CrashPoint::all_in(report.journal(), &self.name);
        points.retain(|point| self.filter.as_ref().is_none_or(|wanted| wanted(*point)));
        if points.is_empty() {
            return Err(CrashError::NoPoints { plan: self.script.name.clone(), process: self.name.clone() });
        }
        let mut report = self.report([]);
        for (i, point) in points.iter().enumerate() {
            let (number, all) = (i + 1, points.len());
            log::info!(target: TARGET, "crash point {number} of {all}: {}", self.named(*point));
            match self.try_often(*point).await {
                Ok(Trial::Crashed) => report.points.push(*point),
                Ok(Trial::NotReached(_)) => report.not_reached.push(*point),
                Err(CrashError::Failed(failure)) => {
                    let (position, not_reached) = (Some((number, all)), report.not_reached);
                    let failure = CrashFailure { position, not_reached, ..*failure };
                    return Err(CrashError::Failed(Box::new(failure)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }

    /// Runs the selected point. Whether it exists is known only when it was not reached.
    async fn run_one(&self, selected: &NamedPoint) -> Result<CrashReport, CrashError> {
        log::info!(target: TARGET, "this crash point only: {selected}");
        let known = match self.try_often(selected.point).await? {
            Trial::Crashed => return Ok(self.report([selected.point])),
            Trial::NotReached(report) => CrashPoint::all_in(report.journal(), &self.name),
        };
        let problem = if known.contains(&selected.point) {
            VariableProblem::NotReached(TRIES)
        } else {
            VariableProblem::NoSuchPoint(known)
        };
        Err(CrashError::variable(selected.to_string(), problem))
    }

    fn report<const N: usize>(&self, points: [CrashPoint; N]) -> CrashReport {
        CrashReport {
            plan: self.script.name.clone(),
            process: self.name.clone(),
            points: points.into(),
            not_reached: Vec::new(),
        }
    }
}

/// Trying one point.
impl Search {
    async fn try_often(&self, point: CrashPoint) -> Result<Trial, CrashError> {
        let mut trial = self.try_once(point).await?;
        for _ in 1..TRIES {
            match trial {
                Trial::Crashed => break,
                Trial::NotReached(_) => trial = self.try_once(point).await?,
            }
        }
        Ok(trial)
    }

    async fn try_once(&self, point: CrashPoint) -> Result<Trial, CrashError> {
        let error = match self.begin_run(Some(point)).await {
            Ok(report) if Crash::is_in(report.journal(), &self.name) => return Ok(Trial::Crashed),
            Ok(report) => return Ok(Trial::NotReached(report)),
            Err(error) => error,
        };
        if !Crash::is_in(error.journal(), &self.name) {
            return Err(CrashError::Unsteady { point, error });
        }
        let (lost_inputs, unanswered_inputs) = inputs_before_crash(error.journal(), &self.name);
        Err(CrashError::Failed(Box::new(CrashFailure {
            plan: self.script.name.clone(),
            process: self.name.clone(),
            point,
            moment: self.moment(point, error.directory()),
            restarted: self.after == AfterCrash::Restart,
            position: None,
            not_reached: Vec::new(),
            lost_inputs,
            unanswered_inputs,
            reproduction: self.named(point).command_line(&self.command),
            error,
        })))
    }

    fn begin_run(&self, point: Option<CrashPoint>) -> RunFuture {
        let crash = point.map(|point| Crash { process: self.process, point, after: self.after });
        RunFuture::new(self.host.clone(), self.script.clone(), crash)
    }

    fn named(&self, point: CrashPoint) -> NamedPoint {
        NamedPoint::new(&self.script.name, &self.name, point)
    }

    /// Returns the text of the step of a point, or of the line as it is in the log of the failed run.
    fn moment(&self, point: CrashPoint, directory: Option<&Path>) -> String {
        match point {
            CrashPoint::Step(step) => self.script.text(&self.script.steps[step - 1]),
            CrashPoint::Line { stream, line } => {
                let log = directory.map(|directory| directory.join(format!("{}.{stream}", self.name)));
                let text = log.and_then(|log| nth_line(&log, line));
                text.unwrap_or_else(|| format!("line {line} of its {stream}"))
            }
        }
    }
}

/// Returns the line with this number, counted from 1, as printable text.
fn nth_line(log: &Path, number: u64) -> Option<String> {
    let before = usize::try_from(number - 1).ok()?;
    let line = BufReader::new(File::open(log).ok()?).split(b'\n').nth(before)?.ok()?;
    let bytes = line.strip_suffix(b"\r").unwrap_or(&line);
    Some(Line::new(bytes).text().into_owned())
}
