//! Input that a plan sends to its processes.

use std::fs;
use std::time::Duration;

use childminder::Signal;
use childminder::plan::PlanErrorKind;

use super::harness::{fails, passes, plan, sh};
use crate::real::every_runtime;

/// Returns lines that differ from each other.
fn numbers(bytes: usize) -> Vec<u8> {
    let mut all: Vec<u8> = (0..bytes / 6).flat_map(|i| format!("{i:06}\n").into_bytes()).collect();
    all.truncate(bytes);
    all
}

every_runtime!(
    a_conversation,
    ten_megabytes_through_cat_while_they_are_logged,
    a_reader_that_closes_its_input,
    a_reader_that_dies_in_the_middle,
    a_reader_that_ends_at_once,
    a_reader_that_does_not_read,
    an_input_stays_open_until_the_end,
);

async fn a_conversation() {
    let mut plan = plan("conversation");
    let cat = plan.spawn(["cat"]).unwrap();
    for word in ["one", "two", "three"] {
        plan.send_input(cat, format!("{word}\n")).unwrap();
        plan.wait_for_output(cat, word).unwrap();
    }
    plan.close_input(cat).unwrap();
    plan.wait(cat, 0).unwrap();
    passes(&plan).await;
}

async fn ten_megabytes_through_cat_while_they_are_logged() {
    let input = numbers(10 << 20);
    let mut plan = plan("flood");
    let cat = plan.spawn(["cat"]).unwrap();
    plan.send_input(cat, input.clone()).unwrap();
    plan.close_input(cat).unwrap();
    plan.wait(cat, 1).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "cat ended with code 0 instead of code 1");
    let logged = fs::read(failed.directory().join("cat.stdout")).unwrap();
    assert!(logged == input, "{} bytes instead of {}", logged.len(), input.len());
}

async fn a_reader_that_closes_its_input() {
    let mut plan = plan("closed");
    let reader = plan.spawn_as("reader", sh("exec <&-; echo closed; exec sleep 1000")).unwrap();
    plan.wait_for_output(reader, "closed").unwrap();
    plan.send_input(reader, "hello").unwrap();
    let failed = fails(&plan).await;
    assert!(matches!(failed.kind(), PlanErrorKind::InputRefused { process, .. } if &**process == "reader"));
    assert_eq!(
        failed.reason(),
        "cannot send input to reader, which does not read it: Broken pipe (os error 32)"
    );
}

/// Its exit is reported, and not the broken pipe that is seen just before.
async fn a_reader_that_dies_in_the_middle() {
    for _ in 0..5 {
        let mut plan = plan("dies");
        let reader = plan.spawn_as("reader", sh("head -c 100000 >/dev/null; exit 3")).unwrap();
        plan.send_input(reader, numbers(1 << 20)).unwrap();
        plan.send_input(reader, "and more").unwrap();
        plan.close_input(reader).unwrap();
        plan.wait(reader, 3).unwrap();
        passes(&plan).await;
    }
}

/// It may end before or after the write, with the same result.
async fn a_reader_that_ends_at_once() {
    for _ in 0..10 {
        let mut plan = plan("at-once");
        let reader = plan.spawn(["false"]).unwrap();
        plan.send_input(reader, "hello").unwrap();
        plan.wait(reader, 0).unwrap();
        let failed = fails(&plan).await;
        assert_eq!(failed.reason(), "false ended with code 1 instead of code 0");
        assert_eq!(failed.step(), Some(3));
    }
}

async fn a_reader_that_does_not_read() {
    let mut plan = plan("asleep");
    let reader = plan.spawn(["sleep", "1000"]).unwrap();
    plan.send_input(reader, numbers(1 << 20)).unwrap().within(Duration::from_millis(50)).unwrap();
    assert_eq!(fails(&plan).await.reason(), "timed out after 50ms while waiting for sleep");
}

async fn an_input_stays_open_until_the_end() {
    let mut plan = plan("open");
    let [first, second] = plan.spawn_all([["cat"], ["cat"]]).unwrap();
    plan.send_input(first, "a").unwrap();
    plan.send_input(second, "b").unwrap();
    plan.wait_for_output(first, "a").unwrap();
    plan.close_input(first).unwrap();
    // If the second process had inherited the first pipe, the first would not read end-of-file.
    plan.wait(first, 0).unwrap();
    plan.wait_for_output(second, "b").unwrap();
    plan.kill(second, Signal::TERM).unwrap();
    passes(&plan).await;
}
