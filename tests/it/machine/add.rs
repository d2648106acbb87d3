//! Adding and removing.

use childminder::Phase;
use childminder::machine::Definition;

use super::harness::Harness;

#[test]
fn add_process_pm_1_in_a_stopped_service_only_stores_the_definition() {
    let mut harness = Harness::new();
    harness.add("foo");
    harness.expect("");
    assert_eq!(harness.phase("foo"), Phase::Down);
    assert_eq!(harness.status("foo").delay.as_secs(), 1);
    harness.start_service();
    harness.expect("0.0 spawn foo#1");
}

#[test]
fn pm_2_adding_to_a_running_service_starts_at_once() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.expect("0.0 spawn foo#1");
}

#[test]
fn add_process_duplicate_key_error_pm_3_f_39_leaves_the_first_alone() {
    let mut harness = Harness::running();
    harness.add("foo");
    let now = std::time::Instant::now();
    let error = harness.machine.add_process("foo".parse().unwrap(), Definition::new(()), now).unwrap_err();
    assert_eq!(error.to_string(), "there is a process \"foo\" already");
    assert_eq!(harness.phase("foo"), Phase::Up);
    harness.expect("0.0 spawn foo#1");
}

#[test]
fn unknown_names_are_errors_pm_8_14_32() {
    // Upstream: test_removeProcessUnknownKeyError, test_startProcessUnknownKeyError,
    // test_stopProcessUnknownKeyError.
    let mut machine = Harness::new().machine;
    let now = std::time::Instant::now();
    for result in [
        machine.remove_process("foo", now),
        machine.start_process("foo", now),
        machine.stop_process("foo", now),
        machine.hold_process("foo", now),
        machine.release_process("foo", now),
    ] {
        assert_eq!(result.unwrap_err().to_string(), "there is no process \"foo\"");
    }
    assert!(machine.status("foo").is_none());
}

#[test]
fn remove_process_pm_9_stops_it_and_forgets_it_at_once() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.remove("foo");
    assert!(harness.machine.status("foo").is_none());
    assert!(harness.machine.statuses().is_empty());
    assert!(harness.machine.stop_process("foo", std::time::Instant::now()).is_err());
    harness.advance(10.0);
    harness.killed("foo", childminder::Signal::KILL);
    harness.advance(100.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         5.0 signal foo#1 KILL
         10.0 exit foo#1 signal KILL
         10.0 reap foo#1",
    );
}

#[test]
fn pm_11_f_35_removing_while_a_restart_is_pending_leaves_no_timer() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.remove("foo");
    assert_eq!(harness.deadline(), None);
    harness.advance(10.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1",
    );
    harness.add("foo"); // the name is free at once
    harness.expect("10.0 spawn foo#2");
}

#[test]
fn pm_10_f_36_a_readded_name_starts_when_the_old_run_is_over_and_inherits_nothing() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.advance(1.5); // the second run; the delay has doubled
    harness.remove("foo");
    harness.add("foo");
    assert_eq!(harness.phase("foo"), Phase::Stopping);
    assert_eq!(harness.status("foo").delay.as_secs(), 1, "a new definition has a new delay");
    harness.advance(2.0);
    harness.code("foo", 0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         1.0 spawn foo#2
         1.5 signal foo#2 TERM
         1.5 signal foo#2 CONT
         3.5 exit foo#2 code 0
         3.5 reap foo#2",
    );
    harness.advance(0.0);
    harness.expect("3.5 spawn foo#3");
    let status = harness.status("foo");
    assert!(status.last.is_none() && status.restarts == 0, "{status:?}");
    assert_eq!(status.delay.as_secs(), 1);
}

#[test]
fn pm_12_an_old_restart_timer_is_dead_after_remove_and_readd() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1); // would come back at 1.0
    harness.advance(0.5);
    harness.remove("foo");
    harness.add("foo"); // starts at once
    harness.advance(0.1);
    harness.stop_service();
    harness.code("foo", 0);
    harness.advance(100.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         0.5 spawn foo#2
         0.6 signal foo#2 TERM
         0.6 signal foo#2 CONT
         0.6 exit foo#2 code 0
         0.6 reap foo#2",
    );
}

#[test]
fn a_name_readded_and_removed_again_while_the_old_run_dies_is_gone() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.remove("foo");
    harness.add("foo");
    harness.remove("foo");
    harness.code("foo", 0);
    harness.advance(100.0);
    assert!(harness.machine.status("foo").is_none());
    assert_eq!(harness.machine.runs().count(), 0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         0.0 reap foo#1",
    );
}

#[test]
fn pm_13_the_service_starts_in_the_order_of_additions() {
    let mut harness = Harness::new();
    for name in ["c", "a", "d"] {
        harness.add(name);
    }
    harness.remove("a");
    for name in ["b", "a"] {
        harness.add(name); // reuses the place of the one that is gone
    }
    let names: Vec<String> =
        harness.machine.statuses().iter().map(|status| status.name.to_string()).collect();
    assert_eq!(names, ["c", "d", "b", "a"]);
    harness.start_service();
    harness.expect(
        "0.0 spawn c#1
         0.0 spawn d#2
         0.0 spawn b#3
         0.0 spawn a#4",
    );
}

#[test]
fn f_43_a_hundred_thousand_names_leave_nothing_behind() {
    let mut harness = Harness::running();
    harness.add("stays");
    let empty = format!("{:?}", harness.machine).len();
    for i in 0..100_000 {
        let name = format!("n{i}");
        harness.add(&name);
        harness.code(&name, 1); // a pending restart and a timer
        harness.remove(&name);
        harness.notices.clear();
    }
    assert_eq!(harness.machine.statuses().len(), 1);
    assert_eq!(harness.deadline(), None);
    let full = format!("{:?}", harness.machine).len();
    assert!(full < empty + 100, "the machine grew from {empty} to {full} characters");
}
