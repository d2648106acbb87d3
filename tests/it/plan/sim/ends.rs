//! Ends of processes, and the cleanup of the others.

use childminder::machine::SpawnStep;
use childminder::plan::PlanErrorKind;
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Plan, PlanError, Signal, Spec};

use super::{fails, lives, passes, plan, secs};

/// Records a server, and a client that takes ten seconds.
fn client_and_server(sim: &Sim) -> Result<Plan, PlanError> {
    let mut plan = plan(sim);
    let server = plan.spawn("server")?;
    let client = plan.spawn("client")?;
    plan.wait(client, 0)?;
    plan.kill(server, Signal::TERM)?;
    Ok(plan)
}

#[test]
fn a_plan_that_passes_can_be_run_again_with_the_same_result() {
    let sim = Sim::new();
    sim.script("server", Script::new());
    sim.script("client", lives(10.0, 0));
    let plan = client_and_server(&sim).unwrap();
    passes(
        &sim,
        &plan,
        "0.0 spawn server#1
         0.0 spawn client#2
         10.0 exit client#2 code 0
         10.0 reap client#2
         10.0 signal server#1 TERM
         10.0 signal server#1 CONT
         10.0 exit server#1 signal TERM
         10.0 reap server#1",
    );
    let report = passes(
        &sim,
        &plan,
        "10.0 spawn server#3
         10.0 spawn client#4
         20.0 exit client#4 code 0
         20.0 reap client#4
         20.0 signal server#3 TERM
         20.0 signal server#3 CONT
         20.0 exit server#3 signal TERM
         20.0 reap server#3",
    );
    assert_eq!(report.took(), secs(10.0));
}

#[test]
fn pl_10_an_exit_in_the_middle_of_an_unrelated_wait_fails_at_that_instant() {
    let sim = Sim::new();
    sim.script("server", lives(3.5, 0));
    sim.script("client", lives(10.0, 0));
    let plan = client_and_server(&sim).unwrap();
    let error = fails(
        &sim,
        &plan,
        3,
        "server ended with code 0, and this step does not expect it to end",
        "0.0 spawn server#1
         0.0 spawn client#2
         3.5 exit server#1 code 0
         3.5 reap server#1
         3.5 signal client#2 KILL
         3.5 exit client#2 signal KILL
         3.5 reap client#2",
    );
    let PlanErrorKind::UnexpectedExit { process, exit } = error.kind() else { panic!("{error}") };
    assert_eq!((&**process, *exit), ("server", Exit::Code(0)));
    assert_eq!(
        error.to_string().lines().next(),
        Some(
            "plan test failed at step 3 after 3.50s: server ended with code 0, and this step does not expect it to end"
        )
    );
    // A second run gives the same result.
    fails(
        &sim,
        &plan,
        3,
        "server ended with code 0, and this step does not expect it to end",
        "3.5 spawn server#3
         3.5 spawn client#4
         7.0 exit server#3 code 0
         7.0 reap server#3
         7.0 signal client#4 KILL
         7.0 exit client#4 signal KILL
         7.0 reap client#4",
    );
}

#[test]
fn pl_12_another_status_than_expected() {
    let sim = Sim::new();
    sim.script("server", Script::new());
    sim.script("client", lives(10.0, 1));
    let plan = client_and_server(&sim).unwrap();
    fails(
        &sim,
        &plan,
        3,
        "client ended with code 1 instead of code 0",
        "0.0 spawn server#1
         0.0 spawn client#2
         10.0 exit client#2 code 1
         10.0 reap client#2
         10.0 signal server#1 KILL
         10.0 exit server#1 signal KILL
         10.0 reap server#1",
    );
}

#[test]
fn pl_13_all_are_waited_for_at_once_under_one_deadline() -> Result<(), PlanError> {
    let sim = Sim::new();
    for (program, seconds) in [("a", 6.0), ("b", 2.0), ("c", 4.0), ("d", 9.0)] {
        sim.script(program, lives(seconds, 0));
    }
    let mut plan = plan(&sim);
    let [a, b, c] = plan.spawn_all(["a", "b", "c"])?;
    plan.wait_all([(a, 0), (b, 0), (c, 0)])?.within(secs(7.0))?;
    let report = passes(
        &sim,
        &plan,
        "0.0 spawn a#1
         0.0 spawn b#2
         0.0 spawn c#3
         2.0 exit b#2 code 0
         2.0 reap b#2
         4.0 exit c#3 code 0
         4.0 reap c#3
         6.0 exit a#1 code 0
         6.0 reap a#1",
    );
    assert_eq!(report.took(), secs(6.0));

    let mut plan = super::plan(&sim);
    let [a, b, c, d] = plan.spawn_all(["a", "b", "c", "d"])?;
    plan.wait_all([(a, 0), (b, 0), (c, 0), (d, 0)])?.within(secs(5.0))?;
    let error = fails(
        &sim,
        &plan,
        2,
        "timed out after 5s while waiting for a and d",
        "6.0 spawn a#4
         6.0 spawn b#5
         6.0 spawn c#6
         6.0 spawn d#7
         8.0 exit b#5 code 0
         8.0 reap b#5
         10.0 exit c#6 code 0
         10.0 reap c#6
         11.0 signal a#4 KILL
         11.0 signal d#7 KILL
         11.0 exit a#4 signal KILL
         11.0 reap a#4
         11.0 exit d#7 signal KILL
         11.0 reap d#7",
    );
    let story = error.to_string();
    let is_described = |process: &str| story.contains(&format!("\n  {process}, pid "));
    assert_eq!(["a", "b", "c", "d"].map(is_described), [true, false, false, true], "{story}");
    Ok(())
}

