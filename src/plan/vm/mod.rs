//! The executor of a script: a pure machine, as all that decide here.
//!
//! [`handle_event`](Vm::handle_event) takes what happened, [`poll_output`](Vm::poll_output) says what to do, in order, and
//! [`poll_timeout`](Vm::poll_timeout) when to call [`handle_timeout`](Vm::handle_timeout). It is begun with
//! [`begin`](Vm::begin), and has said its last word with [`Output::Over`].
//!
//! The rule that everything is here for: *no process may end unless the current step expects it*. An exit is judged the
//! moment it is told. There are two respites, so that a verdict does not depend on luck:
//!
//! * A step that takes no time judges nobody; the step that follows does. Whoever ends while it is written to reads no more,
//!   and so that step is over.
//! * A process whose output is waited for is judged when that has come to its end: its last words may be what was waited
//!   for, and are read after its exit is seen. If they are, it is the step that follows which judges, however early the
//!   process has ended.
//!
//! The first exit, status or failure that is not as expected is the verdict. After it nothing is judged any more:
//! everything gets KILL, and when it is gone, the verdict is handed out.

mod crash;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::error::{PlanProblem, StepFailure};
use super::planned::ProcessRef;
use super::point::Crash;
use super::script::{Op, Script};
use crate::drive::StateMachine;
use crate::machine::{Exit, Name, SpawnError, Stream};
use crate::monitor::StopError;

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The process runs.
    Started(ProcessRef),
    /// It could not be started.
    NotStarted(ProcessRef, SpawnError),
    /// It has ended. There may be output to come, and others of its group.
    Exited(ProcessRef, Exit),
    /// It and its group are gone, and its output has been read to the end.
    Gone(ProcessRef),
    /// It, or its group, got KILL, for it had not heeded the signal of a kill.
    Killed(ProcessRef),
    /// It has written so many lines to this stream so far.
    Printed { process: ProcessRef, stream: Stream, lines: u64 },
    /// So many of the things that are wanted from its output have been found.
    Found { process: ProcessRef, count: usize },
    /// What [`Output::Begin`] asked for has come to an end.
    Done { step: usize, result: Result<(), StepFailure> },
    /// The run cannot go on: the files cannot be written.
    Broken(PlanProblem),
    /// After [`Output::KillAll`]: all are gone, but for those.
    Cleared(Option<StopError>),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Output {
    /// Start it.
    Spawn(ProcessRef),
    /// Ask it to end, with the signal and the kill time of its kill.
    Kill(ProcessRef),
    /// Send it KILL now: it is to crash.
    Crash(ProcessRef),
    /// Send or close input, call, or wait for the condition of this step, and answer with [`Event::Done`].
    Begin(usize),
    /// A step has begun.
    StepBegan(usize),
    /// A step is done: whatever was begun for it is over.
    StepEnded(usize),
    /// The plan has failed.
    Failed(Failure),
    /// Send KILL to everything that is there, and answer with [`Event::Cleared`] when it is gone.
    KillAll,
    /// This was all.
    Over(Result<(), (Failure, Option<StopError>)>),
}

/// What was not as expected, and at which step (its index; one more than the last: behind it).
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) step: usize,
    pub(super) problem: PlanProblem,
}

/// See the [module](self).
pub(super) struct Vm {
    script: Arc<Script>,
    phase: Phase,
    actors: Vec<Actor>,
    /// Those that have ended and that no step has expected so far, in the order of their ends.
    unjudged: Vec<(ProcessRef, Exit)>,
    crash: Option<Crash>,
    has_crashed: bool,
    /// The step whose condition the successor of one that has crashed has still to meet before it is asked to end.
    comeback: Option<usize>,
    outputs: VecDeque<Output>,
}

enum Phase {
    /// At the step with this index, or behind the last one.
    At { step: usize, began: Instant, done: bool },
    /// Everything is being killed.
    Clearing(Failure),
    /// Nothing has begun, or the verdict is out.
    Still,
}

/// A process of the script, in this run.
#[derive(Clone, Copy)]
struct Actor {
    life: Life,
    /// How many of the things that are wanted from its output were found.
    found: usize,
    /// Whether KILL was needed to end it.
    killed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Not started.
    Absent,
    /// To be started, for the first time or after a crash.
    Starting,
    Up,
    /// It has ended; its group or its output has not.
    Exited,
    Gone,
    /// It is about to end, or has ended, because we want to see what happens then.
    Crashing,
    /// It has crashed and is not started again. Its end is whatever was expected of it.
    StaysDead,
}

impl StateMachine for Vm {
    type Event = Event;
    type Output = Output;

