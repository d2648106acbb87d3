//! Steps whose work is done outside of the executor: conditions, calls, and input.

use super::harness::{plan, play};
use crate::machine::Signal;
use crate::plan::builder::Plan;
use crate::ready::Condition;

#[test]
fn a_condition_and_a_call_are_done_with_their_result() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_until(a, Condition::port(80))?;
        plan.call("x", || ());
        plan.kill(a, Signal::TERM)?;
        Ok(())
    });
    play(
        &plan,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, do 2
         done 2       -> ends 2, begins 3, do 3
         done 3       -> ends 3, begins 4, kill a
         a exits TERM ->
         a gone       -> ends 4, over",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, do 2
         a exits 0 -> fails at 2: a ended with code 0, and this step does not expect it to end, kill all
         done 2    ->",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, do 2
         done 2    -> ends 2, begins 3, do 3
         failed 3  -> fails at 3: the call panicked: oh, kill all
         cleared   -> over, failed at 3: the call panicked: oh",
    );
}

#[test]
fn f_84_a_result_of_another_step_is_ignored() {
    let plan = plan(|plan| {
        plan.call("x", || ());
        plan.call("y", || ());
        Ok(())
    });
    play(
        &plan,
        "begin    -> begins 1, do 1
         done 2   ->
         failed 2 ->
         done 1   -> ends 1, begins 2, do 2
         done 1   ->
         failed 1 ->
         done 2   -> ends 2, over
         done 2   ->
         failed 2 ->",
    );
}

/// Starts a and b, writes to a, and waits for both.
fn writing() -> Plan {
    plan(|plan| {
        let [a, b] = plan.spawn_all(["a", "b"])?;
        plan.send_input(a, "x")?;
        plan.close_input(a)?;
        plan.wait_all([(a, 0), (b, 0)])?;
        Ok(())
    })
}

#[test]
fn pl_10_an_end_during_a_write_is_checked_by_the_next_step() {
    play(
        &writing(),
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2, do 2
         a exits 0 -> ends 2, begins 3, do 3
         failed 2  ->
         done 3    -> ends 3, begins 4
         a gone    ->
         b exits 0 ->
         b gone    -> ends 4, over",
    );
    play(
        &writing(),
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         a exits 3 ->
         b up      -> ends 1, begins 2, ends 2, begins 3, do 3
         done 3    -> ends 3, begins 4, fails at 4: a ended with code 3 instead of code 0, kill all",
    );
}

#[test]
fn pl_10_after_a_write_the_next_step_checks_all_exits() {
    play(
        &writing(),
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2, do 2
         b exits 0 ->
         done 2    -> ends 2, begins 3, do 3
         a exits 0 ->
         done 3    -> ends 3, begins 4
         a gone    ->
         b gone    -> ends 4, over",
    );
}

#[test]
fn input_that_is_not_read_is_a_failure() {
    play(
        &writing(),
        "begin    -> begins 1, spawn a, spawn b
         a up     ->
         b up     -> ends 1, begins 2, do 2
         failed 2 -> fails at 2: the call panicked: oh, kill all",
    );
}
