//! A run: carries out what the machine wants, beside the driver of a monitor.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::error::{PlanError, PlanProblem, PlanStory, StepFailure};
use super::files::Files;
use super::input::Input;
use super::journal::JournalEvent;
use super::planned::ProcessRef;
use super::point::Crash;
use super::record::Record;
use super::recorder::{Recorder, Start};
use super::report::Report;
use super::script::{Op, Script};
use super::vm::{Event, Failure, Output, Vm};
use crate::drive::{self, Alarm, ClockCheck, Driver, StateMachine, Step};
use crate::host::Host;
use crate::machine::{Policy, Signal};
use crate::monitor::{MonitorDriver, ProcessMonitor, StopError, Ticket};
use crate::ready::{ConditionStatus, UntilReady, Watch};

/// How many of its last lines of each stream an error shows.
const LAST_LINES: usize = 20;

/// How long the exit of a process may be behind the end of its input. The system closes the one before it tells the other,
/// and of the two the exit is what there is to know.
const DYING: Duration = Duration::from_millis(200);

/// A run of a [`Plan`](super::Plan): a future, for any executor.
///
/// Dropping it kills everything that was started, with all groups, and keeps the directory.
#[must_use = "nothing runs before this is awaited"]
pub struct RunFuture(State);

enum State {
    New {
        host: Arc<dyn Host>,
        script: Script,
        crash: Option<Crash>,
    },
    Under(Box<Run>),
    /// The verdict is there, and the last output is on its way to the test, which would not show it later.
    Flushing(Box<MonitorDriver>, Box<Result<Report, PlanError>>),
    Over,
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
                Ok(run) => self.0 = State::Under(Box::new(run)),
                Err(error) => {
                    self.0 = State::Over;
                    return Poll::Ready(Err(error));
                }
            }
        }
        if let State::Under(run) = &mut self.0 {
            let verdict = ready!(run.poll(cx));
            let State::Under(run) = mem::replace(&mut self.0, State::Over) else {
                unreachable!("just polled")
            };
            let (driver, outcome) = run.end(verdict);
            let has_survivors = outcome.as_ref().is_err_and(|error| error.survivors.is_some());
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
            State::New { .. } | State::Under(_) | State::Over => {
                panic!("a plan that has ended was polled again")
            }
        }
    }
}

impl Drop for RunFuture {
    fn drop(&mut self) {
        if let State::Under(run) = mem::replace(&mut self.0, State::Over) {
            run.give_up();
        }
    }
}

impl fmt::Debug for RunFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Everything that a run has.
struct Run {
    script: Arc<Script>,
    vm: Vm,
    recorder: Recorder,
    monitor: ProcessMonitor,
    driver: MonitorDriver,
    /// Our ends of the standard inputs that are open, by the index of the process.
    inputs: HashMap<usize, Arc<Input>>,
    /// For each step that waits until a process is ready: the wait, since its start.
    waits: HashMap<usize, UntilReady>,
    /// What the current step waits for besides the processes.
    work: Option<(usize, Work)>,
    /// How far the step that failed had come, if it waited until a process is ready.
    progress: Vec<ConditionStatus>,
    clearing: Option<Ticket>,
    alarm: Alarm,
}

type Verdict = Result<(), (Failure, Option<StopError>)>;

enum Work {
    Until(Box<UntilReady>),
    Other(Pin<Box<dyn Future<Output = Result<(), StepFailure>> + Send>>),
}

impl Run {
    fn begin(host: Arc<dyn Host>, script: Arc<Script>, crash: Option<Crash>) -> Result<Self, PlanError> {
        let names = script.cast.iter().map(|role| role.name.clone()).collect();
        let now = host.now();
        let files = Files::create(&script.name, names)
            .map_err(|problem| PlanStory::early(&script.name, script.texts(), None, problem))?;
        let recorder = Recorder::new(host, Record::new(&script, files, now));
        let (monitor, driver) =
            ProcessMonitor::builder().for_tests().build_unchecked(Arc::new(recorder.clone()));
        for role in &script.cast {
            monitor.add_process(&role.name, role.spec.clone()).expect("the plan has checked name and spec");
        }
        let mut run = Self {
            vm: Vm::new(script.clone(), crash),
            script,
            recorder,
            monitor,
            driver,
            inputs: HashMap::new(),
            waits: HashMap::new(),
            work: None,
            progress: Vec::new(),
            clearing: None,
            alarm: Alarm::default(),
        };
        run.vm.begin(now);
        Ok(run)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        drive::poll_driver(self, ClockCheck::WhenQuiet, cx)
    }

