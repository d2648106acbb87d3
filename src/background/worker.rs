//! The thread, and the queue through which calls reach it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use async_channel::Sender;

use super::call::Call;
use super::error::{BackgroundError, CallError};
use super::signals::SignalWatcher;
use super::work::{Job, WorkFuture};

/// Drives the work of one thread to its end, on that thread.
pub(super) type Drive = Arc<dyn Fn(WorkFuture) + Send + Sync>;

/// The settings of a thread.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) signals: bool,
    pub(super) drive: Drive,
}

/// A thread that was started and not joined.
pub(super) struct Worker {
    thread: JoinHandle<()>,
    /// Disconnected when the thread ends. A channel, because a join has no timeout.
    alive: mpsc::Receiver<Infallible>,
    /// Dropped last: signals are handled until the thread has ended.
    _signals: Option<SignalWatcher>,
}

impl Worker {
    /// Starts a thread, and returns when it does its work.
    pub(super) fn launch(settings: &Settings) -> Result<(Self, CallSender), BackgroundError> {
        let signals =
            settings.signals.then(SignalWatcher::start).transpose().map_err(BackgroundError::Start)?;
        let (jobs, queue) = async_channel::unbounded();
        let (running, alive) = mpsc::channel();
        let drive = Arc::clone(&settings.drive);
        let body = move || {
            let _running = running;
            drive(WorkFuture::new(queue));
        };
        let thread = thread::Builder::new().name("childminder-background".to_owned()).spawn(body);
        let thread = thread.map_err(BackgroundError::Start)?;
        let calls = CallSender { jobs, thread: thread.thread().id() };
        match calls.ping(settings.timeout) {
            Ok(()) => Ok((Self { thread, alive, _signals: signals }, calls)),
            Err(CallError::Stopped) => Err(BackgroundError::Ended),
            Err(_) => {
                // If the executor drives its work later after all, there must be nothing to do.
                calls.close();
                Err(BackgroundError::Hung { after: settings.timeout })
            }
        }
    }

    /// Waits up to `timeout` for the end of the thread. Returns the worker if the thread has not ended.
    pub(super) fn join_timeout(self, timeout: Duration) -> Option<Self> {
        match self.alive.recv_timeout(timeout) {
            Ok(never) => match never {},
            Err(RecvTimeoutError::Timeout) => Some(self),
            Err(RecvTimeoutError::Disconnected) => {
                // A panic of the executor was reported by the panic hook; here only the end of the thread
                // matters.
                let _ = self.thread.join();
                None
            }
        }
    }
}

/// Sends calls to a thread.
#[derive(Clone)]
pub(super) struct CallSender {
    jobs: Sender<Job>,
    thread: ThreadId,
}

impl CallSender {
    /// Calls, and waits up to `timeout` for the value and then up to `grace` until the future is dropped.
    pub(super) fn call<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        make: impl FnOnce() -> F + Send + 'static,
        timeout: Duration,
        grace: Duration,
    ) -> Result<T, CallError> {
        if self.is_own_thread() {
            return Err(CallError::FromItself);
        }
        let (call, job) = Call::new(make);
        self.jobs.try_send(job).map_err(|_| CallError::Stopped)?;
        call.wait(timeout, grace)
    }

    /// Checks that the thread executes calls.
    pub(super) fn ping(&self, timeout: Duration) -> Result<(), CallError> {
        self.call(|| async {}, timeout, Duration::ZERO)
    }

    /// Closes the queue: later calls fail, and the work of the thread ends.
    pub(super) fn close(&self) {
        self.jobs.close();
    }

    /// Whether this is called on the thread that executes the calls.
    pub(super) fn is_own_thread(&self) -> bool {
        thread::current().id() == self.thread
    }

    /// Whether the thread still holds its work.
    pub(super) fn has_receiver(&self) -> bool {
        self.jobs.receiver_count() > 0
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("timeout", &self.timeout)
            .field("signals", &self.signals)
            .finish_non_exhaustive()
    }
}
