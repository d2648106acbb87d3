//! Exits, restarts and delays.

use std::time::Duration;

use childminder::machine::LastRun;
use childminder::{Exit, Phase, Policy, Signal};

use super::harness::Harness;

#[test]
fn connection_lost_long_lived_process_pm_24_25_f_68_exactly_the_threshold_is_a_long_life() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 0);
    harness.advance(2.0);
    harness.code("foo", 0); // lived from 1.0 to 2.0
    assert_eq!(harness.next_start("foo"), Some(2.0), "on the next turn, never within this one");
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 0
         0.0 reap foo#1
         1.0 spawn foo#2
         2.0 exit foo#2 code 0
         2.0 reap foo#2",
    );
    assert_eq!(harness.status("foo").delay.as_secs(), 1, "back at the minimum");
    harness.advance(0.0);
    harness.expect("2.0 spawn foo#3");
}

#[test]
fn pm_24_a_life_just_below_the_threshold_is_an_instant_death() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(0.999_999_999);
    harness.code("foo", 0);
    assert_eq!(harness.next_start("foo"), Some(1.999_999_999));
}

#[test]
fn connection_lost_backoff_delay_doubles_pm_26_i_6_along_the_schedule() {
    let mut harness = Harness::running();
    harness.add("foo");
    let mut now = 0.0;
    for wait in Policy::default().schedule().map(|wait| wait.min).take(15) {
        harness.code("foo", 1);
        now += wait.as_secs_f64();
        assert_eq!(harness.next_start("foo"), Some(now));
        harness.advance(wait.as_secs_f64());
        assert_eq!(harness.phase("foo"), Phase::Up);
    }
    assert_eq!(now, 4095.0 + 3.0 * 3600.0);
}

#[test]
fn connection_lost_min_max_restart_delay_pm_26() {
    let mut harness = Harness::running();
    harness.add_with("foo", Policy::from_secs(1.0, 5.0, 2.0, 5.0).unwrap());
    for next_start in [2.0, 6.0, 11.0, 16.0] {
        harness.code("foo", 1);
        assert_eq!(harness.next_start("foo"), Some(next_start));
        harness.advance_to(next_start);
    }
}

#[test]
fn pm_28_the_exit_status_plays_no_part() {
    for exit in
        [Exit::Code(0), Exit::Code(255), Exit::Signal { signal: Signal::KILL, core: false }, Exit::Lost]
    {
        let mut harness = Harness::running();
        harness.add("foo");
        harness.exit("foo", exit);
        assert_eq!(harness.next_start("foo"), Some(1.0), "{exit}");
        assert!(matches!(harness.status("foo").last, Some(LastRun::Exited(last)) if last == exit));
    }
}

#[test]
fn pm_29_restarts_happen_only_in_a_running_service_for_a_known_name() {
    let mut harness = Harness::new();
    harness.add("foo");
    harness.start("foo");
    harness.advance(5.0);
    harness.code("foo", 0);
    assert_eq!(harness.deadline(), None);
}

#[test]
fn pm_30_the_delay_belongs_to_the_definition() {
    let mut harness = Harness::running();
    harness.add_with("slow", Policy { min_restart_delay: Duration::from_secs(10), ..Policy::default() });
    harness.add("fast");
    harness.code("slow", 1);
    harness.code("fast", 1);
    assert_eq!([harness.next_start("slow"), harness.next_start("fast")], [Some(10.0), Some(1.0)]);
}

#[test]
fn pm_31_f_23_every_start_exit_delay_and_kill_is_published() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 3);
    harness.advance(1.0);
    harness.advance(2.5);
    harness.exit("foo", Exit::Signal { signal: Signal::ABRT, core: true });
    harness.advance(0.0);
    harness.hold("foo");
    harness.advance(5.0);
    harness.killed("foo", Signal::KILL);
    assert_eq!(
        harness.sentences(),
        [
            "foo#1 started, pid 101",
            "foo#1 exited with code 3 after 0 ms",
            "foo#1 starts again in 1.0 s",
            "foo#2 started, pid 102",
            "foo#2 exited with signal ABRT (core dumped) after 2.5 s",
            "foo#2 starts again at once",
            "foo#3 started, pid 103",
            "foo#3 sent TERM, KILL in 5.0 s",
            "foo#3 killed",
            "foo#3 stopped with signal KILL after 5.0 s",
        ]
    );
}

#[test]
fn pm_43_stopping_and_starting_the_service_keeps_the_delay() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.stop_service();
    harness.start_service();
    assert_eq!(harness.status("foo").delay.as_secs(), 2);
    harness.code("foo", 1);
    assert_eq!(harness.next_start("foo"), Some(2.0));
}

#[test]
fn pm_46_f_65_only_the_time_handed_in_counts_and_it_may_go_backwards() {
    // The machine has no clock that could be stepped. A time before the last one changes nothing.
    let mut harness = Harness::running();
    harness.advance(100.0);
    harness.add("foo");
    let run = harness.run("foo");
    let machine = &mut harness.machine;
    let earlier = machine.status("foo").unwrap().since.unwrap() - Duration::from_secs(50);
    machine.handle_event(childminder::machine::Event::Closed { run }, earlier);
    machine.handle_event(
        childminder::machine::Event::Exited { run, exit: Exit::Code(1), remaining: vec![] },
        earlier,
    );
    machine.handle_timeout(earlier);
    assert_eq!(machine.status("foo").unwrap().next_start, Some(earlier + Duration::from_secs(1)));
}

#[test]
fn f_68_a_threshold_of_zero_restarts_at_once_and_lets_others_have_their_turn() {
    let mut harness = Harness::running();
    harness.add_with("loop", Policy { threshold: Duration::ZERO, ..Policy::default() });
    harness.add("calm");
    for _ in 0..3 {
        harness.code("loop", 1);
        harness.advance(0.0);
    }
    harness.stop("calm");
    harness.expect(
        "0.0 spawn loop#1
         0.0 spawn calm#2
         0.0 exit loop#1 code 1
         0.0 reap loop#1
         0.0 spawn loop#3
         0.0 exit loop#3 code 1
         0.0 reap loop#3
         0.0 spawn loop#4
         0.0 exit loop#4 code 1
         0.0 reap loop#4
         0.0 spawn loop#5
         0.0 signal calm#2 TERM
         0.0 signal calm#2 CONT",
    );
}

#[test]
fn the_status_shows_the_phase_and_the_next_start() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 7);
    let status = harness.status("foo");
    assert_eq!(status.phase, Phase::Waiting);
    assert_eq!((status.run, status.pid, status.since), (None, None, None));
    assert_eq!(status.delay.as_secs(), 2);
    assert_eq!(status.last.unwrap().to_string(), "exited with code 7");
    harness.advance(1.0);
    let status = harness.status("foo");
    assert_eq!((status.phase, status.pid, status.restarts), (Phase::Up, Some(102), 1));
    assert_eq!(status.next_start, None);
}
