//! What is known about a process and its run without looking into the machine.

use std::time::{Duration, Instant};

use crate::machine::key::{Key, bits};
use crate::machine::{Definition, Exit, GiveUp, LongRun, Phase, Policy, Restart, RunId};

/// A process of the world, as it is expected to be.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) defined: bool,
    pub(super) held: bool,
    /// Whether a start was requested by a command and has not happened.
    pub(super) asked: bool,
    /// The number of short runs since the last long one; `None` if it depends on what the machine knew.
    pub(super) deaths: Option<u32>,
    /// The number of failures in a row.
    pub(super) row: u32,
    /// The times of all failures that may still count.
    pub(super) failures: Vec<Instant>,
    /// The end of its last run, until it is decided what follows.
    pub(super) ended: Option<Ended>,
    /// Whether its last run may have been stopped because of others, or was one of an earlier definition.
    pub(super) at_once: bool,
    /// Why it stays down, if it does: completed, failed or given up.
    pub(super) rest: Option<Phase>,
    /// Its position in the order of additions.
    pub(super) order: u32,
    pub(super) run: Option<Run>,
    /// The run before the current one.
    pub(super) past: Option<RunId>,
    /// Whether its last failure happened while a process that it depends on was down.
    pub(super) is_excused: bool,
    /// The last failure that counts and was not excused.
    pub(super) own_failure: Option<Instant>,
    /// Whether it was given up although each failure that counted was excused.
    pub(super) is_innocent: bool,
    /// The numbers of the steps that have begun its last two runs.
    pub(super) begun: [u32; 2],
}

/// A copy uses the memory of the list of failures again; the rest has none.
impl Clone for Process {
    fn clone(&self) -> Self {
        Self { failures: self.failures.clone(), ..*self }
    }

    fn clone_from(&mut self, source: &Self) {
        let mut failures = std::mem::take(&mut self.failures);
        failures.clone_from(&source.failures);
        *self = Self { failures, ..*source };
    }
}

/// The end of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) result: RunResult,
    pub(super) is_short: bool,
    pub(super) at: Instant,
    /// Whether it may have been stopped because of others before it was started.
    pub(super) is_unknown: bool,
}

/// The result of a run, for its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunResult {
    /// It was asked to end.
    Requested,
    Success,
    Failure,
}

/// Whether a run is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Pending,
    Since(Instant),
    Lost,
}

/// A run, as it really is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    /// Whether its start was answered.
    pub(super) up: bool,
    pub(super) since: Instant,
    /// Whether the process that was started lives.
    pub(super) leader: bool,
    /// The number of other live processes of its family.
    pub(super) members: u8,
    /// Whether its output is open.
    pub(super) open: bool,
    pub(super) readiness: Readiness,
    /// Whether another process has answered when it was asked whether it is ready.
    pub(super) is_stale: bool,
    /// Whether it was not ready in time, or unhealthy.
    pub(super) failed: bool,
    /// Whether it may run without what it depends on, because a command has started it.
    pub(super) alone: bool,
    /// Whether a command for this process has asked it to end.
    pub(super) commanded_to_stop: bool,
    /// Whether any command has asked it to end, or it has ended.
    pub(super) may_stop: bool,
    /// Whether it may be stopped because of another process.
    pub(super) affected: bool,
    /// Whether it has to be stopped, because a member of its group has ended.
    pub(super) must_stop: bool,
    /// Whether it was stopped because of another process only.
    pub(super) for_others: bool,
    /// The time of the stop signal.
    pub(super) asked: Option<Instant>,
    pub(super) killed: bool,
    /// Whether it was asked to end or killed while it lived.
    pub(super) requested: bool,
    /// Whether KILL may come early: a kill was requested, or the leader has died by itself.
    pub(super) hurry: bool,
    pub(super) died: Option<Instant>,
    pub(super) exit: Option<Exit>,
    /// Whether it belongs to the current definition, not to one that was removed.
    pub(super) own: bool,
    pub(super) commanded: bool,
    pub(super) command_runs: bool,
    pub(super) command_failed: bool,
    pub(super) termed: bool,
}

