//! All processes of a monitor: commands, events and the time go in, outputs come out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::child::Child;
use super::deadlines::Deadlines;
use super::relations::{Quit, Relations, Task};
use super::run::{Context, Effect, Gate};
use super::state::Input;
use super::view::Facts;
use super::{
    Definition, DefinitionError, Dependency, DependencyError, DuplicateName, Event, Name, Notice, NoticeKind,
    Output, Policy, Signal, UnknownName,
};

/// The number of outputs for which there is always room, so that no usual round has to make some.
const KEPT_OUTPUTS: usize = 256;

/// The processes of a monitor and every decision about them, without a clock, a thread or a future.
///
/// [`ProcessMonitor`](crate::ProcessMonitor) drives one of these, and so can an event loop of your own:
///
/// 1. Give it a command ([`add_process`](Self::add_process), [`stop_service`](Self::stop_service), …) or an
///    event ([`handle_event`](Self::handle_event)), with the current time.
/// 2. Call [`poll_output`](Self::poll_output) until it returns `None`, and execute each output in order. A
///    [`Spawn`](Output::Spawn) and a [`ListFamily`](Output::ListFamily) are answered with an [`Event`], which
///    is step 1. The readiness and the health of a run are reported with events as well, if its
///    [`Definition`] requires them.
/// 3. Call [`poll_timeout`](Self::poll_timeout). At that time call [`handle_timeout`](Self::handle_timeout)
///    and go on with step 2. Early, late and repeated calls change nothing that is not due.
///
/// ```
/// use std::time::{Duration, Instant};
/// use childminder::machine::{Containment, Definition, Event, Machine, Output};
///
/// let mut now = Instant::now(); // the machine itself never reads a clock
/// let mut machine = Machine::new();
/// machine.start_service(now)?;
/// machine.add_process("web".parse()?, Definition::new("serve"), now)?;
///
/// let Some(Output::Notice(_)) = machine.poll_output() else { panic!("not added") };
/// let Some(Output::Spawn { run, spec: "serve", .. }) = machine.poll_output() else { panic!("no start") };
/// machine.handle_event(Event::Started { run, pid: 42, containment: Containment::Group }, now);
///
/// now += Duration::from_secs(7);
/// assert_eq!(machine.status("web").and_then(|status| status.pid), Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Machine<S> {
    /// By slot; a free slot is `None`.
    pub(super) children: Vec<Option<Child<S>>>,
    pub(super) free: Vec<usize>,
    pub(super) slots: HashMap<Name, usize>,
    /// The deadline of each child that has one. Only [`Self::change`] changes it.
    pub(super) deadlines: Deadlines,
    /// The policy that was given last, so that equal ones are stored once.
    pub(super) policy: Arc<Policy>,
    pub(super) relations: Relations,
    pub(super) out: VecDeque<Output<S>>,
    pub(super) running: bool,
    /// The process that was given up, if that has stopped the service.
    pub(super) stopped_by: Option<Name>,
    pub(super) runs: u64,
    pub(super) additions: u64,
    /// The source of all jitter.
    pub(super) seed: u64,
}

impl<S> Default for Machine<S> {
    fn default() -> Self {
        Self {
            children: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            deadlines: Deadlines::default(),
            policy: Arc::default(),
            relations: Relations::default(),
            out: VecDeque::new(),
            running: false,
            stopped_by: None,
            runs: 0,
            additions: 0,
            seed: 0,
        }
    }
}

