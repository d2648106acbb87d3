//! How a run begins and ends, and what follows from its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::{Child, Last};
use super::definition::Settings;
use super::notice::Span;
use super::run::{
    Context, Death, Effect, Ending, FamilyPoll, Gate, Orphans, Readiness, Run, StopCommand, StopReason,
    StopWay,
};
use super::state::{Blockage, Goal, Rest, State};
use super::status::LastRun;
use super::{
    Event, LongRun, NoticeKind, OnGiveUp, Output, Policy, Restart, Signal, SignalTarget, SpawnError,
    StopCommandError,
};
use crate::backoff::Jitter;

/// The result of a run, as far as the policy is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It was asked to end, and that was no judgement about it.
    Requested,
    Success,
    Failure,
}

/// The end of a run.
#[derive(Debug)]
struct End {
    result: LastRun,
    outcome: Outcome,
    /// The time from its start to its exit.
    lived: Duration,
    /// Whether it was too short to reset the delay.
    is_short: bool,
    at: Instant,
}

impl Event {
    /// Returns the reason to stop the run.
    pub(super) fn into_failure(self) -> Option<StopReason> {
        match self {
            Self::NotReady { reason, .. } => Some(StopReason::NotReady(reason)),
            Self::Unhealthy { reason, .. } => Some(StopReason::Unhealthy(reason)),
            _ => None,
        }
    }
}

/// The beginning of a run.
impl<S: Clone> Child<S> {
    /// Whether it is to be restarted.
    pub(super) fn wanted(&self, cx: &Context<'_, S>) -> bool {
        cx.running && self.goal == Goal::Keep
    }

    pub(super) fn publish(&self, run: &Run, kind: NoticeKind, cx: &mut Context<'_, S>) {
        cx.publish(self.name.clone(), run.id, kind);
    }

    /// Starts it if other processes permit.
    pub(super) fn spawn_or_wait(&mut self, cx: &mut Context<'_, S>) -> State {
        match cx.gate {
            Gate::Open => self.spawn(cx),
            Gate::Condition(on) => {
                let on = on.clone();
                cx.publish(self.name.clone(), None, NoticeKind::Blocked { on });
                State::Blocked(Blockage::Published)
            }
            Gate::Group => State::Blocked(Blockage::Silent),
        }
    }

    pub(super) fn spawn(&mut self, cx: &mut Context<'_, S>) -> State {
        let id = cx.next_run();
        self.starts += 1;
        cx.push(Output::Spawn { run: id, name: self.name.clone(), spec: self.settings.spec.clone() });
        State::Starting { run: Run::new(id, cx.now), unwanted: None, exit: None }
    }

    /// Notes that the program was started. What was reported about it before is published now.
    pub(super) fn up(&self, mut run: Run, cx: &mut Context<'_, S>) -> State {
        if let Some(reason) = run.reason.take() {
            return self.fail(run, *reason, cx);
        }
        if let Readiness::Since(_) = run.readiness {
            self.publish(&run, NoticeKind::Ready, cx);
        } else if self.settings.ready.is_none() {
            run.readiness = Readiness::Since(cx.now);
        }
        State::Up(run)
    }

    /// Returns the reason for a run that is not ready in time.
    pub(super) fn late_reason(&self) -> Arc<str> {
        let timeout = self.settings.ready.unwrap_or_default();
        format!("its condition did not hold within {}", Span(timeout)).into()
    }
}

/// The end of a run.
impl<S: Clone> Child<S> {
    /// Stops a run that has failed although its program runs.
    pub(super) fn fail(&self, mut run: Run, reason: StopReason, cx: &mut Context<'_, S>) -> State {
        match &reason {
            StopReason::NotReady(reason) => {
                self.publish(&run, NoticeKind::NotReady { reason: reason.clone() }, cx);
            }
            StopReason::Unhealthy(reason) => {
                self.publish(&run, NoticeKind::Unhealthy { reason: reason.clone() }, cx);
            }
            StopReason::Dependency(_) | StopReason::Group { .. } | StopReason::Replaced(_) => {}
        }
        run.reason = Some(Box::new(reason));
        self.stop(run, cx)
    }

