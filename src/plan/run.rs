//! A run of a plan: executes what the executor requests, beside the driver of a monitor.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::crash::point::Crash;
use super::error::{OutputTail, Parts, PlanError, PlanErrorKind};
use super::executor::{Event, Executor, Failure, Output};
use super::files::Files;
use super::input::Input;
use super::observer::{ProcessObserver, RunLog};
use super::process::ProcessRef;
use super::script::{Op, Script};
use crate::drive::{self, Alarm, ClockCheck, Driver, StateMachine, Step};
use crate::host::Host;
use crate::host::tap::{Start, StartQueue, TapHost};
use crate::machine::{Name, Policy, Signal};
use crate::monitor::{MonitorDriver, ProcessMonitor, StopError, Ticket};
use crate::plan::journal::{Journal, JournalEvent};
use crate::ready::{ConditionStatus, UntilReady, Watch};
use crate::sync::Lock;

/// The number of last lines of each stream that an error shows.
const LAST_LINES: usize = 20;

/// The time for which the exit of a process may lag behind the end of its input. The kernel closes the
/// descriptors of a dying process before it reports the exit, and the exit is what should be reported.
const EXIT_LAG: Duration = Duration::from_millis(200);

/// The result of a run that passed.
///
/// ```
/// use childminder::{Exit, Plan};
///
/// let mut plan = Plan::new("hello")?;
/// let hello = plan.spawn(["echo", "hello"])?;
/// plan.wait(hello, Exit::success())?;
///
/// let report = plan.run()?;
/// assert_eq!(report.journal().processes().len(), 1);
/// println!("passed after {:?}", report.took());
/// # Ok::<(), childminder::PlanError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    journal: Journal,
    took: Duration,
    directory: Option<PathBuf>,
}

/// A run of a [`Plan`](crate::Plan): a future for any executor.
///
/// Dropping it kills all processes of the run with their descendants, and keeps the directory.
#[must_use = "nothing runs before this is awaited"]
pub struct RunFuture(State);

enum State {
    New {
        host: Arc<dyn Host>,
        script: Script,
        crash: Option<Crash>,
    },
    Running(Box<Run>),
    /// The verdict is known, and the monitor delivers the last output before the test ends.
    Flushing(Box<MonitorDriver>, Box<Result<Report, PlanError>>),
    Over,
}

impl Report {
    /// Returns the journal of the run.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns the duration of the run.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Returns the directory with the logs if it was kept, which is the case with `CHILDMINDER_KEEP=1`.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Returns a picture of the run; see [`Journal::timeline_svg`].
    pub fn timeline_svg(&self) -> String {
        self.journal.timeline_svg()
    }
}

impl RunFuture {
    pub(super) fn new(host: Arc<dyn Host>, script: Script, crash: Option<Crash>) -> Self {
        Self(State::New { host, script, crash })
    }
}

impl Future for RunFuture {
    type Output = Result<Report, PlanError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New { host, script, crash } = &self.0 {
            match Run::begin(host.clone(), Arc::new(script.clone()), *crash) {
                Ok(run) => self.0 = State::Running(Box::new(run)),
                Err(error) => {
                    self.0 = State::Over;
                    return Poll::Ready(Err(error));
                }
            }
        }
        if let State::Running(run) = &mut self.0 {
            let verdict = ready!(drive::poll_driver(&mut **run, ClockCheck::WhenQuiet, cx));
            let State::Running(run) = mem::replace(&mut self.0, State::Over) else {
                unreachable!("the run was just polled")
            };
            let (driver, outcome) = run.finish(verdict);
            // With survivors the driver would not end.
            let has_survivors = outcome.as_ref().is_err_and(|error| error.survivors().is_some());
            if has_survivors {
                return Poll::Ready(outcome);
            }
            self.0 = State::Flushing(Box::new(driver), Box::new(outcome));
        }
        if let State::Flushing(driver, _) = &mut self.0 {
            ready!(Pin::new(driver).poll(cx));
        }
        match mem::replace(&mut self.0, State::Over) {
            State::Flushing(_, outcome) => Poll::Ready(*outcome),
            State::New { .. } | State::Running(_) | State::Over => {
                panic!("the future of a plan was polled after its end")
            }
        }
    }
}

