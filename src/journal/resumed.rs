//! The beginning of a rehearsal whose journal begins with a checkpoint.

use std::time::{Duration, Instant};

use super::Program;
use super::recorded_runs::RecordedRuns;
use crate::machine::{Containment, Event, Input, Machine, Name, Output, Phase, RunId, Status};
use crate::testkit::rehearse::Tallies;

/// The commands that bring a new machine near to the state of a checkpoint.
///
/// What ran is started again at this moment, and so is what waited for its next start. What was not to be
/// started again is held.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) commands: Vec<Input<Program>>,
    /// The processes that are held only because they were not to be started again.
    pub(super) parked: Vec<Name>,
    /// The processes that ran.
    running: Vec<Status>,
}

impl Resumed {
    pub(super) fn new(machine: &Machine<Program>) -> Self {
        let statuses = machine.statuses();
        let is_at_rest = |status: &&Status| {
            matches!(status.phase, Phase::Completed | Phase::Failed | Phase::GaveUp) && !status.held
        };
        let parked: Vec<Name> =
            statuses.iter().filter(is_at_rest).map(|status| status.name.clone()).collect();
        let add = |status: &Status| {
            let definition = Box::new(machine.definition(&status.name)?);
            Some(Input::Add { name: status.name.clone(), definition })
        };
        let mut commands: Vec<Input<Program>> = statuses.iter().filter_map(add).collect();
        let held = statuses.iter().filter(|status| status.held).map(|status| &status.name);
        commands.extend(held.chain(&parked).map(|name| Input::Hold { name: name.clone() }));
        commands.extend(machine.is_running().then_some(Input::StartService));
        let runs = |status: &Status| {
            matches!(status.phase, Phase::Starting | Phase::Up | Phase::Stopping) && !status.held
        };
        let running: Vec<Status> = statuses.into_iter().filter(runs).collect();
        // What it depends on may have ended since.
        commands.extend(running.iter().map(|status| Input::Start { name: status.name.clone() }));
        let stopping = running.iter().filter(|status| status.phase == Phase::Stopping);
        commands.extend(stopping.map(|status| Input::Stop { name: status.name.clone() }));
        Self { commands, parked, running }
    }

    /// Returns the recorded run of the process with this run in `machine`.
    fn recorded(&self, run: RunId, machine: &Machine<Program>) -> Option<RunId> {
        self.running.iter().find(|status| machine.run(&status.name) == Some(run))?.run
    }

    /// Counts the beginning at `at`, which is `now` on the clock of the machine.
    pub(super) fn observe(&self, at: Duration, now: Instant, tallies: &mut Tallies, runs: &mut RecordedRuns) {
        let mut machine = Machine::new();
        for command in &self.commands {
            tallies.input(at, command);
            runs.input(at, command);
            // All of it was accepted once.
            let _ = machine.handle_input(command.clone(), now);
            while let Some(output) = machine.poll_output() {
                match &output {
                    Output::Spawn { run, name, spec } => {
                        let Some(status) = self.running.iter().find(|status| status.name == *name) else {
                            continue;
                        };
                        let Some(recorded) = status.run else { continue };
                        tallies.output(at, &output);
                        runs.output(
                            at,
                            &Output::Spawn { run: recorded, name: name.clone(), spec: spec.clone() },
                        );
                        for event in answers(status) {
                            runs.input(at, &Input::Event(event(recorded)));
                            machine.handle_event(event(*run), now);
                        }
                    }
                    Output::Signal { run, target, signal } => {
                        if let Some(run) = self.recorded(*run, &machine) {
                            runs.output(at, &Output::Signal { run, target: *target, signal: *signal });
                        }
                    }
                    Output::RunStopCommand { run } => {
                        if let Some(run) = self.recorded(*run, &machine) {
                            runs.output(at, &Output::RunStopCommand { run });
                        }
                    }
                    _ => tallies.output(at, &output),
                }
            }
        }
    }
}

/// Returns what has happened to a run so far.
fn answers(status: &Status) -> Vec<Box<dyn Fn(RunId) -> Event>> {
    let (pid, containment) =
        (status.pid.unwrap_or_default(), status.containment.unwrap_or(Containment::Group));
    let mut answers: Vec<Box<dyn Fn(RunId) -> Event>> = Vec::new();
    if status.phase != Phase::Starting {
        answers.push(Box::new(move |run| Event::Started { run, pid, containment }));
    }
    if status.ready_since.is_some() {
        answers.push(Box::new(|run| Event::Ready { run }));
    }
    answers
}
