//! Stopping: one process, all of them, twice, and while something else is going on.

use std::time::Duration;

use childminder::{Phase, Policy, Signal};

use super::harness::Harness;

#[test]
fn stop_process_natural_termination_pm_34_36_comes_back_in_a_running_service() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(1.0);
    harness.stop("foo");
    harness.advance(1.0);
    harness.killed("foo", Signal::TERM);
    harness.advance(10.0);
    harness.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT
         2.0 exit foo#1 signal TERM
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
}

#[test]
fn stop_process_forced_kill_pm_34_at_exactly_the_kill_time() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(1.0);
    harness.stop("foo");
    assert_eq!(harness.deadline(), Some(6.0));
    harness.advance(4.999);
    harness.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT",
    );
    harness.advance(0.001);
    harness.killed("foo", Signal::KILL);
    harness.advance(0.0);
    harness.expect(
        "6.0 signal foo#1 KILL
         6.0 exit foo#1 signal KILL
         6.0 reap foo#1
         6.0 spawn foo#2",
    );
}

#[test]
fn stop_process_already_stopped_pm_33_leaves_a_pending_restart_alone() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.stop("foo");
    harness.advance(1.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         1.0 spawn foo#2",
    );
    harness.stop_service();
    harness.code("foo", 0);
    harness.stop("foo"); // nothing there, nothing pending
    assert_eq!(harness.phase("foo"), Phase::Down);
}

#[test]
fn connection_lost_murder_cancel_pm_23_35_a_kill_deadline_dies_with_its_run() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(1.0);
    harness.stop("foo");
    harness.advance(1.0);
    harness.code("foo", 0);
    harness.advance(100.0); // the successor outlives the old deadline
    harness.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT
         2.0 exit foo#1 code 0
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
}

#[test]
fn connection_lost_protocol_deletion_pm_23_i_3_a_run_that_is_over_belongs_to_no_process() {
    let mut harness = Harness::new();
    harness.add("foo");
    harness.start("foo");
    let run = harness.run("foo");
    harness.code("foo", 0);
    assert_eq!(harness.machine.run("foo"), None);
    harness.event(childminder::machine::Event::Exited {
        run,
        exit: childminder::Exit::Code(9),
        remaining: vec![],
    });
    assert_eq!(harness.status("foo").last.unwrap().to_string(), "exited with code 0");
}

#[test]
fn pm_37_f_38_stopping_twice_joins_and_never_moves_the_deadline() {
    let mut harness = Harness::running();
    harness.add_with("foo", Policy { kill_time: Duration::from_secs(5), ..Policy::default() });
    harness.stop("foo");
    harness.advance(3.0);
    harness.stop("foo");
    harness.stop_service();
    harness.stop_service();
    harness.advance(2.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         5.0 signal foo#1 KILL",
    );
    harness.stop("foo");
    harness.kill_service(); // has had its KILL
    harness.killed("foo", Signal::KILL);
    harness.expect(
        "5.0 exit foo#1 signal KILL
         5.0 reap foo#1",
    );
}

#[test]
fn restart_all_restarts_one_process_pm_39() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(1.0);
    harness.restart_all();
    harness.code("foo", 0);
    harness.advance(0.0);
    harness.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT
         1.0 exit foo#1 code 0
         1.0 reap foo#1
         1.0 spawn foo#2",
    );
}

#[test]
fn pm_39_restart_all_leaves_the_dying_and_the_waiting_as_they_are() {
    let mut harness = Harness::running();
    for name in ["live", "dying", "waiting"] {
        harness.add(name);
    }
    harness.stop("dying");
    harness.code("waiting", 1);
    harness.expect(
        "0.0 spawn live#1
         0.0 spawn dying#2
         0.0 spawn waiting#3
         0.0 signal dying#2 TERM
         0.0 signal dying#2 CONT
         0.0 exit waiting#3 code 1
         0.0 reap waiting#3",
    );
    harness.restart_all();
    harness.expect(
        "0.0 signal live#1 TERM
         0.0 signal live#1 CONT",
    );
}

#[test]
fn stop_service_pm_29_40_restarts_nothing() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(1.0);
    harness.stop_service();
    harness.code("foo", 0);
    harness.advance(100.0);
    harness.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT
         1.0 exit foo#1 code 0
         1.0 reap foo#1",
    );
}

#[test]
fn stop_service_cancel_restarts_pm_40_f_33() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.stop_service();
    assert_eq!((harness.phase("foo"), harness.deadline()), (Phase::Down, None));
    harness.advance(100.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1",
    );
}

