//! The handle of a background executor.

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::worker::{Door, Worker};
use super::{BackgroundBuilder, BackgroundError, CallError, WorkFuture};

/// A thread with an executor, for synchronous programs and tests.
///
/// ```
/// use std::time::Duration;
///
/// use childminder::Background;
///
/// let background = Background::start()?;
/// let sum = background.call(Duration::from_secs(5), async { 3 + 4 })?;
/// assert_eq!(sum, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It can be started, called, reset and stopped on any thread (RX-4), and shared by many: calls do not wait for each
/// other. While it runs, INT and TERM stop the services of this process before they end it
/// ([`signals`](BackgroundBuilder::signals)).
///
/// Dropping it stops it, as [`stop`](Self::stop) does. A thread that cannot be stopped is left to itself, with a warning
/// in the log.
pub struct Background {
    pub(super) settings: BackgroundBuilder,
    /// Held as long as a start or a stop takes. `None`: stopped.
    pub(super) worker: Mutex<Option<Worker>>,
    /// Held for a moment only, so that no call waits for a stop that is under way.
    pub(super) door: Mutex<Door>,
}

/// Starting and stopping.
impl Background {
    /// Starts a thread, named `childminder-background`, and returns when it runs (RX-1).
    ///
    /// # Errors
    ///
    /// The system's: it has no thread or no descriptor to give.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Starts a thread that runs `drive`, which brings an executor of your choice (RX-13). It is given all [`WorkFuture`] that
    /// there will be as one future, and is to return when that is done.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use childminder::Background;
    ///
    /// let background = Background::with(|work| {
    ///     let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    ///     runtime.block_on(work);
    /// })?;
    /// let answer = background.call(Duration::from_secs(5), async {
    ///     tokio::spawn(async { 6 * 7 }).await
    /// })??;
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start); and with a [`BackgroundError`] inside, if `drive` does not drive its work.
    pub fn with(drive: impl Fn(WorkFuture) + Send + Sync + 'static) -> io::Result<Self> {
        Self::builder().drive(drive).start()
    }

    /// Other settings: time limit, signals, executor.
    pub fn builder() -> BackgroundBuilder {
        BackgroundBuilder::default()
    }

    /// Makes sure that the thread runs (RX-8). One that runs is left alone. If it has died, which is logged as a warning,
    /// or was stopped, another one is started (RX-11). Called by a future on the very thread, it has nothing to do.
    ///
    /// # Errors
    ///
    /// [`BackgroundError`] if the thread is alive and does not react, or no other one can be started.
    pub fn reset(&self) -> Result<(), BackgroundError> {
        if self.door().is_mine() {
            return Ok(());
        }
        let mut slot = self.worker();
        if slot.is_some() {
            match self.door().ping(self.settings.timeout) {
                Ok(()) => return Ok(()),
                // The door is closed, so the thread is dead or about to be.
                Err(CallError::Stopped) => self.end(&mut slot)?,
                Err(_) => return Err(BackgroundError::Hung { after: self.settings.timeout }),
            }
            log::warn!(target: "childminder::background", "the background thread has died; starting another");
        }
        let (worker, door) = Worker::launch(&self.settings)?;
        *slot = Some(worker);
        *self.lock_door() = door;
        Ok(())
    }

    /// Ends the thread, and returns when it is gone (RX-10). Futures that are still there are dropped on it: their calls
    /// fail with [`CallError::Stopped`], as do all calls from now on. If there is no thread any more, nothing happens.
    /// [`reset`](Self::reset) starts another one.
    ///
    /// # Errors
    ///
    /// [`BackgroundError`] if the thread is not gone within the [time limit](BackgroundBuilder::timeout), or if it is
    /// this one. Calls fail nevertheless in the first case; in the second nothing has changed.
    pub fn stop(&self) -> Result<(), BackgroundError> {
        if self.door().is_mine() {
            return Err(BackgroundError::FromItself);
        }
        let mut slot = self.worker();
        self.door().close();
        self.end(&mut slot)
    }
}

/// Calling.
impl Background {
    /// Runs `future` on the thread, and returns its value (RX-5); if that is a `Result`, it comes back as it is. Any
    /// number of threads may call at the same time: the futures take turns.
    ///
    /// A future that has no value within `timeout` is dropped on its thread before this returns, so that it has no
    /// effects later (RX-6). If the thread is blocked, by this future or another, it cannot be dropped:
    /// then this returns when the [time limit](BackgroundBuilder::timeout) of the thread has passed, too, and the future
    /// is dropped as soon as possible, without being polled again.
    ///
    /// # Errors
    ///
    /// [`CallError`]. If the thread is stopped or dead, or is this one, at once (RX-7).
    pub fn call<T: Send + 'static>(
        &self,
        timeout: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, CallError> {
        self.call_with(timeout, || future)
    }

    /// The same for a future that cannot be sent to another thread: it is `make` that is sent, and makes it there.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// use childminder::Background;
    ///
    /// let background = Background::start()?;
    /// let count = background.call_with(Duration::from_secs(5), || {
    ///     let local = Rc::new(1);
    ///     async move { Rc::strong_count(&local) }
    /// })?;
    /// assert_eq!(count, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`call`](Self::call).
    pub fn call_with<T, F>(
        &self,
        timeout: Duration,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        self.door().call(make, timeout, self.settings.timeout)
    }
}

impl Background {
    /// Waits until the thread, whose door is closed, is gone.
    fn end(&self, slot: &mut Option<Worker>) -> Result<(), BackgroundError> {
        let after = self.settings.timeout;
        *slot = slot.take().and_then(|worker| worker.outlives(after));
        match slot {
            None => Ok(()),
            Some(_) if self.door().is_attended() => Err(BackgroundError::Hung { after }),
            Some(_) => Err(BackgroundError::Lingers { after }),
        }
    }

    fn worker(&self) -> MutexGuard<'_, Option<Worker>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn door(&self) -> Door {
        self.lock_door().clone()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        match self.stop() {
            Ok(()) => {}
            // It cannot wait for itself, and ends by itself when the future that dropped this lets it.
            Err(BackgroundError::FromItself) => self.door().close(),
            Err(error) => log::warn!(target: "childminder::background", "left behind: {error}"),
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("settings", &self.settings).finish_non_exhaustive()
    }
}