impl Run {
    pub(super) fn new(id: RunId, now: Instant) -> Self {
        Self {
            id,
            up: false,
            since: now,
            leader: true,
            members: 0,
            open: true,
            readiness: Readiness::Pending,
            is_stale: false,
            failed: false,
            alone: false,
            commanded_to_stop: false,
            may_stop: false,
            affected: false,
            must_stop: false,
            for_others: false,
            asked: None,
            killed: false,
            requested: false,
            hurry: false,
            died: None,
            exit: None,
            own: true,
            commanded: false,
            command_runs: false,
            command_failed: false,
            termed: false,
        }
    }
}

impl Process {
    /// Whether no start is unanswered and no process that was killed is alive.
    pub(super) fn has_answers(&self) -> bool {
        self.run.as_ref().is_none_or(|run| run.up && !(run.killed && (run.leader || run.members > 0)))
    }

    /// Whether it runs and is not being stopped.
    pub(super) fn is_up(&self) -> bool {
        self.run.as_ref().is_some_and(Run::is_up)
    }

    /// Whether it runs, is not being stopped, and is ready if it `has_condition`.
    pub(super) fn is_ready(&self, has_condition: bool) -> bool {
        let is_ready = |run: &Run| !has_condition || matches!(run.readiness, Readiness::Since(_));
        self.run.as_ref().is_some_and(|run| run.is_up() && is_ready(run))
    }

    /// A command starts it: the count of failures begins again.
    pub(super) fn pardon(&mut self) {
        if self.rest == Some(Phase::GaveUp) {
            self.deaths = Some(0);
        }
        (self.row, self.rest) = (0, None);
        self.failures.clear();
        (self.own_failure, self.is_innocent) = (None, false);
    }

    /// The failures in a row start over.
    fn start_row(&mut self, policy: &Policy) {
        self.row = 0;
        if policy.give_up.is_none_or(|give_up| give_up.within.is_none()) {
            self.own_failure = None;
        }
    }

    /// Ends the current run, whose leader died at this time; `None` if it did not start.
    pub(super) fn over(&mut self, died: Option<Instant>, now: Instant, definition: &Definition<()>) {
        let Some(run) = self.run.take() else { return };
        self.past = Some(run.id);
        self.ended = None;
        self.at_once = run.affected || !run.own;
        if !run.own {
            return;
        }
        let policy = &definition.policy;
        let at = died.unwrap_or(now);
        let since = match (run.readiness, definition.ready.is_some(), policy.reset_after_ready) {
            (Readiness::Pending, true, _) | (Readiness::Lost, _, Some(_)) => None,
            (Readiness::Since(ready), true, Some(_)) => Some(ready),
            _ => Some(run.since),
        };
        let least = policy.reset_after_ready.unwrap_or(policy.threshold);
        let is_short = died.is_none() || since.is_none_or(|since| at - since < least);
        // Whether it was stopped because of others before a command stopped it, or before it was started.
        let is_unknown = run.affected && (died.is_none() || run.requested);
        if !run.for_others {
            self.deaths = match (is_short, policy.long_run) {
                _ if is_unknown => None,
                (false, LongRun::AtOnce) => Some(0),
                (false, LongRun::FirstDelay) => Some(1),
                (true, _) => self.deaths.map(|deaths| deaths.saturating_add(1)),
            };
            if !is_short {
                self.start_row(policy);
            }
        }
        let is_success = run.exit.is_some_and(|exit| policy.success.contains(exit));
        let result = match () {
            () if died.is_none() || run.failed => RunResult::Failure,
            () if run.requested => RunResult::Requested,
            () if is_success => RunResult::Success,
            () => RunResult::Failure,
        };
        self.ended = Some(Ended { result, is_short, at, is_unknown });
    }

