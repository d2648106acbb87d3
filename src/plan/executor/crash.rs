//! A crash on purpose, once in a run, after which the script goes on as well as it can.
//!
//! The exit of a crashed process is not checked. When it is gone, it either stays dead, and counts as ended
//! as expected; or it is started again, and its successor takes its place: it is asked again for what the
//! current step had asked, and its input is closed if the script has closed it. It is not stopped before it
//! has come back, which is when it meets the first condition that the script waits for.

use super::{Executor, Exit, Life, Op, Output, Phase, ProcessRef, ProcessState, Stream};
use crate::plan::crash::point::{AfterCrash, Crash, CrashPoint};

impl Executor {
    /// Crashes the process if the beginning of this step is the crash point.
    pub(super) fn crash_at_step(&mut self, step: usize) {
        if let Some(Crash { process, point: CrashPoint::Step(number), .. }) = self.crash
            && number == step + 1
        {
            self.crash(process);
        }
    }

    /// Crashes the process if this number of lines is the crash point.
    pub(super) fn printed(&mut self, process: ProcessRef, stream: Stream, lines: u64) {
        if let Some(Crash { process: victim, point: CrashPoint::Line { stream: on, line }, .. }) = self.crash
            && victim == process
            && on == stream
            && lines >= line
        {
            self.crash(process);
        }
    }

    fn crash(&mut self, process: ProcessRef) {
        let up = self.state(process).life == Life::Up;
        if up && !self.has_crashed && matches!(self.phase, Phase::At { .. }) {
            self.has_crashed = true;
            self.state(process).life = Life::Crashing;
            self.outputs.push_back(Output::Crash(process));
        }
    }

    /// Returns whether this step about the input of a process is left undone, because the process is to be
    /// killed when the steps that take no time are done. If the input were sent, it would depend on chance
    /// whether the process reads it before KILL arrives.
    pub(super) fn is_withheld(&self, step: usize, process: ProcessRef) -> bool {
        let Some(Crash { process: victim, point: CrashPoint::Step(number), .. }) = self.crash else {
            return false;
        };
        // The crash point is the beginning of the step with the index `number - 1`.
        let steps_before_crash = self.script.steps.get(step..number - 1);
        victim == process
            && !self.has_crashed
            && steps_before_crash
                .is_some_and(|steps| !steps.is_empty() && steps.iter().all(|it| it.op.is_instant()))
            && number <= self.script.steps.len()
    }

    /// Returns whether this exit is that of a crash. If the process was faster than KILL, its exit is checked
    /// as usual.
    pub(super) fn is_end_of_crash(&mut self, process: ProcessRef, exit: Exit) -> bool {
        let is_crashing = self.state(process).life == Life::Crashing;
        if is_crashing && !Crash::is_end(exit) {
            self.has_crashed = false;
            self.outputs.retain(|output| !matches!(output, Output::Crash(_)));
        }
        is_crashing && Crash::is_end(exit)
    }

    /// Handles the end of the crashed process and its descendants.
    pub(super) fn crashed(&mut self, process: ProcessRef) {
        let crash = self.crash.expect("only a run with a crash has a crashing process");
        let life = match (&self.phase, crash.after) {
            (Phase::At { .. }, AfterCrash::Restart) => {
                self.outputs.push_back(Output::Spawn(process));
                Life::Starting
            }
            (Phase::At { .. }, AfterCrash::StaysDead) | (Phase::Clearing(_) | Phase::Idle, _) => {
                Life::StaysDead
            }
        };
        *self.state(process) = ProcessState { life, killed: false, ..*self.state(process) };
    }

    /// Returns whether the process was crashed before, so that its next start is that of a successor.
    pub(in crate::plan) fn is_successor(&self, process: ProcessRef) -> bool {
        self.has_crashed && self.crash.is_some_and(|crash| crash.process == process)
    }

    /// Returns the process that was crashed, if any.
    pub(in crate::plan) fn crashed_process(&self) -> Option<ProcessRef> {
        self.crash.filter(|_| self.has_crashed).map(|crash| crash.process)
    }

    /// Returns the crash point of this run, if it has one.
    pub(in crate::plan) fn crash_point(&self) -> Option<CrashPoint> {
        self.crash.map(|crash| crash.point)
    }

    /// Asks the successor, which is up, for what its predecessor was asked.
    pub(super) fn ask_again(&mut self, process: ProcessRef) {
        let Phase::At { step, done, .. } = self.phase else { return };
        if let Some(closed) = self.script.process(process).closed_by.filter(|closed| *closed < step) {
            self.outputs.push_back(Output::Begin(closed));
        }
        self.comeback = self.script.first_wait(process).filter(|first| *first < step);
        let Some(recorded) = self.script.steps.get(step) else { return };
        match &recorded.op {
            Op::Kill { process: stopped, .. } if *stopped == process => self.stop(process),
            Op::WaitUntil { process: subject, .. }
            | Op::Send { process: subject, .. }
            | Op::CloseInput { process: subject }
                if *subject == process && !done =>
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

    /// Stops the process of a kill. A successor is left alone until it is up, as far as the script knows:
    /// before that it may not handle the signal, and this is the place where it shows whether it can still be
    /// started.
    pub(super) fn stop(&mut self, process: ProcessRef) {
        match self.comeback.filter(|_| self.is_successor(process)) {
            Some(first) => self.outputs.push_back(Output::Begin(first)),
            None => self.outputs.push_back(Output::Kill(process)),
        }
    }

    /// Handles the result of a step that is not the current one: if the successor was asked for it, it is up
    /// now.
    pub(super) fn came_back(&mut self, step: usize) {
        if let Some(Crash { process, .. }) = self.crash
            && self.is_to_be_stopped(process)
            && self.comeback.take_if(|first| *first == step).is_some()
        {
            self.outputs.push_back(Output::Kill(process));
        }
    }

    /// Returns whether the process is up, and the current step is its kill.
    fn is_to_be_stopped(&self, process: ProcessRef) -> bool {
        let Phase::At { step, .. } = self.phase else { return false };
        let op = self.script.steps.get(step).map(|step| &step.op);
        let is_kill = matches!(op, Some(Op::Kill { process: stopped, .. }) if *stopped == process);
        is_kill && self.processes[process.index()].life == Life::Up
    }

    /// Returns whether the failure of this step comes from the crash, so that the successor is asked again.
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

    /// Returns whether the process was crashed, and its successor is not up.
    pub(super) fn is_away(&self, process: ProcessRef) -> bool {
        match self.processes[process.index()].life {
            Life::Crashing | Life::StaysDead => true,
            Life::Starting => self.is_successor(process),
            Life::NotStarted | Life::Up | Life::Exited | Life::Gone => false,
        }
    }
}
