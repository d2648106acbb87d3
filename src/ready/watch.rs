//! The readiness of a process that a plan starts, for each of its starts.
//!
//! 1. [`equip`](Watch::equip) adds notification channels to the spec.
//! 2. [`arm`](Watch::arm) announces the next start.
//! 3. A monitor starts the process through the [`host`](Watch::host) of the watch, which observes the start,
//!    the output and the end of the process.
//! 4. The future that `arm` returned ends, on any executor.
//!
//! These steps are repeated for each start. Each has its own session, gate and notification channels, so that
//! nothing of one start reaches the next.

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::condition::Condition;
use super::gate::{FlatCondition, Gate};
use super::notify::{NotifyHandle, open_channels};
use super::session::Session;
use super::until::UntilReady;
use crate::host::tap::{Start, StartQueue, TapHost};
use crate::host::{Host, Spec};
use crate::search::MessageExtractor;
use crate::sync::Lock;

/// Waits for the readiness of each start of one service.
pub(crate) struct Watch {
    host: Arc<dyn Host>,
    condition: FlatCondition,
    timeout: Duration,
    message: MessageExtractor,
    starts: StartQueue,
    /// The channels that the spec was equipped with, until the watch is armed.
    notifications: Lock<Vec<NotifyHandle>>,
}

impl Watch {
    /// Creates a watch for the processes started with its [`host`](Self::host). `timeout` counts from each
    /// start; `Duration::MAX` means none. The caller has [checked](Condition::check) the condition.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        condition: Condition,
        timeout: Duration,
        message: MessageExtractor,
    ) -> Self {
        Self {
            host,
            condition: FlatCondition::new(&condition),
            timeout,
            message,
            starts: StartQueue::default(),
            notifications: Lock::new(Vec::new()),
        }
    }

    /// Returns the host with which the process must be started.
    pub(crate) fn host(&self) -> TapHost {
        TapHost::new(self.host.clone(), self.starts.clone())
    }

    /// Adds to `spec` a new pipe or socket for each notification that is waited for. Called before
    /// [`arm`](Self::arm), for each start.
    ///
    /// # Errors
    ///
    /// The system's error when it cannot create a pipe, a socket or its directory.
    pub(crate) fn equip(&self, spec: Spec) -> io::Result<Spec> {
        let (spec, notifications) = open_channels(&self.condition, None, spec)?;
        *self.notifications.lock() = notifications;
        Ok(spec)
    }

    /// Announces the next start, and returns a future that ends when it is ready or has failed.
    pub(crate) fn arm(&self) -> UntilReady {
        let notifications = mem::take(&mut *self.notifications.lock());
        let session = Session::of(&self.condition, self.message.clone(), notifications, false);
        self.starts.clear();
        self.starts.announce(Start { observer: session.clone(), replacement: None });
        let gate = Gate::new(&self.condition, self.timeout);
        UntilReady::new(self.host.clone(), session, gate)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("condition", &self.condition)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
