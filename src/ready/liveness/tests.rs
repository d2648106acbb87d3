//! Whole stories of the liveness gate in virtual time, and its laws in random states.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::drive::laws;
use crate::host::{ProbeError, ProbeOwner};
use crate::ready::Condition;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs an instant to begin at")]
    Instant::now()
}

fn refused() -> AttemptResult {
    let error = io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
    AttemptResult::Probe(Err(ProbeError::from(error)))
}

fn answered() -> AttemptResult {
    AttemptResult::Probe(Ok(ProbeOwner::Own))
}

fn liveness(failures: u32) -> Liveness {
    Liveness { every: SECOND, failures, grace: Duration::ZERO }
}

/// A gate whose time is moved by the test.
struct Trial {
    gate: LivenessGate,
    now: Instant,
    check: u32,
}

impl Trial {
    fn new(condition: Condition, liveness: Liveness, watchdog: Option<Duration>) -> Self {
        let now = start();
        let checks = Some((FlatCondition::new(&condition), liveness));
        Self { gate: LivenessGate::new(checks, watchdog, now), now, check: 0 }
    }

    fn with_watchdog(timeout: Duration) -> Self {
        let now = start();
        Self { gate: LivenessGate::new(None, Some(timeout), now), now, check: 0 }
    }

    fn advance(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut outputs = Vec::new();
        while let Some(at) = self.gate.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.gate.handle_timeout(at);
            outputs.append(&mut self.outputs());
        }
        self.now = end;
        outputs
    }

    fn outputs(&mut self) -> Vec<Output> {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.gate.poll_output()).collect();
        for output in &outputs {
            if let Output::Attempt { check, .. } = output {
                self.check = *check;
            }
        }
        outputs
    }

    fn answer(&mut self, leaf: usize, result: AttemptResult) -> Vec<Output> {
        self.gate.handle_event(Event::Attempt { check: self.check, leaf, result }, self.now);
        self.outputs()
    }
}

fn attempt(check: u32, leaf: usize) -> Output {
    Output::Attempt { check, leaf }
}

#[test]
fn f_201_the_failures_must_be_in_a_row() {
    let mut trial = Trial::new(Condition::port(80), liveness(2), None);
    assert_eq!(trial.advance(Duration::ZERO), [attempt(1, 0)]);
    assert_eq!(trial.answer(0, refused()), [Output::EndCheck]);
    assert_eq!(trial.advance(SECOND / 2), []);
    assert_eq!(trial.advance(SECOND / 2), [attempt(2, 0)], "the interval is between two beginnings");
    assert_eq!(trial.answer(0, answered()), [Output::EndCheck]);
    assert_eq!(trial.advance(SECOND), [attempt(3, 0)]);
    assert_eq!(trial.answer(0, refused()), [Output::EndCheck]);
    assert_eq!(trial.advance(SECOND), [attempt(4, 0)]);
    let unhealthy = "2 checks in a row failed, at last port 80: refused".to_owned();
    assert_eq!(trial.answer(0, refused()), [Output::Unhealthy(unhealthy)]);
    assert_eq!(trial.gate.poll_timeout(), None, "nothing more happens");
}

#[test]
fn f_201_a_check_without_an_answer_fails_when_the_next_one_is_due() {
    let mut trial = Trial::new(Condition::port(80), liveness(2), None);
    assert_eq!(trial.advance(SECOND), [attempt(1, 0), Output::EndCheck, attempt(2, 0)]);
    trial.gate.handle_event(Event::Attempt { check: 1, leaf: 0, result: answered() }, trial.now);
    let reason = "2 checks in a row failed, at last port 80: no answer for 1.0s".to_owned();
    assert_eq!(
        trial.advance(SECOND),
        [Output::Unhealthy(reason)],
        "the late answer to the first check does not count for the second"
    );
}

#[test]
fn f_201_the_first_check_is_made_after_the_grace() {
    let grace = 5 * SECOND;
    let mut trial = Trial::new(Condition::port(80), Liveness { grace, ..liveness(1) }, None);
    assert_eq!(trial.advance(grace - Duration::from_millis(1)), []);
    assert_eq!(trial.advance(Duration::from_millis(1)), [attempt(1, 0)]);
    let reason = "a check failed: port 80: refused".to_owned();
    assert_eq!(trial.answer(0, refused()), [Output::Unhealthy(reason)]);
}

