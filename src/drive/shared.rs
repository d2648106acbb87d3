//! The state that the handles of a service share with its driver.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::{Arc, MutexGuard};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use super::liveness::{Liveness, NotDriven, PollGuard, Watch};
use super::ticket::{Promise, Ticket};
use crate::host::Host;
use crate::sync::Lock;

/// The phases in the life of a service with handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// The service accepts commands.
    Open,
    /// The last handle was dropped or the service was closed: the driver ends when everything is stopped.
    Closing,
    /// The driver has ended or was dropped.
    Over,
}

/// The state that handles and driver share: `C`, which contains the machine, behind one lock.
///
/// The lock is held for one command or one event; never while an output is executed or foreign code runs.
pub(crate) struct Shared<C> {
    pub(crate) host: Arc<dyn Host>,
    core: Lock<Core<C>>,
    liveness: Arc<Liveness>,
}

/// The state behind the lock of [`Shared`].
#[derive(Debug)]
pub(crate) struct Core<C> {
    pub(crate) state: C,
    pub(crate) life: Life,
}

impl<C> Shared<C> {
    pub(crate) fn new(host: Arc<dyn Host>, state: C) -> Self {
        let core = Core { state, life: Life::Open };
        let liveness = Arc::new(Liveness::new(host.clone()));
        Self { host, core: Lock::new(core), liveness }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core<C>> {
        self.core.lock()
    }

    /// Applies `command` under the lock, then wakes the driver to execute what follows from it.
    pub(crate) fn command<T>(&self, command: impl FnOnce(&mut Core<C>, Instant) -> T) -> T {
        let now = self.host.now();
        let result = command(&mut self.lock(), now);
        self.liveness.wake_driver(now);
        result
    }

    /// Called by the driver at the beginning of each poll: registers its task to be woken by the next
    /// command. The guard is held until the end of the poll.
    pub(crate) fn begin_poll(&self, driver: &Waker) -> PollGuard {
        self.liveness.begin_poll(driver)
    }

    /// Creates a ticket, and the promise to resolve it.
    pub(crate) fn ticket<E: From<NotDriven>>(&self) -> (Arc<Promise<E>>, Ticket<E>) {
        Ticket::new(self.liveness.watch())
    }

    /// Creates a watch for a wait of another kind.
    pub(crate) fn watch(&self) -> Watch {
        self.liveness.watch()
    }
}

impl<C: fmt::Debug> fmt::Debug for Shared<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("core", &self.core).finish_non_exhaustive()
    }
}

/// A service that ends when its last handle is dropped.
pub(crate) trait Close {
    /// Begins the end of the service.
    fn close(&self);
}

/// Waits for the end of a driver that runs on a thread of this crate. It returns at once when it is called on
/// that thread, which cannot wait for itself: foreign code that a driver calls may own the last handle.
pub(crate) type WaitForDriver = Box<dyn FnOnce() + Send + Sync>;

/// Held by all handles of a service. The drop of the last handle closes the service and, if the driver runs
/// on a thread of this crate, waits for the end of the driver.
pub(crate) struct Guard<S: Close> {
    pub(crate) service: Arc<S>,
    wait: Option<WaitForDriver>,
}

impl<S: Close> Guard<S> {
    /// For a driver that the user runs.
    pub(crate) fn new(service: Arc<S>) -> Self {
        Self { service, wait: None }
    }

    /// For a driver that runs elsewhere, as `wait` knows.
    pub(crate) fn waiting(service: Arc<S>, wait: WaitForDriver) -> Self {
        Self { service, wait: Some(wait) }
    }

    /// Runs `driver` on a new thread with this name, as `host` does it best.
    ///
    /// # Errors
    ///
    /// The system's error if it cannot create a thread.
    pub(crate) fn background(
        service: Arc<S>,
        host: Arc<dyn Host>,
        name: &str,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Self> {
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || host.drive(pin!(driver)))?;
        let wait = move || {
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        };
        Ok(Self::waiting(service, Box::new(wait)))
    }
}

impl<S: Close> Drop for Guard<S> {
    fn drop(&mut self) {
        self.service.close();
        if let Some(wait) = self.wait.take() {
            wait();
        }
    }
}

impl<S: Close + fmt::Debug> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("service", &self.service).finish_non_exhaustive()
    }
}
