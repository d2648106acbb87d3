//! A `Background` with other than the default settings.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Background;
use super::work::WorkFuture;
use super::worker::Worker;

/// Drives the work of one thread to its end, on that thread.
pub(super) type Drive = Arc<dyn Fn(WorkFuture) + Send + Sync>;

/// Settings of a [`Background`]; see [`Background::builder`].
#[derive(Clone)]
#[must_use]
pub struct BackgroundBuilder {
    pub(super) timeout: Duration,
    pub(super) signals: bool,
    pub(super) drive: Drive,
}

impl Default for BackgroundBuilder {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), signals: true, drive: Arc::new(async_io::block_on) }
    }
}

impl BackgroundBuilder {
    /// Sets how long the thread may take to react: to begin, to drop a future whose time is over, to end. A thread that
    /// takes longer counts as hung. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether INT and TERM are taken care of, as long as the thread is not stopped (RX-3): first the services of this
    /// process are stopped, then the signal does what it would have done before, which is to end the process in a way that
    /// its parent can tell. A second signal does not wait for the services. When the last `Background` stops, the
    /// handlers are what they were before (RX-12). Default: yes.
    ///
    /// The signal is heard on a thread of its own, `childminder-signals`; what is called cannot block it.
    pub fn signals(mut self, signals: bool) -> Self {
        self.signals = signals;
        self
    }

    /// Sets the executor, as [`Background::with`]. Default: the one of `async-executor`, on the event loop of `async-io`.
    pub fn drive(mut self, drive: impl Fn(WorkFuture) + Send + Sync + 'static) -> Self {
        self.drive = Arc::new(drive);
        self
    }

    /// Starts the thread, and returns when it runs.
    ///
    /// # Errors
    ///
    /// The system's; or with a [`BackgroundError`](super::BackgroundError) inside, if the executor that was set does not
    /// drive its work.
    pub fn start(self) -> io::Result<Background> {
        let (worker, door) = Worker::launch(&self)?;
        Ok(Background { settings: self, worker: Mutex::new(Some(worker)), door: Mutex::new(door) })
    }
}

impl fmt::Debug for BackgroundBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundBuilder")
            .field("timeout", &self.timeout)
            .field("signals", &self.signals)
            .finish_non_exhaustive()
    }
}