    /// Sends the stop signal, or runs the stop command. CONT is sent as well, so that a stopped process can
    /// end.
    pub(super) fn stop(&self, mut run: Run, cx: &mut Context<'_, S>) -> State {
        let way = match run.reason.as_deref() {
            Some(StopReason::Replaced(way)) => *way,
            _ => self.stop_way(),
        };
        let StopWay { signal, target, command, kill_time } = way;
        run.asked = true;
        if command {
            run.stop_command = Some(StopCommand { is_running: true, target, signal });
            cx.signal(run.id, SignalTarget::Family, Signal::CONT);
            cx.push(Output::RunStopCommand { run: run.id });
            self.publish(&run, NoticeKind::StopCommand { kill_time }, cx);
        } else {
            cx.stop(run.id, target, signal);
            self.publish(&run, NoticeKind::Stopping { signal, kill_time }, cx);
        }
        State::Stopping { run, kill_at: cx.now + kill_time, orphans: None }
    }

    /// Sends the stop signal instead of a stop command that could not be completed.
    pub(super) fn stop_command_failed(
        &self,
        run: &Run,
        command: StopCommand,
        error: StopCommandError,
        cx: &mut Context<'_, S>,
    ) {
        let StopCommand { target, signal, .. } = command;
        self.publish(run, NoticeKind::StopCommandFailed { error, signal }, cx);
        cx.stop(run.id, target, signal);
    }

    /// Sends KILL to the whole family, whether or not the leader has died.
    pub(super) fn kill(
        &mut self,
        mut run: Run,
        orphans: Option<Box<Orphans>>,
        cx: &mut Context<'_, S>,
    ) -> State {
        run.asked = true;
        cx.kill(run.id);
        run.kill_stop_command(cx);
        self.publish(&run, NoticeKind::Killed, cx);
        let orphans = orphans.map(|orphans| {
            let Orphans { death, family } = *orphans;
            Orphans { death, family: FamilyPoll::new(family.remaining, cx.now) }
        });
        self.ending(Ending::killed(run, orphans, self.leak_timeout(), cx.now), cx)
    }

    pub(super) fn leak_timeout(&self) -> Duration {
        self.settings.policy.leak_timeout
    }

    pub(super) fn family_died(&mut self, run: Run, death: Death, cx: &mut Context<'_, S>) -> State {
        self.ending(Ending::dead(run, death, self.leak_timeout(), cx.now), cx)
    }

    /// Waits on for the end of a run, or reaps it.
    pub(super) fn ending(&mut self, ending: Ending, cx: &mut Context<'_, S>) -> State {
        let Some(death) = ending.is_over() else {
            return State::Ending(ending);
        };
        let mut run = ending.run;
        run.kill_stop_command(cx);
        let lived = death.at.saturating_duration_since(run.since);
        if !run.closed {
            let is_instant = lived < self.settings.policy.threshold;
            let daemonized = death.exit.is_success() && is_instant && !run.asked;
            self.publish(&run, NoticeKind::Leaked { daemonized }, cx);
        }
        cx.push(Output::Reap { run: run.id });
        let outcome = match run.reason.as_deref() {
            Some(reason) if reason.is_failure() => Outcome::Failure,
            None if !run.asked && self.settings.policy.success.contains(death.exit) => Outcome::Success,
            None if !run.asked => Outcome::Failure,
            _ => Outcome::Requested,
        };
        let expected = outcome == Outcome::Success && self.settings.policy.restart != Restart::Always;
        self.publish(&run, NoticeKind::Exited { exit: death.exit, lived, asked: run.asked, expected }, cx);
        let is_short = self.is_short(&run, lived, death.at);
        let end = End { result: LastRun::Exited(death.exit), outcome, lived, is_short, at: death.at };
        self.run_over(run, end, cx)
    }

    /// Handles a failed start, which counts as an instant death.
    pub(super) fn spawn_failed(&mut self, run: Run, error: SpawnError, cx: &mut Context<'_, S>) -> State {
        self.publish(&run, NoticeKind::SpawnFailed { error: error.clone() }, cx);
        let end = End {
            result: LastRun::SpawnFailed(error),
            outcome: Outcome::Failure,
            lived: Duration::ZERO,
            is_short: true,
            at: cx.now,
        };
        self.run_over(run, end, cx)
    }

    /// Whether a run that ended at `at` was too short to reset the delay. One that had to become ready and
    /// has not is too short in any case.
    fn is_short(&self, run: &Run, lived: Duration, at: Instant) -> bool {
        let policy = &self.settings.policy;
        let has_condition = self.settings.ready.is_some();
        match (run.readiness, policy.reset_after_ready) {
            (Readiness::Pending, _) if has_condition => true,
            (Readiness::Lost, Some(_)) => true,
            (Readiness::Since(ready), Some(least)) => at.saturating_duration_since(ready) < least,
            (Readiness::Pending, Some(least)) => lived < least,
            (_, None) => lived < policy.threshold,
        }
    }

