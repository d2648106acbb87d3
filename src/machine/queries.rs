//! The state of a machine as its users see it.

use std::collections::HashSet;

use super::child::Child;
use super::run::Gate;
use super::set::Machine;
use super::state::{Goal, Rest, State};
use super::{Dependency, Name, Phase, RunId, Status};

/// Queries, which change nothing. [`why`](Machine::why) explains the state of a process.
impl<S: Clone> Machine<S> {
    /// Returns whether the service runs.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Returns the state of a process; `None` if there is no process with this name.
    pub fn status(&self, name: &str) -> Option<Status> {
        self.find(name).ok().map(|slot| self.status_of(slot))
    }

    /// Returns the states of all processes, in the order in which they were added.
    pub fn statuses(&self) -> Vec<Status> {
        let slots = self.in_order().into_iter().filter(|slot| !self.child(*slot).is_removed());
        slots.map(|slot| self.status_of(slot)).collect()
    }

    /// Returns the names and specs of all processes, in the order in which they were added.
    pub fn definitions(&self) -> Vec<(Name, S)> {
        let children = self.in_order().into_iter().map(|slot| self.child(slot));
        children
            .filter(|child| !child.is_removed())
            .map(|child| (child.name.clone(), child.spec().clone()))
            .collect()
    }

    /// Returns what a process waits for before it is started; empty if there is no process with this name.
    pub fn dependencies(&self, name: &str) -> Vec<Dependency> {
        let links = self.find(name).ok().and_then(|slot| self.relations.get(slot));
        links.map_or_else(Vec::new, |links| links.dependencies().cloned().collect())
    }

    /// Returns the current run of a process, also if the process was removed and the run is not over.
    pub fn run(&self, name: &str) -> Option<RunId> {
        self.slots.get(name).and_then(|&slot| self.child(slot).run())
    }

    /// Returns whether every run is over, or has outlived KILL and was reported.
    pub fn is_settled(&self) -> bool {
        self.children.iter().flatten().all(|child| child.facts().run.is_none())
    }

    /// Returns all runs that are not over, including those of processes that were removed.
    pub fn runs(&self) -> impl Iterator<Item = RunId> {
        self.children.iter().flatten().filter_map(Child::run)
    }

    /// Returns whether a process waits for a condition that cannot hold before a command: a process that it
    /// depends on, itself or over others, is held, was removed, or has come to rest.
    pub(crate) fn waits_in_vain(&self, name: &str) -> bool {
        let (mut open, mut seen) = (Vec::from_iter(self.find(name).ok()), HashSet::new());
        while let Some(slot) = open.pop() {
            let edges = self.relations.get(slot).into_iter().flat_map(|links| &links.edges);
            for edge in edges.filter(|edge| !edge.is_met) {
                let Some(target) = edge.target.filter(|target| !self.child(*target).is_removed()) else {
                    return true;
                };
                let child = self.child(target);
                let starts_again = child.goal == Goal::Keep || child.state.run().is_some_and(|run| run.again);
                match child.state {
                    State::Down(Rest::Completed | Rest::Failed | Rest::GaveUp) => return true,
                    State::Down(_) | State::Stopping { .. } | State::Ending(_) if !starts_again => {
                        return true;
                    }
                    State::Blocked(_) if seen.insert(target) => open.push(target),
                    _ => {}
                }
            }
        }
        false
    }

    /// Returns the state of a process, with what it is blocked on.
    fn status_of(&self, slot: usize) -> Status {
        let mut status = self.child(slot).status();
        if status.phase == Phase::Blocked
            && let Some(Gate::Condition(on)) = self.relations.get(slot).map(|links| links.gate())
        {
            status.blocked_on = Some(on.clone());
        }
        status
    }
}
