//! Ends of real processes.

use std::fs;
use std::time::Duration;

use childminder::machine::Stream;
use childminder::plan::{PlanErrorKind, ProcessRef};
use childminder::{Exit, Plan, Signal, Spec};

use super::harness::{Awaited, fails, passes, plan, sh, short_kill_time, sleeper};
use crate::real::every_runtime;
use crate::support::Scratch;

every_runtime!(
    pl_10_an_exit_in_the_middle_of_another_wait_fails_at_once,
    pl_10_18_an_exit_during_an_instant_step_is_checked_by_the_next,
    pl_11_a_process_must_be_running_at_its_kill,
    pl_11_15_an_exit_at_the_moment_of_the_kill_does_no_harm,
    pl_12_any_status_a_code_and_a_signal,
    pl_12_the_wrong_signal,
    pl_12_a_handler_that_exits_with_0,
    pl_14_a_process_that_ignores_term_is_killed_and_the_error_says_so,
    pl_14_kill_may_be_what_is_expected,
    pl_14_a_step_that_is_shorter_than_the_kill_time,
    pl_15_the_first_failure_is_the_verdict_and_the_rest_is_killed,
    pl_3_7_a_relative_command_with_a_slash,
    pl_8_the_environment_of_a_process,
    pl_13_21_no_exit_is_lost,
    a_plan_runs_again_and_again,
    a_plan_without_steps,
);

async fn pl_10_an_exit_in_the_middle_of_another_wait_fails_at_once() {
    let mut plan = plan("surprise");
    let server = plan.spawn_as("server", sh("read _; echo no stock >&2; exit 3")).unwrap();
    let client = plan.spawn_as("client", sleeper()).unwrap();
    plan.send_input(server, "buy\n").unwrap();
    plan.wait(client, 0).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "server ended with code 3, and this step does not expect it to end");
    assert_eq!(failed.step(), Some(4));
    let [tail] = failed.tails() else { panic!("{:?}", failed.tails()) };
    assert_eq!((&*tail.process, tail.stream), ("server", Stream::Stderr));
    assert_eq!(tail.lines, ["no stock"]);
}

/// It may have ended while the other process was started.
async fn pl_10_18_an_exit_during_an_instant_step_is_checked_by_the_next() {
    let awaited = Awaited::new();
    let mut plan = plan("held-over");
    let early = plan.spawn_as("early", awaited.ends_with(4)).unwrap();
    let reader = plan.spawn_as("reader", awaited.then("exec cat >/dev/null")).unwrap();
    plan.send_input(reader, vec![b'x'; 1 << 20]).unwrap();
    plan.wait(early, 4).unwrap();
    plan.close_input(reader).unwrap();
    plan.wait(reader, 0).unwrap();
    passes(&plan).await;
}

async fn pl_11_a_process_must_be_running_at_its_kill() {
    let awaited = Awaited::new();
    let mut plan = plan("gone-before");
    let early = plan.spawn_as("early", awaited.ends_with(0)).unwrap();
    let reader = plan.spawn_as("reader", awaited.then("exec cat >/dev/null")).unwrap();
    plan.send_input(reader, vec![b'x'; 1 << 20]).unwrap();
    plan.kill(early, Exit::any()).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "early ended with code 0, and this step does not expect it to end");
    assert_eq!(failed.step(), Some(4));
}

/// A process may end at the very moment of its kill. The result may vary, but no process is left and no wait
/// hangs.
async fn pl_11_15_an_exit_at_the_moment_of_the_kill_does_no_harm() {
    for _ in 0..40 {
        let mut plan = plan("race");
        plan.spawn(sleeper()).unwrap();
        let quick = plan.spawn(["true"]).unwrap();
        plan.kill(quick, Signal::TERM).unwrap();
        let failed = fails(&plan).await;
        match failed.kind() {
            // It was faster than the kill.
            PlanErrorKind::UnexpectedExit { process, exit: Exit::Code(0) } => assert_eq!(&**process, "true"),
            PlanErrorKind::UnexpectedStatus { process, exit: Exit::Code(0), .. } => {
                assert_eq!(&**process, "true")
            }
            PlanErrorKind::StillRunning { processes } => assert_eq!(&*processes[0], "sleep"),
            other => panic!("{other:?}"),
        }
    }
}

async fn pl_12_any_status_a_code_and_a_signal() {
    let mut plan = plan("ends");
    for (script, expected) in [
        ("exit 255", 255.into()),
        ("exit 7", Exit::any()),
        ("kill -HUP $$", Exit::any()),
        ("kill -USR1 $$", Signal::USR1.into()),
        ("kill -KILL $$", Signal::KILL.into()),
    ] {
        let process = plan.spawn(sh(script)).unwrap();
        plan.wait(process, expected).unwrap();
    }
    let interrupted = plan.spawn(sleeper()).unwrap();
    plan.kill_with(interrupted, Signal::INT, Signal::INT).unwrap();
    passes(&plan).await;
}

async fn pl_12_the_wrong_signal() {
    let mut plan = plan("wrong-signal");
    let sleeper = plan.spawn(sleeper()).unwrap();
    plan.kill_with(sleeper, Signal::USR1, Signal::TERM).unwrap();
    assert_eq!(fails(&plan).await.reason(), "sleep ended with signal USR1 instead of signal TERM");
}

