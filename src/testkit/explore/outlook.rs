//! What follows from a state: if everything works, if no process obeys, or if the same happens again and
//! again.

use std::time::Duration;

use super::config::Config;
use super::finding::FindingKind;
use super::problem::{Outcome, ensure};
use super::run::Readiness;
use super::step::{Step, StepKind};
use super::world::World;
use crate::machine::{CauseKind, GiveUp, Machine, OnGiveUp, Phase};

/// The maximum number of steps into the future. No outlook needs as many, unless a decision is wrong.
pub(super) const LONGEST: usize = 1000;

/// The number of repetitions whose speed is measured.
const MEASURED: u32 = 50;

/// A process that is restarted more often is not slowed down.
const FASTEST: Duration = Duration::from_secs(1);

/// A problem that a process has in the long run.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) kind: FindingKind,
    pub(super) process: usize,
    /// The process on which it depends.
    pub(super) on: Option<usize>,
    pub(super) text: String,
}

/// If everything works from now on.
impl World {
    /// Returns the next step of a world in which everything works; `None` if nothing is due any more.
    pub(super) fn helpful(&self, config: &Config) -> Option<Step> {
        for (index, process) in self.processes.iter().enumerate() {
            let Some(run) = &process.run else { continue };
            let lives = run.is_alive();
            let is_ready =
                config.definitions[index].ready.is_none() || matches!(run.readiness, Readiness::Since(_));
            let mut exit = 0;
            let kind = if !run.up {
                StepKind::Started
            } else if run.command_runs {
                StepKind::StopCommandEnds
            } else if lives && run.killed {
                StepKind::Dies
            } else if !run.leader && run.members > 0 {
                StepKind::FamilyExits
            } else if !run.leader && run.open {
                StepKind::Closes
            } else if lives && run.asked.is_some() {
                StepKind::Exits
            } else if lives && !is_ready {
                StepKind::Ready
            } else if let Some(success) = config.natures[index].completion.filter(|_| lives) {
                exit = success;
                StepKind::Exits
            } else {
                continue;
            };
            return Some(Step { exit, ..Step::of(kind, index) });
        }
        self.machine.poll_timeout().map(|_| Step::of(StepKind::Time, 0))
    }

    /// Lets everything work until nothing is due any more.
    pub(super) fn recover(&mut self, config: &Config) -> Outcome {
        let mut outputs = Vec::new();
        for _ in 0..LONGEST {
            let Some(step) = self.helpful(config) else { break };
            self.act(step, config)?;
            outputs.append(&mut self.outputs);
        }
        self.outputs = outputs;
        Ok(())
    }

    /// Returns what is wrong in a state in which nothing is due any more although everything works.
    pub(super) fn verdicts(&self, config: &Config) -> Vec<Verdict> {
        if !self.machine.is_running() {
            return Vec::new();
        }
        (0..self.processes.len()).filter_map(|index| self.verdict(index, config)).collect()
    }

    fn verdict(&self, index: usize, config: &Config) -> Option<Verdict> {
        let process = &self.processes[index];
        let definition = &config.definitions[index];
        let is_ready = process.is_ready(definition.ready.is_some());
        if !process.defined || process.held || is_ready {
            return None;
        }
        let why = self.machine.why(&config.names[index], self.now)?;
        match process.rest {
            Some(Phase::GaveUp) => {
                let stays_down =
                    matches!(definition.policy.give_up, Some(GiveUp { then: OnGiveUp::StayDown, .. }));
                let has_recovered = !config.edges[index].is_empty() && self.unmet(index, config).is_none();
                (stays_down && has_recovered && process.is_innocent).then(|| Verdict {
                    kind: FindingKind::GivenUp,
                    process: index,
                    on: config.edges[index].iter().find_map(|edge| edge.on),
                    text: format!("each of its failures happened while a dependency was down: {why}"),
                })
            }
            // As its own policy wants it.
            Some(_) => None,
            None => {
                // To give up was a decision of the user.
                let is_wanted =
                    why.causes().iter().any(|cause| matches!(cause.kind, CauseKind::GaveUp { .. }));
                let root = config.names.iter().position(|name| name == why.root());
                (!is_wanted).then(|| Verdict {
                    kind: FindingKind::NeverReady,
                    process: index,
                    on: root.filter(|root| *root != index),
                    text: why.to_string(),
                })
            }
        }
    }
}

