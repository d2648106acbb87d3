//! The runs in a journal, as behaviours of a rehearsal.

use std::collections::HashMap;
use std::time::Duration;

use super::Program;
use crate::machine::{Event, Exit, Input, Name, Output, RunId, Signal, SpawnError};
use crate::testkit::rehearse::Behaviour;

/// The runs of all processes, in the order of their starts.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordedRuns {
    /// In the order of their first runs.
    processes: Vec<(Name, Vec<Run>)>,
    /// The position of each run that is not over.
    by_id: HashMap<RunId, (usize, usize)>,
    /// The stop signal of each process, and whether it has a condition for its readiness.
    definitions: HashMap<Name, (Signal, bool)>,
}

/// A run. Times are since the beginning of the journal.
#[derive(Clone, Debug, Default)]
struct Run {
    spawned: Duration,
    /// The answer to its start.
    answered: Option<Duration>,
    error: Option<SpawnError>,
    readiness: Vec<(Duration, bool)>,
    unhealthy: Option<Duration>,
    has_condition: bool,
    /// The first stop signal, or the begin of the stop command.
    stopped: Option<Duration>,
    /// Whether it was killed although it was being stopped.
    killed: bool,
    /// Whether it was killed without being asked to end.
    forced: bool,
    exited: Option<(Duration, Exit)>,
    closed: Option<Duration>,
}

impl RecordedRuns {
    /// Notes what an input says about a run.
    pub(super) fn input(&mut self, at: Duration, input: &Input<Program>) {
        let event = match input {
            Input::Event(event) => event,
            Input::Add { name, definition } | Input::Replace { name, definition, .. } => {
                let facts = (definition.stop_signal, definition.ready.is_some());
                self.definitions.insert(name.clone(), facts);
                return;
            }
            _ => return,
        };
        let Some(run) = self.run(event.run()) else { return };
        match event {
            Event::Started { .. } => run.answered = Some(at),
            Event::SpawnFailed { error, .. } => {
                (run.answered, run.error) = (Some(at), Some(error.clone()));
            }
            Event::Exited { exit, .. } => {
                run.exited.get_or_insert((at, *exit));
            }
            Event::Closed { .. } => {
                run.closed.get_or_insert(at);
            }
            Event::Ready { .. } => run.readiness.push((at, true)),
            Event::NotReady { .. } => run.readiness.push((at, false)),
            Event::Unhealthy { .. } => {
                run.unhealthy.get_or_insert(at);
            }
            Event::Family { .. } | Event::StopCommandEnded { .. } | Event::Survivors { .. } => {}
        }
    }

    /// Notes what an output does to a run.
    pub(super) fn output(&mut self, at: Duration, output: &Output<Program>) {
        match output {
            Output::Spawn { run, name, .. } => {
                let known = self.processes.iter().position(|(known, _)| known == name);
                let process = known.unwrap_or_else(|| {
                    self.processes.push((name.clone(), Vec::new()));
                    self.processes.len() - 1
                });
                let runs = &mut self.processes[process].1;
                self.by_id.insert(*run, (process, runs.len()));
                let has_condition =
                    self.definitions.get(name).is_some_and(|(_, has_condition)| *has_condition);
                runs.push(Run { spawned: at, has_condition, ..Run::default() });
            }
            Output::Signal { run, signal, .. } => {
                let Some(&(process, _)) = self.by_id.get(run) else { return };
                let known = self.definitions.get(&self.processes[process].0);
                let stops = known.is_some_and(|(stop_signal, _)| stop_signal == signal);
                let Some(run) = self.run(*run).filter(|run| run.exited.is_none()) else { return };
                match run.stopped {
                    Some(_) => run.killed |= *signal == Signal::KILL,
                    None if *signal == Signal::KILL => run.forced = true,
                    None if stops => run.stopped = Some(at),
                    None => {}
                }
            }
            Output::RunStopCommand { run } => {
                if let Some(run) = self.run(*run) {
                    run.stopped.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    fn run(&mut self, id: RunId) -> Option<&mut Run> {
        let (process, run) = self.by_id.get(&id)?;
        self.processes[*process].1.get_mut(*run)
    }

    /// Returns the behaviours of the runs of a process.
    pub(super) fn behaviours(&self, name: &str) -> Vec<Behaviour> {
        let runs = self.processes.iter().find(|(known, _)| *known == *name);
        runs.map_or_else(Vec::new, |(_, runs)| behaviours(runs))
    }
}

/// Returns the behaviours of the runs of one process.
fn behaviours(runs: &[Run]) -> Vec<Behaviour> {
    // A run that was never stopped, or whose start was not answered, does as another run of the process.
    let stop = runs.iter().rev().find_map(Run::stop);
    let start = runs.iter().find_map(Run::start_takes);
    runs.iter().map(|run| run.behaviour(start, stop)).collect()
}

/// The reaction of a run to being stopped: the time and the exit, or none at all.
type Stop = Option<(Duration, Exit)>;

impl Run {
    fn start_takes(&self) -> Option<Duration> {
        Some(self.answered? - self.spawned)
    }

    /// Returns how it has reacted to being stopped; `None` if it was not stopped.
    fn stop(&self) -> Option<Stop> {
        let stopped = self.stopped?;
        match self.exited {
            _ if self.killed => Some(None),
            Some((at, exit)) => Some(Some((at - stopped, exit))),
            None => None,
        }
    }

    fn behaviour(&self, start: Option<Duration>, stop: Option<Stop>) -> Behaviour {
        let mut behaviour = Behaviour::new();
        if let Some(takes) = self.start_takes().or(start) {
            behaviour = behaviour.start_takes(takes);
        }
        if let Some(error) = &self.error {
            return behaviour.cannot_start(error.clone());
        }
        let Some(started) = self.answered else { return behaviour };
        if self.has_condition {
            behaviour = behaviour.never_ready();
        }
        for (at, is_ready) in &self.readiness {
            // The machine keeps what arrives before the start.
            let after = at.saturating_sub(started);
            behaviour = match is_ready {
                true => behaviour.ready_after(after),
                false => behaviour.not_ready_after(after),
            };
        }
        if let Some(at) = self.unhealthy {
            behaviour = behaviour.unhealthy_after(at.saturating_sub(started));
        }
        if let (Some((at, exit)), None, false) = (self.exited, self.stopped, self.forced) {
            behaviour = behaviour.lives(at.saturating_sub(started)).exits(exit);
        }
        behaviour = match self.stop().or(stop) {
            None => behaviour,
            Some(None) => behaviour.ignores_term(),
            Some(Some((takes, exit))) => behaviour.stop_takes(takes).exits_on_term(exit),
        };
        match (self.exited, self.closed) {
            (Some((exited, _)), Some(closed)) => behaviour.output_ends_after(closed.saturating_sub(exited)),
            (Some(_), None) => behaviour.output_ends_after(Duration::MAX),
            _ => behaviour,
        }
    }
}