async fn pl_12_a_handler_that_exits_with_0() {
    let mut plan = plan("polite");
    let polite = plan.spawn(sh("trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait; done")).unwrap();
    plan.wait_for_output(polite, "up").unwrap();
    plan.kill(polite, 0).unwrap();
    passes(&plan).await;
}

/// It prints a line when it ignores the signal.
fn deaf(plan: &mut Plan) -> ProcessRef {
    let deaf = sh("trap '' TERM; echo deaf; exec sleep 1000").policy(short_kill_time());
    let deaf = plan.spawn_as("deaf", deaf).unwrap();
    plan.wait_for_output(deaf, "deaf").unwrap();
    deaf
}

async fn pl_14_a_process_that_ignores_term_is_killed_and_the_error_says_so() {
    let mut plan = plan("deaf");
    let deaf = deaf(&mut plan);
    plan.kill(deaf, Signal::TERM).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(
        failed.reason(),
        "deaf ended with signal KILL instead of signal TERM: it was sent KILL 200ms after the stop signal"
    );
    assert_eq!(failed.signals()[..2], [Signal::TERM, Signal::KILL]);
}

async fn pl_14_kill_may_be_what_is_expected() {
    let mut plan = plan("deaf-to-the-end");
    let deaf = deaf(&mut plan);
    plan.kill(deaf, Signal::KILL).unwrap();
    passes(&plan).await;
}

async fn pl_14_a_step_that_is_shorter_than_the_kill_time() {
    let mut plan = plan("impatient");
    let deaf = plan.spawn_as("deaf", sh("trap '' TERM; echo deaf; exec sleep 1000")).unwrap();
    plan.wait_for_output(deaf, "deaf").unwrap();
    plan.kill(deaf, Signal::TERM).unwrap().within(Duration::from_millis(50)).unwrap();
    assert_eq!(fails(&plan).await.reason(), "timed out after 50ms while waiting for deaf");
}

async fn pl_15_the_first_failure_is_the_verdict_and_the_rest_is_killed() {
    let marker = Scratch::new();
    let file = marker.path().join("later");
    let mut plan = plan("first");
    let [broken, _, deaf] = plan
        .spawn_all([sh("exit 9"), sleeper(), sh("trap '' TERM INT; while :; do sleep 1000; done")])
        .unwrap();
    plan.wait(broken, 0).unwrap();
    plan.spawn(Spec::new("touch").arg(&file)).unwrap();
    plan.kill(deaf, 0).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "sh ended with code 9 instead of code 0");
    assert_eq!(failed.begun(), [1, 2]);
    assert_eq!(failed.signals(), [Signal::KILL; 2], "the cleanup sends no other signal");
    assert!(!file.exists());
    assert!(failed.survivors().is_none());
}

async fn pl_3_7_a_relative_command_with_a_slash() {
    let scratch = Scratch::new();
    fs::copy("/bin/echo", scratch.path().join("my echo")).unwrap();
    let mut plan = plan("relative");
    let process = plan.spawn(Spec::new("./my echo").arg("here").cwd(scratch.path())).unwrap();
    plan.wait(process, 1).unwrap();
    let failed = fails(&plan).await;
    assert_eq!(failed.log("my_echo.stdout"), "here\n");
    assert!(
        failed.steps()[0].contains(&format!("'{}/my echo' here", scratch.path().display())),
        "{}",
        *failed
    );
}

/// The null device, the environment and directory of this process, and its own group.
async fn pl_8_the_environment_of_a_process() {
    const SCRIPT: &str =
        "readlink /proc/self/fd/0; pwd; echo $CARGO_MANIFEST_DIR$PATH; cut -d' ' -f5 /proc/$$/stat";
    let mut plan = plan("given");
    let process = plan.spawn_as("given", sh(&format!("{SCRIPT}; exit 1"))).unwrap();
    plan.wait(process, 0).unwrap();
    let failed = fails(&plan).await;
    let variable = |name| std::env::var(name).unwrap_or_default();
    let expected = [
        "/dev/null".to_owned(),
        std::env::current_dir().unwrap().display().to_string(),
        variable("CARGO_MANIFEST_DIR") + &variable("PATH"),
        super::harness::pids(failed.journal())[0].to_string(),
    ];
    assert_eq!(failed.log("given.stdout").lines().collect::<Vec<_>>(), expected);
}

/// Many exits at the same moment.
async fn pl_13_21_no_exit_is_lost() {
    let mut plan = plan("crowd");
    let crowd: Vec<ProcessRef> = (0..50).map(|_| plan.spawn(["true"]).unwrap()).collect();
    plan.wait_all(crowd.into_iter().map(|process| (process, 0))).unwrap();
    passes(&plan).await;
}

async fn a_plan_runs_again_and_again() {
    let mut plan = plan("again");
    let cat = plan.spawn(["cat"]).unwrap();
    plan.send_input(cat, "one\n").unwrap();
    plan.wait_for_output(cat, "one").unwrap();
    plan.close_input(cat).unwrap();
    plan.wait(cat, 0).unwrap();
    let copy = plan.clone();
    for plan in [&plan, &copy, &plan] {
        passes(plan).await;
    }
}

async fn a_plan_without_steps() {
    assert!(passes(&plan("nothing")).await.directory().is_none());
}
