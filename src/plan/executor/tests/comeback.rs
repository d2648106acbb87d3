//! Whether one that was to crash has crashed, and when its successor counts as up.

use super::stage::{plan, play_crash};
use crate::machine::Signal;
use crate::plan::builder::Plan;
use crate::plan::crash::point::{AfterCrash, CrashPoint};
use crate::ready::Condition;

/// Starts a, sees that it is up, calls something, and kills a.
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
fn a_successor_is_asked_to_end_when_it_meets_what_was_waited_for_first() {
    // It comes back when it is to be killed …
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
    // … or before, and is not up yet …
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
    // … and if it was waited for itself nothing more is asked.
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

/// Found by a random walk.
#[test]
fn a_stale_answer_ends_no_successor() {
    // It is not its turn …
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
    // … or it has ended by itself.
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
fn a_successor_that_does_not_come_up_is_a_time_out_of_the_kill() {
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
fn who_ends_faster_than_it_crashes_is_judged_as_ever() {
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
fn nobody_crashes_in_a_plan_that_fails_at_that_moment() {
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
