//! One run of a process, and how it comes to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Containment, Exit, Name, Notice, NoticeKind, Output, Policy, RunId, Signal, SignalTarget};

/// A run, from the output that starts it to its end.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) pid: Option<u32>,
    pub(super) containment: Option<Containment>,
    pub(super) since: Instant,
    /// Whether both output streams have ended.
    pub(super) closed: bool,
    /// Whether it was asked to end.
    pub(super) asked: bool,
    /// Whether the process is started again as soon as this run is over, whatever the policy says.
    pub(super) again: bool,
    /// Whether its definition was removed and the name reused: the run does not count for the new definition.
    pub(super) disowned: bool,
}

/// The death of the leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    pub(super) exit: Exit,
    pub(super) at: Instant,
}

/// The repeated check whether the family of a dead leader is gone.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct FamilyPoll {
    /// When to check next.
    pub(super) at: Instant,
    interval: Duration,
    /// The result of the last check.
    pub(super) remaining: Vec<u32>,
}

/// The state of a run that is dead or killed, and not over.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ending {
    pub(super) run: Run,
    /// `None` if KILL was sent and the leader has not died of it yet.
    pub(super) death: Option<Death>,
    /// `Some` if the rest of the family has not died yet.
    pub(super) family: Option<FamilyPoll>,
    /// Until when the end of the output is awaited.
    pub(super) close_at: Option<Instant>,
    /// When the survivors are reported.
    pub(super) give_up_at: Option<Instant>,
}

/// The parts of the machine that a process uses while it handles an input.
#[derive(Debug)]
pub(super) struct Context<'a, S> {
    pub(super) now: Instant,
    /// Whether the service runs.
    pub(super) running: bool,
    /// The index of the process in the machine's table.
    pub(super) slot: usize,
    pub(super) runs: &'a mut u64,
    pub(super) out: &'a mut VecDeque<Output<S>>,
}

impl<S> Context<'_, S> {
    pub(super) fn next_run(&mut self) -> RunId {
        *self.runs += 1;
        RunId::new(*self.runs, self.slot)
    }

    pub(super) fn push(&mut self, output: Output<S>) {
        self.out.push_back(output);
    }

    pub(super) fn signal(&mut self, run: RunId, target: SignalTarget, signal: Signal) {
        self.push(Output::Signal { run, target, signal });
    }

    pub(super) fn kill(&mut self, run: RunId) {
        self.signal(run, SignalTarget::Family, Signal::KILL);
    }

    pub(super) fn publish(&mut self, name: Name, run: RunId, kind: NoticeKind) {
        self.push(Output::Notice(Notice { at: self.now, name, run, kind }));
    }
}

impl Run {
    pub(super) fn new(id: RunId, now: Instant) -> Self {
        Self {
            id,
            pid: None,
            containment: None,
            since: now,
            closed: false,
            asked: false,
            again: false,
            disowned: false,
        }
    }
}

impl FamilyPoll {
    const FIRST: Duration = Duration::from_millis(2);
    const LONGEST: Duration = Duration::from_millis(64);

    /// Begins with `remaining`, the result of a check at `now`.
    pub(super) fn new(remaining: Vec<u32>, now: Instant) -> Self {
        Self { at: now + Self::FIRST, interval: Self::FIRST, remaining }
    }

    /// Requests the next check if it is due. The intervals grow.
    pub(super) fn handle_timeout<S>(&mut self, run: RunId, cx: &mut Context<'_, S>) {
        if self.at <= cx.now {
            self.interval = (self.interval * 2).min(Self::LONGEST);
            self.at = cx.now + self.interval;
            cx.push(Output::ListFamily { run });
        }
    }
}

impl Ending {
    /// Begins when KILL has been sent to the family.
    pub(super) fn killed(
        run: Run,
        orphans: Option<(Death, FamilyPoll)>,
        leak_timeout: Duration,
        now: Instant,
    ) -> Self {
        let (death, family) = orphans.unzip();
        let close_at = death.map(|_| now + leak_timeout);
        Self { run, death, family, close_at, give_up_at: Some(now + Policy::KILL_GRACE) }
    }

    /// Begins when the whole family is dead.
    pub(super) fn dead(run: Run, death: Death, leak_timeout: Duration, now: Instant) -> Self {
        Self { run, death: Some(death), family: None, close_at: Some(now + leak_timeout), give_up_at: None }
    }

    /// Whether a process of the family may be alive.
    pub(super) fn has_survivors(&self) -> bool {
        self.death.is_none() || self.family.is_some()
    }

    /// Whether the family has outlived KILL for longer than [`Policy::KILL_GRACE`].
    pub(super) fn is_unkillable(&self) -> bool {
        self.has_survivors() && self.give_up_at.is_none()
    }

    /// Returns the death of the leader if the run is over: the family is dead, and the output has ended or
    /// was awaited for long enough.
    pub(super) fn is_over(&self) -> Option<Death> {
        self.death.filter(|_| self.family.is_none() && (self.run.closed || self.close_at.is_none()))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let family = self.family.as_ref().map(|poll| poll.at);
        [family, self.close_at, self.give_up_at].into_iter().flatten().min()
    }

    /// Does what is due. Returns the survivors when it is time to report them.
    pub(super) fn handle_timeout<S>(&mut self, cx: &mut Context<'_, S>) -> Option<Vec<u32>> {
        if let Some(family) = &mut self.family {
            family.handle_timeout(self.run.id, cx);
        }
        let due = |deadline: &mut Option<Instant>| deadline.take_if(|at| *at <= cx.now).is_some();
        due(&mut self.close_at);
        (due(&mut self.give_up_at) && self.has_survivors()).then(|| match &self.family {
            Some(family) => family.remaining.clone(),
            None => self.run.pid.into_iter().collect(),
        })
    }
}
