//! Tickets that wait until a process is ready, and until the service has stopped.

use std::pin::Pin;
use std::task::{Context, Waker};

use childminder::machine::{GiveUp, OnGiveUp, Replaced, RestartGroup, SignalTarget, Strategy};
use childminder::monitor::{CommandError, ReadyError, StoppedError};
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Exit, Phase, Policy, ProcessMonitor, Restart, Signal, Spec, Ticket, Until};

use super::{monitor, secs};

fn is_pending<E: From<childminder::NotDriven>>(ticket: &mut Ticket<E>) -> bool {
    Pin::new(ticket).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn not_running(error: &ReadyError) -> Phase {
    match error {
        ReadyError::NotRunning { phase, .. } => *phase,
        other => panic!("{other}"),
    }
}

/// Adds a process that is never ready.
fn add_slow(sim: &Sim, monitor: &ProcessMonitor) {
    sim.script("slow", Script::new());
    monitor.add_process("slow", Spec::new("slow").ready(Condition::output("never"))).unwrap();
}

#[test]
fn f_209_a_wait_for_readiness_ends_when_only_a_command_can_start_the_process() {
    type Command = fn(&ProcessMonitor);
    let commands: [(Command, Phase); 2] = [
        (|monitor| drop(monitor.hold_process("slow").unwrap()), Phase::Held),
        (|monitor| drop(monitor.stop_service()), Phase::Down),
    ];
    for (command, phase) in commands {
        let (sim, monitor) = monitor();
        add_slow(&sim, &monitor);
        monitor.start_service().unwrap();
        sim.advance(secs(1.0));
        let ticket = monitor.wait_ready("slow").unwrap();
        sim.run_until_idle();
        assert!(!ticket.is_done());
        command(&monitor);
        assert_eq!(not_running(&sim.block_on(ticket).unwrap_err()), phase);
        let again = monitor.wait_ready("slow").unwrap();
        assert!(again.is_done(), "the result is known at once");
        assert_eq!(not_running(&sim.block_on(again).unwrap_err()), phase);
    }
}

#[test]
fn f_209_a_wait_for_readiness_ends_with_the_process() {
    let (sim, monitor) = monitor();
    add_slow(&sim, &monitor);
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let ticket = monitor.wait_ready("slow").unwrap();
    drop(monitor.remove_process("slow").unwrap());
    let error = sim.block_on(ticket).unwrap_err();
    assert_eq!(error.to_string(), "slow was removed");
    assert!(matches!(monitor.wait_ready("slow"), Err(CommandError::Unknown(_))));
}

#[test]
fn f_209_a_wait_for_a_process_that_was_given_up_says_why() {
    let (sim, monitor) = monitor();
    sim.script("broken", Script::new().exits(Exit::Code(7)));
    let give_up = GiveUp { failures: 2, within: None, then: OnGiveUp::StayDown };
    let policy = Policy { give_up: Some(give_up), ..Policy::default() };
    monitor
        .add_process("broken", Spec::new("broken").policy(policy).ready(Condition::uptime(secs(1.0))))
        .unwrap();
    monitor.start_service().unwrap();
    let error = sim.block_on(monitor.wait_ready("broken").unwrap()).unwrap_err();
    assert_eq!(not_running(&error), Phase::GaveUp);
    assert!(error.to_string().contains("code 7"), "{error}");
}

#[test]
fn f_209_a_blocked_process_is_waited_for() {
    let (sim, monitor) = monitor();
    sim.script("db", Script::new().serves(secs(3.0), childminder::host::ProbeTarget::Port(5432)));
    sim.script("web", Script::new());
    monitor.add_process("web", Spec::new("web").after("db", Until::Ready)).unwrap();
    monitor.add_process("db", Spec::new("db").ready(Condition::port(5432))).unwrap();
    monitor.start_service().unwrap();
    sim.block_on(monitor.wait_ready("web").unwrap()).unwrap();
    assert!(sim.elapsed() >= secs(3.0) && sim.elapsed() < secs(3.2), "{:?}", sim.elapsed());
}

#[test]
fn f_209_a_wait_for_a_process_that_is_blocked_for_good_says_why() {
    let (sim, monitor) = monitor();
    sim.script("broken", Script::new().exits(Exit::Code(7)));
    sim.script("once", Script::new().lives(secs(2.0)).exits(Exit::Code(0)));
    for program in ["db", "web"] {
        sim.script(program, Script::new());
    }
    let give_up = GiveUp { failures: 2, within: None, then: OnGiveUp::StayDown };
    let policy = Policy { give_up: Some(give_up), restart: Restart::OnFailure, ..Policy::default() };
    let spec = |program: &str| Spec::new(program).policy(policy);
    let specs = [
        ("broken", spec("broken").ready(Condition::uptime(secs(1.0)))),
        ("once", spec("once")),
        ("db", spec("db").after("once", Until::Completed).ready(Condition::uptime(secs(5.0)))),
        ("web", spec("web").after("db", Until::Ready).after("broken", Until::Ready)),
        ("page", spec("web").after("web", Until::Ready)),
        ("report", spec("web").after("db", Until::Ready)),
    ];
    for (name, spec) in specs {
        monitor.add_process(name, spec).unwrap();
    }
    monitor.start_service().unwrap();
    // The second failure after one second makes the start of both impossible, although db is not ready yet.
    let [web, page] = ["web", "page"].map(|name| monitor.wait_ready(name).unwrap());
    for ticket in [web, page] {
        assert_eq!(not_running(&sim.block_on(ticket).unwrap_err()), Phase::Blocked);
    }
    assert_eq!(sim.elapsed(), secs(1.0));
    let error = sim.block_on(monitor.wait_ready("page").unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("page is blocked on web"), "{error}");
    sim.block_on(monitor.wait_ready("db").unwrap()).expect("the completion of once was waited for");
    assert_eq!(sim.elapsed(), secs(7.0));
    // A command changes it as well, and another one changes it back.
    drop(monitor.stop_process("db").unwrap());
    drop(monitor.stop_process("report").unwrap());
    sim.run_until_idle();
    let held = monitor.wait_ready("report").unwrap();
    drop(monitor.hold_process("db").unwrap());
    assert_eq!(not_running(&sim.block_on(held).unwrap_err()), Phase::Blocked);
    let released = monitor.wait_ready("report").unwrap();
    assert_eq!(not_running(&sim.block_on(released).unwrap_err()), Phase::Blocked);
    monitor.release_process("db").unwrap();
    sim.block_on(monitor.wait_ready("report").unwrap()).unwrap();
}

#[test]
fn f_86_a_wait_without_a_driver_fails() {
    let sim = Sim::new();
    let (monitor, driver) = ProcessMonitor::new(sim.clone());
    sim.script("web", Script::new());
    monitor.add_process("web", ["web"]).unwrap();
    monitor.start_service().unwrap();
    let ready = sim.block_on(monitor.wait_ready("web").unwrap()).unwrap_err();
    assert!(matches!(ready, ReadyError::NotDriven(_)), "{ready}");
    let mut stopped = monitor.wait_stopped();
    let ready = monitor.wait_ready("web").unwrap();
    assert!(is_pending(&mut stopped));
    drop(driver);
    sim.block_on(stopped).unwrap();
    assert!(matches!(sim.block_on(ready).unwrap_err(), ReadyError::Closed));
    assert!(matches!(monitor.wait_ready("web"), Err(CommandError::Closed)));
    sim.block_on(monitor.wait_stopped()).unwrap();
}

#[test]
fn a_stop_by_a_command_is_the_end_of_a_wait_for_it() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().exits_after_term(secs(2.0)));
    monitor.add_process("web", ["web"]).unwrap();
    assert!(monitor.wait_stopped().is_done(), "the service does not run");
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let ticket = monitor.wait_stopped();
    drop(monitor.stop_service());
    sim.advance(secs(1.0));
    assert!(!ticket.is_done());
    sim.block_on(ticket).unwrap();
    assert_eq!(sim.elapsed(), secs(3.0));
}

