//! Crash points in virtual time: each point, in order, and what the plan asks of the successor.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::machine::Stream;
use childminder::plan::{CrashError, CrashFailure, CrashPoint, CrashPoints, CrashReport, ProcessRef};
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Exit, Host, Plan, Signal, SpawnError, Spec};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A world with one program, the server. The behaviour of a start depends on the earlier starts in this run
/// of the plan.
#[derive(Clone, Debug)]
struct Shop {
    sim: Sim,
    starts: Arc<Mutex<Vec<Duration>>>,
    script: fn(starts: &[Duration]) -> Script,
}

impl Shop {
    fn new(script: fn(&[Duration]) -> Script) -> Self {
        Self { sim: Sim::new(), starts: Arc::default(), script }
    }

    /// Returns a plan whose first step removes what the earlier run has left.
    fn plan(&self) -> Plan {
        let mut plan = Plan::on(self.clone(), "shop").unwrap();
        let starts = self.starts.clone();
        plan.call("clear the shelves", move || starts.lock().unwrap().clear());
        plan
    }

    /// Returns a plan that starts the server, waits until it has saved once, and stops it.
    fn plan_to_save(&self) -> (Plan, ProcessRef) {
        let mut plan = self.plan();
        let server = plan.spawn(["server"]).unwrap();
        plan.wait_until(server, Condition::output("open")).unwrap();
        plan.wait_for_output(server, "saved 1").unwrap();
        plan.kill(server, Signal::TERM).unwrap();
        (plan, server)
    }
}

/// A server that writes a new file and renames it.
fn careful(_: &[Duration]) -> Script {
    Script::new()
        .prints(ms(10), Stream::Stdout, "open\n")
        .prints(ms(100), Stream::Stdout, "saving 1\n")
        .prints(ms(150), Stream::Stderr, "slow disk\n")
        .prints(ms(200), Stream::Stdout, "saved 1\n")
}

/// A server that overwrites its file. For 100 ms after its message half of the file is missing, and a start
/// in this time ends with code 3.
fn careless(starts: &[Duration]) -> Script {
    match starts {
        [first, second] if (ms(100)..ms(200)).contains(&(*second - *first)) => {
            Script::new().prints(ms(5), Stream::Stderr, "half a file\n").lives(ms(5)).exits(Exit::Code(3))
        }
        starts => careful(starts),
    }
}

