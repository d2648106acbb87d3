//! How the service is, and hearing how it changes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_lite::Stream;

use super::setback::DisconnectReason;
use crate::sync::{Lagged, Subscription};

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
/// its driver has ended.
///
/// A subscription holds up to [`ClientStates::CAPACITY`] unread states. If there are more, the oldest are dropped, and
/// the next item is [`Lagged`] with their number.
#[derive(Debug)]
pub struct ClientStates(pub(super) Subscription<ClientState>);

impl ClientStates {
    /// The number of unread states that a subscription holds: 256.
    pub const CAPACITY: usize = 256;

    /// Blocks this thread until there is a state, and returns it; `None` when the driver has ended.
    pub fn wait(&mut self) -> Option<Result<ClientState, Lagged>> {
        self.0.wait()
    }

    /// Returns an iterator over the states, which blocks this thread until there is one.
    pub fn iter(&mut self) -> impl Iterator<Item = Result<ClientState, Lagged>> + use<'_> {
        std::iter::from_fn(|| self.wait())
    }
}

impl Stream for ClientStates {
    type Item = Result<ClientState, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}
