//! How the service is, and hearing how it changes.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use async_channel::{Receiver, Sender};
use futures_lite::Stream;

use super::setback::DisconnectReason;

/// How a [`ClientService`](super::ClientService) is. Times are those of its host's clock.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientState {
    /// Nothing is open, and nothing will be before a start.
    Stopped,
    /// An attempt is under way; preparing is part of it.
    Connecting,
    /// There is a connection.
    Connected {
        /// Since when.
        since: Instant,
    },
    /// The attempt has failed or the connection was lost.
    Waiting {
        /// Since when.
        since: Instant,
        /// When the next attempt begins.
        until: Instant,
        /// What was wrong.
        reason: DisconnectReason,
    },
    /// It was stopped, and the connection has not come to its end yet.
    Closing,
    /// It has failed in a way that no other attempt would mend. As stopped otherwise.
    GivenUp {
        /// What was wrong.
        reason: DisconnectReason,
    },
}

/// The states of a [`ClientService`](super::ClientService), beginning with the one it is in when this is asked for, until
/// its driver is over.
///
/// A subscription holds up to [`ClientStates::CAPACITY`] states. Whoever is slower misses the oldest; the last one is
/// always there.
#[derive(Clone, Debug)]
pub struct ClientStates(Pin<Box<Receiver<ClientState>>>);

impl ClientStates {
    /// How many states wait for a slow subscriber: 256.
    pub const CAPACITY: usize = 256;

    /// Waits for the next one on this thread. `None`: the driver is over.
    pub fn wait(&mut self) -> Option<ClientState> {
        self.0.recv_blocking().ok()
    }
}

impl Stream for ClientStates {
    type Item = ClientState;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientState>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// All subscribers of a service.
#[derive(Debug)]
pub(super) struct Audience(Mutex<Seats>);

#[derive(Debug)]
struct Seats {
    /// What was told last, which whoever comes late is told first.
    told: ClientState,
    /// `None`: nothing more will be told.
    listeners: Option<Vec<Sender<ClientState>>>,
}

impl Audience {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Seats { told: ClientState::Stopped, listeners: Some(Vec::new()) }))
    }

    pub(super) fn subscribe(&self) -> ClientStates {
        let (sender, receiver) = async_channel::bounded(ClientStates::CAPACITY);
        let mut seats = self.lock();
        let Seats { told, listeners } = &mut *seats;
        if let Some(listeners) = listeners {
            let _ = sender.force_send(told.clone());
            listeners.push(sender);
        }
        ClientStates(Box::pin(receiver))
    }

    pub(super) fn tell(&self, state: ClientState) {
        let mut seats = self.lock();
        if let Some(listeners) = &mut seats.listeners {
            listeners.retain(|listener| listener.force_send(state.clone()).is_ok());
        }
        seats.told = state;
    }

    /// Nothing more will be told.
    pub(super) fn close(&self) {
        self.lock().listeners = None;
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
