//! One process: what is wanted of it, what it is doing, and every transition between.

use std::mem;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::definition::Settings;
use super::give_up::Failures;
use super::run::{Context, Death, Ending, FamilyPoll, Gate, Orphans, Readiness, StopReason, StopWay};
use super::state::{Blockage, Goal, Input, Rest, State, StopMode};
use super::status::LastRun;
use super::{Event, Name, NoticeKind, Output, RunId, Signal, SignalTarget};

/// A process of the machine: its definition, and the run it is in.
#[derive(Debug)]
pub(super) struct Child<S> {
    pub(super) name: Name,
    /// Its position in the order of additions.
    pub(super) order: u64,
    pub(super) settings: Settings<S>,
    pub(super) goal: Goal,
    pub(super) state: State,
    pub(super) failures: Failures,
    /// The number of runs since it was added.
    pub(super) starts: u64,
    /// The last run.
    pub(super) last: Option<Last>,
}

/// The end of the last run of a process.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) result: LastRun,
    /// The time from its start to its exit.
    pub(super) lived: Duration,
    pub(super) asked: bool,
    /// The reason why it was asked to end, if it was not a command.
    pub(super) reason: Option<Box<StopReason>>,
}

impl<S: Clone> Child<S> {
    pub(super) fn new(name: Name, settings: Settings<S>, order: u64) -> Self {
        Self {
            name,
            order,
            settings,
            goal: Goal::Keep,
            state: State::Down(Rest::Idle),
            failures: Failures::default(),
            starts: 0,
            last: None,
        }
    }

    /// Replaces a removed definition whose run is not over. The new process is started when the old run is
    /// over.
    pub(super) fn succeed(&mut self, settings: Settings<S>, order: u64) {
        let state = mem::replace(&mut self.state, State::Down(Rest::Idle));
        let way = self.stop_way();
        *self = Self::new(self.name.clone(), settings, order);
        self.state = state;
        self.disown_run(way);
    }

    /// Takes a new definition with another program. The run of the old one is stopped as that wanted, and
    /// does not count for the new one.
    pub(super) fn replace(&mut self, settings: Settings<S>, cx: &mut Context<'_, S>) {
        let is_by_hand = self.state.is_started() && !self.wanted(cx);
        let way = self.stop_way();
        self.handle(Input::Restart(Box::new(StopReason::Replaced(way))), cx);
        self.settings = settings;
        (self.failures, self.last) = (Failures::default(), None);
        self.disown_run(way);
        if let Some(run) = self.state.run_mut() {
            run.again |= is_by_hand;
        } else {
            self.state = State::Down(Rest::Idle);
        }
    }

    fn disown_run(&mut self, way: StopWay) {
        let is_starting = matches!(self.state, State::Starting { .. });
        if let Some(run) = self.state.run_mut() {
            run.disowned = true;
            run.again = false;
            if is_starting && !matches!(run.reason.as_deref(), Some(StopReason::Replaced(_))) {
                run.reason = Some(Box::new(StopReason::Replaced(way)));
            }
        }
    }

    /// Starts the service for it: what has come to rest is started again.
    pub(super) fn begin(&mut self) {
        if let State::Down(rest) = &mut self.state {
            if *rest == Rest::GaveUp {
                self.failures = Failures::default();
            }
            *rest = Rest::Idle;
        }
    }

    /// Lets a process that was given up start over.
    pub(super) fn pardon(&mut self) {
        #[cfg(test)]
        let before = self.failures.clone();
        match self.state {
            State::Down(Rest::GaveUp) => self.failures = Failures::default(),
            _ => self.failures.start_over(),
        }
        #[cfg(test)]
        super::mutant::count_manual_start(&mut self.failures, before);
    }

    /// Returns whether it was not held before.
    pub(super) fn hold(&mut self) -> bool {
        mem::replace(&mut self.goal, Goal::Hold) != Goal::Hold
    }

    /// Returns whether it was held before.
    pub(super) fn release(&mut self) -> bool {
        mem::replace(&mut self.goal, Goal::Keep) != Goal::Keep
    }

    pub(super) fn remove(&mut self) {
        self.goal = Goal::Gone;
    }

    /// Whether its definition was removed.
    pub(super) fn is_removed(&self) -> bool {
        self.goal == Goal::Gone
    }

    /// Whether it was removed and its last run is over.
    pub(super) fn is_finished(&self) -> bool {
        self.is_removed() && matches!(self.state, State::Down(_))
    }

