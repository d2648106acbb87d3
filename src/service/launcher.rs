//! The start of one process of a service, and the cleanup after a failed start.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;

use super::exit::ServiceExit;
use super::log_lines::LinePublisher;
use super::not_ready::{Details, NotReady, NotReadyReason, ServiceError};
use super::provide::{Provided, expected, provide};
use super::{Port, Service, hints};
use crate::host::health::{Failure, FailureCause, Ready};
use crate::host::{Host, Spec};
use crate::machine::{LastRun, Name};
use crate::monitor::{MonitorBuilder, Notices, ProcessMonitor, ReadyError, StopError, Ticket};
use crate::output::log_format::{LogFormat, LogFormatSink};
use crate::output::{LogSink, OutputThread, WriterSink};
use crate::ready::{Condition, check_free};
use crate::search::MessageExtractor;

/// The number of output lines that a service keeps.
const TAIL: usize = 1000;

/// The number of output lines that an error shows.
pub(super) const ERROR_TAIL: usize = 20;

/// The time that the last output of a run may take to pass the sinks.
pub(super) const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the processes of one service.
pub(super) struct Launcher {
    pub(super) name: Name,
    pub(super) port: Option<Port>,
    pub(super) lines: LinePublisher,
    pub(super) provided: Provided,
    /// The spec, which requires the readiness of the service.
    spec: Spec,
    format: Option<LogFormat>,
    condition: Condition,
    pub(super) host: Arc<dyn Host>,
}

impl Launcher {
    /// Checks the description of a service.
    pub(super) fn new(service: &Service, host: Arc<dyn Host>) -> Result<Self, NotReady> {
        let fail = |reason| {
            let name = service.name.as_ref().map_or("?", |name| &**name);
            NotReady::from(Details::new(name, service.spec.to_string(), reason))
        };
        let invalid = |error| fail(NotReadyReason::Invalid(error));
        let message = message_extractor(service.format.clone().and_then(Result::ok));
        let (service, provided) = provide(service, message.clone()).map_err(fail)?;
        let name = service.name.clone().map_err(|error| invalid(ServiceError::Name(error)))?;
        service.policy.check().map_err(|error| invalid(ServiceError::Policy(error)))?;
        let spec = service.spec.clone().policy(service.policy);
        spec.check().map_err(|error| invalid(ServiceError::Spec(error)))?;
        let expected = expected(&service);
        expected.check().map_err(|error| invalid(ServiceError::Condition(error)))?;
        let format =
            service.format.clone().transpose().map_err(|error| invalid(ServiceError::Format(error)))?;
        let (timeout, min_uptime) = (service.timeout, service.effective_min_uptime(&expected));
        if timeout < min_uptime {
            return Err(invalid(ServiceError::TimeoutBelowUptime { timeout, min_uptime }));
        }
        let condition = match min_uptime {
            Duration::ZERO => expected,
            min_uptime => Condition::all([Condition::uptime(min_uptime), expected]),
        };
        let spec = spec.ready_in(condition.clone(), timeout, message);
        let (port, lines) = (service.port, LinePublisher::new());
        Ok(Self { name, port, lines, provided, spec, format, condition, host })
    }

    /// Returns the error for a system that cannot be used at all, for example without descriptors.
    pub(super) fn without_system(service: &Service, error: io::Error) -> NotReady {
        let name = service.name.as_ref().map_or("?", |name| &**name);
        Details::new(name, service.spec.to_string(), NotReadyReason::System(Arc::new(error))).into()
    }

    /// Returns the builder of the monitor for this service.
    pub(super) fn monitor_builder(&self) -> MonitorBuilder {
        let builder =
            ProcessMonitor::builder().tail(TAIL).sink(self.lines.sink()).sink(self.provided.output.sink());
        if let Some(file) = &self.provided.output_file {
            return builder.sink(WriterSink::new(Arc::clone(file)));
        }
        match (&self.format, &self.provided.recorder) {
            (Some(format), _) => builder.sink(LogFormatSink::new(format.clone())),
            (None, None) => builder.for_tests(),
            // Each of the tests that share the service prints its part of the output itself.
            (None, Some(recorder)) => builder.sink(LogSink).sink(recorder.sink()),
        }
    }

    /// Checks that no other process answers at the addresses of the service.
    pub(super) async fn check_free(&self) -> Result<(), NotReady> {
        let free = check_free(&self.host, &self.condition, &self.spec).await;
        free.map_err(|in_use| self.details(NotReadyReason::AddressInUse(in_use)).into())
    }

    pub(super) fn details(&self, reason: NotReadyReason) -> Details {
        Details::new(&self.name, self.spec.to_string(), reason)
    }