#[test]
fn a_process_that_is_given_up_stops_the_service_and_is_named() {
    let (sim, monitor) = monitor();
    sim.script("broken", Script::new().exits(Exit::Code(7)));
    sim.script("web", Script::new().exits_after_term(secs(2.0)));
    let give_up = GiveUp { failures: 2, within: None, then: OnGiveUp::StopAll };
    let policy = Policy { give_up: Some(give_up), ..Policy::default() };
    monitor.add_process("web", ["web"]).unwrap();
    monitor.add_process("broken", Spec::new("broken").policy(policy)).unwrap();
    monitor.start_service().unwrap();
    let error = sim.block_on(monitor.wait_stopped()).unwrap_err();
    assert_eq!(error, StoppedError::GaveUp("broken".parse().unwrap()));
    assert_eq!(sim.elapsed(), secs(3.0), "the second failure after one second, and the stop of web");
    assert_eq!(sim.live(), 0);
}

#[test]
fn a_wait_for_the_end_names_the_survivors_of_kill() {
    let (sim, monitor) = monitor();
    sim.script("stuck", Script::new().ignores_term().unkillable(secs(60.0)));
    monitor.add_process("stuck", ["stuck"]).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let ticket = monitor.wait_stopped();
    drop(monitor.stop_service());
    let error = sim.block_on(ticket).unwrap_err();
    assert_eq!(error.to_string(), "still not gone after KILL: stuck#1 (pid 101)");
    sim.advance(secs(60.0));
    sim.block_on(monitor.wait_stopped()).unwrap();
}

