//! The tickets that wait until a process is ready, or until the service has stopped.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::error::CLOSED;
use crate::drive::{NotDriven, Promise, Resolutions, StopError, Survivor};
use crate::host::Spec;
use crate::machine::{Machine, Name, Notice, NoticeKind, Phase, RunId, Why};

/// The reason why a process does not become ready, from
/// [`ProcessMonitor::wait_ready`](crate::ProcessMonitor::wait_ready).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReadyError {
    /// The process does not run, and only a command starts it again.
    NotRunning {
        /// The name of the process.
        name: Name,
        /// The phase that it is in.
        phase: Phase,
        /// Why it is in this phase.
        why: Why,
    },
    /// This process was removed.
    Removed(Name),
    /// The monitor is closed, or its driver was dropped.
    Closed,
    /// The driver of the monitor is not polled.
    NotDriven(NotDriven),
}

/// The reason why a service has stopped other than by a command, or has not stopped completely, from
/// [`ProcessMonitor::wait_stopped`](crate::ProcessMonitor::wait_stopped).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoppedError {
    /// This process was [given up](crate::Policy::give_up), and its policy stops the service then.
    GaveUp(Name),
    /// Processes have survived KILL, or the driver of the monitor is not polled.
    Stop(StopError),
}

impl fmt::Display for ReadyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning { why, .. } => why.fmt(f),
            Self::Removed(name) => write!(f, "{name} was removed"),
            Self::Closed => f.write_str(CLOSED),
            Self::NotDriven(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for StoppedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GaveUp(name) => write!(f, "the service was stopped because {name} was given up"),
            Self::Stop(error) => error.fmt(f),
        }
    }
}

/// The message contains that of the cause, so there is no source.
impl Error for ReadyError {}

/// The message contains that of the cause, so there is no source.
impl Error for StoppedError {}

impl From<NotDriven> for ReadyError {
    fn from(error: NotDriven) -> Self {
        Self::NotDriven(error)
    }
}

impl From<NotDriven> for StoppedError {
    fn from(error: NotDriven) -> Self {
        Self::Stop(error.into())
    }
}

/// The tickets that are not resolved.
#[derive(Debug, Default)]
pub(super) struct PendingWaits {
    ready: HashMap<Name, Vec<Arc<Promise<ReadyError>>>>,
    stopped: Vec<Arc<Promise<StoppedError>>>,
    /// The runs that have survived KILL and are not over.
    survivors: Vec<Survivor>,
    /// Whether a command, or a process on which others depend, may have changed what the tickets wait for.
    is_stale: bool,
}

/// The tickets of both kinds that are resolved.
#[must_use]
#[derive(Default)]
pub(super) struct ResolvedWaits {
    ready: Resolutions<ReadyError>,
    stopped: Resolutions<StoppedError>,
}

impl ResolvedWaits {
    /// Resolves the tickets.
    pub(super) fn resolve(self) {
        self.ready.resolve();
        self.stopped.resolve();
    }
}

impl PendingWaits {
    /// Adds a ticket that waits until `name` is ready, or resolves it: it has not been returned yet, so this
    /// wakes no task.
    pub(super) fn add_ready(
        &mut self,
        name: Name,
        promise: Arc<Promise<ReadyError>>,
        machine: &Machine<Arc<Spec>>,
        now: Instant,
    ) {
        if let Some(result) = readiness(machine, &name, now) {
            promise.fill(result);
            return;
        }
        let promises = self.ready.entry(name).or_default();
        // Without a ticket nothing waits.
        promises.retain(|promise| Arc::strong_count(promise) > 1);
        promises.push(promise);
    }

    /// Adds a ticket that waits until the service has stopped, or resolves it: it has not been returned yet,
    /// so this wakes no task.
    pub(super) fn add_stopped(&mut self, promise: Arc<Promise<StoppedError>>, machine: &Machine<Arc<Spec>>) {
        self.stopped.retain(|promise| Arc::strong_count(promise) > 1);
        self.stopped.push(promise);
        let mut resolved = ResolvedWaits::default();
        self.check_stopped(machine, &mut resolved);
        resolved.resolve();
    }

    /// Notes that a command was applied.
    pub(super) fn command_applied(&mut self) {
        self.is_stale = !(self.ready.is_empty() && self.stopped.is_empty());
    }