impl Drop for RunFuture {
    fn drop(&mut self) {
        if let State::Running(run) = mem::replace(&mut self.0, State::Over) {
            run.abandon();
        }
    }
}

impl fmt::Debug for RunFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunFuture").finish_non_exhaustive()
    }
}

/// A run in progress.
struct Run {
    script: Arc<Script>,
    executor: Executor,
    host: Arc<dyn Host>,
    log: Arc<Lock<RunLog>>,
    starts: StartQueue,
    monitor: ProcessMonitor,
    driver: MonitorDriver,
    /// The write ends of the open standard inputs, by the index of the process.
    inputs: HashMap<usize, Arc<Input>>,
    /// For each step that waits until a process is ready, the wait that began with the start of the process.
    waits: HashMap<usize, UntilReady>,
    /// The work of the current step, besides the processes.
    work: Option<(usize, Work)>,
    /// The state of the conditions of the failed step, if it waited until a process is ready.
    progress: Vec<ConditionStatus>,
    cleanup: Option<Ticket>,
    alarm: Alarm,
}

type Verdict = Result<(), (Failure, Option<StopError>)>;

enum Work {
    Until(Box<UntilReady>),
    Other(Pin<Box<dyn Future<Output = Result<(), PlanErrorKind>> + Send>>),
}

impl Run {
    fn begin(host: Arc<dyn Host>, script: Arc<Script>, crash: Option<Crash>) -> Result<Self, PlanError> {
        let names = script.processes.iter().map(|process| process.name.clone()).collect();
        let now = host.now();
        let files = Files::create(&script.name, names)
            .map_err(|kind| PlanError::early(&script.name, script.texts(), None, kind))?;
        let log = Arc::new(Lock::new(RunLog::new(&script, files, now)));
        let starts = StartQueue::default();
        let tap = TapHost::new(host.clone(), starts.clone());
        let (monitor, driver) = ProcessMonitor::builder().for_tests().build_unchecked(Arc::new(tap));
        for process in &script.processes {
            // The steps of the plan decide what is waited for.
            let added = monitor.add_process(&process.name, process.spec.clone().without_requirement());
            added.expect("the plan has checked the name and the spec");
        }
        let mut run = Self {
            executor: Executor::new(script.clone(), crash),
            script,
            host,
            log,
            starts,
            monitor,
            driver,
            inputs: HashMap::new(),
            waits: HashMap::new(),
            work: None,
            progress: Vec::new(),
            cleanup: None,
            alarm: Alarm::default(),
        };
        run.executor.begin(now);
        Ok(run)
    }

    fn note(&self, event: JournalEvent, now: Instant) {
        self.log.lock().note(event, now);
    }
}

impl Driver for Run {
    type End = Verdict;
    type Machine = Executor;

    fn machine<T>(&mut self, act: impl FnOnce(&mut Executor) -> T) -> T {
        act(&mut self.executor)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &*self.host)
    }

    fn execute(&mut self, output: Output) -> Step<Verdict> {
        match output {
            Output::Over(verdict) => return Step::Done(verdict),
            // The driver of the monitor sends KILL, and nothing else of the script may come before that.
            Output::Crash(process) => {
                self.crash(process);
                return Step::Pause;
            }
            Output::Spawn(process) => {
                if let Err(kind) = self.spawn(process) {
                    self.executor.handle_event(Event::Broken(kind), self.host.now());
                }
            }
            Output::Kill(process) => {
                let stopping = self.monitor.stop_process(self.script.name(process));
                drop(stopping.expect("the monitor knows the process"));
            }
            Output::Begin(step) => self.begin_step(step),
            Output::Withhold(step) => self.withhold(step),
            Output::StepBegan(step) => {
                self.note(JournalEvent::StepBegan { step: step + 1 }, self.host.now());
            }
            Output::StepEnded(step) => {
                self.work = None;
                self.note(JournalEvent::StepEnded { step: step + 1 }, self.host.now());
            }
            Output::Failed(failure) => self.fail(&failure),
            Output::KillAll => self.cleanup = Some(self.monitor.kill_service()),
        }
        Step::Continue
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        // The driver ends with the last handle of the monitor, and this run has one.
        let _ = Pin::new(&mut self.driver).poll(cx);
        self.handle_processes() | self.poll_work(cx) | self.poll_cleanup(cx)
    }
}

