//! Descendants that a process leaves behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use childminder::journal::JournalEvent;
use childminder::{Exit, Signal};
use rustix::process::{Pid, kill_process};

use super::harness::{fails, passes, plan, sh, short_kill_time, sleeper};
use crate::real::every_runtime;
use crate::support::{Scratch, is_alive};

/// Much less than the sleep of a sleeper, and more than anything takes on a busy machine.
const SOON: Duration = Duration::from_secs(15);

every_runtime!(
    pl_17_a_grandchild_that_holds_the_pipe_delays_no_wait,
    pl_17_a_grandchild_that_holds_the_pipe_and_has_left_the_group,
    pl_17_grandchildren_go_with_a_kill,
    pl_17_grandchildren_go_with_a_failure,
    pl_17_a_grandchild_that_ignores_term_is_killed_and_its_parent_checked_separately,
);

async fn pl_17_a_grandchild_that_holds_the_pipe_delays_no_wait() {
    let mut plan = plan("heir");
    let parent = plan.spawn(sh("sleep 1000 & exit 0")).unwrap();
    plan.wait(parent, 0).unwrap().within(SOON).unwrap();
    passes(&plan).await;
}

/// It cannot be reached, so it is reported, and waited for no longer than the leak timeout.
async fn pl_17_a_grandchild_that_holds_the_pipe_and_has_left_the_group() {
    let scratch = Scratch::new();
    let file = scratch.path().join("pid");
    let mut plan = plan("runaway");
    let runaway = format!("echo $$ > {}; echo away; exec sleep 1000", file.display());
    let script = format!("setsid sh -c '{runaway}' & read _");
    let parent = plan.spawn(sh(&script)).unwrap();
    plan.wait_for_output(parent, "away").unwrap();
    plan.close_input(parent).unwrap();
    plan.wait(parent, 1).unwrap().within(SOON).unwrap();
    let report = passes(&plan).await;
    let runaway = pid_in(&file);
    assert!(is_alive(runaway), "it cannot be known to belong to the plan");
    let at = |wanted: fn(&JournalEvent) -> bool| {
        let mut entries = report.journal().entries().iter();
        entries.find(|entry| wanted(&entry.event)).expect("the event").at
    };
    let exited = at(|happened| matches!(happened, JournalEvent::Exited { exit: Exit::Code(1), .. }));
    let gone = at(|happened| matches!(happened, JournalEvent::Gone { .. }));
    assert!(gone - exited >= Duration::from_millis(200), "its output had the leak time to come to its end");
    kill_process(Pid::from_raw(runaway as i32).unwrap(), rustix::process::Signal::KILL).unwrap();
}

async fn pl_17_grandchildren_go_with_a_kill() {
    let mut plan = plan("family");
    let parent =
        plan.spawn(sh("sleep 1000 & sh -c 'sleep 1000 & sleep 1000 & echo up; wait' & wait")).unwrap();
    plan.wait_for_output(parent, "up").unwrap();
    plan.kill(parent, Signal::TERM).unwrap();
    passes(&plan).await;
}

async fn pl_17_grandchildren_go_with_a_failure() {
    let mut plan = plan("orphans");
    let parent = plan.spawn(sh("sleep 1000 & (trap '' TERM; sleep 1000 & echo up; wait) & wait")).unwrap();
    plan.wait_for_output(parent, "up").unwrap();
    let no = plan.spawn(["false"]).unwrap();
    plan.wait(no, 0).unwrap();
    assert_eq!(fails(&plan).await.reason(), "false ended with code 1 instead of code 0");
}

async fn pl_17_a_grandchild_that_ignores_term_is_killed_and_its_parent_checked_separately() {
    let mut plan = plan("deaf-child");
    let parent = sh("(trap '' TERM; echo up; exec sleep 1000) & exec sleep 1000").policy(short_kill_time());
    let parent = plan.spawn(parent).unwrap();
    plan.wait_for_output(parent, "up").unwrap();
    let bystander = plan.spawn(sleeper()).unwrap();
    plan.kill(parent, Signal::TERM).unwrap();
    plan.kill(bystander, Signal::TERM).unwrap();
    let report = passes(&plan).await;
    assert!(report.took() >= Duration::from_millis(200));
}

fn pid_in(file: &Path) -> u32 {
    fs::read_to_string(file).unwrap().trim().parse().unwrap()
}
