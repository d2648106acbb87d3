//! The process of the test comes to its end in the middle of a plan: nobody outlives it, and its logs are there.

use std::fs;
use std::path::Path;
use std::process::{self, Command, ExitStatus};
use std::thread;

use rustix::process::Signal;

use super::stage::{plan, sh};
use crate::support::{Scratch, Victim};

/// Leads a group, and has a daemon: a session of its own, and parents that are gone.
const FAMILY: &str =
    "echo begun; sleep 1000 & setsid sh -c 'setsid sleep 1000 & exit'; echo all are there; wait";

/// A victim in the middle of a plan, which may come to its end by itself, when it is told to go on; and where its logs are.
fn in_the_middle(name: &str, end: fn()) -> (Victim, Scratch) {
    let mut logs = None;
    let prepare = |command: &mut Command| {
        let logs = logs.insert(Scratch::new());
        command.env("CHILDMINDER_PLAN_DIR", logs.path());
    };
    let mut victim = Victim::prepared(name, prepare, |say| {
        let (said, all_are_there) = std::sync::mpsc::channel();
        let run = thread::spawn(move || {
            let mut plan = plan("killed");
            let family = plan.spawn_as("family", sh(FAMILY)).unwrap();
            plan.wait_for_output(family, "all are there").unwrap();
            plan.call("tell the test", move || said.send(()));
            plan.call("wait for it", move || {
                std::io::stdin().read_line(&mut String::new()).unwrap();
                end();
            });
            plan.wait(family, 0).unwrap();
            plan.run()
        });
        all_are_there.recv().unwrap();
        say("all are there");
        run.join().unwrap().unwrap();
    });
    assert_eq!(victim.line(), "all are there");
    (victim, logs.expect("the victim does not get here"))
}

fn assert_log(logs: &Scratch) {
    let only = |directory: &Path| {
        let mut entries = fs::read_dir(directory).unwrap();
        let first = entries.next().expect("a directory").unwrap().path();
        assert!(entries.next().is_none());
        first
    };
    let log = only(logs.path()).join("family.stdout");
    assert_eq!(fs::read_to_string(log).unwrap(), "begun\nall are there\n");
}

fn killed_by(name: &str, signal: Signal) {
    let (victim, logs) = in_the_middle(name, || {});
    victim.kill_and_look(signal);
    assert_log(&logs);
}

#[test]
fn pl_15_nobody_outlives_a_test_that_gets_int() {
    killed_by("plan::killed::pl_15_nobody_outlives_a_test_that_gets_int", Signal::INT);
}

#[test]
fn pl_15_nobody_outlives_a_test_that_gets_term() {
    killed_by("plan::killed::pl_15_nobody_outlives_a_test_that_gets_term", Signal::TERM);
}

#[test]
fn pl_15_nobody_outlives_a_test_that_gets_kill() {
    killed_by("plan::killed::pl_15_nobody_outlives_a_test_that_gets_kill", Signal::KILL);
}

fn ends(name: &str, end: fn()) -> ExitStatus {
    let (victim, logs) = in_the_middle(name, end);
    victim.go_on();
    let (status, _) = victim.wait_and_look();
    assert_log(&logs);
    status
}

#[test]
fn pl_19_nobody_outlives_a_call_that_exits() {
    let status = ends("plan::killed::pl_19_nobody_outlives_a_call_that_exits", || process::exit(7));
    assert_eq!(status.code(), Some(7), "{status}");
}

#[test]
fn pl_19_nobody_outlives_a_call_that_aborts() {
    let status = ends("plan::killed::pl_19_nobody_outlives_a_call_that_aborts", || process::abort());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGABRT), "{status}");
}
