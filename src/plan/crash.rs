//! A plan is run again and again, and each time one of its processes crashes at another point.
//!
//! 1. A run in which nobody crashes. What happens in it while the process is up are the points: each step that begins, and
//!    each line that it prints. A plan that fails here has not survived anything yet, and its error is the error.
//! 2. A run for each point, in the order in which they came. The executor has KILL sent at the point, before anything else
//!    is done that the script asks for. So what is killed has not heard of the step, and no step that waits for the line
//!    has gone on because of it; how far the process itself has come since it printed the line, nobody can know.
//! 3. The first run that fails is the end of it. A process that ends by itself just then is faster than KILL at times; so
//!    a point that was not reached is tried again, and at last told of.
//!
//! Each run is one like any other. That there are more of them is known only here.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use super::Plan;
use super::error::{PlanError, PlanProblem, PlanStory};
use super::mistake::PlanMistake;
use super::not_survived::{CrashError, CrashFailure, VariableProblem};
use super::planned::ProcessRef;
use super::point::{After, Crash, CrashPoint};
use super::report::Report;
use super::reproduction::{Place, this_command};
use super::run::RunFuture;
use super::script::Script;
use super::survived::CrashReport;
use crate::host::{Host, Spec};
use crate::machine::Name;
use crate::output::Line;

/// How often a point is tried until it counts as not reached.
const TRIES: u32 = 3;

/// Where it is logged which point is tried.
const TARGET: &str = "childminder::plan";

/// Crashes of one process of a [`Plan`], at every point at which it can crash: what
/// [`crash_points`](Plan::crash_points) returns.
///
/// First the plan is run as it is. Then it is run once for each *point*, in the order in which they came in that first
/// run, and each time the process and its group get KILL there:
///
/// * when a step begins while the process is up, before anything is done for the step. The step that starts the process
///   is none of these; the one that waits for its end, or kills it, is;
/// * when it has printed a line, to either stream; also the lines that it prints when it is asked to end.
///
/// Then it is started again at once, as a monitor would do it, or it [stays dead](Self::stays_dead); and the plan goes on as
/// if nothing had happened. Its end is judged by nobody. Whatever else is not as expected fails the plan as ever: a client
/// that does not try again, a server that finds half a file when it comes back. What helps to write a plan for this:
///
/// * The first step should clear away what the run before has left in files and elsewhere.
/// * What a step has asked of the one that has crashed is asked of the one that comes back, if the step is not done. What
///   earlier steps have sent to it is lost; an input that they have closed is closed.
/// * What is [waited for in its output](Plan::wait_for_output) may have been printed before the crash or after it.
/// * A `kill` waits until the one that comes back is up: until it meets what the plan has waited for first
///   ([`wait_until`](Plan::wait_until), [`wait_for_output`](Plan::wait_for_output)). So nobody is asked to end who has not
///   heard of the signal yet, and the last points show whether it can still be started.
///
/// The first point that the plan does not survive is the [error](CrashError), with a line for the shell that runs just that
/// point: `CHILDMINDER_CRASH_POINT=<plan>/<process>@<point>`, and the command line of this program. In a test binary it runs
/// this test alone, the one by whose name the thread is called that calls [`run`](Self::run) or [`run_async`](Self::run_async).
/// While the variable is set, the plan and process that it names are run with this crash and no other, and all others
/// are run without any.
///
/// There are as many runs as there are points, and one more; [`only`](Self::only) leaves some out. Nothing depends on how long
/// something takes: in a [`Sim`](crate::testkit::Sim) the points are always the same.
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
/// let survived = plan.crash_points(hello).run()?;
/// assert_eq!(survived.points.len() + survived.not_reached.len(), 4); // three steps and a line
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing runs before `run` or `run_async` is called"]
pub struct CrashPoints {
    host: Arc<dyn Host>,
    script: Script,
    /// `None`: it is of another plan.
    process: Option<ProcessRef>,
    after: After,
    only: Option<Only>,
}

