//! The explanation of a state.

use childminder::machine::{Definition, OnEnd, SurvivalReason};
use childminder::{Phase, Until};

use super::harness::Harness;

#[test]
fn f_189_a_chain_leads_to_the_root_cause() {
    let mut harness = Harness::running();
    harness.after("db", &[]);
    harness.after("web", &[("db", Until::Ready)]);
    for _ in 0..3 {
        harness.advance(0.04);
        harness.code("db", 1);
        if harness.status("db").failures < 3 {
            harness.advance_to(harness.next_start("db").unwrap());
        }
    }
    harness.advance(2.5);
    let why = harness.machine.why("web", harness.now()).unwrap();
    assert_eq!(why.root(), "db");
    assert_eq!(
        why.with_last_line(Some("no space left\n".to_owned())).to_string(),
        "web is blocked on db (ready); db is started again in 1.5 s after its third failure in a row; it exited with \
         code 1 after 40 ms; last line: no space left\\n"
    );
    assert!(harness.machine.why("nothing", harness.now()).is_none());
}

#[test]
fn f_189_every_phase_has_a_reason() {
    let mut harness = Harness::new();
    harness.add("web");
    assert_eq!(harness.why("web"), "web the service does not run".trim_start_matches("web "));
    harness.defer_starts();
    harness.start_service();
    assert_eq!(harness.why("web"), "web is being started; it was started by a command");
    harness.answer(harness.run("web"));
    harness.advance(2.5);
    assert_eq!(harness.why("web"), "web has been running for 2.5 s; it was started by a command");
    harness.stop("web");
    assert_eq!(harness.why("web"), "web is being stopped, KILL in 5.0 s; it was stopped by a command");
    harness.code("web", 0);
    assert_eq!(
        harness.why("web"),
        "web is started again in 0 ms; it stopped with code 0 after 2.5 s; it was stopped by a command"
    );
    harness.advance(0.0);
    harness.answer(harness.run("web"));
    harness.survives(harness.status("web").pid.unwrap(), SurvivalReason::KernelWait);
    harness.hold("web");
    harness.advance(5.0);
    assert_eq!(
        harness.why("web"),
        "web is dead, and the end of its family or its output is awaited; it is held by a command"
    );
    harness.advance(10.0);
    assert_eq!(harness.phase("web"), Phase::Unkillable);
    assert_eq!(harness.why("web"), "web has outlived KILL; it is held by a command");
    harness.code("web", 0);
    assert_eq!(harness.why("web"), "web is held by a command");
}

#[test]
fn f_189_a_process_that_runs_has_a_reason_for_its_last_restart() {
    let mut harness = Harness::running();
    harness.add("web");
    harness.advance(2.0);
    harness.unhealthy("web", "no answer on port 80");
    harness.code("web", 0);
    harness.advance(1.0);
    assert_eq!(harness.why("web"), "web has been running for 1.0 s; it was unhealthy: no answer on port 80");
    harness.code("web", 3);
    harness.advance(1.0);
    assert_eq!(
        harness.why("web"),
        "web has been running for 1.0 s; its last run exited with code 3 after 1.0 s"
    );
}

#[test]
fn f_189_a_restart_because_of_another_process_names_it() {
    let mut harness = Harness::running();
    harness.after("db", &[]);
    let mut web = Harness::definition(&[("db", Until::Started)]);
    web.after[0].on_end = OnEnd::Restart;
    harness.define("web", Definition { ready: None, ..web });
    harness.code("db", 1);
    assert_eq!(
        harness.why("web"),
        "web is being stopped, KILL in 5.0 s; it is restarted after the end of db; db exited with code 1 after 0 ms"
    );
    harness.code("web", 0);
    harness.advance(1.0);
    assert_eq!(
        harness.why("web"),
        "web has been running for 0 ms; it is restarted after the end of db; db exited with code 1 after 0 ms"
    );
}

#[test]
fn f_189_lost_readiness_and_failed_starts_are_reasons_too() {
    let mut harness = Harness::running();
    harness.after("db", &[]);
    harness.after("web", &[("db", Until::Ready)]);
    harness.ready("db");
    harness.hold("web");
    harness.code("web", 0);
    harness.not_ready("db", "standby");
    harness.release("web");
    assert_eq!(
        harness.why("web"),
        "web is blocked on db (ready); db runs and is no longer ready; it was started by a command"
    );
    harness.refuse("db", Some(libc::ENOENT));
    harness.advance(2.0);
    harness.code("db", 1);
    harness.advance(0.0);
    let why = harness.why("web");
    assert!(why.contains("; it was not started: cannot execute db: No such file"), "{why}");
}
