//! The integration tests of the original, restated under their names. These are thirteen of its fifteen; the
//! other two only inspect recorded steps.

use std::time::Duration;

use childminder::plan::PlanErrorKind;
use childminder::{Exit, PlanError, Signal, Spec};

use super::harness::{fails, passes, plan, sh, sleeper};
use crate::real::every_runtime;

/// `IntegrationProcessTest`: one process.
mod process {
    use super::*;

    every_runtime!(pl_12_test_transient_process, pl_14_test_time_out, pl_9_12_test_kill);

    async fn pl_12_test_transient_process() {
        let mut plan = plan("process-transient");
        let echo = plan.spawn(["echo", "hello world"]).unwrap();
        plan.wait(echo, 0).unwrap();
        passes(&plan).await;
    }

    async fn pl_14_test_time_out() {
        let mut plan = plan("process-time-out");
        let cat = plan.spawn(sleeper()).unwrap();
        plan.wait(cat, 0).unwrap().within(Duration::from_millis(50)).unwrap();
        let failed = fails(&plan).await;
        assert_eq!(failed.reason(), "timed out after 50ms while waiting for sleep");
        assert!(
            matches!(failed.kind(), PlanErrorKind::TimedOut { waiting_for, .. } if waiting_for.len() == 1)
        );
    }

    /// At once: a signal that arrives between fork and exec is not lost.
    async fn pl_9_12_test_kill() {
        let mut plan = plan("process-kill");
        for _ in 0..20 {
            let sleeper = plan.spawn(sleeper()).unwrap();
            plan.kill(sleeper, Signal::TERM).unwrap();
        }
        passes(&plan).await;
    }
}

/// `IntegrationPlanExecuteTest`: the executor.
mod plan_execute {
    use super::*;

    every_runtime!(
        pl_12_test_transient_process,
        pl_12_test_kill,
        pl_10_test_unexpected_process_exit,
        pl_12_test_unexpected_exit_code,
        pl_16_test_processes_still_running,
    );

    async fn pl_12_test_transient_process() {
        let mut plan = plan("execute-transient");
        let echo = plan.spawn(["echo", "foo"]).unwrap();
        plan.wait(echo, Exit::success()).unwrap();
        let report = passes(&plan).await;
        assert!(report.directory().is_none());
    }

    async fn pl_12_test_kill() {
        let mut plan = plan("execute-kill");
        let sleeper = plan.spawn(sleeper()).unwrap();
        plan.kill(sleeper, Signal::TERM).unwrap();
        passes(&plan).await;
    }

    async fn pl_10_test_unexpected_process_exit() {
        let mut plan = plan("execute-unexpected-exit");
        plan.spawn(["echo", "foo"]).unwrap();
        let sleeper = plan.spawn(sleeper()).unwrap();
        plan.wait(sleeper, 0).unwrap();
        let failed = fails(&plan).await;
        assert_eq!(failed.reason(), "echo ended with code 0, and this step does not expect it to end");
        assert_eq!(failed.step(), Some(3));
    }

    async fn pl_12_test_unexpected_exit_code() {
        let mut plan = plan("execute-unexpected-code");
        let no = plan.spawn(["false"]).unwrap();
        plan.wait(no, 0).unwrap();
        let failed = fails(&plan).await;
        assert_eq!(failed.reason(), "false ended with code 1 instead of code 0");
    }

    async fn pl_16_test_processes_still_running() {
        let mut plan = plan("execute-still-running");
        plan.spawn(sleeper()).unwrap();
        let echo = plan.spawn(["echo", "foo"]).unwrap();
        plan.spawn(sleeper()).unwrap();
        plan.wait(echo, 0).unwrap();
        let failed = fails(&plan).await;
        assert_eq!(failed.reason(), "the plan ended while sleep and sleep-1 were still running");
        assert_eq!(failed.step(), Some(5), "behind the last one");
    }
}

/// `IntegrationTestDecoratorTest`: written as a user would write a test.
mod decorated {
    use super::*;

    #[test]
    fn pl_12_test_transient_process() -> Result<(), PlanError> {
        let mut plan = plan("decorated-transient");
        let echo = plan.spawn(["echo", "hello world"])?;
        plan.wait(echo, 0)?;
        plan.run().map(drop)
    }

    #[test]
    fn pl_12_test_false() -> Result<(), PlanError> {
        let mut plan = plan("decorated-false");
        let no = plan.spawn(["false"])?;
        plan.wait(no, 1)?;
        plan.run().map(drop)
    }

    #[test]
    fn pl_12_test_kill() -> Result<(), PlanError> {
        let mut plan = plan("decorated-kill");
        let sleeper = plan.spawn(sleeper())?;
        plan.kill(sleeper, Signal::TERM)?;
        plan.run().map(drop)
    }

    #[test]
    fn pl_12_test_parallel_start_and_kill() -> Result<(), PlanError> {
        let mut plan = plan("decorated-parallel-kill");
        let [first, second] = plan.spawn_all([sleeper(), sleeper()])?;
        plan.kill(first, Signal::TERM)?;
        plan.kill(second, Signal::TERM)?;
        plan.run().map(drop)
    }

    /// The second process ends first, and the third one before it is waited for.
    #[test]
    fn pl_13_test_parallel_wait() -> Result<(), PlanError> {
        let mut plan = plan("decorated-parallel-wait");
        let [first, second, third] =
            plan.spawn_all([sh("sleep 0.3; exit 1"), sh("sleep 0.1; exit 2"), Spec::new("true")])?;
        plan.wait_all([(first, 1), (second, 2), (third, 0)])?;
        plan.run().map(drop)
    }
}
