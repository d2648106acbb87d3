//! The order in which processes with dependencies are stopped.

use std::time::Duration;

use childminder::machine::{Definition, OnEnd, SurvivalReason};
use childminder::{Phase, Policy, Until};

use super::harness::Harness;

/// `web` and `worker` after `db`, and `log` on its own. Everything runs.
fn service() -> Harness {
    let mut harness = Harness::running();
    for (name, after, kill_time) in [("db", "", 8), ("web", "db", 3), ("worker", "db", 2), ("log", "", 1)] {
        let after: Vec<(&str, Until)> =
            (!after.is_empty()).then_some((after, Until::Started)).into_iter().collect();
        let policy = Policy { kill_time: Duration::from_secs(kill_time), ..Policy::default() };
        harness.define(name, Definition { policy, ready: None, ..Harness::definition(&after) });
    }
    harness.advance(10.0);
    assert_eq!(harness.up(), "db web worker log");
    harness.expect("0.0 spawn db#1\n0.0 spawn web#2\n0.0 spawn worker#3\n0.0 spawn log#4");
    harness
}

#[test]
fn f_183_dependents_stop_first_all_at_once_and_each_with_its_own_kill_time() {
    let mut harness = service();
    harness.stop_service();
    harness.expect(
        "10.0 signal log#4 TERM
         10.0 signal log#4 CONT
         10.0 signal web#2 TERM
         10.0 signal web#2 CONT
         10.0 signal worker#3 TERM
         10.0 signal worker#3 CONT",
    );
    assert_eq!((harness.phase("db"), harness.status("db").kill_at), (Phase::Up, None));
    assert_eq!(
        harness.why("db"),
        "db is stopped after web, worker; web is being stopped, KILL in 3.0 s; the service does not run"
    );
    let delay = harness.machine.why_not_stopped(harness.now()).unwrap().to_string();
    assert_eq!(delay, harness.why("db"));
    harness.code("web", 0);
    harness.code("log", 0);
    harness.advance(2.0);
    harness.expect(
        "10.0 exit web#2 code 0
         10.0 reap web#2
         10.0 exit log#4 code 0
         10.0 reap log#4
         12.0 signal worker#3 KILL",
    );
    harness.code("worker", 0);
    harness.expect(
        "12.0 exit worker#3 code 0
         12.0 reap worker#3
         12.0 signal db#1 TERM
         12.0 signal db#1 CONT",
    );
    harness.code("db", 0);
    assert!(harness.machine.why_not_stopped(harness.now()).is_none());
    harness.advance(100.0);
    assert!(harness.up().is_empty());
}

#[test]
fn f_183_a_dependent_that_outlives_kill_does_not_keep_the_others_from_being_stopped() {
    let mut harness = service();
    let pid = harness.status("web").pid.unwrap();
    harness.survives(pid, SurvivalReason::KernelWait);
    harness.stop_service();
    harness.code("worker", 0);
    harness.code("log", 0);
    harness.advance(4.999);
    assert_eq!(harness.phase("db"), Phase::Up);
    harness.advance(0.001);
    assert_eq!((harness.phase("web"), harness.phase("db")), (Phase::Unkillable, Phase::Stopping));
}

#[test]
fn f_183_the_bound_of_a_stop_is_known_beforehand() {
    let mut harness = service();
    let one = |kill_time| {
        Duration::from_secs(kill_time) + Duration::from_secs(10) + Duration::from_millis(64 + 200)
    };
    assert_eq!(harness.machine.stop_bound(), one(3) + one(8), "web, then db");
    harness.after("top", &[("worker", Until::Started), ("web", Until::Started)]);
    assert_eq!(harness.machine.stop_bound(), one(5) + one(3) + one(8));
    harness.remove("web");
    harness.code("web", 0);
    assert_eq!(harness.machine.stop_bound(), one(5) + one(2) + one(8));
}

#[test]
fn f_183_a_stop_of_one_process_does_not_wait_and_a_kill_of_all_neither() {
    let mut harness = service();
    harness.stop("db");
    harness.expect("10.0 signal db#1 TERM\n10.0 signal db#1 CONT");
    harness.kill_service();
    harness.expect(
        "10.0 signal db#1 KILL
         10.0 signal web#2 KILL
         10.0 signal worker#3 KILL
         10.0 signal log#4 KILL",
    );
}

#[test]
fn f_183_a_kill_and_a_stop_of_one_process_overtake_a_stop_in_order() {
    let mut harness = service();
    harness.stop_service();
    harness.stop("db");
    assert_eq!(harness.phase("db"), Phase::Stopping);
    harness.code("db", 0);
    assert_eq!(harness.phase("db"), Phase::Down);
    let mut harness = service();
    harness.stop_service();
    harness.kill_service();
    assert_eq!(harness.phase("db"), Phase::Ending);
}

#[test]
fn f_183_a_service_that_is_started_again_keeps_what_was_not_stopped_yet() {
    let mut harness = service();
    harness.stop_service();
    harness.start_service();
    for name in ["web", "worker", "log"] {
        harness.code(name, 0);
    }
    harness.advance(0.0);
    assert_eq!(harness.up(), "db web worker log");
    assert_eq!(harness.status("db").restarts, 0);
    harness.stop_service();
    assert_eq!(harness.phase("db"), Phase::Up, "the next stop has an order again");
}

#[test]
fn f_183_a_crash_in_a_stop_in_order_is_not_followed_by_a_start() {
    let mut harness = service();
    harness.stop_service();
    harness.code("db", 1);
    harness.advance(60.0);
    assert_eq!(harness.phase("db"), Phase::Down);
}

