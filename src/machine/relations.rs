//! What the processes of a machine have to do with each other: dependencies, restart groups, and the order in
//! which they are stopped.
//!
//! Only processes that have to do with others are in the tables. The conditions of a process that do not hold
//! are counted, and every change of a process is passed on to its dependents by their slots, so no decision
//! searches.

use std::collections::{HashMap, VecDeque};

use super::run::{Gate, StopReason};
use super::state::Input;
use super::view::{Facts, Level};
use super::{Dependency, Name, OnEnd, RestartGroup, Strategy, Until};

/// The relations of all processes.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// By slot; `None` for a process that has to do with no other.
    pub(super) links: Vec<Option<Box<Links>>>,
    /// The edges to names that no process has.
    pub(super) missing: HashMap<Name, Vec<EdgeId>>,
    pub(super) groups: HashMap<Name, Group>,
    /// The inputs for processes because of others.
    pub(super) tasks: VecDeque<Task>,
}

/// An input for a process, because of another one.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Wake(usize),
    Quit(usize, Quit),
}

/// The relations of one process.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) name: Name,
    /// The dependencies on others.
    pub(super) edges: Vec<Edge>,
    /// The number of `edges` whose condition does not hold.
    pub(super) unmet: usize,
    /// The edges of other processes to this one.
    pub(super) dependents: Vec<EdgeId>,
    /// Its state.
    pub(super) facts: Facts,
    /// The part of its state that counts for its dependents: nothing if it is about to be stopped.
    pub(super) level: Level,
    /// Set from the decision to stop it together with its dependents until its run has ended.
    pub(super) drain: Option<Drain>,
    /// The number of edges of dependents with a `drain`: it is not stopped before.
    pub(super) draining_dependents: usize,
    pub(super) group: Option<Box<Membership>>,
}

/// A dependency on one process.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) dependency: Dependency,
    pub(super) target: Option<usize>,
    /// Its index among the dependents of the target.
    pub(super) position: usize,
    pub(super) is_met: bool,
    /// Whether the target has ended while this process was about to be stopped, and is to be restarted if
    /// that is called off.
    pub(super) restarts: bool,
}

/// An edge: the slot of the process that waits, and the index among its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EdgeId {
    pub(super) slot: usize,
    pub(super) index: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Drain {
    /// It is to be stopped in this way when its dependents have ended.
    Pending(Quit),
    /// It was asked to end.
    Asked,
}

/// The ways to stop a process in order.
#[derive(Clone, Debug)]
pub(super) enum Quit {
    /// For good.
    Cancel,
    /// To be started again, by a command.
    Restart,
    /// To be started again, for this reason.
    Because(StopReason),
}

impl Quit {
    pub(super) fn into_input(self) -> Input {
        match self {
            Self::Cancel => Input::Cancel,
            Self::Restart => Input::Stop,
            Self::Because(reason) => Input::Restart(Box::new(reason)),
        }
    }
}

/// The place of a process in its restart group.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) group: RestartGroup,
    /// Whether it is not started before the restart of the group is complete.
    pub(super) is_parked: bool,
    /// Whether the restart of the group waits for the end of its run.
    pub(super) is_awaited: bool,
}

/// A restart group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) strategy: Strategy,
    /// The members in the order in which they were added.
    pub(super) members: Vec<usize>,
    pub(super) restart: Option<GroupRestart>,
}

/// A restart of a group that is not complete.
#[derive(Clone, Debug)]
pub(super) struct GroupRestart {
    /// The member that has ended.
    pub(super) cause: usize,
    /// The number of runs whose end is awaited.
    pub(super) awaited: usize,
}

impl Links {
    pub(super) fn new(name: Name, facts: Facts) -> Self {
        Self {
            name,
            edges: Vec::new(),
            unmet: 0,
            dependents: Vec::new(),
            facts,
            level: facts.level,
            drain: None,
            draining_dependents: 0,
            group: None,
        }
    }

