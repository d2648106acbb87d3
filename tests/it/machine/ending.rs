//! The end of a run: groups that outlive their leader, output that stays open, and what KILL does not kill.

use std::time::Duration;

use childminder::{Exit, Phase, Policy, Signal};

use super::stage::Stage;

#[test]
fn pm_22_f_17_an_exit_counts_although_the_output_stays_open() {
    let mut stage = Stage::running();
    stage.leaks("foo");
    stage.add("foo");
    stage.advance(2.0);
    stage.code("foo", 1);
    assert_eq!(stage.phase("foo"), Phase::Ending);
    stage.advance(1.0);
    stage.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 1
         2.2 reap foo#1
         2.2 spawn foo#2",
    );
    let told = stage.told();
    assert!(told[1].contains("a process that is not in its family holds its output open"), "{told:?}");
    assert_eq!(told[2], "foo#1 exited with code 1 after 2.0 s");
}

#[test]
fn pm_22_the_wait_for_the_output_is_part_of_the_delay_not_on_top_of_it() {
    let mut stage = Stage::running();
    stage.leaks("foo");
    stage.add("foo");
    stage.code("foo", 1);
    stage.advance(1.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.2 reap foo#1
         1.0 spawn foo#2",
    );
}

#[test]
fn f_57_output_that_closes_in_time_ends_the_wait() {
    let mut stage = Stage::running();
    stage.leaks("foo");
    stage.add("foo");
    stage.advance(2.0);
    stage.code("foo", 1);
    stage.advance(0.1);
    stage.group_ends("foo");
    stage.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 1
         2.1 reap foo#1",
    );
    assert!(!stage.told().iter().any(|text| text.contains("holds its output open")));
}

#[test]
fn f_28_a_process_that_puts_itself_into_the_background_is_noticed() {
    let mut stage = Stage::running();
    stage.leaks("daemon");
    stage.add("daemon");
    stage.code("daemon", 0);
    stage.advance(0.2);
    let told = stage.told();
    assert!(told[1].contains("if it puts itself into the background"), "{told:?}");
}

#[test]
fn a_leak_timeout_of_zero_does_not_wait() {
    let mut stage = Stage::running();
    stage.leaks("foo");
    stage.add_with("foo", Policy { leak_timeout: Duration::ZERO, ..Policy::default() });
    stage.advance(2.0);
    stage.code("foo", 1);
    stage.advance(0.0);
    stage.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 1
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
}

#[test]
fn pm_38_a_group_that_outlives_a_leader_that_ended_by_itself_is_killed_before_the_next_run() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(2.0);
    stage.exit_leaving("foo", Exit::Code(0), &[7, 8]);
    stage.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 0
         2.0 signal foo#1 KILL",
    );
    stage.group_ends("foo");
    stage.advance(1.0);
    stage.expect(
        "2.002 reap foo#1
         2.002 spawn foo#2",
    );
    assert_eq!(stage.told()[1], "foo#1 exited and left processes behind, which were killed: pids 7, 8");
}

#[test]
fn f_17_output_that_outlives_the_group_is_waited_for_as_well() {
    let mut stage = Stage::running();
    stage.leaks("foo");
    stage.add("foo");
    stage.advance(2.0);
    stage.exit_leaving("foo", Exit::Code(0), &[7]);
    stage.group_dies("foo");
    stage.advance(1.0);
    stage.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 0
         2.0 signal foo#1 KILL
         2.2 reap foo#1
         2.2 spawn foo#2",
    );
}

#[test]
fn f_25_the_escalation_goes_on_when_the_leader_obeys_and_a_member_does_not() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.stop_service();
    stage.exit_leaving("foo", Exit::Code(0), &[7]);
    assert_eq!(stage.phase("foo"), Phase::Stopping, "not before the group is empty");
    stage.advance(5.0);
    stage.group_ends("foo");
    stage.advance(1.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         5.0 signal foo#1 KILL
         5.002 reap foo#1",
    );
}

#[test]
fn a_group_that_takes_its_time_is_looked_at_less_and_less_often() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.stop_service();
    stage.exit_leaving("foo", Exit::Code(0), &[7]);
    stage.advance(0.030);
    assert_eq!(stage.looks, 4, "after 2, 6, 14 and 30 ms");
    stage.advance(4.0);
    assert_eq!(stage.looks, 4 + 1 + 62, "then after 32 ms, and every 64");
}

#[test]
fn f_25_a_member_that_needs_longer_than_its_leader_has_until_the_kill_time() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.stop_service();
    stage.exit_leaving("foo", Exit::Code(0), &[7]);
    stage.advance(3.0);
    stage.group_ends("foo");
    stage.advance(5.0);
    let reaped = stage.status("foo");
    assert_eq!(reaped.phase, Phase::Down);
    assert!(!stage.told().iter().any(|text| text == "foo#1 killed"));
}

#[test]
fn i_14_a_group_that_outlives_its_killed_leader_is_waited_for() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.kill_service();
    stage.exit_leaving("foo", Exit::Signal { signal: Signal::KILL, core: false }, &[7]);
    stage.advance(1.0);
    assert_eq!(stage.phase("foo"), Phase::Ending);
    stage.group_ends("foo");
    stage.advance(0.1);
    assert_eq!(stage.phase("foo"), Phase::Down);
}

#[test]
fn f_57_the_last_words_of_a_killed_process_are_waited_for() {
    let mut stage = Stage::running();
    stage.leaks("foo");
    stage.add("foo");
    stage.kill_service();
    stage.killed("foo", Signal::KILL);
    stage.advance(0.199);
    assert_eq!(stage.phase("foo"), Phase::Ending);
    stage.advance(0.001);
    assert_eq!(stage.phase("foo"), Phase::Down);
}

#[test]
fn f_27_what_survives_kill_is_named_and_has_no_successor() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.stop("foo");
    stage.advance(7.0);
    assert_eq!(stage.phase("foo"), Phase::Unkillable);
    assert_eq!(stage.told().last().unwrap(), "foo#1 still not gone after KILL: pid 101");
    stage.start("foo");
    stage.advance(1000.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         5.0 signal foo#1 KILL",
    );
    stage.killed("foo", Signal::KILL); // it does end, after all
    stage.advance(0.0);
    stage.expect(
        "1007.0 exit foo#1 signal KILL
         1007.0 reap foo#1
         1007.0 spawn foo#2",
    );
}

#[test]
fn a_member_that_survives_kill_is_named_and_killed_again_at_every_look() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(2.0);
    stage.exit_leaving("foo", Exit::Code(0), &[7]);
    stage.advance(1.999);
    assert_eq!(stage.phase("foo"), Phase::Ending);
    stage.advance(0.001);
    assert_eq!(stage.phase("foo"), Phase::Unkillable);
    assert_eq!(stage.told().last().unwrap(), "foo#1 still not gone after KILL: pid 7");
    stage.group_ends("foo");
    stage.advance(0.1);
    assert_eq!(stage.phase("foo"), Phase::Up);
}

#[test]
fn stops_and_starts_while_a_run_is_ending_decide_what_comes_next() {
    let ending = || {
        let mut stage = Stage::new();
        stage.leaks("foo");
        stage.add("foo");
        stage.start("foo");
        stage.advance(2.0);
        stage.code("foo", 0);
        stage
    };
    let mut stage = ending();
    stage.start("foo");
    stage.advance(0.2);
    assert_eq!(stage.phase("foo"), Phase::Up);
    let mut stage = ending();
    stage.start("foo");
    stage.stop("foo");
    stage.advance(1.0);
    assert_eq!(stage.phase("foo"), Phase::Down);
}
