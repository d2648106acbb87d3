//! The readiness of a service and the report of a failed start, in virtual time.

use std::time::Duration;

use childminder::host::ProbeTarget;
use childminder::machine::{SpawnStep, Stream};
use childminder::ready::OutputMatch;
use childminder::service::NotReadyReason;
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Exit, NotReady, RunningService, Service};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Starts a service on a simulated host, and lets time pass until it is ready or has failed.
pub(super) fn start(sim: &Sim, service: &Service) -> Result<RunningService, NotReady> {
    let (starting, driver) = service.start_on(sim.clone())?;
    sim.spawn(driver);
    sim.block_on(starting)
}

/// Starts a service that does not become ready, and returns the error and the trace.
fn failure(sim: &Sim, service: &Service) -> (NotReady, String) {
    let error = start(sim, service).expect_err("the service does not become ready");
    sim.run_until_idle();
    assert_eq!(sim.live(), 0, "no process is left");
    (error, sim.trace())
}

#[test]
fn setup_start_process_sv_1_3_13_is_ready_after_the_minimum_uptime() {
    let sim = Sim::new();
    sim.script("/usr/sbin/served", Script::new());
    let served = start(&sim, &Service::new("/usr/sbin/served").args(["-f", "a b"])).unwrap();
    assert_eq!(sim.elapsed(), ms(200));
    assert_eq!(&**served.name(), "served");
    assert!(served.is_alive());
    assert_eq!(served.pid(), 101);
    assert_eq!(sim.trace(), "0.0 spawn /usr/sbin/served#1\n");
    assert_eq!(
        served.readiness().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["uptime of 200ms: met after 200.0ms"]
    );
}

