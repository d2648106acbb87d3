//! What a process waits for before it is started.

use std::time::Duration;

use childminder::machine::{Definition, DependencyProblem, Event, GiveUp, OnEnd, OnGiveUp};
use childminder::{Phase, Policy, Restart, Until};

use super::harness::Harness;

/// `web` after `api`, `api` after `db`, each when the other is ready, added in the reverse order.
fn tiers() -> Harness {
    let mut harness = Harness::new();
    harness.after("web", &[("api", Until::Ready)]);
    harness.after("api", &[("db", Until::Ready)]);
    harness.after("db", &[]);
    harness
}

fn job() -> Definition<()> {
    Definition { policy: Policy { restart: Restart::OnFailure, ..Policy::default() }, ..Definition::new(()) }
}

#[test]
fn f_179_processes_that_wait_for_each_other_are_refused_with_the_path() {
    let mut harness = tiers();
    let refuse = |harness: &mut Harness, name: &str, after: &[(&str, Until)]| {
        let now = harness.now();
        let error = harness.machine.add_process(name.parse().unwrap(), Harness::definition(after), now);
        error.unwrap_err().to_string()
    };
    let itself = refuse(&mut harness, "x", &[("x", Until::Started)]);
    assert_eq!(itself, "the processes wait for each other: x -> x");
    harness.remove("db");
    let long = refuse(&mut harness, "db", &[("log", Until::Started), ("web", Until::Started)]);
    assert_eq!(long, "the processes wait for each other: db -> web -> api -> db");
    assert!(harness.machine.status("db").is_none(), "nothing was added");
    // What is not a circle is fine: a diamond, and two conditions on one process.
    harness.after("db", &[("log", Until::Started)]);
    harness.after("log", &[]);
    harness.after("top", &[("web", Until::Started), ("api", Until::Ready), ("api", Until::Started)]);
    assert!(harness.machine.start_service(harness.now()).is_ok());
}

#[test]
fn f_179_a_name_that_no_process_has_is_an_error_of_the_start_or_of_a_later_addition() {
    let mut harness = tiers();
    harness.remove("db");
    let error = harness.machine.start_service(harness.now()).unwrap_err();
    assert_eq!(error.to_string(), "api -> db: there is no process \"db\"; add it first");
    assert!(matches!(error.problem(), DependencyProblem::Unknown { .. }));
    assert!(!harness.machine.is_running() && harness.machine.poll_output().is_none(), "nothing was started");
    harness.after("db", &[]);
    harness.start_service();
    let (now, late) = (harness.now(), Harness::definition(&[("nothing", Until::Ready)]));
    let error = harness.machine.add_process("late".parse().unwrap(), late, now).unwrap_err();
    assert_eq!(error.to_string(), "late -> nothing: there is no process \"nothing\"; add it first");
    assert!(harness.machine.status("late").is_none());
}

#[test]
fn f_179_waiting_for_the_completion_of_a_process_that_is_always_restarted_is_an_error() {
    let mut harness = Harness::new();
    harness.after("web", &[("migration", Until::Completed)]);
    harness.add("migration");
    let error = harness.machine.start_service(harness.now()).unwrap_err().to_string();
    assert!(error.starts_with("web -> migration (completed): \"migration\" is always restarted"), "{error}");
    harness.remove("migration");
    harness.define("migration", job());
    harness.start_service();
    assert_eq!(harness.up(), "migration");
}

#[test]
fn f_180_processes_start_in_the_order_of_their_dependencies() {
    let mut harness = tiers();
    harness.take_log();
    harness.start_service();
    assert_eq!(
        harness.take_log(),
        ["web waits for api (ready)", "api waits for db (ready)", "db#1 started, pid 101"]
    );
    let status = harness.status("web");
    let on = status.blocked_on.map(|on| on.to_string());
    assert_eq!((status.phase, on.as_deref()), (Phase::Blocked, Some("api (ready)")));
    harness.advance(1.0);
    harness.ready("db");
    harness.advance(1.0);
    assert_eq!(harness.up(), "api db");
    harness.ready("api");
    harness.expect("0.0 spawn db#1\n1.0 spawn api#2\n2.0 spawn web#3");
    assert_eq!(harness.status("web").blocked_on, None);
}

