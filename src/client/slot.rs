//! Slots: a value that comes once, and whoever waits for it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::link::Connection;
use super::message::WaiterId;
use super::setback::ConnectWaitError;
use super::shared::Shared;
use crate::sync::Oneshot;

/// What [`ClientService::when_connected`](super::ClientService::when_connected) returns: resolves with the connection.
///
/// Dropping it takes the question back; nobody else notices (CS-22).
#[must_use = "nobody is told what nobody waits for"]
pub struct WhenConnected<S> {
    slot: Arc<Oneshot<Result<Connection<S>, ConnectWaitError>>>,
    /// `None` once it has come.
    asked: Option<(WaiterId, Arc<Shared<S>>)>,
}

impl<S> WhenConnected<S> {
    pub(super) fn new(
        slot: Arc<Oneshot<Result<Connection<S>, ConnectWaitError>>>,
        id: WaiterId,
        shared: Arc<Shared<S>>,
    ) -> Self {
        Self { slot, asked: Some((id, shared)) }
    }

    /// Waits on this thread. Not for use on the thread that runs the driver: nobody would drive it.
    ///
    /// # Errors
    ///
    /// [`ConnectWaitError`] with the reason.
    pub fn wait(self) -> Result<Connection<S>, ConnectWaitError> {
        futures_lite::future::block_on(self)
    }
}

impl<S> Future for WhenConnected<S> {
    type Output = Result<Connection<S>, ConnectWaitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = self.slot.poll(cx);
        if poll.is_ready() {
            self.asked = None;
        }
        poll
    }
}

impl<S> Drop for WhenConnected<S> {
    fn drop(&mut self) {
        if let Some((id, shared)) = self.asked.take() {
            shared.forget(id);
        }
    }
}

impl<S> fmt::Debug for WhenConnected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.asked.as_ref().map(|(id, _)| id);
        f.debug_tuple("WhenConnected").field(&id).finish()
    }
}
