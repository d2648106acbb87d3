//! The state of one elementary condition.

use std::time::{Duration, Instant};

use super::condition::Leaf;
use crate::host::health::{ConditionKind, ConditionState, ConditionStatus};
use crate::host::{ProbeError, ProbeOwner, ProbeTarget};

/// A server is noticed late by at most this fraction of the time that it has taken so far. A server that
/// takes a second causes some three hundred probes, of less than a hundredth of that second.
const LATENESS: u32 = 50;

/// The shortest delay between two probes. A server that listens after one millisecond is not kept waiting for
/// another one.
const SHORTEST: Duration = Duration::from_micros(50);

/// The shortest delay between two probes when the program has printed something, since some programs print
/// without pause.
const AFTER_OUTPUT: Duration = Duration::from_millis(1);

/// The longest delay between two attempts, and the shortest between two commands.
const LONGEST: Duration = Duration::from_millis(100);

/// An elementary condition, whether it is met, and the state of its attempts.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct LeafState {
    leaf: Leaf,
    /// The time after the start when it was met. It stays met.
    met: Option<Duration>,
    remark: Option<String>,
    attempt: AttemptState,
    attempts: u32,
}

/// The state of the attempts for one leaf. A leaf that is only waited for stays `Idle`.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum AttemptState {
    Idle,
    InFlight {
        since: Instant,
        /// Whether the program has printed something since the attempt began, so that the next one should be
        /// soon.
        has_printed: bool,
    },
    /// The attempt that began at `began` has failed; the next one is due at `until`.
    Delayed {
        began: Instant,
        until: Instant,
    },
}

/// The shortest delays between two attempts.
struct Delays {
    shortest: Duration,
    after_output: Duration,
}

/// Something that happened to one leaf.
#[derive(Clone, Debug)]
pub(crate) enum LeafEvent {
    /// The notification has arrived.
    Met,
    /// The output has matched this many times in total.
    Matched(u32),
    /// A remark for the report.
    Remark(String),
    /// The attempt with this number has ended.
    Attempt(u32, AttemptResult),
}

/// The result of an attempt.
#[derive(Clone, Debug)]
pub(crate) enum AttemptResult {
    Probe(Result<ProbeOwner, ProbeError>),
    /// The result of a command; the error is the text to report.
    Command(Result<(), String>),
}

impl LeafState {
    pub(super) fn new(leaf: Leaf) -> Self {
        Self { leaf, met: None, remark: None, attempt: AttemptState::Idle, attempts: 0 }
    }

    pub(super) fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    pub(super) fn is_met(&self) -> bool {
        self.met.is_some()
    }

    /// Returns whether the leaf takes attempts, such as probes, instead of only being waited for.
    pub(super) fn takes_attempts(&self) -> bool {
        self.delays().is_some()
    }

    /// Returns how often attempts may be made. A command costs more than a connection.
    fn delays(&self) -> Option<Delays> {
        match self.leaf {
            Leaf::Probe { .. } => Some(Delays { shortest: SHORTEST, after_output: AFTER_OUTPUT }),
            Leaf::Command(_) => Some(Delays { shortest: LONGEST, after_output: LONGEST }),
            Leaf::Uptime(_) | Leaf::Output(_) | Leaf::Notify(_) | Leaf::SdNotify => None,
        }
    }

    /// Returns the required uptime if this leaf is an uptime that has not been reached.
    pub(super) fn missing_uptime(&self) -> Option<Duration> {
        match self.leaf {
            Leaf::Uptime(uptime) if self.met.is_none() => Some(uptime),
            Leaf::Uptime(_)
            | Leaf::Output(_)
            | Leaf::Probe { .. }
            | Leaf::Command(_)
            | Leaf::Notify(_)
            | Leaf::SdNotify => None,
        }
    }

    pub(super) fn set_met(&mut self, after: Duration) {
        self.met.get_or_insert(after);
    }

    /// Handles an event of this leaf. The result of an attempt that is not in flight is ignored.
    pub(super) fn handle_event(&mut self, event: LeafEvent, started: Instant, now: Instant) {
        let after = now.saturating_duration_since(started);
        match event {
            LeafEvent::Met => self.set_met(after),
            LeafEvent::Matched(count) => self.handle_matches(count, after),
            LeafEvent::Remark(remark) => self.remark = Some(remark),
            LeafEvent::Attempt(number, result) => {
                if let AttemptState::InFlight { since, has_printed } = self.attempt
                    && number == self.attempts
                {
                    self.delay_next_attempt(since, has_printed, after, now);
                    self.handle_result(result, after);
                }
            }
        }
    }

