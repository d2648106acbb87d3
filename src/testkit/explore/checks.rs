//! What must hold: for each output of the machine, and in every state.

use std::time::Duration;

use super::config::{Config, Edge};
use super::problem::{Outcome, ensure};
use super::run::{Process, Readiness, Run, RunResult};
use super::world::World;
use crate::backoff::Wait;
use crate::machine::{Notice, NoticeKind, OnGiveUp, Phase, RunId, Signal, Status, Until};

impl World {
    /// A run begins.
    pub(super) fn spawned(&mut self, id: RunId, index: usize, config: &Config) -> Outcome {
        let (now, running) = (self.now, self.machine.is_running());
        let process = &mut self.processes[index];
        let name = &config.names[index];
        ensure(process.run.is_none(), "I-1: one run of a name at a time", || {
            format!("a second run of {name} begins, {id}")
        })?;
        ensure(process.defined, "I-2: only what was added is started", || format!("{name} was removed"))?;
        let is_wanted = running && !process.held && process.rest.is_none();
        let forced = std::mem::take(&mut process.asked);
        ensure(is_wanted || forced, "I-2: only what is wanted is started", || {
            format!("{name} is not wanted")
        })?;
        if !forced && let Some(edge) = self.unmet(index, config) {
            let on = edge.on.map(|on| config.names[on].as_str());
            let text = || format!("{name} is started, but {} is not {}", on.unwrap_or("nothing"), edge.until);
            return ensure(false, "nothing is started before its dependencies permit it", text);
        }
        let on_stale =
            config.edges[index].iter().filter(|edge| edge.until == Until::Ready).find_map(|edge| {
                let run = self.processes[edge.on?].run.as_ref();
                run.filter(|run| run.is_stale).and(edge.on)
            });
        self.stale_start = on_stale.filter(|_| !forced).map(|on| (index, on)).or(self.stale_start);
        let step = self.steps;
        let process = &mut self.processes[index];
        process.begun = [process.begun[1], step];
        process.ended = None;
        process.rest = None;
        process.run = Some(Run { alone: forced, ..Run::new(id, now) });
        Ok(())
    }

    /// A signal is sent.
    pub(super) fn signalled(&mut self, id: RunId, signal: Signal, config: &Config) -> Outcome {
        let now = self.now;
        let (index, run) = self.find(id)?;
        let definition = &config.definitions[index];
        ensure(run.up, "I-9: signals go to what is up", || format!("{id} has not been started"))?;
        match signal {
            Signal::KILL => {
                let due = run.asked.map(|at| at + definition.policy.kill_time);
                let may = run.hurry || run.killed || due.is_some_and(|at| at <= now);
                ensure(may, "I-8: KILL does not come early", || format!("{id} was killed"))?;
                run.killed = true;
                run.requested |= run.leader;
                return Ok(());
            }
            Signal::CONT => return Ok(()),
            _ if definition.stop_command => {
                let may = run.commanded && (run.command_failed || !run.leader);
                ensure(may, "the stop command replaces the stop signal", || format!("{id} got {signal}"))?;
                let again = std::mem::replace(&mut run.termed, true);
                ensure(!again, "the stop signal is sent once", || format!("{id} got {signal} again"))?;
            }
            _ => {
                ensure(run.asked.is_none(), "the stop signal is sent once", || {
                    format!("{id} got {signal} again")
                })?;
                run.asked = Some(now);
            }
        }
        self.stops(index, config)
    }

    /// A process is asked to end.
    fn stops(&mut self, index: usize, config: &Config) -> Outcome {
        let Some(run) = &mut self.processes[index].run else { return Ok(()) };
        let may = run.may_stop || run.affected || run.failed;
        ensure(may, "only what is concerned is stopped", || format!("{} is stopped", config.names[index]))?;
        run.requested = true;
        run.for_others = run.affected && !run.may_stop && !run.failed;
        if self.stopping.is_some() && !run.failed && !run.commanded_to_stop {
            let dependent = self.dependents_with_runs(index, true, config).next();
            ensure(dependent.is_none(), "the service stops dependents first", || {
                let dependent = dependent.map(|dependent| config.names[dependent].as_str());
                format!("{} is stopped before {}", config.names[index], dependent.unwrap_or_default())
            })?;
        }
        Ok(())
    }

    /// The stop command of a run begins.
    pub(super) fn stop_command(&mut self, id: RunId, config: &Config) -> Outcome {
        let now = self.now;
        let (index, run) = self.find(id)?;
        let may = config.definitions[index].stop_command && !run.commanded && run.asked.is_none();
        ensure(may, "a stop command is run once", || format!("{id} was being stopped"))?;
        (run.commanded, run.command_runs, run.asked) = (true, true, Some(now));
        self.stops(index, config)
    }

