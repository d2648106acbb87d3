//! Ends of processes, expected and unexpected.

use super::harness::{plan, play};
use crate::machine::{Exit, Signal};

#[test]
fn a_script_without_steps_is_over_at_once() {
    play(
        &plan(|_| Ok(())),
        "begin   -> over
         tick    ->
         due     -> never
         cleared ->",
    );
}

#[test]
fn pl_12_an_end_as_expected_ends_the_wait_as_soon_as_the_group_is_gone() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait(a, 3)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2
         a exits 3 ->
         a gone    -> ends 2, over",
    );
    play(
        &plan,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2
         a exits 0    -> fails at 2: a ended with code 0 instead of code 3, kill all
         a gone       ->
         cleared      -> over, failed at 2: a ended with code 0 instead of code 3",
    );
    play(
        &plan,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2
         a exits KILL -> fails at 2: a ended with signal KILL instead of code 3, kill all",
    );
}

#[test]
fn pl_12_a_signal_is_exact_and_a_lost_status_only_any() {
    for (expected, exits, met) in [
        (Signal::TERM.into(), "TERM", true),
        (Signal::TERM.into(), "INT", false),
        (Signal::TERM.into(), "0", false),
        (0.into(), "lost", false),
        (Exit::any(), "lost", true),
        (Exit::any(), "9", true),
    ] {
        let plan = plan(|plan| {
            let a = plan.spawn("a")?;
            plan.wait(a, expected)?;
            Ok(())
        });
        let exit = match exits.parse::<i32>() {
            Ok(code) => format!("code {code}"),
            Err(_) if exits == "lost" => "status lost".to_owned(),
            Err(_) => format!("signal {exits}"),
        };
        let verdict = if met {
            String::new()
        } else {
            format!("fails at 2: a ended with {exit} instead of {expected}, kill all")
        };
        play(
            &plan,
            &format!(
                "begin          -> begins 1, spawn a
                 a up           -> ends 1, begins 2
                 a exits {exits} -> {verdict}"
            ),
        );
    }
}

