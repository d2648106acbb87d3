//! The state that the handles and the driver of a monitor share.

use std::sync::Arc;

use super::Notices;
use super::stops::PendingStops;
use crate::drive::{self, Close, Life};
use crate::host::{Host, Spec};
use crate::machine::{Machine, Notice, NoticeKind, Policy};
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
    pub(super) machine: Machine<Arc<Spec>>,
    pub(super) stops: PendingStops,
}

pub(super) type Core = drive::Core<State>;

impl Shared {
    pub(super) fn new(host: Arc<dyn Host>, policy: Policy, tail: Option<TailSink>) -> Self {
        let drive = drive::Shared::new(host, State::default());
        Self { drive, policy, notices: Broadcast::new(Notices::CAPACITY), tail }
    }

    /// Forgets the last lines of a process that has been removed. Called with each notice, after the output
    /// of its run.
    pub(super) fn forget_tail(&self, notice: &Notice) {
        if let (NoticeKind::Exited { .. }, Some(tail)) = (&notice.kind, &self.tail)
            && self.drive.lock().state.machine.status(&notice.name).is_none()
        {
            tail.forget(&notice.name);
        }
    }

    /// Called when the driver has ended or was dropped, and every process with it.
    pub(super) fn over(&self) {
        let mut core = self.drive.lock();
        core.life = Life::Over;
        let resolved = core.state.stops.driver_over();
        drop(core);
        self.notices.close();
        resolved.resolve();
    }
}

impl Close for Shared {
    fn close(&self) {
        self.drive.command(|core, now| {
            if core.life == Life::Open {
                core.life = Life::Closing;
                core.state.machine.stop_service(now);
            }
        });
    }
}
