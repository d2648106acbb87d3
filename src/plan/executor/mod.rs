//! The executor of a script: a pure state machine.
//!
//! [`begin`](Executor::begin) starts the first step. Then the executor is driven as every [`StateMachine`],
//! until it puts out [`Output::Over`].
//!
//! Its rule: *no process may end unless the current step expects it to*. An exit is checked as soon as it is
//! reported, with two exceptions that keep the verdict independent of chance:
//!
//! * During a step that takes no time nothing is checked; the next step does it. If the process that a step
//!   writes to ends, it reads no more, and that step is done.
//! * A process whose output a step waits for is checked when its output has ended, because the awaited text
//!   may be among its last words, which are read after its exit is seen. If it is, the next step checks the
//!   exit.
//!
//! The first unexpected exit, status or failure is the verdict. After it nothing is checked: all processes
//! are killed, and when they are gone, the verdict is put out.

mod crash;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::crash::point::Crash;
use super::error::PlanErrorKind;
use super::process::ProcessRef;
use super::script::{Op, Script};
use crate::drive::StateMachine;
use crate::machine::{Exit, Name, SpawnError, Stream};
use crate::monitor::StopError;

/// An event of a run.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A process was started.
    Started(ProcessRef),
    /// A process could not be started.
    NotStarted(ProcessRef, SpawnError),
    /// A process has exited. Its descendants may still run, and its output may not be read to the end.
    Exited(ProcessRef, Exit),
    /// A process and its descendants are gone, and its output was read to the end.
    Gone(ProcessRef),
    /// A process or its descendants were sent KILL, because the stop signal had not ended them.
    Killed(ProcessRef),
    /// A process has written this number of lines to a stream since its first start.
    Printed { process: ProcessRef, stream: Stream, lines: u64 },
    /// This number of the wanted matches were found in the output of a process.
    Found { process: ProcessRef, count: usize },
    /// The work of [`Output::Begin`] has ended.
    Done { step: usize, result: Result<(), PlanErrorKind> },
    /// The run cannot go on, because of an error of the system.
    Broken(PlanErrorKind),
    /// All processes are gone after [`Output::KillAll`], except for those that the error names.
    Cleared(Option<StopError>),
}

/// A request of the executor, or its verdict.
#[derive(Clone, Debug)]
pub(super) enum Output {
    /// Start this process.
    Spawn(ProcessRef),
    /// Stop this process, with the signal and the kill time of its spec.
    Kill(ProcessRef),
    /// Send KILL to this process now: it is to crash.
    Crash(ProcessRef),
    /// Begin the work of this step: send or close input, call, or wait for a condition. Answer with
    /// [`Event::Done`].
    Begin(usize),
    /// Leave the work of this step undone, because its process is killed when the next steps have begun.
    Withhold(usize),
    /// A step has begun.
    StepBegan(usize),
    /// A step is done, and any work in progress for it is obsolete.
    StepEnded(usize),
    /// The run has failed.
    Failed(Failure),
    /// Send KILL to all processes. Answer with [`Event::Cleared`] when they are gone.
    KillAll,
    /// The verdict, with the processes that survived KILL. Nothing follows.
    Over(Result<(), (Failure, Option<StopError>)>),
}

/// A failure, and the index of its step. The index is the number of steps if the run failed after the last
/// one.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) step: usize,
    pub(super) kind: PlanErrorKind,
}

/// See the [module](self).
#[cfg_attr(test, derive(Clone))]
pub(super) struct Executor {
    script: Arc<Script>,
    phase: Phase,
    processes: Vec<ProcessState>,
    /// The exits that no step has expected so far, in their order.
    unchecked: Vec<(ProcessRef, Exit)>,
    crash: Option<Crash>,
    has_crashed: bool,
    /// The step whose condition the successor of a crashed process has to meet before it is stopped.
    comeback: Option<usize>,
    outputs: VecDeque<Output>,
}

#[cfg_attr(test, derive(Clone, Debug))]
enum Phase {
    /// The step with this index is in progress, or the last step is done.
    At { step: usize, began: Instant, done: bool },
    /// All processes are being killed.
    Clearing(Failure),
    /// The run has not begun, or its verdict is known.
    Idle,
}

