//! What is known of one leaf of a condition.

use std::time::{Duration, Instant};

use super::condition::Leaf;
use super::progress::{ConditionState, ConditionStatus};
use crate::host::{ProbeError, ProbeOwner};

/// Who is asked again and again is noticed late by at most this part of the time it has taken so far.
const PART: u32 = 20;

/// The shortest time between an attempt and the next: a server that listens within a millisecond should not be kept
/// waiting for another one.
const SHORTEST: Duration = Duration::from_micros(100);

/// The same when something was printed, for there are programs that print without end.
const HASTENED: Duration = Duration::from_millis(1);

/// The longest.
const LONGEST: Duration = Duration::from_millis(100);

/// A leaf, whether it was met, and how the asking goes.
#[derive(Debug)]
pub(super) struct Tally {
    leaf: Leaf,
    /// How long after the start. What was met stays met.
    met: Option<Duration>,
    remark: Option<String>,
    asking: Asking,
    attempts: u32,
}

/// How far the asking is. What is merely waited for stays `Idle`.
#[derive(Debug)]
enum Asking {
    Idle,
    /// An attempt is on its way.
    Out {
        since: Instant,
        /// Something was printed in the meantime: if this comes to nothing another one may not.
        stirred: bool,
    },
    /// An attempt, begun at `asked`, came to nothing.
    Resting {
        asked: Instant,
        until: Instant,
    },
}

/// The least time from an attempt to the next, and the same when something was printed.
struct Pause {
    shortest: Duration,
    hastened: Duration,
}

/// News of one leaf.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// It has come: a notification.
    Met,
    /// The text was seen so many times in all.
    Seen(u32),
    /// Something worth telling if it never comes.
    Remark(String),
    /// The answer to an attempt.
    Answer(u32, Answer),
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Of a probe.
    ProbeFuture(Result<ProbeOwner, ProbeError>),
    /// Of a command: how it failed, in words.
    Command(Result<(), String>),
}

impl Tally {
    pub(super) fn new(leaf: Leaf) -> Self {
        Self { leaf, met: None, remark: None, asking: Asking::Idle, attempts: 0 }
    }

    pub(super) fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    pub(super) fn is_met(&self) -> bool {
        self.met.is_some()
    }

    /// Whether it is asked, and not merely waited for.
    pub(super) fn is_asked(&self) -> bool {
        self.pause().is_some()
    }

    /// How often it may be asked. A command is dearer than a connection.
    fn pause(&self) -> Option<Pause> {
        match self.leaf {
            Leaf::Answers { .. } => Some(Pause { shortest: SHORTEST, hastened: HASTENED }),
            Leaf::Command(_) => Some(Pause { shortest: LONGEST, hastened: LONGEST }),
            Leaf::Uptime(_) | Leaf::OutputMatch(_) | Leaf::Notify(_) | Leaf::SdNotify => None,
        }
    }

    /// The uptime that is waited for here, and was not reached.
    pub(super) fn missing_uptime(&self) -> Option<Duration> {
        match self.leaf {
            Leaf::Uptime(uptime) if self.met.is_none() => Some(uptime),
            Leaf::Uptime(_)
            | Leaf::OutputMatch(_)
            | Leaf::Answers { .. }
            | Leaf::Command(_)
            | Leaf::Notify(_)
            | Leaf::SdNotify => None,
        }
    }

    pub(super) fn meet(&mut self, after: Duration) {
        self.met.get_or_insert(after);
    }

    /// Takes in news of it. An answer that nobody waits for any more changes nothing.
    pub(super) fn hear(&mut self, word: Word, started: Instant, now: Instant) {
        let after = now.saturating_duration_since(started);
        match word {
            Word::Met => self.meet(after),
            Word::Seen(count) => self.see(count, after),
            Word::Remark(remark) => self.remark = Some(remark),
            Word::Answer(attempt, answer) => {
                if let Asking::Out { since, stirred } = self.asking
                    && attempt == self.attempts
                {
                    self.rest(since, stirred, after, now);
                    self.judge(answer, after);
                }
            }
        }
    }

    fn see(&mut self, count: u32, after: Duration) {
        let Leaf::OutputMatch(printed) = &self.leaf else { return };
        if count >= printed.required() {
            self.meet(after);
            self.remark = None;
        } else {
            self.remark = Some(format!("seen {count} of {} times", printed.required()));
        }
    }

    fn judge(&mut self, answer: Answer, after: Duration) {
        let anybody = matches!(self.leaf, Leaf::Answers { anybody: true, .. });
        let (met, remark) = match answer {
            Answer::ProbeFuture(Ok(ProbeOwner::Own)) | Answer::Command(Ok(())) => (true, None),
            Answer::ProbeFuture(Ok(holder @ ProbeOwner::Stranger(_))) => {
                (anybody, Some(format!("held by {holder}")))
            }
            Answer::ProbeFuture(Ok(holder @ ProbeOwner::Unverified(_))) => (true, Some(holder.to_string())),
            Answer::ProbeFuture(Err(error)) => (false, Some(error.to_string())),
            Answer::Command(Err(failure)) => (false, Some(failure)),
        };
        self.remark = remark;
        if met {
            self.meet(after);
        }
    }

    fn rest(&mut self, asked: Instant, stirred: bool, after: Duration, now: Instant) {
        let Some(pause) = self.pause() else { return };
        let until = now + (after / PART).clamp(pause.shortest, LONGEST);
        let until = if stirred { until.min((asked + pause.hastened).max(now)) } else { until };
        self.asking = Asking::Resting { asked, until };
    }

    /// Something was printed: whoever listens now may have said so.
    pub(super) fn stir(&mut self) {
        let pause = self.pause();
        match &mut self.asking {
            Asking::Idle => {}
            Asking::Out { stirred, .. } => *stirred = true,
            Asking::Resting { asked, until } => {
                let hastened = pause.map(|pause| *asked + pause.hastened);
                *until = hastened.map_or(*until, |hastened| hastened.min(*until));
            }
        }
    }

    /// When it is to be asked again; `None` before the first time and while an attempt is on its way.
    pub(super) fn resting_until(&self) -> Option<Instant> {
        match self.asking {
            Asking::Idle | Asking::Out { .. } => None,
            Asking::Resting { until, .. } => Some(until),
        }
    }

    /// Begins an attempt if it is time for one; its number.
    pub(super) fn ask(&mut self, now: Instant) -> Option<u32> {
        let due = match self.asking {
            Asking::Idle => true,
            Asking::Out { .. } => false,
            Asking::Resting { until, .. } => until <= now,
        };
        due.then(|| {
            self.attempts += 1;
            self.asking = Asking::Out { since: now, stirred: false };
            self.attempts
        })
    }

    /// As it stands `after` this long.
    pub(super) fn report(&self, started: Option<Instant>, now: Instant) -> ConditionStatus {
        let after = started.map_or(Duration::ZERO, |started| now.saturating_duration_since(started));
        let state = self.met.map_or(ConditionState::Missing { after }, |after| ConditionState::Met { after });
        let remark = self.remark.clone().or_else(|| self.excuse(now));
        ConditionStatus { what: self.leaf.to_string(), state, remark }
    }

    /// Why there is nothing to tell.
    fn excuse(&self, now: Instant) -> Option<String> {
        match self.asking {
            _ if self.is_met() || !self.is_asked() => None,
            Asking::Idle => Some("not asked yet".to_owned()),
            Asking::Out { since, .. } => {
                Some(format!("no answer for {:.1?}", now.saturating_duration_since(since)))
            }
            Asking::Resting { .. } => None,
        }
    }
}