#[test]
fn f_183_a_restart_of_everything_stops_dependents_first_and_starts_them_last() {
    let mut harness = service();
    harness.restart_all();
    assert_eq!(harness.phase("db"), Phase::Up);
    harness.code("web", 0);
    harness.advance(0.0);
    assert_eq!(harness.phase("web"), Phase::Blocked, "db is about to be stopped");
    harness.code("worker", 0);
    assert_eq!(harness.phase("db"), Phase::Stopping);
    harness.code("db", 0);
    harness.code("log", 0);
    harness.advance(0.0);
    assert_eq!(harness.up(), "db web worker log");
}

#[test]
fn f_183_a_stop_that_is_requested_twice_or_after_a_restart_keeps_the_order() {
    for first in [Harness::stop_service as fn(&mut Harness), Harness::restart_all] {
        let mut harness = service();
        first(&mut harness);
        harness.stop_service();
        assert_eq!(harness.phase("db"), Phase::Up);
        for name in ["web", "worker", "log"] {
            harness.code(name, 0);
        }
        assert_eq!(harness.phase("db"), Phase::Stopping);
        harness.code("db", 0);
        harness.advance(60.0);
        assert_eq!(harness.up(), "");
    }
}

#[test]
fn f_183_a_dependent_that_is_started_again_meanwhile_does_not_delay_the_others() {
    let mut harness = service();
    harness.restart_all();
    harness.start("web");
    harness.code("web", 0);
    harness.code("worker", 0);
    assert_eq!((harness.phase("web"), harness.phase("db")), (Phase::Up, Phase::Stopping));
}

#[test]
fn f_183_dependents_that_restart_with_their_dependency_are_stopped_in_order_as_well() {
    let mut harness = Harness::running();
    harness.define("db", Definition::new(()));
    for (name, on) in [("web", "db"), ("top", "web")] {
        let mut definition = Definition { ready: None, ..Harness::definition(&[(on, Until::Started)]) };
        definition.after[0].on_end = OnEnd::Restart;
        harness.define(name, definition);
    }
    harness.advance(2.0);
    harness.restart_all();
    let phases = ["db", "web", "top"].map(|name| harness.phase(name));
    assert_eq!(phases, [Phase::Up, Phase::Up, Phase::Stopping]);
}

#[test]
fn f_184_in_a_stopped_service_nothing_is_restarted() {
    let mut harness = Harness::new();
    harness.define("db", Definition::new(()));
    let mut web = Definition { ready: None, ..Harness::definition(&[("db", Until::Started)]) };
    web.after[0].on_end = OnEnd::Restart;
    harness.define("web", web);
    harness.start("db");
    harness.start("web");
    harness.code("db", 1);
    assert_eq!(harness.up(), "web");
}

#[test]
fn f_184_a_stop_that_is_called_off_restarts_the_dependents_of_what_has_ended_meanwhile() {
    for has_ended in [false, true] {
        let mut harness = Harness::running();
        harness.define("db", Definition::new(()));
        for (name, on, on_end) in [
            ("web", "db", OnEnd::Restart),
            ("log", "db", OnEnd::Stay),
            ("top", "web", OnEnd::Stay),
            ("end", "log", OnEnd::Stay),
        ] {
            let mut definition = Definition { ready: None, ..Harness::definition(&[(on, Until::Started)]) };
            definition.after[0].on_end = on_end;
            harness.define(name, definition);
        }
        harness.advance(2.0);
        harness.stop_service();
        harness.stop("db");
        if has_ended {
            harness.code("db", 0);
        }
        harness.start_service();
        let phases = ["web", "log"].map(|name| harness.phase(name));
        assert_eq!(phases, [Phase::Stopping, Phase::Up], "web does not run on without db; log does");
        assert!(harness.why("web").contains("after the end of db"), "{}", harness.why("web"));
        for name in ["top", "end", "web"] {
            harness.code(name, 0);
        }
        if !has_ended {
            harness.code("db", 0);
        }
        harness.advance(0.0);
        assert_eq!(harness.up(), "db web log top end");
        let restarts = ["db", "web", "log"].map(|name| harness.status(name).restarts);
        assert_eq!(restarts, [1, 1, 0]);
        // It was for that stop only.
        harness.stop_service();
        harness.start_service();
        assert_eq!(harness.phase("web"), Phase::Up);
    }
}

#[test]
fn f_183_a_dependent_without_its_dependency_is_not_waited_for_and_one_that_is_added_again_is() {
    let mut harness = service();
    harness.stop_service();
    harness.remove("web");
    harness.add("web");
    harness.code("worker", 0);
    assert_eq!(harness.phase("db"), Phase::Stopping, "the new web needs no db");
    let mut harness = service();
    harness.stop_service();
    harness.code("worker", 0);
    harness.remove("db");
    harness.code("db", 0);
    harness.add("db");
    harness.start("db");
    harness.stop_service();
    assert_eq!(harness.phase("db"), Phase::Up, "web is still being stopped");
    harness.code("web", 0);
    assert_eq!(harness.phase("db"), Phase::Stopping);
}

#[test]
fn f_183_a_removed_dependent_is_waited_for_and_a_removed_dependency_is_not() {
    let mut harness = service();
    harness.remove("web");
    harness.stop_service();
    harness.code("worker", 0);
    harness.code("log", 0);
    assert_eq!(harness.phase("db"), Phase::Up, "the old web still needs it");
    harness.code("web", 0);
    assert_eq!(harness.phase("db"), Phase::Stopping);
    let mut harness = service();
    harness.remove("db");
    harness.code("db", 0);
    assert_eq!(harness.up(), "web worker log", "they run on");
    harness.stop_service();
    assert_eq!(harness.phase("web"), Phase::Stopping);
}
