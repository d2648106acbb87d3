//! The whole text of errors.

use std::fs;
use std::time::Duration;

use childminder::{Condition, Plan, Signal, Spec};
use futures_lite::future::block_on;
use regex::Regex;

use super::harness::{fails, plan, sh, short_kill_time, sleeper};
use crate::support::Scratch;

/// Asserts the whole text, with `T` for times, `N` for process ids, and `DIRECTORY` for the directory.
#[track_caller]
fn assert_report(plan: &Plan, expected: &str) {
    let failed = block_on(fails(plan));
    let text = failed.to_string().replace(failed.directory().to_str().unwrap(), "DIRECTORY");
    let text = Regex::new(r"pid \d+").unwrap().replace_all(&text, "pid N").into_owned();
    let text = Regex::new(r" +\d+(\.\d+)?(ns|µs|ms|s)\b").unwrap().replace_all(&text, " T").into_owned();
    let text = text.replace("/usr/bin/", "/bin/");
    assert_eq!(text, expected.trim_start_matches('\n').trim_end(), "{}", *failed);
    assert_eq!(format!("{:?}", *failed), failed.to_string(), "what a test shows that ends with it");
}

#[test]
fn pl_10_an_unexpected_exit() {
    let mut plan = plan("shop");
    let server = sh("echo open; read _; echo closing; echo out of stock >&2; exit 3");
    let server = plan.spawn_as("server", server).unwrap();
    plan.wait_for_output(server, "open").unwrap();
    let client = plan.spawn_as("client", sleeper()).unwrap();
    plan.send_input(server, "buy\n").unwrap();
    plan.wait(client, 0).unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    assert_report(
        &plan,
        r#"
plan shop failed at step 5 after T: server ended with code 3, and this step does not expect it to end
     1 T  spawn server: /bin/sh -c 'echo open; read _; echo closing; echo out of stock >&2; exit 3'
     2 T  wait for server: output "open"
     3 T  spawn client: /bin/sleep 1000
     4 T  send server: "buy\n"
  >  5 T  wait for client: code 0
     6          kill server with TERM: signal TERM
  server, pid N: started at T, ended with code 3 at T
  server.stdout ends with:
    open
    closing
  server.stderr ends with:
    out of stock
  logs, journal and timeline.svg: DIRECTORY
"#,
    );
}

#[test]
fn pl_14_an_escalation() {
    let mut plan = plan("shop");
    let server = sh("trap '' TERM; echo deaf; exec sleep 1000").policy(short_kill_time());
    let server = plan.spawn_as("server", server).unwrap();
    plan.wait_for_output(server, "deaf").unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    assert_report(
        &plan,
        r#"
plan shop failed at step 3 after T: server ended with signal KILL instead of signal TERM: it was sent KILL T after the stop signal
     1 T  spawn server: /bin/sh -c 'trap '\'''\'' TERM; echo deaf; exec sleep 1000'
     2 T  wait for server: output "deaf"
  >  3 T  kill server with TERM: signal TERM
  server, pid N: started at T, TERM at T, KILL at T, ended with signal KILL at T
  server.stdout ends with:
    deaf
  logs, journal and timeline.svg: DIRECTORY
"#,
    );
}

#[test]
fn pl_14_a_timeout_with_the_state_of_the_condition() {
    let mut plan = plan("shop");
    let server = plan.spawn_as("server", sh("echo half; exec sleep 1000")).unwrap();
    let condition = Condition::all([Condition::output("half"), Condition::output("whole")]);
    plan.wait_until(server, condition).unwrap().within(Duration::from_millis(200)).unwrap();
    assert_report(
        &plan,
        r#"
plan shop failed at step 2 after T: timed out after T while waiting for server
     1 T  spawn server: /bin/sh -c 'echo half; exec sleep 1000'
  >  2 T  wait until server: output "half" and output "whole", within T
  output "half": met after T
  output "whole": missing after T
  server, pid N: started at T, still running
  server.stdout ends with:
    half
  logs, journal and timeline.svg: DIRECTORY
"#,
    );
}

#[test]
fn pl_19_a_panic() {
    let mut plan = plan("shop");
    plan.spawn_as("server", sleeper()).unwrap();
    plan.call("count the plates", || assert_eq!(2 + 2, 5, "a plate is missing"));
    assert_report(
        &plan,
        r#"
plan shop failed at step 2 after T: the call panicked: assertion `left == right` failed: a plate is missing
        left: 4
       right: 5
     1 T  spawn server: /bin/sleep 1000
  >  2 T  call count the plates
  logs, journal and timeline.svg: DIRECTORY
"#,
    );
}

/// More processes than fit on a screen: the report describes the first ones, and gives the number of the
/// others.
#[test]
fn pl_16_processes_still_running() {
    let mut plan = plan("shop");
    plan.spawn_all([["/bin/sleep", "1000"]; 10]).unwrap();
    assert_report(
        &plan,
        r#"
plan shop failed after its last step, at T: the plan ended while sleep, sleep-1, sleep-2, sleep-3, sleep-4, sleep-5, sleep-6, sleep-7, sleep-8 and sleep-9 were still running
     1 T  spawn all: sleep: /bin/sleep 1000; sleep-1: /bin/sleep 1000; sleep-2: /bin/sleep 1000; sleep-3: /bin/sleep 1000; sleep-4…
  sleep, pid N: started at T, still running; it printed nothing
  sleep-1, pid N: started at T, still running; it printed nothing
  sleep-2, pid N: started at T, still running; it printed nothing
  sleep-3, pid N: started at T, still running; it printed nothing
  sleep-4, pid N: started at T, still running; it printed nothing
  sleep-5, pid N: started at T, still running; it printed nothing
  sleep-6, pid N: started at T, still running; it printed nothing
  sleep-7, pid N: started at T, still running; it printed nothing
  … and 2 more
  logs, journal and timeline.svg: DIRECTORY
"#,
    );
}

/// The program existed when the plan was built.
#[test]
fn pl_3_a_deleted_program() {
    let scratch = Scratch::new();
    let program = scratch.path().join("tool");
    fs::copy("/bin/true", &program).unwrap();
    let mut plan = plan("shop");
    let tool = plan.spawn(Spec::new(&program)).unwrap();
    plan.wait(tool, 0).unwrap();
    fs::remove_file(&program).unwrap();
    let program = program.display();
    assert_report(
        &plan,
        &format!(
            "
plan shop failed at step 1 after T: cannot start tool: cannot find the program {program}: No such file or directory (os error 2)
  >  1 T  spawn tool: {program}
     2          wait for tool: code 0
  logs, journal and timeline.svg: DIRECTORY
"
        ),
    );
}