#[test]
fn min_uptime_sv_13_can_be_zero() {
    let sim = Sim::new();
    sim.script("served", Script::new());
    drop(start(&sim, &Service::new("served").min_uptime(Duration::ZERO)).unwrap());
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

#[test]
fn expect_output_sv_5_14_15_a_match_before_the_minimum_uptime_counts_and_does_not_shorten_it() {
    let sim = Sim::new();
    sim.script("served", Script::new().prints(ms(50), Stream::Stdout, "hello, I am up\n"));
    drop(start(&sim, &Service::new("served").expect_output("I am up")).unwrap());
    assert_eq!(sim.elapsed(), ms(200));
    sim.script("slow", Script::new().prints(ms(900), Stream::Stderr, "I am up"));
    drop(start(&sim, &Service::new("slow").expect_output("I am up")).unwrap());
    assert_eq!(sim.elapsed(), ms(1100), "at once, without waiting for the end of the line");
}

#[test]
fn expect_port_sv_5_14_16_is_probed_when_everything_else_has_arrived() {
    let sim = Sim::new();
    let script =
        Script::new().prints(ms(300), Stream::Stdout, "up\n").serves(ms(100), ProbeTarget::Port(8080));
    sim.script("served", script);
    drop(start(&sim, &Service::new("served").expect_port(8080).expect_output("up")).unwrap());
    // The first probe is the check before the start that the port is free.
    assert_eq!(sim.trace(), "0.0 probe port 8080\n0.0 spawn served#1\n0.3 probe port 8080\n");
}

#[test]
fn ready_with_expected_port_retry_sv_17_a_refused_probe_is_repeated() {
    let sim = Sim::new();
    sim.script("served", Script::new().serves(ms(3), ProbeTarget::Port(8080)));
    drop(start(&sim, &Service::new("served").min_uptime(Duration::ZERO).expect_port(8080)).unwrap());
    let late = sim.elapsed() - ms(3);
    assert!(late <= ms(2), "noticed {late:?} after it listened");
}

#[test]
fn sv_24_f_85_any_of_several_and_several_times_is_fine() {
    let sim = Sim::new();
    let chatter =
        Script::new().prints(ms(10), Stream::Stdout, "waiting for connections\nWaiting for connections\n");
    sim.script("mongod", chatter);
    let either = [Condition::output("waiting for connections"), Condition::output("Waiting for connections")];
    drop(start(&sim, &Service::new("mongod").expect(Condition::any(either))).unwrap());
    sim.script(
        "counts",
        Script::new().prints(ms(10), Stream::Stdout, "a a ").prints(ms(400), Stream::Stderr, "a"),
    );
    drop(start(&sim, &Service::new("counts").expect(OutputMatch::text("a").times(3))).unwrap());
    assert_eq!(sim.elapsed(), ms(600));
}

#[test]
fn f_83_a_match_is_found_across_reads_between_streams_and_without_a_line_end() {
    let sim = Sim::new();
    let script = Script::new()
        .prints(ms(300), Stream::Stdout, "rea")
        .prints(ms(310), Stream::Stderr, "noise\n")
        .prints(ms(320), Stream::Stdout, "dy>");
    sim.script("served", script);
    drop(start(&sim, &Service::new("served").expect_output("ready>")).unwrap());
    assert_eq!(sim.elapsed(), ms(320));
}

#[test]
fn expect_output_timeout_sv_6_20_f_85_is_one_error_with_the_whole_report() {
    let sim = Sim::new();
    let script = Script::new()
        .prints(ms(100), Stream::Stdout, "loading\n")
        .prints(ms(200), Stream::Stderr, "no such table\n")
        .exits_on_term(Exit::Code(0))
        .exits_after_term(ms(30))
        .prints(Duration::from_millis(1020), Stream::Stdout, "shutting down");
    sim.script("served", script);
    let service = Service::new("served")
        .args(["--config", "a b"])
        .expect_output("ready")
        .expect_port(8080)
        .timeout(Duration::from_secs(1));
    let (error, trace) = failure(&sim, &service);
    assert!(
        matches!(error.reason(), NotReadyReason::TimedOut { timeout } if *timeout == Duration::from_secs(1))
    );
    assert_eq!(
        error.to_string(),
        "service served is not ready: timed out after 1s\n  \
           command: served --config 'a b'\n  \
           output \"ready\": missing after 1.0s\n  \
           port 8080: missing after 1.0s (not tried yet)\n  \
           its last lines:\n    \
             loading\n    \
             no such table\n    \
             shutting down"
    );
    assert_eq!(
        format!("{error:?}"),
        error.to_string(),
        "a test that returns the error shows the same report"
    );
    assert_eq!(
        trace,
        "0.0 probe port 8080\n\
         0.0 spawn served#1\n\
         1.0 signal served#1 TERM\n\
         1.0 signal served#1 CONT\n\
         1.03 exit served#1 code 0\n\
         1.03 reap served#1\n"
    );
}

#[test]
fn no_expected_port_timeout_sv_20_reports_why_the_probe_failed() {
    let sim = Sim::new();
    sim.script("served", Script::new());
    let service = Service::new("served").expect_port(8080).timeout(ms(400));
    let (error, _) = failure(&sim, &service);
    let text = error.to_string();
    assert!(
        text.contains("\n  port 8080: missing after 400.0ms (Connection refused (os error 111))"),
        "{text}"
    );
    assert!(text.ends_with("\n  it has printed nothing"), "{text}");
}

#[test]
fn no_min_uptime_sv_19_22_a_death_before_ready_ends_the_wait_and_reports_the_last_lines() {
    let sim = Sim::new();
    let dies = Script::new().prints(ms(5), Stream::Stderr, "cannot bind").lives(ms(10)).exits(Exit::Code(0));
    sim.script("served", dies);
    let (error, trace) = failure(&sim, &Service::new("served"));
    assert_eq!(
        error.to_string(),
        "service served is not ready: it exited with code 0 after 10ms\n  \
           command: served\n  \
           uptime of 200ms: missing after 10.0ms\n  \
           hint: it seems to have put itself into the background (daemonized): run it in the foreground\n  \
           its last lines:\n    \
             cannot bind"
    );
    assert_eq!(trace, "0.0 spawn served#1\n0.01 exit served#1 code 0\n0.01 reap served#1\n");
}

#[test]
fn no_expected_output_exit_and_no_expected_port_exit_sv_19_f_84() {
    for service in [Service::new("served").expect_output("up"), Service::new("served").expect_port(8080)] {
        let sim = Sim::new();
        sim.script("served", Script::new().lives(ms(700)).exits(Exit::Code(3)));
        let (error, _) = failure(&sim, &service);
        assert!(
            matches!(error.reason(), NotReadyReason::Exited { exit: Exit::Code(3), after } if *after == ms(700)),
            "{error}"
        );
        assert_eq!(sim.elapsed(), ms(700));
    }
}

#[test]
fn f_84_a_death_right_after_the_verdict_is_seen_by_the_next_check() {
    let sim = Sim::new();
    sim.script("served", Script::new().prints(ms(300), Stream::Stdout, "ready\n").lives(ms(300)));
    let served = start(&sim, &Service::new("served").expect_output("ready")).unwrap();
    sim.run_until_idle();
    assert!(!served.is_alive());
    assert_eq!(served.reset().unwrap_err().tail, ["ready"]);
}

#[test]
fn f_85_an_event_at_the_very_deadline_comes_before_the_timeout() {
    let sim = Sim::new();
    sim.script("served", Script::new().prints(ms(1000), Stream::Stdout, "ready\n"));
    drop(start(&sim, &Service::new("served").expect_output("ready").timeout(ms(1000))).unwrap());
}

#[test]
fn unknown_command_sv_6_is_one_error() {
    let sim = Sim::new();
    let (error, _) = failure(&sim, &Service::new("nowhere").arg("x"));
    assert!(matches!(error.reason(), NotReadyReason::Spawn(error) if error.step() == SpawnStep::Find));
    assert_eq!(
        error.to_string(),
        "service nowhere is not ready: cannot find the program nowhere: No such file or directory (os error 2)\n  \
           command: nowhere x"
    );
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

#[test]
fn sv_18_f_82_a_port_in_use_is_refused_before_the_start() {
    let sim = Sim::new();
    sim.script("served", Script::new());
    sim.serve(ProbeTarget::Port(8080));
    let (error, trace) = failure(&sim, &Service::new("served").expect_port(8080));
    assert!(matches!(error.reason(), NotReadyReason::AddressInUse(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "service served is not ready: port 8080 is already in use by an unrelated process\n  command: served"
    );
    assert_eq!(trace, "0.0 serve port 8080\n0.0 probe port 8080\n", "no process was started");
}

#[test]
fn cancel_ready_sv_21_dropping_the_start_stops_the_service() {
    let sim = Sim::new();
    sim.script("served", Script::new().ignores_term());
    let (starting, driver) = Service::new("served").expect_output("never").start_on(sim.clone()).unwrap();
    sim.spawn(driver);
    sim.block_on(futures_lite::future::or(
        async {
            let _ = starting.await;
        },
        childminder::Host::sleep_until(&sim, childminder::Host::now(&sim) + ms(500)),
    ));
    sim.advance(Duration::from_secs(5));
    assert_eq!(
        sim.trace(),
        "0.0 spawn served#1\n\
         0.5 signal served#1 TERM\n\
         0.5 signal served#1 CONT\n\
         5.5 signal served#1 KILL\n\
         5.5 exit served#1 signal KILL\n\
         5.5 reap served#1\n"
    );
}
