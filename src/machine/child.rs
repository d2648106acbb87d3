//! One process: what is wanted of it, what it is doing, and every transition between.

use std::mem;
use std::time::{Duration, Instant};

use super::run::{Context, Death, Ending, FamilyPoll, Run, StopCommand};
use super::state::{Goal, Input, State, StopMode};
use super::status::{LastRun, Phase, Status};
use super::{
    Definition, Event, Name, NoticeKind, Output, Policy, RunId, Signal, SignalTarget, SpawnError,
    StopCommandError,
};
use crate::backoff::Backoff;

/// A process of the machine: its definition, and the run it is in.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Child<S> {
    pub(super) name: Name,
    /// Its position in the order of additions.
    pub(super) order: u64,
    definition: Definition<S>,
    goal: Goal,
    state: State,
    backoff: Backoff,
    /// The number of runs since it was added.
    starts: u64,
    /// The result of the last run.
    last: Option<LastRun>,
}

impl<S: Clone> Child<S> {
    pub(super) fn new(name: Name, definition: Definition<S>, order: u64) -> Self {
        let backoff = definition.policy.backoff();
        Self { name, order, definition, goal: Goal::Keep, state: State::Down, backoff, starts: 0, last: None }
    }

    /// Replaces a removed definition whose run is not over. The new process is started when the old run is
    /// over.
    pub(super) fn succeed(&mut self, definition: Definition<S>, order: u64) {
        let state = mem::replace(&mut self.state, State::Down);
        *self = Self::new(self.name.clone(), definition, order);
        self.state = state;
        if let Some(run) = self.state.run_mut() {
            run.disowned = true;
            run.again = false;
        }
    }

    pub(super) fn hold(&mut self) {
        self.goal = Goal::Hold;
    }

