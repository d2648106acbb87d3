//! The end of a crash, and the moment at which a successor counts as up.

use super::harness::{plan, play_crash};
use crate::machine::Signal;
use crate::plan::builder::Plan;
use crate::plan::crash::point::{AfterCrash, CrashPoint};
use crate::ready::Condition;

/// Starts a, waits until it is up, calls a function, and kills a.
fn killing() -> Plan {
    plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_until(a, Condition::port(80))?;
        plan.wait_until(a, Condition::port(443))?;
        plan.call("x", || ());
        plan.kill(a, Signal::TERM)?;
        Ok(())
    })
}

#[test]
fn a_successor_is_stopped_when_it_meets_the_first_condition() {
    // It comes back during the kill, …
    play_crash(
        &killing(),
        CrashPoint::Step(5),
        AfterCrash::Restart,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, do 2
         done 2       -> ends 2, begins 3, do 3
         done 3       -> ends 3, begins 4, do 4
         done 4       -> ends 4, begins 5, crash a
         a exits KILL ->
         a gone       -> spawn a
         a up         -> do 2
         done 4       ->
         done 2       -> kill a
         done 2       ->
         a exits TERM ->
         a gone       -> ends 5, over",
    );
    // … or before the kill, but is not up yet, …
    play_crash(
        &killing(),
        CrashPoint::Step(4),
        AfterCrash::Restart,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, do 2
         done 2       -> ends 2, begins 3, do 3
         done 3       -> ends 3, begins 4, crash a, do 4
         a exits KILL ->
         a gone       -> spawn a
         a up         ->
         done 4       -> ends 4, begins 5, do 2
         a exits 3    -> fails at 5: a ended with code 3 instead of signal TERM, kill all",
    );
    // … or an earlier step has waited for it, and nothing more is asked.
    play_crash(
        &killing(),
        CrashPoint::Step(2),
        AfterCrash::Restart,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, crash a
         a exits KILL ->
         a gone       -> spawn a
         a up         -> do 2
         done 2       -> ends 2, begins 3, do 3
         done 3       -> ends 3, begins 4, do 4
         done 4       -> ends 4, begins 5, kill a
         a exits TERM ->
         a gone       -> ends 5, over",
    );
}

/// A regression found by a random walk.
#[test]
fn a_stale_result_does_not_stop_a_successor() {
    // The current step is not the kill, …
    play_crash(
        &killing(),
        CrashPoint::Step(4),
        AfterCrash::Restart,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, do 2
         done 2       -> ends 2, begins 3, do 3
         done 3       -> ends 3, begins 4, crash a, do 4
         a exits KILL ->
         a gone       -> spawn a
         a up         ->
         done 2       ->
         done 4       -> ends 4, begins 5, do 2
         done 2       -> kill a",
    );
    // … or the process has ended by itself.
    play_crash(
        &killing(),
        CrashPoint::Step(5),
        AfterCrash::Restart,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, do 2
         done 2       -> ends 2, begins 3, do 3
         done 3       -> ends 3, begins 4, do 4
         done 4       -> ends 4, begins 5, crash a
         a exits KILL ->
         a gone       -> spawn a
         a up         -> do 2
         a exits TERM ->
         done 2       ->
         a gone       -> ends 5, over",
    );
}

#[test]
fn a_successor_that_does_not_come_up_is_a_timeout_of_the_kill() {
    play_crash(
        &killing(),
        CrashPoint::Step(5),
        AfterCrash::Restart,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, do 2
         done 2       -> ends 2, begins 3, do 3
         done 3       -> ends 3, begins 4, do 4
         done 4       -> ends 4, begins 5, crash a
         a exits KILL ->
         a gone       -> spawn a
         a up         -> do 2
         at 20        ->
         tick         -> fails at 5: timed out after 20s while waiting for a, kill all
         done 2       ->
         a exits KILL ->
         a gone       ->
         cleared      -> over, failed at 5: timed out after 20s while waiting for a",
    );
}

#[test]
fn a_process_that_ends_before_kill_is_checked_as_usual() {
    for (exit, verdict) in [
        ("TERM", "a exits TERM ->\na gone       -> ends 5, over"),
        ("3", "a exits 3    -> fails at 5: a ended with code 3 instead of signal TERM, kill all"),
    ] {
        let crashed = if exit == "TERM" { "" } else { "crashed?     -> false" };
        play_crash(
            &killing(),
            CrashPoint::Step(5),
            AfterCrash::Restart,
            &format!(
                "begin        -> begins 1, spawn a
                 a up         -> ends 1, begins 2, do 2
                 done 2       -> ends 2, begins 3, do 3
                 done 3       -> ends 3, begins 4, do 4
                 done 4       -> ends 4, begins 5, crash a
                 crashed?     -> true
                 {verdict}
                 {crashed}"
            ),
        );
    }
}

#[test]
fn no_process_is_crashed_in_a_plan_that_fails_at_that_moment() {
    let plan = plan(|plan| {
        let [a, _, c] = plan.spawn_all(["a", "b", "c"])?;
        plan.send_input(c, "hello")?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play_crash(
        &plan,
        CrashPoint::Step(3),
        AfterCrash::Restart,
        "begin        -> begins 1, spawn a, spawn b, spawn c
         a up         ->
         b up         ->
         c up         -> ends 1, begins 2, do 2
         b exits 1    ->
         done 2       -> ends 2, begins 3, fails at 3: b ended with code 1, and this step does not expect it to end, kill all",
    );
}
