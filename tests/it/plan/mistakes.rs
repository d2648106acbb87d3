//! Errors found while a plan is built, with the number and the text of the step.

use std::fs;
use std::time::Duration;

use childminder::machine::SpawnStep;
use childminder::plan::{PlanErrorKind, ProcessRef};
use childminder::ready::OutputMatch;
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Exit, Plan, PlanError, Signal, Spec, Stdin};

use crate::support::Scratch;

/// Returns a plan with the processes `a` and `b`.
fn plan() -> (Plan, ProcessRef, ProcessRef) {
    let sim = Sim::new();
    sim.script("a", Script::new());
    sim.script("b", Script::new());
    let mut plan = Plan::on(sim, "test").unwrap();
    let [a, b] = plan.spawn_all(["a", "b"]).unwrap();
    (plan, a, b)
}

/// Asserts the whole report of a step that is rejected.
#[track_caller]
fn refused<T: std::fmt::Debug>(step: Result<T, PlanError>, story: &str) {
    let error = step.expect_err("the step is rejected");
    assert_eq!(error.to_string(), story);
    assert_eq!(format!("{error:?}"), story);
    assert!(error.directory().is_none() && error.journal().entries().is_empty(), "nothing has run");
    assert_eq!(error.step().map(|step| step <= error.steps().len()), error.step().map(|_| true));
}

#[test]
fn pl_18_waiting_twice_for_the_end_of_one_process() {
    let (mut plan, a, b) = plan();
    plan.wait(a, 0).unwrap();
    let before = plan.to_string();
    refused(
        plan.wait(a, 1),
        "plan test is invalid at step 3: step 2 already waits for the end of a
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  wait for a: code 1",
    );
    refused(
        plan.kill(a, Signal::TERM),
        "plan test is invalid at step 3: step 2 already waits for the end of a
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  kill a with TERM: signal TERM",
    );
    refused(
        plan.wait_all([(b, 0), (a, 0)]),
        "plan test is invalid at step 3: step 2 already waits for the end of a
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  wait for all: b: code 0; a: code 0",
    );
    refused(
        plan.wait_for_output(a, "x"),
        "plan test is invalid at step 3: step 2 already waits for the end of a
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  wait for a: output \"x\"",
    );
    refused(
        plan.wait_until(a, Condition::port(80)),
        "plan test is invalid at step 3: step 2 already waits for the end of a
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  wait until a: port 80",
    );
    refused(
        plan.send_input(a, "x\n"),
        "plan test is invalid at step 3: step 2 already waits for the end of a
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  send a: \"x\\n\"",
    );
    refused(
        plan.close_input(a),
        "plan test is invalid at step 3: step 2 already waits for the end of a
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  close the input of a",
    );
    assert_eq!(plan.to_string(), before, "what is refused is not recorded");
    plan.kill(b, Signal::TERM).unwrap();
}

#[test]
fn pl_18_waiting_for_a_process_of_another_plan() {
    let (mut plan, ..) = plan();
    let (_, a, _) = self::plan();
    let story = |text| {
        format!(
            "plan test is invalid at step 2: the process belongs to another plan
     1  spawn all: a: a; b: b
  >  2  {text}"
        )
    };
    refused(plan.wait(a, 0), &story("wait for a process of another plan"));
    refused(plan.kill(a, 0), &story("kill a process of another plan"));
    refused(plan.wait_for_output(a, "x"), &story("wait for a process of another plan: output \"x\""));
    refused(
        plan.wait_until(a, Condition::sd_notify()),
        &story("wait until a process of another plan: notification READY=1"),
    );
    refused(plan.send_input(a, "x"), &story("send a process of another plan: \"x\""));
    refused(plan.close_input(a), &story("close the input of a process of another plan"));
}