#[test]
fn f_180_each_condition_is_met_by_what_it_names() {
    for (until, at_start, at_ready, at_end) in [
        (Until::Started, "db web", "db web", "web"),
        (Until::Ready, "db", "db web", "web"),
        (Until::Completed, "db", "db", "web"),
    ] {
        let mut harness = Harness::new();
        harness.after("db", &[]);
        harness.after("web", &[("db", until)]);
        harness.set_policy("db", job().policy);
        harness.start_service();
        assert_eq!(harness.up(), at_start, "{until}");
        harness.ready("db");
        assert_eq!(harness.up(), at_ready, "{until}");
        harness.code("db", 0);
        assert_eq!((harness.up().as_str(), harness.phase("db")), (at_end, Phase::Completed), "{until}");
    }
}

#[test]
fn f_180_all_conditions_have_to_hold_at_the_same_time() {
    let mut harness = Harness::new();
    harness.after("db", &[]);
    harness.after("cache", &[]);
    harness.after("web", &[("db", Until::Ready), ("cache", Until::Ready)]);
    harness.start_service();
    harness.ready("db");
    assert_eq!(harness.status("web").blocked_on.unwrap().to_string(), "cache (ready)");
    harness.not_ready("db", "standby");
    harness.ready("cache");
    assert_eq!(harness.status("web").blocked_on.unwrap().to_string(), "db (ready)");
    harness.ready("db");
    assert_eq!(harness.up(), "db cache web");
}

#[test]
fn f_180_a_process_that_is_added_later_waits_as_well() {
    let mut harness = tiers();
    harness.start_service();
    harness.ready("db");
    harness.after("late", &[("db", Until::Ready)]);
    harness.after("later", &[("api", Until::Ready)]);
    assert_eq!(harness.up(), "api db late");
    harness.ready("api");
    assert_eq!(harness.up(), "web api db late later");
}

#[test]
fn f_181_no_dependent_starts_because_of_a_run_that_is_over() {
    let mut harness = tiers();
    harness.start_service();
    let old = harness.run("db");
    harness.advance(2.0);
    harness.code("db", 1);
    harness.event(Event::Ready { run: old });
    harness.advance(1.0);
    harness.event(Event::Ready { run: old });
    assert_eq!(harness.up(), "db", "the second run is not ready");
    harness.ready("db");
    assert_eq!(harness.up(), "api db");
    // Being stopped is as good as dead.
    harness.hold("api");
    harness.code("api", 0);
    harness.stop("db");
    harness.release("api");
    assert_eq!((harness.phase("db"), harness.phase("api")), (Phase::Stopping, Phase::Blocked));
}

#[test]
fn f_181_a_restart_waits_for_its_delay_and_then_for_its_conditions() {
    let mut harness = tiers();
    harness.start_service();
    harness.ready("db");
    harness.advance(2.0);
    harness.code("db", 1);
    harness.advance(0.0);
    harness.code("api", 1); // it was not ready yet, so it waits for a second
    assert_eq!(harness.phase("api"), Phase::Waiting);
    harness.advance(1.0);
    assert_eq!((harness.phase("api"), harness.up().as_str()), (Phase::Blocked, "db"));
    harness.ready("db");
    assert_eq!(harness.up(), "api db");
    // The other way round: the conditions hold, the delay has not passed.
    harness.code("api", 1);
    harness.not_ready("db", "standby");
    harness.ready("db");
    assert_eq!(harness.phase("api"), Phase::Waiting);
}

