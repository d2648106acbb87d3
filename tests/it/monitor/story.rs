//! What a monitor does to the world, hour after hour.

use childminder::machine::SpawnStep;
use childminder::testkit::Script;
use childminder::{Exit, Phase, Policy, ProcessMonitor, Signal, Spec};

use super::{expect, monitor, monitor_of, secs};

#[test]
fn a_process_is_kept_alive_through_two_hours_of_trouble() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().lives(secs(7200.0)).exits(Exit::Code(1)));
    sim.script("web", Script::fails(SpawnStep::Exec, libc::EAGAIN));
    sim.script(
        "web",
        Script::new().lives(secs(0.5)).exits(Exit::Signal { signal: Signal::ABRT, core: true }),
    );
    sim.script("web", Script::new().ignores_term());
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(7300.0));
    let stopped = monitor.stop_service();
    assert_eq!(sim.block_on(stopped), Ok(()));
    expect(
        &sim,
        "0.0 spawn web#1
         7200.0 exit web#1 code 1
         7200.0 reap web#1
         7200.0 fail web#2 cannot execute web: Resource temporarily unavailable (os error 11)
         7201.0 spawn web#3
         7201.5 exit web#3 signal ABRT (core dumped)
         7201.5 reap web#3
         7203.5 spawn web#4
         7300.0 signal web#4 TERM
         7300.0 signal web#4 CONT
         7305.0 signal web#4 KILL
         7305.0 exit web#4 signal KILL
         7305.0 reap web#4",
    );
    assert_eq!(sim.max_live("web"), 1);
}

#[test]
fn f_24_the_kill_comes_at_exactly_the_kill_time() {
    let (sim, monitor) =
        monitor_of(ProcessMonitor::builder().policy(Policy { kill_time: secs(0.25), ..Policy::default() }));
    sim.script("deaf", Script::new().ignores_term());
    monitor.add_process("deaf", Spec::new("deaf").stop_signal(Signal::INT)).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(10.0));
    sim.block_on(monitor.stop_service()).unwrap();
    expect(
        &sim,
        "0.0 spawn deaf#1
         10.0 signal deaf#1 INT
         10.0 signal deaf#1 CONT
         10.25 signal deaf#1 KILL
         10.25 exit deaf#1 signal KILL
         10.25 reap deaf#1",
    );
}

#[test]
fn f_68_an_exit_at_the_very_deadline_needs_no_kill() {
    let (sim, monitor) = monitor();
    sim.script("slow", Script::new().exits_after_term(secs(5.0)));
    monitor.add_process("slow", Spec::new("slow")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    sim.block_on(monitor.stop_service()).unwrap();
    expect(
        &sim,
        "0.0 spawn slow#1
         1.0 signal slow#1 TERM
         1.0 signal slow#1 CONT
         6.0 exit slow#1 signal TERM
         6.0 reap slow#1",
    );
}

#[test]
fn pm_22_38_41_a_stop_waits_for_the_whole_group() {
    let (sim, monitor) = monitor();
    sim.script("shell", Script::new().leaves_behind(2));
    monitor.add_process("shell", Spec::new("shell")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    sim.block_on(monitor.stop_service()).unwrap();
    expect(
        &sim,
        "0.0 spawn shell#1
         1.0 signal shell#1 TERM
         1.0 signal shell#1 CONT
         1.0 exit shell#1 signal TERM
         6.0 signal shell#1 KILL
         6.002 reap shell#1",
    );
    assert_eq!(sim.live(), 0);
}

#[test]
fn f_17_a_stranger_that_holds_the_output_delays_nothing_for_long() {
    let (sim, monitor) = monitor();
    sim.script("leaky", Script::new().lives(secs(2.0)).leaks_output(secs(60.0)));
    sim.script("leaky", Script::new());
    monitor.add_process("leaky", Spec::new("leaky")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(3.0));
    expect(
        &sim,
        "0.0 spawn leaky#1
         2.0 exit leaky#1 code 0
         2.2 reap leaky#1
         2.2 spawn leaky#2",
    );
}

#[test]
fn f_27_a_stop_that_kill_cannot_complete_names_the_survivors() {
    let (sim, monitor) = monitor();
    sim.script("stuck", Script::new().ignores_term().unkillable(secs(60.0)));
    monitor.add_process("stuck", Spec::new("stuck")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let error = sim.block_on(monitor.stop_service()).unwrap_err();
    assert_eq!(error.to_string(), "still not gone after KILL: stuck#1 (pid 101)");
    assert_eq!(sim.elapsed(), secs(8.0), "the kill time and two seconds");
    assert_eq!(monitor.status("stuck").unwrap().phase, Phase::Unkillable);
    sim.advance(secs(60.0));
    assert_eq!(monitor.status("stuck").unwrap().phase, Phase::Down);
}

#[test]
fn f_44_a_missing_program_keeps_no_other_down() {
    let (sim, monitor) = monitor();
    sim.script("good", Script::new());
    for name in ["a", "missing", "b"] {
        let program = if name == "missing" { "missing" } else { "good" };
        monitor.add_process(name, Spec::new(program)).unwrap();
    }
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let phases: Vec<Phase> = monitor.statuses().iter().map(|status| status.phase).collect();
    assert_eq!(phases, [Phase::Up, Phase::Waiting, Phase::Up]);
    let status = monitor.status("missing").unwrap();
    assert_eq!(status.next_start, Some(monitor.now() + secs(1.0)), "it says when it will be tried again");
    assert!(status.last.unwrap().to_string().starts_with("not started: cannot find the program missing"));
}

#[test]
fn every_start_of_a_hundred_crash_looping_processes_is_on_time() {
    let (sim, monitor) = monitor();
    sim.script("crash", Script::new().lives(secs(0.0)).exits(Exit::Code(1)));
    for i in 0..100 {
        monitor.add_process(&format!("crash-{i}"), Spec::new("crash")).unwrap();
    }
    monitor.start_service().unwrap();
    sim.advance(secs(3600.0));
    let starts = sim.trace().lines().filter(|line| line.contains(" spawn ")).count();
    assert_eq!(starts, 100 * 12, "at 0, 1, 3, 7, … and 2047 s");
    sim.block_on(monitor.stop_service()).unwrap();
    assert_eq!(sim.live(), 0);
}