    pub(super) fn spec(&self) -> &S {
        &self.settings.spec
    }

    /// The run under way.
    pub(super) fn run(&self) -> Option<RunId> {
        self.state.run().map(|run| run.id)
    }

    /// The output that sends it a signal, if it runs. It changes no state: its effect is an event like any
    /// other.
    pub(super) fn signal(&self, signal: Signal) -> Option<Output<S>> {
        match &self.state {
            State::Up(run) | State::Stopping { run, .. } => {
                Some(Output::Signal { run: run.id, target: SignalTarget::Group, signal })
            }
            State::Down(_)
            | State::Starting { .. }
            | State::Ending(_)
            | State::Waiting { .. }
            | State::Blocked(_) => None,
        }
    }

    /// When [`Input::Timeout`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Down(_) | State::Starting { .. } | State::Blocked(_) => None,
            State::Up(run) => self.ready_until(run),
            State::Stopping { kill_at, orphans, .. } => {
                orphans.as_ref().map(|orphans| orphans.family.at).into_iter().chain([*kill_at]).min()
            }
            State::Ending(ending) => ending.deadline(),
            State::Waiting { until } => Some(*until),
        }
    }

    /// Handles every input in every state.
    pub(super) fn handle(&mut self, input: Input, cx: &mut Context<'_, S>) {
        // The end of the output is noted for a run in any state, and matters only to one that waits for it.
        if let Input::Event(Event::Closed { .. }) = &input
            && let Some(run) = self.state.run_mut()
        {
            run.closed = true;
            if !matches!(self.state, State::Ending(_)) {
                return;
            }
        }
        let next = match (mem::replace(&mut self.state, State::Down(Rest::Idle)), input) {
            // Nothing runs, and none is due.
            (State::Down(_), Input::Start) => self.spawn(cx),
            (State::Down(Rest::Idle), Input::Wake) if self.wanted(cx) => self.spawn_or_wait(cx),
            (
                state @ State::Down(_),
                Input::Wake | Input::Stop | Input::Restart(_) | Input::Cancel | Input::Kill | Input::Timeout,
            ) => state,

            // Between two runs. A start does not wait for the delay. A stop has nothing to stop and leaves
            // the restart alone.
            (State::Waiting { .. }, Input::Start) => self.spawn(cx),
            (State::Waiting { until }, Input::Timeout) if until <= cx.now => self.spawn_or_wait(cx),
            (
                state @ State::Waiting { .. },
                Input::Wake | Input::Stop | Input::Restart(_) | Input::Timeout,
            ) => state,

            // A run is due. A start by a command does not wait for the conditions.
            (State::Blocked(_), Input::Start) => self.spawn(cx),
            (State::Blocked(blockage), Input::Wake) if self.wanted(cx) => match (cx.gate, blockage) {
                (Gate::Open, _) => self.spawn(cx),
                (Gate::Condition(_), Blockage::Silent) => self.spawn_or_wait(cx),
                (Gate::Condition(_) | Gate::Group, _) => State::Blocked(blockage),
            },
            (state @ State::Blocked(_), Input::Wake | Input::Stop | Input::Restart(_) | Input::Timeout) => {
                state
            }
            (State::Waiting { .. } | State::Blocked(_), Input::Cancel | Input::Kill) => {
                State::Down(Rest::Idle)
            }

            // The start was requested.
            (State::Starting { mut run, unwanted, exit }, Input::Start) => {
                run.again = unwanted.is_some();
                State::Starting { run, unwanted, exit }
            }
            (State::Starting { mut run, unwanted, exit }, Input::Stop | Input::Cancel) => {
                run.again = false;
                State::Starting { run, unwanted: unwanted.or(Some(StopMode::Graceful)), exit }
            }
            (State::Starting { mut run, unwanted, exit }, Input::Restart(reason)) => {
                if unwanted.is_none() {
                    run.reason = Some(reason);
                }
                State::Starting { run, unwanted: unwanted.or(Some(StopMode::Graceful)), exit }
            }
            (State::Starting { mut run, exit, .. }, Input::Kill) => {
                run.again = false;
                State::Starting { run, unwanted: Some(StopMode::Forced), exit }
            }
            (
                State::Starting { mut run, unwanted, exit },
                Input::Event(Event::Started { pid, containment, .. }),
            ) => {
                run.pid = NonZeroU32::new(pid);
                run.containment = Some(containment);
                run.since = cx.now;
                self.publish(&run, NoticeKind::Started { pid }, cx);
                let next = match unwanted {
                    None => self.up(run, cx),
                    Some(StopMode::Graceful) => self.stop(run, cx),
                    Some(StopMode::Forced) => self.kill(run, None, cx),
                };
                match exit {
                    None => next,
                    Some(exit) => {
                        self.state = next;
                        self.handle(Input::Event(*exit), cx);
                        mem::replace(&mut self.state, State::Down(Rest::Idle))
                    }
                }
            }
            (State::Starting { run, .. }, Input::Event(Event::SpawnFailed { error, .. })) => {
                self.spawn_failed(run, error, cx)
            }
            // A driver may see the end of a short-lived process before it reports the start. Nothing of it
            // may be lost, or the run would never be over.
            (State::Starting { run, unwanted, exit: None }, Input::Event(exit @ Event::Exited { .. })) => {
                State::Starting { run, unwanted, exit: Some(Box::new(exit)) }
            }
            (State::Starting { mut run, unwanted, exit }, Input::Event(Event::Ready { .. })) => {
                run.readiness = Readiness::Since(cx.now);
                State::Starting { run, unwanted, exit }
            }
            (
                State::Starting { mut run, unwanted: None, exit },
                Input::Event(event @ (Event::NotReady { .. } | Event::Unhealthy { .. })),
            ) => {
                run.reason = event.into_failure().map(Box::new);
                State::Starting { run, unwanted: None, exit }
            }
            (state @ State::Starting { .. }, Input::Wake | Input::Timeout | Input::Event(_)) => state,

            // It runs. Another start does nothing.
            (State::Up(run), Input::Timeout) if self.ready_until(&run).is_some_and(|at| at <= cx.now) => {
                let reason = self.late_reason();
                self.fail(run, StopReason::NotReady(reason), cx)
            }
            (State::Up(run), Input::Start | Input::Wake | Input::Timeout) => State::Up(run),
            (State::Up(mut run), Input::Restart(reason)) => {
                run.reason = Some(reason);
                self.stop(run, cx)
            }
            (State::Up(mut run), Input::Event(Event::Ready { .. })) => {
                if !matches!(run.readiness, Readiness::Since(_)) {
                    run.readiness = Readiness::Since(cx.now);
                    self.publish(&run, NoticeKind::Ready, cx);
                }
                State::Up(run)
            }
            (State::Up(mut run), Input::Event(Event::NotReady { reason, .. })) => match run.readiness {
                Readiness::Pending => self.fail(run, StopReason::NotReady(reason), cx),
                Readiness::Since(_) => {
                    run.readiness = Readiness::Lost;
                    self.publish(&run, NoticeKind::NotReady { reason }, cx);
                    State::Up(run)
                }
                Readiness::Lost => State::Up(run),
            },
            (State::Up(run), Input::Event(Event::Unhealthy { reason, .. })) => {
                self.fail(run, StopReason::Unhealthy(reason), cx)
            }
            (State::Up(run), Input::Stop | Input::Cancel) => self.stop(run, cx),
            (State::Up(run), Input::Kill) => self.kill(run, None, cx),
            (State::Up(run), Input::Event(Event::Exited { exit, remaining, .. })) => {
                let death = Death { exit, at: cx.now };
                if remaining.is_empty() {
                    self.family_died(run, death, cx)
                } else {
                    // The family is killed at once, while the unreaped leader keeps its group id from being
                    // reused.
                    cx.kill(run.id);
                    self.publish(&run, NoticeKind::LeftBehind { pids: remaining.clone() }, cx);
                    let orphans = Some(Orphans { death, family: FamilyPoll::new(remaining, cx.now) });
                    self.ending(Ending::killed(run, orphans, self.leak_timeout(), cx.now), cx)
                }
            }
            (state @ State::Up(_), Input::Event(_)) => state,

            // The stop signal was sent. Another stop changes nothing: the deadline stays.
            (State::Stopping { mut run, kill_at, orphans }, Input::Start) => {
                run.again = true;
                State::Stopping { run, kill_at, orphans }
            }
            (State::Stopping { mut run, kill_at, orphans }, Input::Stop | Input::Cancel) => {
                run.again = false;
                State::Stopping { run, kill_at, orphans }
            }
            (State::Stopping { mut run, orphans, .. }, Input::Kill) => {
                run.again = false;
                self.kill(run, orphans, cx)
            }
            (State::Stopping { run, kill_at, orphans }, Input::Timeout) if kill_at <= cx.now => {
                self.kill(run, orphans, cx)
            }
            (State::Stopping { run, kill_at, mut orphans }, Input::Timeout) => {
                if let Some(orphans) = &mut orphans {
                    orphans.family.handle_timeout(run.id, cx);
                }
                State::Stopping { run, kill_at, orphans }
            }
            (
                State::Stopping { run, kill_at, orphans: None },
                Input::Event(Event::Exited { exit, remaining, .. }),
            ) => {
                let death = Death { exit, at: cx.now };
                if remaining.is_empty() {
                    self.family_died(run, death, cx)
                } else {
                    // The rest of the family has until the kill time as well. It has not been asked to end if
                    // the leader alone was, by its own signal or by a stop command.
                    let Settings { stop_target, stop_signal, .. } = &self.settings;
                    let asked = run.stop_command.as_ref().map(|command| command.signal);
                    let by_signal = (*stop_target == SignalTarget::Leader).then_some(*stop_signal);
                    if let Some(signal) = asked.or(by_signal) {
                        cx.stop(run.id, SignalTarget::Family, signal);
                    }
                    let family = FamilyPoll::new(remaining, cx.now);
                    State::Stopping { run, kill_at, orphans: Some(Box::new(Orphans { death, family })) }
                }
            }
            (
                State::Stopping { run, kill_at, orphans: Some(mut orphans) },
                Input::Event(Event::Family { remaining, .. }),
            ) => {
                if remaining.is_empty() {
                    self.family_died(run, orphans.death, cx)
                } else {
                    orphans.family.remaining = remaining;
                    State::Stopping { run, kill_at, orphans: Some(orphans) }
                }
            }
            (
                State::Stopping { mut run, kill_at, orphans },
                Input::Event(Event::StopCommandEnded { result, .. }),
            ) => {
                if let Some(command) = run.stop_command_ended()
                    && let Err(error) = result
                    && orphans.is_none()
                {
                    run.stop_command = None;
                    self.stop_command_failed(&run, command, error, cx);
                }
                State::Stopping { run, kill_at, orphans }
            }
            (state @ State::Stopping { .. }, Input::Wake | Input::Restart(_) | Input::Event(_)) => state,

            // Dead or killed.
            (State::Ending(mut ending), Input::Start) => {
                ending.run.again = true;
                State::Ending(ending)
            }
            (State::Ending(mut ending), Input::Stop | Input::Cancel | Input::Kill) => {
                ending.run.again = false;
                ending.report_again(cx.now);
                State::Ending(ending)
            }
            (State::Ending(mut ending), Input::Timeout) => {
                ending.handle_timeout(cx);
                self.ending(ending, cx)
            }
            (State::Ending(mut ending), Input::Event(Event::Survivors { processes, .. })) => {
                if let Some(processes) = ending.survivors_described(processes, cx.now) {
                    self.publish(&ending.run, NoticeKind::Survived { processes }, cx);
                }
                self.ending(ending, cx)
            }
            (State::Ending(mut ending), Input::Event(Event::StopCommandEnded { .. })) => {
                ending.run.stop_command_ended();
                State::Ending(ending)
            }
            (State::Ending(ending), Input::Event(Event::Closed { .. })) => self.ending(ending, cx),
            (State::Ending(mut ending), Input::Event(Event::Exited { exit, remaining, .. }))
                if ending.death.is_none() =>
            {
                ending.death = Some(Death { exit, at: cx.now });
                ending.close_at = Some(cx.now + self.leak_timeout());
                let family = (!remaining.is_empty()).then(|| FamilyPoll::new(remaining, cx.now));
                ending.family = family.map(Box::new);
                self.ending(ending, cx)
            }
            (State::Ending(mut ending), Input::Event(Event::Family { remaining, .. })) => {
                if remaining.is_empty() {
                    ending.family = None;
                } else if let Some(family) = &mut ending.family {
                    // There may be new members since the last KILL.
                    family.remaining = remaining;
                    cx.kill(ending.run.id);
                    ending.family_listed(cx);
                }
                self.ending(ending, cx)
            }
            (state @ State::Ending(_), Input::Wake | Input::Restart(_) | Input::Event(_)) => state,

            // An event without a run: the machine does not pass these on.
            (state @ (State::Down(_) | State::Waiting { .. } | State::Blocked(_)), Input::Event(_)) => state,
        };
        // What it replaces owns nothing, so its drop would only cost time.
        mem::forget(mem::replace(&mut self.state, next));
    }
}
