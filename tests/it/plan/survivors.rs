//! Descendants that KILL does not end.

use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::machine::{SignalTarget, Stream, SurvivalReason, SurvivingProcess};
use childminder::plan::PlanErrorKind;
use childminder::testkit::Sim;
use childminder::{Exit, Host, Plan, Signal, SpawnError, Spec};

/// A simulated world in which each process ends at once, and leaves behind a process of another user.
#[derive(Clone, Debug)]
struct World(Sim);

/// A process that has ended and whose descendant cannot be signalled.
#[derive(Debug)]
struct Parent;

const DESCENDANT: u32 = 4242;

impl Host for World {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.0.sleep_until(at)
    }

    fn spawn(&self, _: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        Ok(Box::new(Parent))
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.0.probe(target, owner)
    }

    fn has_threads(&self) -> bool {
        false
    }
}

impl Process for Parent {
    fn id(&self) -> u32 {
        DESCENDANT - 1
    }

    fn poll_exit(&mut self, _: &mut Context<'_>) -> Poll<Exit> {
        Poll::Ready(Exit::Code(0))
    }

    fn poll_read(&mut self, _: Stream, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn signal(&mut self, _: SignalTarget, _: Signal) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn remaining(&mut self) -> Vec<u32> {
        vec![DESCENDANT]
    }

    fn describe(&mut self, pids: &[u32]) -> Vec<SurvivingProcess> {
        assert_eq!(pids, [DESCENDANT]);
        vec![SurvivingProcess::new(DESCENDANT, "backup --daemon", SurvivalReason::OtherUser)]
    }
}

#[test]
fn pl_15_f_139_survivors_are_named_with_pid_command_and_reason() {
    let world = World(Sim::new());
    let mut plan = Plan::on(world.clone(), "nightly").unwrap();
    let job = plan.spawn(["job"]).unwrap();
    plan.wait(job, 0).unwrap();
    let error = world.0.block_on(plan.run_async()).unwrap_err();
    std::fs::remove_dir_all(error.directory().unwrap()).unwrap();
    assert!(matches!(error.kind(), PlanErrorKind::TimedOut { .. }), "{error}");

    let survivors = error.survivors().expect("a survivor").survivors();
    let [survivor] = survivors else { panic!("{survivors:?}") };
    assert_eq!(&*survivor.name, "job");
    let expected =
        "\n  still not gone after KILL: job#1 (pid 4242 `backup --daemon` (another user's process))\n";
    assert!(error.to_string().contains(expected), "{error}");
}
