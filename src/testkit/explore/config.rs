//! What is explored: the processes, the kinds of steps, and the driver between the world and the machine.

use std::sync::Arc;
use std::time::Instant;

use super::step::{Kinds, Step, StepKind, Written};
use crate::machine::{Definition, Event, Exit, Machine, Name, OnEnd, Output, Restart, RestartGroup, Until};
use crate::testkit::clock::origin;

/// A driver that changes the events on their way to the machine.
pub(super) type Driver = Arc<dyn Fn(&Machine<()>, Event) -> Event + Send + Sync>;

/// A dependency of a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// The index of the process that is waited for; `None` if there is no such process.
    pub(super) on: Option<usize>,
    pub(super) until: Until,
    pub(super) on_end: OnEnd,
}

/// The facts about a process that its definition does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nature {
    /// Whether it is held before the first step.
    pub(super) is_held: bool,
    /// Whether it can be found to be unhealthy.
    pub(super) has_health_check: bool,
    /// Whether another process can answer for it when it is asked whether it is ready.
    pub(super) is_ready_by_any: bool,
    /// The index of the exit with which it completes if others wait for that; set by [`Config::connect`].
    pub(super) completion: Option<u8>,
}

/// The processes and the steps that are explored.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) names: Vec<Name>,
    pub(super) definitions: Vec<Definition<()>>,
    pub(super) natures: Vec<Nature>,
    pub(super) kinds: Kinds,
    pub(super) exits: Vec<Exit>,
    pub(super) driver: Option<Driver>,
    /// The time at which every exploration begins.
    pub(super) epoch: Instant,
    /// The dependencies of each process; set by [`Self::connect`].
    pub(super) edges: Vec<Vec<Edge>>,
    /// The processes that are restarted when each process ends; set by [`Self::connect`].
    pub(super) followers: Vec<Vec<usize>>,
}

impl Config {
    pub(super) fn new() -> Self {
        let all = StepKind::ALL.into_iter();
        Self {
            names: Vec::new(),
            definitions: Vec::new(),
            natures: Vec::new(),
            kinds: all.filter(|kind| !StepKind::RARE.contains(kind)).collect(),
            exits: vec![Exit::Code(0), Exit::Code(1)],
            driver: None,
            epoch: origin(),
            edges: Vec::new(),
            followers: Vec::new(),
        }
    }

    /// Adds a process.
    pub(super) fn add(&mut self, name: Name, definition: Definition<()>) {
        self.names.push(name);
        self.definitions.push(definition);
        self.natures.push(Nature {
            is_held: false,
            has_health_check: true,
            is_ready_by_any: false,
            completion: None,
        });
    }

    /// Looks up the names of all dependencies, and how the processes complete that others wait for.
    pub(super) fn connect(&mut self) {
        let edges = self.definitions.iter().map(|definition| {
            let after = definition.after.iter();
            let edges = after.map(|dependency| Edge {
                on: self.names.iter().position(|name| *name == dependency.on),
                until: dependency.until,
                on_end: dependency.on_end,
            });
            edges.collect()
        });
        self.edges = edges.collect();
        self.followers = vec![Vec::new(); self.names.len()];
        for (index, edges) in self.edges.iter().enumerate() {
            for edge in edges.iter().filter(|edge| edge.on_end == OnEnd::Restart) {
                edge.on.into_iter().for_each(|on| self.followers[on].push(index));
            }
        }
        let awaited = self.edges.iter().flatten().filter(|edge| edge.until == Until::Completed);
        let awaited: Vec<usize> = awaited.filter_map(|edge| edge.on).collect();
        for index in awaited {
            let policy = &self.definitions[index].policy;
            let is_success = |exit: &Exit| policy.success.contains(*exit);
            let codes = || (0..=255).map(Exit::Code);
            let known = self.exits.iter().position(is_success).or_else(|| {
                self.exits.extend(codes().find(is_success));
                self.exits.iter().position(is_success)
            });
            let can_complete = policy.restart != Restart::Always;
            self.natures[index].completion = known.filter(|_| can_complete).map(|exit| exit as u8);
        }
    }

    /// Returns the index of a process.
    pub(super) fn index(&self, name: &Name) -> usize {
        self.names.iter().position(|known| known == name).expect("the machine knows these names only")
    }

    /// Returns the other members of the group of a process, whether they were removed or not.
    pub(super) fn fellows(&self, group: &RestartGroup, index: usize) -> impl Iterator<Item = usize> {
        let groups = self.definitions.iter().map(|definition| definition.restart_group.as_ref());
        let is_fellow =
            move |theirs: Option<&RestartGroup>| theirs.is_some_and(|theirs| theirs.name == group.name);
        let fellows = groups.enumerate().filter(move |(other, theirs)| *other != index && is_fellow(*theirs));
        fellows.map(|(other, _)| other)
    }

    /// Describes an output, for a counterexample.
    pub(super) fn show(&self, output: &Output<()>) -> String {
        match output {
            Output::Spawn { run, name, spec: () } => format!("spawn {name}{run}"),
            Output::Signal { run, signal, .. } => format!("signal {run} {signal}"),
            Output::Reap { run } => format!("reap {run}"),
            Output::ListFamily { run } => format!("list the family of {run}"),
            Output::RunStopCommand { run } => format!("run the stop command of {run}"),
            Output::KillStopCommand { run } => format!("kill the stop command of {run}"),
            Output::DescribeSurvivors { run, .. } => format!("describe the survivors of {run}"),
            Output::Notice(notice) => notice.to_string(),
        }
    }

    pub(super) fn write(&self, step: Step) -> Written<'_> {
        Written { step, names: &self.names, exits: &self.exits }
    }
}