    /// Decides what follows a run that ended at `at`. The delay grows or is reset whether or not there is a
    /// next run, but not by the run of an earlier definition, nor by one that was stopped because of another
    /// process.
    fn run_over(&mut self, run: Run, end: End, cx: &mut Context<'_, S>) -> State {
        let End { result, outcome, lived, is_short, at } = end;
        let is_of_others = run.disowned || run.reason.as_deref().is_some_and(|reason| !reason.is_failure());
        let delay =
            if is_of_others { Duration::ZERO } else { self.next_delay(is_short, run.id.number(), cx.seed) };
        let next = if run.again {
            self.spawn(cx)
        } else if !self.wanted(cx) {
            State::Down(Rest::Idle)
        } else {
            let rest = if run.disowned { None } else { self.judge(outcome, is_short, at) };
            if rest.is_none() && !is_of_others && outcome != Outcome::Requested {
                cx.effect = Some(Effect::RestartsGroup);
            }
            match rest {
                None => {
                    let until = at + delay;
                    self.publish(&run, NoticeKind::Restarting { delay, at: until }, cx);
                    State::Waiting { until }
                }
                Some(rest) => {
                    let kind = self.rest_notice(rest, cx);
                    self.publish(&run, kind, cx);
                    State::Down(rest)
                }
            }
        };
        if !run.disowned {
            self.last = Some(Last { result, lived, asked: run.asked, reason: run.reason });
        }
        next
    }

    /// Counts a result. Returns why there is no next run; `None` if there is one.
    fn judge(&mut self, outcome: Outcome, is_short: bool, at: Instant) -> Option<Rest> {
        let policy = &self.settings.policy;
        match outcome {
            Outcome::Requested => None,
            Outcome::Success => {
                self.failures.succeeded();
                (policy.restart != Restart::Always).then_some(Rest::Completed)
            }
            Outcome::Failure => {
                let counts = is_short || policy.long_run == LongRun::FirstDelay;
                let gives_up = self.failures.failed(policy.give_up, counts, at);
                match policy.restart {
                    Restart::Never => Some(Rest::Failed),
                    Restart::Always | Restart::OnFailure => gives_up.then_some(Rest::GaveUp),
                }
            }
        }
    }

    fn rest_notice(&self, rest: Rest, cx: &mut Context<'_, S>) -> NoticeKind {
        match (rest, self.settings.policy.give_up) {
            (Rest::GaveUp, Some(give_up)) => {
                if give_up.then == OnGiveUp::StopAll {
                    cx.effect = Some(Effect::StopsService);
                }
                let failures = self.failures.count(Some(give_up));
                NoticeKind::GaveUp { failures, within: give_up.within, then: give_up.then }
            }
            (Rest::Failed, _) => NoticeKind::Failed,
            (Rest::Idle | Rest::Completed | Rest::GaveUp, _) => NoticeKind::Completed,
        }
    }

    /// Returns the delay after a run that was too short or long enough, with its jitter. `number` is that of
    /// the run.
    fn next_delay(&mut self, is_short: bool, number: u64, seed: u64) -> Duration {
        let Policy { jitter, long_run, .. } = *self.settings.policy;
        if !is_short {
            self.failures.reset();
            if long_run == LongRun::AtOnce {
                return Duration::ZERO;
            }
        }
        let delay = self.exact_delay();
        self.failures.grow();
        if jitter == Jitter::NONE { delay } else { jitter.apply(delay, seed, number) }
    }
}

impl<S> Child<S> {
    /// Returns the delay after the next run that is too short, without jitter.
    pub(super) fn exact_delay(&self) -> Duration {
        let policy = &self.settings.policy;
        let failures = self.failures.growths.saturating_add(1);
        policy.growth.delay(failures, policy.min_restart_delay, policy.max_restart_delay)
    }

    pub(super) fn stop_way(&self) -> StopWay {
        let Settings { stop_signal: signal, stop_target: target, stop_command: command, policy, .. } =
            &self.settings;
        StopWay { signal: *signal, target: *target, command: *command, kill_time: policy.kill_time }
    }
}