/// Commands. Each takes effect at once; what follows from it is returned by [`Machine::poll_output`].
impl<S: Clone> Machine<S> {
    /// Creates a machine without processes, whose service does not run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a machine whose [jitter](crate::Policy::jitter) comes from this seed. [`new`](Self::new) uses
    /// zero. The same seed and the same inputs result in the same delays.
    pub fn with_seed(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Adds a process. While the service runs it is started at once, or when the processes that it depends on
    /// permit. If a process of the same name was removed and its last run is not over, the new one is started
    /// when it is.
    ///
    /// Processes may be added in any order: while the service does not run, a name that it depends on may be
    /// missing.
    ///
    /// # Errors
    ///
    /// [`DefinitionError`] if there is a process with this name, or if its dependencies or its group cannot
    /// work: a cycle, a group with two strategies, and while the service runs a name that no process has or
    /// a process that never completes. Nothing is added then.
    pub fn add_process(
        &mut self,
        name: Name,
        definition: Definition<S>,
        now: Instant,
    ) -> Result<(), DefinitionError> {
        let known = self.slots.get(&name).copied();
        if known.is_some_and(|slot| !self.child(slot).is_removed()) {
            return Err(DuplicateName::new(name).into());
        }
        self.check_definition(&name, known, &definition)?;
        let (settings, after, group) = self.take_apart(definition);
        let order = self.additions;
        self.additions += 1;
        let slot = match known {
            Some(slot) => {
                self.relations.unlink(slot);
                self.relations.leave_group(slot);
                self.child_mut(slot).succeed(settings, order);
                slot
            }
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.children.push(None);
                    self.children.len() - 1
                });
                self.children[slot] = Some(Child::new(name.clone(), settings, order));
                self.slots.insert(name.clone(), slot);
                slot
            }
        };
        self.link(slot, &name, after);
        if let Some(group) = group {
            let facts = self.child(slot).facts();
            self.relations.join_group(slot, &name, group, facts);
        }
        self.publish(name, NoticeKind::Added, now);
        self.drive(slot, Input::Wake, now);
        Ok(())
    }

    /// Stops a process and removes it. A restart that is due is cancelled. The processes that depend on it
    /// run on; they are not started again as long as there is no process with its name.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn remove_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).remove();
        self.publish(self.child(slot).name.clone(), NoticeKind::Removed, now);
        self.drive(slot, Input::Cancel, now);
        Ok(())
    }

    /// Starts a process: at once if it waits for a restart or for the processes that it depends on, after its
    /// end if it is being stopped, not at all if it runs. A process that is started while the service does
    /// not run, or while it is held, is not restarted when it ends. The failures that count towards [giving
    /// up](crate::Policy::give_up) start over.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn start_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).pardon();
        self.drive(slot, Input::Start, now);
        Ok(())
    }

    /// Stops the current run of a process: the stop signal now, KILL at the kill time. While the service runs
    /// the process is then started again. If it waits for a restart, this does nothing.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn stop_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.drive(slot, Input::Stop, now);
        Ok(())
    }

    /// Stops a process, and keeps it down until it is [released](Self::release_process). The processes that
    /// depend on it run on.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn hold_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        if self.child_mut(slot).hold() {
            self.publish(self.child(slot).name.clone(), NoticeKind::Held, now);
        }
        self.drive(slot, Input::Cancel, now);
        Ok(())
    }

    /// Releases a process that is held. While the service runs it is started at once, or when the processes
    /// that it depends on permit. One that has completed, has failed for good or was given up stays down.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn release_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        if self.child_mut(slot).release() {
            self.publish(self.child(slot).name.clone(), NoticeKind::Released, now);
        }
        self.drive(slot, Input::Wake, now);
        Ok(())
    }

    /// Sends a signal to the process group of a process, and changes nothing else: if it ends the process,
    /// that is an exit like any other. Returns whether the process was running.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn signal_process(&mut self, name: &str, signal: Signal) -> Result<bool, UnknownName> {
        let output = self.child(self.find(name)?).signal(signal);
        let is_running = output.is_some();
        self.out.extend(output);
        Ok(is_running)
    }

    /// [Stops](Self::stop_process) every process, each after those that depend on it. While the service runs
    /// they are started again.
    pub fn restart_all(&mut self, now: Instant) {
        self.quit_all(&Quit::Restart, now);
        self.run_tasks(now);
    }

    /// Starts the service: every process that is not held is kept running. They are started in the order in
    /// which they were added, as far as their dependencies permit. A process that has completed, has failed
    /// or was given up is started again. Does nothing if the service runs.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] if a process depends on one that does not exist or never completes. Nothing is
    /// started then.
    pub fn start_service(&mut self, now: Instant) -> Result<(), DependencyError> {
        if !self.running {
            self.check_dependencies()?;
            (self.running, self.stopped_by) = (true, None);
            for child in self.children.iter_mut().flatten() {
                child.begin();
            }
            for slot in 0..self.children.len() {
                self.update_relations(slot);
            }
            self.relations.cancel_drains();
            self.run_tasks(now);
        }
        for slot in self.in_order() {
            self.drive(slot, Input::Wake, now);
        }
        Ok(())
    }

    /// Stops the service and every process, each after those that depend on it.
    pub fn stop_service(&mut self, now: Instant) {
        self.end_service(now);
        self.run_tasks(now);
    }

    /// Stops the service, and kills every process at once, including those that are being stopped.
    pub fn kill_service(&mut self, now: Instant) {
        self.running = false;
        for slot in self.in_order() {
            self.drive(slot, Input::Kill, now);
        }
    }
}