/// The sources of events.
impl Run {
    fn handle_processes(&mut self) -> bool {
        let events = self.log.lock().take_events();
        let any = !events.is_empty();
        for (event, at) in events {
            self.executor.handle_event(event, at);
        }
        any
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((step, work)) = &mut self.work else { return false };
        let result = match work {
            Work::Until(wait) => match Pin::new(wait).poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(ready)) => {
                    ready.process.observe_family();
                    Ok(())
                }
                // The process has ended, which is an event of its own.
                Poll::Ready(Err(_)) => {
                    self.work = None;
                    return true;
                }
            },
            Work::Other(work) => match work.as_mut().poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(result) => result,
            },
        };
        let step = *step;
        self.work = None;
        self.executor.handle_event(Event::Done { step, result }, self.host.now());
        true
    }

    fn poll_cleanup(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(ticket) = &mut self.cleanup else { return false };
        let Poll::Ready(result) = Pin::new(ticket).poll(cx) else { return false };
        self.cleanup = None;
        self.executor.handle_event(Event::Cleared(result.err()), self.host.now());
        true
    }
}

/// Executing the outputs.
impl Run {
    /// Starts a process with what it needs for this start: an input, the means to notify, and its observers.
    fn spawn(&mut self, process: ProcessRef) -> Result<(), PlanErrorKind> {
        let def = self.script.process(process);
        let system = |what: &str| {
            let what = format!("cannot create {what} for {}", def.name);
            move |error| PlanErrorKind::System { what, error: Arc::new(error) }
        };
        let mut spec = def.spec.clone();
        if def.has_input {
            let (input, stdin) = Input::new().map_err(system("a pipe for the standard input"))?;
            spec = spec.stdin(stdin);
            self.inputs.insert(process.index(), Arc::new(input));
        }
        let mut host = self.host.clone();
        // A successor is waited for anew, even if its predecessor was recognized by its output.
        let comeback =
            self.executor.is_successor(process).then(|| self.script.first_output_wait(process)).flatten();
        for (step, condition) in self.script.conditions_of(process).chain(comeback) {
            let watch = Watch::new(host, condition, Policy::LONGEST, None);
            spec = watch.equip(spec).map_err(system("the means to notify"))?;
            self.waits.insert(step, watch.arm());
            host = Arc::new(watch.host());
        }
        let observer = Arc::new(ProcessObserver::new(process, self.log.clone()));
        self.starts.announce(Start { observer, replacement: Some((host, spec)) });
        self.monitor.start_process(&def.name).expect("the monitor knows the process");
        Ok(())
    }

    fn crash(&mut self, process: ProcessRef) {
        // The successor is asked for what the current step has asked of this process.
        let script = &self.script;
        self.work.take_if(|(step, _)| script.steps[*step].op.is_about(process));
        let name = script.name(process);
        let point = self.executor.crash_point().map(|point| point.to_string()).unwrap_or_default();
        self.note(JournalEvent::Crashed { process: name.clone(), point }, self.host.now());
        self.monitor.signal_process(name, Signal::KILL).expect("the monitor knows the process");
    }

    fn begin_step(&mut self, step: usize) {
        let now = self.host.now();
        let work = match &self.script.steps[step].op {
            // The executor handles output itself, except for that of a successor.
            Op::WaitUntil { .. } | Op::WaitForOutput { .. } => {
                let wait = self.waits.remove(&step).expect("the wait began with the process");
                Work::Until(Box::new(wait))
            }
            Op::Call { what, call } => match call.begin(self.host.has_threads()) {
                Ok(calling) => Work::Other(calling),
                Err(error) => {
                    let what = format!("cannot create a thread to call `{what}`");
                    let kind = PlanErrorKind::System { what, error: Arc::new(error) };
                    return self.executor.handle_event(Event::Broken(kind), now);
                }
            },
            Op::Send { process, input } => {
                let pipe = self.inputs.get(&process.index()).expect("open until a step closes it").clone();
                let (input, process) = (input.clone(), self.script.name(*process).clone());
                self.note(JournalEvent::InputSent { process: process.clone(), bytes: input.len() }, now);
                let host = self.host.clone();
                Work::Other(Box::pin(async move {
                    let Err(error) = pipe.send(&input).await else { return Ok(()) };
                    // If the process is dying, its exit arrives soon and is reported instead.
                    host.sleep_until(host.now() + EXIT_LAG).await;
                    Err(PlanErrorKind::InputRefused { process, error: Arc::new(error) })
                }))
            }
            Op::CloseInput { process } => {
                self.inputs.remove(&process.index());
                return self.executor.handle_event(Event::Done { step, result: Ok(()) }, now);
            }
            Op::Spawn(_) | Op::Wait(_) | Op::Kill { .. } => {
                unreachable!("the executor handles these steps itself")
            }
        };
        self.work = Some((step, work));
    }

