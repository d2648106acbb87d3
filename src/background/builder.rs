//! The settings of a background thread.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::handle::Background;
use super::work::WorkFuture;
use super::worker::{Settings, Worker};

/// Settings of a [`Background`]; see [`Background::builder`].
///
/// ```
/// use std::time::Duration;
///
/// use childminder::Background;
///
/// let background = Background::builder().timeout(Duration::from_secs(1)).signals(false).start()?;
/// assert_eq!(background.call(Duration::from_secs(5), async { 1 + 1 })?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct BackgroundBuilder(Settings);

/// Starting.
impl Background {
    /// Starts a thread, named `childminder-background`, and returns when it runs.
    ///
    /// # Errors
    ///
    /// Returns the error of the system if it has no thread or no descriptor.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Starts a thread that calls `drive`, which runs an executor of your choice.
    ///
    /// `drive` is given all the work of the thread as one [`WorkFuture`]. It must drive the future to its end
    /// and then return.
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
    /// Returns the error of the system if it has no thread or no descriptor, and an error that contains a
    /// [`BackgroundError`](super::BackgroundError) if `drive` does not drive the future.
    pub fn with(drive: impl Fn(WorkFuture) + Send + Sync + 'static) -> io::Result<Self> {
        Self::builder().drive(drive).start()
    }

    /// Returns a builder, to set the timeout, the handling of signals, or the executor.
    pub fn builder() -> BackgroundBuilder {
        BackgroundBuilder(Settings {
            timeout: Duration::from_secs(5),
            signals: true,
            drive: Arc::new(async_io::block_on),
        })
    }
}

impl BackgroundBuilder {
    /// Sets how long the thread may take to react: to start, to drop a future that has timed out, and to end.
    /// A thread that takes longer is reported as hung. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Sets whether INT and TERM are handled while the thread runs. Default: yes.
    ///
    /// On a signal, the services of this process are stopped first. Then the signal has its usual effect, so
    /// that the parent process sees that a signal ended this one. A second signal does not wait for the
    /// services. The previous signal handlers are restored when the last `Background` stops.
    ///
    /// Signals are received on a separate thread, `childminder-signals`, which a blocking call cannot delay.
    pub fn signals(mut self, signals: bool) -> Self {
        self.0.signals = signals;
        self
    }

    /// Sets the executor, as described at [`Background::with`]. Default: that of `async-executor`, with the
    /// event loop of `async-io`.
    pub fn drive(mut self, drive: impl Fn(WorkFuture) + Send + Sync + 'static) -> Self {
        self.0.drive = Arc::new(drive);
        self
    }

    /// Starts the thread, and returns when it runs.
    ///
    /// # Errors
    ///
    /// Returns the error of the system if it has no thread or no descriptor, and an error that contains a
    /// [`BackgroundError`](super::BackgroundError) if the executor does not drive its work.
    pub fn start(self) -> io::Result<Background> {
        let (worker, calls) = Worker::launch(&self.0)?;
        Ok(Background::new(self.0, worker, calls))
    }
}

impl fmt::Debug for BackgroundBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundBuilder")
            .field("timeout", &self.0.timeout)
            .field("signals", &self.0.signals)
            .finish_non_exhaustive()
    }
}
