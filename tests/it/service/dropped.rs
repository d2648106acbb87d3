//! The reports of a service that is dropped, without a logger.

use std::env;
use std::process::{Command, Stdio};

use childminder::{Condition, Service, Signal};

use crate::support::eventually;

/// The environment variable of a child that runs the scenario of a test.
const INNER: &str = "CHILDMINDER_TEST_DROPPED";

/// Runs `scenario` in a child process without a logger, and returns what it has written to the standard
/// error.
fn stderr_of(name: &str, scenario: impl FnOnce()) -> String {
    if env::var_os(INNER).is_some() {
        scenario();
        std::process::exit(0);
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(INNER, "1");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn service(script: &str) -> Service {
    Service::new("sh").args(["-c", script]).expect(Condition::notify(3))
}

#[test]
fn a_service_that_has_died_is_reported_by_its_drop() {
    let text = stderr_of("service::dropped::a_service_that_has_died_is_reported_by_its_drop", || {
        let service = service("echo >&3; exec sleep 1000").start().unwrap();
        service.signal(Signal::KILL);
        eventually("the service is dead", || !service.is_alive());
        drop(service);
    });
    assert!(
        text.contains("childminder: service sh died before it was stopped: signal KILL after "),
        "{text}"
    );
}

#[test]
fn a_service_that_is_stopped_by_its_drop_is_not_reported() {
    let text = stderr_of("service::dropped::a_service_that_is_stopped_by_its_drop_is_not_reported", || {
        drop(service("echo >&3; exec sleep 1000").start().unwrap());
    });
    assert!(!text.contains("childminder: "), "{text}");
}

#[test]
fn a_death_that_the_test_knows_of_is_not_reported_again() {
    let text = stderr_of("service::dropped::a_death_that_the_test_knows_of_is_not_reported_again", || {
        let service = service("echo >&3; exec sleep 1000").start().unwrap();
        service.signal(Signal::KILL);
        eventually("the death is seen", || service.reset().is_err());
        drop(service);
    });
    assert!(!text.contains("died before it was stopped"), "{text}");
}