/// Whether a point is wanted.
type Only = Box<dyn Fn(CrashPoint) -> bool + Send + Sync>;

impl Plan {
    /// Runs the plan again and again, and has this process crash at each point at which it can: when a step begins, and
    /// when it has printed a line. See [`CrashPoints`].
    pub fn crash_points(&self, process: ProcessRef) -> CrashPoints {
        CrashPoints {
            host: self.host.clone(),
            script: self.script.clone(),
            process: (process.plan() == self.id).then_some(process),
            after: After::Restart,
            only: None,
        }
    }
}

impl CrashPoints {
    /// Leaves the process dead when it has crashed, as if nobody minded it. Whatever end the plan expects of it, this one
    /// will do; what is sent to it is lost; and if something is waited for that it has not done yet, the plan fails at once.
    /// Default: it is started again.
    pub fn stays_dead(mut self) -> Self {
        self.after = After::StaysDead;
        self
    }

    /// Leaves out all points but those that `wanted` likes. Default: all are run.
    pub fn only(mut self, wanted: impl Fn(CrashPoint) -> bool + Send + Sync + 'static) -> Self {
        self.only = Some(Box::new(wanted));
        self
    }

    /// Runs them all, on this thread, and returns at the first one that the plan does not survive.
    ///
    /// # Errors
    ///
    /// [`CrashError`]: the plan has failed after a crash, or without one; or there is no point.
    pub fn run(self) -> Result<CrashReport, CrashError> {
        futures_lite::future::block_on(self.run_async())
    }