/// Events and time.
impl<S: Clone> Machine<S> {
    /// Handles an event of a run. An event of a run that is over is ignored.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        let run = event.run();
        let current = self.children.get(run.slot()).and_then(Option::as_ref).and_then(Child::run);
        #[cfg(test)]
        let current = super::mutant::current_run(current, &event);
        if current == Some(run) {
            self.drive(run.slot(), Input::Event(event), now);
        }
    }

    /// Does what is due. Early, late and repeated calls change nothing that is not due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, slot)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.drive(slot, Input::Timeout, now);
        }
    }

    /// Returns the next thing to do; `None` if there is nothing.
    pub fn poll_output(&mut self) -> Option<Output<S>> {
        if self.out.is_empty() {
            // What the start of thousands has needed is not kept for their life.
            if self.out.capacity() > 4 * KEPT_OUTPUTS {
                self.out.shrink_to(KEPT_OUTPUTS);
            }
            return None;
        }
        self.out.pop_front()
    }

    /// Returns when to call [`Self::handle_timeout`]; `None` if no deadline is set.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| at)
    }
}

impl<S: Clone> Machine<S> {
    pub(super) fn find(&self, name: &str) -> Result<usize, UnknownName> {
        self.slots
            .get(name)
            .copied()
            .filter(|&slot| !self.child(slot).is_removed())
            .ok_or_else(|| UnknownName::new(name))
    }

    pub(super) fn child(&self, slot: usize) -> &Child<S> {
        self.children[slot].as_ref().expect("a known slot has a child")
    }

    fn child_mut(&mut self, slot: usize) -> &mut Child<S> {
        self.children[slot].as_mut().expect("a known slot has a child")
    }

