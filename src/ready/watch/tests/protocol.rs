//! The scenarios of the original's readiness protocol under their own names, and its mended defects.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::host::{ProbeError, ProbeOwner, ProbeTarget};
use crate::machine::SpawnStep;

/// Returns the condition of a service that expects nothing else: 0.2 s of uptime.
fn alive() -> Condition {
    Condition::uptime(millis(200))
}

fn prints_at(at: u64, text: &str) -> Script {
    Script::new().prints(millis(at), Stream::Stdout, text)
}

fn opens_at(at: u64) -> SimWithServers {
    SimWithServers::new().server(ProbeTarget::Port(80), millis(at), Ok(ProbeOwner::Own))
}

#[test]
fn sv_13_test_fork() {
    let trial = Trial::new(Script::new(), alive());
    let until = trial.start();
    trial.sim.spawn(async { drop(until.await) });
    trial.sim.run_until_idle();
    assert_eq!(trial.sim.trace(), "0.0 spawn web#1\n");
    assert_eq!(trial.host.in_progress(), 1, "one sleep, to the next deadline");
}

#[test]
fn sv_13_14_test_min_uptime() {
    let trial = Trial::new(Script::new(), alive());
    assert_eq!(trial.verdict(), "ready after 200ms\n  uptime of 200ms: met after 200.0ms\n");
    assert!(trial.is_at_rest());
}

#[test]
fn sv_14_15_test_expected_output() {
    let expected = || Condition::all([alive(), Condition::output("ready")]);
    let early = Trial::new(prints_at(50, "all is ready\n"), expected());
    assert_eq!(
        early.verdict(),
        "ready after 200ms\n  uptime of 200ms: met after 200.0ms\n  output \"ready\": met after 50.0ms\n"
    );
    let late = Trial::new(prints_at(1500, "all is ready\n"), expected());
    assert_eq!(
        late.verdict(),
        "ready after 1.5s\n  uptime of 200ms: met after 200.0ms\n  output \"ready\": met after 1.5s\n"
    );
}

#[test]
fn sv_14_16_test_expected_port() {
    let condition = Condition::all([alive(), Condition::output("ready"), Condition::port(80)]);
    let trial = Trial::with_servers(opens_at(0), prints_at(300, "ready\n"), condition);
    trial.verdict();
    assert_eq!(trial.sim.trace(), "0.0 spawn web#1\n0.3 probe port 80\n");
    assert!(trial.is_at_rest());
}

#[test]
fn sv_16_17_18_test_expected_port_probe_failed() {
    let reset = || ProbeError::from(io::Error::from_raw_os_error(libc::ECONNRESET));
    let server = |host: SimWithServers, micros, answer| {
        host.server(ProbeTarget::Port(80), Duration::from_micros(micros), answer)
    };
    let host = server(SimWithServers::new(), 500, Err(reset()));
    let host = server(host, 800, Ok(ProbeOwner::Stranger("pid 7 (nginx)".to_owned())));
    let host = server(host, 1000, Ok(ProbeOwner::Own));
    let trial = Trial::with_servers(host, Script::new(), Condition::port(80));
    assert_eq!(trial.verdict(), "ready after 1ms\n  port 80: met after 1.0ms\n");
    let at = |number: u32| {
        let text = format!("0.{:05}", 5 * number);
        let text = text.trim_end_matches('0');
        if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
    };
    let probes: String = (0..=20).map(|number| format!("{} probe port 80\n", at(number))).collect();
    assert_eq!(trial.sim.trace(), format!("0.0 spawn web#1\n{probes}"));
}

#[test]
fn sv_19_test_process_dies_shortly_after_fork() {
    let trial = Trial::new(Script::new().lives(millis(100)).exits(Exit::Code(0)), alive());
    assert_eq!(trial.verdict(), "Exited(Code(0)) after 100ms\n  uptime of 200ms: missing after 100.0ms\n");
    assert!(trial.is_at_rest());
}

#[test]
fn sv_19_22_test_process_dies_while_waiting_expected_output() {
    let script = prints_at(300, "nothing of interest\n").lives(millis(300)).exits(Exit::Code(3));
    let trial = Trial::new(script, Condition::all([alive(), Condition::output("ready")]));
    assert_eq!(
        trial.verdict(),
        "Exited(Code(3)) after 300ms\n  uptime of 200ms: met after 200.0ms\n  \
         output \"ready\": missing after 300.0ms\n"
    );
    assert!(trial.is_at_rest());
}

#[test]
fn sv_19_test_process_dies_while_probing_port() {
    let trial = Trial::new(Script::new().lives(Duration::from_micros(300)), Condition::port(80));
    let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    assert_eq!(
        trial.verdict(),
        format!("Exited(Code(0)) after 300µs\n  port 80: missing after 300.0µs ({refused})\n")
    );
    assert!(trial.is_at_rest());
    trial.sim.advance(SECOND);
    assert_eq!(
        trial.sim.trace(),
        "0.0 spawn web#1\n0.0 probe port 80\n0.00005 probe port 80\n0.0001 probe port 80\n\
         0.00015 probe port 80\n0.0002 probe port 80\n0.00025 probe port 80\n\
         0.0003 exit web#1 code 0\n0.0003 reap web#1\n"
    );
}

