//! A crash on purpose, at each kind of step, after which the process is started again or stays dead.

use super::harness::{plan, play_crash};
use crate::machine::{Signal, Stream};
use crate::plan::builder::Plan;
use crate::plan::crash::point::{AfterCrash, CrashPoint};
use crate::ready::Condition;

const RESTART: AfterCrash = AfterCrash::Restart;
const STAYS_DEAD: AfterCrash = AfterCrash::StaysDead;

fn line(line: u64) -> CrashPoint {
    CrashPoint::Line { stream: Stream::Stdout, line }
}

/// Starts a and b, and waits for b and then for a.
fn waiting() -> Plan {
    plan(|plan| {
        let [a, b] = plan.spawn_all(["a", "b"])?;
        plan.wait(b, 0)?;
        plan.wait(a, 0)?;
        Ok(())
    })
}

#[test]
fn a_successor_takes_the_place_of_its_predecessor() {
    play_crash(
        &waiting(),
        CrashPoint::Step(2),
        RESTART,
        "begin        -> begins 1, spawn a, spawn b
         a up         ->
         crashed?     -> false
         b up         -> ends 1, begins 2, crash a
         crashed?     -> true
         a gets KILL  ->
         a exits KILL ->
         a gone       -> spawn a
         a up         ->
         b exits 0    ->
         b gone       -> ends 2, begins 3
         a exits 0    ->
         a gone       -> ends 3, over",
    );
    play_crash(
        &waiting(),
        CrashPoint::Step(2),
        RESTART,
        "begin        -> begins 1, spawn a, spawn b
         a up         ->
         b up         -> ends 1, begins 2, crash a
         a exits KILL ->
         a gone       -> spawn a
         a up         ->
         a exits 0    -> fails at 2: a ended with code 0, and this step does not expect it to end, kill all",
    );
}

#[test]
fn a_process_that_stays_dead_has_ended_as_expected() {
    play_crash(
        &waiting(),
        CrashPoint::Step(2),
        STAYS_DEAD,
        "begin        -> begins 1, spawn a, spawn b
         a up         ->
         b up         -> ends 1, begins 2, crash a
         a exits KILL ->
         a gone       ->
         b exits 0    ->
         b gone       -> ends 2, begins 3, ends 3, over",
    );
    play_crash(
        &waiting(),
        CrashPoint::Step(3),
        STAYS_DEAD,
        "begin        -> begins 1, spawn a, spawn b
         a up         ->
         b up         -> ends 1, begins 2
         b exits 0    ->
         b gone       -> ends 2, begins 3, crash a
         a exits KILL ->
         a gone       -> ends 3, over",
    );
}

#[test]
fn a_process_is_crashed_once_and_only_while_it_is_running() {
    // At the first step it is not running; and after it has ended by itself it cannot be crashed.
    play_crash(
        &waiting(),
        CrashPoint::Step(1),
        RESTART,
        "begin    -> begins 1, spawn a, spawn b
         a up     ->
         b up     -> ends 1, begins 2
         crashed? -> false",
    );
    play_crash(
        &waiting(),
        line(2),
        RESTART,
        "begin      -> begins 1, spawn a, spawn b
         a up       ->
         b up       -> ends 1, begins 2
         b prints 9 ->
         a prints 1 ->
         a prints 3 -> crash a
         a prints 4 ->
         a gone     -> spawn a
         a prints 5 ->
         a up       ->
         a prints 6 ->",
    );
    play_crash(
        &waiting(),
        line(2),
        RESTART,
        "begin      -> begins 1, spawn a, spawn b
         a up       ->
         b up       -> ends 1, begins 2
         b exits 0  ->
         b gone     -> ends 2, begins 3
         a exits 0  ->
         a prints 2 ->
         crashed?   -> false
         a gone     -> ends 3, over
         a prints 3 ->",
    );
}

#[test]
fn a_start_of_several_waits_for_a_process_that_crashes_meanwhile() {
    play_crash(
        &waiting(),
        line(1),
        RESTART,
        "begin      -> begins 1, spawn a, spawn b
         a up       ->
         a prints 1 -> crash a
         a exits KILL ->
         a gone     -> spawn a
         b up       ->
         a up       -> ends 1, begins 2",
    );
}

#[test]
fn a_second_start_that_fails_is_a_failure_of_the_step() {
    play_crash(
        &waiting(),
        CrashPoint::Step(2),
        RESTART,
        "begin   -> begins 1, spawn a, spawn b
         a up    ->
         b up    -> ends 1, begins 2, crash a
         a gone  -> spawn a
         a fails -> fails at 2: cannot start a: cannot execute a: odd, kill all",
    );
}