#[test]
fn f_182_a_blocked_process_can_be_held_removed_and_started_by_force() {
    let mut harness = tiers();
    harness.start_service();
    harness.hold("api");
    harness.ready("db");
    assert_eq!((harness.phase("api"), harness.up().as_str()), (Phase::Held, "db"));
    harness.release("api");
    assert_eq!(harness.up(), "api db");
    harness.stop("web"); // nothing to stop
    assert_eq!(harness.phase("web"), Phase::Blocked);
    harness.start("web");
    assert_eq!(harness.up(), "web api db");
    harness.after("extra", &[("api", Until::Ready)]);
    harness.remove("extra");
    assert!(harness.machine.status("extra").is_none());
    harness.ready("api");
    assert_eq!(harness.up(), "web api db");
    harness.code("web", 1);
    harness.advance(1.0);
    assert_eq!(harness.up(), "web api db", "a restart waits as any other start, and api is ready");
}

#[test]
fn f_184_dependents_run_on_unless_their_dependency_says_otherwise() {
    let mut harness = Harness::new();
    harness.after("db", &[]);
    harness.after("stays", &[("db", Until::Ready)]);
    let mut restarts = Harness::definition(&[("db", Until::Ready)]);
    restarts.after[0].on_end = OnEnd::Restart;
    harness.define("restarts", restarts);
    let mut chain = Harness::definition(&[("restarts", Until::Started)]);
    chain.after[0].on_end = OnEnd::Restart;
    harness.define("chain", chain);
    harness.start_service();
    harness.ready("db");
    assert_eq!(harness.up(), "db stays restarts chain");
    harness.advance(0.5);
    harness.expect("0.0 spawn db#1\n0.0 spawn stays#2\n0.0 spawn restarts#3\n0.0 spawn chain#4");
    harness.not_ready("db", "standby");
    harness.ready("db");
    harness.expect("");
    harness.code("db", 1);
    harness.expect(
        "0.5 exit db#1 code 1
         0.5 reap db#1
         0.5 signal restarts#3 TERM
         0.5 signal restarts#3 CONT
         0.5 signal chain#4 TERM
         0.5 signal chain#4 CONT",
    );
    harness.code("chain", 1);
    harness.code("restarts", 1);
    harness.advance(0.0);
    assert_eq!((harness.phase("restarts"), harness.phase("chain")), (Phase::Blocked, Phase::Blocked));
    assert_eq!(harness.status("restarts").failures, 0, "that was no failure");
    harness.advance(1.0);
    harness.ready("db");
    assert_eq!(harness.up(), "db stays restarts chain");
    assert_eq!(harness.status("restarts").delay, Duration::from_secs(1), "and the delay has not grown");
}

#[test]
fn f_184_a_dependent_that_is_just_being_started_restarts_too_unless_a_command_stops_it() {
    for is_stopped in [false, true] {
        let mut harness = Harness::running();
        harness.after("db", &[]);
        harness.advance(2.0);
        harness.defer_starts();
        let mut web = Harness::definition(&[("db", Until::Started)]);
        web.after[0].on_end = OnEnd::Restart;
        harness.define("web", web);
        let run = harness.run("web");
        if is_stopped {
            harness.stop("web");
        }
        harness.code("db", 1);
        harness.answer(run);
        harness.code("web", 1);
        let (delay, why) = (harness.status("web").delay, harness.why("web"));
        if is_stopped {
            assert_eq!(
                delay,
                Duration::from_secs(2),
                "a stop of a run that was not ready lets the delay grow"
            );
            assert!(why.ends_with("it was stopped by a command"), "{why}");
        } else {
            assert_eq!(delay, Duration::from_secs(1), "it was not its failure");
            assert!(why.contains("it is restarted after the end of db; db exited with code 1"), "{why}");
        }
    }
}

#[test]
fn f_185_a_dependency_that_does_not_come_keeps_its_dependents_blocked_and_the_reason_is_known() {
    let mut harness = tiers();
    let give_up = Some(GiveUp { failures: 1, within: None, then: OnGiveUp::StayDown });
    harness.set_policy("db", Policy { give_up, ..Policy::default() });
    harness.start_service();
    harness.code("db", 1);
    assert_eq!(
        harness.why("web"),
        "web is blocked on api (ready); api is blocked on db (ready); db was given up after its first failure; it \
         exited with code 1 after 0 ms"
    );
    harness.start("db");
    harness.hold("db");
    harness.code("db", 0);
    assert_eq!(harness.why("api"), "api is blocked on db (ready); db is held by a command");
    harness.remove("db");
    assert_eq!(harness.why("api"), "api is blocked on db (ready); db does not exist");
    harness.after("db", &[]);
    assert_eq!(
        harness.why("api"),
        "api is blocked on db (ready); db runs and is not ready yet, for which it has 60.0 s; it was started by a \
         command"
    );
    harness.ready("db");
    assert_eq!(harness.up(), "api db");
}

