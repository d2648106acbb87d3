//! Events that come late, twice or in an unusual order, and calls in quick succession.

use childminder::machine::{Containment, Event};
use childminder::{Exit, Phase};

use super::harness::Harness;

#[test]
fn i_3_late_events_of_an_old_run_never_touch_its_successor() {
    let mut harness = Harness::running();
    harness.add("foo");
    let old = harness.run("foo");
    harness.advance(2.0);
    harness.code("foo", 0);
    harness.advance(0.0);
    let new = harness.run("foo");
    assert_ne!(old, new);
    harness.expect(
        "0.0 spawn foo#1
         2.0 exit foo#1 code 0
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
    for late in [
        Event::Started { run: old, pid: 1, containment: Containment::Group },
        Event::Exited { run: old, exit: Exit::Code(9), remaining: vec![1] },
        Event::Family { run: old, remaining: vec![1] },
        Event::Closed { run: old },
    ] {
        harness.event(late);
    }
    harness.expect("");
    let status = harness.status("foo");
    assert_eq!((status.phase, status.pid), (Phase::Up, Some(102)));
    harness.stop("foo");
    harness.code("foo", 0);
    assert_eq!(harness.machine.run("foo"), None);
}

#[test]
fn a_repeated_event_changes_nothing() {
    let mut harness = Harness::running();
    harness.add("foo");
    let run = harness.run("foo");
    harness.event(Event::Started { run, pid: 999, containment: Containment::Group });
    assert_eq!(harness.status("foo").pid, Some(101));
    harness.stop("foo");
    harness.exit_leaving("foo", Exit::Code(0), &[7]);
    harness.event(Event::Exited { run, exit: Exit::Code(1), remaining: vec![] });
    assert_eq!(harness.phase("foo"), Phase::Stopping, "the group is not empty because the leader died twice");
}

#[test]
fn f_40_many_restarts_at_once_are_one() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.advance(2.0);
    for _ in 0..20 {
        harness.stop("foo");
        harness.restart_all();
    }
    harness.code("foo", 0);
    harness.advance(100.0);
    harness.expect(
        "0.0 spawn foo#1
         2.0 signal foo#1 TERM
         2.0 signal foo#1 CONT
         2.0 exit foo#1 code 0
         2.0 reap foo#1
         2.0 spawn foo#2",
    );
}

#[test]
fn timeouts_that_come_early_late_or_often_change_nothing_else() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    let due = harness.status("foo").next_start.unwrap();
    let early = due - std::time::Duration::from_nanos(1);
    for _ in 0..3 {
        harness.machine.handle_timeout(early);
    }
    assert_eq!(harness.phase("foo"), Phase::Waiting);
    let late = due + std::time::Duration::from_secs(1000);
    for _ in 0..3 {
        harness.machine.handle_timeout(late);
    }
    assert_eq!(harness.phase("foo"), Phase::Starting);
    assert!(harness.machine.poll_output().is_some());
    assert!(harness.machine.poll_output().is_none(), "one spawn, however late and often");
}

/// All orders of `events`.
fn orders(events: &[Event]) -> Vec<Vec<Event>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let mut orders_of_all = Vec::new();
    for (i, first) in events.iter().enumerate() {
        let mut others = events.to_vec();
        others.remove(i);
        for mut order in orders(&others) {
            order.insert(0, first.clone());
            orders_of_all.push(order);
        }
    }
    orders_of_all
}

#[test]
fn f_88_a_run_is_over_after_any_order_of_its_events() {
    let started = |run| Event::Started { run, pid: 101, containment: Containment::Group };
    let exited = |run, remaining| Event::Exited { run, exit: Exit::Code(3), remaining };
    let family = |run| Event::Family { run, remaining: Vec::new() };
    type Command = fn(&mut Harness);
    let commands: [Command; 4] =
        [|_| {}, |harness| harness.stop("foo"), Harness::kill_service, Harness::stop_service];
    for command in commands {
        for remaining in [vec![], vec![7]] {
            for at in 0..=4 {
                let mut harness = Harness::running();
                harness.defer_starts();
                harness.add("foo");
                let run = harness.run("foo");
                let events =
                    [started(run), exited(run, remaining.clone()), family(run), Event::Closed { run }];
                for order in orders(&events) {
                    let mut harness = Harness::running();
                    harness.defer_starts();
                    harness.add("foo");
                    for (i, event) in order.iter().enumerate() {
                        if i == at {
                            command(&mut harness);
                        }
                        harness.event(event.clone());
                    }
                    if at == 4 && harness.machine.run("foo") == Some(run) {
                        command(&mut harness);
                    }
                    // Members that were killed are found dead at the next check.
                    harness.advance(0.5);
                    assert_ne!(harness.machine.run("foo"), Some(run), "not over after {order:?}");
                    let notices = harness.sentences();
                    assert_eq!(notices[0], "foo#1 started, pid 101", "after {order:?}: {notices:?}");
                    let ends = notices.iter().filter(|notice| {
                        notice.starts_with("foo#1 exited with code 3")
                            || notice.starts_with("foo#1 stopped with code 3")
                    });
                    assert_eq!(ends.count(), 1, "after {order:?}: {notices:?}");
                    assert_eq!(harness.status("foo").last.unwrap().to_string(), "exited with code 3");
                }
            }
        }
    }
}

#[test]
fn f_88_a_start_that_fails_after_its_exit_was_reported_is_a_failed_start() {
    let mut harness = Harness::running();
    harness.defer_starts();
    harness.add("foo");
    let run = harness.run("foo");
    harness.event(Event::Exited { run, exit: Exit::Code(127), remaining: vec![] });
    assert_eq!(harness.phase("foo"), Phase::Starting);
    let cause = std::io::ErrorKind::Other.into();
    let error = childminder::SpawnError::new(childminder::machine::SpawnStep::Exec, "foo", cause);
    harness.event(Event::SpawnFailed { run, error });
    assert_eq!(harness.phase("foo"), Phase::Waiting);
    assert_eq!(harness.sentences().len(), 2);
}