    /// Takes in what has happened. What is not news, such as the answer to a step that is over, does no harm.
    fn handle_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Started(process) => self.started(process),
            Event::NotStarted(process, error) => {
                let process = self.script.name(process).clone();
                self.fail(PlanProblem::StepFailed(StepFailure::NotStarted { process, error }));
            }
            Event::Exited(process, exit) => self.exited(process, exit),
            Event::Gone(process) => self.gone(process),
            Event::Killed(process) => {
                let actor = self.actor(process);
                // What it has left behind gets KILL as well.
                actor.killed |= actor.life == Life::Up;
            }
            Event::Printed { process, stream, lines } => self.printed(process, stream, lines),
            Event::Found { process, count } => self.actor(process).found = count,
            Event::Done { step, result } => self.done(step, result),
            Event::Broken(problem) => self.fail(problem),
            Event::Cleared(survivors) => self.cleared(survivors),
        }
        self.go_on(now);
    }

    /// Fails the plan if the current step has taken too long.
    fn handle_timeout(&mut self, now: Instant) {
        let Phase::At { step, .. } = self.phase else { return };
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        // What this step has put off comes first.
        let op = &self.script.steps[step].op;
        let mut put_off = self.unjudged.iter().filter(|(process, _)| op.expects(*process).is_none());
        if let Some((process, exit)) = put_off.next().copied() {
            return self.unexpected_exit(process, exit);
        }
        let waiting_for = self.waiting_for(step);
        let timeout = self.script.timeout(step);
        self.fail(PlanProblem::TimedOut { timeout, waiting_for, progress: Vec::new() });
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::At { step, began, .. } if step < self.script.steps.len() => {
                Some(began + self.script.timeout(step))
            }
            Phase::At { .. } | Phase::Clearing(_) | Phase::Still => None,
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

impl Vm {
    pub(super) fn new(script: Arc<Script>, crash: Option<Crash>) -> Self {
        let actor = Actor { life: Life::Absent, found: 0, killed: false };
        Self {
            phase: Phase::Still,
            actors: vec![actor; script.cast.len()],
            unjudged: Vec::new(),
            crash,
            has_crashed: false,
            comeback: None,
            outputs: VecDeque::new(),
            script,
        }
    }

    /// Begins with the first step.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begin_step(0, now);
        self.go_on(now);
    }

    /// Whether a process was to crash and has crashed.
    #[cfg(test)]
    pub(super) fn has_crashed(&self) -> bool {
        self.has_crashed
    }
}

/// News.
impl Vm {
    fn started(&mut self, process: ProcessRef) {
        self.actor(process).life = Life::Up;
        if self.is_successor(process) {
            self.ask_again(process);
        }
    }

    fn exited(&mut self, process: ProcessRef, exit: Exit) {
        if self.is_end_of_crash(process, exit) {
            return;
        }
        self.actor(process).life = Life::Exited;
        self.unjudged.push((process, exit));
    }

    fn gone(&mut self, process: ProcessRef) {
        match self.actor(process).life {
            Life::Crashing => self.crashed(process),
            Life::Absent | Life::Starting | Life::Up | Life::Exited | Life::Gone | Life::StaysDead => {
                self.actor(process).life = Life::Gone;
            }
        }
    }

    fn done(&mut self, of: usize, result: Result<(), StepFailure>) {
        let Phase::At { step, done, .. } = &mut self.phase else { return };
        if *step != of {
            return self.came_back(of);
        }
        match result {
            Ok(()) => *done = true,
            Err(_) if self.is_asked_again(of) => {}
            Err(failure) => self.fail(PlanProblem::StepFailed(failure)),
        }
    }

    fn cleared(&mut self, survivors: Option<StopError>) {
        match std::mem::replace(&mut self.phase, Phase::Still) {
            Phase::Clearing(failure) => self.outputs.push_back(Output::Over(Err((failure, survivors)))),
            other => self.phase = other,
        }
    }
}

