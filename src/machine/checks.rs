//! Which dependencies and groups can work.

use std::collections::HashSet;

use super::dependency::DependencyProblem;
use super::set::Machine;
use super::{Definition, DependencyError, Name, Restart, Until};

impl<S: Clone> Machine<S> {
    /// Checks the dependencies and the group of a process that is to be added, or replaced if `slot` is that
    /// of a process.
    pub(super) fn check_definition(
        &self,
        name: &Name,
        slot: Option<usize>,
        definition: &Definition<S>,
    ) -> Result<(), DependencyError> {
        if let Some(group) = &definition.restart_group
            && let Some(known) = self.relations.groups.get(&group.name)
            && known.strategy != group.strategy
            && let Some(member) = known.members.iter().find(|member| Some(**member) != slot)
        {
            let process = self.child(*member).name.clone();
            let problem = DependencyProblem::GroupConflict { process, group: group.name.clone() };
            return Err(DependencyError::new(problem));
        }
        if let Some(path) = self.find_cycle(name, slot, definition) {
            return Err(DependencyError::new(DependencyProblem::Cycle { path }));
        }
        if !self.running {
            return Ok(());
        }
        for dependency in &definition.after {
            self.check_edge(name, &dependency.on, dependency.until)?;
        }
        if definition.policy.restart == Restart::Always {
            let dependents = self.relations.waiting_for(name, slot);
            for (dependent, until) in dependents.filter(|(dependent, _)| self.is_current(*dependent)) {
                if until == Until::Completed {
                    let process = self.child(dependent).name.clone();
                    let problem = DependencyProblem::NeverCompletes { process, dependency: name.clone() };
                    return Err(DependencyError::new(problem));
                }
            }
        }
        Ok(())
    }

    /// Checks the dependencies of all processes.
    pub(super) fn check_dependencies(&self) -> Result<(), DependencyError> {
        if self.relations.is_empty() {
            return Ok(());
        }
        for slot in self.in_order().into_iter().filter(|slot| self.is_current(*slot)) {
            let Some(links) = self.relations.get(slot) else { continue };
            for edge in &links.edges {
                self.check_edge(&links.name, &edge.dependency.on, edge.dependency.until)?;
            }
        }
        Ok(())
    }

    fn check_edge(&self, process: &Name, on: &Name, until: Until) -> Result<(), DependencyError> {
        let (process, dependency) = (process.clone(), on.clone());
        let Ok(slot) = self.find(on) else {
            return Err(DependencyError::new(DependencyProblem::Unknown { process, dependency }));
        };
        let is_endless = self.child(slot).settings.policy.restart == Restart::Always;
        if until == Until::Completed && is_endless {
            return Err(DependencyError::new(DependencyProblem::NeverCompletes { process, dependency }));
        }
        Ok(())
    }

    fn is_current(&self, slot: usize) -> bool {
        !self.child(slot).is_removed()
    }

    /// Returns a path from a process to itself over its new dependencies.
    fn find_cycle(&self, name: &Name, slot: Option<usize>, definition: &Definition<S>) -> Option<Vec<Name>> {
        let is_needed = self.relations.waiting_for(name, slot).next().is_some();
        let mut seen = HashSet::new();
        // The path to each slot is kept as the index of the slot before it.
        let mut stack: Vec<(Option<usize>, Name)> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        for dependency in &definition.after {
            stack.push((None, dependency.on.clone()));
            open.push(stack.len() - 1);
            if dependency.on == *name {
                return Some(vec![name.clone(), name.clone()]);
            }
        }
        if !is_needed {
            return None;
        }
        while let Some(index) = open.pop() {
            let on = stack[index].1.clone();
            if on == *name {
                let mut path = vec![name.clone()];
                let mut next = stack[index].0;
                while let Some(index) = next {
                    path.push(stack[index].1.clone());
                    next = stack[index].0;
                }
                path.push(name.clone());
                path.reverse();
                return Some(path);
            }
            let Ok(slot) = self.find(&on) else { continue };
            if !seen.insert(slot) {
                continue;
            }
            for edge in self.relations.get(slot).into_iter().flat_map(|links| &links.edges) {
                stack.push((Some(index), edge.dependency.on.clone()));
                open.push(stack.len() - 1);
            }
        }
        None
    }
}