    /// Whether something has happened that may have resolved any ticket.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Looks at all tickets.
    pub(super) fn check_all(&mut self, machine: &Machine<Arc<Spec>>, now: Instant) -> ResolvedWaits {
        self.is_stale = false;
        let mut resolved = ResolvedWaits::default();
        self.ready.retain(|name, promises| {
            let result = readiness(machine, name, now);
            resolve_all(promises, result, &mut resolved.ready);
            !promises.is_empty()
        });
        self.check_stopped(machine, &mut resolved);
        resolved
    }

    /// Resolves what is known when a notice is published, which names the `survivor` of KILL if it is about
    /// one.
    pub(super) fn after_notice(
        &mut self,
        notice: &Notice,
        survivor: Option<Survivor>,
        machine: &Machine<Arc<Spec>>,
    ) -> ResolvedWaits {
        if survivor.is_some() || matches!(notice.kind, NoticeKind::Exited { .. }) {
            self.survivors.retain(|known| Some(known.run) != notice.run);
            self.survivors.extend(survivor);
        }
        let mut resolved = ResolvedWaits::default();
        // The processes that depend on it may wait in vain now.
        let is_rest =
            matches!(notice.kind, NoticeKind::Completed | NoticeKind::Failed | NoticeKind::GaveUp { .. });
        self.is_stale |= is_rest && !self.ready.is_empty();
        if let Some(mut promises) = self.ready.remove(&notice.name) {
            resolve_all(&mut promises, readiness(machine, &notice.name, notice.at), &mut resolved.ready);
            if !promises.is_empty() {
                self.ready.insert(notice.name.clone(), promises);
            }
        }
        self.check_stopped(machine, &mut resolved);
        resolved
    }

    /// Resolves everything, because the driver has ended.
    pub(super) fn driver_over(&mut self) -> ResolvedWaits {
        let Self { ready, stopped, .. } = std::mem::take(self);
        let ready = ready.into_values().flatten();
        ResolvedWaits {
            ready: Resolutions(ready.map(|promise| (promise, Err(ReadyError::Closed))).collect()),
            stopped: Resolutions(stopped.into_iter().map(|promise| (promise, Ok(()))).collect()),
        }
    }

    fn check_stopped(&mut self, machine: &Machine<Arc<Spec>>, resolved: &mut ResolvedWaits) {
        if self.stopped.is_empty() || machine.is_running() {
            return;
        }
        let has_survived = |run: RunId| self.survivors.iter().any(|survivor| survivor.run == run);
        if !machine.runs().all(has_survived) {
            return;
        }
        let result = match machine.stopped_by() {
            _ if !self.survivors.is_empty() => Err(StoppedError::Stop(self.survivors.clone().into())),
            Some(name) => Err(StoppedError::GaveUp(name.clone())),
            None => Ok(()),
        };
        resolve_all(&mut self.stopped, Some(result), &mut resolved.stopped);
    }
}

/// Returns the result of a wait for the readiness of a process, if it is known.
fn readiness(machine: &Machine<Arc<Spec>>, name: &Name, now: Instant) -> Option<Result<(), ReadyError>> {
    let Some(status) = machine.status(name) else { return Some(Err(ReadyError::Removed(name.clone()))) };
    match status.phase {
        Phase::Up if status.ready_since.is_some() => Some(Ok(())),
        Phase::Blocked if !machine.waits_in_vain(name) => None,
        Phase::Up | Phase::Waiting | Phase::Starting | Phase::Stopping | Phase::Ending => None,
        Phase::Down
        | Phase::Held
        | Phase::Blocked
        | Phase::Completed
        | Phase::Failed
        | Phase::GaveUp
        | Phase::Unkillable => {
            let why = machine.why(name, now)?;
            Some(Err(ReadyError::NotRunning { name: name.clone(), phase: status.phase, why }))
        }
    }
}

fn resolve_all<E: Clone>(
    promises: &mut Vec<Arc<Promise<E>>>,
    result: Option<Result<(), E>>,
    resolved: &mut Resolutions<E>,
) {
    if let Some(result) = result {
        resolved.0.extend(promises.drain(..).map(|promise| (promise, result.clone())));
    }
}