    pub(super) fn release(&mut self) {
        self.goal = Goal::Keep;
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
        self.is_removed() && matches!(self.state, State::Down)
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.definition.policy
    }

    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.definition.policy = policy;
    }

    pub(super) fn spec(&self) -> &S {
        &self.definition.spec
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
            State::Down | State::Starting { .. } | State::Ending(_) | State::Waiting { .. } => None,
        }
    }

    /// When [`Input::Timeout`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Down | State::Starting { .. } | State::Up(_) => None,
            State::Stopping { kill_at, orphans, .. } => {
                orphans.as_ref().map(|(_, family)| family.at).into_iter().chain([*kill_at]).min()
            }
            State::Ending(ending) => ending.deadline(),
            State::Waiting { until } => Some(*until),
        }
    }

    /// Handles every input in every state.
    pub(super) fn handle(&mut self, input: Input, cx: &mut Context<'_, S>) {
        self.state = match (mem::replace(&mut self.state, State::Down), input) {
            // Nothing runs.
            (State::Down, Input::Start) => self.spawn(cx),
            (State::Down, Input::Wake) if self.wanted(cx) => self.spawn(cx),
            (State::Down, Input::Wake | Input::Stop | Input::Cancel | Input::Kill | Input::Timeout) => {
                State::Down
            }

            // Between two runs. A start does not wait for the delay. A stop has nothing to stop and leaves
            // the restart alone.
            (State::Waiting { .. }, Input::Start) => self.spawn(cx),
            (State::Waiting { until }, Input::Timeout) if until <= cx.now => self.spawn(cx),
            (State::Waiting { until }, Input::Wake | Input::Stop | Input::Timeout) => {
                State::Waiting { until }
            }
            (State::Waiting { .. }, Input::Cancel | Input::Kill) => State::Down,

            // The start was requested.
            (State::Starting { mut run, unwanted, exit }, Input::Start) => {
                run.again = unwanted.is_some();
                State::Starting { run, unwanted, exit }
            }
            (State::Starting { mut run, unwanted, exit }, Input::Stop | Input::Cancel) => {
                run.again = false;
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
                run.pid = Some(pid);
                run.containment = Some(containment);
                run.since = cx.now;
                self.publish(&run, NoticeKind::Started { pid }, cx);
                self.state = match unwanted {
                    None => State::Up(run),
                    Some(StopMode::Graceful) => self.stop(run, cx),
                    Some(StopMode::Forced) => self.kill(run, None, cx),
                };
                if let Some(exit) = exit {
                    self.handle(Input::Event(exit), cx);
                }
                mem::replace(&mut self.state, State::Down)
            }
            (State::Starting { run, .. }, Input::Event(Event::SpawnFailed { error, .. })) => {
                self.spawn_failed(run, error, cx)
            }
            // A driver may see the end of a short-lived process before it reports the start. Nothing of it
            // may be lost, or the run would never be over.
            (State::Starting { mut run, unwanted, exit }, Input::Event(Event::Closed { .. })) => {
                run.closed = true;
                State::Starting { run, unwanted, exit }
            }
            (State::Starting { run, unwanted, exit: None }, Input::Event(exit @ Event::Exited { .. })) => {
                State::Starting { run, unwanted, exit: Some(exit) }
            }
            (state @ State::Starting { .. }, Input::Wake | Input::Timeout | Input::Event(_)) => state,

            // It runs. Another start does nothing.
            (State::Up(run), Input::Start | Input::Wake | Input::Timeout) => State::Up(run),
            (State::Up(run), Input::Stop | Input::Cancel) => self.stop(run, cx),
            (State::Up(run), Input::Kill) => self.kill(run, None, cx),
            (State::Up(mut run), Input::Event(Event::Closed { .. })) => {
                run.closed = true;
                State::Up(run)
            }
            (State::Up(run), Input::Event(Event::Exited { exit, remaining, .. })) => {
                let death = Death { exit, at: cx.now };
                if remaining.is_empty() {
                    self.family_died(run, death, cx)
                } else {
                    // The family is killed at once, while the unreaped leader keeps its group id from being
                    // reused.
                    cx.kill(run.id);
                    self.publish(&run, NoticeKind::LeftBehind { pids: remaining.clone() }, cx);
                    let orphans = Some((death, FamilyPoll::new(remaining, cx.now)));
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
                if let Some((_, family)) = &mut orphans {
                    family.handle_timeout(run.id, cx);
                }
                State::Stopping { run, kill_at, orphans }
            }
            (State::Stopping { mut run, kill_at, orphans }, Input::Event(Event::Closed { .. })) => {
                run.closed = true;
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
                    let Definition { stop_target, stop_signal, .. } = &self.definition;
                    let asked = run.stop_command.as_ref().map(|command| command.signal);
                    let by_signal = (*stop_target == SignalTarget::Leader).then_some(*stop_signal);
                    if let Some(signal) = asked.or(by_signal) {
                        cx.stop(run.id, SignalTarget::Family, signal);
                    }
                    let family = FamilyPoll::new(remaining, cx.now);
                    State::Stopping { run, kill_at, orphans: Some((death, family)) }
                }
            }
            (
                State::Stopping { run, kill_at, orphans: Some((death, mut family)) },
                Input::Event(Event::Family { remaining, .. }),
            ) => {
                if remaining.is_empty() {
                    self.family_died(run, death, cx)
                } else {
                    family.remaining = remaining;
                    State::Stopping { run, kill_at, orphans: Some((death, family)) }
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
            (state @ State::Stopping { .. }, Input::Wake | Input::Event(_)) => state,

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
            (State::Ending(mut ending), Input::Event(Event::Closed { .. })) => {
                ending.run.closed = true;
                self.ending(ending, cx)
            }
            (State::Ending(mut ending), Input::Event(Event::Exited { exit, remaining, .. }))
                if ending.death.is_none() =>
            {
                ending.death = Some(Death { exit, at: cx.now });
                ending.close_at = Some(cx.now + self.leak_timeout());
                ending.family = (!remaining.is_empty()).then(|| FamilyPoll::new(remaining, cx.now));
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
            (state @ State::Ending(_), Input::Wake | Input::Event(_)) => state,

            // An event without a run: the machine does not pass these on.
            (state @ (State::Down | State::Waiting { .. }), Input::Event(_)) => state,
        };
    }

    pub(super) fn status(&self) -> Status {
        let run = self.state.run();
        let phase = match &self.state {
            State::Down if self.goal == Goal::Hold => Phase::Held,
            State::Down => Phase::Down,
            State::Starting { .. } => Phase::Starting,
            State::Up(_) => Phase::Up,
            State::Stopping { .. } => Phase::Stopping,
            State::Ending(ending) if ending.is_unkillable() => Phase::Unkillable,
            State::Ending(_) => Phase::Ending,
            State::Waiting { .. } => Phase::Waiting,
        };
        let next_start = match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        };
        Status {
            name: self.name.clone(),
            phase,
            held: self.goal == Goal::Hold,
            run: run.map(|run| run.id),
            pid: run.and_then(|run| run.pid),
            containment: run.and_then(|run| run.containment),
            since: run.map(|run| run.since),
            restarts: self.starts.saturating_sub(1),
            last: self.last.clone(),
            delay: self.backoff.next(),
            next_start,
            ready_since: None,
            kill_at: match self.state {
                State::Stopping { kill_at, .. } => Some(kill_at),
                _ => None,
            },
            blocked_on: None,
            failures: 0,
            policy: self.definition.policy,
        }
    }

    fn wanted(&self, cx: &Context<'_, S>) -> bool {
        cx.running && self.goal == Goal::Keep
    }

    fn leak_timeout(&self) -> Duration {
        self.definition.policy.leak_timeout
    }

    fn publish(&self, run: &Run, kind: NoticeKind, cx: &mut Context<'_, S>) {
        cx.publish(self.name.clone(), run.id, kind);
    }

    fn spawn(&mut self, cx: &mut Context<'_, S>) -> State {
        let id = cx.next_run();
        self.starts += 1;
        cx.push(Output::Spawn { run: id, name: self.name.clone(), spec: self.definition.spec.clone() });
        State::Starting { run: Run::new(id, cx.now), unwanted: None, exit: None }
    }

    /// Sends the stop signal, or runs the stop command. CONT is sent as well, so that a stopped process can
    /// end.
    fn stop(&self, mut run: Run, cx: &mut Context<'_, S>) -> State {
        let Definition { stop_signal: signal, stop_target: target, stop_command, policy, .. } =
            self.definition;
        let kill_time = policy.kill_time;
        run.asked = true;
        if stop_command {
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
    fn stop_command_failed(
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
    fn kill(&mut self, mut run: Run, orphans: Option<(Death, FamilyPoll)>, cx: &mut Context<'_, S>) -> State {
        run.asked = true;
        cx.kill(run.id);
        run.kill_stop_command(cx);
        self.publish(&run, NoticeKind::Killed, cx);
        let orphans = orphans.map(|(death, family)| (death, FamilyPoll::new(family.remaining, cx.now)));
        self.ending(Ending::killed(run, orphans, self.leak_timeout(), cx.now), cx)
    }

    fn family_died(&mut self, run: Run, death: Death, cx: &mut Context<'_, S>) -> State {
        self.ending(Ending::dead(run, death, self.leak_timeout(), cx.now), cx)
    }

    /// Waits on for the end of a run, or reaps it.
    fn ending(&mut self, ending: Ending, cx: &mut Context<'_, S>) -> State {
        let Some(death) = ending.is_over() else {
            return State::Ending(ending);
        };
        let mut run = ending.run;
        run.kill_stop_command(cx);
        let lived = death.at.saturating_duration_since(run.since);
        let instant = lived < self.definition.policy.threshold;
        if !run.closed {
            let daemonized = death.exit.is_success() && instant && !run.asked;
            self.publish(&run, NoticeKind::Leaked { daemonized }, cx);
        }
        cx.push(Output::Reap { run: run.id });
        self.publish(&run, NoticeKind::Exited { exit: death.exit, lived, asked: run.asked }, cx);
        if !run.disowned {
            self.last = Some(LastRun::Exited(death.exit));
        }
        self.run_over(&run, instant, death.at, cx)
    }

    /// Handles a failed start, which counts as an instant death.
    fn spawn_failed(&mut self, run: Run, error: SpawnError, cx: &mut Context<'_, S>) -> State {
        self.publish(&run, NoticeKind::SpawnFailed { error: error.clone() }, cx);
        if !run.disowned {
            self.last = Some(LastRun::SpawnFailed(error));
        }
        self.run_over(&run, true, cx.now, cx)
    }

    /// Decides what follows a run that ended at `at`. The delay grows or is reset whether or not there is a
    /// next run, but not by the run of an earlier definition.
    fn run_over(&mut self, run: &Run, instant: bool, at: Instant, cx: &mut Context<'_, S>) -> State {
        let delay = if run.disowned {
            Duration::ZERO
        } else if instant {
            self.backoff.grow()
        } else {
            self.backoff.start_over()
        };
        if run.again {
            return self.spawn(cx);
        }
        if !self.wanted(cx) {
            return State::Down;
        }
        let until = at + delay;
        self.publish(run, NoticeKind::Restarting { delay, at: until }, cx);
        State::Waiting { until }
    }
}
