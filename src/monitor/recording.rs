//! The machine of a monitor, and the recorder of everything that goes into it and comes out of it.
//!
//! A recorder is called under the lock of the monitor, so it must not block. Without one, an input costs one
//! comparison.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use crate::drive::StateMachine;
use crate::host::Spec;
use crate::machine::{
    Definition, DefinitionError, DependencyError, Event, Input, Machine, Name, Notice, Output, Policy,
    Replaced, Signal, UnknownName,
};
use crate::output::Sink;

/// Keeps a record of a machine. It is dropped when the driver of the monitor has ended.
pub(crate) trait Recorder: fmt::Debug + Send {
    /// Called after each input that was not refused, before its outputs are polled.
    fn input(&mut self, input: &Input<Arc<Spec>>, now: Instant);

    /// Called with each output, in order.
    fn output(&mut self, output: &Output<Arc<Spec>>);

    /// Called when all outputs have been polled: the whole state is in `machine`.
    fn settled(&mut self, machine: &Machine<Arc<Spec>>);
}

/// Called with each notice when it is published, after the output that precedes it.
pub(crate) type NoticeObserver = Box<dyn FnMut(&Notice) + Send>;

/// The parts of a recorder, for the builder of a monitor.
pub(crate) struct RecorderParts {
    pub(crate) recorder: Box<dyn Recorder>,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) notices: NoticeObserver,
}

/// Creates the parts of a recorder when the monitor is built. The argument is the present on the clock of the
/// host.
pub(crate) type MakeRecorder = Box<dyn FnOnce(Instant) -> RecorderParts + Send>;

/// A machine whose inputs and outputs may be recorded. What does not change it is called through `Deref`.
#[derive(Debug, Default)]
pub(crate) struct RecordedMachine {
    machine: Machine<Arc<Spec>>,
    recorder: Option<Box<dyn Recorder>>,
}

impl Deref for RecordedMachine {
    type Target = Machine<Arc<Spec>>;

    fn deref(&self) -> &Self::Target {
        &self.machine
    }
}

impl RecordedMachine {
    pub(super) fn new(recorder: Option<Box<dyn Recorder>>) -> Self {
        Self { machine: Machine::new(), recorder }
    }

    /// Returns the recorder, to be dropped while no lock is held.
    pub(super) fn end_recording(&mut self) -> Option<Box<dyn Recorder>> {
        self.recorder.take()
    }

    /// Applies a command that cannot fail.
    fn apply(&mut self, input: Input<Arc<Spec>>, now: Instant, act: impl FnOnce(&mut Machine<Arc<Spec>>)) {
        act(&mut self.machine);
        if let Some(recorder) = &mut self.recorder {
            recorder.input(&input, now);
        }
    }

    /// Applies a command to a process by its name.
    fn apply_to<T>(
        &mut self,
        name: &str,
        input: impl FnOnce(Name) -> Input<Arc<Spec>>,
        now: Instant,
        act: impl FnOnce(&mut Machine<Arc<Spec>>) -> Result<T, UnknownName>,
    ) -> Result<T, UnknownName> {
        let result = act(&mut self.machine)?;
        if let Some(recorder) = &mut self.recorder {
            let name = Name::new(name).expect("there is a process with this name");
            recorder.input(&input(name), now);
        }
        Ok(result)
    }
}

/// The commands of [`Machine`].
impl RecordedMachine {
    pub(super) fn add_process(
        &mut self,
        name: Name,
        definition: Definition<Arc<Spec>>,
        now: Instant,
    ) -> Result<(), DefinitionError> {
        let Some(recorder) = &mut self.recorder else {
            return self.machine.add_process(name, definition, now);
        };
        let input = Input::Add { name: name.clone(), definition: Box::new(definition.clone()) };
        self.machine.add_process(name, definition, now)?;
        recorder.input(&input, now);
        Ok(())
    }

    pub(super) fn replace_process(
        &mut self,
        name: &str,
        definition: Definition<Arc<Spec>>,
        now: Instant,
    ) -> Result<Replaced, DefinitionError> {
        let is_same = |one: &Arc<Spec>, other: &Arc<Spec>| one.starts_same_program(other);
        let recorded = self.recorder.is_some().then(|| Box::new(definition.clone()));
        let replaced = self.machine.replace_process_unless(is_same, name, definition, now)?;
        if let (Some(recorder), Some(definition)) = (&mut self.recorder, recorded)
            && replaced != Replaced::Unchanged
        {
            let name = Name::new(name).expect("there is a process with this name");
            let restart = replaced == Replaced::Restarting;
            recorder.input(&Input::Replace { name, definition, restart }, now);
        }
        Ok(replaced)
    }

    pub(super) fn remove_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        self.apply_to(name, |name| Input::Remove { name }, now, |machine| machine.remove_process(name, now))
    }

    pub(super) fn start_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        self.apply_to(name, |name| Input::Start { name }, now, |machine| machine.start_process(name, now))
    }

    pub(super) fn stop_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        self.apply_to(name, |name| Input::Stop { name }, now, |machine| machine.stop_process(name, now))
    }

    pub(super) fn hold_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        self.apply_to(name, |name| Input::Hold { name }, now, |machine| machine.hold_process(name, now))
    }

    pub(super) fn release_process(&mut self, name: &str, now: Instant) -> Result<(), UnknownName> {
        self.apply_to(name, |name| Input::Release { name }, now, |machine| machine.release_process(name, now))
    }

    pub(super) fn signal_process(
        &mut self,
        name: &str,
        signal: Signal,
        now: Instant,
    ) -> Result<bool, UnknownName> {
        let input = |name| Input::Signal { name, signal };
        self.apply_to(name, input, now, |machine| machine.signal_process(name, signal))
    }

    pub(super) fn set_policy(&mut self, name: &str, policy: Policy, now: Instant) -> Result<(), UnknownName> {
        let input = |name| Input::SetPolicy { name, policy };
        self.apply_to(name, input, now, |machine| machine.set_policy(name, policy, now))
    }

    pub(super) fn restart_all(&mut self, now: Instant) {
        self.apply(Input::RestartAll, now, |machine| machine.restart_all(now));
    }

    pub(super) fn start_service(&mut self, now: Instant) -> Result<(), DependencyError> {
        self.machine.start_service(now)?;
        self.apply(Input::StartService, now, |_| {});
        Ok(())
    }

    pub(super) fn stop_service(&mut self, now: Instant) {
        self.apply(Input::StopService, now, |machine| machine.stop_service(now));
    }

    pub(super) fn kill_service(&mut self, now: Instant) {
        self.apply(Input::KillService, now, |machine| machine.kill_service(now));
    }
}

impl StateMachine for RecordedMachine {
    type Event = Event;
    type Output = Output<Arc<Spec>>;

    fn handle_event(&mut self, event: Event, now: Instant) {
        let Some(recorder) = &mut self.recorder else { return self.machine.handle_event(event, now) };
        let input = Input::Event(event);
        recorder.input(&input, now);
        if let Input::Event(event) = input {
            self.machine.handle_event(event, now);
        }
    }

    /// A call before anything is due changes nothing, and is not recorded.
    fn handle_timeout(&mut self, now: Instant) {
        if let Some(recorder) = &mut self.recorder
            && self.machine.poll_timeout().is_some_and(|at| at <= now)
        {
            recorder.input(&Input::Timeout, now);
        }
        self.machine.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output<Arc<Spec>>> {
        let output = self.machine.poll_output();
        if let Some(recorder) = &mut self.recorder {
            match &output {
                Some(output) => recorder.output(output),
                None => recorder.settled(&self.machine),
            }
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }
}
