//! Why a process is in its state, and how long a stop may take.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::child::Child;
use super::relations::Links;
use super::run::{FamilyPoll, Gate, MAX_KILL_TIME, Readiness, Run, StopReason};
use super::set::Machine;
use super::state::{Goal, Rest, State};
use super::status::LastRun;
use super::{Cause, CauseKind, Name, Why};

/// Explanations.
impl<S: Clone> Machine<S> {
    /// Returns why a process is in its state; `None` if there is no process with this name.
    pub fn why(&self, name: &str, now: Instant) -> Option<Why> {
        Some(self.explain(self.find(name).ok()?, now))
    }

    /// Returns what delays the end of the service; `None` if the service runs or every process has ended.
    pub fn why_not_stopped(&self, now: Instant) -> Option<Why> {
        if self.running {
            return None;
        }
        let slots = self.in_order();
        let slot = slots.into_iter().find(|slot| self.child(*slot).run().is_some())?;
        Some(self.explain(slot, now))
    }

    /// Returns the process whose [giving up](crate::Policy::give_up) has stopped the service, since the
    /// service was started last.
    pub fn stopped_by(&self) -> Option<&Name> {
        self.stopped_by.as_ref()
    }

    /// Returns the longest time that [`stop_service`](Self::stop_service) may take until every process has
    /// ended or was reported as a survivor of KILL. It is known beforehand.
    ///
    /// For each process this is its kill time, the 10 s after which a survivor of KILL is reported at the
    /// latest, and the [`leak_timeout`](crate::Policy::leak_timeout); processes that are stopped one after
    /// the other because of their dependencies are added up. A stop usually takes a small part of that.
    pub fn stop_bound(&self) -> Duration {
        let mut bounds: Vec<Option<Duration>> = vec![None; self.children.len()];
        let mut longest = Duration::ZERO;
        for first in 0..self.children.len() {
            let mut stack = vec![first];
            while let Some(&slot) = stack.last() {
                let Some(child) = &self.children[slot] else {
                    stack.pop();
                    continue;
                };
                let dependents = self.relations.get(slot).into_iter().flat_map(Links::dependents);
                let before = stack.len();
                stack.extend(dependents.clone().filter(|slot| bounds[*slot].is_none()));
                if stack.len() == before {
                    let after = dependents.filter_map(|slot| bounds[slot]).max().unwrap_or_default();
                    let policy = &child.settings.policy;
                    let own = policy.kill_time + MAX_KILL_TIME + FamilyPoll::LONGEST + policy.leak_timeout;
                    let bound = own.saturating_add(after);
                    bounds[slot] = Some(bound);
                    longest = longest.max(bound);
                    stack.pop();
                }
            }
        }
        longest
    }

    fn explain(&self, slot: usize, now: Instant) -> Why {
        let mut chain = Chain { machine: self, causes: Vec::new(), seen: HashSet::new() };
        chain.state(slot);
        Why::new(now, chain.causes)
    }
}

/// A chain of causes that is being put together.
struct Chain<'a, S> {
    machine: &'a Machine<S>,
    causes: Vec<Cause>,
    /// The processes whose states are in it.
    seen: HashSet<usize>,
}

