//! Values captured from the output, and the tail right after readiness.

use childminder::service::{NotReadyReason, ServiceError};
use childminder::{NotReady, Service};

fn server(script: &str) -> Service {
    Service::new("sh").args(["-c", &format!("{script}; exec sleep 1000")])
}

fn refused(service: &Service) -> NotReady {
    service.start().expect_err("it must not start")
}

#[test]
fn captured_values_are_there_when_the_start_returns() {
    let service = server("echo starting; echo 'password: x7' >&2; echo listening on port 4711")
        .capture(r"listening on port (\d+)")
        .capture(r"password: (?<word>\S+)")
        .start()
        .unwrap();
    assert_eq!(service.captured(), ["4711", "x7"]);
}

#[test]
fn a_value_that_arrives_in_pieces_is_captured_as_a_whole() {
    let script = "printf 'listening on port 47'; sleep 0.02; printf '11\\n'; sleep 0.02; echo up";
    let service = server(script).capture(r"port (\d+)").expect_output("up\n").start().unwrap();
    assert_eq!(service.captured(), ["4711"]);
    // Ready at the first digits, and still captured as a whole line.
    let service = server("printf 'port 47'; sleep 0.05; echo 11").capture(r"port (\d+)").start().unwrap();
    assert_eq!(service.captured(), ["4711"]);
}

#[test]
fn each_run_has_values_of_its_own() {
    let service = server("echo pid $$").capture(r"pid (\d+)").start().unwrap();
    assert_eq!(service.captured(), [service.pid().to_string()]);
    let first = service.pid();
    service.stopped(|| ()).unwrap();
    assert_ne!(service.pid(), first);
    assert_eq!(service.captured(), [service.pid().to_string()]);
}

#[test]
fn the_output_format_is_applied_before_a_capture() {
    let service = server("echo 'INFO db: port 4711'")
        .output_format(r"{levelname} {name}: {message}")
        .capture(r"^port (\d+)$")
        .expect_output("4711");
    // The raw output does not match, so the start waits for the message.
    let error = refused(&service.timeout(std::time::Duration::from_millis(300)));
    assert!(matches!(error.reason(), NotReadyReason::TimedOut { .. }), "{error}");
    let service = server("echo 'INFO db: port 4711'")
        .output_format(r"{levelname} {name}: {message}")
        .capture(r"port (\d+)$")
        .start()
        .unwrap();
    assert_eq!(service.captured(), ["4711"]);
}

#[test]
fn f_236_a_capture_without_a_group_is_refused() {
    let error = refused(&server("echo up").capture(r"port \d+"));
    let NotReadyReason::Invalid(ServiceError::CaptureWithoutGroup(_)) = error.reason() else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("has no group: put parentheses around"), "{error}");
    let error = refused(&server("echo up").capture(r"port (\d+"));
    assert!(matches!(error.reason(), NotReadyReason::Invalid(ServiceError::Capture { .. })), "{error}");
}

#[test]
fn f_237_the_tail_is_complete_right_after_readiness() {
    for _ in 0..20 {
        let service = server("echo one; echo two >&2; echo three; echo ready").expect_output("ready\n");
        let service = service.min_uptime(std::time::Duration::ZERO).start().unwrap();
        // The line of the other stream may lie anywhere.
        let tail: Vec<String> = service.tail(10).into_iter().filter(|line| line != "two").collect();
        assert_eq!(tail, ["one", "three", "ready"]);
    }
}
