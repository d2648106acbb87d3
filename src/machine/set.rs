//! All processes of a monitor: commands, events and the time go in, outputs come out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::child::Child;
use super::run::Context;
use super::state::Input;
use super::{
    Cause, CauseKind, Definition, DefinitionError, DependencyError, DuplicateName, Event, Name, Output,
    Phase, Policy, Replaced, RunId, Signal, Status, UnknownName, Why,
};

/// The processes of a monitor and every decision about them, without a clock, a thread or a future.
///
/// [`ProcessMonitor`](crate::ProcessMonitor) drives one of these, and so can an event loop of your own:
///
/// 1. Give it a command ([`add_process`](Self::add_process), [`stop_service`](Self::stop_service), …) or an
///    event ([`handle_event`](Self::handle_event)), with the current time.
/// 2. Call [`poll_output`](Self::poll_output) until it returns `None`, and execute each output in order. A
///    [`Spawn`](Output::Spawn) and a [`ListFamily`](Output::ListFamily) are answered with an [`Event`], which
///    is step 1.
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
/// machine.add_process("web".parse()?, Definition::new("a command line"), now)?;
///
/// let Some(Output::Spawn { run, spec, .. }) = machine.poll_output() else { panic!("not started") };
/// assert_eq!(spec, "a command line");
/// machine.handle_event(Event::Started { run, pid: 42, containment: Containment::Group }, now);
///
/// now += Duration::from_secs(7);
/// assert_eq!(machine.status("web").and_then(|status| status.pid), Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Machine<S> {
    /// By slot; a free slot is `None`.
    children: Vec<Option<Child<S>>>,
    free: Vec<usize>,
    slots: HashMap<Name, usize>,
    /// The deadline of each child that has one. Only [`Self::drive`] changes it.
    deadlines: BTreeSet<(Instant, usize)>,
    out: VecDeque<Output<S>>,
    running: bool,
    runs: u64,
    additions: u64,
    /// The source of all jitter.
    seed: u64,
}

impl<S> Default for Machine<S> {
    fn default() -> Self {
        Self {
            children: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            deadlines: BTreeSet::new(),
            out: VecDeque::new(),
            running: false,
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

    /// Creates a machine whose [jitter](Policy::jitter) comes from this seed. [`new`](Self::new) uses zero.
    /// The same seed and the same inputs result in the same delays.
    pub fn with_seed(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Adds a process. While the service runs it is started at once. If a process of the same name was
    /// removed and its last run is not over, the new one is started when it is.
    ///
    /// # Errors
    ///
    /// [`DefinitionError`] if there is a process with this name, or if its dependencies or its group cannot
    /// work: a cycle, a group with two strategies, and while the service runs a name that no process has.
    pub fn add_process(
        &mut self,
        name: Name,
        definition: Definition<S>,
        now: Instant,
    ) -> Result<(), DefinitionError> {
        let order = self.additions;
        let slot = match self.slots.get(&name) {
            Some(&slot) => {
                let child = self.child_mut(slot);
                if !child.is_removed() {
                    return Err(DuplicateName::new(name).into());
                }
                child.succeed(definition, order);
                slot
            }
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.children.push(None);
                    self.children.len() - 1
                });
                self.children[slot] = Some(Child::new(name.clone(), definition, order));
                self.slots.insert(name, slot);
                slot
            }
        };
        self.additions += 1;
        self.drive(slot, Input::Wake, now);
        Ok(())
    }

    /// Stops a process and removes it. A restart that is due is cancelled.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn remove_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).remove();
        self.drive(slot, Input::Cancel, now);
        Ok(())
    }

    /// Starts a process: at once if it waits for a restart, after its end if it is being stopped, not at all
    /// if it runs. A process that is started while the service does not run, or while it is held, is not
    /// restarted when it ends.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn start_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
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

    /// Stops a process, and keeps it down until it is [released](Self::release_process).
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn hold_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).hold();
        self.drive(slot, Input::Cancel, now);
        Ok(())
    }

    /// Releases a process that is held. While the service runs it is started at once.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn release_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).release();
        self.drive(slot, Input::Wake, now);
        Ok(())
    }

    /// Changes the policy of a process, from its next decision on: a delay that has begun and a KILL that is
    /// due stay as they are.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn set_policy(&mut self, name: &str, policy: Policy, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        let _ = now;
        self.child_mut(slot).set_policy(policy);
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

    /// [Stops](Self::stop_process) every process. While the service runs they are started again.
    pub fn restart_all(&mut self, now: Instant) {
        self.drive_all(|| Input::Stop, now);
    }

    /// Starts the service: every process that is not held is kept running. They are started in the order in
    /// which they were added. Does nothing if the service runs.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] if a process depends on one that does not exist or never completes. Nothing is
    /// started then.
    pub fn start_service(&mut self, now: Instant) -> Result<(), DependencyError> {
        self.running = true;
        self.drive_all(|| Input::Wake, now);
        Ok(())
    }

    /// Stops the service and every process.
    pub fn stop_service(&mut self, now: Instant) {
        self.running = false;
        self.drive_all(|| Input::Cancel, now);
    }

    /// Stops the service, and kills every process, including those that are being stopped.
    pub fn kill_service(&mut self, now: Instant) {
        self.running = false;
        self.drive_all(|| Input::Kill, now);
    }
}

