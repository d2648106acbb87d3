//! The state that the handles and the driver of a monitor share.

use std::sync::Arc;
use std::time::Instant;

use super::Notices;
use super::health::Reports;
use super::input_queue::InputQueues;
use super::recording::{RecordedMachine, Recorder};
use super::stops::PendingStops;
use super::waits::{PendingWaits, StoppedError};
use crate::drive::{self, Close, Life, Promise};
use crate::host::Host;
use crate::machine::{Notice, NoticeKind, Policy};
use crate::output::TailSink;
use crate::sync::Broadcast;

/// Shared by all handles of a monitor and its driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) drive: drive::Shared<State>,
    /// For processes whose spec has no policy.
    pub(super) policy: Policy,
    pub(super) notices: Broadcast<Notice>,
    pub(super) tail: Option<TailSink>,
}

/// The state behind the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) machine: RecordedMachine,
    pub(super) stops: PendingStops,
    pub(super) waits: PendingWaits,
    pub(super) reports: Reports,
    pub(super) inputs: InputQueues,
}

pub(super) type Core = drive::Core<State>;

impl Shared {
    pub(super) fn new(
        host: Arc<dyn Host>,
        policy: Policy,
        tail: Option<TailSink>,
        recorder: Option<Box<dyn Recorder>>,
    ) -> Self {
        let state = State { machine: RecordedMachine::new(recorder), ..State::default() };
        let drive = drive::Shared::new(host, state);
        Self { drive, policy, notices: Broadcast::new(Notices::CAPACITY), tail }
    }

    /// Applies a command. The driver is woken to execute what follows from it.
    pub(super) fn command<T>(&self, command: impl FnOnce(&mut Core, Instant) -> T) -> T {
        self.drive.command(|core, now| {
            let result = command(core, now);
            core.state.waits.command_applied();
            result
        })
    }

    /// Adds a ticket that waits until the service has stopped.
    pub(super) fn add_stopped_wait(&self, promise: Arc<Promise<StoppedError>>) {
        self.command(|core, _| {
            if core.life == Life::Over {
                // The ticket has not been returned yet, so this wakes no task.
                promise.fill(Ok(()));
            } else {
                let State { machine, waits, .. } = &mut core.state;
                waits.add_stopped(promise, machine);
            }
        });
    }

    /// Forgets what is known about a process that has been removed. Called with each notice, after the output
    /// of its run.
    pub(super) fn forget_removed(&self, notice: &Notice) {
        if !matches!(notice.kind, NoticeKind::Exited { .. } | NoticeKind::Removed) {
            return;
        }
        let mut core = self.drive.lock();
        if core.state.machine.status(&notice.name).is_some() {
            return;
        }
        core.state.reports.forget(&notice.name);
        drop(core);
        if let Some(tail) = &self.tail {
            tail.forget(&notice.name);
        }
    }

    /// Called when the driver has ended or was dropped, and every process with it.
    pub(super) fn over(&self) {
        let mut core = self.drive.lock();
        core.life = Life::Over;
        let resolved = core.state.stops.driver_over();
        let resolved_waits = core.state.waits.driver_over();
        let inputs = core.state.inputs.driver_over();
        let recorder = core.state.machine.end_recording();
        drop(core);
        // It may have to wait for a disk.
        drop(recorder);
        self.notices.close();
        resolved.resolve();
        resolved_waits.resolve();
        inputs.resolve();
    }
}

impl Close for Shared {
    fn close(&self) {
        self.command(|core, now| {
            if core.life == Life::Open {
                core.life = Life::Closing;
                core.state.machine.stop_service(now);
            }
        });
    }
}
