//! The end of a service that was ready, in virtual time.

use std::time::Duration;

use childminder::host::ProbeTarget;
use childminder::machine::{LastRun, Stream};
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Service, Signal};

use super::readiness::{ms, start};

#[test]
fn reset_sv_7_does_nothing_while_the_service_is_alive() {
    let sim = Sim::new();
    sim.script("served", Script::new());
    let served = start(&sim, &Service::new("served")).unwrap();
    sim.clear_trace();
    served.reset().unwrap();
    assert_eq!(sim.trace(), "");
}

#[test]
fn reset_service_died_sv_7_23_reports_the_exit_and_the_last_lines() {
    let sim = Sim::new();
    let dies =
        Script::new().lives(ms(900)).exits(Exit::Code(70)).prints(ms(899), Stream::Stderr, "out of cheese\n");
    sim.script("served", dies);
    let served = start(&sim, &Service::new("served")).unwrap();
    sim.advance(Duration::from_secs(1));
    assert!(!served.is_alive());
    let died = served.reset().unwrap_err();
    assert!(matches!(died.last, Some(LastRun::Exited(Exit::Code(70)))));
    assert_eq!(
        died.to_string(),
        "service served died: it exited with code 70\n  its last lines:\n    out of cheese"
    );
    assert_eq!(format!("{died:?}"), died.to_string(), "a test that returns the error shows the same report");
    assert!(served.reset().is_err(), "the report is repeated");
    let ended = sim.block_on(served.stop_async()).unwrap().unwrap();
    assert_eq!((ended.exit, ended.asked, ended.lived), (Exit::Code(70), false, ms(900)));
}

#[test]
fn cleanup_stop_process_sv_8_sends_the_stop_signal() {
    let sim = Sim::new();
    sim.script("served", Script::new().exits_after_term(ms(40)).exits_on_term(Exit::Code(0)));
    let served = start(&sim, &Service::new("served").stop_signal(Signal::INT)).unwrap();
    sim.clear_trace();
    let ended = sim.block_on(served.stop_async()).unwrap().unwrap();
    assert_eq!((ended.exit, ended.asked, ended.killed), (Exit::Code(0), true, false));
    assert_eq!(
        sim.trace(),
        "0.2 signal served#1 INT\n0.2 signal served#1 CONT\n0.24 exit served#1 code 0\n0.24 reap served#1\n"
    );
}

#[test]
fn hung_sv_4_9_gets_kill_at_the_kill_time() {
    let sim = Sim::new();
    sim.script("served", Script::new().ignores_term());
    let served = start(&sim, &Service::new("served").kill_time(Duration::from_secs(2))).unwrap();
    let ended = sim.block_on(served.stop_async()).unwrap().unwrap();
    assert!(ended.killed);
    assert_eq!(sim.elapsed(), ms(2200));
}

#[test]
fn sv_4_9_a_process_that_survives_kill_is_named_by_the_error() {
    let sim = Sim::new();
    sim.script("served", Script::new().ignores_term().unkillable(Duration::from_secs(60)));
    let served = start(&sim, &Service::new("served")).unwrap();
    let error = sim.block_on(served.stop_async()).unwrap_err();
    assert_eq!(error.to_string(), "still not gone after KILL: served#1 (pid 101)");
}

#[test]
fn sv_10_the_death_of_the_leader_ends_its_group() {
    let sim = Sim::new();
    sim.script("served", Script::new().lives(ms(500)).leaves_behind(2));
    let served = start(&sim, &Service::new("served")).unwrap();
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.live(), 0);
    let ended = sim.block_on(served.stop_async()).unwrap().unwrap();
    assert_eq!(ended.left_behind, [102, 103]);
}

#[test]
fn terminated_sv_23_a_drop_stops_the_service() {
    let sim = Sim::new();
    sim.script("served", Script::new());
    let served = start(&sim, &Service::new("served")).unwrap();
    drop(served);
    sim.run_until_idle();
    assert_eq!(sim.live(), 0);
}

#[test]
fn an_outage_is_a_stop_and_a_start_until_ready() {
    let sim = Sim::new();
    sim.script("served", Script::new().serves(ms(1), ProbeTarget::Port(80)));
    sim.script("served", Script::new().serves(ms(50), ProbeTarget::Port(80)));
    let service = Service::new("served").min_uptime(Duration::ZERO).expect_port(80);
    let served = start(&sim, &service).unwrap();
    sim.clear_trace();
    let body = async { assert_eq!(sim.live(), 0, "the service is stopped meanwhile") };
    sim.block_on(served.stopped_async(body)).unwrap();
    assert!(served.is_alive());
    assert_eq!(served.pid(), 102);
    let trace: Vec<String> =
        sim.trace().lines().filter(|line| !line.contains("probe")).map(str::to_owned).collect();
    assert_eq!(
        trace,
        [
            "0.001 signal served#1 TERM",
            "0.001 signal served#1 CONT",
            "0.001 exit served#1 signal TERM",
            "0.001 reap served#1",
            "0.001 spawn served#2",
        ]
    );
}

#[test]
fn an_outage_that_does_not_end_is_reported_like_a_failed_start() {
    let sim = Sim::new();
    sim.script("served", Script::new());
    sim.script(
        "served",
        Script::new().lives(ms(10)).exits(Exit::Code(1)).prints(ms(1), Stream::Stdout, "no\n"),
    );
    sim.script("served", Script::new());
    let served = start(&sim, &Service::new("served")).unwrap();
    let error = sim.block_on(served.stopped_async(async {})).unwrap_err();
    assert_eq!(error.tail(), ["no"]);
    assert!(!served.is_alive());
    sim.block_on(served.stopped_async(async {})).unwrap();
    assert!(served.is_alive(), "the next start succeeds");
}

#[test]
fn a_pause_sends_stop_and_cont_also_when_the_body_panics() {
    let sim = Sim::new();
    sim.script("served", Script::new());
    let served = start(&sim, &Service::new("served")).unwrap();
    sim.clear_trace();
    let seven = served.paused(|| {
        assert_eq!(sim.trace(), "0.2 signal served#1 STOP\n", "sent before the body runs");
        7
    });
    assert_eq!(seven, 7);
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| served.paused(|| panic!("in the test"))));
    assert!(panic.is_err());
    sim.run_until_idle();
    assert_eq!(
        sim.trace(),
        "0.2 signal served#1 STOP\n0.2 signal served#1 CONT\n0.2 signal served#1 STOP\n0.2 signal served#1 CONT\n"
    );
}

#[test]
fn lines_are_published_to_subscribers_and_the_last_are_kept() {
    let sim = Sim::new();
    let script = Script::new()
        .prints(ms(10), Stream::Stdout, "early\n")
        .prints(ms(300), Stream::Stderr, "one\ntwo\n")
        .lives(ms(400))
        .prints(ms(399), Stream::Stdout, "bye");
    sim.script("served", script);
    let served = start(&sim, &Service::new("served")).unwrap();
    let lines = served.log_lines();
    sim.advance(Duration::from_secs(1));
    assert_eq!(served.tail(2), ["two", "bye"]);
    drop(served);
    sim.run_until_idle();
    sim.drop_futures();
    let received: Vec<_> = lines.map(|line| line.unwrap()).map(|line| (line.stream, line.text)).collect();
    let expected = [(Stream::Stderr, "one"), (Stream::Stderr, "two"), (Stream::Stdout, "bye")];
    assert_eq!(received, expected.map(|(stream, text)| (stream, text.to_owned())));
}