    /// Returns whether the process may be started.
    pub(super) fn gate(&self) -> Gate<'_> {
        if self.group.as_ref().is_some_and(|member| member.is_parked) {
            return Gate::Group;
        }
        match self.first_unmet() {
            Some(dependency) => Gate::Condition(dependency),
            None => Gate::Open,
        }
    }

    /// Returns the first condition that does not hold.
    pub(super) fn first_unmet(&self) -> Option<&Dependency> {
        let unmet = || self.edges.iter().find(|edge| !edge.is_met);
        if self.unmet == 0 { None } else { unmet().map(|edge| &edge.dependency) }
    }

    /// Returns all conditions, whether they hold or not.
    pub(super) fn dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.edges.iter().map(|edge| &edge.dependency)
    }

    /// Whether it is stopped when its dependents have ended.
    pub(super) fn is_stop_pending(&self) -> bool {
        matches!(self.drain, Some(Drain::Pending(_)))
    }

    /// Returns the slots of the processes that depend on it.
    pub(super) fn dependents(&self) -> impl Iterator<Item = usize> + Clone {
        self.dependents.iter().map(|edge| edge.slot)
    }
}

/// The tables.
impl Relations {
    /// Returns the relations of a process, if there are any.
    pub(super) fn get(&self, slot: usize) -> Option<&Links> {
        self.links.get(slot)?.as_deref()
    }

    pub(super) fn known(&mut self, slot: usize) -> &mut Links {
        self.links[slot].as_deref_mut().expect("a linked process")
    }

    /// Returns the relations of a process, which get `facts` if they are new.
    fn entry(&mut self, slot: usize, name: &Name, facts: impl FnOnce() -> Facts) -> &mut Links {
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot].get_or_insert_with(|| Box::new(Links::new(name.clone(), facts())))
    }

    /// Whether no process has to do with another one.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Returns the processes that wait for a process of this name, which has a slot if it is known.
    pub(super) fn waiting_for(
        &self,
        name: &str,
        slot: Option<usize>,
    ) -> impl Iterator<Item = (usize, Until)> {
        let known = slot.and_then(|slot| self.get(slot)).into_iter().flat_map(|links| &links.dependents);
        let missing = self.missing.get(name).into_iter().flatten();
        known.chain(missing).filter_map(|id| {
            let links = self.get(id.slot)?;
            Some((id.slot, links.edges.get(id.index)?.dependency.until))
        })
    }

    /// Returns the next thing to do because of a change.
    pub(super) fn next_task(&mut self) -> Option<Task> {
        self.tasks.pop_front()
    }

    pub(super) fn push(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    /// Adds the relations of a new process. `find` returns the slot and the state of a process by its name.
    pub(super) fn link(
        &mut self,
        slot: usize,
        name: &Name,
        after: Vec<Dependency>,
        find: impl Fn(&str) -> Option<(usize, Facts)>,
    ) {
        if let Some(edges) = self.missing.remove(name) {
            let facts = find(name).map(|(_, facts)| facts).unwrap_or_default();
            self.entry(slot, name, || facts);
            for id in edges {
                self.connect(id, slot);
            }
        }
        if after.is_empty() {
            return;
        }
        let facts = find(name).map(|(_, facts)| facts).unwrap_or_default();
        self.entry(slot, name, || facts);
        for (index, dependency) in after.into_iter().enumerate() {
            let id = EdgeId { slot, index };
            let target = find(&dependency.on);
            let on = dependency.on.clone();
            let links = self.known(slot);
            links.edges.push(Edge { dependency, target: None, position: 0, is_met: false, restarts: false });
            links.unmet += 1;
            match target {
                Some((target, facts)) => {
                    self.entry(target, &on, || facts);
                    self.connect(id, target);
                }
                None => self.missing.entry(on).or_default().push(id),
            }
        }
    }

    /// Adds a process to a group. `facts` is its state.
    pub(super) fn join_group(&mut self, slot: usize, name: &Name, group: RestartGroup, facts: Facts) {
        let entry = self.groups.entry(group.name.clone());
        let strategy = group.strategy;
        let table = entry.or_insert_with(|| Group { strategy, members: Vec::new(), restart: None });
        table.members.push(slot);
        let member = Membership { group, is_parked: false, is_awaited: false };
        self.entry(slot, name, || facts).group = Some(Box::new(member));
    }

    /// Lets an edge end at a process.
    fn connect(&mut self, id: EdgeId, target: usize) {
        let is_draining = self.known(id.slot).drain.is_some();
        let links = self.known(target);
        let (position, level) = (links.dependents.len(), links.level);
        links.dependents.push(id);
        links.draining_dependents += usize::from(is_draining);
        let links = self.known(id.slot);
        let edge = &mut links.edges[id.index];
        (edge.target, edge.position) = (Some(target), position);
        edge.is_met = level.meets(edge.dependency.until);
        links.unmet -= usize::from(edge.is_met);
    }

    /// Removes what a process waits for. Others may still wait for it.
    pub(super) fn unlink(&mut self, slot: usize) {
        let Some(links) = self.links.get_mut(slot).and_then(Option::as_deref_mut) else { return };
        links.unmet = 0;
        let is_draining = links.drain.is_some();
        // From the last one, so that the indices of the others stay right.
        while let Some(edge) = self.known(slot).edges.pop() {
            let index = self.known(slot).edges.len();
            let Some(target) = edge.target else {
                let waiting = self.missing.get_mut(&edge.dependency.on).expect("a missing name");
                waiting.retain(|id| *id != EdgeId { slot, index });
                if waiting.is_empty() {
                    self.missing.remove(&edge.dependency.on);
                }
                continue;
            };
            let dependents = &mut self.known(target).dependents;
            dependents.swap_remove(edge.position);
            if let Some(&moved) = dependents.get(edge.position) {
                self.known(moved.slot).edges[moved.index].position = edge.position;
            }
            if is_draining {
                self.dependent_ended(target);
            }
        }
    }

    /// Removes everything about a process that no longer exists.
    pub(super) fn forget(&mut self, slot: usize) {
        self.unlink(slot);
        self.leave_group(slot);
        let Some(links) = self.links.get_mut(slot).and_then(Option::take) else { return };
        if !links.dependents.is_empty() {
            for id in &links.dependents {
                let dependent = self.known(id.slot);
                let edge = &mut dependent.edges[id.index];
                dependent.unmet += usize::from(edge.is_met);
                (edge.target, edge.is_met) = (None, false);
            }
            self.missing.entry(links.name).or_default().extend(links.dependents);
        }
    }
}

