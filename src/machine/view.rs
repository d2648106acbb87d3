//! A process as others see it: its users, and the processes that are related to it.

use std::time::Instant;

use super::child::Child;
use super::run::{Readiness, Run};
use super::state::{Goal, Rest, State};
use super::status::{Phase, Status};
use super::{RunId, Until};

/// The state of a process as far as it concerns other processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) level: Level,
    /// The run that is alive, or may be; `None` also if it has outlived KILL and was reported.
    pub(super) run: Option<RunId>,
    /// Whether a run is due, or will be after a delay.
    pub(super) pending: bool,
    /// Whether a run is due.
    pub(super) blocked: bool,
}

/// The conditions of dependents that a process meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) up: bool,
    pub(super) ready: bool,
    pub(super) completed: bool,
}

impl Level {
    /// Whether a condition holds.
    pub(super) fn meets(self, until: Until) -> bool {
        match until {
            Until::Started => self.up,
            Until::Ready => self.ready,
            Until::Completed => self.completed,
        }
    }

    /// Whether a run on which a dependent may have relied has ended, compared with `earlier`.
    pub(super) fn has_ended_since(self, earlier: Self, until: Until) -> bool {
        match until {
            Until::Started | Until::Ready => earlier.up && !self.up,
            Until::Completed => earlier.completed && !self.completed,
        }
    }
}

impl<S> Child<S> {
    pub(super) fn facts(&self) -> Facts {
        let level = match &self.state {
            State::Up(run) => {
                let ready = matches!(run.readiness, Readiness::Since(_));
                #[cfg(test)]
                let ready = ready || self.last.is_some() && super::mutant::keeps_readiness();
                Level { up: true, ready, completed: false }
            }
            State::Down(Rest::Completed) => Level { completed: true, ..Level::default() },
            _ => Level::default(),
        };
        let run = match &self.state {
            State::Ending(ending) if ending.is_unkillable() => None,
            state => state.run().map(|run| run.id),
        };
        let blocked = matches!(self.state, State::Blocked(_));
        Facts { level, run, pending: blocked || matches!(self.state, State::Waiting { .. }), blocked }
    }

    /// Returns the time at which it is a failure that `run` is not ready.
    pub(super) fn ready_until(&self, run: &Run) -> Option<Instant> {
        match run.readiness {
            Readiness::Pending => run.since.checked_add(self.settings.ready?),
            Readiness::Since(_) | Readiness::Lost => None,
        }
    }

    /// Returns its state, without what it is blocked on.
    pub(super) fn status(&self) -> Status {
        let run = self.state.run();
        let phase = match &self.state {
            State::Down(_) if self.goal == Goal::Hold => Phase::Held,
            State::Down(Rest::Idle) => Phase::Down,
            State::Down(Rest::Completed) => Phase::Completed,
            State::Down(Rest::Failed) => Phase::Failed,
            State::Down(Rest::GaveUp) => Phase::GaveUp,
            State::Starting { .. } => Phase::Starting,
            State::Up(_) => Phase::Up,
            State::Stopping { .. } => Phase::Stopping,
            State::Ending(ending) if ending.is_unkillable() => Phase::Unkillable,
            State::Ending(_) => Phase::Ending,
            State::Waiting { .. } => Phase::Waiting,
            State::Blocked(_) => Phase::Blocked,
        };
        let policy = *self.settings.policy;
        Status {
            name: self.name.clone(),
            phase,
            held: self.goal == Goal::Hold,
            run: run.map(|run| run.id),
            pid: run.and_then(Run::pid),
            containment: run.and_then(|run| run.containment),
            since: run.map(|run| run.since),
            restarts: self.starts.saturating_sub(1),
            last: self.last.as_ref().map(|last| last.result.clone()),
            delay: self.exact_delay(),
            next_start: match self.state {
                State::Waiting { until } => Some(until),
                _ => None,
            },
            ready_since: match (&self.state, run.map(|run| run.readiness)) {
                (State::Up(_), Some(Readiness::Since(since))) => Some(since),
                _ => None,
            },
            kill_at: match self.state {
                State::Stopping { kill_at, .. } => Some(kill_at),
                _ => None,
            },
            blocked_on: None,
            failures: self.failures.count(policy.give_up),
            policy,
        }
    }
}
