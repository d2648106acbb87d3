//! The whole state of a machine as JSON, from which a machine is restored that behaves in the same way.
//!
//! Every type is taken apart completely, so that a new field cannot be forgotten. What follows from other
//! parts, such as the deadlines and the two ends of an edge, is computed when the state is restored. All
//! references between the tables are checked then, because the file may be damaged.

mod child;
mod relations;
mod run;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::child::Child;
use super::deadlines::Deadlines;
use super::definition::Settings;
use super::json::{Fields, Json, Problem, Text, Value};
use super::{Definition, Machine, Name};

/// The state of a machine, as far as it is not computed from the rest of it.
impl<S: Clone> Machine<S> {
    /// Writes the state, all of whose outputs were polled. `spec` returns what stands for the spec of a
    /// process.
    pub(crate) fn write_checkpoint<T: Json>(&self, mut spec: impl FnMut(&Name, &S) -> T, out: &mut Text) {
        let Self {
            children,
            free,
            relations,
            running,
            stopped_by,
            runs,
            additions,
            seed,
            slots: _,
            deadlines: _,
            policy: _,
            out: _,
        } = self;
        let children = children
            .iter()
            .map(|child| child.as_ref().map(|child| child.with_spec(spec(&child.name, child.spec()))));
        out.object()
            .with("running", running)
            .with("stopped_by", stopped_by)
            .with("runs", runs)
            .with("additions", additions)
            .with("seed", seed)
            .with("free", free)
            .options::<Child<T>, _>("children", children)
            .with("relations", relations)
            .end();
    }
}

impl<S: Clone> Machine<S> {
    /// Returns the current definition of a process; `None` if there is no process with this name.
    pub(crate) fn definition(&self, name: &str) -> Option<Definition<S>> {
        let slot = self.find(name).ok()?;
        let Settings { spec, policy, ready, stop_signal, stop_target, stop_command } =
            &self.child(slot).settings;
        let group = self.relations.get(slot).and_then(|links| links.group.as_deref());
        Some(Definition {
            spec: spec.clone(),
            policy: **policy,
            stop_signal: *stop_signal,
            stop_target: *stop_target,
            stop_command: *stop_command,
            after: self.dependencies(name),
            ready: *ready,
            restart_group: group.map(|member| member.group.clone()),
        })
    }

    /// Returns an upper bound of the number of processes, to which the size of a checkpoint is proportional.
    pub(crate) fn slots(&self) -> usize {
        self.children.len()
    }

    /// Returns a copy of the state that can be written and nothing else. It is much faster than writing.
    pub(crate) fn saved(&self) -> Self {
        let Self {
            children,
            free,
            relations,
            running,
            stopped_by,
            runs,
            additions,
            seed,
            slots: _,
            deadlines: _,
            policy: _,
            out: _,
        } = self;
        Self {
            children: children.clone(),
            free: free.clone(),
            relations: relations.clone(),
            running: *running,
            stopped_by: stopped_by.clone(),
            runs: *runs,
            additions: *additions,
            seed: *seed,
            slots: HashMap::new(),
            deadlines: Deadlines::default(),
            policy: Arc::default(),
            out: VecDeque::new(),
        }
    }

    /// Restores a state.
    pub(crate) fn read_checkpoint(value: Value<'_>, begin: Instant) -> Result<Self, Problem>
    where
        S: Json,
    {
        let mut fields = Fields::new(value, begin)?;
        let children: Vec<Option<Child<S>>> = fields.take("children")?;
        let mut machine = Self {
            free: fields.take("free")?,
            slots: HashMap::new(),
            deadlines: Deadlines::default(),
            policy: Arc::default(),
            relations: fields.take("relations")?,
            out: VecDeque::new(),
            running: fields.take("running")?,
            stopped_by: fields.take("stopped_by")?,
            runs: fields.take("runs")?,
            additions: fields.take("additions")?,
            seed: fields.take("seed")?,
            children,
        };
        fields.end()?;
        machine.restore_tables()?;
        machine.restore_relations()?;
        Ok(machine)
    }

    /// Computes the names, the deadlines and what is shared.
    fn restore_tables(&mut self) -> Result<(), Problem> {
        for (slot, child) in self.children.iter_mut().enumerate() {
            let Some(child) = child else { continue };
            if self.slots.insert(child.name.clone(), slot).is_some() {
                return Err(Problem::of("children", format!("has {:?} twice", child.name)));
            }
            if child.run().is_some_and(|run| run.slot() != slot || run.number() > self.runs) {
                return Err(Problem::of(
                    "children",
                    format!("has a run of {:?} with a wrong id", child.name),
                ));
            }
            if child.order >= self.additions {
                return Err(Problem::of("children", format!("has a wrong order of {:?}", child.name)));
            }
            if *child.settings.policy == *self.policy {
                child.settings.policy = self.policy.clone();
            } else {
                self.policy = child.settings.policy.clone();
            }
            self.deadlines.set(slot, child.deadline());
        }
        let mut free = self.free.clone();
        free.sort_unstable();
        let is_free = |slot: &usize| self.children[*slot].is_none();
        if !(0..self.children.len()).filter(is_free).eq(free) {
            return Err(Problem::of("free", "is not the list of the free slots"));
        }
        Ok(())
    }
}