/// The state of a process in this run.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug))]
struct ProcessState {
    life: Life,
    /// The number of wanted matches that were found in its output.
    found: usize,
    /// Whether it was sent KILL because the stop signal had not ended it.
    killed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
enum Life {
    NotStarted,
    /// Its start was requested, the first one or that after a crash.
    Starting,
    Up,
    /// It has exited, but its descendants are not gone, or its output was not read to the end.
    Exited,
    Gone,
    /// It was sent KILL at the crash point, and is not gone.
    Crashing,
    /// It was crashed and is not started again. It counts as ended as expected.
    StaysDead,
}

impl StateMachine for Executor {
    type Event = Event;
    type Output = Output;

    /// Handles an event. An obsolete event, such as the result of an earlier step, changes nothing.
    fn handle_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Started(process) => self.started(process),
            Event::NotStarted(process, error) => {
                let process = self.script.name(process).clone();
                self.fail(PlanErrorKind::NotStarted { process, error });
            }
            Event::Exited(process, exit) => self.exited(process, exit),
            Event::Gone(process) => self.gone(process),
            Event::Killed(process) => {
                let state = self.state(process);
                // Descendants that outlive the process are sent KILL as well.
                state.killed |= state.life == Life::Up;
            }
            Event::Printed { process, stream, lines } => self.printed(process, stream, lines),
            Event::Found { process, count } => self.state(process).found = count,
            Event::Done { step, result } => self.done(step, result),
            Event::Broken(kind) => self.fail(kind),
            Event::Cleared(survivors) => self.cleared(survivors),
        }
        self.advance(now);
    }

    /// Fails the run if the timeout of the current step has passed.
    fn handle_timeout(&mut self, now: Instant) {
        let Phase::At { step, .. } = self.phase else { return };
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        // An exit whose check this step has postponed comes first.
        let op = &self.script.steps[step].op;
        let mut postponed = self.unchecked.iter().filter(|(process, _)| op.expects(*process).is_none());
        if let Some((process, exit)) = postponed.next().copied() {
            return self.fail_with_exit(process, exit);
        }
        let waiting_for = self.waiting_for(step);
        let timeout = self.script.timeout(step);
        self.fail(PlanErrorKind::TimedOut { timeout, waiting_for, progress: Vec::new() });
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::At { step, began, .. } if step < self.script.steps.len() => {
                Some(began + self.script.timeout(step))
            }
            Phase::At { .. } | Phase::Clearing(_) | Phase::Idle => None,
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

impl Executor {
    /// Displays the state without the script.
    #[cfg(test)]
    pub(super) fn show(&self) -> String {
        let Self { script: _, phase, processes, unchecked, crash, has_crashed, comeback, outputs } = self;
        format!("{phase:?} {processes:?} {unchecked:?} {crash:?} {has_crashed} {comeback:?} {outputs:?}")
    }

    pub(super) fn new(script: Arc<Script>, crash: Option<Crash>) -> Self {
        let state = ProcessState { life: Life::NotStarted, found: 0, killed: false };
        Self {
            phase: Phase::Idle,
            processes: vec![state; script.processes.len()],
            unchecked: Vec::new(),
            crash,
            has_crashed: false,
            comeback: None,
            outputs: VecDeque::new(),
            script,
        }
    }

    /// Begins the first step.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begin_step(0, now);
        self.advance(now);
    }
}

/// Events.
impl Executor {
    fn started(&mut self, process: ProcessRef) {
        self.state(process).life = Life::Up;
        if self.is_successor(process) {
            self.ask_again(process);
        }
    }

    fn exited(&mut self, process: ProcessRef, exit: Exit) {
        if self.is_end_of_crash(process, exit) {
            return;
        }
        self.state(process).life = Life::Exited;
        self.unchecked.push((process, exit));
    }

    fn gone(&mut self, process: ProcessRef) {
        match self.state(process).life {
            Life::Crashing => self.crashed(process),
            Life::NotStarted | Life::Starting | Life::Up | Life::Exited | Life::Gone | Life::StaysDead => {
                self.state(process).life = Life::Gone;
            }
        }
    }

