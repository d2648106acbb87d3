//! A test process with a service ends in each possible way: no process outlives it by more than a second, and no
//! temporary file is left.

use std::io;
use std::process::{self, ExitStatus};
use std::time::Duration;

use childminder::{Condition, RunningService, Service};
use rustix::process::Signal;

use crate::support::DoomedProcess;

/// A leader, a member of its group, and a daemon in a session of its own whose parents have exited. The daemon notifies
/// when all of them run.
const FAMILY: &str = r#"
    sleep 1000 &
    setsid sh -c 'setsid sh -c "echo >&3; exec sleep 1000" & exit'
    wait"#;

fn family() -> RunningService {
    let service = Service::new("sh").args(["-c", FAMILY]).expect(Condition::notify(3));
    service.min_uptime(Duration::ZERO).start().unwrap()
}

/// Starts a test process that starts the family, and ends by `end` once its input has a line.
fn with_family(name: &str, end: fn(RunningService)) -> DoomedProcess {
    let mut process = DoomedProcess::start(name, |print| {
        let service = family();
        print("all processes run");
        io::stdin().read_line(&mut String::new()).unwrap();
        end(service);
    });
    assert_eq!(process.line(), "all processes run");
    let family = process.family(4);
    assert_eq!(family.len(), 4, "the shell, the two sleeping processes, and the guardian: {family:#?}");
    process
}

/// Has such a process end, and waits until no process is left.
fn end_with(name: &str, end: fn(RunningService)) -> ExitStatus {
    let process = with_family(name, end);
    process.go_on();
    let (status, after) = process.wait_and_look();
    println!("no process is left {after:?} after the end");
    status
}

/// The end of a process that is killed from outside.
fn killed_from_outside(_: RunningService) {}

#[test]
fn f_50_no_process_outlives_a_test_that_returns() {
    let status = end_with("service::killed::f_50_no_process_outlives_a_test_that_returns", drop);
    assert!(status.success(), "{status}");
}

#[test]
fn f_50_no_process_outlives_a_test_that_panics() {
    let end = |_service| panic!("a test fails");
    let status = end_with("service::killed::f_50_no_process_outlives_a_test_that_panics", end);
    assert_eq!(status.code(), Some(101), "{status}");
}

#[test]
fn f_50_no_process_outlives_a_test_process_that_exits() {
    let end = |_service| process::exit(7);
    let status = end_with("service::killed::f_50_no_process_outlives_a_test_process_that_exits", end);
    assert_eq!(status.code(), Some(7), "{status}");
}

#[test]
fn f_45_50_no_process_outlives_a_test_process_that_forgets_its_service() {
    let end = std::mem::forget;
    let status =
        end_with("service::killed::f_45_50_no_process_outlives_a_test_process_that_forgets_its_service", end);
    assert!(status.success(), "{status}");
}

#[test]
fn f_45_no_process_outlives_a_test_process_that_aborts() {
    let end = |_service| process::abort();
    let status = end_with("service::killed::f_45_no_process_outlives_a_test_process_that_aborts", end);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGABRT), "{status}");
}

#[test]
fn f_45_no_process_outlives_a_test_process_that_gets_term_or_int() {
    const NAME: &str = "service::killed::f_45_no_process_outlives_a_test_process_that_gets_term_or_int";
    for signal in [Signal::TERM, Signal::INT] {
        with_family(NAME, killed_from_outside).kill_and_look(signal);
    }
}

#[test]
fn f_45_no_process_outlives_any_of_a_hundred_test_processes_that_get_kill() {
    const NAME: &str =
        "service::killed::f_45_no_process_outlives_any_of_a_hundred_test_processes_that_get_kill";
    const AT_ONCE: usize = 5;
    let mut longest = Duration::ZERO;
    for _ in 0..100 / AT_ONCE {
        let processes: Vec<DoomedProcess> =
            (0..AT_ONCE).map(|_| with_family(NAME, killed_from_outside)).collect();
        for process in processes {
            longest = longest.max(process.kill_and_look(Signal::KILL));
        }
    }
    println!("100 test processes killed; the last process of a family lived for {longest:?}");
}
