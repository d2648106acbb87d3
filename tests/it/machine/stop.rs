//! Stopping: one process, all of them, twice, and while something else is going on.

use std::time::Duration;

use childminder::{Phase, Policy, Signal};

use super::stage::Stage;

#[test]
fn stop_process_natural_termination_pm_34_36_comes_back_in_a_running_service() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(1.0);
    stage.stop("foo");
    stage.advance(1.0);
    stage.killed("foo", Signal::TERM);
    stage.advance(10.0);
    stage.expect(
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
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(1.0);
    stage.stop("foo");
    assert_eq!(stage.deadline(), Some(6.0));
    stage.advance(4.999);
    stage.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT",
    );
    stage.advance(0.001);
    stage.killed("foo", Signal::KILL);
    stage.advance(0.0);
    stage.expect(
        "6.0 signal foo#1 KILL
         6.0 exit foo#1 signal KILL
         6.0 reap foo#1
         6.0 spawn foo#2",
    );
}

#[test]
fn stop_process_already_stopped_pm_33_leaves_a_pending_restart_alone() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.code("foo", 1);
    stage.stop("foo");
    stage.advance(1.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         1.0 spawn foo#2",
    );
    stage.stop_service();
    stage.code("foo", 0);
    stage.stop("foo"); // nothing there, nothing pending
    assert_eq!(stage.phase("foo"), Phase::Down);
}

#[test]
fn connection_lost_murder_cancel_pm_23_35_a_kill_deadline_dies_with_its_run() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(1.0);
    stage.stop("foo");
    stage.advance(1.0);
    stage.code("foo", 0);
    stage.advance(100.0); // the successor lives through the old deadline
    stage.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT
         2.0 exit foo#1 code 0
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
}

#[test]
fn connection_lost_protocol_deletion_pm_23_i_3_a_run_that_is_over_is_nobodys() {
    let mut stage = Stage::new();
    stage.add("foo");
    stage.start("foo");
    let run = stage.run("foo");
    stage.code("foo", 0);
    assert_eq!(stage.machine.run("foo"), None);
    stage.event(childminder::machine::Event::Exited {
        run,
        exit: childminder::Exit::Code(9),
        remaining: vec![],
    });
    assert_eq!(stage.status("foo").last.unwrap().to_string(), "exited with code 0");
}

#[test]
fn pm_37_f_38_stopping_twice_joins_and_never_moves_the_deadline() {
    let mut stage = Stage::running();
    stage.add_with("foo", Policy { kill_time: Duration::from_secs(5), ..Policy::default() });
    stage.stop("foo");
    stage.advance(3.0);
    stage.stop("foo");
    stage.stop_service();
    stage.stop_service();
    stage.advance(2.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         5.0 signal foo#1 KILL",
    );
    stage.stop("foo");
    stage.kill_service(); // has had its KILL
    stage.killed("foo", Signal::KILL);
    stage.expect(
        "5.0 exit foo#1 signal KILL
         5.0 reap foo#1",
    );
}

#[test]
fn restart_all_restarts_one_process_pm_39() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(1.0);
    stage.restart_all();
    stage.code("foo", 0);
    stage.advance(0.0);
    stage.expect(
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
    let mut stage = Stage::running();
    for name in ["live", "dying", "waiting"] {
        stage.add(name);
    }
    stage.stop("dying");
    stage.code("waiting", 1);
    stage.expect(
        "0.0 spawn live#1
         0.0 spawn dying#2
         0.0 spawn waiting#3
         0.0 signal dying#2 TERM
         0.0 signal dying#2 CONT
         0.0 exit waiting#3 code 1
         0.0 reap waiting#3",
    );
    stage.restart_all();
    stage.expect(
        "0.0 signal live#1 TERM
         0.0 signal live#1 CONT",
    );
}

#[test]
fn stop_service_pm_29_40_restarts_nothing() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(1.0);
    stage.stop_service();
    stage.code("foo", 0);
    stage.advance(100.0);
    stage.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT
         1.0 exit foo#1 code 0
         1.0 reap foo#1",
    );
}

#[test]
fn stop_service_cancel_restarts_pm_40_f_33() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.code("foo", 1);
    stage.stop_service();
    assert_eq!((stage.phase("foo"), stage.deadline()), (Phase::Down, None));
    stage.advance(100.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1",
    );
}

