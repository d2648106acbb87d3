//! Whole runs of plans in a simulated world, in virtual time.

mod ends;
mod killing;
mod waiting;
mod work;

use std::fs;
use std::time::Duration;

use childminder::plan::Report;
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Plan, PlanError};

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A process that lives for this time, and ends with this code.
fn lives(seconds: f64, code: i32) -> Script {
    Script::new().lives(secs(seconds)).exits(Exit::Code(code))
}

/// Returns a plan in this world.
fn plan(sim: &Sim) -> Plan {
    Plan::on(sim.clone(), "test").unwrap()
}

/// Runs a plan that passes, and compares the trace of the world.
#[track_caller]
fn passes(sim: &Sim, plan: &Plan, story: &str) -> Report {
    let report = sim.block_on(plan.run_async()).unwrap();
    assert!(report.directory().is_none_or(|directory| !directory.exists()));
    expect(sim, story);
    report
}

/// Runs a plan that fails at this step, counted from 1, and compares the trace of the world.
#[track_caller]
fn fails(sim: &Sim, plan: &Plan, step: usize, problem: &str, story: &str) -> PlanError {
    let error = sim.block_on(plan.run_async()).expect_err("the plan fails");
    if let Some(directory) = error.directory() {
        fs::remove_dir_all(directory).unwrap();
    }
    assert_eq!((error.step(), error.kind().to_string()), (Some(step), problem.to_owned()), "{error}");
    expect(sim, story);
    error
}

/// Compares the trace since the last call, and checks that no process is left.
#[track_caller]
fn expect(sim: &Sim, story: &str) {
    let trace = sim.trace();
    sim.clear_trace();
    let expected: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(trace.lines().collect::<Vec<_>>(), expected, "what happened is on the left");
    assert_eq!(sim.live(), 0);
}
