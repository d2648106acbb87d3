//! A key of the state of a machine: two states with the same key behave in the same way from now on.
//!
//! Times are taken relative to the present, and ids of runs and counts that only reports contain are left
//! out, and so are definitions: they do not change while states are compared. So a process that has been
//! restarted ten times is in the same state as one that has been restarted once, if the same follows. Every
//! type is taken apart completely, so that a new field cannot be forgotten.

use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use super::child::Child;
use super::give_up::Failures;
use super::relations::{Drain, GroupRestart, Links, Membership, Relations};
use super::run::{Death, Ending, FamilyPoll, Orphans, Readiness, Run, StopCommand, SurvivorReport};
use super::state::State;
use super::{Event, GiveUp, LastRun, Machine, Name};

/// The key of a state while it is computed.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    now: Instant,
    hash: u64,
}

impl Key {
    /// Begins the key of a state at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { now, hash: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Adds a number.
    pub(crate) fn add(&mut self, word: u64) {
        // The two halves of a product with an odd constant depend on all bits.
        let product = u128::from(self.hash ^ word) * 0xd6e8_feb8_6659_fd93;
        self.hash = (product as u64 ^ (product >> 64) as u64).rotate_left(23).wrapping_add(word);
    }

    /// Adds up to eight small numbers as one, which takes as long as to add one of them.
    pub(crate) fn add_bytes(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.add(bytes.into_iter().fold(0, |word, byte| word << 8 | u64::from(byte)));
    }

    /// Adds a time in the future, or when something that is due was due.
    pub(crate) fn add_due(&mut self, at: Instant) {
        self.add_span(self.now, at, Duration::MAX);
    }

    /// Adds a time in the past. Beyond `horizon` all times are the same.
    pub(crate) fn add_past(&mut self, at: Instant, horizon: Duration) {
        self.add_span(at, self.now, horizon);
    }

    /// Adds the time from one time to another. Beyond `horizon` all are the same.
    pub(crate) fn add_span(&mut self, from: Instant, to: Instant, horizon: Duration) {
        // Most steps take no time, and a comparison is much faster than a difference.
        let span = if from < to { (to - from).min(horizon) } else { Duration::ZERO };
        self.add(span.as_nanos() as u64);
    }

    /// Adds a value as its hash.
    pub(crate) fn add_hash(&mut self, value: &impl Hash) {
        value.hash(self);
    }

    /// Returns the key.
    pub(crate) fn finish(&self) -> u64 {
        self.hash
    }
}