#[test]
fn stop_service_cleanup_scheduled_restarts_pm_40_42_the_service_can_start_again() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.code("foo", 1);
    stage.stop_service();
    stage.start_service();
    stage.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         0.0 spawn foo#2",
    );
    assert_eq!(stage.deadline(), None);
}

#[test]
fn pm_42_f_37_starting_the_service_while_it_stops_waits_for_the_old_run() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(2.0);
    stage.stop_service();
    stage.start_service();
    stage.advance(1.0);
    stage.code("foo", 0);
    stage.advance(0.0);
    stage.expect(
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
    let mut stage = Stage::new();
    stage.add("foo");
    stage.start("foo");
    stage.stop("foo");
    stage.start("foo");
    assert_eq!(stage.phase("foo"), Phase::Stopping);
    stage.code("foo", 0);
    stage.advance(0.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         0.0 reap foo#1
         0.0 spawn foo#2",
    );
    stage.stop("foo");
    stage.start("foo");
    stage.stop("foo"); // the last word counts
    stage.code("foo", 0);
    stage.advance(100.0);
    assert_eq!(stage.phase("foo"), Phase::Down);
}

#[test]
fn hold_process_keeps_it_down_until_release() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.hold("foo");
    assert!(stage.status("foo").held);
    stage.code("foo", 0);
    assert_eq!(stage.phase("foo"), Phase::Held);
    stage.advance(100.0);
    stage.stop_service();
    stage.start_service(); // not even then
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         0.0 reap foo#1",
    );
    stage.release("foo");
    stage.expect("100.0 spawn foo#2");
}

#[test]
fn hold_process_cancels_a_pending_restart() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.code("foo", 1);
    stage.hold("foo");
    assert_eq!((stage.phase("foo"), stage.deadline()), (Phase::Held, None));
    stage.release("foo");
    stage.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         0.0 spawn foo#2",
    );
}

#[test]
fn a_release_while_the_held_run_is_dying_brings_it_back_and_a_started_hold_runs_once() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(2.0);
    stage.hold("foo");
    stage.release("foo");
    stage.code("foo", 0);
    stage.advance(2.0);
    assert_eq!(stage.phase("foo"), Phase::Up);
    stage.hold("foo");
    stage.code("foo", 0);
    stage.start("foo"); // held, and yet wanted once
    assert_eq!(stage.phase("foo"), Phase::Up);
    stage.code("foo", 0);
    stage.advance(100.0);
    assert_eq!(stage.phase("foo"), Phase::Held);
    let mut stopped = Stage::new();
    stopped.add("foo");
    stopped.hold("foo");
    stopped.release("foo");
    assert_eq!(stopped.phase("foo"), Phase::Down, "a release starts nothing in a stopped service");
}

#[test]
fn f_52_a_second_request_to_stop_kills_at_once() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.add("bar");
    stage.code("bar", 1);
    stage.stop_service();
    stage.advance(1.0);
    stage.kill_service();
    stage.expect(
        "0.0 spawn foo#1
         0.0 spawn bar#2
         0.0 exit bar#2 code 1
         0.0 reap bar#2
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         1.0 signal foo#1 KILL",
    );
    let mut stage = Stage::running();
    stage.add("foo");
    stage.kill_service(); // without asking first
    stage.killed("foo", Signal::KILL);
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 KILL
         0.0 exit foo#1 signal KILL
         0.0 reap foo#1",
    );
}

#[test]
fn a_kill_time_of_zero_kills_on_the_next_turn() {
    let mut stage = Stage::running();
    stage.add_with("foo", Policy { kill_time: Duration::ZERO, ..Policy::default() });
    stage.stop("foo");
    stage.advance(0.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 signal foo#1 KILL",
    );
}

#[test]
fn a_signal_goes_to_whoever_is_up_and_changes_no_decision() {
    let mut stage = Stage::running();
    stage.add("foo");
    assert!(stage.signal("foo", Signal::HUP));
    stage.stop("foo");
    assert!(stage.signal("foo", Signal::STOP));
    stage.code("foo", 0);
    assert!(!stage.signal("foo", Signal::HUP), "it waits for its restart");
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 HUP
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 signal foo#1 STOP
         0.0 exit foo#1 code 0
         0.0 reap foo#1",
    );
    assert!(stage.machine.signal_process("bar", Signal::HUP).is_err());
}
