//! News that comes late, and calls that come at once.

use childminder::machine::{Containment, Event};
use childminder::{Exit, Phase};

use super::stage::Stage;

#[test]
fn i_3_late_news_of_an_old_run_never_touches_its_successor() {
    let mut stage = Stage::running();
    stage.add("foo");
    let old = stage.run("foo");
    stage.advance(2.0);
    stage.code("foo", 0);
    stage.advance(0.0);
    let new = stage.run("foo");
    assert_ne!(old, new);
    stage.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 0
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
    for late in [
        Event::Started { run: old, pid: 1, containment: Containment::Group },
        Event::Exited { run: old, exit: Exit::Code(9), left: vec![1] },
        Event::Group { run: old, left: vec![1] },
        Event::Closed { run: old },
    ] {
        stage.event(late);
    }
    stage.expect("");
    let status = stage.status("foo");
    assert_eq!((status.phase, status.pid), (Phase::Up, Some(102)));
    stage.stop("foo");
    stage.code("foo", 0);
    assert_eq!(stage.machine.run("foo"), None);
}

#[test]
fn news_told_twice_changes_nothing() {
    let mut stage = Stage::running();
    stage.add("foo");
    let run = stage.run("foo");
    stage.event(Event::Started { run, pid: 999, containment: Containment::Group });
    assert_eq!(stage.status("foo").pid, Some(101));
    stage.stop("foo");
    stage.exit_leaving("foo", Exit::Code(0), &[7]);
    stage.event(Event::Exited { run, exit: Exit::Code(1), left: vec![] });
    assert_eq!(stage.phase("foo"), Phase::Stopping, "the group is not empty because the leader died twice");
}

#[test]
fn f_40_many_restarts_at_once_are_one() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.advance(2.0);
    for _ in 0..20 {
        stage.stop("foo");
        stage.restart_all();
    }
    stage.code("foo", 0);
    stage.advance(100.0);
    stage.expect(
        "0.0 spawn foo#1
         2.0 signal foo#1 TERM
         2.0 signal foo#1 CONT
         2.0 exit foo#1 code 0
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
}

#[test]
fn timeouts_that_come_early_late_or_often_do_no_harm() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.code("foo", 1);
    let due = stage.status("foo").next_start.unwrap();
    let early = due - std::time::Duration::from_nanos(1);
    for _ in 0..3 {
        stage.machine.handle_timeout(early);
    }
    assert_eq!(stage.phase("foo"), Phase::Waiting);
    let late = due + std::time::Duration::from_secs(1000);
    for _ in 0..3 {
        stage.machine.handle_timeout(late);
    }
    assert_eq!(stage.phase("foo"), Phase::Starting);
    assert!(stage.machine.poll_output().is_some());
    assert!(stage.machine.poll_output().is_none(), "one spawn, however late and often");
}