impl Host for Shop {
    fn now(&self) -> Instant {
        self.sim.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.sim.sleep_until(at)
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let mut starts = self.starts.lock().unwrap();
        starts.push(self.sim.elapsed());
        self.sim.script("server", (self.script)(&starts));
        Host::spawn(&self.sim, spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.sim.probe(target, owner)
    }

    fn has_threads(&self) -> bool {
        false
    }
}

/// Runs all points in virtual time.
fn run(sim: &Sim, points: CrashPoints) -> Result<CrashReport, CrashError> {
    let result = sim.block_on(points.run_async());
    assert_eq!(sim.live(), 0, "{}", sim.trace());
    result
}

fn first_failure(sim: &Sim, points: CrashPoints) -> CrashFailure {
    match run(sim, points) {
        Err(CrashError::Failed(failure)) => {
            std::fs::remove_dir_all(failure.error.directory().unwrap()).unwrap();
            *failure
        }
        other => panic!("{other:?}\n{}", sim.trace()),
    }
}

fn texts(points: &[CrashPoint]) -> Vec<String> {
    points.iter().map(CrashPoint::to_string).collect()
}

/// Returns what was done to the processes in the last run, with the seconds since its first start.
fn last_run(sim: &Sim, starts: usize) -> String {
    let trace = sim.trace();
    let began = trace.match_indices(" spawn ").map(|(i, _)| trace[..i].rfind('\n').map_or(0, |i| i + 1));
    let began: Vec<usize> = began.collect();
    let last = &trace[began[began.len() - starts]..];
    let seconds = |line: &str| line.split(' ').next().unwrap().parse::<f64>().unwrap();
    let first = seconds(last);
    let lines = last.lines().map(|line| {
        let rest = line.split_once(' ').unwrap().1;
        let number = rest.find('#').unwrap();
        let end = rest[number..].find(' ').map_or(rest.len(), |i| number + i);
        format!("{:.3} {}{}\n", seconds(line) - first, &rest[..number], &rest[end..])
    });
    lines.collect()
}

/// The two ways to wait for output.
const WAITS: [fn(&mut Plan, ProcessRef, &str); 2] = [
    |plan, server, text| {
        plan.wait_until(server, Condition::output(text)).unwrap();
    },
    |plan, server, text| {
        plan.wait_for_output(server, text).unwrap();
    },
];

const ALL: [&str; 7] = ["step:3", "stdout:1", "step:4", "stdout:2", "stderr:1", "stdout:3", "step:5"];

#[test]
fn the_points_are_tried_in_order() {
    let shop = Shop::new(careful);
    let (plan, server) = shop.plan_to_save();
    let report = run(&shop.sim, plan.crash_points(server)).unwrap();
    assert_eq!(texts(&report.points), ALL);
    assert_eq!(report.not_reached, []);
    assert_eq!(report.to_string(), "plan shop passes when server is killed at each of 7 points");

    // One run without a crash, and one per point, in which the server is started twice.
    let trace = shop.sim.trace();
    assert_eq!(trace.matches(" spawn ").count(), 1 + 2 * 7);
    let mut started = 0.0;
    let mut killed = Vec::new();
    for line in trace.lines() {
        let (seconds, what) = line.split_once(' ').unwrap();
        let seconds: f64 = seconds.parse().unwrap();
        if what.starts_with("spawn ") {
            started = seconds;
        } else if what.contains(" KILL") && what.starts_with("signal ") {
            killed.push(format!("{:.3}", seconds - started));
        }
    }
    assert_eq!(killed, ["0.000", "0.010", "0.010", "0.100", "0.150", "0.200", "0.200"]);
    assert_eq!(shop.sim.max_live("server"), 1);
}

#[test]
fn kill_is_sent_before_the_next_action() {
    for wait in WAITS {
        for point in [CrashPoint::Line { stream: Stream::Stdout, line: 1 }, CrashPoint::Step(4)] {
            let shop = Shop::new(careful);
            let mut plan = shop.plan();
            let server = plan.spawn(["server"]).unwrap();
            wait(&mut plan, server, "open");
            let sim = shop.sim.clone();
            plan.call("ring the bell", move || sim.note("the bell"));
            plan.kill(server, Signal::TERM).unwrap();
            run(&shop.sim, plan.crash_points(server).only(move |it| it == point)).unwrap();
            let trace = shop.sim.trace();
            let last = |what: &str| trace.rfind(what).unwrap();
            assert!(last("exit server#2 signal KILL") > last("signal server#2 KILL"), "{trace}");
            assert!(last("the bell") > last("signal server#2 KILL"), "{trace}");
        }
    }
}

#[test]
fn the_planted_bug_is_found_at_its_point() {
    let shop = Shop::new(careless);
    let (plan, server) = shop.plan_to_save();
    let failure = first_failure(&shop.sim, plan.crash_points(server));
    assert_eq!(failure.point, CrashPoint::Line { stream: Stream::Stdout, line: 2 });
    assert_eq!((failure.position, &*failure.moment, failure.restarted), (Some((4, 7)), "saving 1", true));
    assert_eq!(
        last_run(&shop.sim, 2),
        "0.000 spawn server\n\
         0.100 signal server KILL\n\
         0.100 exit server signal KILL\n\
         0.100 reap server\n\
         0.100 spawn server\n\
         0.105 exit server code 3\n\
         0.105 reap server\n"
    );
    let directory = failure.error.directory().unwrap().display().to_string();
    let program = std::env::current_exe().unwrap().display().to_string();
    let text = failure.to_string().replace(&directory, "DIRECTORY").replace(&program, "PROGRAM");
    assert_eq!(
        text,
        "plan shop fails when server is killed at stdout:2 (point 4 of 7)\n  \
           it had just printed: saving 1\n  \
           it was sent KILL and started again at once\n  \
           to run this point alone:\n    \
             CHILDMINDER_CRASH_POINT=shop/server@stdout:2 PROGRAM \
             plan::crash::the_planted_bug_is_found_at_its_point --exact\n\
         plan shop failed at step 4 after 105ms: \
         server ended with code 3, and this step does not expect it to end\n"
            .to_owned()
            + text.split_once("expect it to end\n").unwrap().1
    );
    assert!(text.ends_with(&failure.error.to_string().replace(&directory, "DIRECTORY")), "{text}");
    let error = CrashError::Failed(Box::new(failure));
    let source = Error::source(&error).expect("the plan's own error").to_string();
    assert!(error.to_string().ends_with(&source) && format!("{error:?}") == error.to_string());
}

#[test]
fn a_process_that_stays_dead_counts_as_ended_as_expected() {
    let shop = Shop::new(careful);
    let (plan, server) = shop.plan_to_save();
    // The plan needs the server until it has saved.
    for (point, step, moment) in [
        (CrashPoint::Step(3), 3, "wait until server: output \"open\""),
        (CrashPoint::Step(4), 4, "wait for server: output \"saved 1\""),
        (CrashPoint::Line { stream: Stream::Stderr, line: 1 }, 4, "slow disk"),
    ] {
        let failure =
            first_failure(&shop.sim, plan.crash_points(server).stays_dead().only(move |it| it == point));
        assert_eq!((failure.point, &*failure.moment, failure.restarted), (point, moment, false));
        assert_eq!(failure.error.step(), Some(step));
        assert_eq!(
            failure.error.kind().to_string(),
            "server was killed on purpose and is not started again, so this can never happen"
        );
        assert!(failure.to_string().contains("\n  it was sent KILL and not started again\n"), "{failure}");
    }
    // Later steps only expect its end.
    let at_the_end =
        |point| point == CrashPoint::Step(5) || point == CrashPoint::Line { stream: Stream::Stdout, line: 3 };
    let report = run(&shop.sim, plan.crash_points(server).stays_dead().only(at_the_end)).unwrap();
    assert_eq!(texts(&report.points), ["stdout:3", "step:5"]);
    assert_eq!(last_run(&shop.sim, 1).matches("spawn").count(), 1);
}

/// A server that is up after 10 ms, and handles TERM from then on.
fn handles_term(_: &[Duration]) -> Script {
    Script::new().prints(ms(10), Stream::Stdout, "up\n").exits_on_term(Exit::Code(0))
}

#[test]
fn a_kill_waits_until_the_successor_is_up() {
    for wait in WAITS {
        let shop = Shop::new(handles_term);
        let mut plan = shop.plan();
        let server = plan.spawn(["server"]).unwrap();
        wait(&mut plan, server, "up");
        plan.kill(server, 0).unwrap();
        let report = run(&shop.sim, plan.crash_points(server)).unwrap();
        assert_eq!(texts(&report.points), ["step:3", "stdout:1", "step:4"]);
        // In the last run it was crashed at the kill.
        assert_eq!(
            last_run(&shop.sim, 2),
            "0.000 spawn server\n\
             0.010 signal server KILL\n\
             0.010 exit server signal KILL\n\
             0.010 reap server\n\
             0.010 spawn server\n\
             0.020 signal server TERM\n\
             0.020 signal server CONT\n\
             0.020 exit server code 0\n\
             0.020 reap server\n"
        );
    }
}

#[test]
fn a_successor_that_never_comes_up_fails_the_plan_even_at_the_last_point() {
    let ends: fn(&[Duration]) -> Script = |starts| match starts {
        [_] => handles_term(starts),
        _ => Script::new().lives(ms(50)).exits(Exit::Code(3)),
    };
    let hangs: fn(&[Duration]) -> Script = |starts| match starts {
        [_] => handles_term(starts),
        _ => Script::new(),
    };
    for (script, problem) in [
        (ends, "server ended with code 3 instead of code 0"),
        (hangs, "timed out after 1s while waiting for server"),
    ] {
        let shop = Shop::new(script);
        let mut plan = shop.plan();
        let server = plan.spawn(["server"]).unwrap();
        plan.wait_until(server, Condition::output("up")).unwrap();
        plan.kill(server, 0).unwrap().within(ms(1000)).unwrap();
        let at_the_end = |point| point == CrashPoint::Step(4);
        let failure = first_failure(&shop.sim, plan.crash_points(server).only(at_the_end));
        assert_eq!(failure.error.kind().to_string(), problem);
        assert_eq!(failure.error.step(), Some(4));
        assert_eq!(failure.moment, "kill server with TERM: code 0, within 1s");
    }
}

#[test]
fn a_process_that_crashes_during_its_kill_is_stopped_again() {
    // A server that prints a message when it is stopped, and ends later.
    let shop = Shop::new(|_| {
        Script::new()
            .prints(ms(10), Stream::Stdout, "up\n")
            .prints(ms(30), Stream::Stderr, "closing\n")
            .exits_after_term(ms(60))
            .exits_on_term(Exit::Code(0))
    });
    let mut plan = shop.plan();
    let server = plan.spawn(["server"]).unwrap();
    plan.wait_until(server, Condition::output("up")).unwrap();
    plan.kill(server, 0).unwrap();
    let while_closing = CrashPoint::Line { stream: Stream::Stderr, line: 1 };
    let report = run(&shop.sim, plan.crash_points(server).only(move |point| point == while_closing)).unwrap();
    assert_eq!(report.points, [while_closing]);
    assert_eq!(
        last_run(&shop.sim, 2),
        "0.000 spawn server\n\
         0.010 signal server TERM\n\
         0.010 signal server CONT\n\
         0.030 signal server KILL\n\
         0.030 exit server signal KILL\n\
         0.030 reap server\n\
         0.030 spawn server\n\
         0.040 signal server TERM\n\
         0.040 signal server CONT\n\
         0.100 exit server code 0\n\
         0.100 reap server\n"
    );
}

#[test]
fn a_process_that_ends_before_kill_was_not_crashed() {
    let shop = Shop::new(|_| {
        let script = Script::new().prints(ms(10), Stream::Stdout, "one\n");
        script.prints(ms(20), Stream::Stdout, "two\n").lives(ms(20))
    });
    let mut plan = shop.plan();
    let server = plan.spawn(["server"]).unwrap();
    plan.wait(server, 0).unwrap();
    let report = run(&shop.sim, plan.crash_points(server)).unwrap();
    assert_eq!(texts(&report.points), ["step:3", "stdout:1"]);
    assert_eq!(texts(&report.not_reached), ["stdout:2"]);
    assert_eq!(
        report.to_string(),
        "plan shop passes when server is killed at each of 2 points; not reached: stdout:2"
    );
    // One run without a crash, two starts for each of two points, and three tries of the third point.
    assert_eq!(shop.sim.trace().matches(" spawn ").count(), 1 + 2 * 2 + 3);
}

#[test]
fn a_plan_that_fails_without_a_crash_is_an_error() {
    let shop = Shop::new(|_| Script::new().lives(ms(10)).exits(Exit::Code(1)));
    let mut plan = shop.plan();
    let server = plan.spawn(["server"]).unwrap();
    plan.wait(server, 0).unwrap();
    let Err(CrashError::Plan(error)) = run(&shop.sim, plan.crash_points(server)) else {
        panic!("the plan passes")
    };
    std::fs::remove_dir_all(error.directory().unwrap()).unwrap();
    assert_eq!(error.kind().to_string(), "server ended with code 1 instead of code 0");
    assert_eq!(CrashError::from(error.clone()).to_string(), error.to_string());
    assert_eq!(shop.sim.trace().matches(" spawn ").count(), 1);
}

#[test]
fn a_later_failure_without_a_crash_is_reported_as_unsteady() {
    let shop = Shop::new(careful);
    let mut plan = shop.plan();
    let calls = AtomicU32::new(0);
    plan.call("pass once", move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err("not again"),
    });
    let server = plan.spawn(["server"]).unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    let Err(CrashError::Unsteady { point, error }) = run(&shop.sim, plan.crash_points(server)) else {
        panic!("the plan passes")
    };
    std::fs::remove_dir_all(error.directory().unwrap()).unwrap();
    assert_eq!((point, error.kind().to_string()), (CrashPoint::Step(4), "not again".to_owned()));
    assert_eq!(
        CrashError::Unsteady { point, error }.to_string().lines().next(),
        Some("the plan sometimes fails without a crash: step:4 was not reached")
    );
}