#[test]
fn sv_20_test_timeout_while_waiting_expected_output() {
    let trial = Trial::new(prints_at(300, "read"), Condition::all([alive(), Condition::output("ready")]));
    assert_eq!(
        trial.verdict(),
        "TimedOut(2s) after 2s\n  uptime of 200ms: met after 200.0ms\n  \
         output \"ready\": missing after 2.0s\n"
    );
    assert_eq!(trial.sim.trace(), "0.0 spawn web#1\n", "the process is not killed by this");
    assert!(trial.is_at_rest());
}

#[test]
fn sv_17_20_test_timeout_while_probing_port() {
    // The server accepts the connection and never answers. The timeout ends that as well.
    let trial = Trial::with_servers(
        SimWithServers::new().server(ProbeTarget::Port(80), millis(0), None),
        Script::new(),
        Condition::all([alive(), Condition::port(80)]),
    );
    assert_eq!(
        trial.verdict(),
        "TimedOut(2s) after 2s\n  uptime of 200ms: met after 200.0ms\n  \
         port 80: missing after 2.0s (no answer for 1.8s)\n"
    );
    assert!(trial.is_at_rest());
}

#[test]
fn sv_21_test_cancel_ready() {
    let silent = SimWithServers::new().server(ProbeTarget::Port(80), millis(0), None);
    let trial = Trial::with_servers(silent, Script::new(), Condition::port(80));
    let mut until = trial.start();
    let polled =
        trial.sim.block_on(poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut until).poll(cx).is_ready())));
    assert!(!polled);
    trial.sim.run_until_idle();
    trial.sim.block_on(poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut until).poll(cx).is_ready())));
    assert_eq!(trial.host.in_progress(), 2, "a sleep and a probe");
    drop(until);
    assert!(trial.is_at_rest());
    trial.sim.advance(10 * SECOND);
    assert_eq!(trial.sim.trace(), "0.0 spawn web#1\n0.0 probe port 80\n", "the process keeps running");
}

#[test]
fn sv_21_test_cancel_while_waiting_for_uptime() {
    let trial = Trial::new(Script::new(), alive());
    let until = trial.start();
    trial.sim.block_on(or(async { drop(until.await) }, trial.sim.sleep_until(trial.sim.now() + millis(100))));
    assert!(trial.is_at_rest());
}

#[test]
fn sv_23_test_terminated() {
    let trial =
        Trial::new(prints_at(0, "ready").lives(SECOND).exits(Exit::Code(1)), Condition::output("ready"));
    assert_eq!(trial.verdict(), "ready after 0ns\n  output \"ready\": met after 0.0ns\n");
    trial.sim.advance(2 * SECOND);
    assert_eq!(trial.sim.trace(), "0.0 spawn web#1\n1.0 exit web#1 code 1\n1.0 reap web#1\n");
}

#[test]
fn sv_24_the_second_of_two_alternatives_is_harmless() {
    let script = prints_at(10, "either\n").prints(millis(10), Stream::Stderr, "or\n");
    let trial = Trial::new(script, Condition::any([Condition::output("either"), Condition::output("or")]));
    assert!(trial.verdict().starts_with("ready after 10ms\n  output \"either\": met after 10.0ms\n"));
    trial.sim.advance(SECOND);
}

#[test]
fn f_85_output_at_the_very_deadline_is_in_time() {
    let trial = Trial::new(prints_at(2000, "ready"), Condition::output("ready"));
    assert_eq!(trial.verdict(), "ready after 2s\n  output \"ready\": met after 2.0s\n");
}

#[test]
fn f_84_a_process_whose_death_was_not_reported_yet_is_not_ready() {
    let trial = Trial::new(
        prints_at(10, "ready\n").lives(millis(11)).exits(Exit::Code(1)),
        Condition::output("ready"),
    );
    let until = trial.watch.arm();
    let mut process = trial.watch.host().spawn(&Spec::new("web")).unwrap();
    trial.sim.advance(millis(20));
    // The output is read before the death is seen, as a monitor does.
    read(&mut *process, Stream::Stdout, &mut Context::from_waker(Waker::noop()));
    let verdict = trial.sim.block_on(until);
    assert!(describe(&verdict).starts_with("Exited(Code(1))"), "{}", describe(&verdict));
}

