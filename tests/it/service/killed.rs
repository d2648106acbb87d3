//! A test process with a service ends, in every way that it can: no process outlives it by more than a
//! second, and no temporary file stays.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ExitStatus};
use std::time::Duration;

use childminder::{Condition, RunningService, Service};
use rustix::process::Signal;

use crate::support::{DoomedProcess, PORTABLE, skip};

/// A leader, a member of its group, and a daemon in a session of its own whose parents have ended. The daemon
/// reports that all of them are running.
const FAMILY: &str = r#"
    sleep 1000 &
    setsid sh -c 'setsid sh -c "echo >&3; exec sleep 1000" & exit'
    wait"#;

/// The reason why a stop in good order leaves the daemon on the portable back end.
const NO_FAMILIES: &str = "the portable back end reaches the process group only";

fn start_family() -> RunningService {
    let service = Service::new("sh").args(["-c", FAMILY]).expect(Condition::notify(3));
    service.min_uptime(Duration::ZERO).start().unwrap()
}

/// Returns a process with a running family, which calls `end` when it reads a line.
fn with_family(name: &str, end: fn(RunningService)) -> DoomedProcess {
    let mut doomed = DoomedProcess::start(name, |say| {
        let service = start_family();
        say("ready");
        io::stdin().read_line(&mut String::new()).unwrap();
        end(service);
    });
    assert_eq!(doomed.line(), "ready");
    let family = doomed.family(3);
    assert_eq!(family.len(), 3, "the shell and two that sleep: {family:#?}");
    doomed
}

/// Lets a process with a family call `end`, waits until no process is left, and returns its exit status.
fn ends(name: &str, end: fn(RunningService)) -> ExitStatus {
    let doomed = with_family(name, end);
    doomed.go_on();
    let (status, after) = doomed.wait_for_the_end();
    println!("no process is left {after:?} after the exit");
    status
}

/// For a process that does not read a line.
fn unused(_: RunningService) {}

#[test]
fn f_50_no_process_outlives_a_test_that_returns() {
    const NAME: &str = "service::killed::f_50_no_process_outlives_a_test_that_returns";
    if PORTABLE {
        return skip(NAME, NO_FAMILIES);
    }
    let status = ends(NAME, drop);
    assert!(status.success(), "{status}");
}

#[test]
fn f_50_no_process_outlives_a_test_that_panics() {
    const NAME: &str = "service::killed::f_50_no_process_outlives_a_test_that_panics";
    if PORTABLE {
        return skip(NAME, NO_FAMILIES);
    }
    let status = ends(NAME, |_service| panic!("a test fails"));
    assert_eq!(status.code(), Some(101), "{status}");
}

#[test]
fn f_50_no_process_outlives_a_test_process_that_exits() {
    let end = |_service| process::exit(7);
    let status = ends("service::killed::f_50_no_process_outlives_a_test_process_that_exits", end);
    assert_eq!(status.code(), Some(7), "{status}");
}

#[test]
fn f_45_50_no_process_outlives_a_test_process_that_forgets_its_service() {
    const NAME: &str = "service::killed::f_45_50_no_process_outlives_a_test_process_that_forgets_its_service";
    let status = ends(NAME, std::mem::forget);
    assert!(status.success(), "{status}");
}

#[test]
fn f_45_no_process_outlives_a_test_process_that_aborts() {
    let end = |_service| process::abort();
    let status = ends("service::killed::f_45_no_process_outlives_a_test_process_that_aborts", end);
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}");
}

#[test]
fn f_45_no_process_outlives_a_test_process_that_gets_term_or_int() {
    const NAME: &str = "service::killed::f_45_no_process_outlives_a_test_process_that_gets_term_or_int";
    for signal in [Signal::TERM, Signal::INT] {
        with_family(NAME, unused).kill_and_wait(signal);
    }
}

#[test]
fn f_45_no_process_outlives_a_test_process_that_gets_kill() {
    const NAME: &str = "service::killed::f_45_no_process_outlives_a_test_process_that_gets_kill";
    const TRIALS: usize = 100;
    const AT_ONCE: usize = 5;
    let mut longest = Duration::ZERO;
    for _ in 0..TRIALS / AT_ONCE {
        let all: Vec<DoomedProcess> = (0..AT_ONCE).map(|_| with_family(NAME, unused)).collect();
        for doomed in all {
            longest = longest.max(doomed.kill_and_wait(Signal::KILL));
        }
    }
    println!("{TRIALS} test processes killed; the last descendant lived for {longest:?}");
}
