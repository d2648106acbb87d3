//! The handle of a background thread.

use std::fmt;
use std::time::Duration;

use super::error::{BackgroundError, CallError};
use super::worker::{CallSender, Settings, Worker};
use crate::sync::Lock;

/// A thread with an executor, for synchronous programs and tests that call asynchronous code.
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
/// It can be started, called, reset and stopped on any thread, and shared by several threads: calls do not
/// wait for each other. While it runs, INT and TERM stop the services of this process before they end it
/// ([`signals`](crate::background::BackgroundBuilder::signals)).
///
/// Dropping it stops it, as [`stop`](Self::stop) does. A thread that cannot be stopped is left running, with
/// a warning in the log.
pub struct Background {
    settings: Settings,
    /// Locked while a start or a stop is in progress. `None`: stopped.
    worker: Lock<Option<Worker>>,
    /// Locked for a moment only, so that calls do not wait for a stop that is in progress.
    calls: Lock<CallSender>,
}

/// Restarting and stopping.
impl Background {
    pub(super) fn new(settings: Settings, worker: Worker, calls: CallSender) -> Self {
        Self { settings, worker: Lock::new(Some(worker)), calls: Lock::new(calls) }
    }

    /// Makes sure that the thread runs.
    ///
    /// A running thread is left alone. If it was stopped, or has died, which is logged as a warning, another
    /// one is started. Does nothing when called by a future on the thread itself.
    ///
    /// # Errors
    ///
    /// Returns a [`BackgroundError`] if the thread is alive and does not react, or if no thread can be
    /// started.
    pub fn reset(&self) -> Result<(), BackgroundError> {
        if self.calls().is_own_thread() {
            return Ok(());
        }
        let mut slot = self.worker.lock();
        if slot.is_some() {
            match self.calls().ping(self.settings.timeout) {
                Ok(()) => return Ok(()),
                // The queue is closed, so the thread is dead or ending.
                Err(CallError::Stopped) => self.join(&mut slot)?,
                Err(_) => return Err(BackgroundError::Hung { after: self.settings.timeout }),
            }
            log::warn!(target: "childminder::background", "the background thread has died; starting another");
        }
        let (worker, calls) = Worker::launch(&self.settings)?;
        *slot = Some(worker);
        *self.calls.lock() = calls;
        Ok(())
    }

    /// Stops the thread, and returns when it has ended.
    ///
    /// Futures that are still running are dropped on the thread, and their calls fail with
    /// [`CallError::Stopped`], as do all later calls. Does nothing if the thread is stopped.
    /// [`reset`](Self::reset) starts another one.
    ///
    /// # Errors
    ///
    /// Returns a [`BackgroundError`] if the thread has not ended within the
    /// [timeout](crate::background::BackgroundBuilder::timeout); calls fail nevertheless. Also if it is
    /// called on the thread itself; nothing has changed then.
    pub fn stop(&self) -> Result<(), BackgroundError> {
        if self.calls().is_own_thread() {
            return Err(BackgroundError::FromItself);
        }
        let mut slot = self.worker.lock();
        self.calls().close();
        self.join(&mut slot)
    }
}

/// Calling.
impl Background {
    /// Runs `future` on the thread and returns its value.
    ///
    /// If the value is a `Result`, it is returned as it is. Any number of threads may call at the same time:
    /// the futures run concurrently.
    ///
    /// A future that has no value within `timeout` is dropped on its thread before this returns, so that it
    /// has no later effects. If the thread is blocked, by this future or another, it cannot be dropped. Then
    /// this returns when the [timeout](crate::background::BackgroundBuilder::timeout) of the thread has
    /// passed as well, and the future is dropped as soon as possible, without being polled again.
    ///
    /// # Errors
    ///
    /// Returns a [`CallError`] with the reason. If the thread is stopped, dead, or the calling one, it
    /// returns at once.
    pub fn call<T: Send + 'static>(
        &self,
        timeout: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, CallError> {
        self.call_with(timeout, || future)
    }

    /// Runs the future that `make` returns on the thread, and returns its value. The future need not be
    /// `Send`, because `make` is called on the thread. Otherwise it works as [`call`](Self::call) does.
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
    /// Returns a [`CallError`], as [`call`](Self::call) does.
    pub fn call_with<T, F>(
        &self,
        timeout: Duration,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        self.calls().call(make, timeout, self.settings.timeout)
    }
}

impl Background {
    /// Waits for the end of the thread, whose queue is closed.
    fn join(&self, slot: &mut Option<Worker>) -> Result<(), BackgroundError> {
        let after = self.settings.timeout;
        *slot = slot.take().and_then(|worker| worker.join_timeout(after));
        match slot {
            None => Ok(()),
            Some(_) if self.calls().has_receiver() => Err(BackgroundError::Hung { after }),
            Some(_) => Err(BackgroundError::Lingers { after }),
        }
    }

    fn calls(&self) -> CallSender {
        self.calls.lock().clone()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        match self.stop() {
            Ok(()) => {}
            // A future on the thread drops the last owner: the thread ends when that future returns.
            Err(BackgroundError::FromItself) => self.calls().close(),
            Err(error) => {
                log::warn!(target: "childminder::background", "the thread is left running: {error}")
            }
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("settings", &self.settings).finish_non_exhaustive()
    }
}
