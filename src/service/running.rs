//! A service that is ready.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};

use super::blocking;
use super::exit::{ServiceDied, ServiceExit};
use super::launcher::{ERROR_TAIL, Launcher};
use super::log_lines::LogLines;
use super::not_ready::NotReady;
use super::resources::Resources;
use crate::host::TerminalSize;
use crate::host::health::Ready;
use crate::machine::{Name, Phase, Signal, SignalTarget};
use crate::monitor::{InputError, Notices, ProcessMonitor, StopError, Ticket};
use crate::output::report_in_test;
use crate::ready::ConditionStatus;
use crate::shutdown::Registration;
use crate::sync::Lock;

/// A service that is ready, from [`Service::start`](crate::Service::start). It is stopped when this is
/// dropped.
///
/// The drop stops the process and everything that it has started: it sends the stop signal, and KILL at the
/// kill time. It waits for the end, so that nothing is left when a test returns or panics; this takes at most
/// the kill time and some three seconds. A service that has died by itself, and processes that could not be
/// stopped, are reported to the log, or without a logger to the output of the test. [`stop`](Self::stop) does
/// the same and returns how the process ended.
///
/// On a thread of an asynchronous runtime use [`stop_async`](Self::stop_async), since the drop blocks its
/// thread.
///
/// ```
/// use childminder::Service;
///
/// let sleeper = Service::new("sleep").arg("1000").start()?;
/// assert!(sleeper.is_alive());
/// let exit = sleeper.stop()?.expect("it was started");
/// assert!(exit.asked && !exit.killed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the service is stopped when this is dropped; the drop blocks, so use `stop_async` in async code"]
pub struct RunningService {
    // The drop order matters. The exit hook holds the monitor, too, and the last holder waits for the end of
    // the monitor, which should be this. The launcher holds the port, which stays reserved until the process
    // is gone.
    exit_hook: Option<Registration>,
    monitor: ProcessMonitor,
    run: Lock<Run>,
    launcher: Launcher,
}

/// The current run.
struct Run {
    ready: Arc<Ready>,
    /// Until the run has ended and its end was returned.
    notices: Option<Notices>,
    /// The end of the run, once it is known.
    exit: Option<ServiceExit>,
    /// Whether the caller knows how the run has ended, so that the drop does not report it.
    is_reported: bool,
}

impl RunningService {
    pub(super) fn new(
        launcher: Launcher,
        monitor: ProcessMonitor,
        notices: Notices,
        ready: Arc<Ready>,
        exit_hook: Option<Registration>,
    ) -> Self {
        let run = Lock::new(Run::new(ready, notices));
        Self { exit_hook, monitor, run, launcher }
    }

    /// Takes the steps after readiness. If one fails, the service is stopped.
    pub(super) async fn prepare(self) -> Result<Self, NotReady> {
        let Err(failed) = self.launcher.run_prepare().await else { return Ok(self) };
        let error = self.launcher.step_failed(failed, self.tail(ERROR_TAIL));
        match self.stop_async().await {
            Ok(_) => Err(error),
            Err(survivors) => Err(error.with_survivors(survivors)),
        }
    }
}

/// State and output.
impl RunningService {
    /// Returns the name of the service.
    pub fn name(&self) -> &Name {
        &self.launcher.name
    }

    /// Returns the process id, which is also the id of the process group.
    pub fn pid(&self) -> u32 {
        self.run().ready.pid
    }

    /// Returns the number of the port set with [`Service::port`](crate::Service::port) or
    /// [`free_port`](crate::Service::free_port).
    pub fn port(&self) -> Option<u16> {
        self.launcher.port.as_ref().map(super::Port::number)
    }

    /// Returns the number of the port with this name ([`Service::named_port`](crate::Service::named_port)).
    pub fn named_port(&self, name: &str) -> Option<u16> {
        self.resources().named_port(name)
    }

    /// Returns the address for clients, if the service has one ([`Service::url`](crate::Service::url)).
    pub fn url(&self) -> Option<&str> {
        self.resources().url()
    }

    /// Returns the scratch directory, if there is one ([`Service::scratch`](crate::Service::scratch)).
    pub fn dir(&self) -> Option<&Path> {
        self.resources().dir()
    }

    /// Returns the values that [`Service::capture`](crate::Service::capture) has found in the output of the
    /// current process, in the order of the calls.
    pub fn captured(&self) -> Vec<String> {
        self.resources().captured()
    }

    /// Returns the ports, the scratch directory and the captured values.
    pub fn resources(&self) -> &Resources {
        &self.launcher.provided.resources
    }

