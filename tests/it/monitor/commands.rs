//! The commands of a handle: their immediate effects, their errors and their tickets.

use childminder::monitor::{AddError, CommandError};
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Phase, Policy, ProcessMonitor, Spec};
use futures_lite::future::poll_once;

use super::{expect, monitor, monitor_of, secs};

#[test]
fn invalid_input_is_an_immediate_error_that_names_it() {
    let (sim, monitor) = monitor();
    let error = |name: &str, spec: Spec| monitor.add_process(name, spec).unwrap_err().to_string();
    assert_eq!(error("", Spec::new("x")), "the name is empty");
    assert_eq!(
        error("a b", Spec::new("x")),
        "the name \"a b\" has ' ' in it; letters, digits and any of . _ @ : - are allowed"
    );
    assert_eq!(error("a", Spec::new("")), "program is empty");
    assert_eq!(error("a", Spec::new("x").env("A=", "")), "env has a name with '=' in it: \"A=\"");
    let policy = Policy { min_restart_delay: secs(9.0), max_restart_delay: secs(3.0), ..Policy::default() };
    assert_eq!(
        error("a", Spec::new("x").policy(policy)),
        "min_restart_delay is 9s, which is above max_restart_delay, 3s"
    );
    let build = || ProcessMonitor::builder().policy(policy);
    let invalid = build().build(Sim::new()).unwrap_err().to_string();
    assert_eq!(invalid, "min_restart_delay is 9s, which is above max_restart_delay, 3s");
    let in_background = build().background(Sim::new()).unwrap_err();
    assert_eq!(
        (in_background.kind(), in_background.to_string()),
        (std::io::ErrorKind::InvalidInput, invalid)
    );
    monitor.add_process("a", Spec::new("x")).unwrap();
    assert_eq!(error("a", Spec::new("y")), "there is a process \"a\" already");
    for refused in [
        monitor.start_process("b").unwrap_err(),
        monitor.stop_process("b").unwrap_err(),
        monitor.remove_process("b").unwrap_err(),
        monitor.hold_process("b").unwrap_err(),
        monitor.release_process("b").unwrap_err(),
    ] {
        assert_eq!(refused.to_string(), "there is no process \"b\"");
    }
    sim.run_until_idle();
    expect(&sim, "");
}

#[test]
fn repr_looks_good_pm_44() {
    let (_sim, monitor) = monitor();
    monitor.add_process("foo", Spec::new("arg1").arg("arg2").uid(1).gid(2)).unwrap();
    monitor.add_process("bar", Spec::new("arg3").gid(7)).unwrap();
    monitor.add_process("baz", Spec::new("arg4").uid(7)).unwrap();
    assert_eq!(
        format!("{monitor:?}"),
        "<ProcessMonitor foo(1:2): [arg1 arg2] bar(:7): [arg3] baz(7): [arg4]>"
    );
}

#[test]
fn simple_repr_looks_good_pm_44() {
    let (_sim, monitor) = monitor();
    monitor.add_process("foo", Spec::new("arg1").arg("arg2")).unwrap();
    assert_eq!(format!("{monitor:?}"), "<ProcessMonitor foo: [arg1 arg2]>");
}

#[test]
fn get_state_includes_processes_and_excludes_the_world_pm_45() {
    // Upstream: test_getStateIncludesProcesses, test_getStateExcludesReactor, and the deprecated to_tuple,
    // processes and getstate. Twisted pickles; a monitor returns its definitions, without the runs.
    let (sim, monitor) = monitor();
    sim.script("arg1", Script::new());
    let spec = Spec::new("arg1").arg("arg2").uid(1).gid(2).cwd("/").env("A", "1");
    monitor.add_process("foo", spec.clone()).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let exported = monitor.processes();
    assert_eq!(exported, [("foo".parse().unwrap(), spec)]);
    let (other, _driver) = ProcessMonitor::new(Sim::new());
    for (name, spec) in exported {
        other.add_process(&name, spec).unwrap();
    }
    assert_eq!(format!("{other:?}"), format!("{monitor:?}"));
}

