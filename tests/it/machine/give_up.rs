//! When a process that fails repeatedly is given up.

use std::time::Duration;

use childminder::machine::{ExitSet, GiveUp, LongRun, OnGiveUp};
use childminder::{Exit, Phase, Policy, Restart};

use super::harness::Harness;

fn policy(failures: u32, within: Option<f64>) -> Policy {
    let within = within.map(Duration::from_secs_f64);
    let give_up = Some(GiveUp { failures, within, then: OnGiveUp::StayDown });
    // Every restart is one second after the failure.
    let delay = Duration::from_secs(1);
    Policy { give_up, min_restart_delay: delay, max_restart_delay: delay, ..Policy::default() }
}

fn in_a_row(failures: u32) -> Harness {
    let mut harness = Harness::running();
    harness.add_with("job", policy(failures, None));
    harness
}

#[test]
fn f_173_a_process_is_given_up_at_the_nth_failure_in_a_row() {
    let mut harness = in_a_row(3);
    for failures in 1..3 {
        harness.code("job", 1);
        assert_eq!((harness.phase("job"), harness.status("job").failures), (Phase::Waiting, failures));
        harness.advance(1.0);
    }
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::GaveUp);
    assert_eq!(harness.sentences().pop().unwrap(), "job#3 is given up after 3 failures in a row");
    harness.advance(1e6);
    assert_eq!((harness.phase("job"), harness.deadline()), (Phase::GaveUp, None));
}

#[test]
fn f_173_a_success_and_a_long_run_end_the_row_and_a_stop_does_not_count() {
    for (what, end) in [
        ("success", (|harness| harness.code("job", 0)) as fn(&mut Harness)),
        ("long run", |harness| {
            harness.advance(1.0);
            harness.code("job", 1);
        }),
    ] {
        let mut harness = in_a_row(2);
        for _ in 0..5 {
            harness.code("job", 1);
            harness.advance(1.0);
            end(&mut harness);
            harness.advance_to(harness.next_start("job").unwrap());
            assert_eq!(harness.phase("job"), Phase::Up, "{what}");
        }
    }
    let mut harness = in_a_row(2);
    harness.code("job", 1);
    harness.advance(1.0);
    harness.stop("job");
    harness.code("job", 1);
    assert_eq!((harness.phase("job"), harness.status("job").failures), (Phase::Waiting, 1));
    harness.advance(1.0);
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::GaveUp, "a stop is no success either");
}

#[test]
fn f_173_every_exit_counts_if_none_is_a_success() {
    let mut harness = Harness::running();
    harness.add_with("job", Policy { success: ExitSet::NONE, ..policy(2, None) });
    harness.code("job", 0);
    harness.advance(1.0);
    harness.code("job", 0);
    assert_eq!(harness.phase("job"), Phase::GaveUp);
}

#[test]
fn f_173_the_failure_of_a_long_run_is_the_first_of_a_new_row_if_it_has_a_delay() {
    for (long_run, phase) in [(LongRun::AtOnce, Phase::Waiting), (LongRun::FirstDelay, Phase::GaveUp)] {
        let mut harness = Harness::running();
        harness.add_with("job", Policy { long_run, ..policy(1, None) });
        harness.advance(1.0);
        harness.code("job", 1);
        assert_eq!(harness.phase("job"), phase, "{long_run}");
        // What can be computed beforehand agrees.
        let policy = harness.status("job").policy;
        assert_eq!(policy.time_until_gives_up(Duration::from_secs(1)).is_some(), phase == Phase::GaveUp);
    }
}

#[test]
fn f_174_the_window_slides_and_includes_its_end() {
    // Failures at 0, 1 + `pause`, …: the third is `2 + pause` after the first.
    for (pause, phase) in [(0.0, Phase::GaveUp), (8.0, Phase::GaveUp), (8.000_000_001, Phase::Waiting)] {
        let mut harness = Harness::running();
        harness.add_with("job", policy(3, Some(10.0)));
        harness.code("job", 1);
        harness.advance(1.0);
        harness.code("job", 1);
        harness.advance(1.0 + pause);
        harness.code("job", 1);
        assert_eq!(harness.phase("job"), phase, "{pause}");
    }
}

