//! The script: the recorded steps, and the processes they are about.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::error::PlanErrorKind;
use super::process::{Expected, ProcessRef};
use crate::host::Spec;
use crate::machine::{Name, Policy, Signal};
use crate::ready::{Condition, OutputMatch};

/// A plan as it was recorded, independent of any run.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    /// All processes, in the order in which they are started.
    pub(super) processes: Vec<ProcessDef>,
    /// The timeout of steps that have none of their own.
    pub(super) timeout: Duration,
}

/// The definition of a process.
#[derive(Clone)]
pub(super) struct ProcessDef {
    pub(super) name: Name,
    pub(super) spec: Spec,
    /// The matches that are searched for in its output, one after the other.
    pub(super) wanted: Vec<OutputMatch>,
    /// Whether its standard input is a pipe from the plan.
    pub(super) has_input: bool,
    /// The index of the step that closes its input.
    pub(super) closed_by: Option<usize>,
    /// The index of the step that expects its end.
    pub(super) ended_by: Option<usize>,
}

impl ProcessDef {
    /// Returns the time between the stop signal and KILL.
    pub(super) fn kill_time(&self) -> Duration {
        self.spec.get_policy().unwrap_or_default().kill_time
    }
}

/// A step with its timeout.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) timeout: Option<Duration>,
}

/// The action of a step.
#[derive(Clone)]
pub(super) enum Op {
    /// Starts these processes in order.
    Spawn(Vec<ProcessRef>),
    /// Waits until all these processes have ended, each as expected.
    Wait(Vec<(ProcessRef, Expected)>),
    /// Stops a process, and waits until it has ended as expected.
    Kill { process: ProcessRef, signal: Signal, expected: Expected },
    /// Waits until this number of the [wanted](ProcessDef::wanted) matches have been found.
    WaitForOutput { process: ProcessRef, wanted: usize },
    /// Waits until a process meets a condition.
    WaitUntil { process: ProcessRef, condition: Condition },
    /// Calls a function of the test.
    Call { what: String, call: Call },
    /// Writes to the standard input of a process.
    Send { process: ProcessRef, input: Arc<[u8]> },
    /// Closes the standard input of a process.
    CloseInput { process: ProcessRef },
}

impl Script {
    pub(super) fn new(name: String, timeout: Duration) -> Self {
        Self { name, steps: Vec::new(), processes: Vec::new(), timeout }
    }

    pub(super) fn process(&self, process: ProcessRef) -> &ProcessDef {
        &self.processes[process.index()]
    }

    pub(super) fn name(&self, process: ProcessRef) -> &Name {
        &self.process(process).name
    }

    /// Returns the conditions of this process, with the index of the step that waits for each.
    pub(super) fn conditions_of(&self, process: ProcessRef) -> impl Iterator<Item = (usize, Condition)> {
        self.steps.iter().enumerate().filter_map(move |(i, step)| match &step.op {
            Op::WaitUntil { process: name, condition } if *name == process => Some((i, condition.clone())),
            _ => None,
        })
    }

    /// Returns the step that was recorded last.
    pub(super) fn last_step(&mut self) -> &mut Step {
        self.steps.last_mut().expect("a step was just recorded")
    }

    /// Returns the index of the first step that waits for output or a condition of this process. Meeting it
    /// shows that the process is up.
    pub(super) fn first_wait(&self, process: ProcessRef) -> Option<usize> {
        self.steps.iter().position(|step| match &step.op {
            Op::WaitUntil { process: awaited, .. } | Op::WaitForOutput { process: awaited, .. } => {
                *awaited == process
            }
            Op::Spawn(_)
            | Op::Wait(_)
            | Op::Kill { .. }
            | Op::Call { .. }
            | Op::Send { .. }
            | Op::CloseInput { .. } => false,
        })
    }

    /// Returns that step with its output as a condition, if the step waits for output.
    pub(super) fn first_output_wait(&self, process: ProcessRef) -> Option<(usize, Condition)> {
        let step = self.first_wait(process)?;
        let Op::WaitForOutput { wanted, .. } = &self.steps[step].op else { return None };
        Some((step, self.process(process).wanted[wanted - 1].clone().into()))
    }

    /// Returns the timeout of the step with this index.
    pub(super) fn timeout(&self, step: usize) -> Duration {
        self.steps[step].timeout.unwrap_or(self.timeout)
    }

    /// Returns the text of each step.
    pub(super) fn texts(&self) -> Vec<String> {
        self.steps.iter().map(|step| self.text(step)).collect()
    }

    /// Returns the text of a step, which need not be recorded yet.
    pub(super) fn text(&self, step: &Step) -> String {
        let name = |process: &ProcessRef| self.name(*process);
        let end = |(process, expected): &(ProcessRef, Expected)| format!("{}: {expected}", name(process));
        let mut text = match &step.op {
            Op::Spawn(processes) => match &processes[..] {
                [process] => format!("spawn {}: {}", name(process), self.process(*process).spec),
                processes => {
                    let command = |process| format!("{}: {}", name(process), self.process(*process).spec);
                    format!("spawn all: {}", list(processes.iter().map(command)))
                }
            },
            Op::Wait(ends) => match &ends[..] {
                [] => "wait for all: no process".to_owned(),
                [only] => format!("wait for {}", end(only)),
                ends => format!("wait for all: {}", list(ends.iter().map(end))),
            },
            Op::Kill { process, signal, expected } => {
                format!("kill {} with {signal}: {expected}", name(process))
            }
            Op::WaitForOutput { process, wanted } => {
                let process = self.process(*process);
                format!("wait for {}: {}", process.name, process.wanted[wanted - 1])
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
    /// Returns whether the step takes no time of its own. A process that ends meanwhile is checked by the
    /// next step; otherwise the verdict would depend on whether a short-lived process ends during the start
    /// of the next one.
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

    /// Returns whether the step asks something of this process other than to end.
    pub(super) fn is_about(&self, process: ProcessRef) -> bool {
        match self {
            Self::WaitForOutput { process: subject, .. }
            | Self::WaitUntil { process: subject, .. }
            | Self::Send { process: subject, .. }
            | Self::CloseInput { process: subject } => *subject == process,
            Self::Spawn(_) | Self::Wait(_) | Self::Kill { .. } | Self::Call { .. } => false,
        }
    }

    /// Returns how this step expects the process to end; `None` if it does not expect it to end.
    pub(super) fn expects(&self, process: ProcessRef) -> Option<Expected> {
        match self {
            Self::Wait(ends) => {
                ends.iter().find(|(ending, _)| *ending == process).map(|(_, expected)| *expected)
            }
            Self::Kill { process: killed, signal: _, expected } => (*killed == process).then_some(*expected),
            Self::Spawn(_)
            | Self::WaitForOutput { .. }
            | Self::WaitUntil { .. }
            | Self::Call { .. }
            | Self::Send { .. }
            | Self::CloseInput { .. } => None,
        }
    }
}

/// Writes one line for the plan and one per step.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plan {}", self.name)?;
        for (i, text) in self.texts().iter().enumerate() {
            write!(f, "\n{:>4}  {text}", i + 1)?;
        }
        Ok(())
    }
}

/// Checks the timeout of a step.
pub(super) fn check_timeout(timeout: Duration) -> Result<(), PlanErrorKind> {
    let is_valid = !timeout.is_zero() && timeout <= Policy::LONGEST;
    if is_valid { Ok(()) } else { Err(PlanErrorKind::InvalidTimeout(timeout)) }
}

pub(super) fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

/// The beginning of some input, quoted, short enough for a line.
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