#[test]
fn pl_10_an_exit_in_the_middle_of_an_unrelated_wait_fails_at_once() {
    let plan = plan(|plan| {
        let [a, b] = plan.spawn_all(["a", "b"])?;
        plan.wait(a, 0)?;
        plan.wait(b, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2
         at 7      ->
         b exits 0 -> fails at 2: b ended with code 0, and this step does not expect it to end, kill all
         b gone    ->
         a exits KILL ->
         a gone    ->
         cleared   -> over, failed at 2: b ended with code 0, and this step does not expect it to end",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2
         a exits 0 ->
         b exits 0 -> fails at 2: b ended with code 0, and this step does not expect it to end, kill all",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         b up      ->
         a up      -> ends 1, begins 2
         a exits 0 ->
         a gone    -> ends 2, begins 3
         b exits 0 ->
         b gone    -> ends 3, over",
    );
}

#[test]
fn pl_10_steps_that_take_no_time_leave_the_check_to_the_next_step() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        let b = plan.spawn("b")?;
        plan.send_input(b, "x")?;
        plan.close_input(b)?;
        plan.wait(a, 0)?;
        plan.wait(b, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         a exits 0 ->
         a gone    ->
         b up      -> ends 2, begins 3, do 3
         done 3    -> ends 3, begins 4, do 4
         done 4    -> ends 4, begins 5, ends 5, begins 6
         b exits 0 ->
         b gone    -> ends 6, over",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         a exits 1 ->
         b up      -> ends 2, begins 3, do 3
         done 3    -> ends 3, begins 4, do 4
         done 4    -> ends 4, begins 5, fails at 5: a ended with code 1 instead of code 0, kill all",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b up      -> ends 2, begins 3, do 3
         done 3    -> ends 3, begins 4, do 4
         b exits 0 ->
         b gone    ->
         a exits 0 ->
         done 4    -> ends 4, begins 5, fails at 5: b ended with code 0, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_10_of_several_postponed_exits_the_first_is_the_verdict() {
    let plan = plan(|plan| {
        let [a, _] = plan.spawn_all(["a", "b"])?;
        let _ = plan.spawn("c")?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2, spawn c
         a exits 0 ->
         b exits 2 ->
         c up      -> ends 2, begins 3, fails at 3: b ended with code 2, and this step does not expect it to end, kill all",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, begins 2, spawn c
         b exits 2 ->
         a exits 1 ->
         c up      -> ends 2, begins 3, fails at 3: b ended with code 2, and this step does not expect it to end, kill all",
    );
}

#[test]
fn pl_13_a_wait_for_all_accepts_any_order_and_each_must_end_as_expected() {
    let plan = plan(|plan| {
        let [a, b, c] = plan.spawn_all(["a", "b", "c"])?;
        plan.wait_all([(a, 0), (b, 1), (c, 2)])?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b, spawn c
         a up      ->
         b up      ->
         c up      -> ends 1, begins 2
         c exits 2 ->
         a exits 0 ->
         a gone    ->
         b exits 1 ->
         b gone    ->
         c gone    -> ends 2, over",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b, spawn c
         a up      ->
         b up      ->
         c up      -> ends 1, begins 2
         c exits 2 ->
         a exits 7 -> fails at 2: a ended with code 7 instead of code 0, kill all",
    );
}

#[test]
fn pl_16_processes_that_run_after_the_last_step_are_named() {
    let plan = plan(|plan| {
        let [a, _, _] = plan.spawn_all(["a", "b", "c"])?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b, spawn c
         a up      ->
         b up      ->
         c up      -> ends 1, begins 2
         a exits 0 ->
         a gone    -> ends 2, fails at 3: the plan ended while b and c were still running, kill all
         due       -> never
         cleared   -> over, failed at 3: the plan ended while b and c were still running",
    );
}

#[test]
fn pl_16_an_exit_that_the_last_step_postponed_is_checked_after_it() {
    let plan = plan(|plan| plan.spawn_all(["a", "b"]).map(drop));
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         a exits 0 ->
         b up      -> ends 1, fails at 2: a ended with code 0, and this step does not expect it to end, kill all",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a, spawn b
         a up      ->
         b up      -> ends 1, fails at 2: the plan ended while a and b were still running, kill all",
    );
}

#[test]
fn pl_15_the_first_failure_is_the_verdict_and_nothing_more_is_done() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        let b = plan.spawn("b")?;
        plan.call("x", || ());
        plan.kill(b, Signal::TERM)?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin        -> begins 1, spawn a
         a up         -> ends 1, begins 2, spawn b
         b up         -> ends 2, begins 3, do 3
         failed 3     -> fails at 3: the call panicked: oh, kill all
         due          -> never
         a exits 1    ->
         b exits KILL ->
         done 3       ->
         failed 3     ->
         broken       ->
         at 100       ->
         tick         ->
         a gone       ->
         b gone       ->
         cleared but b -> over, failed at 3: the call panicked: oh; still not gone after KILL: b#1 (pid 7)
         cleared      ->
         tick         ->",
    );
}

#[test]
fn a_failure_withdraws_pending_requests() {
    // b ended before its kill, so neither the kill nor the start after a failed one is requested.
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        let _ = plan.spawn("b")?;
        plan.kill(a, Signal::TERM)?;
        Ok(())
    });
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b up      -> ends 2, begins 3, kill a
         b exits 0 -> fails at 3: b ended with code 0, and this step does not expect it to end, kill all",
    );
    play(
        &plan,
        "begin     -> begins 1, spawn a
         a up      -> ends 1, begins 2, spawn b
         b fails   -> fails at 2: cannot start b: cannot execute b: odd, kill all",
    );
}

#[test]
fn a_failed_write_fails_the_current_step() {
    let plan = plan(|plan| {
        let a = plan.spawn("a")?;
        plan.wait(a, 0)?;
        Ok(())
    });
    play(
        &plan,
        "begin   -> begins 1, spawn a
         a up    -> ends 1, begins 2
         broken  -> fails at 2: cannot write: disk full, kill all
         cleared -> over, failed at 2: cannot write: disk full",
    );
}