    /// Returns the last `n` lines of output, oldest first. A thousand lines are kept.
    ///
    /// Right after the start, all complete lines are here that were printed before the service was ready.
    /// Later a line arrives a moment after it was read.
    pub fn tail(&self, n: usize) -> Vec<String> {
        self.monitor.tail(&self.launcher.name, n)
    }

    /// Subscribes to the lines printed from now on.
    pub fn log_lines(&self) -> LogLines {
        self.launcher.lines.subscribe()
    }

    /// Returns the status of each condition, with the time when it was met.
    pub fn readiness(&self) -> Vec<ConditionStatus> {
        self.run().ready.progress.clone()
    }

    /// Returns the time from the start until the service was ready.
    pub fn took(&self) -> Duration {
        self.run().ready.took
    }

    /// Returns whether the process is running.
    pub fn is_alive(&self) -> bool {
        self.monitor.status(&self.launcher.name).is_some_and(|status| status.phase == Phase::Up)
    }

    /// Checks between two tests that the process is still running. It does nothing else.
    ///
    /// # Errors
    ///
    /// [`ServiceDied`], with the exit and the last lines of output.
    pub fn reset(&self) -> Result<(), ServiceDied> {
        if self.is_alive() {
            return Ok(());
        }
        let mut run = self.run();
        // The last lines may still be on their way.
        block_on(run.wait_for_end(&self.launcher));
        run.is_reported = true;
        drop(run);
        self.report_kept_dir();
        let last = self.monitor.status(&self.launcher.name).and_then(|status| status.last);
        Err(ServiceDied { name: self.launcher.name.clone(), last, tail: self.tail(ERROR_TAIL) })
    }
}

/// Signals and outages.
impl RunningService {
    /// Sends a signal to the process group before this returns. Returns whether the process was running.
    pub fn signal(&self, signal: Signal) -> bool {
        self.send(SignalTarget::Group, signal)
    }

    fn send(&self, target: SignalTarget, signal: Signal) -> bool {
        self.is_alive() && self.run().ready.process.signal(target, signal)
    }

    /// Suspends all processes of the service while `body` runs: their sockets stay open, but no request is
    /// answered. They continue afterwards, also if `body` panics.
    pub fn paused<T>(&self, body: impl FnOnce() -> T) -> T {
        /// Continues the processes when it is dropped.
        struct Pause<'a>(&'a RunningService);

        impl Drop for Pause<'_> {
            fn drop(&mut self) {
                self.0.send(SignalTarget::Family, Signal::CONT);
            }
        }

        self.send(SignalTarget::Family, Signal::STOP);
        let _pause = Pause(self);
        body()
    }

    /// Stops the service while `body` runs, and starts it again afterwards. Returns when it is ready again.
    /// If `body` panics, the service stays stopped.
    ///
    /// # Errors
    ///
    /// [`NotReady`] if the processes cannot be stopped or the new one does not become ready.
    pub fn stopped<T>(&self, body: impl FnOnce() -> T) -> Result<T, NotReady> {
        block_on(self.stopped_async(async { body() }))
    }

    /// Stops the service while the future `body` runs, and starts it again afterwards, like
    /// [`stopped`](Self::stopped).
    ///
    /// # Errors
    ///
    /// [`NotReady`] if the processes cannot be stopped or the new one does not become ready.
    pub async fn stopped_async<T>(&self, body: impl Future<Output = T>) -> Result<T, NotReady> {
        self.take_down().await?;
        let result = body.await;
        self.bring_up().await?;
        Ok(result)
    }

    async fn take_down(&self) -> Result<(), NotReady> {
        self.run().is_reported = true;
        match self.monitor.remove_process(&self.launcher.name) {
            // There is no next run before all processes of this one are gone.
            Ok(ticket) => ticket.await.map_err(|survivors| self.launcher.previous_run_survives(survivors)),
            // It is stopped already, because the last start has failed.
            Err(_) => Ok(()),
        }
    }

    async fn bring_up(&self) -> Result<(), NotReady> {
        let mut notices = self.monitor.notices();
        let ready = self.launcher.run(&self.monitor, &mut notices, None).await?;
        *self.run() = Run::new(ready, notices);
        Ok(())
    }
}