/// Returns up to 64 flags as one number.
pub(crate) fn bits(flags: impl IntoIterator<Item = bool>) -> u64 {
    flags.into_iter().fold(0, |bits, flag| bits << 1 | u64::from(flag))
}

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.add(number.into());
    }

    fn write_i32(&mut self, number: i32) {
        self.add(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_isize(&mut self, number: isize) {
        self.add(number as u64);
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

impl<S> Machine<S> {
    /// Adds the state of the processes with these names, all of whose outputs were polled.
    pub(crate) fn add_to(&self, key: &mut Key, names: &[Name]) {
        let Self {
            children,
            slots,
            relations,
            running,
            stopped_by,
            free: _,
            deadlines: _,
            policy: _,
            out: _,
            runs: _,
            additions: _,
            seed: _,
        } = self;
        key.add(bits([*running, stopped_by.is_some()]));
        let mut latest = None;
        for (index, name) in names.iter().enumerate() {
            // Most often nothing was removed, and the names are in the order of the slots.
            let slot = match children.get(index) {
                Some(Some(child)) if child.name == *name => Some(index),
                _ => slots.get(name).copied(),
            };
            let Some((slot, child)) = slot.and_then(|slot| Some((slot, children[slot].as_ref()?))) else {
                key.add(0);
                continue;
            };
            // Its place in the order of additions is known if it was added after all names before it.
            let is_latest = latest.is_none_or(|latest| latest < child.order);
            latest = latest.max(Some(child.order));
            let earlier = || children.iter().flatten().filter(|other| other.order < child.order).count();
            key.add(if is_latest { 1 } else { 2 + earlier() as u64 });
            child.add_to(key);
            relations.add_to(key, slot);
        }
    }
}

impl Relations {
    fn add_to(&self, key: &mut Key, slot: usize) {
        let Self { links, groups, missing: _, tasks: _ } = self;
        let Some(Links {
            edges,
            level,
            drain,
            draining_dependents,
            group,
            name: _,
            unmet: _,
            dependents: _,
            facts: _,
        }) = links.get(slot).and_then(Option::as_deref)
        else {
            return key.add(0);
        };
        let levels = bits([level.up, level.ready, level.completed]);
        let drains = match drain {
            None => 1,
            Some(Drain::Asked) => 2,
            Some(Drain::Pending(_)) => 3,
        };
        key.add((*draining_dependents as u64) << 8 | levels << 2 | drains);
        for edges in edges.chunks(32) {
            key.add(bits(edges.iter().flat_map(|edge| [edge.is_met, edge.restarts])));
        }
        if let Some(Drain::Pending(quit)) = drain {
            key.add_hash(&std::mem::discriminant(quit));
        }
        if let Some(Membership { group, is_parked, is_awaited }) = group.as_deref() {
            key.add(bits([*is_parked, *is_awaited]));
            match &groups[&group.name].restart {
                Some(GroupRestart { cause, awaited }) => {
                    key.add(1 + u64::from(*cause == slot));
                    key.add(*awaited as u64);
                }
                None => key.add(0),
            }
        }
    }
}

impl<S> Child<S> {
    fn add_to(&self, key: &mut Key) {
        let Self { settings, goal, state, failures, last, name: _, order: _, starts: _ } = self;
        let policy = &settings.policy;
        let horizon = policy.threshold.max(policy.reset_after_ready.unwrap_or_default());
        let Failures { growths, row, window } = failures;
        // Beyond this number of failures every delay is the maximum.
        let growths = (*growths).min(64) as u8;
        let last = match last.as_ref().map(|last| &last.result) {
            None => 0,
            Some(LastRun::Exited(_)) => 1,
            Some(LastRun::SpawnFailed(_)) => 2,
        };
        key.add_bytes([*goal as u8, growths, last]);
        if let Some(GiveUp { failures, within, .. }) = policy.give_up {
            key.add((*row).min(failures).into());
            let within = within.unwrap_or_default() + Duration::from_nanos(1);
            window.iter().flat_map(|window| &window.0).for_each(|at| key.add_past(*at, within));
        }
        key.add_hash(&std::mem::discriminant(state));
        match state {
            State::Down(rest) => key.add(*rest as u64),
            State::Starting { run, unwanted, exit } => {
                run.add_to(key, horizon);
                key.add(unwanted.map_or(0, |mode| 1 + mode as u64));
                key.add(u64::from(matches!(exit.as_deref(), Some(Event::Exited { .. }))));
            }
            State::Up(run) => {
                // The timeout of its readiness may be longer than the other times.
                run.add_to(key, horizon.max(settings.ready.unwrap_or_default()));
            }
            State::Stopping { run, kill_at, orphans } => {
                key.add_due(*kill_at);
                match orphans {
                    Some(orphans) => {
                        let Orphans { death, family } = &**orphans;
                        death.add_to(key, run, horizon);
                        family.add_to(key);
                    }
                    None => run.add_to(key, horizon),
                }
            }
            State::Ending(ending) => ending.add_to(key, horizon),
            State::Waiting { until } => key.add_due(*until),
            State::Blocked(blockage) => key.add(*blockage as u64),
        }
    }
}

impl Run {
    /// Adds a run whose leader lives, as far as is known.
    fn add_to(&self, key: &mut Key, horizon: Duration) {
        self.add_until(key, key.now, horizon);
    }

    /// Adds a run that lasts until `end` at least. All runs that are longer than `horizon` are the same.
    fn add_until(&self, key: &mut Key, end: Instant, horizon: Duration) {
        let Self {
            pid,
            since,
            closed,
            asked,
            reason,
            readiness,
            stop_command,
            again,
            disowned,
            id: _,
            containment: _,
        } = self;
        let is_pending = *readiness == Readiness::Pending;
        let is_lost = *readiness == Readiness::Lost;
        key.add(bits([
            pid.is_some(),
            *closed,
            *asked,
            *again,
            *disowned,
            reason.is_some(),
            is_pending,
            is_lost,
            stop_command.is_some(),
        ]));
        key.add_span(*since, end, horizon);
        if let Some(reason) = reason {
            key.add_hash(&std::mem::discriminant(&**reason));
        }
        if let Readiness::Since(at) = readiness {
            key.add_span(*at, end, horizon);
        }
        if let Some(StopCommand { is_running, target, signal: _ }) = stop_command {
            key.add(u64::from(*is_running));
            key.add_hash(target);
        }
    }
}

impl Death {
    fn add_to(&self, key: &mut Key, run: &Run, horizon: Duration) {
        let Self { exit, at } = self;
        key.add_hash(exit);
        key.add_past(*at, Duration::MAX);
        run.add_until(key, *at, horizon);
    }
}

impl FamilyPoll {
    fn add_to(&self, key: &mut Key) {
        let Self { at, interval, remaining } = self;
        key.add_due(*at);
        key.add(interval.as_nanos() as u64);
        key.add(remaining.len() as u64);
    }
}

impl Ending {
    fn add_to(&self, key: &mut Key, horizon: Duration) {
        let Self { run, death, family, close_at, report } = self;
        match death {
            Some(death) => death.add_to(key, run, horizon),
            None => run.add_to(key, horizon),
        }
        key.add(u64::from(family.is_some()));
        if let Some(family) = family {
            family.add_to(key);
        }
        match close_at {
            Some(at) => key.add_due(*at),
            None => key.add(u64::MAX),
        }
        match report.as_deref() {
            None => key.add(0),
            Some(report) => {
                key.add(1);
                report.add_to(key);
            }
        }
    }
}

impl SurvivorReport {
    fn add_to(&self, key: &mut Key) {
        key.add_hash(&std::mem::discriminant(self));
        match self {
            Self::Due { at, killed_at } => {
                key.add_due(*at);
                key.add_past(*killed_at, Duration::MAX);
            }
            Self::Listing { killed_at } | Self::Describing { killed_at } => {
                key.add_past(*killed_at, Duration::MAX);
            }
            Self::Reported => {}
        }
    }
}
