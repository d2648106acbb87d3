//! The presets of other supervisors, against numbers written out by hand; and what is computed beforehand,
//! against what happens.

use std::time::Duration;

use childminder::backoff::{Growth, Jitter, Wait};
use childminder::machine::{ExitSet, GiveUp, LongRun, OnGiveUp};
use childminder::{Exit, Phase, Policy, Signal};
use proptest::prelude::*;

use super::harness::Harness;

/// Returns the delays in seconds of a process whose runs take these times in seconds and exit with code 1.
/// They end where it is given up.
fn delays(policy: Policy, runs: &[f64]) -> Vec<f64> {
    let mut harness = Harness::running();
    harness.add_with("a", policy);
    let mut delays = Vec::new();
    for run in runs {
        harness.advance(*run);
        harness.code("a", 1);
        let Some(at) = harness.status("a").next_start else {
            assert_eq!(harness.phase("a"), Phase::GaveUp);
            break;
        };
        let delay = at - harness.now;
        delays.push(delay.as_secs_f64());
        harness.advance_by(delay);
    }
    delays
}

#[test]
fn f_193_twisted() {
    let policy = Policy::twisted();
    let doubling =
        [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 3600.0, 3600.0];
    assert_eq!(delays(policy, &[0.5; 14]), doubling);
    assert_eq!(delays(policy, &[0.0, 0.999, 1.0, 0.0, 5.0, 5.0]), [1.0, 2.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(policy.kill_time, Duration::from_secs(5));
    assert_eq!(policy.time_until_gives_up(Duration::ZERO), None);
}

#[test]
fn f_193_supervisord() {
    let policy = Policy::supervisord();
    // FATAL at the fourth start that fails.
    assert_eq!(delays(policy, &[0.0; 9]), [1.0, 2.0, 3.0]);
    // A run of `startsecs` restarts at once, and starts the count over.
    assert_eq!(delays(policy, &[0.5, 0.5, 0.5, 1.0, 0.5, 60.0, 0.5]), [1.0, 2.0, 3.0, 0.0, 1.0, 0.0, 1.0]);
    let more = GiveUp { failures: 11, within: None, then: OnGiveUp::StayDown };
    let patient = Policy { give_up: Some(more), ..policy };
    assert_eq!(delays(patient, &[0.0; 20]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
    // `autorestart=unexpected`
    assert_eq!(phase_after(policy, Exit::Code(0)), Phase::Completed);
    assert_eq!(phase_after(policy, Exit::Code(1)), Phase::Waiting);
    assert_eq!(policy.kill_time, Duration::from_secs(10));
}

#[test]
fn f_193_systemd() {
    let policy = Policy::systemd();
    // Five starts, at 0, 0.1, 0.2, 0.3 and 0.4 s; the sixth is refused.
    assert_eq!(delays(policy, &[0.0; 9]), [0.1; 4]);
    // The delay is the same after a long run, and slow failures never reach the limit.
    assert_eq!(delays(policy, &[3600.0, 0.0, 10.0, 3.0, 3.0, 3.0, 3.0]), [0.1; 7]);
    // The first and the fifth failure are 9.6 s apart, and then 10.8 s.
    assert_eq!(delays(policy, &[2.3; 9]), [0.1; 4]);
    assert_eq!(delays(policy, &[2.6; 9]), [0.1; 9]);
    // RestartSec=100ms RestartSteps=4 RestartMaxDelaySec=10s: a factor of the square root of ten.
    let max_restart_delay = Duration::from_secs(10);
    let steps = Policy { growth: Growth::Steps(4), max_restart_delay, give_up: None, ..policy };
    let expected = [0.1, 0.316_227_766, 1.0, 3.162_277_66, 10.0, 10.0];
    assert_eq!(delays(steps, &[0.0, 3600.0, 0.0, 0.0, 3600.0, 0.0]), expected);
    for (exit, phase) in [
        (Exit::Code(0), Phase::Completed),
        (Exit::Signal { signal: Signal::HUP, core: false }, Phase::Completed),
        (Exit::Signal { signal: Signal::PIPE, core: false }, Phase::Completed),
        (Exit::Signal { signal: Signal::KILL, core: false }, Phase::Waiting),
        (Exit::Code(143), Phase::Waiting),
    ] {
        assert_eq!(phase_after(policy, exit), phase, "{exit}");
    }
    assert_eq!(policy.kill_time, Duration::from_secs(90));
}

#[test]
fn f_193_kubernetes() {
    let policy = Policy::kubernetes();
    assert_eq!(delays(policy, &[1.0; 9]), [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]);
    assert_eq!(delays(policy, &[1.0, 599.0, 600.0, 1.0, 1.0]), [0.0, 10.0, 0.0, 10.0, 20.0]);
    // `restartPolicy: Always` restarts after a success as well.
    assert_eq!(phase_after(policy, Exit::Code(0)), Phase::Waiting);
    assert_eq!(policy.kill_time, Duration::from_secs(30));
}

#[test]
fn f_193_otp() {
    let policy = Policy::otp();
    // One restart in five seconds is allowed, the second one is not.
    assert_eq!(delays(policy, &[0.0; 5]), [0.0]);
    assert_eq!(delays(policy, &[100.0, 5.0, 9.0]), [0.0]);
    assert_eq!(delays(policy, &[100.0, 5.001, 5.001]), [0.0; 3]);
    // A permanent child is restarted after a success, which counts.
    assert_eq!(policy.success, ExitSet::NONE);
    assert_eq!(
        policy.time_until_gives_up(Duration::from_secs(2)),
        Some(Wait::exactly(Duration::from_secs(4)))
    );
    let mut harness = Harness::running();
    harness.add_with("a", policy);
    harness.add("b");
    harness.code("a", 0);
    harness.advance(0.0);
    harness.code("a", 0);
    assert_eq!((harness.phase("a"), harness.phase("b")), (Phase::GaveUp, Phase::Stopping));
}

#[test]
fn f_193_pebble() {
    let policy = Policy { jitter: Jitter::NONE, ..Policy::pebble() };
    assert_eq!(delays(policy, &[2.0; 9]), [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    assert_eq!(delays(policy, &[2.0, 29.9, 30.0, 2.0]), [0.5, 1.0, 0.5, 1.0]);
    let waits: Vec<String> = Policy::pebble().schedule().map(|wait| wait.to_string()).take(8).collect();
    let intervals =
        ["500ms to 550ms", "1s to 1.1s", "2s to 2.2s", "4s to 4.4s", "8s to 8.8s", "16s to 17.6s"];
    assert_eq!(waits, [&intervals[..], &["30s to 33s"; 2]].concat());
    assert_eq!(policy.kill_time, Duration::from_secs(5));
}

#[test]
fn f_193_docker() {
    let policy = Policy::docker();
    let doubling = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0];
    assert_eq!(delays(policy, &[0.0; 12]), doubling);
    assert_eq!(delays(policy, &[9.9, 9.9, 10.0, 0.0, 10.0, 10.0]), [0.1, 0.2, 0.1, 0.2, 0.1, 0.1]);
    assert_eq!(policy.kill_time, Duration::from_secs(10));
}

#[test]
fn every_preset_is_valid() {
    for preset in [
        Policy::twisted(),
        Policy::supervisord(),
        Policy::systemd(),
        Policy::kubernetes(),
        Policy::otp(),
        Policy::pebble(),
        Policy::docker(),
    ] {
        assert_eq!(preset.check(), Ok(()));
    }
}

#[test]
fn f_194_jitter_is_the_same_for_the_same_seed_and_stays_in_the_schedule() {
    let policy = Policy::pebble();
    let waits = delays(policy, &[0.0; 50]);
    assert_eq!(waits, delays(policy, &[0.0; 50]));
    for (delay, wait) in waits.iter().zip(policy.schedule()) {
        assert!(wait.contains(Duration::from_secs_f64(*delay)), "{delay} s is not {wait}");
    }
    let at_limit = &waits[6..];
    assert!(at_limit.iter().any(|delay| *delay > 32.0) && at_limit.iter().any(|delay| *delay < 31.0));
}

/// Returns the phase after a run that exits at once.
fn phase_after(policy: Policy, exit: Exit) -> Phase {
    let mut harness = Harness::running();
    harness.add_with("a", policy);
    harness.exit("a", exit);
    harness.phase("a")
}

fn policies() -> impl Strategy<Value = Policy> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    let growth = prop_oneof![
        Just(Growth::Doubling),
        (1.0..3.0).prop_map(Growth::Factor),
        millis(0..5000).prop_map(Growth::Linear),
        (1u32..6).prop_map(Growth::Steps),
        Just(Growth::Fixed),
        Just(Growth::DoublingAfterFirst),
        Just(Growth::AtOnce),
    ];
    let jitter = prop_oneof![Just(Jitter::NONE), (0.0..1.0).prop_map(|part| Jitter::new(part).unwrap())];
    let give_up = (1u32..8, prop::option::of(millis(1..30_000)));
    let long_run = prop_oneof![Just(LongRun::AtOnce), Just(LongRun::FirstDelay)];
    (millis(0..3000), millis(1..2000), millis(0..10_000), growth, jitter, give_up, long_run).prop_map(
        |(threshold, min_restart_delay, more, growth, jitter, (failures, within), long_run)| Policy {
            threshold,
            min_restart_delay,
            max_restart_delay: min_restart_delay + more,
            growth,
            jitter,
            long_run,
            give_up: Some(GiveUp { failures, within, then: OnGiveUp::StayDown }),
            ..Policy::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f_194_the_time_until_giving_up_is_known_beforehand(policy in policies(), run in 0u64..4000) {
        prop_assert_eq!(policy.check(), Ok(()));
        let run_length = Duration::from_millis(run);
        let expected = policy.time_until_gives_up(run_length);
        let mut harness = Harness::running();
        harness.add_with("a", policy);
        let mut gave_up = None;
        // More failures than are needed for any of these policies.
        for _ in 0..30 {
            harness.advance_by(run_length);
            harness.code("a", 1);
            if harness.phase("a") == Phase::GaveUp {
                gave_up = Some(harness.now - harness.epoch);
                break;
            }
            let status = harness.status("a");
            harness.advance_by(status.next_start.unwrap() - harness.now);
        }
        match (expected, gave_up) {
            (Some(expected), Some(actual)) => prop_assert!(expected.contains(actual), "{actual:?} is not {expected}"),
            (None, None) => {}
            // With jitter, the delays may happen to be short.
            (None, Some(_)) => prop_assert!(policy.jitter != Jitter::NONE),
            (Some(expected), None) => prop_assert!(false, "it is not given up after {expected}"),
        }
    }
}