#[test]
fn f_174_in_a_window_long_runs_count_as_well() {
    let mut harness = Harness::running();
    harness.add_with("job", policy(3, Some(100.0)));
    for _ in 0..2 {
        harness.advance(30.0);
        harness.code("job", 1);
        harness.advance(0.0);
        assert_eq!(harness.phase("job"), Phase::Up, "restarted at once");
    }
    harness.advance(30.0);
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::GaveUp);
    assert_eq!(harness.sentences().pop().unwrap(), "job#3 is given up after 3 failures in 100.0 s");
}

#[test]
fn f_175_a_start_by_hand_starts_the_count_over() {
    let mut harness = in_a_row(2);
    harness.code("job", 1);
    harness.start("job");
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::Waiting, "the first failure since the start");
    harness.advance(1.0);
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::GaveUp);
    // Neither of these is a start of the process.
    harness.stop("job");
    harness.hold("job");
    harness.release("job");
    harness.start_service();
    assert_eq!(harness.phase("job"), Phase::GaveUp);
    harness.start("job");
    assert_eq!((harness.phase("job"), harness.status("job").failures), (Phase::Up, 0));
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::Waiting);
}

#[test]
fn f_175_a_start_by_hand_empties_the_window() {
    let mut harness = Harness::running();
    harness.add_with("job", policy(2, Some(100.0)));
    for _ in 0..5 {
        harness.code("job", 1);
        harness.start("job");
        assert_eq!((harness.phase("job"), harness.status("job").failures), (Phase::Up, 0));
    }
}

#[test]
fn f_175_a_new_start_of_the_service_starts_what_was_given_up() {
    let mut harness = in_a_row(1);
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::GaveUp);
    harness.stop_service();
    assert_eq!(harness.phase("job"), Phase::GaveUp, "the result stays visible");
    harness.start_service();
    assert_eq!((harness.phase("job"), harness.status("job").failures), (Phase::Up, 0));
}

#[test]
fn f_176_giving_up_can_stop_everything_and_the_machine_knows_who_did_it() {
    let mut harness = Harness::running();
    harness.add("web");
    let give_up = Some(GiveUp { failures: 1, within: None, then: OnGiveUp::StopAll });
    harness.add_with("db", Policy { give_up, ..Policy::default() });
    harness.add("worker");
    harness.expect("0.0 spawn web#1\n0.0 spawn db#2\n0.0 spawn worker#3");
    harness.code("db", 1);
    harness.expect(
        "0.0 exit db#2 code 1
         0.0 reap db#2
         0.0 signal web#1 TERM
         0.0 signal web#1 CONT
         0.0 signal worker#3 TERM
         0.0 signal worker#3 CONT",
    );
    assert!(!harness.machine.is_running());
    assert_eq!(harness.machine.stopped_by().map(|name| name.as_str()), Some("db"));
    assert_eq!(
        harness.why("web"),
        "web is being stopped, KILL in 5.0 s; the service was stopped because db was given up; db was given up after \
         its first failure; it exited with code 1 after 0 ms"
    );
    harness.start_service();
    assert_eq!(harness.machine.stopped_by(), None);
    assert_eq!(harness.phase("db"), Phase::Up);
}

#[test]
fn a_failed_start_counts_and_a_process_that_is_never_restarted_only_fails() {
    let mut harness = Harness::running();
    harness.refuse("job", Some(libc::ENOENT));
    harness.add_with("job", policy(2, Some(5.0)));
    harness.advance(1.0);
    assert_eq!(harness.phase("job"), Phase::GaveUp);
    harness.add_with("other", Policy { restart: Restart::Never, ..policy(1, None) });
    harness.exit("other", Exit::Code(1));
    assert_eq!(harness.phase("other"), Phase::Failed);
}

#[test]
fn jitter_stays_in_its_interval_and_depends_on_the_seed() {
    let jitter = childminder::backoff::Jitter::new(0.5).unwrap();
    let policy = Policy { jitter, ..Policy::default() };
    let delays = |seed| {
        let mut harness = Harness::running();
        harness.machine = childminder::machine::Machine::with_seed(seed);
        harness.start_service();
        harness.add_with("job", policy);
        let mut delays = Vec::new();
        for wait in policy.schedule().take(10) {
            harness.code("job", 1);
            let delay = harness.status("job").next_start.unwrap() - harness.now();
            assert!(wait.contains(delay), "{delay:?} is not in {wait}");
            delays.push(delay);
            harness.advance(delay.as_secs_f64());
            harness.advance(0.001);
        }
        delays
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}
