//! Copies of a machine into the memory of another one.
//!
//! A search through states copies a machine millions of times, and a derived [`Clone`] would allocate each
//! table every time. With these, [`clone_from`](Clone::clone_from) fills the tables that are there. Every
//! type is taken apart completely, so that a new field cannot be forgotten.

use super::Machine;
use super::child::Child;
use super::deadlines::Deadlines;
use super::relations::{Links, Relations};

impl<S: Clone> Clone for Machine<S> {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        let Self {
            children,
            free,
            slots,
            deadlines,
            policy,
            relations,
            out,
            running,
            stopped_by,
            runs,
            additions,
            seed,
        } = source;
        self.children.clone_from(children);
        self.free.clone_from(free);
        self.slots.clone_from(slots);
        self.deadlines.clone_from(deadlines);
        self.policy.clone_from(policy);
        self.relations.clone_from(relations);
        self.out.clone_from(out);
        self.stopped_by.clone_from(stopped_by);
        (self.running, self.runs, self.additions, self.seed) = (*running, *runs, *additions, *seed);
    }
}

impl<S: Clone> Clone for Child<S> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            settings: self.settings.clone(),
            state: self.state.clone(),
            failures: self.failures.clone(),
            last: self.last.clone(),
            ..*self
        }
    }

    fn clone_from(&mut self, source: &Self) {
        let Self { name, order, settings, goal, state, failures, starts, last } = source;
        self.name.clone_from(name);
        self.settings.clone_from(settings);
        self.state.clone_from(state);
        self.failures.clone_from(failures);
        self.last.clone_from(last);
        (self.order, self.goal, self.starts) = (*order, *goal, *starts);
    }
}

impl Clone for Deadlines {
    fn clone(&self) -> Self {
        Self { heap: self.heap.clone(), places: self.places.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        let Self { heap, places } = source;
        self.heap.clone_from(heap);
        self.places.clone_from(places);
    }
}

impl Clone for Relations {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        let Self { links, missing, groups, tasks } = source;
        self.links.clone_from(links);
        self.missing.clone_from(missing);
        self.groups.clone_from(groups);
        self.tasks.clone_from(tasks);
    }
}

impl Clone for Links {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.name.clone(), self.facts);
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        let Self { name, edges, unmet, dependents, facts, level, drain, draining_dependents, group } = source;
        self.name.clone_from(name);
        self.edges.clone_from(edges);
        self.dependents.clone_from(dependents);
        self.drain.clone_from(drain);
        self.group.clone_from(group);
        (self.unmet, self.draining_dependents) = (*unmet, *draining_dependents);
        (self.facts, self.level) = (*facts, *level);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::machine::{
        Definition, Dependency, Event, Name, Output, RestartGroup, SpawnError, SpawnStep, Strategy, Until,
    };

    #[test]
    fn a_copy_into_another_machine_is_the_same_as_a_new_copy() {
        #[expect(clippy::disallowed_methods, reason = "a time that is never compared with a clock")]
        let now = Instant::now();
        let (failing, waiting) = (machine(&["db", "web", "worker"], true, now), machine(&["db"], false, now));
        for (source, other) in [(&failing, &waiting), (&waiting, &failing), (&failing, &Machine::new())] {
            let mut copy = other.clone();
            copy.clone_from(source);
            assert_eq!(parts(&copy), parts(&source.clone()));
            assert_eq!(parts(&copy), parts(source));
        }
    }

    /// Returns a machine in which each process depends on the one before, and the first one fails or runs.
    fn machine(names: &[&str], fails: bool, now: Instant) -> Machine<()> {
        let mut machine = Machine::new();
        let mut after = Vec::new();
        for name in names {
            let name: Name = name.parse().expect("a name");
            let group =
                RestartGroup { name: "group".parse().expect("a name"), strategy: Strategy::OneForAll };
            let mut definition = Definition { after, restart_group: Some(group), ..Definition::new(()) };
            definition.ready = Some(Duration::from_secs(9));
            after = vec![Dependency::new(name.clone(), Until::Started)];
            machine.add_process(name, definition, now).expect("a new name");
        }
        machine.start_service(now).expect("known names");
        let spawn = std::iter::from_fn(|| machine.poll_output()).find_map(|output| match output {
            Output::Spawn { run, .. } => Some(run),
            _ => None,
        });
        let run = spawn.expect("a start");
        let error = SpawnError::new(SpawnStep::Exec, "x", std::io::ErrorKind::NotFound.into());
        machine
            .handle_event(if fails { Event::SpawnFailed { run, error } } else { Event::Ready { run } }, now);
        machine
    }

    /// Returns all parts but the table of names, whose order is random.
    fn parts(machine: &Machine<()>) -> String {
        let Machine { children, free, deadlines, relations, out, running, runs, additions, .. } = machine;
        format!("{:?}", (children, free, deadlines, relations, out, running, runs, additions))
    }
}
