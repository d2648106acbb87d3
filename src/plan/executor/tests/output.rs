//! Steps that wait for output, and processes that end as soon as they have printed.

use super::stage::{plan, play};
use crate::plan::builder::Plan;

/// Waits for two things that a prints, and for its end.
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
fn each_step_has_what_it_waits_for_when_so_much_was_found() {
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
fn the_last_words_of_one_that_has_ended_are_heard() {
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
fn pl_10_one_that_has_come_to_its_end_without_the_words_was_not_to_end() {
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
fn pl_10_last_words_are_judged_by_the_step_behind_them() {
    play(
        &listening(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a exits 1 ->
         a found 2 -> ends 2, begins 3, ends 3, begins 4, fails at 4: a ended with code 1 instead of code 0, kill all",
    );
}

/// Whether it comes to its end before the step begins or after is a matter of luck, and changes nothing.
#[test]
fn pl_10_what_was_found_before_the_step_counts_also_when_all_is_over_by_then() {
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
fn pl_10_only_the_one_that_is_listened_to_has_last_words() {
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
fn pl_10_also_a_step_that_has_nothing_to_wait_for_judges() {
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