#[test]
fn a_foreign_process_and_a_process_without_points_are_errors() {
    let shop = Shop::new(careful);
    let (plan, server) = shop.plan_to_save();
    let (_, stranger) = shop.plan_to_save();
    let error = run(&shop.sim, plan.crash_points(stranger)).unwrap_err();
    let first = "plan shop is invalid: the process belongs to another plan\n";
    assert!(error.to_string().starts_with(first), "{error}");
    assert_eq!(shop.sim.trace(), "");

    let error = run(&shop.sim, plan.crash_points(server).only(|_| false)).unwrap_err();
    let CrashError::NoPoints { plan, process } = &error else { panic!("{error}") };
    assert_eq!((&**plan, &**process), ("shop", "server"));
}

/// A client of the server notices that the session is gone: the plan fails in a call, which is about no
/// process.
#[test]
fn f_136_the_crashed_process_is_described_even_if_a_call_fails() {
    let shop = Shop::new(careful);
    let mut plan = shop.plan();
    let server = plan.spawn(["server"]).unwrap();
    plan.wait_until(server, Condition::output("open")).unwrap();
    let world = shop.clone();
    plan.call_async("use the session", move || {
        let world = world.clone();
        async move {
            world.sleep_until(world.now() + ms(50)).await;
            if world.starts.lock().unwrap().len() == 1 { Ok(()) } else { Err("the session is gone") }
        }
    });
    plan.kill(server, Signal::TERM).unwrap();
    let point = CrashPoint::Line { stream: Stream::Stdout, line: 1 };
    let failure = first_failure(&shop.sim, plan.crash_points(server).only(move |it| it == point));
    assert_eq!(failure.error.kind().to_string(), "the session is gone");
    assert_eq!(failure.error.processes(), std::slice::from_ref(&failure.process));
    assert_eq!(failure.error.tails()[0].lines, ["open", "open"]);
    let text = failure.to_string();
    assert!(
        text.contains(
            "started at 0ns, killed on purpose at stdout:1, at 10ms, KILL at 10ms, ended with signal KILL"
        ),
        "{text}"
    );
    assert!(
        failure
            .error
            .journal()
            .timeline_svg()
            .contains(">server was killed on purpose at stdout:1, after 10 ms<")
    );
}

