//! Timeouts of steps.

use std::time::Duration;

use super::harness::{plan, play};
use crate::machine::Signal;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn pl_14_each_timeout_counts_from_the_beginning_of_its_step() {
    let plan = plan(|plan| {
        plan.timeout(3 * SECOND)?;
        let a = plan.spawn("a")?;
        plan.call("x", || ()).within(10 * SECOND)?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play(
        &plan,
        "due      -> never
         begin    -> begins 1, spawn a
         due      -> 3s
         at 2     ->
         a up     -> ends 1, begins 2, do 2
         due      -> 12s
         at 11.5  ->
         tick     ->
         tick     ->
         done 2   -> ends 2, begins 3
         due      -> 14.5s
         at 14    ->
         tick     ->
         at 14.5  ->
         tick     -> fails at 3: timed out after 3s while waiting for a, kill all
         tick     ->
         due      -> never
         cleared  -> over, failed at 3: timed out after 3s while waiting for a",
    );
}

#[test]
fn pl_14_a_late_timeout_call_handles_what_was_due() {
    let plan = plan(|plan| {
        plan.call("x", || ());
        Ok(())
    });
    play(
        &plan,
        "begin -> begins 1, do 1
         at 99 ->
         tick  -> fails at 1: timed out after 20s, kill all",
    );
}

#[test]
fn f_68_an_end_exactly_at_the_timeout_counts() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait(a, 0)?.within(SECOND)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         at 1      ->
         a exits 0 ->
         a gone    -> ends 2, over
         tick      ->",
    );
}

#[test]
fn pl_13_14_a_timeout_names_only_the_processes_that_have_not_ended() {
    let plan = plan(|plan| {
        let [a, b, c] = plan.spawn_all(["a", "b", "c"])?;
        plan.wait_all([(a, 0), (b, 0), (c, 0)])?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b, spawn c
         a up      ->
         b up      ->
         c up      -> ends 1, begins 2
         a exits 0 ->
         a gone    ->
         b exits 0 ->
         at 20     ->
         tick      -> fails at 2: timed out after 20s while waiting for b and c, kill all",
    );
}

#[test]
fn pl_14_a_kill_that_takes_too_long_is_a_timeout_even_if_only_the_group_is_left() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.kill(a, Signal::TERM)?.within(SECOND)?;
        Ok(())
    });
    play(
        &plan,
        "begin -> begins 1, spawn a
         a up  -> ends 1, begins 2, kill a
         at 1  ->
         tick  -> fails at 2: timed out after 1s while waiting for a, kill all",
    );
    play(
        &plan,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, kill a
         a exits TERM ->
         at 1         ->
         tick         -> fails at 2: timed out after 1s while waiting for a, kill all",
    );
}

#[test]
fn pl_14_a_start_that_hangs_names_the_processes_that_are_not_up() {
    let plan = plan(|plan| plan.spawn_all(["a", "b", "c"]).map(drop));
    play(
        &plan,
        "begin -> begins 1, spawn a, spawn b, spawn c
         b up  ->
         at 20 ->
         tick  -> fails at 1: timed out after 20s while waiting for a and c, kill all",
    );
}

#[test]
fn pl_10_a_postponed_exit_comes_before_the_timeout() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        let b = plan.spawn("b")?;
        plan.send_input(b, "much")?;
        plan.wait_all([(a, 0), (b, 0)])?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b up      -> ends 2, begins 3, do 3
         a exits 0 ->
         at 20     ->
         tick      -> fails at 3: a ended with code 0, and this step does not expect it to end, kill all",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b up      -> ends 2, begins 3, do 3
         at 20     ->
         tick      -> fails at 3: timed out after 20s while waiting for b, kill all",
    );
}

#[test]
fn last_output_that_does_not_come_in_time_is_an_unexpected_exit() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_for_output(a, "x")?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a exits 0 ->
         at 20     ->
         tick      -> fails at 2: a ended with code 0, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_14_a_timeout_names_the_awaited_process_if_there_is_one() {
    let waits = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_for_output(a, "x")?;
        Ok(())
    });
    let until = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_until(a, crate::ready::Condition::port(80))?;
        Ok(())
    });
    let closes = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.close_input(a)?;
        Ok(())
    });
    for (plan, begins) in [(waits, "begins 2"), (until, "begins 2, do 2"), (closes, "begins 2, do 2")] {
        play(
            &plan,
            &format!(
                "begin -> begins 1, spawn a
                 a up  -> ends 1, {begins}
                 at 20 ->
                 tick  -> fails at 2: timed out after 20s while waiting for a, kill all"
            ),
        );
    }
}
