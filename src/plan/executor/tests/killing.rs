//! Kills, and events that interfere with them.

use super::harness::{plan, play};
use crate::machine::Signal;
use crate::plan::builder::Plan;

/// Starts a and b, kills a, and kills b.
fn killing() -> Plan {
    plan(|plan| {
        let a = plan.spawn("a")?;
        let b = plan.spawn("b")?;
        plan.kill(a, Signal::TERM)?;
        plan.kill_with(b, Signal::INT, 0)?;
        Ok(())
    })
}

#[test]
fn pl_12_a_kill_is_done_when_it_has_ended_as_expected() {
    play(
        &killing(),
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, spawn b
         b up         -> ends 2, begins 3, kill a
         a exits TERM ->
         a gone       -> ends 3, begins 4, kill b
         b exits 0    ->
         b gone       -> ends 4, over",
    );
    play(
        &killing(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b up      -> ends 2, begins 3, kill a
         a exits 0 -> fails at 3: a ended with code 0 instead of signal TERM, kill all",
    );
}

#[test]
fn pl_11_an_end_before_the_kill_is_unexpected_even_with_the_expected_status() {
    play(
        &killing(),
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, spawn b
         a exits TERM ->
         b up         -> ends 2, begins 3, fails at 3: a ended with signal TERM, and this step does not expect it to end, kill all",
    );
    play(
        &killing(),
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, spawn b
         a exits TERM ->
         a gone       ->
         b up         -> ends 2, begins 3, fails at 3: a ended with signal TERM, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_11_of_several_ends_before_the_kill_the_first_is_named() {
    let plan = plan(|plan| {
        let [a, b] = plan.spawn_all(["a", "b"])?;
        let _ = plan.spawn("c")?;
        plan.kill(a, Signal::TERM)?;
        plan.wait(b, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin        -> begins 1, spawn a, spawn b
         a up         ->
         b up         -> ends 1, begins 2, spawn c
         b exits 0    ->
         a exits TERM ->
         c up         -> ends 2, begins 3, fails at 3: b ended with code 0, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_14_an_escalation_to_kill_is_reported() {
    play(
        &killing(),
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, spawn b
         b up         -> ends 2, begins 3, kill a
         at 5         ->
         a gets KILL  ->
         a exits KILL -> fails at 3: a ended with signal KILL instead of signal TERM: it was sent KILL 5s after the stop signal, kill all",
    );
}

#[test]
fn pl_14_kill_to_descendants_is_not_reported_as_an_escalation() {
    play(
        &killing(),
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, spawn b
         b up         -> ends 2, begins 3, kill a
         a exits TERM ->
         at 5         ->
         a gets KILL  ->
         a gone       -> ends 3, begins 4, kill b
         b gets KILL  ->
         b exits 1    -> fails at 4: b ended with code 1 instead of code 0: it was sent KILL 5s after the stop signal, kill all",
    );
}

#[test]
fn pl_10_another_end_during_a_kill_is_unexpected() {
    play(
        &killing(),
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b up      -> ends 2, begins 3, kill a
         a exits TERM ->
         b exits 0 -> fails at 3: b ended with code 0, and this step does not expect it to end, kill all",
    );
}
