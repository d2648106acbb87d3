//! What the handles and the driver share: the machine behind one short lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use super::notices::Ears;
use super::ticket::Tickets;
use crate::host::{Host, Spec};
use crate::machine::{Machine, Notice, NoticeKind, Policy};
use crate::output::TailSink;

/// Shared by all handles of a monitor and its driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) host: Arc<dyn Host>,
    /// For processes that bring none.
    pub(super) policy: Policy,
    pub(super) ears: Ears,
    pub(super) tail: Option<TailSink>,
    core: Mutex<Core>,
}

/// Behind the lock, which is held for a command or a piece of news, never while anything is carried out.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) machine: Machine<Arc<Spec>>,
    pub(super) tickets: Tickets,
    pub(super) life: Life,
    driver: Option<Waker>,
}

/// How far a monitor has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// There are handles.
    Open,
    /// The last handle has gone: the driver ends when the last run is over.
    Closing,
    /// The driver has gone.
    Over,
}

impl Shared {
    pub(super) fn new(host: Arc<dyn Host>, policy: Policy, tail: Option<TailSink>) -> Self {
        let core =
            Core { machine: Machine::new(), tickets: Tickets::default(), life: Life::Open, driver: None };
        Self { host, policy, ears: Ears::new(), tail, core: Mutex::new(core) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle's way in: applies `command` at once, then wakes the driver to carry out what follows.
    pub(super) fn command<T>(&self, command: impl FnOnce(&mut Core, Instant) -> T) -> T {
        let now = self.host.now();
        let mut core = self.lock();
        let result = command(&mut core, now);
        let driver = core.driver.take();
        drop(core);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    /// The last handle has gone.
    pub(super) fn close(&self) {
        self.command(|core, now| {
            if core.life == Life::Open {
                core.life = Life::Closing;
                core.machine.stop_service(now);
            }
        });
    }

    /// The last lines of a process go with it when it was removed. Called with each notice, behind the run's output.
    pub(super) fn forget_tail(&self, notice: &Notice) {
        if let (NoticeKind::Exited { .. }, Some(tail)) = (&notice.kind, &self.tail)
            && self.lock().machine.status(&notice.name).is_none()
        {
            tail.forget(&notice.name);
        }
    }

    /// The driver has gone, and every process with it.
    pub(super) fn over(&self) {
        let mut core = self.lock();
        core.life = Life::Over;
        core.tickets.all_over();
        drop(core);
        self.ears.close();
    }
}

impl Core {
    /// Whom to wake after a command.
    pub(super) fn register(&mut self, driver: &Waker) {
        match &mut self.driver {
            Some(registered) => registered.clone_from(driver),
            none => *none = Some(driver.clone()),
        }
    }
}
