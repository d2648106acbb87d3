//! Starting, by hand and by the service, and starts that fail.

use childminder::Phase;
use childminder::machine::{Event, LastRun, NoticeKind};

use super::stage::Stage;

#[test]
fn start_process_pm_16_17_works_in_a_stopped_service_and_is_not_restarted() {
    let mut stage = Stage::new();
    stage.add("foo");
    stage.start("foo");
    let status = stage.status("foo");
    assert_eq!((status.phase, status.pid), (Phase::Up, Some(101)));
    stage.code("foo", 0);
    stage.advance(10.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 0
         0.0 reap foo#1",
    );
}

#[test]
fn start_process_already_started_pm_15_does_nothing() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.start("foo");
    stage.expect("0.0 spawn foo#1");
}

#[test]
fn start_service_starts_all_f_39_and_only_once() {
    // Upstream: test_startService.
    let mut stage = Stage::new();
    stage.add("foo");
    stage.start_service();
    stage.expect("0.0 spawn foo#1");
    stage.code("foo", 1);
    stage.start_service(); // does not skip the back-off
    stage.advance(0.9);
    stage.expect(
        "0.0 exit foo#1 code 1
         0.0 reap foo#1",
    );
    stage.advance(0.1);
    stage.expect("1.0 spawn foo#2");
}

#[test]
fn pm_18_f_34_starting_by_hand_while_a_restart_is_pending_starts_at_once_and_once() {
    let mut stage = Stage::running();
    stage.add("foo");
    stage.code("foo", 1);
    stage.advance(0.5);
    stage.start("foo");
    assert_eq!(stage.deadline(), None, "the timer went with the wait");
    stage.advance(10.0);
    stage.expect(
        "0.0 spawn foo#1
         0.0 exit foo#1 code 1
         0.0 reap foo#1
         0.5 spawn foo#2",
    );
    assert_eq!(stage.status("foo").delay.as_secs(), 2, "the back-off is kept");
}

#[test]
fn start_process_spawn_caught_exception_pm_19_a_failed_start_is_an_instant_death() {
    let mut stage = Stage::running();
    stage.refuse("foo", Some(libc::ENOENT));
    stage.add("foo");
    stage.advance(3.5);
    stage.expect(
        "0.0 spawn foo#1
         1.0 spawn foo#2
         3.0 spawn foo#3",
    );
    assert!(matches!(stage.status("foo").last, Some(LastRun::SpawnFailed(_))));
    assert_eq!(stage.next_start("foo"), Some(7.0));
    assert_eq!(
        stage.told()[..2],
        [
            "foo#1 not started: cannot execute foo: No such file or directory (os error 2)",
            "foo#1 starts again in 1.0 s",
        ]
    );
    stage.refuse("foo", None);
    stage.advance(3.5);
    stage.expect("7.0 spawn foo#4");
    assert_eq!(stage.phase("foo"), Phase::Up);
}

#[test]
fn start_process_spawn_uncaught_exception_pm_21_no_failure_wedges_a_name() {
    // Theirs: any other exception leaves the name listed as live, so start is a no-op and stop fails. Ours: there is one
    // kind of failure, and every command works after it.
    let mut stage = Stage::new();
    stage.refuse("foo", Some(libc::EIO));
    stage.add("foo");
    stage.start("foo");
    stage.stop("foo");
    stage.start("foo");
    assert_eq!(stage.phase("foo"), Phase::Down);
    stage.refuse("foo", None);
    stage.start("foo");
    assert_eq!(stage.phase("foo"), Phase::Up);
    stage.expect(
        "0.0 spawn foo#1
         0.0 spawn foo#2
         0.0 spawn foo#3",
    );
}

#[test]
fn f_8_9_a_resource_failure_is_told_apart_from_a_crash_and_retried() {
    for code in [libc::EAGAIN, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ETXTBSY] {
        let mut stage = Stage::running();
        stage.refuse("foo", Some(code));
        stage.add("foo");
        let NoticeKind::SpawnFailed { error } = &stage.notices[0].kind else { panic!("{:?}", stage.notices) };
        assert!(error.is_resource());
        assert!(stage.told()[0].starts_with("foo#1 not started, the system is out of a resource: "));
        stage.refuse("foo", None);
        stage.advance(1.0);
        stage.expect(
            "0.0 spawn foo#1
             1.0 spawn foo#2",
        );
    }
}

#[test]
fn f_44_one_bad_process_does_not_keep_the_others_down() {
    let mut stage = Stage::new();
    stage.refuse("bad", Some(libc::ENOENT));
    for name in ["a", "bad", "b"] {
        stage.add(name);
    }
    stage.start_service();
    stage.expect(
        "0.0 spawn a#1
         0.0 spawn bad#2
         0.0 spawn b#3",
    );
    assert_eq!(
        [stage.phase("a"), stage.phase("bad"), stage.phase("b")],
        [Phase::Up, Phase::Waiting, Phase::Up]
    );
}

#[test]
fn a_process_unwanted_before_it_is_up_is_stopped_when_it_is() {
    for unwanted in
        [Stage::stop_service as fn(&mut Stage), |stage| stage.stop("foo"), |stage| stage.hold("foo")]
    {
        let mut stage = Stage::running();
        stage.defer_starts();
        stage.add("foo");
        let run = stage.run("foo");
        unwanted(&mut stage);
        stage.expect("0.0 spawn foo#1");
        stage.answer(run);
        stage.expect(
            "0.0 signal foo#1 TERM
             0.0 signal foo#1 CONT",
        );
    }
    let mut stage = Stage::running();
    stage.defer_starts();
    stage.add("foo");
    let run = stage.run("foo");
    stage.stop_service();
    stage.kill_service();
    stage.answer(run);
    stage.expect(
        "0.0 spawn foo#1
         0.0 signal foo#1 KILL",
    );
}

#[test]
fn f_37_a_start_after_a_stop_is_not_lost_although_the_first_start_is_not_even_done() {
    let mut stage = Stage::new();
    stage.defer_starts();
    stage.add("foo");
    stage.start("foo");
    let run = stage.run("foo");
    stage.stop("foo");
    stage.start("foo");
    stage.answer(run);
    stage.code("foo", 0);
    stage.expect(
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
    let mut stage = Stage::running();
    stage.defer_starts();
    stage.add("foo");
    let run = stage.run("foo");
    stage.hold("foo");
    let error = childminder::SpawnError::new(
        childminder::machine::SpawnStep::Fork,
        "foo",
        std::io::ErrorKind::Other.into(),
    );
    stage.event(Event::SpawnFailed { run, error });
    assert_eq!((stage.phase("foo"), stage.deadline()), (Phase::Held, None));
}