/// Changes.
impl Relations {
    /// Passes the new state of a process on to those that have to do with it. While the service is stopped,
    /// nothing is started or restarted.
    pub(super) fn update(&mut self, slot: usize, facts: Facts, is_running: bool) {
        let links = self.known(slot);
        let earlier = std::mem::replace(&mut links.facts, facts);
        if earlier == facts {
            return;
        }
        self.note_end(slot, earlier.level);
        if earlier.run.is_some() && earlier.run != facts.run {
            self.run_ended(slot);
        }
        self.refresh(slot, is_running);
        self.update_group(slot);
    }

    /// Passes on what a process has reached for its dependents, if that has changed.
    fn refresh(&mut self, slot: usize, is_running: bool) {
        let links = self.known(slot);
        let level = if links.drain.is_some() { Level::default() } else { links.facts.level };
        let earlier = std::mem::replace(&mut links.level, level);
        if earlier == level {
            return;
        }
        let name = links.name.clone();
        for index in 0..links.dependents.len() {
            let id = self.known(slot).dependents[index];
            let dependent = self.known(id.slot);
            let edge = &mut dependent.edges[id.index];
            let until = edge.dependency.until;
            let was_met = std::mem::replace(&mut edge.is_met, level.meets(until));
            let is_met = edge.is_met;
            let restarts = edge.dependency.on_end == OnEnd::Restart
                && level.has_ended_since(earlier, until)
                && dependent.drain.is_none();
            match (was_met, is_met) {
                (false, true) => dependent.unmet -= 1,
                (true, false) => dependent.unmet += 1,
                _ => {}
            }
            let wakes = is_met && !was_met && dependent.unmet == 0;
            if is_running && restarts {
                let reason = StopReason::Dependency(name.clone());
                self.push(Task::Quit(id.slot, Quit::Because(reason)));
            }
            if wakes {
                self.push(Task::Wake(id.slot));
            }
        }
    }

