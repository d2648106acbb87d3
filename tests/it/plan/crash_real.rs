//! Crash points of real processes: a planted bug, the command that reproduces it, and input around a crash.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use childminder::machine::Stream;
use childminder::plan::{CrashError, CrashPoint, CrashPoints, CrashReport};
use childminder::{Exit, Plan, Signal, Spec};

use crate::support::alone;

const VARIABLE: &str = "CHILDMINDER_CRASH_POINT";

/// A counter with a slow disk: between two writes to its file it waits for a gate, which the plan opens. So a
/// process that is killed at a line is killed after that line and before the next write.
const COUNTER: &str = r#"
    gate() { while [ ! -e $1 ]; do sleep 0.01; done; }
    total=$(cat total)
    [ -n "$total" ] || { echo "the total is lost" >&2; exit 3; }
    echo "open with $total"
    gate begin
    [ $total = 1 ] || save
    echo "saved"
    exec sleep 1000
"#;

const IN_TWO: &str = r#"save() { : > total; echo "saving"; gate go; echo 1 > total; }"#;
const AT_ONCE: &str = r#"save() { echo 1 > new; echo "saving"; gate go; mv new total; }"#;

/// Returns the crash points of the counter.
fn counting(directory: &Path, save: &str) -> CrashPoints {
    let path = |name: &str| directory.join(name);
    let mut plan = Plan::new("till").unwrap();
    let [total, begin, go] = ["total", "begin", "go"].map(path);
    plan.call("begin at 0", move || {
        let _ = (fs::remove_file(&begin), fs::remove_file(&go));
        fs::write(&total, "0\n")
    });
    let script = format!("{save}{COUNTER}");
    let counter = plan.spawn_as("counter", Spec::new("sh").args(["-c", &script]).cwd(directory)).unwrap();
    let [total, begin, go] = ["total", "begin", "go"].map(path);
    plan.wait_for_output(counter, "open with").unwrap();
    plan.call("let it begin", move || fs::write(&begin, ""));
    plan.wait_for_output(counter, "saving").unwrap();
    plan.call("let it go on", move || fs::write(&go, ""));
    plan.wait_for_output(counter, "saved").unwrap();
    plan.kill(counter, Signal::TERM).unwrap();
    plan.call("look at the total", move || match fs::read_to_string(&total) {
        Ok(text) if text == "1\n" => Ok(()),
        other => Err(format!("the total is {other:?}")),
    });
    plan.crash_points(counter)
}

fn is_line(point: CrashPoint) -> bool {
    matches!(point, CrashPoint::Line { .. })
}

