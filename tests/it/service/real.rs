//! The integration tests of the original, with real processes: each on every executor, and each with both
//! ways to start.

use std::fs;
use std::time::Duration;

use childminder::machine::SpawnStep;
use childminder::service::NotReadyReason;
use childminder::{Condition, Exit, NotReady, Port, RunningService, Service};

use super::tiny;
use crate::real::every_runtime;
use crate::support::is_alive;

every_runtime!(
    setup_start_process_sv_3_13_without_any_expectation,
    unknown_command_sv_6,
    non_executable_command_sv_6,
    hung_sv_4_9,
    service_ready_sv_3,
    ready_sv_13,
    ready_with_expected_output_sv_14,
    ready_with_expected_port_sv_14,
    ready_with_expected_port_retry_sv_16_17,
    no_min_uptime_sv_19,
    no_expected_output_exit_sv_19_f_84,
    no_expected_port_exit_sv_19,
    no_expected_output_timeout_sv_20_f_85,
    no_expected_port_timeout_sv_20,
    output_without_a_newline_f_83,
    a_line_feed_on_a_descriptor,
    a_command_that_succeeds,
);

/// Creates a service that runs a shell script, without a minimum uptime.
fn sh(script: &str) -> Service {
    Service::new("sh").args(["-c", script]).min_uptime(Duration::ZERO)
}

/// Starts a service twice, asynchronously and blocking. After the stop no process is left.
async fn start(service: &Service, check: impl Fn(&RunningService)) {
    let running = service.start_async().await.unwrap();
    check(&running);
    let pid = running.pid();
    running.stop_async().await.unwrap();
    assert!(!is_alive(pid));
    let running = service.start().unwrap();
    check(&running);
    let pid = running.pid();
    running.stop().unwrap();
    assert!(!is_alive(pid));
}

/// Starts a service that does not become ready, asynchronously and blocking.
async fn fail(service: &Service, check: impl Fn(&NotReady)) {
    check(&service.start_async().await.expect_err("the service does not become ready"));
    check(&service.start().expect_err("the service does not become ready"));
}

async fn setup_start_process_sv_3_13_without_any_expectation() {
    // It may be ready before the monitor has published its start.
    for _ in 0..5 {
        start(&sh("exec sleep 1000"), |service| assert!(is_alive(service.pid()) && service.is_alive())).await;
    }
}

async fn unknown_command_sv_6() {
    fail(&Service::new("/no/such/program"), |error| {
        let NotReadyReason::Spawn(cause) = error.reason() else { panic!("{error}") };
        assert_eq!((cause.step(), cause.raw_os_error()), (SpawnStep::Find, Some(libc::ENOENT)));
        assert!(error.to_string().ends_with("\n  command: /no/such/program"), "{error}");
    })
    .await;
}

async fn non_executable_command_sv_6() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    fail(&Service::new(&path), |error| {
        let NotReadyReason::Spawn(cause) = error.reason() else { panic!("{error}") };
        assert_eq!(cause.raw_os_error(), Some(libc::EACCES), "{error}");
        let text = error.to_string();
        assert!(text.lines().next().unwrap().contains(&path), "{text}");
        assert!(text.contains("Permission denied"), "{text}");
    })
    .await;
}

async fn hung_sv_4_9() {
    let kill_time = Duration::from_millis(200);
    let deaf = sh("trap '' TERM; echo deaf; while :; do sleep 0.05; done")
        .expect_output("deaf")
        .kill_time(kill_time);
    for blocking in [false, true] {
        let service = deaf.start_async().await.unwrap();
        let pid = service.pid();
        let ended = if blocking { service.stop() } else { service.stop_async().await };
        let ended = ended.unwrap().unwrap();
        assert!(ended.asked && ended.killed && ended.lived >= kill_time, "{ended:?}");
        assert!(!is_alive(pid));
    }
}

async fn service_ready_sv_3() {
    start(&Service::new("sleep").arg("1000"), |service| {
        assert!(service.is_alive() && is_alive(service.pid()));
        assert_eq!(&**service.name(), "sleep");
    })
    .await;
}