    /// The same for asynchronous code, on any executor. Dropping the future ends the run that is under way, as for
    /// [`Plan::run_async`].
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_async(self) -> impl Future<Output = Result<CrashReport, CrashError>> + Send {
        // The executor may poll it on a thread of its own, and that has another name.
        let (wanted, command) = (Place::wanted(), this_command());
        async move { Search::new(self, command)?.run(wanted).await }
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

/// The search for a point that is not survived.
struct Search {
    host: Arc<dyn Host>,
    script: Script,
    process: ProcessRef,
    name: Name,
    after: After,
    only: Option<Only>,
    /// What runs this search again.
    command: Spec,
}

/// A run with a crash that did not fail.
enum Trial {
    CrashReport,
    /// The process has not crashed.
    NotReached(Report),
}

impl Search {
    fn new(points: CrashPoints, command: Spec) -> Result<Self, PlanError> {
        let CrashPoints { host, script, process, after, only } = points;
        let Some(process) = process else {
            let problem = PlanProblem::Mistake(PlanMistake::AnotherPlan);
            return Err(PlanStory::early(&script.name, script.texts(), None, problem).into());
        };
        let name = script.name(process).clone();
        Ok(Self { host, script, process, name, after, only, command })
    }

    /// Runs what the variable asks for; everything, if it is not set.
    async fn run(&self, wanted: Option<Result<Place, String>>) -> Result<CrashReport, CrashError> {
        let place = match wanted {
            None => return self.all().await,
            Some(Ok(place)) => place,
            Some(Err(value)) => {
                return Err(CrashError::Variable { value, problem: VariableProblem::Unreadable });
            }
        };
        let cast = || self.script.cast.iter().map(|role| &role.name);
        let is_ours = place.plan == self.script.name;
        if is_ours && place.process == *self.name {
            return self.one(&place).await;
        }
        if is_ours && !cast().any(|name| **name == *place.process) {
            let problem = VariableProblem::NoSuchProcess(cast().cloned().collect());
            return Err(CrashError::Variable { value: place.to_string(), problem });
        }
        // It is somebody else's turn.
        self.running(None).await?;
        Ok(self.survived([]))
    }

    async fn all(&self) -> Result<CrashReport, CrashError> {
        let report = self.running(None).await?;
        let mut points = CrashPoint::all_in(report.journal(), &self.name);
        points.retain(|point| self.only.as_ref().is_none_or(|wanted| wanted(*point)));
        if points.is_empty() {
            return Err(CrashError::NoPoints { plan: self.script.name.clone(), process: self.name.clone() });
        }
        let mut survived = self.survived([]);
        for (i, point) in points.iter().enumerate() {
            let (number, all) = (i + 1, points.len());
            log::info!(target: TARGET, "crash point {number} of {all}: {}", self.place(*point));
            match self.try_often(*point).await {
                Ok(Trial::CrashReport) => survived.points.push(*point),
                Ok(Trial::NotReached(_)) => survived.not_reached.push(*point),
                Err(CrashError::CrashFailure(story)) => {
                    let (position, not_reached) = (Some((number, all)), survived.not_reached);
                    let story = CrashFailure { position, not_reached, ..*story };
                    return Err(CrashError::CrashFailure(Box::new(story)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(survived)
    }

    /// The one point that the variable asks for. Whether there is such a point is known when it was not reached.
    async fn one(&self, place: &Place) -> Result<CrashReport, CrashError> {
        log::info!(target: TARGET, "this crash point only: {place}");
        let there_is = match self.try_often(place.point).await? {
            Trial::CrashReport => return Ok(self.survived([place.point])),
            Trial::NotReached(report) => CrashPoint::all_in(report.journal(), &self.name),
        };
        let problem = if there_is.contains(&place.point) {
            VariableProblem::NotReached(TRIES)
        } else {
            VariableProblem::NoSuchPoint(there_is)
        };
        Err(CrashError::Variable { value: place.to_string(), problem })
    }

    fn survived<const N: usize>(&self, points: [CrashPoint; N]) -> CrashReport {
        CrashReport {
            plan: self.script.name.clone(),
            process: self.name.clone(),
            points: points.into(),
            not_reached: Vec::new(),
        }
    }
}

/// One point.
impl Search {
    async fn try_often(&self, point: CrashPoint) -> Result<Trial, CrashError> {
        let mut trial = self.try_once(point).await?;
        for _ in 1..TRIES {
            match trial {
                Trial::CrashReport => break,
                Trial::NotReached(_) => trial = self.try_once(point).await?,
            }
        }
        Ok(trial)
    }

    async fn try_once(&self, point: CrashPoint) -> Result<Trial, CrashError> {
        let error = match self.running(Some(point)).await {
            Ok(report) if Crash::has_come(report.journal(), &self.name) => return Ok(Trial::CrashReport),
            Ok(report) => return Ok(Trial::NotReached(report)),
            Err(error) => error,
        };
        if !Crash::has_come(&error.journal, &self.name) {
            return Err(CrashError::Unsteady { point, error });
        }
        Err(CrashError::CrashFailure(Box::new(CrashFailure {
            plan: self.script.name.clone(),
            process: self.name.clone(),
            point,
            moment: self.moment(point, error.directory.as_deref()),
            restarted: self.after == After::Restart,
            position: None,
            not_reached: Vec::new(),
            reproduction: self.place(point).line(&self.command),
            error,
        })))
    }

    fn running(&self, point: Option<CrashPoint>) -> RunFuture {
        let crash = point.map(|point| Crash { process: self.process, point, after: self.after });
        RunFuture::new(self.host.clone(), self.script.clone(), crash)
    }

    fn place(&self, point: CrashPoint) -> Place {
        Place::new(&self.script.name, &self.name, point)
    }

    /// What there is to see at the point: the step, or the line, as it is in the log of the run that has failed.
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

/// The line with this number, the first being 1, as it can be shown.
fn nth_line(log: &Path, number: u64) -> Option<String> {
    let before = usize::try_from(number - 1).ok()?;
    let line = BufReader::new(File::open(log).ok()?).split(b'\n').nth(before)?.ok()?;
    let bytes = line.strip_suffix(b"\r").unwrap_or(&line);
    Some(Line::new(bytes).text().into_owned())
}
