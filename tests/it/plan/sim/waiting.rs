//! Waiting for output and for readiness.

use childminder::host::ProbeTarget;
use childminder::machine::Stream;
use childminder::ready::OutputMatch;
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Exit, Plan, PlanError, Signal};

use super::{fails, lives, passes, plan, secs};

#[test]
fn each_wait_for_output_searches_behind_the_previous_match() -> Result<(), PlanError> {
    let sim = Sim::new();
    let script = Script::new()
        .prints(secs(1.0), Stream::Stdout, "tick ti")
        .prints(secs(2.0), Stream::Stdout, "ck\n")
        .prints(secs(3.0), Stream::Stderr, "tick\n")
        .prints(secs(4.0), Stream::Stdout, "tock\n");
    sim.script("clock", script);
    let mut plan = plan(&sim);
    let clock = plan.spawn("clock")?;
    plan.wait_for_output(clock, "tick")?;
    plan.wait_for_output(clock, "tick")?;
    plan.wait_for_output(clock, OutputMatch::text("tick").on(Stream::Stderr))?;
    plan.wait_for_output(clock, OutputMatch::regex("^tock$"))?;
    plan.kill(clock, Signal::TERM)?;
    let report = passes(
        &sim,
        &plan,
        "0.0 spawn clock#1
         4.0 signal clock#1 TERM
         4.0 signal clock#1 CONT
         4.0 exit clock#1 signal TERM
         4.0 reap clock#1",
    );
    assert_eq!(ends(&report), [0.0, 1.0, 2.0, 3.0, 4.0, 4.0]);
    Ok(())
}

/// Returns the times at which the steps ended.
fn ends(report: &childminder::plan::Report) -> Vec<f64> {
    let ended = |entry: &childminder::plan::JournalEntry| {
        matches!(entry.event, childminder::plan::JournalEvent::StepEnded { .. })
            .then_some(entry.at.as_secs_f64())
    };
    report.journal().entries().iter().filter_map(ended).collect()
}

#[test]
fn output_from_before_the_step_counts_and_is_found_once() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("echo", Script::new().prints(secs(0.0), Stream::Stdout, "hello\nhello\n"));
    sim.script("pause", lives(5.0, 0));
    let mut plan = plan(&sim);
    let echo = plan.spawn("echo")?;
    let pause = plan.spawn("pause")?;
    plan.wait(pause, 0)?;
    plan.wait_for_output(echo, "hello")?;
    plan.wait_for_output(echo, "hello")?;
    plan.wait_for_output(echo, "hello")?.within(secs(2.0))?;
    let error = fails(
        &sim,
        &plan,
        6,
        "timed out after 2s while waiting for echo",
        "0.0 spawn echo#1
         0.0 spawn pause#2
         5.0 exit pause#2 code 0
         5.0 reap pause#2
         7.0 signal echo#1 KILL
         7.0 exit echo#1 signal KILL
         7.0 reap echo#1",
    );
    assert!(error.to_string().contains("\n    hello\n    hello\n"), "{error}");
    Ok(())
}

/// Starts a program, and waits for its last output and its end, with or without another start in between.
fn last_words(sim: &Sim, in_between: bool) -> Result<Plan, PlanError> {
    let mut plan = plan(sim);
    let echo = plan.spawn("echo")?;
    let other = if in_between { Some(plan.spawn("other")?) } else { None };
    plan.wait_for_output(echo, "hello")?;
    plan.wait(echo, 0)?;
    if let Some(other) = other {
        plan.kill(other, Signal::TERM)?;
    }
    Ok(plan)
}

#[test]
fn pl_10_the_output_of_a_process_that_ends_at_once_is_found() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("echo", Script::new().prints(secs(0.0), Stream::Stdout, "hello\n").exits(Exit::Code(0)));
    sim.script("other", Script::new());
    passes(
        &sim,
        &last_words(&sim, false)?,
        "0.0 spawn echo#1
         0.0 exit echo#1 code 0
         0.0 reap echo#1",
    );
    passes(
        &sim,
        &last_words(&sim, true)?,
        "0.0 spawn echo#2
         0.0 spawn other#3
         0.0 exit echo#2 code 0
         0.0 reap echo#2
         0.0 signal other#3 TERM
         0.0 signal other#3 CONT
         0.0 exit other#3 signal TERM
         0.0 reap other#3",
    );
    Ok(())
}

#[test]
fn pl_10_an_end_without_the_awaited_output_is_unexpected() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("echo", lives(1.0, 0).prints(secs(0.5), Stream::Stdout, "goodbye\n"));
    let error = fails(
        &sim,
        &last_words(&sim, false)?,
        2,
        "echo ended with code 0, and this step does not expect it to end",
        "0.0 spawn echo#1
         1.0 exit echo#1 code 0
         1.0 reap echo#1",
    );
    assert!(error.to_string().contains("\n    goodbye\n"), "{error}");
    Ok(())
}

#[test]
fn a_port_condition_requires_the_process_itself() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("web", Script::new().serves(secs(0.3), ProbeTarget::Port(80)));
    let mut plan = plan(&sim);
    let web = plan.spawn("web")?;
    plan.wait_until(web, Condition::port(80))?;
    plan.wait_until(web, Condition::uptime(secs(2.0)))?;
    plan.kill(web, Signal::TERM)?;
    let report = sim.block_on(plan.run_async())?;
    let ends = ends(&report);
    assert!((0.3..0.35).contains(&ends[1]), "{ends:?}");
    assert_eq!((ends[0], ends[2], ends[3]), (0.0, 2.0, 2.0));
    let trace = sim.trace();
    assert!(trace.contains(" probe port 80\n"), "{trace}");
    assert!(
        trace.ends_with(
            "2.0 signal web#1 TERM\n2.0 signal web#1 CONT\n2.0 exit web#1 signal TERM\n2.0 reap web#1\n"
        ),
        "{trace}"
    );
    Ok(())
}

#[test]
fn pl_14_the_timeout_of_a_condition_reports_its_state() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("web", Script::new().prints(secs(1.0), Stream::Stdout, "listening\n"));
    let mut plan = plan(&sim);
    let web = plan.spawn("web")?;
    let ready = Condition::all([Condition::output("listening"), Condition::output("ready")]);
    plan.wait_until(web, ready)?.within(secs(3.0))?;
    let error = fails(
        &sim,
        &plan,
        2,
        "timed out after 3s while waiting for web",
        "0.0 spawn web#1
         3.0 signal web#1 KILL
         3.0 exit web#1 signal KILL
         3.0 reap web#1",
    );
    let story = error.to_string();
    let progress: Vec<&str> = story.lines().filter(|line| line.starts_with("  output")).collect();
    assert_eq!(
        progress,
        ["  output \"listening\": met after 1.0s", "  output \"ready\": missing after 3.0s"]
    );
    Ok(())
}

#[test]
fn pl_10_an_end_before_readiness_is_unexpected() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("web", lives(1.0, 3));
    let mut plan = plan(&sim);
    let web = plan.spawn("web")?;
    plan.wait_until(web, Condition::output("ready"))?;
    plan.kill(web, Signal::TERM)?;
    fails(
        &sim,
        &plan,
        2,
        "web ended with code 3, and this step does not expect it to end",
        "0.0 spawn web#1
         1.0 exit web#1 code 3
         1.0 reap web#1",
    );
    Ok(())
}
