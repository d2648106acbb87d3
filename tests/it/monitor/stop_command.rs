//! Stop commands, run by the driver.

use std::fs;
use std::path::Path;

use childminder::output::TailSink;
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Phase, Policy, ProcessMonitor, Spec, System};
use futures_lite::StreamExt;

use super::{expect, monitor, secs};
use crate::support::eventually;

#[test]
fn a_stop_command_that_fails_is_followed_by_the_stop_signal() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().exits_after_term(secs(1.0)));
    sim.script("stopper", Script::new().lives(secs(0.5)).exits(Exit::Code(3)));
    let mut notices = monitor.notices();
    monitor.add_process("web", Spec::new("web").stop_command(["stopper"])).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(2.0));
    sim.block_on(monitor.stop_service()).unwrap();
    expect(
        &sim,
        "0.0 spawn web#1
         2.0 signal web#1 CONT
         2.0 spawn stopper#2
         2.5 exit stopper#2 code 3
         2.5 reap stopper#2
         2.5 signal web#1 TERM
         2.5 signal web#1 CONT
         3.5 exit web#1 signal TERM
         3.5 reap web#1",
    );
    let mut texts = Vec::new();
    while let Some(Some(notice)) = sim.block_on(futures_lite::future::poll_once(notices.next())) {
        texts.push(notice.unwrap().to_string());
    }
    assert_eq!(
        texts[2..4],
        [
            "web#1 running its stop command, KILL in 5.0 s",
            "web#1 sent TERM: the stop command ended with code 3"
        ]
    );
}

#[test]
fn a_stop_command_that_cannot_be_started_is_followed_by_the_stop_signal() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new());
    monitor.add_process("web", Spec::new("web").stop_command(["missing"])).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(2.0));
    sim.block_on(monitor.stop_service()).unwrap();
    assert_eq!(sim.elapsed(), secs(2.0));
    assert!(sim.trace().contains("2.0 signal web#1 TERM"), "{}", sim.trace());
}

#[test]
fn a_stop_command_that_hangs_is_killed_at_the_kill_time() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().ignores_term());
    sim.script("stopper", Script::new().ignores_term());
    monitor.add_process("web", Spec::new("web").stop_command(["stopper"])).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(2.0));
    sim.block_on(monitor.stop_service()).unwrap();
    assert_eq!((sim.elapsed(), sim.live()), (secs(7.0), 0));
    assert!(sim.trace().contains("7.0 signal stopper#2 KILL"), "{}", sim.trace());
}

#[test]
fn an_invalid_stop_command_is_refused() {
    let (_sim, monitor) = monitor();
    let add =
        |word: &str| monitor.add_process("a", Spec::new("x").stop_command([word])).unwrap_err().to_string();
    assert_eq!(add(""), "stop_command is empty");
    assert!(add("a\0b").contains("stop_command"), "{}", add("a\0b"));
}

/// A program that ends when the file `stop` appears in its directory, and never by TERM.
fn stubborn(directory: &Path) -> Spec {
    let script = "trap '' TERM; echo up; while [ ! -e stop ]; do sleep 0.02; done; exit 7";
    Spec::new("sh").args(["-c", script]).cwd(directory).env("GREETING", "hello")
}

#[test]
fn a_stop_command_has_the_directory_and_environment_of_its_process_and_writes_to_its_sinks() {
    let directory = tempfile::tempdir().unwrap();
    let lines = TailSink::new(10);
    let policy = Policy { kill_time: secs(60.0), ..Policy::default() };
    let monitor =
        ProcessMonitor::builder().policy(policy).sink(lines.clone()).background(System::new()).unwrap();
    let command = "echo $GREETING from $MAINPID; echo $MAINPID >stop";
    monitor.add_process("db", stubborn(directory.path()).stop_command(["sh", "-c", command])).unwrap();
    monitor.start_service().unwrap();
    eventually("it is up", || monitor.status("db").unwrap().phase == Phase::Up);
    let pid = monitor.status("db").unwrap().pid.unwrap();
    monitor.stop_service().wait().unwrap();
    assert_eq!(monitor.status("db").unwrap().last.unwrap().to_string(), "exited with code 7");
    assert_eq!(fs::read_to_string(directory.path().join("stop")).unwrap().trim(), pid.to_string());
    monitor.close().wait().unwrap();
    let mut lines = lines.last("db", 10);
    lines.sort();
    assert_eq!(lines, [format!("hello from {pid}"), "up".to_owned()]);
}

#[test]
fn a_stop_command_and_what_it_has_started_are_killed_with_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let policy = Policy { kill_time: secs(0.3), ..Policy::default() };
    let monitor = ProcessMonitor::builder().policy(policy).background(System::new()).unwrap();
    let command = "trap '' TERM; sleep 1000 & echo $! $$ >pids; mv pids done; wait";
    monitor.add_process("db", stubborn(directory.path()).stop_command(["sh", "-c", command])).unwrap();
    monitor.start_service().unwrap();
    eventually("it is up", || monitor.status("db").unwrap().phase == Phase::Up);
    let ticket = monitor.hold_process("db").unwrap();
    let file = directory.path().join("done");
    eventually("the command runs, or the stop has ended", || file.exists() || ticket.is_done());
    ticket.wait().unwrap();
    let pids = fs::read_to_string(&file).unwrap_or_default();
    for pid in pids.split_whitespace() {
        assert!(!is_alive(pid), "{pid} of the stop command is alive");
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[test]
fn r2_3_a_survivor_does_not_keep_the_driver_from_ending() {
    let sim = Sim::new();
    let (monitor, driver) = ProcessMonitor::new(sim.clone());
    let (sender, ended) = std::sync::mpsc::channel();
    sim.spawn(async move {
        driver.await;
        sender.send(()).unwrap();
    });
    sim.script("stuck", Script::new().ignores_term().unkillable(secs(3600.0)));
    monitor.add_process("stuck", Spec::new("stuck")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    drop(monitor);
    sim.advance(secs(6.9));
    assert!(ended.try_recv().is_err(), "before the survivor is known");
    sim.advance(secs(0.1));
    assert!(ended.try_recv().is_ok(), "the kill time and two seconds after the drop");
}

#[test]
fn r2_3_close_reports_the_survivor_and_ends_the_driver() {
    let (sim, monitor) = monitor();
    let mut notices = monitor.notices();
    sim.script("stuck", Script::new().ignores_term().unkillable(secs(3600.0)));
    monitor.add_process("stuck", Spec::new("stuck")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let error = sim.block_on(monitor.close()).unwrap_err();
    assert_eq!(error.survivors()[0].processes[0].pid, 101);
    sim.run_until_idle();
    while notices.wait().is_some() {} // ends with the driver
}
