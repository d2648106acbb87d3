//! The expected verdict on a history, computed independently of the executor: for each step, the shortest
//! history that completes it and the shortest that fails it. The shorter one decides.

use crate::machine::Exit;
use crate::plan::error::PlanErrorKind;
use crate::plan::executor::Failure;
use crate::plan::process::Expected;
use crate::plan::script::{Op, Script};

/// A fact about a process or a step, by its index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fact {
    Started(usize),
    NotStarted(usize),
    Exited(usize, Exit),
    /// It was sent KILL before it had ended.
    Killed(usize),
    Gone(usize),
    /// A process and the number of matches found in its output.
    Found(usize, usize),
    /// A step, and whether it succeeded.
    Answered(usize, bool),
    Broken,
    /// The timeout of the current step has passed.
    Ticked,
}

/// The verdict on a history.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Fine,
    /// The index of the step, the reason, and the processes in question.
    Failed(usize, Why, Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Why {
    UnexpectedExit(Exit),
    /// The last field: whether KILL was needed.
    UnexpectedStatus(Expected, Exit, bool),
    StillRunning,
    TimedOut,
    StepFailed,
    Broken,
}

impl Verdict {
    pub(super) fn of(Failure { step, kind }: Failure) -> Self {
        let who = kind.processes().iter().map(ToString::to_string).collect();
        let why = match kind {
            PlanErrorKind::UnexpectedExit { exit, .. } => Why::UnexpectedExit(exit),
            PlanErrorKind::UnexpectedStatus { expected, exit, killed_after, .. } => {
                Why::UnexpectedStatus(expected, exit, killed_after.is_some())
            }
            PlanErrorKind::StillRunning { .. } => Why::StillRunning,
            PlanErrorKind::TimedOut { .. } => Why::TimedOut,
            PlanErrorKind::NotStarted { .. } => Why::StepFailed,
            PlanErrorKind::CallPanicked(_) | PlanErrorKind::StaysDead { .. } => Why::StepFailed,
            PlanErrorKind::System { .. } => Why::Broken,
            _ => panic!("a run does not fail with this: {kind}"),
        };
        Self::Failed(step, why, who)
    }
}

/// Returns the verdict on a history, `None` if it is undecided.
pub(super) fn verdict(script: &Script, history: &[Fact]) -> Option<Verdict> {
    let mut length = 0;
    for step in 0..=script.steps.len() {
        let began = length;
        loop {
            let past = Past { script, step, began, facts: &history[..length] };
            if let Some((why, who)) = past.failure() {
                let who = who.into_iter().map(|who| script.processes[who].name.to_string()).collect();
                return Some(Verdict::Failed(step, why, who));
            }
            if step == script.steps.len() {
                return Some(Verdict::Fine);
            }
            if past.is_complete() {
                break;
            }
            if length == history.len() {
                return None;
            }
            length += 1;
        }
    }
    unreachable!("behind the last step there is a verdict")
}

/// A step, and all facts so far.
struct Past<'a> {
    script: &'a Script,
    step: usize,
    /// The number of facts when the step began.
    began: usize,
    facts: &'a [Fact],
}