#[test]
fn stop_service_cleanup_scheduled_restarts_pm_40_42_the_service_can_start_again() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.stop_service();
    harness.start_service();
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         0.0 spawn foo#2",
    );
    assert_eq!(harness.deadline(), None);
}

#[test]
fn pm_42_f_37_starting_the_service_while_it_stops_waits_for_the_old_run() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(2.0);
    harness.stop_service();
    harness.start_service();
    harness.advance(1.0);
    harness.code("foo", 0);
    harness.advance(0.0);
    harness.expect(
        "0.0 spawn foo#1
         2.0 signal foo#1 TERM
         2.0 signal foo#1 CONT
         3.0 exit foo#1 code 0
         3.0 reap foo#1
         3.0 spawn foo#2",
    );
}

#[test]
fn f_37_a_start_while_stopping_is_never_lost_and_never_a_second_copy() {
    let mut harness = Harness::new();
    harness.add("foo");
    harness.start("foo");
    harness.stop("foo");
    harness.start("foo");
    assert_eq!(harness.phase("foo"), Phase::Stopping);
    harness.code("foo", 0);
    harness.advance(0.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         0.0 reap foo#1
         0.0 spawn foo#2",
    );
    harness.stop("foo");
    harness.start("foo");
    harness.stop("foo"); // the last word counts
    harness.code("foo", 0);
    harness.advance(100.0);
    assert_eq!(harness.phase("foo"), Phase::Down);
}

#[test]
fn hold_process_keeps_it_down_until_release() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.hold("foo");
    assert!(harness.status("foo").held);
    harness.code("foo", 0);
    assert_eq!(harness.phase("foo"), Phase::Held);
    harness.advance(100.0);
    harness.stop_service();
    harness.start_service(); // not even then
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         0.0 reap foo#1",
    );
    harness.release("foo");
    harness.expect("100.0 spawn foo#2");
}

#[test]
fn hold_process_cancels_a_pending_restart() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.hold("foo");
    assert_eq!((harness.phase("foo"), harness.deadline()), (Phase::Held, None));
    harness.release("foo");
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         0.0 spawn foo#2",
    );
}

#[test]
fn a_release_while_the_held_run_is_dying_brings_it_back_and_a_started_hold_runs_once() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(2.0);
    harness.hold("foo");
    harness.release("foo");
    harness.code("foo", 0);
    harness.advance(2.0);
    assert_eq!(harness.phase("foo"), Phase::Up);
    harness.hold("foo");
    harness.code("foo", 0);
    harness.start("foo"); // held, and yet wanted once
    assert_eq!(harness.phase("foo"), Phase::Up);
    harness.code("foo", 0);
    harness.advance(100.0);
    assert_eq!(harness.phase("foo"), Phase::Held);
    let mut stopped = Harness::new();
    stopped.add("foo");
    stopped.hold("foo");
    stopped.release("foo");
    assert_eq!(stopped.phase("foo"), Phase::Down, "a release starts nothing in a stopped service");
}

#[test]
fn f_52_a_second_request_to_stop_kills_at_once() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.add("bar");
    harness.code("bar", 1);
    harness.stop_service();
    harness.advance(1.0);
    harness.kill_service();
    harness.expect(
        "0.0 spawn foo#1
         0.0 spawn bar#2
         0.0 exit bar#2 code 1
         0.0 reap bar#2
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         1.0 signal foo#1 KILL",
    );
    let mut harness = Harness::running();
    harness.add("foo");
    harness.kill_service(); // without asking first
    harness.killed("foo", Signal::KILL);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 KILL
         0.0 exit foo#1 signal KILL
         0.0 reap foo#1",
    );
}

#[test]
fn a_kill_time_of_zero_kills_on_the_next_turn() {
    let mut harness = Harness::running();
    harness.add_with("foo", Policy { kill_time: Duration::ZERO, ..Policy::default() });
    harness.stop("foo");
    harness.advance(0.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 signal foo#1 KILL",
    );
}

#[test]
fn a_signal_goes_to_a_running_process_and_changes_no_decision() {
    let mut harness = Harness::running();
    harness.add("foo");
    assert!(harness.signal("foo", Signal::HUP));
    harness.stop("foo");
    assert!(harness.signal("foo", Signal::STOP));
    harness.code("foo", 0);
    assert!(!harness.signal("foo", Signal::HUP), "it waits for its restart");
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 HUP
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 signal foo#1 STOP
         0.0 exit foo#1 code 0
         0.0 reap foo#1",
    );
    assert!(harness.machine.signal_process("bar", Signal::HUP).is_err());
}