/// If the same happens again and again.
impl World {
    /// Returns the mean time between two starts of a process if these steps, which have just restarted it,
    /// are repeated; `None` if they cannot be repeated without limit, or not so fast that it is a problem.
    pub(super) fn pace(&self, process: usize, round: &[Step], config: &Config) -> Option<Duration> {
        let mut world = self.clone();
        let limit = config.definitions[process].policy.give_up.map_or(0, |give_up| give_up.failures);
        let before = limit + MEASURED / 5;
        let mut since = world.now;
        for number in 0..before + MEASURED {
            if number == before {
                since = world.now;
            }
            for step in round {
                if !world.can_take(*step, config) {
                    return None;
                }
                world.take(*step, config).ok()?;
            }
            let is_slow = world.now - since >= FASTEST * MEASURED;
            if world.processes[process].begun[1] != world.steps || number >= before && is_slow {
                return None;
            }
        }
        Some((world.now - since) / MEASURED)
    }
}

/// If no process obeys.
impl World {
    /// Returns when each run is over in a stop that has just begun, if every process lives until KILL.
    pub(super) fn stubborn_stop(&self, config: &Config) -> Outcome<Vec<(usize, Duration)>> {
        let mut world = self.clone();
        let mut ends = Vec::new();
        for _ in 0..LONGEST {
            let runs = || {
                world.processes.iter().enumerate().filter_map(|(i, process)| Some((i, process.run.as_ref()?)))
            };
            let answer = runs().find_map(|(index, run)| match run {
                run if !run.up => Some(Step::of(StepKind::Started, index)),
                run if run.killed && run.leader => Some(Step::of(StepKind::Dies, index)),
                run if run.killed && run.members > 0 => Some(Step::of(StepKind::FamilyExits, index)),
                _ => None,
            });
            let live: Vec<usize> = runs().map(|(index, _)| index).collect();
            if live.is_empty() {
                break;
            }
            world.act(answer.unwrap_or_else(|| Step::of(StepKind::Time, 0)), config)?;
            let over = live.into_iter().filter(|index| world.processes[*index].run.is_none());
            ends.extend(over.map(|index| (index, world.now - self.now)));
        }
        Ok(ends)
    }
}

/// The end of a walk.
impl World {
    /// Stops the service, and checks that answers, exits after KILL and time alone end every run.
    pub(super) fn come_to_rest(&mut self, config: &Config) -> Outcome {
        self.stopping = None;
        self.stop_service(Machine::stop_service);
        self.stopping = None;
        self.settle(config)?;
        let helpful = [
            StepKind::Started,
            StepKind::Dies,
            StepKind::FamilyExits,
            StepKind::StopCommandEnds,
            StepKind::Closes,
            StepKind::Time,
        ];
        let config = &Config { kinds: helpful.into_iter().collect(), ..config.clone() };
        let mut steps = Vec::new();
        for _ in 0..LONGEST {
            self.possible(config, &mut steps);
            // What is an answer comes before time.
            let Some(step) = steps.iter().max_by_key(|step| step.kind != StepKind::Time) else { break };
            self.take(*step, config)?;
            self.check(config)?;
        }
        let rests = self.processes.iter().all(|process| process.run.is_none());
        ensure(rests && self.machine.is_settled(), "I-15: after a stop every run ends", || {
            let runs = self.processes.iter().filter_map(|process| process.run.as_ref());
            format!("these do not: {:?}", runs.map(|run| run.id).collect::<Vec<_>>())
        })?;
        for (name, process) in config.names.iter().zip(&self.processes) {
            let removed = self.machine.remove_process(name, self.now);
            ensure(removed.is_ok() == process.defined, "exactly what was added can be removed", || {
                format!("{name}: {removed:?}")
            })?;
        }
        let is_empty = self.machine.statuses().is_empty() && self.machine.runs().next().is_none();
        ensure(
            is_empty && self.machine.poll_timeout().is_none(),
            "nothing remains of what was removed",
            || format!("{:?}", self.machine),
        )
    }
}
