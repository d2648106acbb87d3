//! The start of a service as a future.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Service;
use super::blocking;
use super::driver_thread::DriverThread;
use super::launcher::Launcher;
use super::not_ready::NotReady;
use super::running::RunningService;
use crate::host::Host;
use crate::monitor::{MonitorDriver, ProcessMonitor};
use crate::output::OutputThread;
use crate::shutdown::{self, Registration};
use crate::sync::Lock;
use crate::sys::System;

/// The start of a service, from [`Service::start_async`](crate::Service::start_async): a future for any
/// executor.
///
/// Dropping it stops the processes that it has started, and waits for their end.
#[must_use = "a service is not started before this is awaited"]
pub struct StartFuture {
    start: Pin<Box<dyn Future<Output = Result<RunningService, NotReady>> + Send>>,
    /// Whether the caller is asynchronous, so that a drop of the service may block an executor.
    is_async: bool,
}

impl StartFuture {
    /// Starts a service whose driver runs on the thread of all services.
    pub(super) fn background(service: &Service) -> Self {
        let launcher = match system() {
            Ok(system) => Launcher::new(service, Arc::new(system.clone())).map(|launcher| (system, launcher)),
            Err(error) => Err(Launcher::without_system(service, error)),
        };
        let start = Box::pin(async move {
            let (system, launcher) = launcher?;
            let thread = DriverThread::get(&system).map_err(|error| launcher.system_error(error))?;
            let (builder, host) = (launcher.monitor_builder(), launcher.host.clone());
            let (monitor, output) = builder.background_on(host, |driver| thread.run_driver(driver));
            launcher.check_free().await?;
            // The process can be ended by a signal while the service starts.
            let exit_hook = shutdown::register({
                let (monitor, resources) = (monitor.clone(), launcher.provided.resources.clone());
                move || {
                    drop(monitor.stop_service().wait());
                    resources.remove_dir();
                }
            });
            run(launcher, monitor, output, Some(exit_hook)).await
        });
        Self { start, is_async: true }
    }

    /// Marks a start whose caller may block the thread that polls this.
    pub(crate) fn for_blocking_code(mut self) -> Self {
        self.is_async = false;
        self
    }

    /// Starts a service whose driver is run by the caller.
    pub(super) fn on(service: &Service, host: impl Host) -> Result<(Self, MonitorDriver), NotReady> {
        let launcher = Launcher::new(service, Arc::new(host))?;
        let (monitor, driver) = launcher.monitor_builder().build_unchecked(launcher.host.clone());
        let start = Box::pin(async move {
            launcher.check_free().await?;
            run(launcher, monitor, None, None).await
        });
        Ok((Self { start, is_async: false }, driver))
    }
}

/// Returns the system for all services of this process, with the strongest containment that this machine
/// offers.
fn system() -> io::Result<System> {
    static SYSTEM: Lock<Option<System>> = Lock::new(None);
    let mut system = SYSTEM.lock();
    match &*system {
        Some(system) => Ok(system.clone()),
        None => Ok(system.insert(System::with_strongest_containment()?).clone()),
    }
}

async fn run(
    launcher: Launcher,
    monitor: ProcessMonitor,
    output: Option<OutputThread>,
    exit_hook: Option<Registration>,
) -> Result<RunningService, NotReady> {
    launcher.run_before().await?;
    let mut notices = monitor.notices();
    let ready = launcher.run(&monitor, &mut notices, output).await?;
    RunningService::new(launcher, monitor, notices, ready, exit_hook).prepare().await
}

impl Future for StartFuture {
    type Output = Result<RunningService, NotReady>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = self.start.as_mut().poll(cx);
        if poll.is_ready() && self.is_async {
            blocking::note_async_thread();
        }
        poll
    }
}

impl fmt::Debug for StartFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartFuture").finish_non_exhaustive()
    }
}

/// Starting.
impl Service {
    /// Starts the program and waits until it is ready. A service can be started any number of times; each
    /// start is a new process.
    ///
    /// # Errors
    ///
    /// [`NotReady`], with everything that is known. No process of the service is left then.
    pub fn start(&self) -> Result<RunningService, NotReady> {
        // With timers of this thread alone: another one would be woken for each.
        System::block_on(self.start_async().for_blocking_code())
    }

    /// Starts the program like [`start`](Self::start), for asynchronous code on any executor. Dropping the
    /// future stops the program and waits for its end.
    pub fn start_async(&self) -> StartFuture {
        StartFuture::background(self)
    }

    /// Starts the program on another host, such as a [`Sim`](crate::testkit::Sim), without a thread: the
    /// caller runs the driver beside the start.
    ///
    /// # Errors
    ///
    /// [`NotReady`] if the description is invalid.
    pub fn start_on(&self, host: impl Host) -> Result<(StartFuture, MonitorDriver), NotReady> {
        StartFuture::on(self, host)
    }
}
