//! Readiness and health of a run.

use std::time::Duration;

use childminder::machine::{Definition, Event};
use childminder::{Phase, Policy};

use super::harness::Harness;

/// A service with a process that has to become ready within ten seconds.
fn service() -> Harness {
    let mut harness = Harness::running();
    let ready = Some(Duration::from_secs(10));
    harness.define("db", Definition { ready, ..Definition::new(()) });
    harness
}

#[test]
fn f_177_a_run_becomes_ready_once_and_the_status_shows_since_when() {
    let mut harness = service();
    assert_eq!((harness.status("db").ready_since, harness.deadline()), (None, Some(10.0)));
    harness.advance(3.0);
    harness.ready("db");
    harness.ready("db");
    assert_eq!(harness.status("db").ready_since, Some(harness.now()));
    assert_eq!(harness.sentences(), ["db#1 started, pid 101", "db#1 is ready"]);
    harness.advance(100.0);
    assert_eq!((harness.phase("db"), harness.deadline()), (Phase::Up, None));
    harness.code("db", 1);
    assert_eq!(harness.status("db").ready_since, None);
}

#[test]
fn f_177_without_a_condition_a_run_is_ready_when_it_is_started() {
    let mut harness = Harness::running();
    harness.add("web");
    harness.ready("web");
    assert_eq!(harness.status("web").ready_since, harness.status("web").since);
    assert_eq!(harness.sentences(), ["web#1 started, pid 101"]);
}

#[test]
fn f_177_a_run_that_is_not_ready_in_time_is_stopped_and_has_failed() {
    let mut harness = service();
    harness.advance(9.999_999_999);
    assert_eq!(harness.phase("db"), Phase::Up);
    harness.advance(0.000_000_001);
    assert_eq!(
        harness.sentences(),
        [
            "db#1 started, pid 101",
            "db#1 is not ready: its condition did not hold within 10.0 s",
            "db#1 sent TERM, KILL in 5.0 s",
        ]
    );
    harness.code("db", 0);
    // However long it ran: it never did its work.
    assert_eq!(harness.sentences().pop().unwrap(), "db#1 starts again in 1.0 s");
    assert_eq!(harness.status("db").failures, 1);
}

#[test]
fn f_177_a_run_that_will_never_be_ready_or_is_unhealthy_is_stopped_and_has_failed() {
    for is_health in [false, true] {
        let mut harness = service();
        harness.advance(2.0);
        if is_health {
            harness.unhealthy("db", "no answer");
        } else {
            harness.not_ready("db", "no answer");
        }
        let state = if is_health { "unhealthy" } else { "not ready" };
        assert_eq!(harness.sentences()[1], format!("db#1 is {state}: no answer"));
        assert_eq!(harness.phase("db"), Phase::Stopping);
        // Late reports change nothing.
        harness.ready("db");
        harness.unhealthy("db", "again");
        harness.not_ready("db", "again");
        harness.code("db", 0);
        assert_eq!(harness.status("db").failures, 1);
        assert_eq!(harness.sentences().len(), 2, "it exited, and starts again");
    }
}

#[test]
fn f_177_an_unhealthy_run_that_is_never_restarted_has_failed() {
    let mut harness = Harness::running();
    harness.add_with("job", Policy { restart: childminder::Restart::Never, ..Policy::default() });
    harness.unhealthy("job", "no answer");
    harness.code("job", 0);
    assert_eq!(harness.phase("job"), Phase::Failed);
}

#[test]
fn f_178_readiness_can_be_lost_and_found_without_a_restart() {
    let mut harness = service();
    harness.ready("db");
    harness.not_ready("db", "standby");
    harness.not_ready("db", "standby");
    harness.advance(60.0);
    assert_eq!((harness.phase("db"), harness.status("db").ready_since), (Phase::Up, None));
    harness.ready("db");
    assert_eq!(harness.status("db").ready_since, Some(harness.now()));
    assert_eq!(harness.sentences()[1..], ["db#1 is ready", "db#1 is not ready: standby", "db#1 is ready"]);
}

#[test]
fn f_178_what_is_reported_before_the_start_is_kept() {
    for (event, last) in
        [(0, "db#1 is ready"), (1, "db#1 sent TERM, KILL in 5.0 s"), (2, "db#1 sent TERM, KILL in 5.0 s")]
    {
        let mut harness = Harness::running();
        harness.defer_starts();
        harness.define("db", Harness::definition(&[]));
        let run = harness.run("db");
        harness.event(match event {
            0 => Event::Ready { run },
            1 => Event::NotReady { run, reason: "no".into() },
            _ => Event::Unhealthy { run, reason: "no".into() },
        });
        assert!(harness.sentences().is_empty());
        harness.answer(run);
        let sentences = harness.sentences();
        assert_eq!(sentences[0], "db#1 started, pid 101");
        assert_eq!(sentences.last().unwrap(), last);
    }
}

#[test]
fn f_178_readiness_ends_with_its_run() {
    let mut harness = service();
    let old = harness.run("db");
    harness.advance(2.0);
    harness.code("db", 1);
    harness.advance(1.0);
    harness.event(Event::Ready { run: old });
    assert_eq!((harness.phase("db"), harness.status("db").ready_since), (Phase::Up, None));
    assert_eq!(harness.deadline(), Some(13.0), "the second run has ten seconds from its own start");
}

#[test]
fn f_178_a_run_that_has_lost_its_readiness_does_not_reset_the_delay() {
    let mut harness = Harness::running();
    let policy = Policy { reset_after_ready: Some(Duration::from_secs(1)), ..Policy::default() };
    harness.define("db", Definition { policy, ..Harness::definition(&[]) });
    harness.ready("db");
    harness.advance(50.0);
    harness.not_ready("db", "standby");
    harness.code("db", 1);
    assert_eq!(harness.next_start("db"), Some(51.0));
}

#[test]
fn f_178_a_time_of_being_ready_can_reset_the_delay() {
    let least = Some(Duration::from_secs(30));
    for (ready_for, next_start) in [(29.999, Some(2.0)), (30.0, Some(0.0))] {
        let mut harness = Harness::running();
        let policy = Policy { reset_after_ready: least, ..Policy::default() };
        harness.define("db", Definition { policy, ..Harness::definition(&[]) });
        harness.code("db", 1);
        harness.advance(1.0);
        harness.advance(50.0);
        harness.ready("db");
        harness.advance(ready_for);
        harness.code("db", 1);
        let wait = harness.next_start("db").map(|at| at - (51.0 + ready_for));
        assert!((wait.unwrap() - next_start.unwrap()).abs() < 1e-6, "{ready_for}: {wait:?}");
    }
}