    /// Decides what follows the end of the last run: a restart is [`Phase::Waiting`].
    pub(super) fn judge(&mut self, policy: &Policy) -> Phase {
        // The run of an earlier definition does not count.
        let Some(Ended { result, is_short, at, .. }) = self.ended.take() else { return Phase::Waiting };
        let phase = match result {
            RunResult::Requested => Phase::Waiting,
            RunResult::Success => {
                self.start_row(policy);
                if policy.restart == Restart::Always { Phase::Waiting } else { Phase::Completed }
            }
            RunResult::Failure => {
                self.row += u32::from(is_short || policy.long_run == LongRun::FirstDelay);
                self.failures.push(at);
                if policy.give_up.is_some() && !self.is_excused {
                    self.own_failure = Some(at);
                }
                let limit = policy.give_up.filter(|_| policy.restart != Restart::Never);
                let gives_up = limit.is_some_and(|limit| {
                    let count = match limit.within {
                        None => self.row as usize,
                        Some(within) => self.failures.iter().filter(|then| at - **then <= within).count(),
                    };
                    count >= limit.failures as usize
                });
                let is_old = |own: Instant| {
                    limit.and_then(|limit| limit.within).is_some_and(|within| at - own > within)
                };
                self.is_innocent = gives_up && self.own_failure.is_none_or(is_old);
                match policy.restart {
                    Restart::Never => Phase::Failed,
                    _ if gives_up => Phase::GaveUp,
                    _ => Phase::Waiting,
                }
            }
        };
        self.rest = (phase != Phase::Waiting).then_some(phase);
        phase
    }
}

impl Run {
    /// Whether it was started, and its process lives.
    pub(super) fn is_alive(&self) -> bool {
        self.up && self.leader
    }

    /// Whether it lives and is not being stopped.
    pub(super) fn is_up(&self) -> bool {
        self.is_alive() && self.asked.is_none() && !self.killed
    }
}

/// The part of a state that the machine does not know.
impl Process {
    pub(super) fn add_to(&self, key: &mut Key, definition: &Definition<()>) {
        let Self {
            defined,
            held,
            asked,
            deaths,
            row,
            failures,
            ended,
            at_once,
            rest,
            order: _,
            run,
            past,
            is_excused,
            own_failure,
            is_innocent,
            begun: _,
        } = self;
        let flags = bits([
            *at_once,
            *defined,
            *held,
            *asked,
            run.is_some(),
            past.is_some(),
            ended.is_some(),
            *is_excused,
            *is_innocent,
        ]);
        let deaths = deaths.map_or(u8::MAX, |deaths| deaths.min(64) as u8);
        key.add(flags << 16 | u64::from(deaths) << 8 | rest.map_or(0, |rest| 1 + rest as u64));
        match definition.policy.give_up {
            Some(GiveUp { within: Some(within), .. }) => {
                match own_failure {
                    Some(at) => key.add_past(*at, within + Duration::from_nanos(1)),
                    None => key.add(u64::MAX),
                }
                failures.iter().for_each(|at| key.add_past(*at, within + Duration::from_nanos(1)));
            }
            Some(GiveUp { within: None, failures, .. }) => {
                key.add(u64::from((*row).min(failures)) << 1 | u64::from(own_failure.is_some()));
            }
            None => {}
        }
        if let Some(run) = run {
            let policy = &definition.policy;
            run.add_to(key, policy.threshold.max(policy.reset_after_ready.unwrap_or_default()));
        }
    }
}

impl Run {
    fn add_to(&self, key: &mut Key, horizon: Duration) {
        let Self {
            id: _,
            up,
            since,
            leader,
            members,
            open,
            readiness,
            is_stale,
            failed,
            alone,
            commanded_to_stop,
            may_stop,
            affected,
            must_stop,
            for_others,
            asked,
            killed,
            requested,
            hurry,
            died,
            exit,
            own,
            commanded,
            command_runs,
            command_failed,
            termed,
        } = self;
        let flags = bits([
            *up,
            *leader,
            *open,
            *is_stale,
            *failed,
            *alone,
            *commanded_to_stop,
            *may_stop,
            *affected,
            *must_stop,
            *for_others,
            *killed,
            *requested,
            *hurry,
            *own,
            *commanded,
            *command_runs,
            *command_failed,
            *termed,
            *readiness == Readiness::Pending,
            *readiness == Readiness::Lost,
            asked.is_some(),
            died.is_some(),
            exit.is_some(),
        ]);
        key.add(flags << 8 | u64::from(*members));
        if let Readiness::Since(at) = readiness {
            key.add_past(*at, horizon);
        }
        if let Some(exit) = exit {
            key.add_hash(exit);
        }
        match died {
            Some(died) => {
                key.add_past(*died, Duration::MAX);
                key.add_span(*since, *died, horizon);
            }
            None => key.add_past(*since, horizon),
        }
        if let Some(asked) = asked {
            key.add_past(*asked, Duration::MAX);
        }
    }
}
