//! Stop commands, and the targets of stop signals.

use childminder::machine::{Definition, Event, SignalTarget, StopCommandError};
use childminder::{Exit, Signal};

use super::harness::Harness;

fn with_stop_command() -> Definition<()> {
    Definition { stop_command: true, stop_target: SignalTarget::Leader, ..Definition::new(()) }
}

/// Ends the stop command of `name`.
fn stop_command_ends(harness: &mut Harness, name: &str, exit: Exit) {
    let run = harness.run(name);
    let result = if exit.is_success() { Ok(()) } else { Err(StopCommandError::Failed(exit)) };
    harness.event(Event::StopCommandEnded { run, result });
}

#[test]
fn the_stop_signal_goes_to_its_target_and_kill_to_the_family() {
    for target in [SignalTarget::Leader, SignalTarget::Group, SignalTarget::Family] {
        let mut harness = Harness::running();
        harness.define("foo", Definition { stop_target: target, ..Definition::new(()) });
        harness.stop_service();
        harness.advance(5.0);
        let signals = [
            (target, Signal::TERM),
            (SignalTarget::Family, Signal::CONT),
            (SignalTarget::Family, Signal::KILL),
        ];
        assert_eq!(harness.signals, signals);
    }
}

#[test]
fn processes_that_the_leader_leaves_behind_get_the_stop_signal_too() {
    for (target, further) in [(SignalTarget::Leader, 1), (SignalTarget::Group, 0)] {
        let mut harness = Harness::running();
        harness.define("foo", Definition { stop_target: target, ..Definition::new(()) });
        harness.stop_service();
        let run = harness.run("foo");
        harness.event(Event::Exited { run, exit: Exit::success(), remaining: vec![7] });
        let terms = |target| harness.signals.iter().filter(|sent| **sent == (target, Signal::TERM)).count();
        assert_eq!((terms(target), terms(SignalTarget::Family)), (1, further), "{target:?}");
        assert!(!harness.signals.contains(&(SignalTarget::Family, Signal::KILL)), "{target:?}");
    }
}

#[test]
fn a_stop_command_is_run_instead_of_sending_the_stop_signal() {
    let mut harness = Harness::running();
    harness.define("foo", with_stop_command());
    harness.advance(1.0);
    harness.stop("foo");
    harness.stop("foo"); // once
    harness.advance(1.0);
    stop_command_ends(&mut harness, "foo", Exit::success());
    harness.advance(1.0);
    harness.code("foo", 0);
    harness.advance(0.0);
    harness.expect(
        "0.0 spawn foo#1
         1.0 signal foo#1 CONT
         1.0 stop command for foo#1
         3.0 exit foo#1 code 0
         3.0 reap foo#1
         3.0 spawn foo#2",
    );
    assert_eq!(
        harness.sentences()[1..3],
        ["foo#1 running its stop command, KILL in 5.0 s", "foo#1 stopped with code 0 after 3.0 s"]
    );
}

#[test]
fn a_stop_command_that_fails_is_followed_by_the_stop_signal_and_the_deadline_stays() {
    let mut harness = Harness::running();
    harness.define("foo", with_stop_command());
    harness.stop_service();
    harness.advance(1.0);
    stop_command_ends(&mut harness, "foo", Exit::Code(1));
    harness.advance(4.0);
    harness.killed("foo", Signal::KILL);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 CONT
         0.0 stop command for foo#1
         1.0 signal foo#1 TERM
         1.0 signal foo#1 CONT
         5.0 signal foo#1 KILL
         5.0 exit foo#1 signal KILL
         5.0 reap foo#1",
    );
    assert_eq!(harness.sentences()[2], "foo#1 sent TERM: the stop command ended with code 1");
}

#[test]
fn a_stop_command_is_killed_at_the_kill_time_and_with_its_run() {
    let mut harness = Harness::running();
    harness.define("foo", with_stop_command());
    harness.stop_service();
    harness.advance(5.0);
    stop_command_ends(&mut harness, "foo", Exit::Signal { signal: Signal::KILL, core: false }); // too late
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 CONT
         0.0 stop command for foo#1
         5.0 signal foo#1 KILL
         5.0 kill stop command for foo#1",
    );
    let mut harness = Harness::running();
    harness.define("foo", with_stop_command());
    harness.stop_service();
    harness.code("foo", 0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 CONT
         0.0 stop command for foo#1
         0.0 exit foo#1 code 0
         0.0 kill stop command for foo#1
         0.0 reap foo#1",
    );
}

#[test]
fn members_that_outlive_a_leader_ended_by_its_stop_command_get_the_stop_signal() {
    let mut harness = Harness::running();
    harness.define("foo", with_stop_command());
    harness.stop_service();
    stop_command_ends(&mut harness, "foo", Exit::success());
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    harness.advance(1.0);
    harness.group_ends("foo");
    harness.advance(1.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 CONT
         0.0 stop command for foo#1
         0.0 exit foo#1 code 0
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         1.022 reap foo#1",
    );
    assert_eq!(harness.signals[1], (SignalTarget::Family, Signal::TERM));
}
