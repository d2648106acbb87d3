//! What a start does before and after it starts the process: steps, the output that readiness is behind of,
//! and the scratch directory of a start that has failed.

use std::path::PathBuf;

use futures_lite::future::or;

use super::launcher::{Launcher, OUTPUT_TIMEOUT};
use super::not_ready::{Details, NotReady, NotReadyReason};
use super::scratch;
use super::step_error::StepError;
use super::steps::Steps;
use crate::host::health::Ready;
use crate::monitor::{Notices, ProcessMonitor};

impl Launcher {
    fn steps(&self) -> Steps<'_> {
        Steps { host: &self.host, service: &self.name, timeout: self.provided.step_timeout }
    }

    /// Runs the commands before the start.
    pub(super) async fn run_before(&self) -> Result<(), NotReady> {
        let Self { provided, .. } = self;
        let done = self.steps().take(&provided.before, &provided.resources).await;
        done.map_err(|error| self.step_failed(error, Vec::new()))
    }

    /// Takes the steps after readiness.
    pub(super) async fn run_prepare(&self) -> Result<(), StepError> {
        let Self { provided, .. } = self;
        self.steps().take(&provided.prepare, &provided.resources).await
    }

    /// Returns the error for a step that has failed, with the last lines of the service.
    pub(super) fn step_failed(&self, error: StepError, tail: Vec<String>) -> NotReady {
        self.failed(Details { tail, ..self.details(NotReadyReason::Step(error)) })
    }

    /// Waits until the sinks have received what the process had printed when it was ready, and stores the
    /// captured values. A sink that blocks is not waited for, except for a capture.
    pub(super) async fn follow_output(
        &self,
        monitor: &ProcessMonitor,
        ready: &Ready,
    ) -> Result<(), NotReadyReason> {
        let output = &self.provided.output;
        let run = monitor.status(&self.name).and_then(|status| status.run);
        let values = or(async { Some(output.wait(run, ready.lines).await) }, async {
            self.host.sleep_until(self.host.now() + OUTPUT_TIMEOUT).await;
            None
        });
        match values.await {
            Some(values) => *self.provided.resources.captured.lock() = values,
            None => {
                if let Some(regex) = output.give_up() {
                    return Err(NotReadyReason::NotCaptured { regex });
                }
            }
        }
        Ok(())
    }

    /// Stops a process that is ready but of no use, and reports the failure.
    pub(super) async fn end_start(
        &self,
        monitor: &ProcessMonitor,
        notices: &mut Notices,
        reason: NotReadyReason,
    ) -> NotReady {
        let (tail, survivors) = self.end_run(monitor, notices).await;
        self.failed(Details { tail, survivors, ..self.details(reason) })
    }

    /// Completes the error of a start: its directory is kept, or the error says how to keep it.
    pub(super) fn failed(&self, mut details: Details) -> NotReady {
        details.kept_dir = self.keep_dir();
        let has_dir = self.provided.resources.dir().is_some();
        if has_dir && details.kept_dir.is_none() && !scratch::is_keeping() {
            details.hints.push("set CHILDMINDER_KEEP=1 to keep its directory".to_owned());
        }
        details.into()
    }

    /// Keeps the scratch directory of a service that has failed, if that is asked for. Returns its path then.
    pub(super) fn keep_dir(&self) -> Option<PathBuf> {
        self.provided.resources.scratch.as_ref()?.keep_if_asked()
    }
}