#[test]
fn a_wait_for_no_process_or_for_one_twice() {
    let (mut plan, a, b) = plan();
    refused(
        plan.wait_all([(a, Exit::any()), (b, Exit::any()), (a, Exit::any())]),
        "plan test is invalid at step 2: a is listed twice
     1  spawn all: a: a; b: b
  >  2  wait for all: a: any exit status; b: any exit status; a: any exit status",
    );
    refused(
        plan.wait_all(Vec::<(ProcessRef, i32)>::new()),
        "plan test is invalid at step 2: the step lists no process
     1  spawn all: a: a; b: b
  >  2  wait for all: no process",
    );
    refused(
        plan.spawn_all::<&str, 0>([]),
        "plan test is invalid at step 2: the step lists no process
     1  spawn all: a: a; b: b
  >  2  spawn all: no process",
    );
}

#[test]
fn pl_4_an_invalid_command() {
    let (mut plan, ..) = plan();
    refused(
        plan.spawn(""),
        "plan test is invalid at step 2: program is empty
     1  spawn all: a: a; b: b
  >  2  spawn ''",
    );
    refused(
        plan.spawn([""; 0]),
        "plan test is invalid at step 2: program is empty
     1  spawn all: a: a; b: b
  >  2  spawn ''",
    );
    refused(
        plan.spawn(["a", "x\0"]),
        "plan test is invalid at step 2: args has a NUL byte in it: \"x\\0\"
     1  spawn all: a: a; b: b
  >  2  spawn a $'x\\x00'",
    );
    refused(
        plan.spawn_all(["a", ""]),
        "plan test is invalid at step 2: program is empty
     1  spawn all: a: a; b: b
  >  2  spawn all: a; ''",
    );
    // No part of the rejected step is recorded.
    plan.spawn("a").unwrap();
    assert_eq!(plan.ops()[1], "spawn a-1: a");
}

#[test]
fn pl_3_a_missing_or_unexecutable_program() {
    let scratch = Scratch::new();
    let path = scratch.path().display().to_string();
    fs::create_dir(scratch.path().join("directory")).unwrap();
    fs::write(scratch.path().join("text"), "no program").unwrap();
    let spec = |program: &str| Spec::new(program).env("PATH", &path);
    for (spec, reason) in [
        (
            spec("missing"),
            format!(
                "cannot find the program missing (not in PATH={path}): No such file or directory (os error 2)"
            ),
        ),
        (
            spec("directory"),
            format!("cannot execute {path}/directory (is a directory): Permission denied (os error 13)"),
        ),
        (
            spec(&format!("{path}/directory")),
            format!("cannot execute {path}/directory (is a directory): Permission denied (os error 13)"),
        ),
        (
            spec("text"),
            format!(
                "cannot execute {path}/text (not executable by this user): Permission denied (os error 13)"
            ),
        ),
        (
            spec(&format!("{path}/missing")),
            format!("cannot find the program {path}/missing: No such file or directory (os error 2)"),
        ),
        (
            spec("sh").cwd(scratch.path().join("nowhere")),
            format!(
                "cannot enter the working directory {path}/nowhere: No such file or directory (os error 2)"
            ),
        ),
    ] {
        let mut plan = Plan::new("test").unwrap();
        plan.call("x", || ());
        let error = plan.spawn(spec.clone()).expect_err("the step is rejected");
        let PlanErrorKind::CommandNotFound(_) = error.kind() else { panic!("{error}") };
        assert_eq!(error.kind().to_string(), reason);
        assert_eq!((error.step(), &error.steps()[1]), (Some(2), &format!("spawn {spec}")));
        refused(
            plan.spawn_as("x", spec.clone()),
            &format!("plan test is invalid at step 2: {reason}\n     1  call x\n  >  2  spawn x: {spec}"),
        );
        assert_eq!(plan.ops(), ["call x"]);
    }
}

#[test]
fn pl_3_on_another_host_the_program_is_looked_up_there() {
    let (mut plan, ..) = plan();
    let error = plan.spawn(["sh", "-c", "true"]).expect_err("there is no sh in it");
    let PlanErrorKind::CommandNotFound(error) = error.kind() else { panic!("{error}") };
    assert_eq!((error.step(), error.subject()), (SpawnStep::Find, "sh"));
}

