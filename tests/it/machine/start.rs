//! Starting, by hand and by the service, and starts that fail.

use childminder::Phase;
use childminder::machine::{Event, LastRun, NoticeKind};

use super::harness::Harness;

#[test]
fn start_process_pm_16_17_works_in_a_stopped_service_and_is_not_restarted() {
    let mut harness = Harness::new();
    harness.add("foo");
    harness.start("foo");
    let status = harness.status("foo");
    assert_eq!((status.phase, status.pid), (Phase::Up, Some(101)));
    harness.code("foo", 0);
    harness.advance(10.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 0
         0.0 reap foo#1",
    );
}

#[test]
fn start_process_already_started_pm_15_does_nothing() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.start("foo");
    harness.expect("0.0 spawn foo#1");
}

#[test]
fn start_service_starts_all_f_39_and_only_once() {
    // Upstream: test_startService.
    let mut harness = Harness::new();
    harness.add("foo");
    harness.start_service();
    harness.expect("0.0 spawn foo#1");
    harness.code("foo", 1);
    harness.start_service(); // does not skip the back-off
    harness.advance(0.9);
    harness.expect(
        "0.0 exit foo#1 code 1
         0.0 reap foo#1",
    );
    harness.advance(0.1);
    harness.expect("1.0 spawn foo#2");
}

#[test]
fn pm_18_f_34_starting_by_hand_while_a_restart_is_pending_starts_at_once_and_once() {
    let mut harness = Harness::running();
    harness.add("foo");
    harness.code("foo", 1);
    harness.advance(0.5);
    harness.start("foo");
    assert_eq!(harness.deadline(), None, "the timer went with the wait");
    harness.advance(10.0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         0.5 spawn foo#2",
    );
    assert_eq!(harness.status("foo").delay.as_secs(), 2, "the back-off is kept");
}

#[test]
fn start_process_spawn_caught_exception_pm_19_a_failed_start_is_an_instant_death() {
    let mut harness = Harness::running();
    harness.refuse("foo", Some(libc::ENOENT));
    harness.add("foo");
    harness.advance(3.5);
    harness.expect(
        "0.0 spawn foo#1
         1.0 spawn foo#2
         3.0 spawn foo#3",
    );
    assert!(matches!(harness.status("foo").last, Some(LastRun::SpawnFailed(_))));
    assert_eq!(harness.next_start("foo"), Some(7.0));
    assert_eq!(
        harness.sentences()[..2],
        [
            "foo#1 not started: cannot execute foo: No such file or directory (os error 2)",
            "foo#1 starts again in 1.0 s",
        ]
    );
    harness.refuse("foo", None);
    harness.advance(3.5);
    harness.expect("7.0 spawn foo#4");
    assert_eq!(harness.phase("foo"), Phase::Up);
}

#[test]
fn start_process_spawn_uncaught_exception_pm_21_no_failure_wedges_a_name() {
    // In Twisted any other exception leaves the name listed as live, so start is a no-op and stop fails. Here
    // there is one kind of failure, and every command works after it.
    let mut harness = Harness::new();
    harness.refuse("foo", Some(libc::EIO));
    harness.add("foo");
    harness.start("foo");
    harness.stop("foo");
    harness.start("foo");
    assert_eq!(harness.phase("foo"), Phase::Down);
    harness.refuse("foo", None);
    harness.start("foo");
    assert_eq!(harness.phase("foo"), Phase::Up);
    harness.expect(
        "0.0 spawn foo#1
         0.0 spawn foo#2
         0.0 spawn foo#3",
    );
}

#[test]
fn f_8_9_a_resource_failure_is_distinguished_from_a_crash_and_retried() {
    for code in [libc::EAGAIN, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ETXTBSY] {
        let mut harness = Harness::running();
        harness.refuse("foo", Some(code));
        harness.add("foo");
        let NoticeKind::SpawnFailed { error } = &harness.notices[0].kind else {
            panic!("{:?}", harness.notices)
        };
        assert!(error.is_resource());
        assert!(harness.sentences()[0].starts_with("foo#1 not started, the system is out of a resource: "));
        harness.refuse("foo", None);
        harness.advance(1.0);
        harness.expect(
            "0.0 spawn foo#1
             1.0 spawn foo#2",
        );
    }
}

#[test]
fn f_44_one_bad_process_does_not_keep_the_others_down() {
    let mut harness = Harness::new();
    harness.refuse("bad", Some(libc::ENOENT));
    for name in ["a", "bad", "b"] {
        harness.add(name);
    }
    harness.start_service();
    harness.expect(
        "0.0 spawn a#1
         0.0 spawn bad#2
         0.0 spawn b#3",
    );
    assert_eq!(
        [harness.phase("a"), harness.phase("bad"), harness.phase("b")],
        [Phase::Up, Phase::Waiting, Phase::Up]
    );
}

#[test]
fn a_process_unwanted_before_it_is_up_is_stopped_when_it_is() {
    for unwanted in [
        Harness::stop_service as fn(&mut Harness),
        |harness| harness.stop("foo"),
        |harness| harness.hold("foo"),
    ] {
        let mut harness = Harness::running();
        harness.defer_starts();
        harness.add("foo");
        let run = harness.run("foo");
        unwanted(&mut harness);
        harness.expect("0.0 spawn foo#1");
        harness.answer(run);
        harness.expect(
            "0.0 signal foo#1 TERM
             0.0 signal foo#1 CONT",
        );
    }
    let mut harness = Harness::running();
    harness.defer_starts();
    harness.add("foo");
    let run = harness.run("foo");
    harness.stop_service();
    harness.kill_service();
    harness.answer(run);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 KILL",
    );
}

#[test]
fn f_37_a_start_after_a_stop_is_not_lost_although_the_first_start_is_not_even_done() {
    let mut harness = Harness::new();
    harness.defer_starts();
    harness.add("foo");
    harness.start("foo");
    let run = harness.run("foo");
    harness.stop("foo");
    harness.start("foo");
    harness.answer(run);
    harness.code("foo", 0);
    harness.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 TERM
         0.0 signal foo#1 CONT
         0.0 exit foo#1 code 0
         0.0 reap foo#1
         0.0 spawn foo#2",
    );
}

#[test]
fn a_start_that_fails_after_its_stop_stays_down() {
    let mut harness = Harness::running();
    harness.defer_starts();
    harness.add("foo");
    let run = harness.run("foo");
    harness.hold("foo");
    let error = childminder::SpawnError::new(
        childminder::machine::SpawnStep::Fork,
        "foo",
        std::io::ErrorKind::Other.into(),
    );
    harness.event(Event::SpawnFailed { run, error });
    assert_eq!((harness.phase("foo"), harness.deadline()), (Phase::Held, None));
}