    /// Returns the error for a thread, pipe or socket that the system does not provide.
    pub(super) fn system_error(&self, error: io::Error) -> NotReady {
        self.details(NotReadyReason::System(Arc::new(error))).into()
    }

    /// Returns the error for a start whose previous run could not be ended.
    pub(super) fn previous_run_survives(&self, survivors: StopError) -> NotReady {
        Details { survivors: Some(survivors), ..self.details(NotReadyReason::NeverStarted) }.into()
    }

    /// Starts the process and waits until it is ready. If it does not become ready, it is stopped. The first
    /// time `output` is the thread for its output.
    pub(super) async fn run(
        &self,
        monitor: &ProcessMonitor,
        notices: &mut Notices,
        output: Option<OutputThread>,
    ) -> Result<Arc<Ready>, NotReady> {
        if let Some(port) = &self.port {
            port.prepare_bind();
        }
        self.provided.resources.named_ports.values().for_each(Port::prepare_bind);
        self.provided.output.arm();
        let ticket = self.start(monitor);
        // Only now: the driver starts the process meanwhile.
        output.map_or(Ok(()), OutputThread::start).map_err(|error| self.system_error(error))?;
        if let Some(ticket) = ticket {
            // The report says more than the result.
            let _ = ticket.await;
        }
        match monitor.readiness(&self.name) {
            Some(Ok(ready)) => match self.follow_output(monitor, &ready).await {
                Ok(()) => Ok(ready),
                Err(reason) => Err(self.end_start(monitor, notices, reason).await),
            },
            Some(Err(failure)) => Err(self.fail_start(monitor, notices, Some(&failure)).await),
            None => Err(self.fail_start(monitor, notices, None).await),
        }
    }

    /// Starts the process. Returns `None` if the driver of the monitor was dropped.
    fn start(&self, monitor: &ProcessMonitor) -> Option<Ticket<ReadyError>> {
        monitor.add_process(&self.name, self.spec.clone()).ok()?;
        monitor.start_process(&self.name).ok()?;
        monitor.wait_ready(&self.name).ok()
    }

    /// Stops a process that did not become ready, and reports the failure; without one the process was not
    /// started.
    async fn fail_start(
        &self,
        monitor: &ProcessMonitor,
        notices: &mut Notices,
        failure: Option<&Failure>,
    ) -> NotReady {
        let last = monitor.status(&self.name).and_then(|status| status.last);
        let (tail, survivors) = self.end_run(monitor, notices).await;
        let Some(Failure { cause, progress, took, listening }) = failure else {
            let reason = match last {
                Some(LastRun::SpawnFailed(error)) => NotReadyReason::Spawn(error),
                _ => NotReadyReason::NeverStarted,
            };
            return self.failed(Details { tail, survivors, ..self.details(reason) });
        };
        let reason = match cause {
            FailureCause::SpawnFailed(error) => NotReadyReason::Spawn(error.clone()),
            FailureCause::Exited(exit) => NotReadyReason::Exited { exit: *exit, after: *took },
            FailureCause::TimedOut(timeout) => NotReadyReason::TimedOut { timeout: *timeout },
            FailureCause::NeverStarted => NotReadyReason::NeverStarted,
        };
        let hints = hints::hints(&reason, progress, listening, &tail, self.port.as_ref());
        let progress = progress.clone();
        self.failed(Details { progress, hints, tail, survivors, ..self.details(reason) })
    }

    /// Stops the process of a start that has failed. Returns its last lines and the processes that survived.
    pub(super) async fn end_run(
        &self,
        monitor: &ProcessMonitor,
        notices: &mut Notices,
    ) -> (Vec<String>, Option<StopError>) {
        let survivors = match monitor.stop_process(&self.name) {
            Ok(ticket) => ticket.await.err(),
            Err(_) => None,
        };
        self.wait_for_end(notices).await;
        let tail = monitor.tail(&self.name, ERROR_TAIL);
        let _ = monitor.remove_process(&self.name);
        (tail, survivors)
    }

    /// Waits until the last output of a run that is over has passed the sinks. A sink that blocks is not
    /// waited for.
    pub(super) async fn wait_for_end(&self, notices: &mut Notices) -> Option<ServiceExit> {
        or(ServiceExit::read(notices), async {
            self.host.sleep_until(self.host.now() + OUTPUT_TIMEOUT).await;
            None
        })
        .await
    }
}

/// Returns what finds the message in a line of output.
fn message_extractor(format: Option<LogFormat>) -> MessageExtractor {
    let format = format?;
    Some(Arc::new(move |line| format.message(line)))
}