#[test]
fn f_84_the_driver_is_woken_for_a_death_that_the_watch_has_seen() {
    let script = prints_at(10, "ready\n").lives(millis(11));
    let trial = Trial::new(script, Condition::output("ready"));
    let until = trial.watch.arm();
    let mut process = trial.watch.host().spawn(&Spec::new("web")).unwrap();
    let calls = Arc::new(Calls::default());
    let waker = Waker::from(calls.clone());
    assert!(process.poll_exit(&mut Context::from_waker(&waker)).is_pending());
    trial.sim.advance(millis(20));
    calls.0.store(0, Ordering::Relaxed);
    read(&mut *process, Stream::Stdout, &mut Context::from_waker(Waker::noop()));
    drop(trial.sim.block_on(until));
    assert_eq!(calls.0.load(Ordering::Relaxed), 1);
    assert!(process.poll_exit(&mut Context::from_waker(&waker)).is_ready());
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_progress_is_available_before_the_verdict() {
    let condition = [Condition::output("one"), Condition::output("two"), Condition::port(80)];
    let trial = Trial::new(prints_at(50, "one"), Condition::all(condition));
    let mut until = trial.start();
    let progress = |until: &UntilReady| until.progress().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        progress(&until),
        [
            "output \"one\": missing after 0.0ns",
            "output \"two\": missing after 0.0ns",
            "port 80: missing after 0.0ns (not tried yet)",
        ]
    );
    trial
        .sim
        .block_on(or(async { drop((&mut until).await) }, trial.sim.sleep_until(trial.sim.now() + SECOND)));
    assert_eq!(
        progress(&until),
        [
            "output \"one\": met after 50.0ms",
            "output \"two\": missing after 1.0s",
            "port 80: missing after 1.0s (not tried yet)",
        ]
    );
    assert!(trial.sim.block_on(until).is_err_and(|failure| failure.took == 2 * SECOND), "the wait continues");
}

#[test]
fn without_a_timeout_the_wait_is_unlimited() {
    let year = 365 * 86_400;
    let late = || prints_at(year * 1000, "ready").lives(Duration::from_secs(year + 1));
    let patient = |condition| {
        let mut trial = Trial::new(late(), Condition::all([]));
        trial.watch = Watch::new(trial.host.clone(), condition, Duration::MAX, None);
        let until = trial.start();
        trial.sim.advance(SECOND);
        assert_eq!(trial.host.in_progress(), 0, "no deadline and no probe");
        describe(&trial.sim.block_on(until))
    };
    assert_eq!(
        patient(Condition::output("ready")),
        "ready after 31536000s\n  output \"ready\": met after 31536000.0s\n"
    );
    let never = patient(Condition::all([Condition::output("steady"), Condition::uptime(Duration::MAX)]));
    assert!(never.starts_with("Exited(Code(0)) after 31536001s\n"), "{never}");
}

#[test]
fn pl_3_the_host_of_a_watch_locates_the_programs_of_its_inner_host() {
    let trial = Trial::new(Script::new(), alive());
    let locate = |program| trial.watch.host().locate(&Spec::new(program)).map_err(|error| error.step());
    assert_eq!(locate("web"), Ok("web".into()));
    assert_eq!(locate("none"), Err(SpawnStep::Find));
}

#[test]
fn f_84_each_start_is_observed_anew() {
    let trial = Trial::new(prints_at(10, "ready\n").lives(millis(20)), Condition::output("ready"));
    trial.sim.script("web", Script::new().lives(millis(100)));
    trial.sim.script("web", Script::fails(SpawnStep::Exec, libc::EACCES));
    assert!(trial.verdict().starts_with("ready after 10ms"));
    trial.sim.advance(SECOND);
    assert!(trial.verdict().starts_with("Exited(Code(0)) after 100ms"));
    let denied = io::Error::from_raw_os_error(libc::EACCES);
    assert_eq!(
        trial.verdict(),
        format!("cannot execute web: {denied} after 0ns\n  output \"ready\": missing after 0.0ns\n")
    );
}

#[test]
fn f_84_only_the_first_start_after_arming_counts() {
    let trial = Trial::new(Script::new().lives(millis(100)), Condition::output("ready"));
    trial.sim.script("web", prints_at(0, "ready"));
    let until = trial.start();
    trial.sim.run_until_idle();
    trial.sim.spawn(drive(trial.watch.host(), Spec::new("web")));
    assert!(describe(&trial.sim.block_on(until)).starts_with("Exited"));
}

#[test]
fn sv_4_a_process_that_is_never_started_is_not_waited_for() {
    let trial = Trial::new(Script::new(), alive());
    let until = trial.watch.arm();
    drop(trial.watch.host());
    assert!(describe(&trial.sim.block_on(until)).starts_with("NeverStarted"));
}

#[test]
fn a_process_that_is_dropped_does_not_become_ready() {
    let trial = Trial::new(Script::new(), alive());
    let until = trial.watch.arm();
    drop(trial.watch.host().spawn(&Spec::new("web")).unwrap());
    assert!(describe(&trial.sim.block_on(until)).starts_with("Exited(Lost)"));
}