#[test]
fn a_policy_is_changed_without_a_restart() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new());
    monitor.add_process("web", ["web"]).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let policy = Policy { kill_time: secs(60.0), ..Policy::default() };
    monitor.set_policy("web", policy).unwrap();
    let status = monitor.status("web").unwrap();
    assert_eq!((status.policy, status.run.map(|run| run.number())), (policy, Some(1)));
    assert_eq!(monitor.processes()[0].1.get_policy(), Some(policy));
    let bad = Policy { min_restart_delay: secs(0.0), ..policy };
    assert!(
        matches!(monitor.set_policy("web", bad), Err(CommandError::Policy(error)) if error.field() == "min_restart_delay")
    );
    assert!(matches!(monitor.set_policy("none", policy), Err(CommandError::Unknown(_))));
}

#[test]
fn f_188_a_spec_that_starts_the_same_program_is_replaced_without_a_restart() {
    let (sim, monitor) = monitor();
    for name in ["db", "web"] {
        sim.script(name, Script::new());
        monitor.add_process(name, [name]).unwrap();
    }
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let policy = Policy { kill_time: secs(60.0), ..Policy::default() };
    let group = RestartGroup { name: "all".parse().unwrap(), strategy: Strategy::OneForAll };
    let spec = Spec::new("web")
        .policy(policy)
        .after("db", Until::Started)
        .restart_group(group)
        .stop_signal(Signal::INT)
        .stop_to(SignalTarget::Leader);
    let run = || monitor.status("web").unwrap().run.map(|run| run.number());
    assert_eq!(monitor.replace_process("web", spec.clone()).unwrap(), Replaced::Updated);
    assert_eq!(monitor.replace_process("web", spec.clone()).unwrap(), Replaced::Unchanged);
    sim.run_until_idle();
    assert_eq!((monitor.status("web").unwrap().policy, run()), (policy, Some(2)));
    // A stop command is run with the spec of the run, so another one is for the next run.
    let other = spec.stop_command(["stop"]);
    assert_eq!(monitor.replace_process("web", other).unwrap(), Replaced::Restarting);
    sim.advance(secs(61.0));
    assert_eq!(run(), Some(3));
    assert!(sim.trace().contains("INT"), "{}", sim.trace());
}

#[test]
fn what_delays_the_end_of_the_service_is_named_and_bounded() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().ignores_term());
    monitor.add_process("web", ["web"]).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    assert!(monitor.why_not_stopped().is_none());
    let bound = monitor.stop_bound();
    drop(monitor.stop_service());
    sim.advance(secs(1.0));
    let why = monitor.why_not_stopped().unwrap();
    assert!(why.to_string().starts_with("web "), "{why}");
    sim.block_on(monitor.wait_stopped()).unwrap();
    assert!(sim.elapsed() <= bound, "{bound:?}");
    assert!(monitor.why_not_stopped().is_none());
}