/// Input.
impl RunningService {
    /// Writes to the standard input of the current process, if it is [piped](crate::Service::stdin) or a
    /// [terminal](crate::Service::terminal), without waiting. The ticket resolves when everything is written,
    /// and may be dropped; [`ProcessMonitor::write_stdin`] describes the rest.
    ///
    /// ```
    /// use childminder::{Service, Stdin};
    ///
    /// let copy = Service::new("cat").stdin(Stdin::Piped).start()?;
    /// let mut lines = copy.log_lines();
    /// let _written = copy.write_stdin("hello\n")?;
    /// assert!(lines.any(|line| line.is_ok_and(|line| line.text == "hello")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InputError`] if the process does not run, its input cannot be written, or the bytes do not fit.
    pub fn write_stdin(&self, bytes: impl AsRef<[u8]>) -> Result<Ticket<InputError>, InputError> {
        self.monitor.write_stdin(&self.launcher.name, bytes)
    }

    /// Ends the standard input of the current process after the bytes that wait
    /// ([`ProcessMonitor::close_stdin`]).
    ///
    /// # Errors
    ///
    /// [`InputError`] if the process does not run or its input cannot be written.
    pub fn close_stdin(&self) -> Result<(), InputError> {
        self.monitor.close_stdin(&self.launcher.name)
    }

    /// Changes the size of the [terminal](crate::Service::terminal) of the current process, which gets WINCH.
    ///
    /// # Errors
    ///
    /// [`InputError`] if the process does not run or has no terminal, or the size is empty.
    pub fn resize_terminal(&self, size: TerminalSize) -> Result<(), InputError> {
        self.monitor.resize_terminal(&self.launcher.name, size)
    }
}

/// Stopping.
impl RunningService {
    /// Stops the process and everything that it has started, and waits for their end: it sends the stop
    /// signal, and KILL at the kill time. Returns how the process has ended, also if it had died before.
    ///
    /// # Errors
    ///
    /// [`StopError`] naming the processes that survived KILL.
    pub fn stop(self) -> Result<Option<ServiceExit>, StopError> {
        block_on(self.stop_async())
    }

    /// Stops the process and everything that it has started, like [`stop`](Self::stop), without blocking the
    /// thread.
    ///
    /// # Errors
    ///
    /// [`StopError`] naming the processes that survived KILL.
    pub async fn stop_async(self) -> Result<Option<ServiceExit>, StopError> {
        self.run().is_reported = true;
        if let Ok(ticket) = self.monitor.stop_process(&self.launcher.name) {
            ticket.await?;
        }
        let (exit, notices) = self.run().take_end();
        match notices {
            Some(mut notices) if exit.is_none() => Ok(self.launcher.wait_for_end(&mut notices).await),
            _ => Ok(exit),
        }
    }

    /// Keeps the scratch directory of a service that has failed, if that is asked for.
    fn report_kept_dir(&self) {
        if let Some(dir) = self.launcher.keep_dir() {
            let name = &self.launcher.name;
            report_in_test(&format!("the directory of service {name} is kept: {}", dir.display()));
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock()
    }
}

impl Drop for RunningService {
    /// Stops the service and reports what the caller does not know yet. The fields are dropped after this.
    fn drop(&mut self) {
        let is_alive = self.is_alive();
        let has_driver_thread = self.exit_hook.is_some();
        let mut run = self.run.lock();
        if run.is_reported {
            return;
        }
        let name = &self.launcher.name;
        if is_alive && has_driver_thread {
            blocking::warn_if_async(name);
            let stopped = self.monitor.stop_process(name).map_or(Ok(()), |ticket| ticket.wait());
            if let Err(error) = stopped {
                report_in_test(&format!("service {name} could not be stopped: {error}"));
                return;
            }
        }
        if has_driver_thread {
            block_on(run.wait_for_end(&self.launcher));
        } else {
            // The caller may run the driver on this thread, so it must not be waited for.
            block_on(poll_once(run.wait_for_end(&self.launcher)));
        }
        if let Some(report) = run.exit.as_ref().and_then(|exit| exit.describe_unexpected(name)) {
            report_in_test(&report);
        }
        if run.exit.as_ref().is_some_and(|exit| !exit.asked) || std::thread::panicking() {
            self.report_kept_dir();
        }
    }
}

impl Run {
    fn new(ready: Arc<Ready>, notices: Notices) -> Self {
        Self { ready, notices: Some(notices), exit: None, is_reported: false }
    }

    /// Waits for the end of the run and for its last output, and stores the exit.
    async fn wait_for_end(&mut self, launcher: &Launcher) {
        if self.exit.is_none()
            && let Some(notices) = &mut self.notices
        {
            self.exit = launcher.wait_for_end(notices).await;
        }
    }

    fn take_end(&mut self) -> (Option<ServiceExit>, Option<Notices>) {
        (self.exit.take(), self.notices.take())
    }
}

impl fmt::Debug for RunningService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningService")
            .field("name", &self.launcher.name)
            .field("pid", &self.pid())
            .field("is_alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}