#[test]
fn after_the_verdict_no_process_is_started_again() {
    play_crash(
        &waiting(),
        CrashPoint::Step(2),
        RESTART,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2, crash a
         b exits 1 -> fails at 2: b ended with code 1 instead of code 0, kill all
         a exits KILL ->
         a gone    ->
         b gone    ->
         cleared   -> over, failed at 2: b ended with code 1 instead of code 0",
    );
    play_crash(
        &waiting(),
        line(1),
        RESTART,
        "begin      -> begins 1, spawn a, spawn b
         a up       ->
         b up       -> ends 1, begins 2
         b exits 1  -> fails at 2: b ended with code 1 instead of code 0, kill all
         a prints 1 ->
         crashed?   -> false",
    );
}

#[test]
fn a_successor_that_is_not_up_after_the_last_step_is_still_running() {
    let plan = plan(|plan| {
        let _ = plan.spawn("a")?;
        let b = plan.spawn("b")?;
        plan.wait(b, 0)?;
        Ok(())
    });
    play_crash(
        &plan,
        CrashPoint::Step(3),
        RESTART,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b up      -> ends 2, begins 3, crash a
         b exits 0 ->
         b gone    -> ends 3, fails at 4: the plan ended while a was still running, kill all",
    );
}

/// Starts a, and kills it.
fn killing() -> Plan {
    plan(|plan| {
        let a = plan.spawn("a")?;
        plan.kill(a, Signal::TERM)?;
        Ok(())
    })
}

#[test]
fn a_kill_is_for_the_successor() {
    play_crash(
        &killing(),
        CrashPoint::Step(2),
        RESTART,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, crash a
         a exits KILL ->
         a gone       -> spawn a
         a up         -> kill a
         a exits TERM ->
         a gone       -> ends 2, over",
    );
    play_crash(
        &killing(),
        line(1),
        RESTART,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, kill a
         at 5         ->
         a gets KILL  ->
         a prints 1   -> crash a
         a exits KILL ->
         a gone       -> spawn a
         a up         -> kill a
         a exits 0    -> fails at 2: a ended with code 0 instead of signal TERM, kill all",
    );
    play_crash(
        &killing(),
        CrashPoint::Step(2),
        STAYS_DEAD,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, crash a
         a exits KILL ->
         a gone       -> ends 2, over",
    );
}

#[test]
fn a_condition_is_met_by_the_successor_and_never_by_a_dead_process() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_until(a, Condition::port(80))?;
        plan.call("x", || ());
        plan.kill(a, Signal::TERM)?;
        Ok(())
    });
    for (point, crashes) in [(CrashPoint::Step(2), ""), (line(1), ", do 2")] {
        let prints = if point == line(1) { "a prints 1 -> crash a" } else { "a exits KILL ->" };
        let crashes = if crashes.is_empty() { ", crash a" } else { crashes };
        play_crash(
            &plan,
            point,
            RESTART,
            &format!(
                "begin   -> begins 1, spawn a
                 a up    -> ends 1, begins 2{crashes}
                 {prints}
                 a gone  -> spawn a
                 a up    -> do 2
                 done 2  -> ends 2, begins 3, do 3"
            ),
        );
        play_crash(
            &plan,
            point,
            STAYS_DEAD,
            &format!(
                "begin   -> begins 1, spawn a
                 a up    -> ends 1, begins 2{crashes}
                 {prints}
                 a gone  -> fails at 2: a was killed on purpose and is not started again, so this can never happen, kill all"
            ),
        );
    }
    // A call is not affected.
    play_crash(
        &plan,
        CrashPoint::Step(3),
        STAYS_DEAD,
        "begin  -> begins 1, spawn a
         a up   -> ends 1, begins 2, do 2
         done 2 -> ends 2, begins 3, crash a, do 3
         a gone ->
         done 3 -> ends 3, begins 4, ends 4, over",
    );
}

#[test]
fn output_from_before_the_crash_counts_and_a_dead_process_prints_no_more() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait_for_output(a, "one")?;
        plan.wait_for_output(a, "two")?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play_crash(
        &plan,
        line(1),
        STAYS_DEAD,
        "begin      -> begins 1, spawn a
         a up       -> ends 1, begins 2
         a found 1  -> ends 2, begins 3
         a prints 1 -> crash a
         a gone     -> fails at 3: a was killed on purpose and is not started again, so this can never happen, kill all",
    );
    play_crash(
        &plan,
        line(1),
        STAYS_DEAD,
        "begin      -> begins 1, spawn a
         a up       -> ends 1, begins 2
         a prints 1 -> crash a
         a found 2  -> ends 2, begins 3, ends 3, begins 4
         a gone     -> ends 4, over",
    );
    play_crash(
        &plan,
        line(1),
        RESTART,
        "begin      -> begins 1, spawn a
         a up       -> ends 1, begins 2
         a prints 1 -> crash a
         a found 1  -> ends 2, begins 3
         a gone     -> spawn a
         a up       ->
         a found 2  -> ends 3, begins 4",
    );
}