#[test]
fn f_32_a_dropped_ticket_cancels_nothing_and_a_second_one_joins() {
    let (sim, monitor) = monitor();
    sim.script("deaf", Script::new().ignores_term());
    monitor.add_process("deaf", Spec::new("deaf")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    drop(monitor.stop_service());
    let mut impatient = monitor.stop_service();
    sim.run_until_idle();
    assert!(sim.block_on(poll_once(&mut impatient)).is_none());
    drop(impatient);
    sim.advance(secs(2.0));
    assert_eq!(sim.block_on(monitor.stop_process("deaf").unwrap()), Ok(()));
    assert_eq!(sim.elapsed(), secs(6.0), "the first deadline stands");
}

#[test]
fn tickets_wait_for_the_runs_they_were_issued_for() {
    let (sim, monitor) = monitor();
    sim.script("slow", Script::new().exits_after_term(secs(2.0)));
    sim.script("quick", Script::new());
    monitor.add_process("slow", Spec::new("slow")).unwrap();
    monitor.add_process("quick", Spec::new("quick")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    sim.block_on(monitor.stop_process("quick").unwrap()).unwrap();
    assert_eq!(sim.elapsed(), secs(1.0));
    sim.run_until_idle();
    assert_eq!(monitor.status("quick").unwrap().phase, Phase::Up, "a stop in a running service is a restart");
    sim.block_on(monitor.remove_process("slow").unwrap()).unwrap();
    assert_eq!(sim.elapsed(), secs(3.0));
    sim.block_on(monitor.hold_process("quick").unwrap()).unwrap();
    assert_eq!(monitor.status("quick").unwrap().phase, Phase::Held);
    // Nothing runs, so the tickets are resolved.
    sim.block_on(monitor.stop_process("quick").unwrap()).unwrap();
    sim.block_on(monitor.stop_service()).unwrap();
    assert_eq!(sim.elapsed(), secs(3.0));
}

#[test]
fn f_38_52_a_kill_during_a_stop_is_immediate() {
    let (sim, monitor) = monitor();
    sim.script("deaf", Script::new().ignores_term());
    monitor.add_process("deaf", Spec::new("deaf")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let patient = monitor.stop_service();
    sim.advance(secs(1.0));
    sim.block_on(monitor.kill_service()).unwrap();
    sim.block_on(patient).unwrap();
    assert_eq!(sim.elapsed(), secs(2.0));
}

#[test]
fn the_ticket_of_restart_all_resolves_when_the_old_runs_are_gone() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().exits_after_term(secs(0.5)));
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(3.0));
    let gone = monitor.restart_all();
    sim.block_on(gone).unwrap();
    sim.run_until_idle();
    expect(
        &sim,
        "0.0 spawn web#1
         3.0 signal web#1 TERM
         3.0 signal web#1 CONT
         3.5 exit web#1 signal TERM
         3.5 reap web#1
         3.5 spawn web#2",
    );
}

#[test]
fn f_50_dropping_the_last_handle_stops_all_children_in_order_and_ends_the_driver() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().exits_on_term(Exit::Code(0)));
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(3.0));
    let other = monitor.clone();
    drop(monitor);
    sim.advance(secs(1.0));
    let mut notices = other.notices();
    drop(other);
    sim.run_until_idle();
    expect(
        &sim,
        "0.0 spawn web#1
         4.0 signal web#1 TERM
         4.0 signal web#1 CONT
         4.0 exit web#1 code 0
         4.0 reap web#1",
    );
    while notices.wait().is_some() {} // ends, because the driver has
}

#[test]
fn f_49_50_a_driver_that_is_dropped_takes_every_process_with_it() {
    let (sim, monitor) = monitor();
    sim.script("deaf", Script::new().ignores_term());
    monitor.add_process("deaf", Spec::new("deaf")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let ticket = monitor.stop_service();
    sim.drop_futures();
    assert_eq!(sim.live(), 0);
    assert_eq!(ticket.wait(), Ok(()), "a dropped driver resolves its tickets");
    assert_eq!(monitor.add_process("b", Spec::new("b")), Err(AddError::Closed));
    assert!(matches!(monitor.start_process("deaf"), Err(CommandError::Closed)));
    assert_eq!(monitor.stop_service().wait(), Ok(()));
    assert_eq!(
        monitor.start_process("deaf").unwrap_err().to_string(),
        "the monitor is closed, or its driver was dropped"
    );
}

#[test]
fn f_43_removed_names_leave_no_tail_and_no_status() {
    let (sim, monitor) = monitor_of(ProcessMonitor::builder().tail(10));
    sim.script("talk", Script::new().prints(secs(0.0), childminder::machine::Stream::Stdout, "hello\n"));
    monitor.start_service().unwrap();
    for i in 0..1000 {
        let name = format!("n{i}");
        monitor.add_process(&name, Spec::new("talk")).unwrap();
        sim.run_until_idle();
        assert_eq!(monitor.tail(&name, 5), ["hello"]);
        sim.block_on(monitor.remove_process(&name).unwrap()).unwrap();
        assert!(monitor.tail(&name, 5).is_empty());
        assert!(monitor.status(&name).is_none());
    }
    assert_eq!(sim.live(), 0);
}
