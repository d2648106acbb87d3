//! Waiting for a connection to a server.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::future::{block_on, or};

use super::ledger::Line;
use super::link::Link;
use super::shared::Shared;
use super::stream::TidyStream;

/// A client on its way to a [`TidyServer`](super::TidyServer). It resolves when it is connected; the server may not have
/// accepted it yet (TD-7). Synchronous code calls [`wait`](Self::wait).
#[must_use = "nobody connects before this is awaited"]
pub struct ConnectFuture(Pin<Box<dyn Future<Output = io::Result<TidyStream>> + Send>>);

impl ConnectFuture {
    pub(super) fn new(shared: Arc<Shared>, line: Line) -> Self {
        Self(Box::pin(async move {
            // A server that ends meanwhile accepts nobody: there is nothing to wait for.
            let closed = async {
                shared.asked.rung().await;
                Err(shared.closed().into())
            };
            or(closed, Link::connect(&shared, line)).await.map(TidyStream::new)
        }))
    }

    /// Waits on this thread.
    ///
    /// # Errors
    ///
    /// The system's; with a [`TidyError`](super::TidyError) inside if the server is closed.
    pub fn wait(self) -> io::Result<TidyStream> {
        block_on(self)
    }
}

impl Future for ConnectFuture {
    type Output = io::Result<TidyStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ConnectFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}
