//! What the processes of a world have to do with each other, without looking into the machine.

use super::config::{Config, Edge};
use super::problem::{Outcome, ensure};
use super::run::Run;
use super::world::World;
use crate::machine::{OnEnd, Phase, Strategy, Until};

impl World {
    /// Whether the condition of a dependency holds for a live run.
    pub(super) fn holds(&self, edge: &Edge, config: &Config) -> bool {
        let Some(on) = edge.on else { return false };
        let process = &self.processes[on];
        let is_own = process.defined && process.run.as_ref().is_none_or(|run| run.own);
        is_own
            && match edge.until {
                Until::Started => process.is_up(),
                Until::Ready => process.is_ready(config.definitions[on].ready.is_some()),
                Until::Completed => process.run.is_none() && process.rest == Some(Phase::Completed),
            }
    }

    /// Notes whether a process that this one depends on is down, at a failure of this one.
    pub(super) fn excuse(&mut self, index: usize, config: &Config) {
        let run = self.processes[index].run.as_ref();
        let counts = config.definitions[index].policy.give_up.is_some();
        if counts && run.is_some_and(|run| run.asked.is_none() && !run.killed) {
            self.processes[index].is_excused = self.lacks_dependency(index, config);
        }
    }

    /// Whether a process that this one depends on, or one that that depends on, is down. What has to complete
    /// once is not asked about.
    fn lacks_dependency(&self, index: usize, config: &Config) -> bool {
        let edges = config.edges[index].iter().filter(|edge| edge.until != Until::Completed);
        edges.into_iter().any(|edge| {
            !self.holds(edge, config) || edge.on.is_some_and(|on| self.lacks_dependency(on, config))
        })
    }

    /// Whether every process that this one waits for was added.
    pub(super) fn knows_dependencies(&self, index: usize, config: &Config) -> bool {
        config.edges[index].iter().all(|edge| edge.on.is_some_and(|on| self.processes[on].defined))
    }

    /// Returns the first condition of a process that does not hold.
    pub(super) fn unmet<'a>(&self, index: usize, config: &'a Config) -> Option<&'a Edge> {
        config.edges[index].iter().find(|edge| !self.holds(edge, config))
    }

    /// A command for this process stops it.
    pub(super) fn stopped_by_command(&mut self, index: usize, config: &Config) {
        self.processes[index].run.iter_mut().for_each(|run| run.commanded_to_stop = true);
        self.affect(index, config);
    }

    /// The end of a process may stop others: those of its group, and those that are restarted after it.
    pub(super) fn affect(&mut self, source: usize, config: &Config) {
        if let Some(run) = &mut self.processes[source].run {
            run.may_stop = true;
        }
        // Most processes affect no other.
        let mut affected = Vec::new();
        let mut next = Some(source);
        let mut done = 0;
        while let Some(index) = next {
            for other in config.followers[index].iter().copied().chain(self.mates(index, config)) {
                if other != source && !affected.contains(&other) {
                    affected.push(other);
                }
            }
            next = affected.get(done).copied();
            done += 1;
        }
        for other in affected {
            self.processes[other].run.iter_mut().for_each(|run| run.affected = true);
        }
    }

    /// Returns the members of the group of a process that are restarted with it.
    fn mates(&self, index: usize, config: &Config) -> impl Iterator<Item = usize> {
        let group = config.definitions[index].restart_group.as_ref();
        let order = self.processes[index].order;
        group.into_iter().flat_map(move |group| {
            let others = config.fellows(group, index);
            others.filter(move |other| {
                let process = &self.processes[*other];
                process.defined && (group.strategy == Strategy::OneForAll || process.order > order)
            })
        })
    }

    /// A process that has ended by itself is restarted: the members of its group that run have to end. If a
    /// restart of the group may be under way, it joins that one, and nothing is expected.
    pub(super) fn restart_group(&mut self, index: usize, config: &Config) {
        let Some(group) = &config.definitions[index].restart_group else { return };
        let is_clean = config.fellows(group, index).all(|other| {
            let process = &self.processes[other];
            let status = self.machine.status(&config.names[other]);
            let waits = status.is_some_and(|status| matches!(status.phase, Phase::Waiting | Phase::Blocked));
            process.run.as_ref().is_none_or(|run| run.is_up() && !run.alone) && !waits
        });
        if is_clean {
            let mates: Vec<usize> = self.mates(index, config).collect();
            for mate in mates {
                self.processes[mate].run.iter_mut().for_each(|run| run.must_stop = true);
            }
        }
    }

    /// Checks that no process is forgotten, and none is stopped before those that depend on it.
    pub(super) fn check_relations(&self, config: &Config) -> Outcome {
        let running = self.machine.is_running();
        for (index, process) in self.processes.iter().enumerate() {
            let Some(run) = &process.run else { continue };
            let name = &config.names[index];
            let is_needed = || self.dependents_with_runs(index, false, config).next().is_some();
            let is_forgotten = run.must_stop && run.is_up() && !is_needed();
            ensure(!is_forgotten || !running, "a group is restarted with all its members", || {
                format!("{name} runs on")
            })?;
            for edge in &config.edges[index] {
                let relies = edge.on_end == OnEnd::Restart && edge.until != Until::Completed && !run.alone;
                let on = edge.on.map(|on| &self.processes[on]);
                let is_gone = on.is_none_or(|on| !on.defined || !on.is_up());
                let runs_on = running && relies && is_gone && run.is_up() && run.own && !is_needed();
                ensure(!runs_on, "a process is restarted with its dependency", || format!("{name} runs on"))?;
            }
        }
        if let Some((since, bound)) = self.stopping
            && self.processes.iter().any(|process| process.run.is_some())
        {
            let taken = self.now - since;
            ensure(taken <= bound, "a stop ends within its bound", || {
                format!("after {taken:?} there is a run; the bound is {bound:?}")
            })?;
        }
        Ok(())
    }

    /// Returns the processes that depend on this one and have a run, which is of their `own` definition.
    pub(super) fn dependents_with_runs<'a>(
        &'a self,
        index: usize,
        own: bool,
        config: &'a Config,
    ) -> impl Iterator<Item = usize> + 'a {
        (0..self.processes.len()).filter(move |other| {
            let depends = config.edges[*other].iter().any(|edge| edge.on == Some(index));
            // The run of a definition that was removed may be awaited, but need not.
            let has_run = |run: &Run| run.own || !own;
            depends && self.processes[*other].run.as_ref().is_some_and(has_run)
        })
    }
}
