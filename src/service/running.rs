//! A service that is up.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ended::{ServiceDied, ServiceExit};
use super::log_lines::LogLines;
use super::not_ready::NotReady;
use super::start::{LAST_WORDS, Recipe};
use crate::machine::{Name, Phase, Signal, SignalTarget};
use crate::monitor::{Notices, ProcessMonitor, StopError};
use crate::ready::{ConditionStatus, Ready};
use crate::shutdown::Registration;

/// A service that is up, and goes when this goes.
///
/// Dropping it stops the process with all it has started: the stop signal, KILL at the kill time. The drop waits for
/// that, so nothing is left when a test ends, be it by a panic; it takes at most the kill time and some three seconds.
/// [`stop`](Self::stop) does the same and says how it went.
#[must_use = "the service is stopped when this is dropped"]
pub struct RunningService {
    // The order in which they go: the farewell holds the monitor, too, and whoever is last waits for its end, which
    // should be us; the recipe has the port, which is reserved until the process is gone.
    farewell: Option<Registration>,
    monitor: ProcessMonitor,
    run: Mutex<Run>,
    recipe: Recipe,
}

/// The present run.
struct Run {
    pid: u32,
    ready: Ready,
    notices: Notices,
    /// Known when somebody has asked after its end.
    ended: Option<ServiceExit>,
}

impl RunningService {
    pub(super) fn new(
        recipe: Recipe,
        monitor: ProcessMonitor,
        notices: Notices,
        ready: Ready,
        farewell: Option<Registration>,
    ) -> Self {
        let run = Mutex::new(Run::new(&monitor, &recipe, ready, notices));
        Self { farewell, monitor, run, recipe }
    }
}

/// Questions.
impl RunningService {
    /// What it is called.
    pub fn name(&self) -> &Name {
        &self.recipe.name
    }

    /// Its process id, which is also the number of its process group.
    pub fn pid(&self) -> u32 {
        self.run().pid
    }

    /// The port that it was [given](super::Service::port).
    pub fn port(&self) -> Option<u16> {
        self.recipe.port.as_ref().map(super::Port::number)
    }

    /// Its last `n` lines, oldest first, of a thousand that are kept. A line comes here a moment after it was read: the one
    /// that made the service ready may not be there yet when the start returns.
    pub fn tail(&self, n: usize) -> Vec<String> {
        self.monitor.tail(&self.recipe.name, n)
    }

    /// Subscribes to the lines that it prints from now on.
    pub fn log_lines(&self) -> LogLines {
        self.recipe.subscribers.subscribe()
    }

    /// What was waited for, and how long each of it took.
    pub fn readiness(&self) -> Vec<ConditionStatus> {
        self.run().ready.progress.clone()
    }

    /// How long after its start it was ready.
    pub fn took(&self) -> Duration {
        self.run().ready.took
    }

    /// Whether its process runs.
    pub fn is_alive(&self) -> bool {
        self.monitor.status(&self.recipe.name).is_some_and(|status| status.phase == Phase::Up)
    }

    /// Whether it is still fine, for the next test (SV-7).
    ///
    /// # Errors
    ///
    /// [`ServiceDied`], with how it ended and what it said last.
    pub fn reset(&self) -> Result<(), ServiceDied> {
        if self.is_alive() {
            return Ok(());
        }
        // Its last lines may be on their way.
        futures_lite::future::block_on(self.run().hear_the_end(&self.recipe));
        let last = self.monitor.status(&self.recipe.name).and_then(|status| status.last);
        Err(ServiceDied { name: self.recipe.name.clone(), last, tail: self.tail(LAST_WORDS) })
    }
}

/// Outages and signals.
impl RunningService {
    /// Sends a signal to its process group; it is sent when this returns. Returns whether the process was there to hear it.
    pub fn signal(&self, signal: Signal) -> bool {
        self.is_alive() && self.run().ready.signal(SignalTarget::Group, signal)
    }

    /// Halts it while `body` runs: its sockets are there, and nobody answers. It goes on afterwards, also if `body`
    /// panics.
    pub fn paused<T>(&self, body: impl FnOnce() -> T) -> T {
        /// Lets it go on, whatever happens.
        struct Pause<'a>(&'a RunningService);

        impl Drop for Pause<'_> {
            fn drop(&mut self) {
                self.0.signal(Signal::CONT);
            }
        }

        self.signal(Signal::STOP);
        let _pause = Pause(self);
        body()
    }

    /// Takes it down while `body` runs, and starts it again afterwards: an outage. Returns when it is ready again. If
    /// `body` panics it stays down.
    ///
    /// # Errors
    ///
    /// [`NotReady`] when it does not go, or does not come up again.
    pub fn stopped<T>(&self, body: impl FnOnce() -> T) -> Result<T, NotReady> {
        futures_lite::future::block_on(self.stopped_async(async { body() }))
    }

    /// The same for asynchronous code.
    ///
    /// # Errors
    ///
    /// As for [`stopped`](Self::stopped).
    pub async fn stopped_async<T>(&self, body: impl Future<Output = T>) -> Result<T, NotReady> {
        self.take_down().await?;
        let result = body.await;
        self.bring_up().await?;
        Ok(result)
    }

    async fn take_down(&self) -> Result<(), NotReady> {
        match self.monitor.remove_process(&self.recipe.name) {
            // There is no next run before they are gone.
            Ok(ticket) => ticket.await.map_err(|survivors| self.recipe.outlived(survivors)),
            // It is down already: the last start failed.
            Err(_) => Ok(()),
        }
    }

    async fn bring_up(&self) -> Result<(), NotReady> {
        let mut notices = self.monitor.notices();
        let ready = self.recipe.run(&self.monitor, &mut notices).await?;
        *self.run() = Run::new(&self.monitor, &self.recipe, ready, notices);
        Ok(())
    }
}

/// The end.
impl RunningService {
    /// Stops it with all it has started, and waits for that: the stop signal, KILL at the kill time. Returns how its
    /// process ended; one that had died before is no error here.
    ///
    /// # Errors
    ///
    /// [`StopError`] naming who is left, when even KILL did not help.
    pub fn stop(self) -> Result<Option<ServiceExit>, StopError> {
        futures_lite::future::block_on(self.stop_async())
    }

    /// The same for asynchronous code.
    ///
    /// # Errors
    ///
    /// As for [`stop`](Self::stop).
    pub async fn stop_async(self) -> Result<Option<ServiceExit>, StopError> {
        if let Ok(ticket) = self.monitor.stop_process(&self.recipe.name) {
            ticket.await?;
        }
        let Self { farewell: _farewell, monitor: _monitor, run, recipe } = self;
        let mut run = run.into_inner().unwrap_or_else(PoisonError::into_inner);
        run.hear_the_end(&recipe).await;
        Ok(run.ended)
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn new(monitor: &ProcessMonitor, recipe: &Recipe, ready: Ready, notices: Notices) -> Self {
        let pid = monitor.status(&recipe.name).and_then(|status| status.pid).unwrap_or_default();
        Self { pid, ready, notices, ended: None }
    }

    async fn hear_the_end(&mut self, recipe: &Recipe) {
        if self.ended.is_none() {
            self.ended = recipe.hear_the_end(&mut self.notices).await;
        }
    }
}

impl fmt::Debug for RunningService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningService")
            .field("name", &self.recipe.name)
            .field("pid", &self.pid())
            .field("alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}