/// Starts a, writes to it, closes its input, and waits for it.
fn writing() -> Plan {
    plan(|plan| {
        let a = plan.spawn("a")?;
        plan.send_input(a, "x")?;
        plan.close_input(a)?;
        plan.wait(a, 0)?;
        Ok(())
    })
}

#[test]
fn input_goes_to_the_successor() {
    play_crash(
        &writing(),
        CrashPoint::Step(2),
        RESTART,
        "begin  -> begins 1, spawn a
         a up   -> ends 1, begins 2, crash a
         a gone -> spawn a
         a up   -> do 2
         done 2 -> ends 2, begins 3, do 3
         done 3 -> ends 3, begins 4",
    );
    // The failed write to the predecessor is ignored.
    play_crash(
        &writing(),
        line(1),
        RESTART,
        "begin      -> begins 1, spawn a
         a up       -> ends 1, begins 2, do 2
         a prints 1 -> crash a
         failed 2   ->
         a gone     -> spawn a
         failed 2   ->
         a up       -> do 2
         failed 2   -> fails at 2: the call panicked: oh, kill all",
    );
}

#[test]
fn an_input_that_was_closed_is_closed_for_the_successor() {
    play_crash(
        &writing(),
        CrashPoint::Step(3),
        RESTART,
        "begin  -> begins 1, spawn a
         a up   -> ends 1, begins 2, withhold 2, ends 2, begins 3, crash a
         a gone -> spawn a
         a up   -> do 3
         done 3 -> ends 3, begins 4",
    );
    play_crash(
        &writing(),
        CrashPoint::Step(4),
        RESTART,
        "begin  -> begins 1, spawn a
         a up   -> ends 1, begins 2, withhold 2, ends 2, begins 3, withhold 3, ends 3, begins 4, crash a
         a gone -> spawn a
         a up   -> do 3
         done 3 ->
         a exits 0 ->
         a gone -> ends 4, over",
    );
}

#[test]
fn input_just_before_the_crash_is_withheld() {
    let plan = plan(|plan| {
        let [a, b] = plan.spawn_all(["a", "b"])?;
        plan.send_input(a, "lost")?;
        plan.send_input(b, "x")?;
        plan.wait(b, 0)?;
        plan.send_input(a, "sent")?;
        plan.call("x", || ());
        plan.close_input(a)?;
        Ok(())
    });
    // Input for b is sent. Input for a is lost if a crashes before the next step that takes time.
    for (point, story) in [
        (CrashPoint::Step(2), "crash a"),
        (CrashPoint::Step(3), "withhold 2, ends 2, begins 3, crash a, do 3"),
        (CrashPoint::Step(4), "withhold 2, ends 2, begins 3, do 3"),
        (CrashPoint::Step(5), "do 2"),
    ] {
        play_crash(
            &plan,
            point,
            RESTART,
            &format!(
                "begin -> begins 1, spawn a, spawn b
                 a up  ->
                 b up  -> ends 1, begins 2, {story}"
            ),
        );
    }
    // A process has time to read its input during a step that takes time.
    for (point, story) in
        [(6, "withhold 5, ends 5, begins 6, crash a, do 6"), (7, "do 5"), (8, "do 5"), (9, "do 5")]
    {
        play_crash(
            &plan,
            CrashPoint::Step(point),
            RESTART,
            &format!(
                "begin     -> begins 1, spawn a, spawn b
                 a up      ->
                 b up      -> ends 1, begins 2, do 2
                 done 2    -> ends 2, begins 3, do 3
                 done 3    -> ends 3, begins 4
                 b exits 0 ->
                 b gone    -> ends 4, begins 5, {story}"
            ),
        );
    }
}

#[test]
fn input_for_a_dead_process_is_done_at_once() {
    play_crash(
        &writing(),
        CrashPoint::Step(2),
        STAYS_DEAD,
        "begin  -> begins 1, spawn a
         a up   -> ends 1, begins 2, crash a
         a gone -> ends 2, begins 3, ends 3, begins 4, ends 4, over",
    );
    play_crash(
        &writing(),
        line(1),
        STAYS_DEAD,
        "begin      -> begins 1, spawn a
         a up       -> ends 1, begins 2, do 2
         a prints 1 -> crash a
         failed 2   ->
         a gone     -> ends 2, begins 3, ends 3, begins 4, ends 4, over",
    );
}