/// Changes and explanations.
impl<S: Clone> Machine<S> {
    /// Replaces the definition of a process. If the spec is another one, the current run is stopped, and the
    /// process is started with the new spec; it counts as new, apart from its place in the order. If the spec
    /// is the same, the rest of the definition takes effect without a restart.
    ///
    /// # Errors
    ///
    /// [`DefinitionError`] if there is no process with this name, or if the new dependencies or the new group
    /// cannot work. Nothing is changed then.
    pub fn replace_process(
        &mut self,
        name: &str,
        definition: Definition<S>,
        now: Instant,
    ) -> Result<Replaced, DefinitionError>
    where
        S: PartialEq,
    {
        let slot = self.find(name)?;
        let _ = (slot, definition, now);
        Ok(Replaced::Unchanged)
    }

    /// Returns why a process is in its state; `None` if there is no process with this name.
    pub fn why(&self, name: &str, now: Instant) -> Option<Why> {
        let process = self.child(self.find(name).ok()?).name.clone();
        Some(Why::new(now, vec![Cause { process, kind: CauseKind::StartRequested }]))
    }

    /// Returns what delays the end of the service; `None` if the service runs or every process has ended.
    pub fn why_not_stopped(&self, now: Instant) -> Option<Why> {
        let child = self.children.iter().flatten().find(|child| !self.running && child.run().is_some())?;
        Some(Why::new(now, vec![Cause { process: child.name.clone(), kind: CauseKind::Ending }]))
    }

    /// Returns the longest time that [`stop_service`](Self::stop_service) may take: for each process its kill
    /// time and the time in which KILL has to work, added up over dependents that are stopped one after the
    /// other.
    pub fn stop_bound(&self) -> Duration {
        let policies = self.children.iter().flatten().map(|child| child.policy().kill_time);
        policies.max().unwrap_or_default()
    }

    /// Returns the process whose [giving up](Policy::give_up) has stopped the service, since the service was
    /// started last.
    pub fn stopped_by(&self) -> Option<&Name> {
        None
    }
}

/// Events and time.
impl<S: Clone> Machine<S> {
    /// Handles an event of a run. An event of a run that is over is ignored.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        let run = event.run();
        let child = self.children.get(run.slot()).and_then(Option::as_ref);
        if child.and_then(Child::run) == Some(run) {
            self.drive(run.slot(), Input::Event(event), now);
        }
    }

    /// Does what is due. Early, late and repeated calls change nothing that is not due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(_, slot)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.drive(slot, Input::Timeout, now);
        }
    }

    /// Returns the next thing to do; `None` if there is nothing.
    pub fn poll_output(&mut self) -> Option<Output<S>> {
        self.out.pop_front()
    }

    /// Returns when to call [`Self::handle_timeout`]; `None` if no deadline is set.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

/// State.
impl<S: Clone> Machine<S> {
    /// Returns whether the service runs.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Returns the state of a process; `None` if there is no process with this name.
    pub fn status(&self, name: &str) -> Option<Status> {
        self.find(name).ok().map(|slot| self.child(slot).status())
    }

    /// Returns the states of all processes, in the order in which they were added.
    pub fn statuses(&self) -> Vec<Status> {
        let children = self.in_order().into_iter().map(|slot| self.child(slot));
        children.filter(|child| !child.is_removed()).map(Child::status).collect()
    }

    /// Returns the names and specs of all processes, in the order in which they were added.
    pub fn definitions(&self) -> Vec<(Name, S)> {
        let children = self.in_order().into_iter().map(|slot| self.child(slot));
        children
            .filter(|child| !child.is_removed())
            .map(|child| (child.name.clone(), child.spec().clone()))
            .collect()
    }

    /// Returns the current run of a process, also if the process was removed and the run is not over.
    pub fn run(&self, name: &str) -> Option<RunId> {
        self.slots.get(name).and_then(|&slot| self.child(slot).run())
    }

    /// Returns whether every run is over, or has outlived KILL and was reported.
    pub fn is_settled(&self) -> bool {
        let statuses = self.children.iter().flatten().filter(|child| child.run().is_some());
        statuses.map(Child::status).all(|status| status.phase == Phase::Unkillable)
    }

    /// Returns all runs that are not over, including those of processes that were removed.
    pub fn runs(&self) -> impl Iterator<Item = RunId> {
        self.children.iter().flatten().filter_map(Child::run)
    }
}

impl<S: Clone> Machine<S> {
    fn find(&self, name: &str) -> Result<usize, UnknownName> {
        self.slots
            .get(name)
            .copied()
            .filter(|&slot| !self.child(slot).is_removed())
            .ok_or_else(|| UnknownName::new(name))
    }

    fn child(&self, slot: usize) -> &Child<S> {
        self.children[slot].as_ref().expect("a known slot has a child")
    }

    fn child_mut(&mut self, slot: usize) -> &mut Child<S> {
        self.children[slot].as_mut().expect("a known slot has a child")
    }

    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = self
            .children
            .iter()
            .enumerate()
            .filter_map(|(slot, child)| child.as_ref().map(|child| (child.order, slot)))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, slot)| slot).collect()
    }

    fn drive_all(&mut self, input: impl Fn() -> Input, now: Instant) {
        for slot in self.in_order() {
            self.drive(slot, input(), now);
        }
    }

    /// Passes an input to a child, and keeps the tables in step with it.
    fn drive(&mut self, slot: usize, input: Input, now: Instant) {
        let child = self.children[slot].as_mut().expect("a known slot has a child");
        let before = child.deadline();
        let Self { running, ref mut runs, ref mut out, .. } = *self;
        child.handle(input, &mut Context { now, running, slot, runs, out });
        let after = child.deadline();
        if child.is_finished() {
            self.slots.remove(&child.name);
            self.children[slot] = None;
            self.free.push(slot);
        }
        if before != after {
            if let Some(at) = before {
                self.deadlines.remove(&(at, slot));
            }
            if let Some(at) = after {
                self.deadlines.insert((at, slot));
            }
        }
    }
}
