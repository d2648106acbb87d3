//! From what was said to a service that is ready.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::or;

use super::ended::ServiceExit;
use super::log_lines::Subscribers;
use super::not_ready::{Cause, NotReady, ServiceError, Story};
use super::running::RunningService;
use super::{Port, Service};
use crate::host::{Host, Spec};
use crate::machine::Name;
use crate::monitor::{MonitorBuilder, MonitorDriver, Notices, ProcessMonitor, StopError};
use crate::output::log_format::{LogFormat, LogFormatSink};
use crate::ready::{self, Condition, Failure, Ready, Watch};
use crate::search::MessageExtractor;
use crate::shutdown::{self, Registration};

/// How many of its last lines a service keeps.
const TAIL: usize = 1000;

/// How many of them an error shows.
pub(super) const LAST_WORDS: usize = 20;

/// How long the last words of a run may take to come through the sinks.
const HEARING: Duration = Duration::from_secs(1);

/// A service that is being started: a future, for any executor.
///
/// Dropping it stops what was started, and waits for that.
#[must_use = "nothing is started before this is awaited"]
pub struct StartFuture(Pin<Box<dyn Future<Output = Result<RunningService, NotReady>> + Send>>);

impl StartFuture {
    /// With a driver on a thread of its own.
    pub(super) fn background(service: &Service, host: impl Host) -> Self {
        let recipe = Recipe::new(service, host);
        Self(Box::pin(async move {
            let recipe = recipe?;
            let started = recipe.builder().background(recipe.watch.host());
            let monitor = started.map_err(|error| recipe.refused(error))?;
            // While the thread is on its way; it has nothing to start yet.
            recipe.check_free().await?;
            // Somebody may end this process while we wait: then it is stopped before.
            let farewell = shutdown::register({
                let monitor = monitor.clone();
                move || drop(monitor.stop_service().wait())
            });
            recipe.into_running(monitor, Some(farewell)).await
        }))
    }

    /// With a driver that somebody else runs.
    pub(super) fn on(service: &Service, host: impl Host) -> Result<(Self, MonitorDriver), NotReady> {
        let recipe = Recipe::new(service, host)?;
        let (monitor, driver) = recipe.builder().build_unchecked(Arc::new(recipe.watch.host()));
        let start = Box::pin(async move {
            recipe.check_free().await?;
            recipe.into_running(monitor, None).await
        });
        Ok((Self(start), driver))
    }
}

impl Future for StartFuture {
    type Output = Result<RunningService, NotReady>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for StartFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").finish_non_exhaustive()
    }
}

/// What finds the message in a line.
fn finder(pattern: Option<LogFormat>) -> MessageExtractor {
    let pattern = pattern?;
    Some(Arc::new(move |line| pattern.message(line)))
}

/// Everything it takes to start a service, once and again.
pub(super) struct Recipe {
    pub(super) name: Name,
    pub(super) port: Option<Port>,
    pub(super) subscribers: Subscribers,
    spec: Spec,
    pattern: Option<LogFormat>,
    host: Arc<dyn Host>,
    watch: Watch,
}

impl Recipe {
    /// Checks what was said.
    fn new(service: &Service, host: impl Host) -> Result<Self, NotReady> {
        let invalid = |error| {
            let name = service.name.as_ref().map_or("?", |name| &**name);
            NotReady::from(Story::early(name, service.spec.to_string(), Cause::Invalid(error)))
        };
        let name = service.name.clone().map_err(|error| invalid(ServiceError::Name(error)))?;
        service.policy.check().map_err(|error| invalid(ServiceError::Policy(error)))?;
        let spec = service.spec.clone().policy(service.policy);
        spec.check().map_err(|error| invalid(ServiceError::Spec(error)))?;
        let uptime = Condition::uptime(service.min_uptime);
        let condition = Condition::all([uptime].into_iter().chain(service.expected.iter().cloned()));
        condition.check().map_err(|error| invalid(ServiceError::Condition(error)))?;
        let pattern =
            service.format.clone().transpose().map_err(|error| invalid(ServiceError::Format(error)))?;
        if service.timeout < service.min_uptime {
            let (timeout, min_uptime) = (service.timeout, service.min_uptime);
            return Err(invalid(ServiceError::TimeoutBelowUptime { timeout, min_uptime }));
        }
        let host: Arc<dyn Host> = Arc::new(host);
        let message = finder(pattern.clone());
        let watch = Watch::new(Arc::clone(&host), condition, service.timeout, message);
        let (port, subscribers) = (service.port.clone(), Subscribers::default());
        Ok(Self { name, port, subscribers, spec, pattern, host, watch })
    }

