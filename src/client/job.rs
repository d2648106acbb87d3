//! Jobs: futures that are not ours. They are made, polled and dropped behind the fence.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::message::LinkId;
use super::setback::{ConnectError, Panicked};
use crate::panic_guard::GuardedFuture;

type Task<T> = dyn Future<Output = Result<T, ConnectError>> + Send;

/// A future that is not ours.
pub(super) type Work<T> = Pin<Box<Task<T>>>;

/// One job at most, for one connection.
pub(super) struct Job<T>(Option<(LinkId, GuardedFuture<Task<T>>)>);

impl<T> Job<T> {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Begins another; the one before is dropped.
    pub(super) fn begin(&mut self, id: LinkId, work: Work<T>) {
        self.end();
        self.0 = Some((id, work.into()));
    }

    /// What has come of it, if it is done. A panic is a failure like any other.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<(LinkId, Result<T, ConnectError>)> {
        let (id, work) = self.0.as_mut()?;
        let id = *id;
        let result = match Pin::new(work).poll(cx) {
            Poll::Pending => return None,
            Poll::Ready(Ok(result)) => result,
            Poll::Ready(Err(panic)) => Err(ConnectError::new(Panicked(panic))),
        };
        self.end();
        Some((id, result))
    }

    /// Drops it, whether or not it is done.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.0.as_ref().map(|(id, _)| id)).finish()
    }
}
