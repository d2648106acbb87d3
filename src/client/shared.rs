//! What the handles and the driver share: the machine behind one short lock, and who waits for what.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use super::fsm::Fsm;
use super::link::Connection;
use super::message::{Input, Settings, StopId, WaiterId};
use super::setback::ConnectWaitError;
use super::slot::{ClientTicket, Slot, WhenConnected};
use super::state::Audience;
use crate::host::Host;

/// Shared by all handles of a service and its driver.
pub(super) struct Shared<S> {
    pub(super) host: Arc<dyn Host>,
    pub(super) audience: Audience,
    core: Mutex<Core<S>>,
}

/// Behind the lock, which is held for a command or a piece of news; never while anything is carried out, and never
/// while code runs that is not ours.
pub(super) struct Core<S> {
    pub(super) fsm: Fsm,
    pub(super) waiters: BTreeMap<WaiterId, Answer<S>>,
    pub(super) stops: BTreeMap<StopId, Arc<Slot<()>>>,
    pub(super) life: Life,
    /// Waiters and stops ever.
    asked: u64,
    driver: Option<Waker>,
}

type Answer<S> = Arc<Slot<Result<Connection<S>, ConnectWaitError>>>;

/// How far a service has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// There are handles.
    Open,
    /// The last handle has gone: the driver ends when nothing is open.
    Closing,
    /// The driver has gone.
    Over,
}

impl<S> Shared<S> {
    pub(super) fn new(host: Arc<dyn Host>, settings: Settings) -> Self {
        let core = Core {
            fsm: Fsm::new(settings),
            waiters: BTreeMap::new(),
            stops: BTreeMap::new(),
            life: Life::Open,
            asked: 0,
            driver: None,
        };
        Self { host, audience: Audience::new(), core: Mutex::new(core) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core<S>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn start(&self) {
        self.command(|core, now| {
            if core.life != Life::Over {
                core.fsm.handle(Input::Start, now);
            }
        });
    }

    pub(super) fn stop(&self) -> ClientTicket {
        let slot = Slot::empty();
        let over = self.command(|core, now| {
            let id = StopId(core.number());
            core.fsm.handle(Input::Stop(id), now);
            if core.life != Life::Over {
                core.stops.insert(id, slot.clone());
            }
            core.life == Life::Over
        });
        if over {
            slot.fill(());
        }
        ClientTicket(slot)
    }

    pub(super) fn when_connected(self: &Arc<Self>, failures: Option<u32>) -> WhenConnected<S> {
        let slot = Slot::empty();
        let (id, over) = self.command(|core, now| {
            let id = WaiterId(core.number());
            if core.life != Life::Over {
                core.waiters.insert(id, slot.clone());
                core.fsm.handle(Input::When(id, failures), now);
            }
            (id, core.life == Life::Over)
        });
        if over {
            slot.fill(Err(ConnectWaitError::Closed));
        }
        WhenConnected::new(slot, id, self.clone())
    }

    /// Nobody waits for this answer any more.
    pub(super) fn forget(&self, id: WaiterId) {
        let answer = self.command(|core, now| {
            core.fsm.handle(Input::Forget(id), now);
            core.waiters.remove(&id)
        });
        drop(answer);
    }

    /// The last handle has gone.
    pub(super) fn close(&self) {
        self.command(|core, now| {
            if core.life == Life::Open {
                core.life = Life::Closing;
                let id = StopId(core.number());
                core.fsm.handle(Input::Stop(id), now);
            }
        });
    }

    /// The driver has gone.
    pub(super) fn over(&self) {
        let (waiters, stops) = self.command(|core, now| {
            core.life = Life::Over;
            let id = StopId(core.number());
            core.fsm.handle(Input::Stop(id), now);
            (mem::take(&mut core.waiters), mem::take(&mut core.stops))
        });
        waiters.into_values().for_each(|answer| answer.fill(Err(ConnectWaitError::Closed)));
        stops.into_values().for_each(|stop| stop.fill(()));
        self.audience.close();
    }

    /// The way in: applies `command` at once, then wakes the driver to carry out what follows.
    fn command<T>(&self, command: impl FnOnce(&mut Core<S>, Instant) -> T) -> T {
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
}

impl<S> Core<S> {
    /// Whom to wake after a command.
    pub(super) fn register(&mut self, driver: &Waker) {
        match &mut self.driver {
            Some(registered) => registered.clone_from(driver),
            none => *none = Some(driver.clone()),
        }
    }

    fn number(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("fsm", &self.lock().fsm).finish_non_exhaustive()
    }
}