    fn hear_processes(&mut self) -> bool {
        let news = self.recorder.record().take_news();
        let busy = !news.is_empty();
        for (event, at) in news {
            self.vm.handle_event(event, at);
        }
        busy
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((step, work)) = &mut self.work else { return false };
        let result = match work {
            Work::Until(wait) => match Pin::new(wait).poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(_)) => Ok(()),
                // The process has ended, and its end is news of its own.
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
        self.vm.handle_event(Event::Done { step, result }, self.recorder.now());
        true
    }

    fn poll_clearing(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(ticket) = &mut self.clearing else { return false };
        let Poll::Ready(cleared) = Pin::new(ticket).poll(cx) else { return false };
        self.clearing = None;
        self.vm.handle_event(Event::Cleared(cleared.err()), self.recorder.now());
        true
    }
}

impl Driver for Run {
    type End = Verdict;
    type Machine = Vm;

    fn machine<T>(&mut self, act: impl FnOnce(&mut Vm) -> T) -> T {
        act(&mut self.vm)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &self.recorder)
    }

    fn execute(&mut self, output: Output) -> Step<Verdict> {
        match output {
            Output::Over(verdict) => Step::Done(verdict),
            // The monitor's driver sends the KILL. It comes before anything else that the script wants (see `crash`).
            Output::Crash(_) => {
                self.carry_out(output);
                Step::Pause
            }
            _ => {
                self.carry_out(output);
                Step::Continue
            }
        }
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        // The monitor ends with its last handle, and this run has one.
        let _ = Pin::new(&mut self.driver).poll(cx);
        self.hear_processes() | self.poll_work(cx) | self.poll_clearing(cx)
    }
}

/// Doing what the machine wants.
impl Run {
    fn carry_out(&mut self, output: Output) {
        let now = self.recorder.now();
        match output {
            Output::Spawn(process) => {
                if let Err(problem) = self.spawn(process) {
                    self.vm.handle_event(Event::Broken(problem), now);
                }
            }
            Output::Kill(process) => {
                let asked = self.monitor.stop_process(self.script.name(process));
                drop(asked.expect("it is one of the monitor's"));
            }
            Output::Crash(process) => {
                // Whatever the step has asked of it will be asked of its successor.
                let about = |step: &usize| self.script.steps[*step].op.is_about(process);
                self.work.take_if(|(step, _)| about(step));
                let name = self.script.name(process);
                self.recorder.record().note(JournalEvent::Crashed { process: name.clone() }, now);
                let crashed = self.monitor.signal_process(name, Signal::KILL);
                crashed.expect("it is one of the monitor's");
            }
            Output::Begin(step) => self.begin_step(step, now),
            Output::StepBegan(step) => {
                self.recorder.record().note(JournalEvent::StepBegan { step: step + 1 }, now);
            }
            Output::StepEnded(step) => {
                self.work = None;
                self.recorder.record().note(JournalEvent::StepEnded { step: step + 1 }, now);
            }
            Output::Failed(failure) => {
                // What is called is given up. The wait for a process that is killed now would forget how far it was.
                if let Some((_, Work::Until(wait))) = self.work.take() {
                    self.progress = wait.progress();
                }
                // In one line, whatever is in it.
                let reason = failure.problem.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                let processes = failure.problem.processes();
                let failed = JournalEvent::Failed { step: failure.step + 1, processes, reason };
                self.recorder.record().note(failed, now);
            }
            Output::KillAll => self.clearing = Some(self.monitor.kill_service()),
            Output::Over(_) => unreachable!("the end is taken before"),
        }
    }

