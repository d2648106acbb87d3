//! The steps of a start besides the program itself: commands before it, and commands and closures after it is
//! ready.

use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::future::{or, pending, poll_fn};

use super::recipe::Preparation;
use super::resources::Resources;
use super::step_error::{StepError, StepProblem};
use crate::host::{Host, Spec};
use crate::machine::{Exit, Name, NoticeKind, Policy};
use crate::monitor::{Notices, ProcessMonitor};
use crate::sync::Oneshot;

/// The number of output lines of a step that an error shows.
const TAIL: usize = 50;

/// The time that a step that is stopped may take before it gets KILL.
const KILL_TIME: Duration = Duration::from_secs(1);

/// Runs the steps of one start.
pub(super) struct Steps<'a> {
    pub(super) host: &'a Arc<dyn Host>,
    pub(super) service: &'a Name,
    pub(super) timeout: Duration,
}

impl Steps<'_> {
    /// Takes steps, one after the other.
    pub(super) async fn take(
        &self,
        steps: &[Preparation],
        resources: &Arc<Resources>,
    ) -> Result<(), StepError> {
        for step in steps {
            match step {
                Preparation::Command(command) => self.run(command).await?,
                Preparation::Closure(closure) => {
                    let (closure, resources) = (Arc::clone(closure), Arc::clone(resources));
                    self.call(move || closure(&resources).map_err(|error| error.to_string())).await?;
                }
            }
        }
        Ok(())
    }

    /// Runs a command in a monitor that the returned future drives, so that it needs no thread and ends with
    /// the future.
    async fn run(&self, command: &Spec) -> Result<(), StepError> {
        let policy = Policy { kill_time: KILL_TIME, ..Policy::default() };
        let builder = ProcessMonitor::builder().tail(TAIL);
        let (monitor, driver) = builder.build_unchecked(Arc::clone(self.host));
        let program = Name::from_program(&command.get_program().to_string_lossy());
        let name = Name::new(&format!("{}:{program}", self.service)).unwrap_or(program);
        let mut notices = monitor.notices();
        let outcome = async {
            let failed = |error: &dyn Error| StepProblem::Failed(error.to_string());
            monitor.add_process(&name, command.clone().policy(policy)).map_err(|error| failed(&error))?;
            monitor.start_process(&name).map_err(|error| failed(&error))?;
            let timeout = self.host.sleep_until(self.host.now() + self.timeout.min(Policy::LONGEST));
            let ended = or(wait_for_exit(&mut notices), async {
                timeout.await;
                Err(StepProblem::TimedOut(self.timeout))
            });
            let ended = ended.await;
            if matches!(ended, Err(StepProblem::TimedOut(_)))
                && let Ok(stopped) = monitor.stop_process(&name)
            {
                // A survivor is logged by the monitor.
                let _ = stopped.await;
                let _ = wait_for_exit(&mut notices).await;
            }
            ended
        };
        let driving = async {
            driver.await;
            pending().await
        };
        let outcome = or(outcome, driving).await;
        let output = monitor.tail(&name, TAIL);
        match outcome {
            Ok(Exit::Code(0)) => Ok(()),
            Ok(exit) => Err(StepError::new(command.to_string(), StepProblem::Exited(exit), output)),
            Err(problem) => Err(StepError::new(command.to_string(), problem, output)),
        }
    }

    /// Calls a closure on a thread of its own. The thread inherits the captured output of the test.
    async fn call(
        &self,
        closure: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Result<(), StepError> {
        let failed = |problem| StepError::new("the closure".to_owned(), problem, Vec::new());
        let result = Arc::new(Oneshot::new());
        let thread = thread::Builder::new().name("childminder-pre".into()).spawn({
            let result = Arc::clone(&result);
            move || {
                let called = panic::catch_unwind(AssertUnwindSafe(closure));
                result.fill(called.unwrap_or_else(|_| Err("it panicked".to_owned())))
            }
        });
        thread.map_err(|error| failed(StepProblem::Failed(format!("there is no thread for it: {error}"))))?;
        let timeout = self.host.sleep_until(self.host.now() + self.timeout.min(Policy::LONGEST));
        let returned = poll_fn(|cx| match result.poll(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(StepProblem::Failed)),
            Poll::Pending => Poll::Pending,
        });
        let timed_out = async {
            timeout.await;
            Err(StepProblem::TimedOut(self.timeout))
        };
        or(returned, timed_out).await.map_err(failed)
    }
}

/// Waits for the end of the only run of a monitor.
async fn wait_for_exit(notices: &mut Notices) -> Result<Exit, StepProblem> {
    while let Some(notice) = notices.next().await {
        match notice.map(|notice| notice.kind) {
            Ok(NoticeKind::Exited { exit, .. }) => return Ok(exit),
            Ok(NoticeKind::SpawnFailed { error, .. }) => return Err(StepProblem::Spawn(error)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Exit::Lost)
}
