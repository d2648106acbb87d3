//! The end of a run: families that outlive their leader, output that stays open, processes that survive KILL.

use std::time::Duration;

use childminder::machine::SurvivalReason;
use childminder::{Exit, Phase, Policy, Signal};

use super::harness::Harness;

#[test]
fn pm_22_f_17_an_exit_counts_although_the_output_stays_open() {
    let mut harness = Harness::running();
    harness.leaks("foo");
    harness.add("foo");
    harness.advance(2.0);
    harness.code("foo", 1);
    assert_eq!(harness.phase("foo"), Phase::Ending);
    harness.advance(1.0);
    harness.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 1
         2.2 reap foo#1
         2.2 spawn foo#2",
    );
    let notices = harness.sentences();
    assert!(notices[1].contains("a process that is not in its family holds its output open"), "{notices:?}");
    assert_eq!(notices[2], "foo#1 exited with code 1 after 2.0 s");
}

#[test]
fn pm_22_the_wait_for_the_output_is_part_of_the_delay_not_on_top_of_it() {
    let mut harness = Harness::running();
    harness.leaks("foo");
    harness.add("foo");
    harness.code("foo", 1);
    harness.advance(1.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.2 reap foo#1
         1.0 spawn foo#2",
    );
}

#[test]
fn f_57_output_that_closes_in_time_ends_the_wait() {
    let mut harness = Harness::running();
    harness.leaks("foo");
    harness.add("foo");
    harness.advance(2.0);
    harness.code("foo", 1);
    harness.advance(0.1);
    harness.group_ends("foo");
    harness.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 1
         2.1 reap foo#1",
    );
    assert!(!harness.sentences().iter().any(|text| text.contains("holds its output open")));
}

#[test]
fn f_28_a_process_that_puts_itself_into_the_background_is_noticed() {
    let mut harness = Harness::running();
    harness.leaks("daemon");
    harness.add("daemon");
    harness.code("daemon", 0);
    harness.advance(0.2);
    let notices = harness.sentences();
    assert!(notices[1].contains("if it puts itself into the background"), "{notices:?}");
}

#[test]
fn a_leak_timeout_of_zero_does_not_wait() {
    let mut harness = Harness::running();
    harness.leaks("foo");
    harness.add_with("foo", Policy { leak_timeout: Duration::ZERO, ..Policy::default() });
    harness.advance(2.0);
    harness.code("foo", 1);
    harness.advance(0.0);
    harness.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 1
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
}

#[test]
fn pm_38_a_group_that_outlives_a_leader_that_ended_by_itself_is_killed_before_the_next_run() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(2.0);
    harness.exit_leaving("foo", Exit::Code(0), &[7, 8]);
    harness.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 0
         2.0 signal foo#1 KILL",
    );
    harness.group_ends("foo");
    harness.advance(1.0);
    harness.expect(
        "2.002 reap foo#1
         2.002 spawn foo#2",
    );
    assert_eq!(
        harness.sentences()[1],
        "foo#1 exited and left processes behind, which were killed: pids 7, 8"
    );
}

#[test]
fn f_17_output_that_outlives_the_group_is_waited_for_as_well() {
    let mut harness = Harness::running();
    harness.leaks("foo");
    harness.add("foo");
    harness.advance(2.0);
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    harness.group_dies("foo");
    harness.advance(1.0);
    harness.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 0
         2.0 signal foo#1 KILL
         2.2 reap foo#1
         2.2 spawn foo#2",
    );
}

#[test]
fn f_25_the_escalation_goes_on_when_the_leader_obeys_and_a_member_does_not() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.stop_service();
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    assert_eq!(harness.phase("foo"), Phase::Stopping, "not before the group is empty");
    harness.advance(5.0);
    harness.group_ends("foo");
    harness.advance(1.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         5.0 signal foo#1 KILL
         5.002 reap foo#1",
    );
}

#[test]
fn the_intervals_between_family_checks_grow() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.stop_service();
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    harness.advance(0.030);
    assert_eq!(harness.family_checks, 4, "after 2, 6, 14 and 30 ms");
    harness.advance(4.0);
    assert_eq!(harness.family_checks, 4 + 1 + 62, "then after 32 ms, and every 64");
}

#[test]
fn f_25_a_member_that_needs_longer_than_its_leader_has_until_the_kill_time() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.stop_service();
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    harness.advance(3.0);
    harness.group_ends("foo");
    harness.advance(5.0);
    let reaped = harness.status("foo");
    assert_eq!(reaped.phase, Phase::Down);
    assert!(!harness.sentences().iter().any(|text| text == "foo#1 killed"));
}