#[test]
fn f_185_a_name_that_is_added_again_while_its_old_run_ends_has_not_started() {
    let mut harness = tiers();
    harness.start_service();
    harness.ready("db");
    harness.hold("api");
    harness.code("api", 0);
    harness.remove("db");
    harness.after("db", &[]);
    harness.release("api");
    assert_eq!(harness.phase("api"), Phase::Blocked, "the old run was ready, and is another process's");
    harness.code("db", 0);
    harness.advance(0.0);
    harness.ready("db");
    assert_eq!(harness.up(), "api db");
}

#[test]
fn f_185_what_has_completed_counts_until_it_is_removed() {
    let mut harness = Harness::running();
    harness.define("job", job());
    harness.after("web", &[("job", Until::Completed)]);
    harness.code("job", 0);
    harness.ready("web");
    for up in ["web", ""] {
        harness.advance(2.0);
        harness.code("web", 1);
        harness.advance(0.0);
        assert_eq!(harness.up(), up);
        if up == "web" {
            harness.ready("web");
            harness.remove("job");
        }
    }
    assert_eq!(harness.why("web"), "web is blocked on job (completed); job does not exist");
}

#[test]
fn f_172_a_new_start_of_the_service_waits_for_a_new_completion() {
    let mut harness = Harness::new();
    harness.after("web", &[("job", Until::Completed)]);
    harness.define("job", job());
    harness.start_service();
    harness.code("job", 0);
    assert_eq!(harness.up(), "web");
    harness.stop_service();
    harness.code("web", 0);
    harness.start_service();
    assert_eq!(harness.up(), "job");
    harness.code("job", 0);
    assert_eq!(harness.up(), "web");
}

#[test]
fn f_179_a_process_for_whose_completion_others_wait_is_not_replaced_by_an_endless_one() {
    let mut harness = Harness::running();
    harness.define("job", job());
    harness.after("web", &[("job", Until::Completed)]);
    harness.remove("job");
    harness.code("job", 0);
    let now = harness.now();
    let error = harness.machine.add_process("job".parse().unwrap(), Definition::new(()), now).unwrap_err();
    assert!(error.to_string().starts_with("web -> job (completed): \"job\" is always restarted"), "{error}");
    harness.define("job", job());
    assert_eq!(harness.up(), "job");
}

#[test]
fn f_179_a_removed_process_that_has_not_ended_does_not_keep_the_service_from_starting() {
    let mut harness = Harness::new();
    harness.after("web", &[("db", Until::Ready)]);
    harness.start("web");
    harness.remove("web");
    assert_eq!(harness.up(), "");
    harness.start_service();
}

#[test]
fn f_185_a_name_that_is_added_again_has_only_its_new_dependencies() {
    let mut harness = tiers();
    harness.start_service();
    harness.start("web");
    harness.remove("web");
    harness.add("web");
    harness.code("web", 0);
    harness.advance(0.0);
    assert_eq!(harness.up(), "db web");
}

#[test]
fn processes_with_dependencies_leave_nothing_behind() {
    let mut harness = Harness::running();
    for _ in 0..3 {
        harness.after("db", &[]);
        harness.after("a", &[("db", Until::Started), ("db", Until::Ready)]);
        harness.after("b", &[("a", Until::Started), ("db", Until::Started)]);
        for name in ["a", "db", "b"] {
            harness.remove(name);
        }
        for name in ["b", "db", "a"] {
            if harness.machine.run(name).is_some() {
                harness.code(name, 0);
            }
        }
        assert_eq!(harness.machine.runs().count(), 0);
        assert_eq!(harness.deadline(), None);
    }
    assert!(harness.machine.statuses().is_empty());
}
