//! What was said cannot work: one clear error, before anything is started.

use std::time::Duration;

use childminder::ready::OutputMatch;
use childminder::service::{NotReadyReason, ServiceError};
use childminder::testkit::Sim;
use childminder::{Condition, Service};

fn refused(service: &Service) -> String {
    let sim = Sim::new();
    let error = service.start_on(sim.clone()).expect_err("it must be refused");
    assert!(matches!(error.reason(), NotReadyReason::Invalid(_)), "{error}");
    assert_eq!(sim.trace(), "", "nothing was asked of the world");
    let text = error.to_string();
    let (reason, command) = text.split_once("\n  command: ").expect("a reason, and the command line");
    assert!(!command.contains('\n'), "nothing else: {text}");
    reason.split_once(" is not ready: ").expect("a reason").1.to_owned()
}

#[test]
fn bad_input_is_named_by_its_field_sv_18_30() {
    let service = || Service::new("served");
    assert_eq!(refused(&Service::new("")), "program is empty");
    assert_eq!(refused(&service().arg("a\0")), "args has a NUL byte in it: \"a\\0\"");
    assert_eq!(refused(&service().cwd("")), "cwd is empty");
    assert_eq!(refused(&service().expect_port(0)), "expectation: the port must not be 0");
    assert_eq!(refused(&service().expect_output("")), "expectation: the expected output must not be empty");
    assert_eq!(
        refused(&service().expect(Condition::any([]))),
        "expectation: an `any` needs at least one condition"
    );
    assert_eq!(
        refused(&service().expect(Condition::unix("a\0"))),
        "expectation: the socket path \"a\\0\" contains a NUL byte"
    );
    assert!(
        refused(&service().expect(Condition::unix("x".repeat(200))))
            .ends_with("\" has 200 bytes; at most 107 are possible")
    );
    assert!(
        refused(&service().expect(OutputMatch::regex("a(")))
            .starts_with("expectation: the expected output is not a valid regular")
    );
    assert!(refused(&service().name("no spaces")).contains("no spaces"));
    assert!(refused(&service().kill_time(Duration::MAX)).starts_with("kill_time "));
    assert_eq!(
        refused(&service().timeout(Duration::from_millis(100))),
        "timeout of 100ms is shorter than the minimum uptime of 200ms"
    );
}

#[test]
fn sv_29_a_bad_format_fails_at_the_start_and_says_where() {
    let error = Service::new("served").output_format("{message} {colour}").start().unwrap_err();
    let NotReadyReason::Invalid(ServiceError::Format(format)) = error.reason() else { panic!("{error}") };
    assert_eq!(format.position(), 10);
    assert!(error.to_string().contains("colour"), "{error}");
}