async fn ready_sv_13() {
    let uptime = Duration::from_millis(100);
    start(&Service::new("sleep").arg("1000").min_uptime(uptime), |service| {
        assert!(service.took() >= uptime);
        assert!(service.readiness().iter().all(childminder::ready::ConditionStatus::is_met));
    })
    .await;
}

async fn ready_with_expected_output_sv_14() {
    // The clock starts when the start is seen, which on a busy machine is later than the start itself.
    let service = sh("echo I am not; sleep 0.3; echo I am up >&2; exec sleep 1000").expect_output("am up");
    start(&service, |service| assert!(service.took() >= Duration::from_millis(100))).await;
}

async fn ready_with_expected_port_sv_14() {
    let port = Port::reserve().unwrap();
    start(&tiny::server(&port), |service| assert_eq!(tiny::ask(&port), service.pid())).await;
}

async fn ready_with_expected_port_retry_sv_16_17() {
    let port = Port::reserve().unwrap();
    start(&tiny::late_server(&port), |service| {
        assert!(service.took() >= Duration::from_millis(300));
        assert_eq!(tiny::ask(&port), service.pid());
    })
    .await;
}

async fn no_min_uptime_sv_19() {
    fail(&Service::new("true"), |error| {
        let NotReadyReason::Exited { exit: Exit::Code(0), after } = *error.reason() else {
            panic!("{error}")
        };
        assert!(after < Duration::from_millis(200), "{error}");
        assert!(error.to_string().contains("uptime of 200ms: missing after"), "{error}");
    })
    .await;
}

async fn no_expected_output_exit_sv_19_f_84() {
    fail(&sh("echo something else; exit 3").expect_output("ready"), |error| {
        assert!(matches!(error.reason(), NotReadyReason::Exited { exit: Exit::Code(3), .. }), "{error}");
        assert_eq!(error.tail(), ["something else"]);
    })
    .await;
}

async fn no_expected_port_exit_sv_19() {
    let port = Port::reserve().unwrap();
    fail(&sh("sleep 0.1; exit 4").port(&port), |error| {
        assert!(matches!(error.reason(), NotReadyReason::Exited { exit: Exit::Code(4), .. }), "{error}");
        assert!(error.to_string().contains(&format!("port {port}: missing after ")), "{error}");
    })
    .await;
}

async fn no_expected_output_timeout_sv_20_f_85() {
    let timeout = Duration::from_millis(150);
    let service = sh("echo $$; exec sleep 1000").expect_output("ready").timeout(timeout);
    fail(&service, |error| {
        assert!(matches!(error.reason(), NotReadyReason::TimedOut { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("service sh is not ready: timed out after 150ms\n"), "{text}");
        assert!(text.contains("\n  output \"ready\": missing after "), "{text}");
        // On a busy machine the program may not have printed its id yet.
        assert!(error.tail().iter().all(|pid| !is_alive(pid.parse().unwrap())), "{text}");
    })
    .await;
}

async fn no_expected_port_timeout_sv_20() {
    let port = Port::reserve().unwrap();
    let service = sh("exec sleep 1000").port(&port).timeout(Duration::from_millis(150));
    fail(&service, |error| {
        assert!(matches!(error.reason(), NotReadyReason::TimedOut { .. }), "{error}");
        assert!(error.to_string().contains("Connection refused"), "{error}");
    })
    .await;
}

async fn output_without_a_newline_f_83() {
    let service = sh("printf 'password> '; exec sleep 1000").expect_output("password> ");
    start(&service, |service| assert!(service.is_alive())).await;
}

async fn a_line_feed_on_a_descriptor() {
    let service = sh("echo ready >&4; exec sleep 1000").expect(Condition::notify(4));
    start(&service, |service| assert!(is_alive(service.pid()) && service.is_alive())).await;
}

async fn a_command_that_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("flag");
    let command = childminder::Spec::new("test").arg("-e").arg(&flag);
    let service = sh(r#"sleep 0.1; echo >"$0"; exec sleep 1000"#).arg(&flag);
    start(&service.expect(Condition::command(command)), |_| fs::remove_file(&flag).unwrap()).await;
}
