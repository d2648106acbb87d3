//! The test process ends in the middle of a plan: no process outlives it, and its logs are complete.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus};
use std::thread;

use rustix::process::Signal;

use super::harness::{plan, sh};
use crate::support::{DoomedProcess, Scratch};

/// Leads a group, and has a daemon in a session of its own whose parents have ended.
const FAMILY: &str = "echo begun; sleep 1000 & setsid sh -c 'setsid sleep 1000 & exit'; echo ready; wait";

/// Returns a process in the middle of a plan, which calls `end` when it reads a line, and the directory of
/// its logs.
fn in_the_middle(name: &str, end: fn()) -> (DoomedProcess, Scratch) {
    let mut logs = None;
    let prepare = |command: &mut Command| {
        let logs = logs.insert(Scratch::new());
        command.env("CHILDMINDER_PLAN_DIR", logs.path());
    };
    let mut doomed = DoomedProcess::prepared(name, prepare, |say| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = thread::spawn(move || {
            let mut plan = plan("killed");
            let family = plan.spawn_as("family", sh(FAMILY)).unwrap();
            plan.wait_for_output(family, "ready").unwrap();
            plan.call("notify the test", move || sender.send(()));
            plan.call("wait for the test", move || {
                std::io::stdin().read_line(&mut String::new()).unwrap();
                end();
            });
            plan.wait(family, 0).unwrap();
            plan.run()
        });
        receiver.recv().unwrap();
        say("ready");
        run.join().unwrap().unwrap();
    });
    assert_eq!(doomed.line(), "ready");
    (doomed, logs.expect("prepared before the process was started"))
}

fn assert_log(logs: &Scratch) {
    let only_entry = |directory: &Path| {
        let mut entries = fs::read_dir(directory).unwrap();
        let first = entries.next().expect("a directory").unwrap().path();
        assert!(entries.next().is_none());
        first
    };
    let log = only_entry(logs.path()).join("family.stdout");
    assert_eq!(fs::read_to_string(log).unwrap(), "begun\nready\n");
}

fn killed_by(name: &str, signal: Signal) {
    let (doomed, logs) = in_the_middle(name, || {});
    doomed.kill_and_wait(signal);
    assert_log(&logs);
}

#[test]
fn pl_15_no_process_outlives_a_test_that_gets_int() {
    killed_by("plan::killed::pl_15_no_process_outlives_a_test_that_gets_int", Signal::INT);
}

#[test]
fn pl_15_no_process_outlives_a_test_that_gets_term() {
    killed_by("plan::killed::pl_15_no_process_outlives_a_test_that_gets_term", Signal::TERM);
}

#[test]
fn pl_15_no_process_outlives_a_test_that_gets_kill() {
    killed_by("plan::killed::pl_15_no_process_outlives_a_test_that_gets_kill", Signal::KILL);
}

fn ends(name: &str, end: fn()) -> ExitStatus {
    let (doomed, logs) = in_the_middle(name, end);
    doomed.go_on();
    let (status, _) = doomed.wait_for_the_end();
    assert_log(&logs);
    status
}

#[test]
fn pl_19_no_process_outlives_a_call_that_exits() {
    let status = ends("plan::killed::pl_19_no_process_outlives_a_call_that_exits", || process::exit(7));
    assert_eq!(status.code(), Some(7), "{status}");
}

#[test]
fn pl_19_no_process_outlives_a_call_that_aborts() {
    let status = ends("plan::killed::pl_19_no_process_outlives_a_call_that_aborts", || process::abort());
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}");
}