#[test]
fn f_137_input_that_may_have_been_read_makes_a_crash_point_ambiguous() {
    let shop = Shop::new(|starts| match starts {
        [_] => careful(starts),
        _ => Script::new(),
    });
    let mut plan = shop.plan();
    let server = plan.spawn(["server"]).unwrap();
    plan.wait_until(server, Condition::output("open")).unwrap();
    plan.send_input(server, "an apple").unwrap();
    plan.call("wait a little", || ());
    plan.wait_for_output(server, "saved 1").unwrap().within(ms(500)).unwrap();
    plan.kill(server, Signal::TERM).unwrap();
    let at = |step: usize| {
        let points = plan.crash_points(server).only(move |point| point == CrashPoint::Step(step));
        let failure = first_failure(&shop.sim, points);
        (failure.lost_inputs.clone(), failure.unanswered_inputs.clone(), failure.to_string())
    };
    let (lost, unanswered, text) = at(5);
    assert_eq!((lost, unanswered), (vec![4], vec![]));
    assert!(
        text.contains("\n  the input of step 4 was lost: server was killed before it could read it\n"),
        "{text}"
    );
    assert!(text.contains(", did not get the input of step 4, killed on purpose at step:5,"), "{text}");
    let (lost, unanswered, text) = at(6);
    assert_eq!((lost, unanswered), (vec![], vec![4]));
    let ambiguous = "\n  this point is ambiguous: server may or may not have read the input of step 4, ";
    assert!(text.contains(ambiguous), "{text}");
}