    /// Notes that the input of a step is not sent, because the process is about to be killed.
    fn withhold(&self, step: usize) {
        if let Op::Send { process, input } = &self.script.steps[step].op {
            let process = self.script.name(*process).clone();
            self.note(JournalEvent::InputLost { process, bytes: input.len() }, self.host.now());
        }
    }

    fn fail(&mut self, failure: &Failure) {
        // A called function is left alone. The wait for a process would forget its state when the process is
        // killed.
        if let Some((_, Work::Until(wait))) = self.work.take() {
            self.progress = wait.progress();
        }
        let reason = failure.kind.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let processes = failure.kind.processes();
        let failed = JournalEvent::Failed { step: failure.step + 1, processes, reason };
        self.note(failed, self.host.now());
    }
}

/// The end of a run.
impl Run {
    /// Returns the outcome, and the driver of the monitor, which ends when it has delivered all output.
    fn finish(self, verdict: Verdict) -> (MonitorDriver, Result<Report, PlanError>) {
        let Self { script, host, executor, log, driver, progress, .. } = self;
        let log = log.lock();
        let (journal, files) = (&log.journal, &log.files);
        let outcome = match verdict {
            Ok(()) => {
                let directory = files.discard(journal);
                Ok(Report { journal: journal.clone(), took: log.since(host.now()), directory })
            }
            Err((Failure { step, mut kind }, survivors)) => {
                if let PlanErrorKind::TimedOut { progress: states, .. } = &mut kind {
                    *states = progress;
                }
                let described = described(&kind, executor.crashed_process().map(|it| script.name(it)));
                Err(PlanError::of_run(Parts {
                    plan: script.name.clone(),
                    step: Some(step + 1),
                    steps: script.texts(),
                    journal: journal.clone(),
                    tails: tails(&script, files, &described),
                    kind,
                    described,
                    survivors,
                    directory: Some(files.keep(journal).to_owned()),
                }))
            }
        };
        drop(log);
        (driver, outcome)
    }

    /// Kills everything and keeps the files of a run whose future was dropped.
    fn abandon(self) {
        let Self { script, host, log, monitor, driver, .. } = self;
        log.lock().note_abandoned(host.now());
        drop(monitor);
        drop(driver);
        let log = log.lock();
        let directory = log.files.keep(&log.journal);
        log::warn!(
            "plan {} was dropped before its end; its logs are in {}",
            script.name,
            directory.display()
        );
    }
}

/// Returns the processes that an error describes: those of the failure, and the one that was crashed on
/// purpose.
fn described(kind: &PlanErrorKind, crashed: Option<&Name>) -> Vec<Name> {
    let mut described = kind.processes();
    if let Some(crashed) = crashed.filter(|name| !described.contains(name)) {
        // First, since only the first few are described.
        described.insert(0, crashed.clone());
    }
    described
}

/// Returns the last lines of output of these processes.
fn tails(script: &Script, files: &Files, described: &[Name]) -> Vec<OutputTail> {
    let processes = script.processes.iter().enumerate().filter(|(_, def)| described.contains(&def.name));
    let tails = processes.flat_map(|(i, def)| {
        files.tails(i, LAST_LINES).map(|(stream, lines)| OutputTail {
            process: def.name.clone(),
            stream,
            lines,
        })
    });
    tails.collect()
}
