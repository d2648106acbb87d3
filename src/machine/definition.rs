//! What the machine knows about a process before it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Dependency, Name, Policy, Signal, SignalTarget};

/// The definition of one process. `S` is what the driver needs to start it: the machine only returns it with
/// [`Output::Spawn`](super::Output::Spawn), and compares it in
/// [`replace_process`](super::Machine::replace_process).
#[derive(Clone, Debug, PartialEq)]
pub struct Definition<S> {
    /// The program to start, for the driver.
    pub spec: S,
    /// When to restart it, and how long it may take to stop. The machine does not [check](Policy::check) it.
    pub policy: Policy,
    /// The signal that asks it to end.
    pub stop_signal: Signal,
    /// The processes of the run that receive the stop signal. KILL always goes to the whole family.
    pub stop_target: SignalTarget,
    /// Whether it has a stop command, which is run instead of sending the stop signal.
    pub stop_command: bool,
    /// The conditions that have to hold before it is started.
    pub after: Vec<Dependency>,
    /// The time after its start within which it has to become ready. With `Some`, the driver has to report
    /// its readiness with [`Event::Ready`](super::Event::Ready). With `None`, it is ready when it is started.
    pub ready: Option<Duration>,
    /// The group with which it is restarted.
    pub restart_group: Option<RestartGroup>,
}

impl<S> Definition<S> {
    /// Creates a definition with the default policy and without dependencies, whose process group is sent
    /// TERM to stop it.
    pub fn new(spec: S) -> Self {
        Self {
            spec,
            policy: Policy::default(),
            stop_signal: Signal::TERM,
            stop_target: SignalTarget::Group,
            stop_command: false,
            after: Vec::new(),
            ready: None,
            restart_group: None,
        }
    }

    /// Returns this definition with another spec: the machine decides the same with it.
    pub fn with_spec<T>(self, spec: T) -> Definition<T> {
        self.map_spec(|_| spec)
    }

    /// Returns the same definition with what `map` makes of its spec.
    pub(super) fn map_spec<T>(self, map: impl FnOnce(S) -> T) -> Definition<T> {
        let Self { spec, policy, stop_signal, stop_target, stop_command, after, ready, restart_group } = self;
        let spec = map(spec);
        Definition { spec, policy, stop_signal, stop_target, stop_command, after, ready, restart_group }
    }
}

/// The part of a [`Definition`] that is about the process alone. Its dependencies and its group are among the
/// relations.
#[derive(Clone, Debug)]
pub(super) struct Settings<S> {
    pub(super) spec: S,
    /// Most processes of a monitor share one policy.
    pub(super) policy: Arc<Policy>,
    pub(super) ready: Option<Duration>,
    pub(super) stop_signal: Signal,
    pub(super) stop_target: SignalTarget,
    pub(super) stop_command: bool,
}

impl<S: PartialEq> Settings<S> {
    /// Whether `definition` has these settings.
    pub(super) fn is_of(&self, definition: &Definition<S>) -> bool {
        let Definition {
            spec,
            policy,
            stop_signal,
            stop_target,
            stop_command,
            after: _,
            ready,
            restart_group: _,
        } = definition;
        self.spec == *spec
            && *self.policy == *policy
            && self.stop_signal == *stop_signal
            && self.stop_target == *stop_target
            && self.stop_command == *stop_command
            && self.ready == *ready
    }
}

/// The restart group of a process: when one member is restarted after it has ended by itself, others are
/// restarted as well.
///
/// All of them are stopped, and when the last one has ended and the delay of the first has passed, they are
/// started in the order in which they were added, as far as their dependencies permit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RestartGroup {
    /// The name of the group. Every member has the same strategy.
    pub name: Name,
    /// Which members are restarted.
    pub strategy: Strategy,
}

/// Which members of a [`RestartGroup`] are restarted with a member that has ended. The names are those of
/// OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// All members.
    OneForAll,
    /// The members that were added after it.
    RestForOne,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OneForAll => "one-for-all",
            Self::RestForOne => "rest-for-one",
        })
    }
}