/// Returns whether the test is run by the reproduction command, which also sets the directory of the plan.
fn is_again() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Runs a shell command. Returns whether it succeeded, and its output. Plans keep their files in `directory`.
fn paste(line: &str, directory: &Path) -> (bool, String) {
    let shell = Command::new("timeout")
        .args(["60", "sh", "-c", line])
        .env("CHILDMINDER_PLAN_DIR", directory)
        .output();
    let output = shell.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_reproduction_command_runs_the_planted_bug_again() -> Result<(), CrashError> {
    let directory = tempfile::tempdir().unwrap();
    let outcome = counting(directory.path(), IN_TWO).only(is_line).run();
    if is_again() {
        return outcome.map(drop);
    }
    let Err(CrashError::Failed(failure)) = outcome else { panic!("{outcome:?}") };
    fs::remove_dir_all(failure.error.directory().unwrap()).unwrap();
    assert_eq!(failure.point, CrashPoint::Line { stream: Stream::Stdout, line: 2 }, "{failure}");
    assert_eq!((&*failure.moment, failure.position), ("saving", Some((2, 3))));
    let reason = "counter ended with code 3, and this step does not expect it to end";
    assert_eq!(failure.error.kind().to_string(), reason);

    let (passed, text) = paste(&failure.reproduction, directory.path());
    assert!(!passed && text.contains("0 passed; 1 failed"), "{text}");
    for part in ["plan till fails when counter is killed at stdout:2\n", &failure.reproduction] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    // There was one run, and no crash at another point.
    assert_eq!(text.matches("[counter] open with 0\n").count(), 1, "{text}");

    let again = |value: &str| {
        let command = failure.reproduction.split_once(' ').unwrap().1;
        paste(&format!("{VARIABLE}={value} {command}"), directory.path())
    };
    for (value, problem) in [
        // The order of the step and the line varies.
        ("till/counter@stdout:4", "the process has no such crash point; it has st"),
        ("till/conter@stdout:2", "the plan has no such process; it has counter\n"),
        ("till/counter", "expected <plan>/<process>@<point>, such as shop/server@stdout:3\n"),
    ] {
        let (passed, text) = again(value);
        assert!(!passed, "{text}");
        let message = format!("{VARIABLE} is `{value}`: {problem}");
        assert!(text.contains(&message), "{message} is not in\n{text}");
    }
    // The point of another plan: this one runs without a crash.
    let (passed, text) = again("shop/counter@stdout:2");
    assert!(passed && text.contains("1 passed"), "{text}");
    Ok(())
}

#[test]
fn the_fixed_counter_passes_at_every_point() {
    alone("plan::crash_real::the_fixed_counter_passes_at_every_point", || {
        let directory = tempfile::tempdir().unwrap();
        let points = counting(directory.path(), AT_ONCE).run_async();
        let report: CrashReport = async_std::task::block_on(async_std::task::spawn(points)).unwrap();
        // It never ends by itself, so KILL is always in time.
        assert_eq!(report.not_reached, []);
        let mut points: Vec<String> = report.points.iter().map(CrashPoint::to_string).collect();
        points.sort();
        let lines = (1..=3).map(|line| format!("stdout:{line}"));
        let steps = (3..=8).map(|step| format!("step:{step}"));
        assert_eq!(points, lines.chain(steps).collect::<Vec<_>>());
    });
}

#[test]
fn input_of_the_current_step_reaches_the_successor() {
    alone("plan::crash_real::input_of_the_current_step_reaches_the_successor", || {
        let mut plan = Plan::new("echo").unwrap();
        let cat = plan.spawn(["cat"]).unwrap();
        plan.send_input(cat, "hello\n").unwrap();
        plan.wait_for_output(cat, "hello").unwrap();
        plan.close_input(cat).unwrap();
        plan.wait(cat, Exit::success()).unwrap();
        // At step 3 the input of step 2 is lost, so the plan cannot pass.
        let points = plan.crash_points(cat).only(|point| point != CrashPoint::Step(3));
        let report = points.run().unwrap();
        let reached: Vec<String> = report.points.iter().map(CrashPoint::to_string).collect();
        assert_eq!(&reached[..3], ["step:2", "stdout:1", "step:4"]);

        let error = plan.crash_points(cat).stays_dead().run().unwrap_err();
        let CrashError::Failed(failure) = &error else { panic!("{error}") };
        assert_eq!((failure.point, failure.error.step()), (CrashPoint::Step(2), Some(3)));
        fs::remove_dir_all(failure.error.directory().unwrap()).unwrap();
    });
}

/// The process would need a moment to read its input, so without special care it would depend on chance
/// whether it has echoed it before KILL arrives.
#[test]
fn f_135_a_crash_after_input_has_always_the_same_result() {
    alone("plan::crash_real::f_135_a_crash_after_input_has_always_the_same_result", || {
        let mut plan = Plan::new("echo").unwrap();
        let cat = plan.spawn(["cat"]).unwrap();
        plan.send_input(cat, "hello\n").unwrap();
        plan.wait_for_output(cat, "hello").unwrap().within(Duration::from_secs(2)).unwrap();
        plan.kill(cat, Signal::TERM).unwrap();
        let after_input = |point| point == CrashPoint::Step(3);
        let dead = (0..20).map(|_| plan.crash_points(cat).stays_dead().only(after_input));
        for points in dead.chain((0..2).map(|_| plan.crash_points(cat).only(after_input))) {
            let error = points.run().unwrap_err();
            let CrashError::Failed(failure) = &error else { panic!("{error}") };
            fs::remove_dir_all(failure.error.directory().unwrap()).unwrap();
            assert_eq!((failure.error.step(), &failure.lost_inputs[..]), (Some(3), &[2][..]), "{error}");
            assert_eq!(failure.error.tails(), [], "{error}");
            assert!(error.to_string().contains("\n  the input of step 2 was lost: "), "{error}");
        }
    });
}
