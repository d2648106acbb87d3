//! Everything that can go into a machine, as a value.

use std::time::Instant;

use super::{Definition, DefinitionError, Event, Machine, Name, Policy, Replaced, Signal};

/// A command, an event or the time, for [`Machine::handle_input`].
///
/// Each is the value of a method of [`Machine`] with its arguments. So what went into a machine can be kept,
/// compared, and put into another machine, which decides the same.
///
/// ```
/// use std::time::Instant;
/// use childminder::machine::{Definition, Input, Machine};
///
/// let now = Instant::now();
/// let name: childminder::Name = "web".parse()?;
/// let inputs = [
///     Input::StartService,
///     Input::Add { name: name.clone(), definition: Box::new(Definition::new("serve")) },
///     Input::Hold { name },
/// ];
/// let mut machine = Machine::new();
/// for input in inputs {
///     machine.handle_input(input, now)?;
/// }
/// assert!(machine.status("web").is_some_and(|status| status.held));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input<S> {
    /// [Adds](Machine::add_process) a process.
    Add {
        /// The name of the process.
        name: Name,
        /// Its definition.
        definition: Box<Definition<S>>,
    },
    /// [Stops and removes](Machine::remove_process) a process.
    Remove {
        /// The name of the process.
        name: Name,
    },
    /// [Starts](Machine::start_process) a process.
    Start {
        /// The name of the process.
        name: Name,
    },
    /// [Stops](Machine::stop_process) the current run of a process.
    Stop {
        /// The name of the process.
        name: Name,
    },
    /// [Stops](Machine::hold_process) a process, and keeps it down.
    Hold {
        /// The name of the process.
        name: Name,
    },
    /// [Releases](Machine::release_process) a process that is held.
    Release {
        /// The name of the process.
        name: Name,
    },
    /// [Sends a signal](Machine::signal_process) to a process.
    Signal {
        /// The name of the process.
        name: Name,
        /// The signal.
        signal: Signal,
    },
    /// [Changes](Machine::set_policy) the policy of a process.
    SetPolicy {
        /// The name of the process.
        name: Name,
        /// The new policy.
        policy: Policy,
    },
    /// [Replaces](Machine::replace_process) the definition of a process.
    Replace {
        /// The name of the process.
        name: Name,
        /// The new definition.
        definition: Box<Definition<S>>,
        /// Whether the program to start is another one, so that the current run is stopped.
        restart: bool,
    },
    /// [Stops](Machine::restart_all) every process, to be started again.
    RestartAll,
    /// [Starts](Machine::start_service) the service.
    StartService,
    /// [Stops](Machine::stop_service) the service.
    StopService,
    /// [Stops](Machine::kill_service) the service, and kills every process.
    KillService,
    /// [Reports](Machine::handle_event) what happened to a run.
    Event(Event),
    /// [Does what is due](Machine::handle_timeout).
    Timeout,
}

impl<S> Input<S> {
    /// Returns the name of the process that a command is about; `None` for an event, the time, and a command
    /// that is about all processes.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Add { name, .. }
            | Self::Remove { name }
            | Self::Start { name }
            | Self::Stop { name }
            | Self::Hold { name }
            | Self::Release { name }
            | Self::Signal { name, .. }
            | Self::SetPolicy { name, .. }
            | Self::Replace { name, .. } => Some(name),
            Self::RestartAll
            | Self::StartService
            | Self::StopService
            | Self::KillService
            | Self::Event(_)
            | Self::Timeout => None,
        }
    }
}

impl<S> Input<S> {
    /// Returns this input with other specs. A machine decides the same with it.
    ///
    /// ```
    /// use childminder::machine::{Definition, Input};
    ///
    /// let definition = Box::new(Definition::new("serve"));
    /// let input = Input::Add { name: "web".parse()?, definition }.map_spec(str::len);
    /// assert!(matches!(input, Input::Add { definition, .. } if definition.spec == 5));
    /// # Ok::<(), childminder::machine::NameError>(())
    /// ```
    pub fn map_spec<T>(self, map: impl FnOnce(S) -> T) -> Input<T> {
        let mapped = |definition: Box<Definition<S>>| Box::new(definition.map_spec(map));
        match self {
            Self::Add { name, definition } => Input::Add { name, definition: mapped(definition) },
            Self::Replace { name, definition, restart } => {
                Input::Replace { name, definition: mapped(definition), restart }
            }
            Self::Remove { name } => Input::Remove { name },
            Self::Start { name } => Input::Start { name },
            Self::Stop { name } => Input::Stop { name },
            Self::Hold { name } => Input::Hold { name },
            Self::Release { name } => Input::Release { name },
            Self::Signal { name, signal } => Input::Signal { name, signal },
            Self::SetPolicy { name, policy } => Input::SetPolicy { name, policy },
            Self::RestartAll => Input::RestartAll,
            Self::StartService => Input::StartService,
            Self::StopService => Input::StopService,
            Self::KillService => Input::KillService,
            Self::Event(event) => Input::Event(event),
            Self::Timeout => Input::Timeout,
        }
    }
}

/// Inputs as values.
impl<S: Clone + PartialEq> Machine<S> {
    /// Calls the method of this machine for which `input` stands. A machine with the same seed to which the
    /// same inputs are given at the same times returns the same outputs.
    ///
    /// # Errors
    ///
    /// The error of that method. The input has changed nothing then.
    pub fn handle_input(&mut self, input: Input<S>, now: Instant) -> Result<(), DefinitionError> {
        match input {
            Input::Add { name, definition } => self.add_process(name, *definition, now)?,
            Input::Remove { name } => self.remove_process(&name, now)?,
            Input::Start { name } => self.start_process(&name, now)?,
            Input::Stop { name } => self.stop_process(&name, now)?,
            Input::Hold { name } => self.hold_process(&name, now)?,
            Input::Release { name } => self.release_process(&name, now)?,
            Input::Signal { name, signal } => drop(self.signal_process(&name, signal)?),
            Input::SetPolicy { name, policy } => self.set_policy(&name, policy, now)?,
            Input::Replace { name, definition, restart } => {
                let _: Replaced = self.replace_process_unless(|_, _| !restart, &name, *definition, now)?;
            }
            Input::RestartAll => self.restart_all(now),
            Input::StartService => self.start_service(now)?,
            Input::StopService => self.stop_service(now),
            Input::KillService => self.kill_service(now),
            Input::Event(event) => self.handle_event(event, now),
            Input::Timeout => self.handle_timeout(now),
        }
        Ok(())
    }
}