/// From step to step.
impl Vm {
    /// Judges who has ended, and takes every step that can be taken.
    fn go_on(&mut self, now: Instant) {
        loop {
            self.judge();
            let Phase::At { step, done, .. } = self.phase else { return };
            if step == self.script.steps.len() {
                return self.end();
            }
            if !self.is_complete(step, done) {
                return;
            }
            let script = Arc::clone(&self.script);
            self.unjudged.retain(|(process, _)| script.steps[step].op.expects(*process).is_none());
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
                    self.actor(*process).life = Life::Starting;
                    self.outputs.push_back(Output::Spawn(*process));
                }
            }
            Op::Kill { process, .. } => match self.actor(*process).life {
                Life::Up => self.ask_to_end(*process),
                // It was not the kill that has ended it (PL-11); and of all that were put off nobody was to end here.
                Life::Exited | Life::Gone => {
                    let ended = self.unjudged.first().copied();
                    let (process, exit) = ended.expect("nobody has expected its end before");
                    self.unexpected_exit(process, exit);
                }
                // As soon as it is up again.
                Life::Absent | Life::Starting | Life::Crashing | Life::StaysDead => {}
            },
            // The same.
            Op::Send { process, .. } | Op::CloseInput { process } | Op::WaitUntil { process, .. }
                if self.is_away(*process) => {}
            Op::Send { process, .. } if self.reads_no_more(*process) => {}
            Op::Send { .. } | Op::CloseInput { .. } | Op::WaitUntil { .. } | Op::Call { .. } => {
                self.outputs.push_back(Output::Begin(step));
            }
            Op::Wait(_) | Op::WaitForOutput { .. } => {}
        }
    }

    /// Whether the step has nothing more to wait for.
    fn is_complete(&self, step: usize, done: bool) -> bool {
        let life = |process: &ProcessRef| self.actors[process.index()].life;
        let is_over = |process: &ProcessRef| matches!(life(process), Life::Gone | Life::StaysDead);
        match &self.script.steps[step].op {
            Op::Spawn(processes) => processes.iter().all(|process| self.has_started(*process)),
            Op::Wait(ends) => ends.iter().all(|(process, _)| is_over(process)),
            Op::Kill { process, .. } => is_over(process),
            Op::WaitForOutput { process, wanted } => self.actors[process.index()].found >= *wanted,
            Op::WaitUntil { .. } | Op::Call { .. } => done,
            Op::Send { process, .. } => done || self.reads_no_more(*process),
            // There is nothing to close.
            Op::CloseInput { process } => done || life(process) == Life::StaysDead,
        }
    }

    fn has_started(&self, process: ProcessRef) -> bool {
        !matches!(self.actors[process.index()].life, Life::Absent | Life::Starting)
    }

    /// Whether it has ended, for good.
    fn reads_no_more(&self, process: ProcessRef) -> bool {
        matches!(self.actors[process.index()].life, Life::Exited | Life::Gone | Life::StaysDead)
    }

    /// The script is at its end, and nobody has ended who should not.
    fn end(&mut self) {
        let is_there = |life| !matches!(life, Life::Absent | Life::Gone | Life::StaysDead);
        let there = self.script.cast.iter().zip(&self.actors).filter(|(_, actor)| is_there(actor.life));
        let processes: Vec<Name> = there.map(|(role, _)| role.name.clone()).collect();
        if processes.is_empty() {
            self.phase = Phase::Still;
            self.outputs.push_back(Output::Over(Ok(())));
        } else {
            self.fail(PlanProblem::StillRunning { processes });
        }
    }
}

/// The verdict.
impl Vm {
    /// Fails the plan if somebody has ended who should not have, or otherwise than they should.
    fn judge(&mut self) {
        let Phase::At { step, .. } = self.phase else { return };
        let script = Arc::clone(&self.script);
        let op = script.steps.get(step).map(|step| &step.op);
        if op.is_some_and(Op::is_instant) {
            return;
        }
        for (process, exit) in self.unjudged.clone() {
            match op.and_then(|op| op.expects(process)) {
                Some(expected) if expected.is_met_by(exit) => {}
                Some(expected) => {
                    let killed = self.actor(process).killed;
                    let role = script.role(process);
                    let killed_after = killed.then(|| role.kill_time());
                    let process = role.name.clone();
                    return self.fail(PlanProblem::UnexpectedStatus {
                        process,
                        expected,
                        exit,
                        killed_after,
                    });
                }
                None if self.may_have_last_words(op, process) => {}
                None => return self.unexpected_exit(process, exit),
            }
        }
        if let Some(Op::WaitUntil { process, .. } | Op::WaitForOutput { process, .. }) = op
            && self.actor(*process).life == Life::StaysDead
            && !self.is_complete(step, false)
        {
            let process = script.name(*process).clone();
            self.fail(PlanProblem::StepFailed(StepFailure::StaysDead { process }));
        }
    }

    /// Whether its output is waited for, and has not come to its end, or has what was waited for in it.
    fn may_have_last_words(&self, op: Option<&Op>, process: ProcessRef) -> bool {
        let Some(Op::WaitForOutput { process: who, wanted }) = op else { return false };
        let actor = &self.actors[process.index()];
        *who == process && (actor.life == Life::Exited || actor.found >= *wanted)
    }

    fn unexpected_exit(&mut self, process: ProcessRef, exit: Exit) {
        let process = self.script.name(process).clone();
        self.fail(PlanProblem::UnexpectedExit { process, exit });
    }

    /// The first failure is the verdict; what comes after it is its consequence.
    fn fail(&mut self, problem: PlanProblem) {
        let Phase::At { step, .. } = self.phase else { return };
        let failure = Failure { step, problem };
        // What was to be done for the script is not done any more.
        self.outputs.retain(|output| match output {
            Output::Spawn(_) | Output::Kill(_) | Output::Crash(_) | Output::Begin(_) => false,
            Output::StepBegan(_) | Output::StepEnded(_) => true,
            Output::Failed(_) | Output::KillAll | Output::Over(_) => true,
        });
        self.outputs.push_back(Output::Failed(failure.clone()));
        self.outputs.push_back(Output::KillAll);
        self.phase = Phase::Clearing(failure);
    }

    /// The processes that the step waits for.
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
        let is_over =
            |process: &ProcessRef| matches!(self.actors[process.index()].life, Life::Gone | Life::StaysDead);
        awaited.iter().filter(|it| !is_over(it)).map(|it| self.script.name(*it).clone()).collect()
    }

    fn actor(&mut self, process: ProcessRef) -> &mut Actor {
        &mut self.actors[process.index()]
    }
}

#[cfg(test)]
mod tests;