#[test]
fn pl_15_a_failure_ends_everything_before_it_is_returned_and_nothing_more_is_started() -> Result<(), PlanError>
{
    let sim = Sim::new();
    sim.script("deaf", Script::new().ignores_term().leaves_behind(2));
    sim.script("slow", Script::new().unkillable(secs(0.5)));
    sim.script("bad", Script::fails(SpawnStep::Exec, libc::ENOEXEC));
    sim.script("never", Script::new());
    let mut plan = plan(&sim);
    plan.spawn_all(["deaf", "slow"])?;
    plan.spawn("bad")?;
    plan.spawn("never")?;
    fails(
        &sim,
        &plan,
        2,
        "cannot start bad: cannot execute bad: Exec format error (os error 8)",
        "0.0 spawn deaf#1
         0.0 spawn slow#2
         0.0 fail bad#3 cannot execute bad: Exec format error (os error 8)
         0.0 signal deaf#1 KILL
         0.0 signal slow#2 KILL
         0.0 exit deaf#1 signal KILL
         0.0 reap deaf#1
         0.5 exit slow#2 signal KILL
         0.5 reap slow#2",
    );
    Ok(())
}

#[test]
fn pl_15_survivors_of_kill_are_named() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("stuck", Script::new().unkillable(secs(3600.0)));
    let mut plan = plan(&sim);
    let stuck = plan.spawn("stuck")?;
    plan.wait(stuck, 0)?.within(secs(1.0))?;
    let error = sim.block_on(plan.run_async()).unwrap_err();
    std::fs::remove_dir_all(error.directory().unwrap()).unwrap();
    let survivors = error.survivors().expect("a survivor");
    assert_eq!(survivors.to_string(), "still not gone after KILL: stuck#1 (pid 101)");
    assert!(error.to_string().contains("\n  still not gone after KILL: stuck#1 (pid 101)\n"), "{error}");
    Ok(())
}

#[test]
fn pl_16_processes_left_after_the_last_step_are_named_and_killed() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("a", Script::new());
    sim.script("b", lives(1.0, 0));
    let mut plan = plan(&sim);
    plan.spawn("a")?;
    let b = plan.spawn("b")?;
    plan.spawn("a")?;
    plan.wait(b, 0)?;
    let error = fails(
        &sim,
        &plan,
        5,
        "the plan ended while a and a-1 were still running",
        "0.0 spawn a#1
         0.0 spawn b#2
         0.0 spawn a#3
         1.0 exit b#2 code 0
         1.0 reap b#2
         1.0 signal a#1 KILL
         1.0 signal a#3 KILL
         1.0 exit a#1 signal KILL
         1.0 reap a#1
         1.0 exit a#3 signal KILL
         1.0 reap a#3",
    );
    assert!(
        error.to_string().starts_with(
            "plan test failed after its last step, at 1.00s: the plan ended while a and a-1 were still running\n"
        ),
        "{error}"
    );
    Ok(())
}

#[test]
fn pl_17_descendants_are_killed_with_their_process_and_delay_nothing() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("parent", lives(1.0, 0).leaves_behind(2));
    sim.script("daemon", lives(1.0, 0).leaks_output(secs(1000.0)));
    let mut plan = plan(&sim);
    let parent = plan.spawn("parent")?;
    plan.wait(parent, 0)?;
    let daemon = plan.spawn("daemon")?;
    plan.wait(daemon, 0)?;
    passes(
        &sim,
        &plan,
        "0.0 spawn parent#1
         1.0 exit parent#1 code 0
         1.0 signal parent#1 KILL
         1.002 reap parent#1
         1.002 spawn daemon#2
         2.002 exit daemon#2 code 0
         2.202 reap daemon#2",
    );
    Ok(())
}

#[test]
fn pl_1_nothing_runs_before_the_first_poll_and_an_empty_plan_passes() {
    let sim = Sim::new();
    sim.script("a", Script::new());
    let mut plan = plan(&sim);
    passes(&sim, &plan, "");
    plan.spawn(Spec::new("a")).unwrap();
    drop(plan.run_async());
    assert_eq!(sim.trace(), "");
}