#[test]
fn i_14_a_group_that_outlives_its_killed_leader_is_waited_for() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.kill_service();
    harness.exit_leaving("foo", Exit::Signal { signal: Signal::KILL, core: false }, &[7]);
    harness.advance(1.0);
    assert_eq!(harness.phase("foo"), Phase::Ending);
    harness.group_ends("foo");
    harness.advance(0.1);
    assert_eq!(harness.phase("foo"), Phase::Down);
}

#[test]
fn f_57_the_last_output_of_a_killed_process_is_awaited() {
    let mut harness = Harness::running();
    harness.leaks("foo");
    harness.add("foo");
    harness.kill_service();
    harness.killed("foo", Signal::KILL);
    harness.advance(0.199);
    assert_eq!(harness.phase("foo"), Phase::Ending);
    harness.advance(0.001);
    assert_eq!(harness.phase("foo"), Phase::Down);
}

#[test]
fn f_27_what_survives_kill_is_named_and_has_no_successor() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.stop("foo");
    harness.advance(7.0);
    assert_eq!(harness.phase("foo"), Phase::Unkillable);
    assert_eq!(harness.sentences().last().unwrap(), "foo#1 still not gone after KILL: pid 101");
    harness.start("foo");
    harness.advance(1000.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         5.0 signal foo#1 KILL",
    );
    harness.killed("foo", Signal::KILL); // it does end, after all
    harness.advance(0.0);
    harness.expect(
        "1007.0 exit foo#1 signal KILL
         1007.0 reap foo#1
         1007.0 spawn foo#2",
    );
}

#[test]
fn a_member_that_survives_kill_is_named_and_killed_again_at_every_check() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(2.0);
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    harness.advance(1.999);
    assert_eq!(harness.phase("foo"), Phase::Ending);
    harness.advance(0.001);
    assert_eq!(harness.phase("foo"), Phase::Unkillable);
    assert_eq!(harness.sentences().last().unwrap(), "foo#1 still not gone after KILL: pid 7");
    harness.group_ends("foo");
    harness.advance(0.1);
    assert_eq!(harness.phase("foo"), Phase::Up);
}

#[test]
fn stops_and_starts_while_a_run_is_ending_decide_what_comes_next() {
    let ending = || {
        let mut harness = Harness::new();
        harness.leaks("foo");
        harness.add("foo");
        harness.start("foo");
        harness.advance(2.0);
        harness.code("foo", 0);
        harness
    };
    let mut harness = ending();
    harness.start("foo");
    harness.advance(0.2);
    assert_eq!(harness.phase("foo"), Phase::Up);
    let mut harness = ending();
    harness.start("foo");
    harness.stop("foo");
    harness.advance(1.0);
    assert_eq!(harness.phase("foo"), Phase::Down);
}

#[test]
fn r2_11_survivors_are_checked_once_more_before_they_are_reported() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(2.0);
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    harness.advance(1.990);
    // It dies between the last regular check and the report.
    harness.group_ends("foo");
    let checks = harness.family_checks;
    harness.advance(0.010);
    assert_eq!(harness.family_checks, checks + 1);
    assert_eq!(harness.phase("foo"), Phase::Up, "restarted");
    assert!(!harness.sentences().iter().any(|text| text.contains("still not gone")));
}

#[test]
fn r2_11_a_process_that_only_needs_a_cpu_to_die_is_given_more_time() {
    let mut harness = Harness::running();
    harness.survives(101, SurvivalReason::KillPending);
    harness.add("foo");
    harness.kill_service();
    harness.advance(9.999);
    assert_eq!(harness.phase("foo"), Phase::Ending);
    assert!(!harness.sentences().iter().any(|text| text.contains("still not gone")));
    harness.advance(0.001);
    assert_eq!(harness.phase("foo"), Phase::Unkillable);
    assert_eq!(harness.sentences(), ["foo#1 still not gone after KILL: pid 101 (KILL is pending)"]);
}

#[test]
fn r2_11_a_leader_whose_exit_is_about_to_be_reported_is_no_survivor() {
    let mut harness = Harness::running();
    harness.found_dead(101);
    harness.add("foo");
    harness.kill_service();
    harness.advance(3.0);
    assert_eq!(harness.phase("foo"), Phase::Ending);
    harness.killed("foo", Signal::KILL);
    assert_eq!(harness.phase("foo"), Phase::Down);
}
