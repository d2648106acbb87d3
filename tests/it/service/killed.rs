//! A test process with a service comes to its end, in every way there is: nobody outlives it by more than a second, nor
//! does a temporary file.

use std::io;
use std::process::{self, ExitStatus};
use std::time::Duration;

use childminder::{Condition, RunningService, Service};
use rustix::process::Signal;

use crate::support::Victim;

/// A leader, a member of its group, and a daemon: a session of its own, and parents that are gone. It is the daemon that
/// says when all are there.
const FAMILY: &str = r#"
    sleep 1000 &
    setsid sh -c 'setsid sh -c "echo >&3; exec sleep 1000" & exit'
    wait"#;

fn family() -> RunningService {
    let service = Service::new("sh").args(["-c", FAMILY]).expect(Condition::notify(3));
    service.min_uptime(Duration::ZERO).start().unwrap()
}

/// A victim that brings the family up, and comes to its end as `end` has it, once it is told to go on.
fn with_family(name: &str, end: fn(RunningService)) -> Victim {
    let mut victim = Victim::start(name, |say| {
        let service = family();
        say("all are there");
        io::stdin().read_line(&mut String::new()).unwrap();
        end(service);
    });
    assert_eq!(victim.line(), "all are there");
    let family = victim.family(4);
    assert_eq!(family.len(), 4, "the shell, the two that sleep, and the guardian: {family:#?}");
    victim
}

/// The same, up to the end of all of them.
fn ends(name: &str, end: fn(RunningService)) -> ExitStatus {
    let victim = with_family(name, end);
    victim.go_on();
    let (status, after) = victim.wait_and_look();
    println!("nobody is left {after:?} after the end");
    status
}

/// Never told to go on.
fn stays(_: RunningService) {}

#[test]
fn f_50_nobody_outlives_a_test_that_returns() {
    let status = ends("service::killed::f_50_nobody_outlives_a_test_that_returns", drop);
    assert!(status.success(), "{status}");
}

#[test]
fn f_50_nobody_outlives_a_test_that_panics() {
    let end = |_service| panic!("a test fails");
    let status = ends("service::killed::f_50_nobody_outlives_a_test_that_panics", end);
    assert_eq!(status.code(), Some(101), "{status}");
}

#[test]
fn f_50_nobody_outlives_a_test_process_that_exits() {
    let end = |_service| process::exit(7);
    let status = ends("service::killed::f_50_nobody_outlives_a_test_process_that_exits", end);
    assert_eq!(status.code(), Some(7), "{status}");
}

#[test]
fn f_45_50_nobody_outlives_a_test_process_that_forgets_its_service() {
    let end = std::mem::forget;
    let status =
        ends("service::killed::f_45_50_nobody_outlives_a_test_process_that_forgets_its_service", end);
    assert!(status.success(), "{status}");
}

#[test]
fn f_45_nobody_outlives_a_test_process_that_aborts() {
    let end = |_service| process::abort();
    let status = ends("service::killed::f_45_nobody_outlives_a_test_process_that_aborts", end);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGABRT), "{status}");
}

#[test]
fn f_45_nobody_outlives_a_test_process_that_gets_term_or_int() {
    const NAME: &str = "service::killed::f_45_nobody_outlives_a_test_process_that_gets_term_or_int";
    for signal in [Signal::TERM, Signal::INT] {
        with_family(NAME, stays).kill_and_look(signal);
    }
}

#[test]
fn f_45_nobody_outlives_any_of_a_hundred_test_processes_that_get_kill() {
    const NAME: &str = "service::killed::f_45_nobody_outlives_any_of_a_hundred_test_processes_that_get_kill";
    const AT_ONCE: usize = 5;
    let mut longest = Duration::ZERO;
    for _ in 0..100 / AT_ONCE {
        let victims: Vec<Victim> = (0..AT_ONCE).map(|_| with_family(NAME, stays)).collect();
        for victim in victims {
            longest = longest.max(victim.kill_and_look(Signal::KILL));
        }
    }
    println!("100 test processes killed; the last of a family lived for {longest:?}");
}
