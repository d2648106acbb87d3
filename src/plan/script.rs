//! The script: what was recorded, in order, and who takes part.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::expected::Expected;
use super::planned::ProcessRef;
use crate::host::Spec;
use crate::machine::{Name, Signal};
use crate::ready::{Condition, OutputMatch};

/// A plan as it was recorded. It says what is to happen, and knows nothing of a run.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    /// All processes, in the order in which they are started.
    pub(super) cast: Vec<Role>,
    /// For steps that have none of their own.
    pub(super) timeout: Duration,
}

/// A process of the script.
#[derive(Clone)]
pub(super) struct Role {
    pub(super) name: Name,
    pub(super) spec: Spec,
    /// What is waited for in its output, one after the other.
    pub(super) wanted: Vec<OutputMatch>,
    /// Whether it is given anything on its standard input.
    pub(super) has_input: bool,
    /// The step that closes its input, by its index.
    pub(super) closed_by: Option<usize>,
    /// The step that expects its end, by its index.
    pub(super) ended_by: Option<usize>,
}

impl Role {
    /// How long it has between the signal of its kill and KILL.
    pub(super) fn kill_time(&self) -> Duration {
        self.spec.get_policy().unwrap_or_default().kill_time
    }
}

/// One step, and how long it may take.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) timeout: Option<Duration>,
}

/// What a step does.
#[derive(Clone)]
pub(super) enum Op {
    /// Starts these, one right after the other.
    Spawn(Vec<ProcessRef>),
    /// Waits until all of these have ended, each as expected.
    Wait(Vec<(ProcessRef, Expected)>),
    /// Asks a process to end, and waits until it has ended as expected.
    Kill { process: ProcessRef, signal: Signal, expected: Expected },
    /// Waits until so many of what is [wanted](Role::wanted) from a process have been found.
    WaitForOutput { process: ProcessRef, wanted: usize },
    /// Waits until this holds for a process.
    WaitUntil { process: ProcessRef, condition: Condition },
    /// Calls something.
    Call { what: String, call: Call },
    /// Writes this to the standard input of a process.
    Send { process: ProcessRef, input: Arc<[u8]> },
    /// Closes the standard input of a process.
    CloseInput { process: ProcessRef },
}

impl Script {
    pub(super) fn new(name: String, timeout: Duration) -> Self {
        Self { name, steps: Vec::new(), cast: Vec::new(), timeout }
    }

    pub(super) fn role(&self, process: ProcessRef) -> &Role {
        &self.cast[process.index()]
    }

    pub(super) fn name(&self, process: ProcessRef) -> &Name {
        &self.role(process).name
    }

    /// The steps that wait until this process is ready, by their index.
    pub(super) fn conditions_of(&self, process: ProcessRef) -> impl Iterator<Item = (usize, Condition)> {
        self.steps.iter().enumerate().filter_map(move |(i, step)| match &step.op {
            Op::WaitUntil { process: who, condition } if *who == process => Some((i, condition.clone())),
            _ => None,
        })
    }

    /// The step that was just recorded.
    pub(super) fn last_step(&mut self) -> &mut Step {
        self.steps.last_mut().expect("it was just recorded")
    }

    /// The first step that waits for a sign of this process, by its index: by that sign it is known to be up.
    pub(super) fn first_wait(&self, process: ProcessRef) -> Option<usize> {
        self.steps.iter().position(|step| match &step.op {
            Op::WaitUntil { process: who, .. } | Op::WaitForOutput { process: who, .. } => *who == process,
            Op::Spawn(_)
            | Op::Wait(_)
            | Op::Kill { .. }
            | Op::Call { .. }
            | Op::Send { .. }
            | Op::CloseInput { .. } => false,
        })
    }

    /// The same with that sign, if it is something printed.
    pub(super) fn first_words(&self, process: ProcessRef) -> Option<(usize, Condition)> {
        let step = self.first_wait(process)?;
        let Op::WaitForOutput { wanted, .. } = &self.steps[step].op else { return None };
        Some((step, self.role(process).wanted[wanted - 1].clone().into()))
    }