impl<S: Clone> Chain<'_, S> {
    fn push(&mut self, child: &Child<S>, kind: CauseKind) {
        self.causes.push(Cause { process: child.name.clone(), kind });
    }

    /// Adds why a process is in its state.
    fn state(&mut self, slot: usize) {
        self.seen.insert(slot);
        let machine = self.machine;
        let child = machine.child(slot);
        match &child.state {
            State::Starting { unwanted: None, .. } => {
                self.push(child, CauseKind::Starting);
                self.end(slot);
            }
            State::Starting { run, .. } => {
                self.push(child, CauseKind::Starting);
                self.stop(child, run);
            }
            State::Up(run) => self.up(slot, child, run),
            State::Stopping { run, kill_at, .. } => {
                self.push(child, CauseKind::Stopping { kill_at: *kill_at });
                self.stop(child, run);
            }
            State::Ending(ending) => {
                let is_unkillable = ending.is_unkillable();
                self.push(child, if is_unkillable { CauseKind::Unkillable } else { CauseKind::Ending });
                match ending.death {
                    Some(death) if !ending.run.asked => {
                        let lived = death.at.saturating_duration_since(ending.run.since);
                        self.push(child, CauseKind::Exited { exit: death.exit, lived, asked: false });
                    }
                    _ => self.stop(child, &ending.run),
                }
            }
            State::Waiting { until } => {
                self.push(child, CauseKind::Waiting { at: *until, failures: child.failures.count(None) });
                self.end(slot);
            }
            State::Blocked(_) => self.blocked(slot, child),
            State::Down(_) if child.goal == Goal::Hold => self.push(child, CauseKind::Held),
            State::Down(Rest::Completed) => {
                self.push(child, CauseKind::Completed);
                self.end(slot);
            }
            State::Down(Rest::Failed) => {
                self.push(child, CauseKind::Failed);
                self.end(slot);
            }
            State::Down(Rest::GaveUp) => {
                let give_up = child.settings.policy.give_up;
                let failures = child.failures.count(give_up);
                let within = give_up.and_then(|give_up| give_up.within);
                self.push(child, CauseKind::GaveUp { failures, within });
                self.end(slot);
            }
            State::Down(Rest::Idle) => self.service(child),
        }
    }

    fn up(&mut self, slot: usize, child: &Child<S>, run: &Run) {
        let machine = self.machine;
        if let Some(links) = machine.relations.get(slot).filter(|links| links.is_stop_pending()) {
            let mut dependents: Vec<usize> = links.dependents().collect();
            dependents.retain(|slot| machine.child(*slot).facts().run.is_some());
            dependents.sort_unstable_by_key(|slot| machine.child(*slot).order);
            dependents.dedup();
            let names = dependents.iter().map(|slot| machine.child(*slot).name.clone()).collect();
            self.push(child, CauseKind::StopsAfter { dependents: names });
            match dependents.into_iter().find(|slot| !self.seen.contains(slot)) {
                Some(dependent) => self.state(dependent),
                None => self.service(child),
            }
            return;
        }
        self.push(
            child,
            match run.readiness {
                Readiness::Pending => CauseKind::NotReadyYet { until: child.ready_until(run) },
                Readiness::Since(_) => CauseKind::Running { since: run.since },
                Readiness::Lost => CauseKind::ReadinessLost,
            },
        );
        self.end(slot);
    }

    fn blocked(&mut self, slot: usize, child: &Child<S>) {
        let machine = self.machine;
        let Some(links) = machine.relations.get(slot) else { return };
        match (links.gate(), &links.group) {
            (Gate::Condition(on), _) => {
                let name = on.on.clone();
                self.push(child, CauseKind::Blocked { on: on.clone() });
                match machine.find(&name) {
                    Ok(slot) => self.state(slot),
                    Err(_) => self.causes.push(Cause { process: name, kind: CauseKind::Missing }),
                }
            }
            (Gate::Group, Some(member)) => {
                let group = member.group.name.clone();
                let restart = machine.relations.groups.get(&group).and_then(|group| group.restart.as_ref());
                let cause = restart.map_or(slot, |restart| restart.cause);
                let after = machine.child(cause).name.clone();
                self.push(child, CauseKind::GroupRestart { group, after });
                if cause == slot { self.end(slot) } else { self.state(cause) }
            }
            (Gate::Open | Gate::Group, _) => self.end(slot),
        }
    }

    /// Adds how the last run of a process has ended, and why.
    fn end(&mut self, slot: usize) {
        self.seen.insert(slot);
        let machine = self.machine;
        let child = machine.child(slot);
        let Some(last) = &child.last else { return self.push(child, CauseKind::StartRequested) };
        match (last.reason.as_deref(), &last.result) {
            (Some(reason), _) => self.reason(child, reason),
            (None, LastRun::Exited(exit)) => {
                self.push(child, CauseKind::Exited { exit: *exit, lived: last.lived, asked: last.asked });
                if last.asked {
                    self.push(child, CauseKind::StopRequested);
                }
            }
            (None, LastRun::SpawnFailed(error)) => {
                self.push(child, CauseKind::SpawnFailed { error: error.clone() });
            }
        }
    }

    /// Adds why the run of a process is being stopped.
    fn stop(&mut self, child: &Child<S>, run: &Run) {
        match (run.reason.as_deref(), child.goal) {
            (Some(reason), _) => self.reason(child, reason),
            (None, Goal::Hold) => self.push(child, CauseKind::Held),
            (None, Goal::Gone) => self.push(child, CauseKind::Removed),
            (None, Goal::Keep) if self.machine.running => self.push(child, CauseKind::StopRequested),
            (None, Goal::Keep) => self.service(child),
        }
    }

    fn reason(&mut self, child: &Child<S>, reason: &StopReason) {
        let after = match reason.clone() {
            StopReason::NotReady(reason) => return self.push(child, CauseKind::NotReady { reason }),
            StopReason::Unhealthy(reason) => return self.push(child, CauseKind::Unhealthy { reason }),
            StopReason::Replaced(_) => return self.push(child, CauseKind::Replaced),
            StopReason::Dependency(after) => {
                self.push(child, CauseKind::DependencyRestart { after: after.clone() });
                after
            }
            StopReason::Group { group, after } => {
                self.push(child, CauseKind::GroupRestart { group, after: after.clone() });
                after
            }
        };
        match self.machine.find(&after) {
            Ok(slot) if self.seen.contains(&slot) => self.result(slot),
            Ok(slot) => self.end(slot),
            Err(_) => self.causes.push(Cause { process: after, kind: CauseKind::Missing }),
        }
    }

    /// Adds how the last run of a process has ended, without a further cause.
    fn result(&mut self, slot: usize) {
        let child = self.machine.child(slot);
        let kind = match &child.last {
            None => CauseKind::StartRequested,
            Some(last) => match &last.result {
                LastRun::SpawnFailed(error) => CauseKind::SpawnFailed { error: error.clone() },
                LastRun::Exited(exit) => {
                    CauseKind::Exited { exit: *exit, lived: last.lived, asked: last.asked }
                }
            },
        };
        self.push(child, kind);
    }

    /// Adds why the service does not run.
    fn service(&mut self, child: &Child<S>) {
        let machine = self.machine;
        if machine.running {
            // It has just been added, and nothing was done yet.
            return self.push(child, CauseKind::StartRequested);
        }
        let Some(process) = machine.stopped_by() else { return self.push(child, CauseKind::ServiceDown) };
        self.push(child, CauseKind::StoppedByGiveUp { process: process.clone() });
        match machine.find(process) {
            Ok(slot) if !self.seen.contains(&slot) => self.state(slot),
            Ok(slot) => self.result(slot),
            Err(_) => self.causes.push(Cause { process: process.clone(), kind: CauseKind::Missing }),
        }
    }
}
