//! The thread, and the door through which calls reach it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use async_channel::Sender;

use super::builder::BackgroundBuilder;
use super::call::Call;
use super::error::{BackgroundError, CallError};
use super::watch::Watch;
use super::work::{Job, WorkFuture};

/// A thread that works, or did.
pub(super) struct Worker {
    thread: JoinHandle<()>,
    /// Disconnected when the thread is at its end.
    alive: mpsc::Receiver<Infallible>,
    /// The last one to go: while the thread is being stopped, a signal is still ours.
    _watch: Option<Watch>,
}

impl Worker {
    /// Starts a thread, and returns when it does its work.
    pub(super) fn launch(settings: &BackgroundBuilder) -> Result<(Self, Door), BackgroundError> {
        let watch = settings.signals.then(Watch::start).transpose().map_err(BackgroundError::Start)?;
        let (jobs, queue) = async_channel::unbounded();
        let (at_work, alive) = mpsc::channel();
        let drive = Arc::clone(&settings.drive);
        let body = move || {
            let _at_work = at_work;
            drive(WorkFuture::new(queue));
        };
        let thread = thread::Builder::new().name("childminder-background".to_owned()).spawn(body);
        let thread = thread.map_err(BackgroundError::Start)?;
        let door = Door { jobs, thread: thread.thread().id() };
        match door.ping(settings.timeout) {
            Ok(()) => Ok((Self { thread, alive, _watch: watch }, door)),
            Err(CallError::Stopped) => Err(BackgroundError::Ended),
            Err(_) => {
                // Should it ever come to its work, there is none.
                door.close();
                Err(BackgroundError::Hung { after: settings.timeout })
            }
        }
    }

    /// Waits for the end of the thread, at most this long; gives back one that does not end.
    pub(super) fn outlives(self, patience: Duration) -> Option<Self> {
        match self.alive.recv_timeout(patience) {
            Ok(never) => match never {},
            Err(RecvTimeoutError::Timeout) => Some(self),
            Err(RecvTimeoutError::Disconnected) => {
                // If it panicked, the panic has been told; what matters here is that it is gone.
                let _ = self.thread.join();
                None
            }
        }
    }
}

/// Where calls are handed in.
#[derive(Clone)]
pub(super) struct Door {
    jobs: Sender<Job>,
    thread: ThreadId,
}

impl Door {
    /// Calls, and waits: for the value, and for `grace` until a future that took too long has been dropped.
    pub(super) fn call<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        make: impl FnOnce() -> F + Send + 'static,
        timeout: Duration,
        grace: Duration,
    ) -> Result<T, CallError> {
        if self.is_mine() {
            return Err(CallError::FromItself);
        }
        let (call, job) = Call::new(make);
        self.jobs.try_send(job).map_err(|_| CallError::Stopped)?;
        call.wait(timeout, grace)
    }

    /// Whether the thread takes calls.
    pub(super) fn ping(&self, timeout: Duration) -> Result<(), CallError> {
        self.call(|| async {}, timeout, Duration::ZERO)
    }

    /// From now on calls fail, and the thread has no more to do.
    pub(super) fn close(&self) {
        self.jobs.close();
    }

    /// Whether this is the thread behind the door.
    pub(super) fn is_mine(&self) -> bool {
        thread::current().id() == self.thread
    }

    /// Whether the thread has its work still in hand.
    pub(super) fn is_attended(&self) -> bool {
        self.jobs.receiver_count() > 0
    }
}