    fn done(&mut self, of: usize, result: Result<(), PlanErrorKind>) {
        let Phase::At { step, done, .. } = &mut self.phase else { return };
        if *step != of {
            return self.came_back(of);
        }
        match result {
            Ok(()) => *done = true,
            Err(_) if self.is_asked_again(of) => {}
            Err(kind) => self.fail(kind),
        }
    }

    fn cleared(&mut self, survivors: Option<StopError>) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Clearing(failure) => self.outputs.push_back(Output::Over(Err((failure, survivors)))),
            other => self.phase = other,
        }
    }
}

/// From step to step.
impl Executor {
    /// Checks the exits, and completes every step that can be completed.
    fn advance(&mut self, now: Instant) {
        loop {
            self.check_exits();
            let Phase::At { step, done, .. } = self.phase else { return };
            if step == self.script.steps.len() {
                return self.finish();
            }
            if !self.is_complete(step, done) {
                return;
            }
            let script = Arc::clone(&self.script);
            self.unchecked.retain(|(process, _)| script.steps[step].op.expects(*process).is_none());
            self.outputs.push_back(Output::StepEnded(step));
            self.begin_step(step + 1, now);
        }
    }

    fn begin_step(&mut self, step: usize, now: Instant) {
        self.phase = Phase::At { step, began: now, done: false };
        let script = Arc::clone(&self.script);
        let Some(recorded) = script.steps.get(step) else { return };
        self.outputs.push_back(Output::StepBegan(step));
        self.crash_at_step(step);
        match &recorded.op {
            Op::Spawn(processes) => {
                for process in processes {
                    self.state(*process).life = Life::Starting;
                    self.outputs.push_back(Output::Spawn(*process));
                }
            }
            Op::Kill { process, .. } => match self.state(*process).life {
                Life::Up => self.stop(*process),
                // It ended before the kill. No step before this one expected the first of the unchecked
                // exits.
                Life::Exited | Life::Gone => {
                    let first = self.unchecked.first().copied();
                    let (process, exit) = first.expect("no earlier step has expected its exit");
                    self.fail_with_exit(process, exit);
                }
                // It is stopped as soon as it is up again.
                Life::NotStarted | Life::Starting | Life::Crashing | Life::StaysDead => {}
            },
            // The work begins when the successor is up.
            Op::Send { process, .. } | Op::CloseInput { process } | Op::WaitUntil { process, .. }
                if self.is_away(*process) => {}
            Op::Send { process, .. } if self.reads_no_more(*process) => {}
            Op::Send { process, .. } | Op::CloseInput { process } if self.is_withheld(step, *process) => {
                self.phase = Phase::At { step, began: now, done: true };
                self.outputs.push_back(Output::Withhold(step));
            }
            Op::Send { .. } | Op::CloseInput { .. } | Op::WaitUntil { .. } | Op::Call { .. } => {
                self.outputs.push_back(Output::Begin(step));
            }
            Op::Wait(_) | Op::WaitForOutput { .. } => {}
        }
    }

    fn is_complete(&self, step: usize, done: bool) -> bool {
        let life = |process: &ProcessRef| self.processes[process.index()].life;
        let is_over = |process: &ProcessRef| matches!(life(process), Life::Gone | Life::StaysDead);
        match &self.script.steps[step].op {
            Op::Spawn(processes) => processes.iter().all(|process| self.has_started(*process)),
            Op::Wait(ends) => ends.iter().all(|(process, _)| is_over(process)),
            Op::Kill { process, .. } => is_over(process),
            Op::WaitForOutput { process, wanted } => self.processes[process.index()].found >= *wanted,
            Op::WaitUntil { .. } | Op::Call { .. } => done,
            Op::Send { process, .. } => done || self.reads_no_more(*process),
            Op::CloseInput { process } => done || life(process) == Life::StaysDead,
        }
    }

    fn has_started(&self, process: ProcessRef) -> bool {
        !matches!(self.processes[process.index()].life, Life::NotStarted | Life::Starting)
    }

    /// Returns whether the process has ended for good.
    fn reads_no_more(&self, process: ProcessRef) -> bool {
        matches!(self.processes[process.index()].life, Life::Exited | Life::Gone | Life::StaysDead)
    }