    pub(super) fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = self
            .children
            .iter()
            .enumerate()
            .filter_map(|(slot, child)| child.as_ref().map(|child| (child.order, slot)))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, slot)| slot).collect()
    }

    pub(super) fn publish(&mut self, name: Name, kind: NoticeKind, now: Instant) {
        self.out.push_back(Output::Notice(Notice { at: now, name, run: None, kind }));
    }

    /// Adds the dependencies of a process.
    pub(super) fn link(&mut self, slot: usize, name: &Name, after: Vec<Dependency>) {
        let Self { slots, children, relations, .. } = self;
        let find = |name: &str| -> Option<(usize, Facts)> {
            let slot = *slots.get(name)?;
            Some((slot, children[slot].as_ref().map(Child::facts)?))
        };
        relations.link(slot, name, after, find);
    }

    fn update_relations(&mut self, slot: usize) {
        let Some(child) = &self.children[slot] else { return };
        if self.relations.get(slot).is_some() {
            self.relations.update(slot, child.facts(), self.running);
        }
    }

    fn end_service(&mut self, now: Instant) {
        self.running = false;
        self.quit_all(&Quit::Cancel, now);
    }

    /// Ends every run. What follows for others is among the tasks.
    fn quit_all(&mut self, quit: &Quit, now: Instant) {
        let mut related = Vec::new();
        for slot in self.in_order() {
            match self.relations.get(slot) {
                Some(links) if links.facts.run.is_some() => {
                    // It may have to wait until it is asked to end, but a start that was requested before is
                    // void now.
                    self.child_mut(slot).state.run_mut().into_iter().for_each(|run| run.again = false);
                    related.push(slot);
                }
                _ => self.apply(slot, quit.clone().into_input(), now),
            }
        }
        self.relations.drain(&related, quit, self.running);
    }

    /// Passes an input to a child, and what follows from it to others.
    pub(super) fn drive(&mut self, slot: usize, input: Input, now: Instant) {
        self.apply(slot, input, now);
        self.run_tasks(now);
    }

    pub(super) fn run_tasks(&mut self, now: Instant) {
        while let Some(task) = self.relations.next_task() {
            let (slot, input) = match task {
                Task::Wake(slot) => (slot, Input::Wake),
                Task::Quit(slot, quit) => (slot, quit.into_input()),
            };
            self.apply(slot, input, now);
        }
    }

    fn apply(&mut self, slot: usize, input: Input, now: Instant) {
        self.change(slot, now, |child, cx| child.handle(input, cx));
    }

    /// Changes a child, and keeps the tables in step with it.
    pub(super) fn change(
        &mut self,
        slot: usize,
        now: Instant,
        act: impl FnOnce(&mut Child<S>, &mut Context<'_, S>),
    ) {
        // A task may be for a process that has been removed since.
        let Some(child) = self.children[slot].as_mut() else { return };
        let Self { running, seed, ref relations, ref mut runs, ref mut out, .. } = *self;
        let links = relations.get(slot);
        let is_related = links.is_some();
        let gate = links.map_or(Gate::Open, |links| links.gate());
        let mut cx = Context { now, running, slot, runs, out, gate, seed, effect: None };
        act(child, &mut cx);
        let effect = cx.effect;
        self.deadlines.set(slot, child.deadline());
        if is_related {
            let facts = child.facts();
            self.relations.update(slot, facts, running);
        }
        match effect {
            Some(Effect::RestartsGroup) => self.relations.restart_group(slot),
            Some(Effect::StopsService) => {
                self.stopped_by = Some(self.child(slot).name.clone());
                self.end_service(now);
            }
            None => {}
        }
        let child = self.children[slot].as_ref().expect("only this removes a child");
        if child.is_finished() {
            self.slots.remove(&child.name);
            self.children[slot] = None;
            self.relations.forget(slot);
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Run;
    use super::super::state::State;
    use super::*;

    /// Every event moves some of these, and a monitor has one child for each process.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn what_is_moved_and_kept_for_each_process_is_small() {
        let sizes = [
            ("Child", size_of::<Child<Arc<()>>>(), 272),
            // Up to 128 bytes are moved without a call of `memcpy`.
            ("State", size_of::<State>(), 128),
            ("Run", size_of::<Run>(), 72),
            ("Event", size_of::<Event>(), 48),
            ("Input", size_of::<Input>(), 48),
            ("Output", size_of::<Output<Arc<()>>>(), 88),
            ("Notice", size_of::<Notice>(), 88),
        ];
        for (name, size, most) in sizes {
            assert!(size <= most, "{name} has {size} bytes, {} more than before", size - most);
        }
    }

    #[test]
    fn equal_policies_that_are_given_one_after_the_other_are_stored_once() {
        let mut machine = Machine::<()>::new();
        let short = Policy { kill_time: std::time::Duration::ZERO, ..Policy::default() };
        let policies =
            [short, short, Policy::default(), Policy::default()].map(|policy| machine.shared(policy));
        assert!(Arc::ptr_eq(&policies[0], &policies[1]) && Arc::ptr_eq(&policies[2], &policies[3]));
        assert_eq!(policies.map(|policy| policy.kill_time == short.kill_time), [true, true, false, false]);
    }
}
