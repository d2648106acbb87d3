//! The states of a service, and subscribing to them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_lite::Stream;

use super::error::DisconnectReason;
use crate::sync::{Lagged, Subscription};

/// The state of a [`ClientService`](crate::ClientService). Times are on the clock of its host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientState {
    /// The service is not started, or was stopped: there is no connection.
    Stopped,
    /// An attempt is in progress. Preparing the connection is part of it.
    Connecting,
    /// The service is connected.
    Connected {
        /// The time at which the connection was ready.
        since: Instant,
    },
    /// The last attempt failed or the connection was lost, and the next attempt is scheduled.
    Waiting {
        /// The time of the failure.
        since: Instant,
        /// The time of the next attempt.
        until: Instant,
        /// The reason for the failure.
        reason: DisconnectReason,
    },
    /// The service was stopped, and the connection is being closed.
    Closing,
    /// The service does not try again, because another attempt would not help. Otherwise it is as if it was
    /// stopped.
    GivenUp {
        /// The reason for the last failure.
        reason: DisconnectReason,
    },
}

/// A subscription to the states of a [`ClientService`](crate::ClientService), from
/// [`ClientService::states`](crate::ClientService::states).
///
/// The first state is the current one. The subscription ends with the driver of the service. It holds up to
/// [`ClientStates::CAPACITY`] unread states; if there are more, the oldest are dropped, and the next item is
/// a [`Lagged`] with their number.
///
/// It is a stream for asynchronous code, and has [`wait`](Self::wait) and [`iter`](Self::iter) for
/// synchronous code.
///
/// ```
/// use childminder::client::{ClientState, TcpConnector};
/// use childminder::{ClientService, System};
///
/// let service = ClientService::background(System::new(), TcpConnector::new("localhost", 6379))?;
/// let mut states = service.states();
/// assert!(matches!(states.wait(), Some(Ok(ClientState::Stopped))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientStates(pub(super) Subscription<ClientState>);

impl ClientStates {
    /// The number of unread states that a subscription holds: 256.
    pub const CAPACITY: usize = 256;

    /// Blocks this thread until there is a state, and returns it. Returns `None` when the driver has ended.
    pub fn wait(&mut self) -> Option<Result<ClientState, Lagged>> {
        self.0.wait()
    }

    /// Returns an iterator over the states, which blocks this thread until the next one.
    pub fn iter(&mut self) -> impl Iterator<Item = Result<ClientState, Lagged>> + use<'_> {
        std::iter::from_fn(|| self.wait())
    }
}

impl Stream for ClientStates {
    type Item = Result<ClientState, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}