    /// Ends the run after its last step, in which no unexpected exit was found.
    fn finish(&mut self) {
        let is_there = |life| !matches!(life, Life::NotStarted | Life::Gone | Life::StaysDead);
        let states = self.script.processes.iter().zip(&self.processes);
        let running = states.filter(|(_, state)| is_there(state.life)).map(|(def, _)| def.name.clone());
        let processes: Vec<Name> = running.collect();
        if processes.is_empty() {
            self.phase = Phase::Idle;
            self.outputs.push_back(Output::Over(Ok(())));
        } else {
            self.fail(PlanErrorKind::StillRunning { processes });
        }
    }
}

/// The verdict.
impl Executor {
    /// Fails the run if a process has ended unexpectedly, or with an unexpected status.
    fn check_exits(&mut self) {
        let Phase::At { step, .. } = self.phase else { return };
        let script = Arc::clone(&self.script);
        let op = script.steps.get(step).map(|step| &step.op);
        if op.is_some_and(Op::is_instant) {
            return;
        }
        for (process, exit) in self.unchecked.clone() {
            match op.and_then(|op| op.expects(process)) {
                Some(expected) if expected.is_met_by(exit) => {}
                Some(expected) => {
                    let def = script.process(process);
                    let killed_after = self.state(process).killed.then(|| def.kill_time());
                    let process = def.name.clone();
                    return self.fail(PlanErrorKind::UnexpectedStatus {
                        process,
                        expected,
                        exit,
                        killed_after,
                    });
                }
                None if self.may_have_last_words(op, process) => {}
                None => return self.fail_with_exit(process, exit),
            }
        }
        if let Some(Op::WaitUntil { process, .. } | Op::WaitForOutput { process, .. }) = op
            && self.state(*process).life == Life::StaysDead
            && !self.is_complete(step, false)
        {
            let process = script.name(*process).clone();
            self.fail(PlanErrorKind::StaysDead { process });
        }
    }

    /// Returns whether the step waits for output of the process, and that output was found or has not ended.
    fn may_have_last_words(&self, op: Option<&Op>, process: ProcessRef) -> bool {
        let Some(Op::WaitForOutput { process: awaited, wanted }) = op else { return false };
        let state = &self.processes[process.index()];
        *awaited == process && (state.life == Life::Exited || state.found >= *wanted)
    }

    fn fail_with_exit(&mut self, process: ProcessRef, exit: Exit) {
        let process = self.script.name(process).clone();
        self.fail(PlanErrorKind::UnexpectedExit { process, exit });
    }

    /// Fails the run. The first failure is the verdict; later ones follow from it and are ignored.
    fn fail(&mut self, kind: PlanErrorKind) {
        let Phase::At { step, .. } = self.phase else { return };
        let failure = Failure { step, kind };
        // Requests that are still in the queue are withdrawn.
        self.outputs.retain(|output| match output {
            Output::Spawn(_) | Output::Kill(_) | Output::Crash(_) | Output::Begin(_) => false,
            Output::StepBegan(_) | Output::Withhold(_) | Output::StepEnded(_) => true,
            Output::Failed(_) | Output::KillAll | Output::Over(_) => true,
        });
        self.outputs.push_back(Output::Failed(failure.clone()));
        self.outputs.push_back(Output::KillAll);
        self.phase = Phase::Clearing(failure);
    }

    /// Returns the processes that the step is waiting for.
    fn waiting_for(&self, step: usize) -> Vec<Name> {
        let awaited: Vec<ProcessRef> = match &self.script.steps[step].op {
            Op::Spawn(processes) => {
                processes.iter().copied().filter(|process| !self.has_started(*process)).collect()
            }
            Op::Wait(ends) => ends.iter().map(|(process, _)| *process).collect(),
            Op::Kill { process, .. }
            | Op::WaitForOutput { process, .. }
            | Op::WaitUntil { process, .. }
            | Op::Send { process, .. }
            | Op::CloseInput { process } => vec![*process],
            Op::Call { .. } => Vec::new(),
        };
        let is_over = |process: &ProcessRef| {
            matches!(self.processes[process.index()].life, Life::Gone | Life::StaysDead)
        };
        awaited.iter().filter(|it| !is_over(it)).map(|it| self.script.name(*it).clone()).collect()
    }

    fn state(&mut self, process: ProcessRef) -> &mut ProcessState {
        &mut self.processes[process.index()]
    }
}

#[cfg(test)]
mod tests;
