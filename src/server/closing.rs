//! Waiting for the end of a server.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Timer;
use futures_lite::future::{block_on, or};

use super::leak::{LeakCause, LeakError};
use super::shared::Shared;

/// How long after the grace a thread may take to react. One that takes longer is blocked.
const REACTION: Duration = Duration::from_secs(5);

/// The end of a [`TidyServer`](super::TidyServer): resolves when nothing of it is left. Every one of a server has the same
/// answer.
///
/// It may be dropped: the server ends all the same. It resolves when the last handler has ended, at the latest when the
/// [grace](super::TidyServerBuilder::grace) is over; if a handler blocks its thread, five seconds after that. Synchronous
/// code calls [`wait`](Self::wait).
pub struct CloseFuture(Pin<Box<dyn Future<Output = Result<(), LeakError>> + Send + Sync>>);

impl CloseFuture {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Box::pin(async move {
            let done = async {
                shared.done.rung().await;
                shared.dismiss();
            };
            let late = async {
                Timer::after(shared.grace.saturating_add(REACTION)).await;
                shared.conclude(&LeakCause::Blocked);
                shared.clear();
                shared.let_go();
            };
            or(done, late).await;
            shared.verdict().expect("who is done, and who is late, has given a verdict")
        }))
    }

    /// Waits on this thread. A handler that does so waits for itself: it blocks its thread, and leaks.
    ///
    /// # Errors
    ///
    /// [`LeakError`], naming the connections that did not end as they should.
    pub fn wait(self) -> Result<(), LeakError> {
        block_on(self)
    }
}

impl Future for CloseFuture {
    type Output = Result<(), LeakError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for CloseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").finish_non_exhaustive()
    }
}
