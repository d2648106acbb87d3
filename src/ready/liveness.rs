//! The state machine that decides whether a run that is ready still works: one gate for one run.
//!
//! A check is one attempt for each part of the condition. It fails when the condition does not hold with all
//! results, or when results are missing by the time of the next check. A program with a watchdog has to send
//! notifications. After the verdict, which is that the run is unhealthy, nothing more happens.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::condition::Leaf;
use super::gate::FlatCondition;
use super::leaf::{AttemptResult, LeafEvent, LeafState};
use super::notify::WatchdogSignal;
use crate::drive::StateMachine;

/// The times of the checks that [`Spec::alive`](crate::Spec) requires.
///
/// ```
/// use std::time::Duration;
/// use childminder::ready::Liveness;
///
/// let liveness = Liveness { every: Duration::from_secs(2), ..Liveness::default() };
/// assert_eq!((liveness.failures, liveness.grace), (3, Duration::ZERO));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// The time from the beginning of one check to that of the next. A check without a result by then has
    /// failed. It may not be zero. Default: 10 s.
    pub every: Duration,
    /// The number of failed checks in a row after which the run is unhealthy. It may not be zero. Default: 3.
    pub failures: u32,
    /// The time from the readiness of the run to the first check. Default: zero.
    pub grace: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { every: Duration::from_secs(10), failures: 3, grace: Duration::ZERO }
    }
}

/// Decides whether one run is healthy.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct LivenessGate {
    checks: Option<Checks>,
    watchdog: Option<Watchdog>,
    outputs: VecDeque<Output>,
}

/// The checks of a condition.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Checks {
    condition: FlatCondition,
    liveness: Liveness,
    /// The number of the last check.
    number: u32,
    /// The number of failed checks in a row.
    failures: u32,
    state: CheckState,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum CheckState {
    /// The next check begins at this time.
    Idle(Option<Instant>),
    Checking {
        began: Instant,
        /// The time of the next check, at which this one fails.
        until: Option<Instant>,
        leaves: Vec<LeafState>,
        /// The leaves whose attempts have no result.
        missing: Vec<usize>,
    },
}

/// The notifications that a program has to send.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Watchdog {
    timeout: Duration,
    /// The time by which the next one has to arrive.
    due: Option<Instant>,
}

/// Something that happened to the run.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The attempt for this leaf in the check with this number has ended.
    Attempt { check: u32, leaf: usize, result: AttemptResult },
    /// The program has sent a notification.
    Watchdog(WatchdogSignal),
}

/// Something to be done by the driver of the gate.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    /// Make an attempt for this leaf.
    Attempt { check: u32, leaf: usize },
    /// The result of the check is known: drop the attempts that are in flight.
    EndCheck,
    /// The run does not work, for this reason. This is the last output.
    Unhealthy(String),
}

impl StateMachine for LivenessGate {
    type Event = Event;
    type Output = Output;

    fn handle_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Attempt { check, leaf, result } => {
                let Some(checks) = self.checks.as_mut().filter(|checks| checks.number == check) else {
                    return;
                };
                let unhealthy = checks.handle_result(leaf, result, now, &mut self.outputs);
                self.end_if(unhealthy);
            }
            Event::Watchdog(signal) => {
                let unhealthy = self.watchdog.as_mut().and_then(|watchdog| watchdog.handle(signal, now));
                self.end_if(unhealthy);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let missed = self.watchdog.as_ref().and_then(|watchdog| watchdog.check(now));
        self.end_if(missed);
        let failed = self.checks.as_mut().and_then(|checks| checks.advance(now, &mut self.outputs));
        self.end_if(failed);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let check = self.checks.as_ref().and_then(|checks| match checks.state {
            CheckState::Idle(next) => next,
            CheckState::Checking { until, .. } => until,
        });
        check.into_iter().chain(self.watchdog.as_ref().and_then(|watchdog| watchdog.due)).min()
    }
}

impl LivenessGate {
    /// Creates a gate for a run that is ready since `now`. Without checks and without a watchdog it is never
    /// unhealthy.
    pub(super) fn new(
        checks: Option<(FlatCondition, Liveness)>,
        watchdog: Option<Duration>,
        now: Instant,
    ) -> Self {
        let checks = checks.map(|(condition, liveness)| Checks {
            condition,
            liveness,
            number: 0,
            failures: 0,
            state: CheckState::Idle(now.checked_add(liveness.grace)),
        });
        let watchdog = watchdog.map(|timeout| Watchdog { timeout, due: now.checked_add(timeout) });
        Self { checks, watchdog, outputs: VecDeque::new() }
    }