#[test]
fn an_invalid_or_taken_name() {
    let (mut plan, ..) = plan();
    refused(
        plan.spawn_as("a/b", "a"),
        "plan test is invalid at step 2: the name \"a/b\" has '/' in it; letters, digits and any of . _ @ : - are allowed
     1  spawn all: a: a; b: b
  >  2  spawn a/b: a",
    );
    refused(
        plan.spawn_as("b", "a"),
        "plan test is invalid at step 2: another process of the plan is named b
     1  spawn all: a: a; b: b
  >  2  spawn b: a",
    );
}

#[test]
fn pl_6_a_name_of_a_plan_with_a_slash() {
    for (name, problem) in [
        ("a/b", "the name \"a/b\" has '/' in it; letters, digits and any of . _ @ : - are allowed"),
        ("..", "the name \"..\" starts with '.'"),
        ("", "the name is empty"),
    ] {
        let error = Plan::on(Sim::new(), name).unwrap_err();
        assert_eq!(error.to_string(), format!("plan {name} is invalid: {problem}"));
        assert_eq!(error.step(), None);
    }
}

#[test]
fn pl_14_a_timeout_of_zero_or_of_more_than_a_hundred_years() {
    let (mut plan, a, b) = plan();
    refused(
        plan.wait(a, 0).unwrap().within(Duration::ZERO),
        "plan test is invalid at step 2: the timeout must not be zero
     1  spawn all: a: a; b: b
  >  2  wait for a: code 0",
    );
    refused(
        plan.wait(b, 0).unwrap().within(Duration::MAX),
        "plan test is invalid at step 3: the timeout of 18446744073709551615.999999999s is longer than a hundred years
     1  spawn all: a: a; b: b
     2  wait for a: code 0
  >  3  wait for b: code 0",
    );
    refused(
        plan.timeout(Duration::ZERO),
        "plan test is invalid: the timeout must not be zero
     1  spawn all: a: a; b: b
     2  wait for a: code 0
     3  wait for b: code 0",
    );
}

#[test]
fn input_for_a_process_with_another_or_a_closed_input() {
    let (mut plan, a, _) = plan();
    plan.send_input(a, "x").unwrap();
    plan.close_input(a).unwrap();
    let c = plan.spawn(Spec::new("a").stdin(Stdin::Inherit)).unwrap();
    let story = |problem, text| {
        format!(
            "plan test is invalid at step 5: {problem}
     1  spawn all: a: a; b: b
     2  send a: \"x\"
     3  close the input of a
     4  spawn a-1: a
  >  5  {text}"
        )
    };
    let closed = "step 3 already closes the standard input of a";
    refused(plan.send_input(a, "y"), &story(closed, "send a: \"y\""));
    refused(plan.close_input(a), &story(closed, "close the input of a"));
    let other = "cannot send input to a-1, because its spec sets its standard input";
    refused(plan.send_input(c, "y"), &story(other, "send a-1: \"y\""));
    refused(plan.close_input(c), &story(other, "close the input of a-1"));
}

#[test]
fn conditions_that_can_never_be_met() {
    let (mut plan, a, _) = plan();
    let story = |problem, text| {
        format!("plan test is invalid at step 2: {problem}\n     1  spawn all: a: a; b: b\n  >  2  {text}")
    };
    refused(
        plan.wait_for_output(a, ""),
        &story("the expected output must not be empty", "wait for a: output \"\""),
    );
    refused(
        plan.wait_for_output(a, OutputMatch::text("x").times(0)),
        &story("the expected output must be expected at least once", "wait for a: output \"x\""),
    );
    refused(plan.wait_until(a, Condition::port(0)), &story("the port must not be 0", "wait until a: port 0"));
    refused(
        plan.wait_until(a, Condition::unix("")),
        &story("the socket path must not be empty", "wait until a: socket "),
    );
    let error = plan.wait_until(a, Condition::any([])).unwrap_err();
    assert_eq!(error.kind().to_string(), "an `any` needs at least one condition");
    let error = plan.wait_for_output(a, OutputMatch::regex("(")).unwrap_err();
    assert!(
        error.kind().to_string().starts_with("the expected output is not a valid regular expression: "),
        "{error}"
    );
    // The rejected steps do not count: this is the first output that is waited for.
    plan.wait_for_output(a, "x").unwrap();
    assert_eq!(plan.ops()[1], "wait for a: output \"x\"");
}
