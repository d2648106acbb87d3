//! All processes of a monitor: commands, news and the clock go in, orders come out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::time::Instant;

use super::child::{Child, Input};
use super::turn::Turn;
use super::{Event, Name, Output, Policy, RunId, Signal, Status};

/// What it takes to keep one process: what to start, and how patiently. `S` is whatever the driver needs to start
/// it; the machine hands it back with [`Output::Spawn`] and never looks inside.
#[derive(Clone, Debug)]
pub struct Definition<S> {
    /// What to start.
    pub spec: S,
    /// When to restart it, and how long it may take to stop. [Checked](Policy::check) by whoever adds it.
    pub policy: Policy,
    /// What asks it to end.
    pub stop_signal: Signal,
}

impl<S> Definition<S> {
    /// `spec`, with the default policy and TERM as stop signal.
    pub fn new(spec: S) -> Self {
        Self { spec, policy: Policy::default(), stop_signal: Signal::TERM }
    }
}

/// The processes of a monitor and every decision about them, without a clock, a thread or a future.
///
/// [`ProcessMonitor`](crate::ProcessMonitor) drives one of these; so can an event loop of your own.
///
/// It is driven like this, and never does anything by itself:
///
/// 1. Tell it something, with the time it is: a command ([`add_process`](Self::add_process),
///    [`stop_service`](Self::stop_service), …) or news ([`handle_event`](Self::handle_event)).
/// 2. Carry out what it wants, in order: [`poll_output`](Self::poll_output) until `None`. A
///    [`Spawn`](Output::Spawn) and a [`Look`](Output::Look) are answered with an [`Event`], which is step 1 again.
/// 3. Ask when to come back: [`poll_timeout`](Self::poll_timeout). Then call
///    [`handle_timeout`](Self::handle_timeout) and go on with step 2. Early, late and repeated calls do no harm.
///
/// ```
/// use std::time::{Duration, Instant};
/// use childminder::machine::{Containment, Definition, Event, Machine, Output};
///
/// let mut now = Instant::now(); // the only clock is yours
/// let mut machine = Machine::new();
/// machine.start_service(now);
/// machine.add_process("web".parse()?, Definition::new("command line of your choice"), now)?;
///
/// let Some(Output::Spawn { run, spec, .. }) = machine.poll_output() else { panic!("it is wanted at once") };
/// assert_eq!(spec, "command line of your choice");
/// machine.handle_event(Event::Started { run, pid: 42, containment: Containment::Group }, now);
///
/// now += Duration::from_secs(7);
/// assert_eq!(machine.status("web").and_then(|status| status.pid), Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Machine<S> {
    /// By slot; a free slot is `None`.
    children: Vec<Option<Child<S>>>,
    free: Vec<usize>,
    slots: HashMap<Name, usize>,
    /// The deadline of each child that has one. Kept in step by [`Self::drive`], and nowhere else.
    deadlines: BTreeSet<(Instant, usize)>,
    out: VecDeque<Output<S>>,
    running: bool,
    runs: u64,
    additions: u64,
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
        }
    }
}

/// Commands. Each takes effect at once; what it entails waits in [`Machine::poll_output`].
impl<S: Clone> Machine<S> {
    /// A machine without processes, whose service does not run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a process. In a running service it is started at once (PM-1, PM-2); if the name was removed and its last
    /// run is still dying, as soon as that is over (PM-10).
    ///
    /// # Errors
    ///
    /// [`DuplicateName`] when there is such a process; it is not touched (PM-3).
    pub fn add_process(
        &mut self,
        name: Name,
        definition: Definition<S>,
        now: Instant,
    ) -> Result<(), DuplicateName> {
        let order = self.additions;
        let slot = match self.slots.get(&name) {
            Some(&slot) => {
                let child = self.child_mut(slot);
                if !child.is_removed() {
                    return Err(DuplicateName(name));
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

    /// Stops a process and forgets it. A restart that was due is forgotten too (PM-9, PM-11).
    ///
    /// # Errors
    ///
    /// [`UnknownName`] (PM-8).
    pub fn remove_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).remove();
        self.drive(slot, Input::Cancel, now);
        Ok(())
    }

    /// Starts a process: at once if it waits for a restart (PM-18), after its end if it is being stopped, not at all
    /// if it runs (PM-15). Works in a stopped service too, and for a held process; then it is not restarted (PM-16).
    ///
    /// # Errors
    ///
    /// [`UnknownName`] (PM-14).
    pub fn start_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.drive(slot, Input::Start, now);
        Ok(())
    }

    /// Ends the run of a process: the stop signal now, KILL at the kill time. In a running service it then comes back
    /// (PM-36); a restart that is due already stays due (PM-33).
    ///
    /// # Errors
    ///
    /// [`UnknownName`] (PM-32).
    pub fn stop_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.drive(slot, Input::Stop, now);
        Ok(())
    }