    /// Notes that a process on which dependents rely has ended, for those that are about to be stopped: if
    /// that is called off they run on, but not without what they are restarted with.
    fn note_end(&mut self, slot: usize, earlier: Level) {
        let level = self.known(slot).facts.level;
        let has_ended = |until| level.has_ended_since(earlier, until);
        if !has_ended(Until::Started) && !has_ended(Until::Completed) {
            return;
        }
        for index in 0..self.known(slot).dependents.len() {
            let id = self.known(slot).dependents[index];
            let dependent = self.known(id.slot);
            let is_stop_pending = dependent.is_stop_pending();
            let edge = &mut dependent.edges[id.index];
            let Dependency { until, on_end, .. } = edge.dependency;
            edge.restarts |= is_stop_pending && on_end == OnEnd::Restart && has_ended(until);
        }
    }

    fn run_ended(&mut self, slot: usize) {
        if self.known(slot).drain.take().is_some() {
            for index in 0..self.known(slot).edges.len() {
                self.known(slot).edges[index].restarts = false;
                if let Some(target) = self.known(slot).edges[index].target {
                    self.dependent_ended(target);
                }
            }
        }
        self.member_ended(slot);
    }

    /// Notes that a dependent that was stopped together with the process at `target` has ended.
    fn dependent_ended(&mut self, target: usize) {
        let links = self.known(target);
        links.draining_dependents = links.draining_dependents.saturating_sub(1);
        self.stop_if_free(target);
    }

    /// Stops a process whose dependents have ended, if it is to be stopped.
    fn stop_if_free(&mut self, slot: usize) {
        let links = self.known(slot);
        if links.draining_dependents > 0 || !links.is_stop_pending() {
            return;
        }
        if let Some(Drain::Pending(quit)) = links.drain.replace(Drain::Asked) {
            self.push(Task::Quit(slot, quit));
        }
    }

    /// Stops these processes, each after those of them that depend on it. They have runs, and are linked.
    pub(super) fn drain(&mut self, slots: &[usize], quit: &Quit, is_running: bool) {
        for &slot in slots {
            let links = self.known(slot);
            if links.drain.replace(Drain::Pending(quit.clone())).is_none() {
                for index in 0..self.known(slot).edges.len() {
                    if let Some(target) = self.known(slot).edges[index].target {
                        self.known(target).draining_dependents += 1;
                    }
                }
            }
        }
        for &slot in slots {
            self.stop_if_free(slot);
            self.refresh(slot, is_running);
        }
    }

    /// Lets the processes that have not been asked to end run on. Those that were to be restarted with one
    /// that has ended meanwhile are restarted: these tasks are to be done before anything is started.
    pub(super) fn cancel_drains(&mut self) {
        for slot in 0..self.links.len() {
            if let Some(links) = &mut self.links[slot] {
                (links.drain, links.draining_dependents) = (None, 0);
                links.level = links.facts.level;
            }
        }
        for slot in 0..self.links.len() {
            let Some(links) = &self.links[slot] else { continue };
            let levels: Vec<Level> = links
                .edges
                .iter()
                .map(|edge| edge.target.and_then(|target| self.get(target)).map(|target| target.level))
                .map(Option::unwrap_or_default)
                .collect();
            let links = self.known(slot);
            let mut ended = None;
            for (edge, level) in links.edges.iter_mut().zip(levels) {
                edge.is_met = level.meets(edge.dependency.until);
                if std::mem::take(&mut edge.restarts) {
                    ended = Some(edge.dependency.on.clone());
                }
            }
            links.unmet = links.edges.iter().filter(|edge| !edge.is_met).count();
            if let Some(on) = ended {
                self.push(Task::Quit(slot, Quit::Because(StopReason::Dependency(on))));
            }
        }
    }
}
