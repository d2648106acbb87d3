//! What the handles and the driver share: the machine behind one short lock, and who waits for what.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use super::fsm::Fsm;
use super::link::Connection;
use super::message::{Settings, StopId, WaiterId};
use super::setback::ConnectWaitError;
use super::slot::WhenConnected;
use super::state::{ClientState, ClientStates};
use crate::drive::{self, Close, Life, NotDriven, Promise, Ticket};
use crate::host::Host;
use crate::sync::{Broadcast, Oneshot};

/// Shared by all handles of a service and its driver.
pub(super) struct Shared<S> {
    pub(super) drive: drive::Shared<State<S>>,
    pub(super) states: Broadcast<ClientState>,
}

/// Behind the lock, which is held for a command or a piece of news; never while anything is carried out, and never
/// while code runs that is not ours.
pub(super) struct State<S> {
    pub(super) fsm: Fsm,
    pub(super) waiters: BTreeMap<WaiterId, Answer<S>>,
    pub(super) stops: BTreeMap<StopId, Arc<Promise<NotDriven>>>,
    /// Waiters and stops ever.
    asked: u64,
}

type Answer<S> = Arc<Oneshot<Result<Connection<S>, ConnectWaitError>>>;

impl<S> Shared<S> {
    pub(super) fn new(host: Arc<dyn Host>, settings: Settings) -> Self {
        let state =
            State { fsm: Fsm::new(settings), waiters: BTreeMap::new(), stops: BTreeMap::new(), asked: 0 };
        let states = Broadcast::with_latest(ClientStates::CAPACITY, ClientState::Stopped);
        Self { drive: drive::Shared::new(host, state), states }
    }

    pub(super) fn start(&self) {
        self.drive.command(|core, now| {
            if core.life != Life::Over {
                core.state.fsm.start(now);
            }
        });
    }

    pub(super) fn stop(&self) -> Ticket<NotDriven> {
        let (promise, ticket) = self.drive.ticket();
        let over = self.drive.command(|core, now| {
            let id = StopId(core.state.number());
            core.state.fsm.stop(id, now);
            if core.life != Life::Over {
                core.state.stops.insert(id, promise.clone());
            }
            core.life == Life::Over
        });
        if over {
            promise.fill(Ok(()));
        }
        ticket
    }

    pub(super) fn when_connected(self: &Arc<Self>, failures: Option<u32>) -> WhenConnected<S> {
        let slot = Arc::new(Oneshot::new());
        let (id, over) = self.drive.command(|core, now| {
            let id = WaiterId(core.state.number());
            if core.life != Life::Over {
                core.state.waiters.insert(id, slot.clone());
                core.state.fsm.when_connected(id, failures, now);
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
        let answer = self.drive.command(|core, now| {
            core.state.fsm.forget(id, now);
            core.state.waiters.remove(&id)
        });
        drop(answer);
    }

    /// The driver has gone.
    pub(super) fn over(&self) {
        let (waiters, stops) = self.drive.command(|core, now| {
            core.life = Life::Over;
            let id = StopId(core.state.number());
            core.state.fsm.stop(id, now);
            (mem::take(&mut core.state.waiters), mem::take(&mut core.state.stops))
        });
        waiters.into_values().for_each(|answer| {
            answer.fill(Err(ConnectWaitError::Closed));
        });
        stops.into_values().for_each(|stop| {
            stop.fill(Ok(()));
        });
        self.states.close();
    }
}

impl<S> Close for Shared<S> {
    fn close(&self) {
        self.drive.command(|core, now| {
            if core.life == Life::Open {
                core.life = Life::Closing;
                let id = StopId(core.state.number());
                core.state.fsm.stop(id, now);
            }
        });
    }
}

impl<S> State<S> {
    fn number(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("fsm", &self.drive.lock().state.fsm).finish_non_exhaustive()
    }
}