impl Past<'_> {
    fn op(&self) -> Option<&Op> {
        self.script.steps.get(self.step).map(|step| &step.op)
    }

    fn has(&self, fact: Fact) -> bool {
        self.facts.contains(&fact)
    }

    fn has_found(&self, who: usize, wanted: usize) -> bool {
        self.facts.iter().any(|fact| matches!(fact, Fact::Found(it, count) if *it == who && *count >= wanted))
    }

    fn is_complete(&self) -> bool {
        match self.op() {
            None => true,
            Some(Op::Spawn(processes)) => processes.iter().all(|it| self.has(Fact::Started(it.index()))),
            Some(Op::Wait(ends)) => ends.iter().all(|(it, _)| self.has(Fact::Gone(it.index()))),
            Some(Op::Kill { process, .. }) => self.has(Fact::Gone(process.index())),
            Some(Op::WaitForOutput { process, wanted }) => self.has_found(process.index(), *wanted),
            Some(Op::WaitUntil { .. } | Op::Call { .. } | Op::CloseInput { .. }) => {
                self.has(Fact::Answered(self.step, true))
            }
            Some(Op::Send { process, .. }) => {
                self.has(Fact::Answered(self.step, true)) || self.has_ended(process.index())
            }
        }
    }

    fn has_ended(&self, who: usize) -> bool {
        self.exits(self.facts).any(|(it, _)| it == who)
    }

    fn failure(&self) -> Option<(Why, Vec<usize>)> {
        let unexpected = self.unexpected();
        match (self.facts.last(), self.op()) {
            (Some(Fact::NotStarted(who)), _) => Some((Why::StepFailed, vec![*who])),
            (Some(Fact::Answered(_, false)), _) => Some((Why::StepFailed, Vec::new())),
            (Some(Fact::Broken), _) => Some((Why::Broken, Vec::new())),
            (Some(Fact::Ticked), _) => Some(match unexpected.first() {
                Some((who, exit)) => (Why::UnexpectedExit(*exit), vec![*who]),
                None => (Why::TimedOut, self.awaited()),
            }),
            (_, Some(Op::Spawn(_) | Op::Send { .. } | Op::CloseInput { .. })) => None,
            (_, Some(Op::WaitForOutput { process, wanted })) => {
                let who = process.index();
                let speaks = self.has_found(who, *wanted) || !self.has(Fact::Gone(who));
                let (who, exit) = unexpected.iter().find(|(it, _)| *it != who || !speaks)?;
                Some((Why::UnexpectedExit(*exit), vec![*who]))
            }
            (_, Some(Op::Kill { process, .. }))
                if self.exits(&self.facts[..self.began]).any(|(who, _)| who == process.index()) =>
            {
                let (who, exit) = self.not_expected_before().next()?;
                Some((Why::UnexpectedExit(exit), vec![who]))
            }
            (_, Some(op @ (Op::Wait(_) | Op::Kill { .. } | Op::WaitUntil { .. } | Op::Call { .. }))) => {
                let mut exits = self.not_expected_before();
                exits.find_map(|(who, exit)| match self.expected(op, who) {
                    None => Some((Why::UnexpectedExit(exit), vec![who])),
                    Some(expected) if expected.is_met_by(exit) => None,
                    Some(expected) => {
                        let killed = self.has(Fact::Killed(who));
                        Some((Why::UnexpectedStatus(expected, exit, killed), vec![who]))
                    }
                })
            }
            (_, None) => match self.not_expected_before().next() {
                Some((who, exit)) => Some((Why::UnexpectedExit(exit), vec![who])),
                None => {
                    let there = |who: &usize| !self.has(Fact::Gone(*who));
                    let there: Vec<usize> = (0..self.script.processes.len()).filter(there).collect();
                    (!there.is_empty()).then_some((Why::StillRunning, there))
                }
            },
        }
    }

    fn exits<'a>(&self, facts: &'a [Fact]) -> impl Iterator<Item = (usize, Exit)> + use<'a> {
        facts
            .iter()
            .filter_map(|fact| if let Fact::Exited(who, exit) = fact { Some((*who, *exit)) } else { None })
    }

    /// Returns the exits that no earlier step has expected.
    fn not_expected_before(&self) -> impl Iterator<Item = (usize, Exit)> {
        let ended_by = |who: usize| self.script.processes[who].ended_by;
        self.exits(self.facts).filter(move |(who, _)| ended_by(*who).is_none_or(|step| step >= self.step))
    }

    /// Returns the exits that neither an earlier step nor this one has expected.
    fn unexpected(&self) -> Vec<(usize, Exit)> {
        let ended_by = |who: usize| self.script.processes[who].ended_by;
        self.not_expected_before().filter(|(who, _)| ended_by(*who) != Some(self.step)).collect()
    }

    fn expected(&self, op: &Op, who: usize) -> Option<Expected> {
        match op {
            Op::Wait(ends) => ends.iter().find(|(it, _)| it.index() == who).map(|(_, expected)| *expected),
            Op::Kill { process, expected, .. } if process.index() == who => Some(*expected),
            _ => None,
        }
    }

    /// Returns the processes that the step waits for.
    fn awaited(&self) -> Vec<usize> {
        let (awaited, end): (Vec<usize>, fn(usize) -> Fact) = match self.op() {
            None | Some(Op::Call { .. }) => return Vec::new(),
            Some(Op::Spawn(processes)) => (processes.iter().map(|it| it.index()).collect(), Fact::Started),
            Some(Op::Wait(ends)) => (ends.iter().map(|(it, _)| it.index()).collect(), Fact::Gone),
            Some(
                Op::Kill { process, .. }
                | Op::WaitForOutput { process, .. }
                | Op::WaitUntil { process, .. }
                | Op::Send { process, .. }
                | Op::CloseInput { process },
            ) => (vec![process.index()], Fact::Gone),
        };
        awaited.into_iter().filter(|who| !self.has(end(*who))).collect()
    }
}
