//! A process crashes on purpose, once in a run, and the script goes on as well as it can.
//!
//! The end of one that crashes is judged by nobody. When it is gone, it stays dead, and then it counts as ended in
//! whatever way that is expected; or it is started again, and then its successor stands for it: what the current step had
//! asked of it is asked again, and an input that the script has closed is closed. It is not asked to end before it has come
//! back, which is when it meets what the script has waited for first.

use super::super::point::{After, Crash, CrashPoint};
use super::{Actor, Exit, Life, Op, Output, Phase, ProcessRef, Stream, Vm};

impl Vm {
    /// A step begins: is it the point?
    pub(super) fn crash_at_step(&mut self, step: usize) {
        if let Some(Crash { process, point: CrashPoint::Step(number), .. }) = self.crash
            && number == step + 1
        {
            self.crash(process);
        }
    }

    /// A process has printed something: is it the point?
    pub(super) fn printed(&mut self, process: ProcessRef, stream: Stream, lines: u64) {
        if let Some(Crash { process: who, point: CrashPoint::Line { stream: on, line }, .. }) = self.crash
            && who == process
            && on == stream
            && lines >= line
        {
            self.crash(process);
        }
    }

    fn crash(&mut self, process: ProcessRef) {
        let up = self.actor(process).life == Life::Up;
        if up && !self.has_crashed && matches!(self.phase, Phase::At { .. }) {
            self.has_crashed = true;
            self.actor(process).life = Life::Crashing;
            self.outputs.push_back(Output::Crash(process));
        }
    }

    /// It has ended: of that? It may have been faster. Then it has not crashed, and is judged like any other.
    pub(super) fn is_end_of_crash(&mut self, process: ProcessRef, exit: Exit) -> bool {
        let is_crashing = self.actor(process).life == Life::Crashing;
        if is_crashing && !Crash::is_end(exit) {
            self.has_crashed = false;
            self.outputs.retain(|output| !matches!(output, Output::Crash(_)));
        }
        is_crashing && Crash::is_end(exit)
    }

    /// It is gone.
    pub(super) fn crashed(&mut self, process: ProcessRef) {
        let crash = self.crash.expect("nobody crashes who was not to");
        let life = match (&self.phase, crash.after) {
            (Phase::At { .. }, After::Restart) => {
                self.outputs.push_back(Output::Spawn(process));
                Life::Starting
            }
            (Phase::At { .. }, After::StaysDead) | (Phase::Clearing(_) | Phase::Still, _) => Life::StaysDead,
        };
        *self.actor(process) = Actor { life, killed: false, ..*self.actor(process) };
    }

    /// Whether it is the second of its name.
    pub(in crate::plan) fn is_successor(&self, process: ProcessRef) -> bool {
        self.has_crashed && self.crash.is_some_and(|crash| crash.process == process)
    }

    /// The successor is up.
    pub(super) fn ask_again(&mut self, process: ProcessRef) {
        let Phase::At { step, done, .. } = self.phase else { return };
        if let Some(closed) = self.script.role(process).closed_by.filter(|closed| *closed < step) {
            self.outputs.push_back(Output::Begin(closed));
        }
        self.comeback = self.script.first_wait(process).filter(|first| *first < step);
        let Some(recorded) = self.script.steps.get(step) else { return };
        match &recorded.op {
            Op::Kill { process: who, .. } if *who == process => self.ask_to_end(process),
            Op::WaitUntil { process: who, .. }
            | Op::Send { process: who, .. }
            | Op::CloseInput { process: who }
                if *who == process && !done =>
            {
                self.outputs.push_back(Output::Begin(step));
            }
            Op::Spawn(_)
            | Op::Wait(_)
            | Op::Kill { .. }
            | Op::WaitForOutput { .. }
            | Op::WaitUntil { .. }
            | Op::Call { .. }
            | Op::Send { .. }
            | Op::CloseInput { .. } => {}
        }
    }

    /// Its kill has begun. A successor is left alone until it is up, as far as the script can tell: it may not even have
    /// heard of the signal, and if it cannot do its work any more this is where that is seen.
    pub(super) fn ask_to_end(&mut self, process: ProcessRef) {
        match self.comeback.filter(|_| self.is_successor(process)) {
            Some(first) => self.outputs.push_back(Output::Begin(first)),
            None => self.outputs.push_back(Output::Kill(process)),
        }
    }

    /// The answer to a step that is over: the successor is up, if that is what was asked.
    pub(super) fn came_back(&mut self, step: usize) {
        if let Some(Crash { process, .. }) = self.crash
            && self.is_to_end(process)
            && self.comeback.take_if(|first| *first == step).is_some()
        {
            self.outputs.push_back(Output::Kill(process));
        }
    }

    /// Whether it is alive, and the current step is its kill.
    fn is_to_end(&self, process: ProcessRef) -> bool {
        let Phase::At { step, .. } = self.phase else { return false };
        let op = self.script.steps.get(step).map(|step| &step.op);
        let is_killed = matches!(op, Some(Op::Kill { process: who, .. }) if *who == process);
        is_killed && self.actors[process.index()].life == Life::Up
    }

    /// Whether this step was asked of one that crashes: that it fails is no wonder.
    pub(super) fn is_asked_again(&self, step: usize) -> bool {
        match &self.script.steps[step].op {
            Op::Send { process, .. } | Op::CloseInput { process } | Op::WaitUntil { process, .. } => {
                self.is_away(*process)
            }
            Op::Spawn(_) | Op::Wait(_) | Op::Kill { .. } | Op::WaitForOutput { .. } | Op::Call { .. } => {
                false
            }
        }
    }

    /// Whether it has crashed and its successor is not up.
    pub(super) fn is_away(&self, process: ProcessRef) -> bool {
        match self.actors[process.index()].life {
            Life::Crashing | Life::StaysDead => true,
            Life::Starting => self.is_successor(process),
            Life::Absent | Life::Up | Life::Exited | Life::Gone => false,
        }
    }
}
