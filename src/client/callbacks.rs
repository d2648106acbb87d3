//! The user's code that a service calls: the connector, the steps on a connection and the retry policy.
//! Panics are caught, so none of it can end the driver.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::connection::Connection;
use super::error::{ConnectError, Panicked};
use super::message::AttemptId;
use crate::backoff::BackoffPolicy;
use crate::host::Host;
use crate::panic_guard::{GuardedFuture, catch, log_guarded};

type UserFuture<T> = dyn Future<Output = Result<T, ConnectError>> + Send;

/// A future of the user's code.
pub(super) type BoxedUserFuture<T> = Pin<Box<UserFuture<T>>>;

/// A callback for each new connection, or for each ping.
pub(super) type ConnectionCallback<S> = Box<dyn Fn(Connection<S>) -> BoxedUserFuture<()> + Send>;

/// The code of one service's user.
pub(super) struct Callbacks<S> {
    /// The name of the server in the log.
    pub(super) target: String,
    pub(super) connect: Box<dyn Fn(Arc<dyn Host>) -> BoxedUserFuture<S> + Send>,
    pub(super) prepare: Option<ConnectionCallback<S>>,
    pub(super) ping: Option<ConnectionCallback<S>>,
    pub(super) retry: RetryPolicy,
}

/// The source of the delays between attempts.
pub(super) enum RetryPolicy {
    Backoff(BackoffPolicy),
    Function(Box<dyn Fn(u32) -> Duration + Send>),
}

impl RetryPolicy {
    /// Returns the delay after `failures` consecutive failures.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        match self {
            Self::Backoff(policy) => policy.delay(failures),
            Self::Function(function) => catch(|| function(failures)).unwrap_or_else(|panic| {
                // A service that gave up here would stay disconnected because of a mistake in one
                // calculation.
                let delay = BackoffPolicy::default().max_delay;
                log_guarded(|| {
                    log::error!(
                        target: "childminder::client",
                        "the retry policy panicked, so the next attempt is in {delay:?}: {panic}"
                    );
                });
                delay
            }),
        }
    }
}

impl<S> fmt::Debug for Callbacks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").field("target", &self.target).finish_non_exhaustive()
    }
}

/// At most one future of the user's code, which belongs to one attempt.
pub(super) struct UserTask<T>(Option<(AttemptId, GuardedFuture<UserFuture<T>>)>);

impl<T> UserTask<T> {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Starts a future, dropping the previous one.
    pub(super) fn start(&mut self, id: AttemptId, future: BoxedUserFuture<T>) {
        self.cancel();
        self.0 = Some((id, future.into()));
    }

    /// Polls the future, and returns its result when it is done. A panic is an error.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<(AttemptId, Result<T, ConnectError>)> {
        let (id, future) = self.0.as_mut()?;
        let id = *id;
        let result = match Pin::new(future).poll(cx) {
            Poll::Pending => return None,
            Poll::Ready(Ok(result)) => result,
            Poll::Ready(Err(panic)) => Err(ConnectError::new(Panicked(panic))),
        };
        self.cancel();
        Some((id, result))
    }

    /// Drops the future.
    pub(super) fn cancel(&mut self) {
        self.0 = None;
    }
}

impl<T> fmt::Debug for UserTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserTask").field(&self.0.as_ref().map(|(id, _)| id)).finish()
    }
}
