//! Steps that wait for output, and processes that end as soon as they have printed it.

use super::harness::{plan, play};
use crate::plan::builder::Plan;

/// Waits for two matches in the output of a, and for its end.
fn listening() -> Plan {
    plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_for_output(a, "one")?;
        plan.wait_for_output(a, "two")?;
        plan.wait(a, 0)?;
        Ok(())
    })
}

#[test]
fn each_step_is_done_when_its_match_was_found() {
    play(
        &listening(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a prints 1 ->
         a found 1 -> ends 2, begins 3
         a found 2 -> ends 3, begins 4
         a exits 0 ->
         a gone    -> ends 4, over",
    );
    play(
        &listening(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a found 2 -> ends 2, begins 3, ends 3, begins 4
         a exits 0 ->
         a gone    -> ends 4, over",
    );
}

#[test]
fn the_last_output_of_an_ended_process_is_found() {
    play(
        &listening(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a exits 0 ->
         a found 1 -> ends 2, begins 3
         a found 2 -> ends 3, begins 4
         a gone    -> ends 4, over",
    );
    play(
        &listening(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a exits 0 ->
         a found 2 -> ends 2, begins 3, ends 3, begins 4
         a gone    -> ends 4, over",
    );
}

#[test]
fn pl_10_an_end_without_the_output_is_unexpected() {
    play(
        &listening(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a exits 0 ->
         a found 1 -> ends 2, begins 3
         a gone    -> fails at 3: a ended with code 0, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_10_the_exit_after_the_last_output_is_checked_by_the_next_step() {
    play(
        &listening(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a exits 1 ->
         a found 2 -> ends 2, begins 3, ends 3, begins 4, fails at 4: a ended with code 1 instead of code 0, kill all",
    );
}

/// The process may end before or after the step begins, with the same result.
#[test]
fn pl_10_a_match_from_before_the_step_counts_even_if_the_process_is_gone() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        let b = plan.spawn("b")?;
        plan.wait_for_output(a, "one")?;
        plan.wait(a, 0)?;
        plan.wait(b, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         a found 1 ->
         a exits 0 ->
         a gone    ->
         b up      -> ends 2, begins 3, ends 3, begins 4, ends 4, begins 5
         b exits 0 ->
         b gone    -> ends 5, over",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         a exits 0 ->
         a gone    ->
         b up      -> ends 2, begins 3, fails at 3: a ended with code 0, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_10_only_the_process_whose_output_is_awaited_has_last_output() {
    let plan = plan(|plan| {
        let [a, b] = plan.spawn_all(["a", "b"])?;
        plan.wait_for_output(a, "one")?;
        plan.wait_all([(a, 0), (b, 0)])?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2
         a exits 0 ->
         b exits 0 -> fails at 2: b ended with code 0, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_10_a_step_that_is_done_at_once_checks_exits() {
    let plan = plan(|plan| {
        let [a, b] = plan.spawn_all(["a", "b"])?;
        let c = plan.spawn("c")?;
        plan.wait_for_output(a, "one")?;
        plan.wait_all([(a, 0), (b, 0), (c, 0)])?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2, spawn c
         a found 1 ->
         b exits 0 ->
         c up      -> ends 2, begins 3, fails at 3: b ended with code 0, and this step does not expect it to end, kill all",
    );
}