    /// Ends the run of a process, and keeps it down until it is released.
    ///
    /// # Errors
    ///
    /// [`UnknownName`].
    pub fn hold_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).hold();
        self.drive(slot, Input::Cancel, now);
        Ok(())
    }

    /// Ends a hold: in a running service the process starts at once.
    ///
    /// # Errors
    ///
    /// [`UnknownName`].
    pub fn release_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        self.child_mut(slot).release();
        self.drive(slot, Input::Wake, now);
        Ok(())
    }

    /// Sends a signal to the group of a process, and changes nothing else: one that ends it is a death like any other.
    /// Returns whether there was anybody to hear it; a process that is not up yet, or dead already, hears nothing.
    ///
    /// # Errors
    ///
    /// [`UnknownName`].
    pub fn signal_process(&mut self, name: &str, signal: Signal) -> Result<bool, UnknownName> {
        let order = self.child(self.find(name)?).signal(signal);
        let heard = order.is_some();
        self.out.extend(order);
        Ok(heard)
    }

    /// [Stops](Self::stop_process) every process, all at once; so in a running service each comes back (PM-39).
    pub fn restart_all(&mut self, now: Instant) {
        self.drive_all(|| Input::Stop, now);
    }

    /// From now on every process that is not held is kept up. They start in the order they were added (PM-13). Does
    /// nothing in a running service (F-39).
    pub fn start_service(&mut self, now: Instant) {
        self.running = true;
        self.drive_all(|| Input::Wake, now);
    }

    /// Stops every process, and starts none until the service is started again (PM-40).
    pub fn stop_service(&mut self, now: Instant) {
        self.running = false;
        self.drive_all(|| Input::Cancel, now);
    }

    /// The same in a hurry: KILL at once, also for those that have been asked already.
    pub fn kill_service(&mut self, now: Instant) {
        self.running = false;
        self.drive_all(|| Input::Kill, now);
    }
}

/// The world's part: news and time.
impl<S: Clone> Machine<S> {
    /// Takes in news of a run. News of a run that is over is ignored, whoever has the name now (F-36).
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        let run = event.run();
        let child = self.children.get(run.slot()).and_then(Option::as_ref);
        if child.and_then(Child::run) == Some(run) {
            self.drive(run.slot(), Input::NoticeKind(event), now);
        }
    }

    /// Does what has become due. Too early, too late and too often do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(_, slot)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.drive(slot, Input::Tick, now);
        }
    }

    /// The next thing to do, in order. Ask until `None`.
    pub fn poll_output(&mut self) -> Option<Output<S>> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; never, if `None`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

/// Questions.
impl<S: Clone> Machine<S> {
    /// Whether the service runs.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// What a process is doing. `None`: there is none of this name.
    pub fn status(&self, name: &str) -> Option<Status> {
        self.find(name).ok().map(|slot| self.child(slot).status())
    }

    /// What all processes are doing, in the order they were added.
    pub fn statuses(&self) -> Vec<Status> {
        let children = self.in_order().into_iter().map(|slot| self.child(slot));
        children.filter(|child| !child.is_removed()).map(Child::status).collect()
    }

    /// What was given when the processes were added, in that order.
    pub fn definitions(&self) -> Vec<(Name, S)> {
        let children = self.in_order().into_iter().map(|slot| self.child(slot));
        children
            .filter(|child| !child.is_removed())
            .map(|child| (child.name.clone(), child.spec().clone()))
            .collect()
    }

    /// The run under way of a process.
    pub fn run(&self, name: &str) -> Option<RunId> {
        self.slots.get(name).and_then(|&slot| self.child(slot).run())
    }

    /// All runs under way, also those whose process was removed.
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
            .ok_or_else(|| UnknownName(name.to_owned()))
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

    /// The one way anything happens to a child.
    fn drive(&mut self, slot: usize, input: Input, now: Instant) {
        let child = self.children[slot].as_mut().expect("a known slot has a child");
        let before = child.deadline();
        let Self { running, ref mut runs, ref mut out, .. } = *self;
        child.handle(input, &mut Turn { now, running, slot, runs, out });
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

/// There is no process of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName(pub String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no process {:?}", self.0)
    }
}

impl std::error::Error for UnknownName {}

/// There is such a process already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateName(pub Name);

impl fmt::Display for DuplicateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is a process {:?} already", self.0)
    }
}

impl std::error::Error for DuplicateName {}