    fn handle_matches(&mut self, count: u32, after: Duration) {
        let Leaf::Output(wanted) = &self.leaf else { return };
        if count >= wanted.required() {
            self.set_met(after);
            self.remark = None;
        } else {
            self.remark = Some(format!("seen {count} of {} times", wanted.required()));
        }
    }

    fn handle_result(&mut self, result: AttemptResult, after: Duration) {
        let any_owner = matches!(self.leaf, Leaf::Probe { any_owner: true, .. });
        let (met, remark) = match result {
            AttemptResult::Probe(Ok(ProbeOwner::Own)) | AttemptResult::Command(Ok(())) => (true, None),
            AttemptResult::Probe(Ok(ref owner @ ProbeOwner::Stranger(ref process))) => {
                let remark =
                    if any_owner { format!("answered by {process}") } else { format!("held by {owner}") };
                (any_owner, Some(remark))
            }
            AttemptResult::Probe(Ok(owner @ ProbeOwner::Unverified(_))) => (true, Some(owner.to_string())),
            AttemptResult::Probe(Err(error)) => (false, Some(error.to_string())),
            AttemptResult::Command(Err(failure)) => (false, Some(failure)),
        };
        self.remark = remark;
        if met {
            self.set_met(after);
        }
    }

    fn delay_next_attempt(&mut self, began: Instant, has_printed: bool, after: Duration, now: Instant) {
        let Some(delays) = self.delays() else { return };
        // At most half of a core is spent on attempts, however long they take.
        let took = now.saturating_duration_since(began);
        let until = now + (after / LATENESS).max(took).clamp(delays.shortest, LONGEST);
        let until = if has_printed { until.min((began + delays.after_output).max(now)) } else { until };
        self.attempt = AttemptState::Delayed { began, until };
    }

    /// Makes the next attempt sooner, because the program has printed something: it may have begun to listen.
    pub(super) fn handle_output(&mut self) {
        let delays = self.delays();
        match &mut self.attempt {
            AttemptState::Idle => {}
            AttemptState::InFlight { has_printed, .. } => *has_printed = true,
            AttemptState::Delayed { began, until } => {
                let sooner = delays.map(|delays| *began + delays.after_output);
                *until = sooner.map_or(*until, |sooner| sooner.min(*until));
            }
        }
    }

    /// Returns when the next attempt is due; `None` before the first attempt and while one is in flight.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        match self.attempt {
            AttemptState::Idle | AttemptState::InFlight { .. } => None,
            AttemptState::Delayed { until, .. } => Some(until),
        }
    }

    /// Begins an attempt if one is due, and returns its number.
    pub(super) fn begin_attempt(&mut self, now: Instant) -> Option<u32> {
        let is_due = match self.attempt {
            AttemptState::Idle => true,
            AttemptState::InFlight { .. } => false,
            AttemptState::Delayed { until, .. } => until <= now,
        };
        is_due.then(|| {
            self.attempts += 1;
            self.attempt = AttemptState::InFlight { since: now, has_printed: false };
            self.attempts
        })
    }

    /// Returns the status of the leaf at `now`.
    pub(super) fn status(&self, started: Option<Instant>, now: Instant) -> ConditionStatus {
        let after = started.map_or(Duration::ZERO, |started| now.saturating_duration_since(started));
        let state = self.met.map_or(ConditionState::Missing { after }, |after| ConditionState::Met { after });
        let remark = self.remark.clone().or_else(|| self.attempt_remark(now));
        let kind = match &self.leaf {
            Leaf::Output(_) => ConditionKind::Output,
            Leaf::Probe { target: ProbeTarget::Port(port) | ProbeTarget::Http { port, .. }, .. } => {
                ConditionKind::Port(*port)
            }
            Leaf::Probe { target: ProbeTarget::Unix(_), .. }
            | Leaf::Uptime(_)
            | Leaf::Command(_)
            | Leaf::Notify(_)
            | Leaf::SdNotify => ConditionKind::Other,
        };
        ConditionStatus { what: self.leaf.to_string(), state, remark, kind }
    }

    /// Describes why there is no result of an attempt yet.
    fn attempt_remark(&self, now: Instant) -> Option<String> {
        match self.attempt {
            _ if self.is_met() || !self.takes_attempts() => None,
            AttemptState::Idle => Some("not tried yet".to_owned()),
            AttemptState::InFlight { since, .. } => {
                Some(format!("no answer for {:.1?}", now.saturating_duration_since(since)))
            }
            AttemptState::Delayed { .. } => None,
        }
    }
}
