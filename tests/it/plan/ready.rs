//! Steps that wait for output, or until a process is ready.

use std::time::Duration;

use childminder::machine::Stream;
use childminder::plan::PlanErrorKind;
use childminder::ready::{ConditionState, OutputMatch};
use childminder::{Condition, Port, Signal, Spec};

use super::harness::{fails, passes, plan, sh, sleeper};
use crate::real::every_runtime;
use crate::support::{Scratch, required};

const SHORT: Duration = Duration::from_millis(300);

every_runtime!(
    one_after_the_other,
    each_search_begins_behind_the_previous_match,
    on_one_stream_and_by_expression,
    output_that_comes_with_the_exit,
    pl_10_output_that_does_not_come_before_the_exit,
    until_a_port_answers,
    until_it_has_notified,
    until_a_command_succeeds,
    a_condition_met_before_the_step_counts,
    pl_14_a_timeout_reports_the_state_of_the_condition,
    pl_10_an_exit_before_it_is_ready,
);

async fn one_after_the_other() {
    let mut plan = plan("expect");
    let process = plan.spawn(sh("printf 'one two'; echo; echo one; exec sleep 1000")).unwrap();
    for word in ["one", "two", "one"] {
        plan.wait_for_output(process, word).unwrap();
    }
    plan.kill(process, Signal::TERM).unwrap();
    passes(&plan).await;
}

async fn each_search_begins_behind_the_previous_match() {
    let mut plan = plan("behind");
    let process = plan.spawn(sh("echo two; echo one; echo up; exec sleep 1000")).unwrap();
    plan.wait_for_output(process, "one").unwrap();
    plan.wait_for_output(process, "two").unwrap().within(SHORT).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "timed out after 300ms while waiting for sh");
    assert_eq!(failed.step(), Some(3));
}

async fn on_one_stream_and_by_expression() {
    let mut plan = plan("streams");
    let process = plan.spawn(sh("echo port 1; echo port 4242 >&2; read _; echo bye")).unwrap();
    plan.wait_for_output(process, OutputMatch::regex(r"port (\d{4})").on(Stream::Stderr)).unwrap();
    plan.close_input(process).unwrap();
    plan.wait_for_output(process, OutputMatch::text("bye").on(Stream::Stdout)).unwrap();
    plan.wait(process, 0).unwrap();
    passes(&plan).await;
}

async fn output_that_comes_with_the_exit() {
    for _ in 0..20 {
        let mut plan = plan("last-words");
        let process = plan.spawn(sh("printf 'last words'; exit 6")).unwrap();
        plan.wait_for_output(process, "last words").unwrap();
        plan.wait(process, 6).unwrap();
        passes(&plan).await;
    }
}

async fn pl_10_output_that_does_not_come_before_the_exit() {
    let mut plan = plan("silent");
    let process = plan.spawn(sh("echo something else; exit 6")).unwrap();
    plan.wait_for_output(process, "last words").unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "sh ended with code 6, and this step does not expect it to end");
    assert_eq!(failed.tails()[0].lines, ["something else"]);
}

async fn until_a_port_answers() {
    if required("plan::ready::until_a_port_answers", "python3").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let number = port.number();
    let mut plan = plan("port");
    let server =
        Spec::new("python3").args(["-m", "http.server", "--bind", "127.0.0.1"]).arg(number.to_string());
    let server = plan.spawn_as("server", server).unwrap();
    plan.wait_until(server, Condition::port(number)).unwrap();
    plan.wait_until(server, Condition::http(number, "/")).unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    port.release();
    passes(&plan).await;
}

async fn until_it_has_notified() {
    const SERVER: &str = "
import os, socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect(os.environ['NOTIFY_SOCKET'])
    manager.send(b'READY=1')
time.sleep(1000)
";
    if required("plan::ready::until_it_has_notified", "python3").is_none() {
        return;
    }
    let mut plan = plan("notify");
    let server = plan.spawn(["python3", "-c", SERVER]).unwrap();
    plan.wait_until(server, Condition::sd_notify()).unwrap();
    let other = plan.spawn(sh("echo >&5; exec sleep 1000")).unwrap();
    plan.wait_until(other, Condition::notify(5)).unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    plan.kill(other, Signal::TERM).unwrap();
    passes(&plan).await;
    // Each start has its own pipe and socket.
    passes(&plan).await;
}

async fn until_a_command_succeeds() {
    let scratch = Scratch::new();
    let file = scratch.path().join("up");
    let mut plan = plan("command");
    let server = plan.spawn(sh(&format!("sleep 0.2; touch {}; exec sleep 1000", file.display()))).unwrap();
    plan.wait_until(server, Condition::command(Spec::new("test").arg("-e").arg(&file))).unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    passes(&plan).await;
}

async fn a_condition_met_before_the_step_counts() {
    let mut plan = plan("before");
    let server = plan.spawn(sh("echo up; read _; echo down; exec sleep 1000")).unwrap();
    plan.wait_for_output(server, "up").unwrap();
    plan.send_input(server, "go on\n").unwrap();
    plan.wait_for_output(server, "down").unwrap();
    plan.wait_until(
        server,
        Condition::all([Condition::output("up"), Condition::uptime(Duration::from_millis(1))]),
    )
    .unwrap();
    plan.wait_until(server, Condition::output("down")).unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    passes(&plan).await;
}

async fn pl_14_a_timeout_reports_the_state_of_the_condition() {
    let mut plan = plan("far");
    let server = plan.spawn(sh("echo half; exec sleep 1000")).unwrap();
    let condition = Condition::all([Condition::output("half"), Condition::output("whole")]);
    plan.wait_until(server, condition).unwrap().within(SHORT).unwrap();
    let failed = fails(&plan).await;
    let PlanErrorKind::TimedOut { progress, .. } = failed.kind() else { panic!("{}", *failed) };
    let how_far: Vec<_> = progress.iter().map(|part| (part.what.as_str(), part.is_met())).collect();
    assert_eq!(how_far, [("output \"half\"", true), ("output \"whole\"", false)]);
    assert!(matches!(progress[1].state, ConditionState::Missing { after } if after >= SHORT));
}

async fn pl_10_an_exit_before_it_is_ready() {
    let mut plan = plan("not-ready");
    let server = plan.spawn_as("server", sh("echo half; exit 3")).unwrap();
    plan.spawn(sleeper()).unwrap();
    plan.wait_until(server, Condition::output("whole")).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "server ended with code 3, and this step does not expect it to end");
}
