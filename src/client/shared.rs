//! The state that handles and driver share: the machine behind one lock, and the tasks that wait.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use super::connection::Connection;
use super::error::ConnectWaitError;
use super::fsm::Fsm;
use super::message::{Settings, StopId, WaiterId};
use super::state::{ClientState, ClientStates};
use crate::drive::{self, Close, Life, NotDriven, Promise, Ticket, Watch};
use crate::host::Host;
use crate::sync::{Broadcast, Oneshot};

/// Shared by all handles of a service and its driver.
pub(super) struct Shared<S> {
    pub(super) drive: drive::Shared<State<S>>,
    pub(super) states: Broadcast<ClientState>,
}

/// The state behind the lock. The lock is held for one command or one event, never while an output is
/// executed or the user's code runs.
pub(super) struct State<S> {
    pub(super) fsm: Fsm,
    pub(super) waiters: BTreeMap<WaiterId, Answer<S>>,
    pub(super) stops: BTreeMap<StopId, Arc<Promise<NotDriven>>>,
    /// Tickets that are resolved when the driver has ended.
    closes: Vec<Arc<Promise<NotDriven>>>,
    /// The number of waiters and stops so far.
    ids: u64,
}

/// The result of waiting for a connection.
pub(super) type Answer<S> = Arc<Oneshot<Result<Connection<S>, ConnectWaitError>>>;

impl<S> Shared<S> {
    pub(super) fn new(host: Arc<dyn Host>, settings: Settings) -> Self {
        let state = State {
            fsm: Fsm::new(settings),
            waiters: BTreeMap::new(),
            stops: BTreeMap::new(),
            closes: Vec::new(),
            ids: 0,
        };
        let states = Broadcast::with_latest(ClientStates::CAPACITY, ClientState::Stopped);
        Self { drive: drive::Shared::new(host, state), states }
    }

    /// Starts the service, unless it is closed.
    pub(super) fn start(&self) {
        self.drive.command(|core, now| {
            if core.life == Life::Open {
                core.state.fsm.start(now);
            }
        });
    }

    /// Stops the service. The ticket resolves when nothing is open.
    pub(super) fn stop(&self) -> Ticket<NotDriven> {
        let (promise, ticket) = self.drive.ticket();
        let is_over = self.drive.command(|core, now| {
            let id = StopId(core.state.next_id());
            core.state.fsm.stop(id, now);
            if core.life != Life::Over {
                core.state.stops.insert(id, promise.clone());
            }
            core.life == Life::Over
        });
        if is_over {
            promise.fill(Ok(()));
        }
        ticket
    }

    /// Closes the service. The ticket resolves when the driver has ended.
    pub(super) fn close_now(&self) -> Ticket<NotDriven> {
        let (promise, ticket) = self.drive.ticket();
        self.close();
        let is_over = self.drive.command(|core, _| {
            if core.life != Life::Over {
                core.state.closes.push(promise.clone());
            }
            core.life == Life::Over
        });
        if is_over {
            promise.fill(Ok(()));
        }
        ticket
    }

    /// Adds a waiter. Also returns the watch that notices a driver that is not polled.
    pub(super) fn add_waiter(&self, failures: Option<u32>) -> (WaiterId, Answer<S>, Watch) {
        let watch = self.drive.watch();
        let answer = Arc::new(Oneshot::new());
        let (id, is_open) = self.drive.command(|core, now| {
            let id = WaiterId(core.state.next_id());
            if core.life == Life::Open {
                core.state.waiters.insert(id, answer.clone());
                core.state.fsm.when_connected(id, failures, now);
            }
            (id, core.life == Life::Open)
        });
        if !is_open {
            answer.fill(Err(ConnectWaitError::Closed));
        }
        (id, answer, watch)
    }

    /// Removes a waiter.
    pub(super) fn remove_waiter(&self, id: WaiterId) {
        let answer = self.drive.command(|core, now| {
            core.state.fsm.forget(id, now);
            core.state.waiters.remove(&id)
        });
        drop(answer);
    }

    /// Called when the driver has ended or is dropped: resolves everything that waits.
    pub(super) fn driver_ended(&self) {
        let (waiters, stops, closes) = self.drive.command(|core, now| {
            core.life = Life::Over;
            let id = StopId(core.state.next_id());
            core.state.fsm.stop(id, now);
            let state = &mut core.state;
            (mem::take(&mut state.waiters), mem::take(&mut state.stops), mem::take(&mut state.closes))
        });
        for answer in waiters.into_values() {
            answer.fill(Err(ConnectWaitError::Closed));
        }
        for promise in stops.into_values().chain(closes) {
            promise.fill(Ok(()));
        }
        self.states.close();
    }
}

impl<S> Close for Shared<S> {
    fn close(&self) {
        self.drive.command(|core, now| {
            if core.life == Life::Open {
                core.life = Life::Closing;
                let id = StopId(core.state.next_id());
                core.state.fsm.stop(id, now);
            }
        });
    }
}

impl<S> State<S> {
    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("fsm", &self.drive.lock().state.fsm).finish_non_exhaustive()
    }
}
