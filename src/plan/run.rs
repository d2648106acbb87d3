//! A run: carries out what the machine wants, beside the driver of a monitor.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::error::{PlanError, PlanProblem, PlanStory, StepFailure};
use super::files::Files;
use super::input::Input;
use super::journal::Happened;
use super::planned::Planned;
use super::point::Crash;
use super::record::Record;
use super::recorder::{Recorder, Start};
use super::report::Report;
use super::script::{Op, Script};
use super::vm::{Event, Failure, Output, Vm};
use crate::host::{Host, Sleep};
use crate::machine::{Policy, Signal};
use crate::monitor::{Driver, ProcessMonitor, StopError, Ticket};
use crate::ready::{UntilReady, Watch};

/// How many of its last lines of each stream an error shows.
const LAST_LINES: usize = 20;

/// A run of a [`Plan`](super::Plan): a future, for any executor.
///
/// Dropping it kills everything that was started and returns when that is gone.
#[must_use = "nothing runs before this is awaited"]
pub struct Running(State);

enum State {
    New { host: Arc<dyn Host>, script: Script, crash: Option<Crash> },
    Under(Box<Run>),
    Over,
}

impl Running {
    pub(super) fn new(host: Arc<dyn Host>, script: Script, crash: Option<Crash>) -> Self {
        Self(State::New { host, script, crash })
    }
}

impl Future for Running {
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
        let State::Under(run) = &mut self.0 else { panic!("a plan that has ended was polled again") };
        let outcome = std::task::ready!(run.poll(cx));
        self.0 = State::Over;
        Poll::Ready(outcome)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Everything that a run has.
struct Run {
    script: Arc<Script>,
    vm: Vm,
    recorder: Recorder,
    /// Dropped before the driver, which then has nobody to wait for.
    monitor: ProcessMonitor,
    driver: Driver,
    /// Our ends of the standard inputs that are open, by the index of the process.
    inputs: HashMap<usize, Arc<Input>>,
    /// For each step that waits until a process is ready: the wait, since its start.
    waits: HashMap<usize, UntilReady>,
    /// What the current step waits for besides the processes.
    work: Option<(usize, Work)>,
    clearing: Option<Ticket>,
    alarm: Option<(Instant, Sleep)>,
}

enum Work {
    Until(UntilReady),
    Other(Pin<Box<dyn Future<Output = Result<(), StepFailure>> + Send>>),
}

impl Run {
    fn begin(host: Arc<dyn Host>, script: Arc<Script>, crash: Option<Crash>) -> Result<Self, PlanError> {
        let names = script.cast.iter().map(|role| role.name.clone()).collect();
        let now = host.now();
        let files = Files::create(&script.name, names)
            .map_err(|problem| PlanStory::early(&script.name, script.texts(), None, problem))?;
        let recorder = Recorder::new(host, Record::new(&script, files, now));
        let (monitor, driver) = ProcessMonitor::builder().for_tests().build(recorder.clone());
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
            clearing: None,
            alarm: None,
        };
        run.vm.begin(now);
        Ok(run)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Report, PlanError>> {
        loop {
            // It ends with the last handle, and we have one.
            let _ = Pin::new(&mut self.driver).poll(cx);
            // News before time: what comes at the very deadline counts.
            let mut busy = self.hear_processes() | self.poll_work(cx) | self.poll_clearing(cx);
            while let Some(output) = self.vm.poll_output() {
                busy = true;
                if let Output::Over(verdict) = output {
                    return Poll::Ready(self.end(verdict));
                }
                self.carry_out(output);
            }
            if !busy && !self.poll_clock(cx) {
                return Poll::Pending;
            }
        }
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

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.vm.poll_timeout() else { return false };
        let now = self.recorder.now();
        if at > now {
            let (_, sleep) = match &mut self.alarm {
                Some(set) if set.0 == at => set,
                other => other.insert((at, self.recorder.sleep_until(at))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
        self.alarm = None;
        self.vm.handle_timeout(self.recorder.now());
        true
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
                let name = self.script.name(process);
                self.recorder.record().note(Happened::Crashed { process: name.clone() }, now);
                let crashed = self.monitor.signal_process(name, Signal::KILL);
                crashed.expect("it is one of the monitor's");
            }
            Output::Begin(step) => self.begin_step(step, now),
            Output::StepBegan(step) => {
                self.recorder.record().note(Happened::StepBegan { step: step + 1 }, now);
            }
            Output::StepEnded(step) => {
                self.work = None;
                self.recorder.record().note(Happened::StepEnded { step: step + 1 }, now);
            }
            Output::Failed(failure) => {
                let reason = failure.problem.to_string();
                self.recorder.record().note(Happened::Failed { step: failure.step + 1, reason }, now);
            }
            Output::KillAll => self.clearing = Some(self.monitor.kill_service()),
            Output::Over(_) => unreachable!("the end is taken before"),
        }
    }

    /// Starts a process with what it needs for this one start: an input, the means to notify, and those who watch it.
    fn spawn(&mut self, process: Planned) -> Result<(), PlanProblem> {
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
        for (step, condition) in self.script.conditions_of(process) {
            let watch = Watch::new(host, condition.clone(), Policy::LONGEST, None);
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
            Op::WaitUntil { .. } => {
                Work::Until(self.waits.remove(&step).expect("armed when the process was started"))
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
                let given = Happened::Given { process: process.clone(), bytes: input.len() };
                self.recorder.record().note(given, now);
                Work::Other(Box::pin(async move {
                    let sent = pipe.send(&input).await;
                    sent.map_err(|error| StepFailure::Input { process, error: Arc::new(error) })
                }))
            }
            Op::CloseInput { process } => {
                self.inputs.remove(&process.index());
                return self.vm.handle_event(Event::Done { step, result: Ok(()) }, now);
            }
            Op::Spawn(_) | Op::Wait(_) | Op::Kill { .. } | Op::WaitForOutput { .. } => {
                unreachable!("the machine sees to these itself")
            }
        };
        self.work = Some((step, work));
    }

    fn end(&mut self, verdict: Result<(), (Failure, Option<StopError>)>) -> Result<Report, PlanError> {
        let took = {
            let now = self.recorder.now();
            self.recorder.record().since(now)
        };
        let record = &mut *self.recorder.record();
        let (journal, files) = (&record.journal, &record.files);
        let (Failure { step, mut problem }, survivors) = match verdict {
            Ok(()) => {
                let directory = files.discard(journal);
                return Ok(Report::new(journal.clone(), took, directory));
            }
            Err(failure) => failure,
        };
        // What it was waiting for is still there: nothing has ended the step.
        if let (PlanProblem::TimedOut { progress, .. }, Some((_, Work::Until(wait)))) = (&mut problem, &self.work) {
            *progress = wait.progress();
        }
        let about = problem.processes();
        let tails = self.script.cast.iter().enumerate().filter(|(_, role)| about.contains(&role.name));
        let tails = tails.map(|(i, role)| (role.name.clone(), files.tail(i, LAST_LINES))).collect();
        let directory = Some(files.keep(journal).to_owned());
        Err(PlanError::from(PlanStory {
            tails,
            survivors,
            directory,
            journal: journal.clone(),
            ..PlanStory::early(&self.script.name, self.script.texts(), Some(step + 1), problem)
        }))
    }
}