    /// How long the step may take.
    pub(super) fn timeout(&self, step: usize) -> Duration {
        self.steps[step].timeout.unwrap_or(self.timeout)
    }

    /// The text of each step.
    pub(super) fn texts(&self) -> Vec<String> {
        self.steps.iter().map(|step| self.text(step)).collect()
    }

    /// The text of a step, also of one that is not recorded yet.
    pub(super) fn text(&self, step: &Step) -> String {
        let name = |process: &ProcessRef| self.name(*process);
        let end = |(process, expected): &(ProcessRef, Expected)| format!("{}: {expected}", name(process));
        let mut text = match &step.op {
            Op::Spawn(processes) => match &processes[..] {
                [process] => format!("spawn {}: {}", name(process), self.role(*process).spec),
                processes => {
                    let command = |process| format!("{}: {}", name(process), self.role(*process).spec);
                    format!("spawn all: {}", list(processes.iter().map(command)))
                }
            },
            Op::Wait(ends) => match &ends[..] {
                [] => "wait for all: nobody".to_owned(),
                [only] => format!("wait for {}", end(only)),
                ends => format!("wait for all: {}", list(ends.iter().map(end))),
            },
            Op::Kill { process, signal, expected } => {
                format!("kill {} with {signal}: {expected}", name(process))
            }
            Op::WaitForOutput { process, wanted } => {
                let role = self.role(*process);
                format!("wait for {}: {}", role.name, role.wanted[wanted - 1])
            }
            Op::WaitUntil { process, condition } => format!("wait until {}: {condition}", name(process)),
            Op::Call { what, call: _ } => format!("call {what}"),
            Op::Send { process, input } => {
                format!("send {}: {}", name(process), Excerpt(input))
            }
            Op::CloseInput { process } => format!("close the input of {}", name(process)),
        };
        if let Some(timeout) = step.timeout {
            text += &format!(", within {timeout:?}");
        }
        text
    }
}

impl Op {
    /// Whether the step takes no time of its own. What ends meanwhile is judged by the step that follows; else it were
    /// a matter of luck whether a short-lived process ends during the start of its neighbour or later.
    pub(super) fn is_instant(&self) -> bool {
        match self {
            Self::Spawn(_) | Self::Send { .. } | Self::CloseInput { .. } => true,
            Self::Wait(_)
            | Self::Kill { .. }
            | Self::WaitForOutput { .. }
            | Self::WaitUntil { .. }
            | Self::Call { .. } => false,
        }
    }

    /// Whether the step asks something of this process besides its end.
    pub(super) fn is_about(&self, process: ProcessRef) -> bool {
        match self {
            Self::WaitForOutput { process: who, .. }
            | Self::WaitUntil { process: who, .. }
            | Self::Send { process: who, .. }
            | Self::CloseInput { process: who } => *who == process,
            Self::Spawn(_) | Self::Wait(_) | Self::Kill { .. } | Self::Call { .. } => false,
        }
    }

    /// How this process is to end in this step; `None` if it may not.
    pub(super) fn expects(&self, process: ProcessRef) -> Option<Expected> {
        match self {
            Self::Wait(ends) => ends.iter().find(|(who, _)| *who == process).map(|(_, expected)| *expected),
            Self::Kill { process: who, signal: _, expected } => (*who == process).then_some(*expected),
            Self::Spawn(_)
            | Self::WaitForOutput { .. }
            | Self::WaitUntil { .. }
            | Self::Call { .. }
            | Self::Send { .. }
            | Self::CloseInput { .. } => None,
        }
    }
}

/// The script as text: a line for each step.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plan {}", self.name)?;
        for (i, text) in self.texts().iter().enumerate() {
            write!(f, "\n{:>4}  {text}", i + 1)?;
        }
        Ok(())
    }
}

pub(super) fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

/// The beginning of what is sent, quoted, as it fits into a line.
pub(super) struct Excerpt<'a>(pub(super) &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        let shown = &self.0[..self.0.len().min(LONGEST)];
        if self.0.len() > LONGEST {
            return write!(f, "\"{}…\" ({} bytes)", shown.escape_ascii(), self.0.len());
        }
        write!(f, "\"{}\"", shown.escape_ascii())
    }
}