#[test]
fn f_201_all_and_any_are_decided_as_soon_as_possible() {
    let any = Condition::any([Condition::port(80), Condition::port(81)]);
    let mut trial = Trial::new(any, liveness(1), None);
    assert_eq!(trial.advance(Duration::ZERO), [attempt(1, 0), attempt(1, 1)]);
    assert_eq!(trial.answer(1, refused()), []);
    assert_eq!(trial.answer(0, answered()), [Output::EndCheck]);
    let all = Condition::all([Condition::port(80), Condition::port(81)]);
    let mut trial = Trial::new(all, liveness(1), None);
    assert_eq!(trial.advance(Duration::ZERO), [attempt(1, 0), attempt(1, 1)]);
    assert_eq!(trial.answer(1, answered()), []);
    let reason = "a check failed: port 80: refused".to_owned();
    assert_eq!(trial.answer(0, refused()), [Output::Unhealthy(reason)]);
}

#[test]
fn an_empty_condition_is_always_met() {
    let mut trial = Trial::new(Condition::all([]), liveness(1), None);
    assert_eq!(trial.advance(3 * SECOND), vec![Output::EndCheck; 4]);
}

#[test]
fn f_202_a_watchdog_that_is_not_fed_in_time_ends_the_run() {
    let mut trial = Trial::with_watchdog(SECOND);
    let feed = |trial: &mut Trial, signal| {
        trial.gate.handle_event(Event::Watchdog(signal), trial.now);
        trial.outputs()
    };
    for _ in 0..3 {
        assert_eq!(trial.advance(SECOND - Duration::from_millis(1)), []);
        assert_eq!(feed(&mut trial, WatchdogSignal::Alive), []);
    }
    assert_eq!(feed(&mut trial, WatchdogSignal::Timeout(4 * SECOND)), []);
    assert_eq!(trial.advance(4 * SECOND - Duration::from_millis(1)), []);
    let reason = "it has not sent WATCHDOG=1 for 4s".to_owned();
    assert_eq!(trial.advance(Duration::from_millis(1)), [Output::Unhealthy(reason)]);

    let mut trial = Trial::with_watchdog(SECOND);
    let reason = "it has sent WATCHDOG=trigger".to_owned();
    assert_eq!(feed(&mut trial, WatchdogSignal::Trigger), [Output::Unhealthy(reason)]);
    assert_eq!(feed(&mut trial, WatchdogSignal::Trigger), []);
}

#[test]
fn without_a_watchdog_its_notifications_mean_nothing() {
    let mut trial = Trial::new(Condition::port(80), liveness(1), None);
    trial.advance(Duration::ZERO);
    trial.gate.handle_event(Event::Watchdog(WatchdogSignal::Trigger), trial.now);
    assert_eq!(trial.outputs(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i_3_the_laws_hold_for_the_health_of_a_run(steps in prop::collection::vec(any::<u16>(), 0..64)) {
        let condition = Condition::any([
            Condition::all([Condition::port(80), Condition::port(81)]),
            Condition::port(82),
        ]);
        let mut trial = Trial::new(condition, liveness(3), Some(4 * SECOND));
        let mut is_over = false;
        for step in steps {
            let choice = usize::from(step >> 4);
            let outputs = match step % 8 {
                0..3 => trial.answer(choice % 3, refused()),
                3 => trial.answer(choice % 3, answered()),
                4 => {
                    trial.gate.handle_event(Event::Watchdog(WatchdogSignal::Alive), trial.now);
                    trial.outputs()
                }
                _ => trial.advance(Duration::from_millis(choice as u64 % 2048)),
            };
            prop_assert!(!is_over || outputs.is_empty(), "an output after the last one: {outputs:?}");
            is_over |= matches!(outputs.last(), Some(Output::Unhealthy(_)));
            let check = trial.check.wrapping_sub(1);
            let stale = Event::Attempt { check, leaf: choice % 3, result: refused() };
            laws::check(&trial.gate, trial.now, [stale], |gate| format!("{gate:?}"));
        }
    }
}
