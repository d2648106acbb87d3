//! One run of a process, and how it comes to its end.

use std::time::{Duration, Instant};

use super::turn::Turn;
use super::{Containment, Exit, Output, Policy, RunId};

/// A run, from the order to start it to its end.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) pid: Option<u32>,
    pub(super) containment: Option<Containment>,
    pub(super) since: Instant,
    /// Its output is at its end.
    pub(super) closed: bool,
    /// It was asked to end.
    pub(super) asked: bool,
    /// Start another as soon as this one is over, whatever the policy says.
    pub(super) again: bool,
    /// The definition it was started from was removed, and another took the name: nothing of it counts for that one.
    pub(super) disowned: bool,
}

/// The process itself has died.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    pub(super) exit: Exit,
    pub(super) at: Instant,
}

/// The group is not known to be empty: when to look next, and who was there last time.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) at: Instant,
    pause: Duration,
    pub(super) left: Vec<u32>,
}

/// What the end of a run still waits for.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) run: Run,
    /// `None`: KILL was sent, and the process has not died of it yet.
    pub(super) death: Option<Death>,
    /// `Some`: its group has not either.
    pub(super) look: Option<Look>,
    /// How long the output may stay open.
    pub(super) close_at: Option<Instant>,
    /// When to name who is still not gone.
    pub(super) give_up_at: Option<Instant>,
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

impl Look {
    const FIRST: Duration = Duration::from_millis(2);
    const LONGEST: Duration = Duration::from_millis(64);

    /// Looks again soon: somebody was there just now.
    pub(super) fn soon(left: Vec<u32>, now: Instant) -> Self {
        Self { at: now + Self::FIRST, pause: Self::FIRST, left }
    }

    /// Looks now if it is time, and less and less often.
    pub(super) fn when_due<S>(&mut self, run: RunId, turn: &mut Turn<'_, S>) {
        if self.at <= turn.now {
            self.pause = (self.pause * 2).min(Self::LONGEST);
            self.at = turn.now + self.pause;
            turn.push(Output::Look { run });
        }
    }
}

impl Ending {
    /// KILL was just sent to the group.
    pub(super) fn killed(
        run: Run,
        orphans: Option<(Death, Look)>,
        leak_timeout: Duration,
        now: Instant,
    ) -> Self {
        let (death, look) = orphans.unzip();
        let close_at = death.map(|_| now + leak_timeout);
        Self { run, death, look, close_at, give_up_at: Some(now + Policy::KILL_GRACE) }
    }

    /// The process is dead and its group empty.
    pub(super) fn emptied(run: Run, death: Death, leak_timeout: Duration, now: Instant) -> Self {
        Self { run, death: Some(death), look: None, close_at: Some(now + leak_timeout), give_up_at: None }
    }

    /// Whether somebody is known, or feared, to be alive.
    pub(super) fn has_survivors(&self) -> bool {
        self.death.is_none() || self.look.is_some()
    }

    /// Whether they have outlived KILL for longer than [`Policy::KILL_GRACE`].
    pub(super) fn is_unkillable(&self) -> bool {
        self.has_survivors() && self.give_up_at.is_none()
    }

    /// Whether there is nothing left to wait for: the process dead, its group empty, its output closed or waited for
    /// long enough.
    pub(super) fn is_over(&self) -> Option<Death> {
        self.death.filter(|_| self.look.is_none() && (self.run.closed || self.close_at.is_none()))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let look = self.look.as_ref().map(|look| look.at);
        [look, self.close_at, self.give_up_at].into_iter().flatten().min()
    }

    /// Does what is due, and returns the survivors when they are to be named.
    pub(super) fn tick<S>(&mut self, turn: &mut Turn<'_, S>) -> Option<Vec<u32>> {
        if let Some(look) = &mut self.look {
            look.when_due(self.run.id, turn);
        }
        let due = |deadline: &mut Option<Instant>| deadline.take_if(|at| *at <= turn.now).is_some();
        due(&mut self.close_at);
        (due(&mut self.give_up_at) && self.has_survivors()).then(|| match &self.look {
            Some(look) => look.left.clone(),
            None => self.run.pid.into_iter().collect(),
        })
    }
}
