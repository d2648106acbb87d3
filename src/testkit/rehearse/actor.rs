//! The processes of a rehearsal.

use std::sync::LazyLock;
use std::time::Duration;

use super::behaviour::Behaviour;
use super::scenario::Scenario;
use crate::machine::{Exit, Name, RunId, Signal};

/// A scripted process.
pub(super) struct Actor<'a> {
    pub(super) behaviours: Vec<&'a Behaviour>,
    /// The seed of its random numbers.
    pub(super) stream: u64,
    pub(super) starts: u64,
    pub(super) has_condition: bool,
    pub(super) stop_signal: Signal,
    /// Until when every start fails, and how.
    pub(super) broken: Option<(Duration, Exit)>,
    pub(super) run: Option<Run<'a>>,
}

/// A run of a scripted process.
pub(super) struct Run<'a> {
    pub(super) id: RunId,
    pub(super) behaviour: &'a Behaviour,
    /// The number of its start.
    pub(super) start: u64,
    pub(super) stop_signal: Signal,
    pub(super) is_alive: bool,
    pub(super) is_stopping: bool,
    pub(super) runs_stop_command: bool,
}

/// The behaviour of a process that has none.
static DEFAULT: LazyLock<Behaviour> = LazyLock::new(Behaviour::new);

impl<'a> Actor<'a> {
    pub(super) fn new(name: &Name, scenario: &'a Scenario) -> Self {
        let own = scenario.behaviours.iter().filter(|(known, _)| *name == **known);
        let mut behaviours: Vec<&Behaviour> = own.map(|(_, behaviour)| behaviour).collect();
        if behaviours.is_empty() {
            behaviours.push(&DEFAULT);
        }
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self {
            behaviours,
            stream: name.bytes().fold(scenario.seed ^ 0xcbf2_9ce4_8422_2325, mix),
            starts: 0,
            has_condition: false,
            stop_signal: Signal::TERM,
            broken: None,
            run: None,
        }
    }

    /// Begins a run. Returns its number, and the time that the start takes.
    pub(super) fn start(&mut self, id: RunId) -> (u64, Duration) {
        let index = usize::try_from(self.starts).unwrap_or(usize::MAX).min(self.behaviours.len() - 1);
        let behaviour = self.behaviours[index];
        self.starts += 1;
        self.run = Some(Run {
            id,
            behaviour,
            start: self.starts,
            stop_signal: self.stop_signal,
            is_alive: false,
            is_stopping: false,
            runs_stop_command: false,
        });
        (self.starts, behaviour.start_takes)
    }

    /// Returns after which time the current run exits because of a signal, its number, and its exit; `None`
    /// if the signal has no effect.
    pub(super) fn signalled(&mut self, signal: Signal) -> Option<(Duration, u64, Exit)> {
        let run = self.run.as_mut().filter(|run| run.is_alive)?;
        if signal == Signal::KILL {
            return Some((Duration::ZERO, run.start, Exit::Signal { signal, core: false }));
        }
        // A definition that was replaced stops its last run with its own signal.
        if run.is_stopping || signal != run.stop_signal && signal != self.stop_signal {
            return None;
        }
        let after = run.behaviour.stop_takes?;
        run.is_stopping = true;
        Some((after, run.start, run.behaviour.exit_on(signal)))
    }
}
