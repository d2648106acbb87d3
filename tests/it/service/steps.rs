//! Commands before the start, and commands and closures after readiness.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use childminder::service::{NotReadyReason, ServiceError, StepError, StepProblem};
use childminder::{Exit, NotReady, Service, Spec};

use crate::support::{PATIENCE, alone, is_alive};

fn server() -> Service {
    Service::new("sh").args(["-c", "echo up; exec sleep 1000"]).expect_output("up\n").scratch()
}

fn failed_step(error: &NotReady) -> &StepError {
    let NotReadyReason::Step(step) = error.reason() else { panic!("{error}") };
    step
}

#[test]
fn steps_run_in_order_before_and_after_the_start() {
    let append = |word: &str| ["sh", "-c", r#"echo "$0 $COLOUR" >>log"#, word].map(str::to_owned);
    let service = Service::new("sh")
        .args(["-c", "echo start >>log; echo up; exec sleep 1000"])
        .scratch()
        .cwd("{dir}")
        .env("COLOUR", "red")
        .before(append("one"))
        .before(Spec::from(append("two")).env("COLOUR", "blue"))
        .expect_output("up\n")
        .prepare(append("{dir}"))
        .prepare_with(|at| {
            let log = at.dir().expect("it has a directory").join("log");
            fs::write(&log, fs::read_to_string(&log)? + "closure\n")?;
            Ok(())
        })
        .start()
        .unwrap();
    let dir = service.dir().unwrap();
    let log = || fs::read_to_string(dir.join("log")).unwrap();
    assert_eq!(log(), format!("one red\ntwo blue\nstart\n{} red\nclosure\n", dir.display()));
    service.stopped(|| ()).unwrap();
    assert!(log().ends_with("closure\nstart\n"), "steps belong to the start, not to each run: {}", log());
}

#[test]
fn f_234_a_step_that_fails_is_an_error_with_its_output_and_nothing_keeps_running() {
    const NAME: &str =
        "service::steps::f_234_a_step_that_fails_is_an_error_with_its_output_and_nothing_keeps_running";
    alone(NAME, || {
        let error = server().before(["sh", "-c", "echo no space left >&2; exit 3"]).start().unwrap_err();
        let step = failed_step(&error);
        assert!(matches!(step.problem(), StepProblem::Exited(Exit::Code(3))), "{error}");
        assert!(
            step.output() == ["no space left"] && step.step() == "sh -c 'echo no space left >&2; exit 3'"
        );
        assert_eq!(
            error.to_string().lines().take(3).collect::<Vec<_>>(),
            [
                "service sh is not ready: the step `sh -c 'echo no space left >&2; exit 3'` ended with code 3",
                "  its last lines:",
                "    no space left",
            ]
        );

        let error = server().before(["no-such-program"]).start().unwrap_err();
        assert!(matches!(failed_step(&error).problem(), StepProblem::Spawn(_)), "{error}");

        let error = server().before([""]).start().unwrap_err();
        assert!(
            matches!(error.reason(), NotReadyReason::Invalid(ServiceError::Step(_))),
            "it is refused before the start: {error}"
        );

        // After readiness there is a process to stop, and its output belongs to the error.
        let error = server().prepare(["false"]).start().unwrap_err();
        assert!(matches!(failed_step(&error).problem(), StepProblem::Exited(Exit::Code(1))), "{error}");
        assert_eq!(error.tail(), ["up"]);
        for panics in [false, true] {
            let closure = move |_: &childminder::service::Resources| {
                assert!(!panics, "on purpose");
                Err("no such table".into())
            };
            let error = server().prepare_with(closure).start().unwrap_err();
            let expected = if panics { "it panicked" } else { "no such table" };
            assert!(
                matches!(failed_step(&error).problem(), StepProblem::Failed(text) if text == expected),
                "{error}"
            );
        }
    });
}

#[test]
fn f_235_a_step_that_hangs_is_ended_with_everything_it_has_started() {
    const NAME: &str = "service::steps::f_235_a_step_that_hangs_is_ended_with_everything_it_has_started";
    alone(NAME, || {
        let script = "trap '' TERM; sleep 1000 & echo $! $$; wait";
        let begin = Instant::now();
        let error = server()
            .before(["sh", "-c", script])
            .step_timeout(Duration::from_millis(300))
            .start()
            .unwrap_err();
        let step = failed_step(&error);
        assert!(matches!(step.problem(), StepProblem::TimedOut(_)), "{error}");
        assert!(begin.elapsed() < PATIENCE);
        let pids = step.output()[0].split(' ').map(|pid| pid.parse().unwrap());
        assert_eq!(pids.filter(|pid| is_alive(*pid)).count(), 0);

        // A step whose descendants hold its output is over when its own process is.
        let error = server().prepare(["sh", "-c", "sleep 1000 & exit 9"]).start().unwrap_err();
        assert!(matches!(failed_step(&error).problem(), StepProblem::Exited(Exit::Code(9))), "{error}");
    });
}

#[test]
fn a_dropped_start_ends_the_step_that_is_running() {
    const NAME: &str = "service::steps::a_dropped_start_ends_the_step_that_is_running";
    alone(NAME, || {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let script = r#"exec 3<>/dev/tcp/127.0.0.1/$0; exec sleep 1000"#;
        let service = server().before(["bash", "-c", script, &port]);
        let start = service.start_async();
        let accepted = smol::unblock(move || listener.accept().map(drop));
        let either = futures_lite::future::or(
            async {
                accepted.await.unwrap();
                None
            },
            async { Some(start.await.map(drop)) },
        );
        assert!(futures_lite::future::block_on(either).is_none(), "the step runs and does not end");
        // The process of this test has no children when it ends.
    });
}
