//! Kills.

use childminder::plan::PlanErrorKind;
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Plan, PlanError, Policy, Signal, Spec};

use super::{fails, passes, plan, secs};

/// Returns a plan that starts `deaf` and kills it.
fn killing(sim: &Sim, spec: impl Into<Spec>, signal: Signal) -> Result<Plan, PlanError> {
    let mut plan = plan(sim);
    let deaf = plan.spawn(spec)?;
    plan.kill_with(deaf, signal, signal)?;
    Ok(plan)
}

#[test]
fn pl_14_a_kill_escalates_after_five_seconds_and_reports_it() {
    let sim = Sim::new();
    sim.script("deaf", Script::new().ignores_term());
    let plan = killing(&sim, "deaf", Signal::TERM).unwrap();
    let error = fails(
        &sim,
        &plan,
        2,
        "deaf ended with signal KILL instead of signal TERM: it was sent KILL 5s after the stop signal",
        "0.0 spawn deaf#1
         0.0 signal deaf#1 TERM
         0.0 signal deaf#1 CONT
         5.0 signal deaf#1 KILL
         5.0 exit deaf#1 signal KILL
         5.0 reap deaf#1",
    );
    let PlanErrorKind::UnexpectedStatus { killed_after, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(*killed_after, Some(secs(5.0)));
}

#[test]
fn pl_14_with_a_kill_time_of_its_own_and_another_signal() {
    let sim = Sim::new();
    sim.script("deaf", Script::new().ignores_term());
    let policy = Policy { kill_time: secs(0.25), ..Policy::default() };
    let plan = killing(&sim, Spec::new("deaf").policy(policy), Signal::INT).unwrap();
    fails(
        &sim,
        &plan,
        2,
        "deaf ended with signal KILL instead of signal INT: it was sent KILL 250ms after the stop signal",
        "0.0 spawn deaf#1
         0.0 signal deaf#1 INT
         0.0 signal deaf#1 CONT
         0.25 signal deaf#1 KILL
         0.25 exit deaf#1 signal KILL
         0.25 reap deaf#1",
    );
}

#[test]
fn pl_12_a_process_that_handles_the_signal_late_and_ends_with_a_code() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("server", Script::new().exits_after_term(secs(5.0)).exits_on_term(Exit::Code(0)));
    let mut plan = plan(&sim);
    let server = plan.spawn("server")?;
    plan.kill(server, 0)?;
    // It ends by itself exactly at the kill time.
    passes(
        &sim,
        &plan,
        "0.0 spawn server#1
         0.0 signal server#1 TERM
         0.0 signal server#1 CONT
         5.0 exit server#1 code 0
         5.0 reap server#1",
    );
    Ok(())
}

#[test]
fn pl_14_a_kill_that_exceeds_the_timeout_of_its_step() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("deaf", Script::new().ignores_term());
    let mut plan = plan(&sim);
    let deaf = plan.spawn("deaf")?;
    plan.kill(deaf, Signal::TERM)?.within(secs(2.0))?;
    fails(
        &sim,
        &plan,
        2,
        "timed out after 2s while waiting for deaf",
        "0.0 spawn deaf#1
         0.0 signal deaf#1 TERM
         0.0 signal deaf#1 CONT
         2.0 signal deaf#1 KILL
         2.0 exit deaf#1 signal KILL
         2.0 reap deaf#1",
    );
    Ok(())
}

#[test]
fn pl_12_descendants_get_the_kill_time_and_the_kill_succeeds() {
    let sim = Sim::new();
    sim.script("deaf", Script::new().leaves_behind(1));
    let plan = killing(&sim, "deaf", Signal::TERM).unwrap();
    passes(
        &sim,
        &plan,
        "0.0 spawn deaf#1
         0.0 signal deaf#1 TERM
         0.0 signal deaf#1 CONT
         0.0 exit deaf#1 signal TERM
         5.0 signal deaf#1 KILL
         5.002 reap deaf#1",
    );
}

#[test]
fn a_kill_uses_the_stop_signal_of_the_spec() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("a", Script::new().ignores_term().exits_on_term(Exit::Code(0)));
    let mut plan = plan(&sim);
    let a = plan.spawn(Spec::new("a").stop_signal(Signal::QUIT))?;
    let _ = plan.kill(a, Signal::KILL)?;
    assert_eq!(plan.ops()[1], "kill a with QUIT: signal KILL");
    passes(
        &sim,
        &plan,
        "0.0 spawn a#1
         0.0 signal a#1 QUIT
         0.0 signal a#1 CONT
         5.0 signal a#1 KILL
         5.0 exit a#1 signal KILL
         5.0 reap a#1",
    );
    Ok(())
}