    /// Starts a process with what it needs for this one start: an input, the means to notify, and those who watch it.
    fn spawn(&mut self, process: ProcessRef) -> Result<(), PlanProblem> {
        let role = self.script.role(process);
        let refused = |what: &str| {
            let what = format!("cannot make {what} for {}", role.name);
            move |error| PlanProblem::System { what, error: Arc::new(error) }
        };
        let mut spec = role.spec.clone();
        if role.has_input {
            let (input, stdin) = Input::new().map_err(refused("a standard input"))?;
            spec = spec.stdin(stdin);
            self.inputs.insert(process.index(), Arc::new(input));
        }
        let mut host = self.recorder.inner();
        // One that comes back after a crash is awaited anew, also if it was known by what it has printed.
        let comeback = self.vm.is_successor(process).then(|| self.script.first_words(process)).flatten();
        for (step, condition) in self.script.conditions_of(process).chain(comeback) {
            let watch = Watch::new(host, condition, Policy::LONGEST, None);
            spec = watch.equip(spec).map_err(refused("the means to notify"))?;
            self.waits.insert(step, watch.arm());
            host = Arc::new(watch.host());
        }
        self.recorder.announce(Start { process, spec, host });
        self.monitor.start_process(&role.name).expect("it is one of the monitor's");
        Ok(())
    }

    fn begin_step(&mut self, step: usize, now: Instant) {
        let work = match &self.script.steps[step].op {
            // Of the latter the machine sees to itself, unless the process has come back.
            Op::WaitUntil { .. } | Op::WaitForOutput { .. } => {
                Work::Until(Box::new(self.waits.remove(&step).expect("armed when the process was started")))
            }
            Op::Call { what, call } => match call.begin(self.recorder.has_threads()) {
                Ok(calling) => Work::Other(calling),
                Err(error) => {
                    let what = format!("cannot make a thread to call {what}");
                    let problem = PlanProblem::System { what, error: Arc::new(error) };
                    return self.vm.handle_event(Event::Broken(problem), now);
                }
            },
            Op::Send { process, input } => {
                let pipe = self.inputs.get(&process.index()).expect("open until it is closed").clone();
                let (input, process) = (input.clone(), self.script.name(*process).clone());
                let given = JournalEvent::Given { process: process.clone(), bytes: input.len() };
                self.recorder.record().note(given, now);
                let host = self.recorder.inner();
                Work::Other(Box::pin(async move {
                    let Err(error) = pipe.send(&input).await else { return Ok(()) };
                    // Has it closed its input, or is it dying? If so, its exit is about to fail the plan.
                    host.sleep_until(host.now() + DYING).await;
                    Err(StepFailure::Input { process, error: Arc::new(error) })
                }))
            }
            Op::CloseInput { process } => {
                self.inputs.remove(&process.index());
                return self.vm.handle_event(Event::Done { step, result: Ok(()) }, now);
            }
            Op::Spawn(_) | Op::Wait(_) | Op::Kill { .. } => {
                unreachable!("the machine sees to these itself")
            }
        };
        self.work = Some((step, work));
    }
}

/// The end.
impl Run {
    /// The outcome, and the driver, which ends when all that it has to tell was told.
    fn end(self, verdict: Verdict) -> (MonitorDriver, Result<Report, PlanError>) {
        let Self { script, recorder, driver, progress, .. } = self;
        let now = recorder.now();
        let record = recorder.record();
        let (journal, files) = (&record.journal, &record.files);
        let outcome = match verdict {
            Ok(()) => {
                let directory = files.discard(journal);
                Ok(Report::new(journal.clone(), record.since(now), directory))
            }
            Err((Failure { step, mut problem }, survivors)) => {
                if let PlanProblem::TimedOut { progress: how_far, .. } = &mut problem {
                    *how_far = progress;
                }
                let about = problem.processes();
                let tails = script.cast.iter().enumerate().filter(|(_, role)| about.contains(&role.name));
                let tails = tails.flat_map(|(i, role)| {
                    files.tails(i, LAST_LINES).map(|(stream, lines)| (role.name.clone(), stream, lines))
                });
                let tails = tails.collect();
                let directory = Some(files.keep(journal).to_owned());
                Err(PlanError::from(PlanStory {
                    tails,
                    survivors,
                    directory,
                    journal: journal.clone(),
                    ..PlanStory::early(&script.name, script.texts(), Some(step + 1), problem)
                }))
            }
        };
        drop(record);
        (driver, outcome)
    }

    /// Kills everything, and keeps what there is to know of a run that nobody waits for any more.
    fn give_up(self) {
        let Self { script, recorder, monitor, driver, .. } = self;
        let now = recorder.now();
        recorder.record().given_up(now);
        drop(monitor);
        drop(driver);
        let record = recorder.record();
        let directory = record.files.keep(&record.journal);
        log::warn!("plan {} was given up; its logs are in {}", script.name, directory.display());
    }
}
