//! Descendants that a process leaves behind.

use std::fs;
use std::time::Duration;

use childminder::{Signal, Spec};

use super::harness::{fails, passes, plan, sh, short_kill_time, sleeper, unique_name};
use crate::real::every_runtime;
use crate::support::{PORTABLE, eventually, skip};

/// Much less than the sleep of a sleeper, and more than anything takes on a busy machine.
const SOON: Duration = Duration::from_secs(15);

every_runtime!(
    pl_17_a_grandchild_that_holds_the_pipe_delays_no_wait,
    pl_17_a_grandchild_that_holds_the_pipe_and_has_left_the_group,
    f_138_descendants_that_left_the_group_go_with_a_kill,
    f_138_descendants_that_left_the_group_go_with_a_failure,
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

/// The reason why a test does not apply to the portable back end.
const NO_FAMILIES: &str = "the portable back end reaches the process group only";

/// A shell with descendants that are hard to find: in a session of its own, orphaned, and in the group of a
/// job.
fn runaways(mark: &str) -> Spec {
    sh(&format!(
        "setsid sleep {mark} & (setsid sh -c 'sleep {mark} & sleep {mark} & exit') & \
         bash -c 'set -m; sleep {mark} & sleep {mark} & echo up; wait' & wait"
    ))
}

/// Returns an argument of `sleep` that no other process has.
fn unique_sleep() -> String {
    format!("1000.{}", unique_name("").trim_start_matches('-').replace('-', "0"))
}

/// Returns the processes with this argument, as an outside observer sees them.
fn with_argument(mark: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_mark = |pid: &u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    };
    pids.filter(has_mark).collect()
}

async fn f_138_descendants_that_left_the_group_go_with_a_kill() {
    if PORTABLE {
        return skip("plan::groups::f_138_descendants_that_left_the_group_go_with_a_kill", NO_FAMILIES);
    }
    let mark = unique_sleep();
    let mut plan = plan("runaways");
    let shell = plan.spawn(runaways(&mark)).unwrap();
    plan.wait_for_output(shell, "up").unwrap();
    plan.kill(shell, Signal::TERM).unwrap();
    passes(&plan).await;
    assert_eq!(with_argument(&mark), Vec::<u32>::new());
}

async fn f_138_descendants_that_left_the_group_go_with_a_failure() {
    if PORTABLE {
        return skip("plan::groups::f_138_descendants_that_left_the_group_go_with_a_failure", NO_FAMILIES);
    }
    let mark = unique_sleep();
    let mut plan = plan("runaways");
    let shell = plan.spawn(runaways(&mark)).unwrap();
    plan.wait_for_output(shell, "up").unwrap();
    let all = mark.clone();
    plan.call("wait for all five", move || {
        eventually("all five are there", || with_argument(&all).len() >= 5);
    });
    plan.call("fail", || Err("on purpose"));
    assert_eq!(fails(&plan).await.reason(), "on purpose");
    assert_eq!(with_argument(&mark), Vec::<u32>::new());
}

/// A descendant that has left the group, and that nothing waits for, goes with its parent.
async fn pl_17_a_grandchild_that_holds_the_pipe_and_has_left_the_group() {
    if PORTABLE {
        return skip(
            "plan::groups::pl_17_a_grandchild_that_holds_the_pipe_and_has_left_the_group",
            NO_FAMILIES,
        );
    }
    let mark = unique_sleep();
    let mut plan = plan("runaway");
    let script = format!("setsid sh -c 'echo away; exec sleep {mark}' & read _; exit 1");
    let parent = plan.spawn(sh(&script)).unwrap();
    plan.wait_for_output(parent, "away").unwrap();
    plan.close_input(parent).unwrap();
    plan.wait(parent, 1).unwrap().within(SOON).unwrap();
    passes(&plan).await;
    assert_eq!(with_argument(&mark), Vec::<u32>::new());
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