    /// The monitor to be.
    fn builder(&self) -> MonitorBuilder {
        let builder = ProcessMonitor::builder().tail(TAIL).sink(self.subscribers.clone());
        match &self.pattern {
            Some(pattern) => builder.sink(LogFormatSink::new(pattern.clone())),
            None => builder.for_tests(),
        }
    }

    /// Nobody may answer yet where the service is to.
    async fn check_free(&self) -> Result<(), NotReady> {
        self.watch.check_free(&self.spec).await.map_err(|taken| self.story(Cause::AddressInUse(taken)).into())
    }

    fn story(&self, cause: Cause) -> Story {
        Story::early(&self.name, self.spec.to_string(), cause)
    }

    fn refused(&self, error: io::Error) -> NotReady {
        self.story(Cause::System(Arc::new(error))).into()
    }

    /// Its last run would not go.
    pub(super) fn outlived(&self, survivors: StopError) -> NotReady {
        Story { survivors: Some(survivors), ..self.story(Cause::NeverStarted) }.into()
    }

    async fn into_running(
        self,
        monitor: ProcessMonitor,
        farewell: Option<Registration>,
    ) -> Result<RunningService, NotReady> {
        let mut notices = monitor.notices();
        let ready = self.run(&monitor, &mut notices).await?;
        Ok(RunningService::new(self, monitor, notices, ready, farewell))
    }

    /// Starts the process, and waits until it is ready. If it does not become so, it is stopped.
    pub(super) async fn run(
        &self,
        monitor: &ProcessMonitor,
        notices: &mut Notices,
    ) -> Result<Ready, NotReady> {
        let spec = self.watch.equip(self.spec.clone()).map_err(|error| self.refused(error))?;
        if let Some(port) = &self.port {
            port.make_way();
        }
        let until_ready = self.watch.arm();
        // What a run is given to notify with is given to no other, so each start is a process of its own.
        let started =
            monitor.add_process(&self.name, spec).is_ok() && monitor.start_process(&self.name).is_ok();
        if !started {
            return Err(self.story(Cause::NeverStarted).into());
        }
        match until_ready.await {
            Ok(ready) => Ok(ready),
            Err(failure) => Err(self.bury(monitor, notices, failure).await),
        }
    }

    /// Takes down what did not become ready, and collects what there is to say of it.
    async fn bury(&self, monitor: &ProcessMonitor, notices: &mut Notices, failure: Failure) -> NotReady {
        let survivors = match monitor.stop_process(&self.name) {
            Ok(ticket) => ticket.await.err(),
            Err(_) => None,
        };
        self.hear_the_end(notices).await;
        let tail = monitor.tail(&self.name, LAST_WORDS);
        let _ = monitor.remove_process(&self.name);
        let cause = match failure.cause {
            ready::FailureCause::SpawnFailed(error) => Cause::Spawn(error),
            ready::FailureCause::Exited(exit) => Cause::Exited { exit, after: failure.took },
            ready::FailureCause::TimedOut(timeout) => Cause::TimedOut { timeout },
            ready::FailureCause::NeverStarted => Cause::NeverStarted,
        };
        let progress = match cause {
            // Of what was never started there is nothing to tell.
            Cause::Spawn(_) | Cause::NeverStarted => Vec::new(),
            _ => failure.progress,
        };
        Story { progress, tail, survivors, ..self.story(cause) }.into()
    }

    /// Hears out a run that is over: then its last lines have come. A sink that is stuck is not waited for.
    pub(super) async fn hear_the_end(&self, notices: &mut Notices) -> Option<ServiceExit> {
        let late = self.host.sleep_until(self.host.now() + HEARING);
        or(ServiceExit::hear(notices), async {
            late.await;
            None
        })
        .await
    }
}