    /// Returns the part of the condition with this number.
    pub(super) fn leaf(&self, leaf: usize) -> Option<&Leaf> {
        self.checks.as_ref()?.condition.leaves().nth(leaf).map(|(_, leaf)| leaf)
    }

    fn end_if(&mut self, unhealthy: Option<String>) {
        let Some(reason) = unhealthy else { return };
        *self = Self { checks: None, watchdog: None, outputs: [Output::Unhealthy(reason)].into() };
    }
}

impl Checks {
    /// Ends a check that is overdue, and begins the next one if it is due. Returns the reason if the run is
    /// unhealthy.
    fn advance(&mut self, now: Instant, outputs: &mut VecDeque<Output>) -> Option<String> {
        if let CheckState::Checking { until: Some(until), .. } = self.state
            && until <= now
            && let Some(reason) = self.end_check(false, now, outputs)
        {
            return Some(reason);
        }
        if let CheckState::Idle(Some(next)) = self.state
            && next <= now
        {
            return self.begin_check(now, outputs);
        }
        None
    }

    fn begin_check(&mut self, now: Instant, outputs: &mut VecDeque<Output>) -> Option<String> {
        self.number = self.number.wrapping_add(1);
        let mut leaves: Vec<_> =
            self.condition.leaves().map(|(_, leaf)| LeafState::new(leaf.clone())).collect();
        let missing: Vec<usize> = (0..leaves.len()).collect();
        for leaf in &missing {
            leaves[*leaf].begin_attempt(now);
            outputs.push_back(Output::Attempt { check: self.number, leaf: *leaf });
        }
        let until = now.checked_add(self.liveness.every);
        self.state = CheckState::Checking { began: now, until, leaves, missing };
        self.conclude(now, outputs)
    }

    fn handle_result(
        &mut self,
        leaf: usize,
        result: AttemptResult,
        now: Instant,
        outputs: &mut VecDeque<Output>,
    ) -> Option<String> {
        let CheckState::Checking { began, leaves, missing, .. } = &mut self.state else { return None };
        if missing.contains(&leaf) {
            missing.retain(|missing| *missing != leaf);
            leaves[leaf].handle_event(LeafEvent::Attempt(1, result), *began, now);
        }
        self.conclude(now, outputs)
    }

    /// Ends the check if its result is known.
    fn conclude(&mut self, now: Instant, outputs: &mut VecDeque<Output>) -> Option<String> {
        let CheckState::Checking { leaves, missing, .. } = &self.state else { return None };
        let holds = self.condition.holds(leaves);
        if holds || missing.is_empty() { self.end_check(holds, now, outputs) } else { None }
    }

    fn end_check(&mut self, holds: bool, now: Instant, outputs: &mut VecDeque<Output>) -> Option<String> {
        let idle = CheckState::Idle(None);
        let CheckState::Checking { began, until, leaves, .. } = std::mem::replace(&mut self.state, idle)
        else {
            return None;
        };
        outputs.push_back(Output::EndCheck);
        self.state = CheckState::Idle(until);
        self.failures = if holds { 0 } else { self.failures + 1 };
        (self.failures >= self.liveness.failures).then(|| {
            let statuses = leaves.iter().map(|leaf| leaf.status(Some(began), now));
            let failed: Vec<String> = statuses
                .filter(|status| !status.is_met())
                .map(|status| match status.remark {
                    Some(remark) => format!("{}: {remark}", status.what),
                    None => status.what,
                })
                .collect();
            let failed = failed.join(", ");
            match self.failures {
                1 => format!("a check failed: {failed}"),
                failures => format!("{failures} checks in a row failed, at last {failed}"),
            }
        })
    }
}

impl Watchdog {
    fn handle(&mut self, signal: WatchdogSignal, now: Instant) -> Option<String> {
        match signal {
            WatchdogSignal::Alive => self.due = now.checked_add(self.timeout),
            WatchdogSignal::Timeout(timeout) => {
                self.timeout = timeout;
                self.due = now.checked_add(timeout);
            }
            WatchdogSignal::Trigger => return Some("it has sent WATCHDOG=trigger".to_owned()),
        }
        None
    }

    fn check(&self, now: Instant) -> Option<String> {
        let is_missed = self.due.is_some_and(|due| due <= now);
        is_missed.then(|| format!("it has not sent WATCHDOG=1 for {:?}", self.timeout))
    }
}

#[cfg(test)]
mod tests;