    /// A notice is published.
    pub(super) fn noticed(&mut self, notice: &Notice, config: &Config) -> Outcome {
        let index = config.index(&notice.name);
        let policy = &config.definitions[index].policy;
        match &notice.kind {
            NoticeKind::NotReady { .. } => {
                self.excuse(index, config);
                let process = &mut self.processes[index];
                if let Some(run) = &mut process.run {
                    run.failed |= run.is_up() && run.readiness == Readiness::Pending;
                }
                self.affect(index, config);
            }
            NoticeKind::Unhealthy { .. }
            | NoticeKind::Exited { .. }
            | NoticeKind::LeftBehind { .. }
            | NoticeKind::SpawnFailed { .. }
            | NoticeKind::Stopping { .. }
            | NoticeKind::StopCommand { .. }
            | NoticeKind::Killed => self.affect(index, config),
            NoticeKind::Restarting { delay, at } => {
                self.decided(index, Phase::Waiting, config)?;
                let expected = match self.processes[index].deaths {
                    None => Wait::exactly(*delay),
                    Some(0) => Wait::exactly(Duration::ZERO),
                    Some(deaths) => policy.delay(deaths),
                };
                // A run that was stopped because of others, or of an earlier definition, has no delay.
                let may_be_at_once = self.processes[index].at_once;
                let is_right = expected.contains(*delay) || may_be_at_once && delay.is_zero();
                ensure(is_right, "I-6: delays are those of the schedule", || {
                    format!("{delay:?} instead of {expected}")
                })?;
                ensure(*at <= self.now + *delay, "I-6: a delay begins at the exit", || {
                    format!("{} starts too late", notice.name)
                })?;
            }
            NoticeKind::Completed => self.decided(index, Phase::Completed, config)?,
            NoticeKind::Failed => self.decided(index, Phase::Failed, config)?,
            NoticeKind::GaveUp { then, .. } => {
                self.decided(index, Phase::GaveUp, config)?;
                if *then == OnGiveUp::StopAll {
                    self.service_stops(self.machine.stop_bound());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The machine has decided what follows a run.
    fn decided(&mut self, index: usize, phase: Phase, config: &Config) -> Outcome {
        let process = &mut self.processes[index];
        let by_itself =
            process.ended.is_some_and(|ended| ended.result != RunResult::Requested && !ended.is_unknown);
        let expected = process.judge(&config.definitions[index].policy);
        ensure(phase == expected, "the policy decides what follows a run", || {
            let Process { row, failures, .. } = process;
            let (name, total) = (&config.names[index], failures.len());
            format!("{name} is {phase} instead of {expected} after {row} failures in a row, {total} in all")
        })?;
        if phase == Phase::Waiting && by_itself {
            self.restart_group(index, config);
        }
        Ok(())
    }

    /// Checks the state after all outputs.
    pub(super) fn check(&self, config: &Config) -> Outcome {
        let mut known = 0;
        for status in self.machine.statuses() {
            let index = config.index(&status.name);
            known += usize::from(self.processes[index].defined);
            self.check_process(index, &status, config)?;
        }
        let defined = self.processes.iter().filter(|process| process.defined).count();
        ensure(known == defined, "I-13: exactly what was added has a status", || {
            format!("{known} of {defined} processes have one")
        })?;
        self.check_relations(config)
    }

    fn check_process(&self, index: usize, status: &Status, config: &Config) -> Outcome {
        let process = &self.processes[index];
        let policy = &config.definitions[index].policy;
        let run = process.run.as_ref();
        let agrees = match status.phase {
            Phase::Starting => run.is_some_and(|run| !run.up),
            Phase::Up => run.is_some_and(|run| run.is_alive() && run.asked.is_none()),
            Phase::Stopping => run.is_some_and(|run| run.asked.is_some()),
            Phase::Ending | Phase::Unkillable => run.is_some_and(|run| run.killed || !run.leader),
            _ => run.is_none(),
        };
        ensure(agrees, "I-10: the phase is what the process does", || {
            format!("{} is {}, but {run:?}", status.name, status.phase)
        })?;
        ensure(status.run == run.map(|run| run.id), "I-10: the status has the current run", || {
            format!("{} has {:?} instead of {:?}", status.name, status.run, run.map(|run| run.id))
        })?;
        let due = match (status.phase, run) {
            (Phase::Stopping, Some(run)) => run.asked.map(|at| at + policy.kill_time),
            (Phase::Ending, Some(run)) => Some(run.died.unwrap_or(self.now) + Duration::from_secs(3600)),
            _ => None,
        };
        let has_deadline = due.is_none_or(|due| self.machine.poll_timeout().is_some_and(|at| at <= due));
        ensure(has_deadline, "I-7: what ends has a deadline", || {
            format!("{} is {} without one", status.name, status.phase)
        })?;
        let is_wanted = self.machine.is_running() && !process.held && process.rest.is_none() && run.is_none();
        let is_due = matches!(status.phase, Phase::Waiting | Phase::Blocked);
        ensure(!is_wanted || is_due, "what is wanted is not forgotten", || {
            format!("{} is {}", status.name, status.phase)
        })?;
        if let Some(on) = &status.blocked_on {
            let edge = config.edges[index]
                .iter()
                .find(|edge| edge.on.is_some_and(|index| config.names[index] == on.on));
            let waits = edge.is_none_or(|edge| !self.holds(edge, config) || self.is_to_stop(edge));
            ensure(waits, "nothing waits for what it has", || format!("{} is blocked on {on}", status.name))?;
        }
        let rest =
            matches!(status.phase, Phase::Completed | Phase::Failed | Phase::GaveUp).then_some(status.phase);
        ensure(rest.is_none() || rest == process.rest, "the policy decides what follows a run", || {
            format!("{} is {} instead of {:?}", status.name, status.phase, process.rest)
        })?;
        let is_waiting = status.phase == Phase::Waiting;
        ensure(
            is_waiting == status.next_start.is_some(),
            "the next start is shown while it is awaited",
            || format!("{} is {} and starts at {:?}", status.name, status.phase, status.next_start),
        )
    }

    /// Whether the process at the end of an edge is about to be stopped.
    fn is_to_stop(&self, edge: &Edge) -> bool {
        let run = edge.on.and_then(|on| self.processes[on].run.as_ref());
        run.is_some_and(|run| run.may_stop || run.affected)
    }
}
