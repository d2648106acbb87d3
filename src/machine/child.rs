//! One process: what is wanted of it, what it is doing, and every step between.

use std::mem;
use std::time::{Duration, Instant};

use super::run::{Death, Ending, Look, Run};
use super::status::{LastRun, Phase, Status};
use super::turn::Turn;
use super::{Definition, Event, Name, NoticeKind, Output, RunId, Signal, SignalTarget, SpawnError};
use crate::backoff::Backoff;

/// A process of the machine: its definition, and the run it is in.
#[derive(Debug)]
pub(super) struct Child<S> {
    pub(super) name: Name,
    /// Its place in the order of additions.
    pub(super) order: u64,
    definition: Definition<S>,
    goal: Goal,
    state: State,
    backoff: Backoff,
    /// Runs begun since it was added.
    starts: u64,
    /// How the last of them ended.
    last: Option<LastRun>,
}

/// What is wanted, once no run is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Up, while the service runs.
    Keep,
    /// Down, until it is released.
    Hold,
    /// Forgotten.
    Gone,
}

/// What is.
#[derive(Debug)]
enum State {
    /// Nothing runs, and nothing will by itself.
    Down,
    /// Asked to be started; the answer is not in.
    Starting { run: Run, unwanted: Option<Haste> },
    /// Runs.
    Up(Run),
    /// Asked to end. `orphans` are what is left of the group when the process itself went first.
    Stopping { run: Run, kill_at: Instant, orphans: Option<(Death, Look)> },
    /// Dead or killed; its group or its output may not be at their end yet.
    Ending(Ending),
    /// Between two runs.
    Waiting { until: Instant },
}

/// How to end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// With the stop signal, and KILL at the kill time.
    Ask,
    /// With KILL.
    Kill,
}

/// What can happen to a process.
#[derive(Debug)]
pub(super) enum Input {
    /// Start it as soon as can be.
    Start,
    /// It is wanted now: start it unless it is already on its way.
    Wake,
    /// End this run.
    Stop,
    /// End this run, and forget about a restart that is due.
    Cancel,
    /// The same, with KILL.
    Kill,
    /// The time may have come for something.
    Tick,
    /// News of its run.
    NoticeKind(Event),
}

impl<S: Clone> Child<S> {
    pub(super) fn new(name: Name, definition: Definition<S>, order: u64) -> Self {
        let backoff = definition.policy.backoff();
        Self { name, order, definition, goal: Goal::Keep, state: State::Down, backoff, starts: 0, last: None }
    }

    /// Takes over a name whose removed owner is still dying. The new one starts when the old run is over (PM-10).
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

    /// Whether nothing of it is left to mind.
    pub(super) fn is_finished(&self) -> bool {
        self.is_removed() && matches!(self.state, State::Down)
    }

    pub(super) fn spec(&self) -> &S {
        &self.definition.spec
    }

    /// The run under way.
    pub(super) fn run(&self) -> Option<RunId> {
        self.state.run().map(|run| run.id)
    }

    /// The order to send it a signal, if there is anybody to hear it. It changes no decision: what comes of it is news
    /// like any other.
    pub(super) fn signal(&self, signal: Signal) -> Option<Output<S>> {
        match &self.state {
            State::Up(run) | State::Stopping { run, .. } => {
                Some(Output::Signal { run: run.id, target: SignalTarget::Group, signal })
            }
            State::Down | State::Starting { .. } | State::Ending(_) | State::Waiting { .. } => None,
        }
    }

    /// When to call with [`Input::Tick`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Down | State::Starting { .. } | State::Up(_) => None,
            State::Stopping { kill_at, orphans, .. } => {
                orphans.as_ref().map(|(_, look)| look.at).into_iter().chain([*kill_at]).min()
            }
            State::Ending(ending) => ending.deadline(),
            State::Waiting { until } => Some(*until),
        }
    }

    /// Every state and everything that can happen in it.
    pub(super) fn handle(&mut self, input: Input, turn: &mut Turn<'_, S>) {
        self.state = match (mem::replace(&mut self.state, State::Down), input) {
            // Nothing runs.
            (State::Down, Input::Start) => self.spawn(turn),
            (State::Down, Input::Wake) if self.wanted(turn) => self.spawn(turn),
            (State::Down, Input::Wake | Input::Stop | Input::Cancel | Input::Kill | Input::Tick) => {
                State::Down
            }

            // Between two runs. A start does not wait (PM-18); a stop has nothing to stop and leaves the restart alone
            // (PM-33).
            (State::Waiting { .. }, Input::Start) => self.spawn(turn),
            (State::Waiting { until }, Input::Tick) if until <= turn.now => self.spawn(turn),
            (State::Waiting { until }, Input::Wake | Input::Stop | Input::Tick) => State::Waiting { until },
            (State::Waiting { .. }, Input::Cancel | Input::Kill) => State::Down,

            // The order to start is out.
            (State::Starting { mut run, unwanted }, Input::Start) => {
                run.again = unwanted.is_some();
                State::Starting { run, unwanted }
            }
            (State::Starting { mut run, unwanted }, Input::Stop | Input::Cancel) => {
                run.again = false;
                State::Starting { run, unwanted: unwanted.or(Some(Haste::Ask)) }
            }
            (State::Starting { mut run, .. }, Input::Kill) => {
                run.again = false;
                State::Starting { run, unwanted: Some(Haste::Kill) }
            }
            (
                State::Starting { mut run, unwanted },
                Input::NoticeKind(Event::Started { pid, containment, .. }),
            ) => {
                run.pid = Some(pid);
                run.containment = Some(containment);
                run.since = turn.now;
                self.tell(&run, NoticeKind::Started { pid }, turn);
                match unwanted {
                    None => State::Up(run),
                    Some(Haste::Ask) => self.ask(run, turn),
                    Some(Haste::Kill) => self.kill(run, None, turn),
                }
            }
            (State::Starting { run, .. }, Input::NoticeKind(Event::SpawnFailed { error, .. })) => {
                self.failed(run, error, turn)
            }
            (state @ State::Starting { .. }, Input::Wake | Input::Tick | Input::NoticeKind(_)) => state,

            // It runs. Starting it once more does nothing (PM-15).
            (State::Up(run), Input::Start | Input::Wake | Input::Tick) => State::Up(run),
            (State::Up(run), Input::Stop | Input::Cancel) => self.ask(run, turn),
            (State::Up(run), Input::Kill) => self.kill(run, None, turn),
            (State::Up(mut run), Input::NoticeKind(Event::Closed { .. })) => {
                run.closed = true;
                State::Up(run)
            }
            (State::Up(run), Input::NoticeKind(Event::Exited { exit, left, .. })) => {
                let death = Death { exit, at: turn.now };
                if left.is_empty() {
                    self.emptied(run, death, turn)
                } else {
                    // Its group goes with it, while the dead leader still keeps the number from being used again.
                    turn.push(Output::Signal {
                        run: run.id,
                        target: SignalTarget::Family,
                        signal: Signal::KILL,
                    });
                    self.tell(&run, NoticeKind::LeftBehind { pids: left.clone() }, turn);
                    let orphans = Some((death, Look::soon(left, turn.now)));
                    self.ending(Ending::killed(run, orphans, self.leak_timeout(), turn.now), turn)
                }
            }
            (state @ State::Up(_), Input::NoticeKind(_)) => state,

            // Asked to end. Asking twice changes nothing: the deadline stays (PM-37).
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
                self.kill(run, orphans, turn)
            }
            (State::Stopping { run, kill_at, orphans }, Input::Tick) if kill_at <= turn.now => {
                self.kill(run, orphans, turn)
            }
            (State::Stopping { run, kill_at, mut orphans }, Input::Tick) => {
                if let Some((_, look)) = &mut orphans {
                    look.when_due(run.id, turn);
                }
                State::Stopping { run, kill_at, orphans }
            }
            (State::Stopping { mut run, kill_at, orphans }, Input::NoticeKind(Event::Closed { .. })) => {
                run.closed = true;
                State::Stopping { run, kill_at, orphans }
            }
            (
                State::Stopping { run, kill_at, orphans: None },
                Input::NoticeKind(Event::Exited { exit, left, .. }),
            ) => {
                let death = Death { exit, at: turn.now };
                if left.is_empty() {
                    self.emptied(run, death, turn)
                } else {
                    // The rest of the group has its time too, and not more (F-25).
                    let look = Look::soon(left, turn.now);
                    State::Stopping { run, kill_at, orphans: Some((death, look)) }
                }
            }
            (
                State::Stopping { run, kill_at, orphans: Some((death, mut look)) },
                Input::NoticeKind(Event::Group { left, .. }),
            ) => {
                if left.is_empty() {
                    self.emptied(run, death, turn)
                } else {
                    look.left = left;
                    State::Stopping { run, kill_at, orphans: Some((death, look)) }
                }
            }
            (state @ State::Stopping { .. }, Input::Wake | Input::NoticeKind(_)) => state,

            // Dead or killed.
            (State::Ending(mut ending), Input::Start) => {
                ending.run.again = true;
                State::Ending(ending)
            }
            (State::Ending(mut ending), Input::Stop | Input::Cancel | Input::Kill) => {
                ending.run.again = false;
                State::Ending(ending)
            }
            (State::Ending(mut ending), Input::Tick) => {
                if let Some(pids) = ending.tick(turn) {
                    self.tell(&ending.run, NoticeKind::Survived { pids }, turn);
                }
                self.ending(ending, turn)
            }
            (State::Ending(mut ending), Input::NoticeKind(Event::Closed { .. })) => {
                ending.run.closed = true;
                self.ending(ending, turn)
            }
            (State::Ending(mut ending), Input::NoticeKind(Event::Exited { exit, left, .. }))
                if ending.death.is_none() =>
            {
                ending.death = Some(Death { exit, at: turn.now });
                ending.close_at = Some(turn.now + self.leak_timeout());
                ending.look = (!left.is_empty()).then(|| Look::soon(left, turn.now));
                self.ending(ending, turn)
            }
            (State::Ending(mut ending), Input::NoticeKind(Event::Group { left, .. })) => {
                if left.is_empty() {
                    ending.look = None;
                } else if let Some(look) = &mut ending.look {
                    // Somebody may have joined the group since; it is not empty, so its number is still its own.
                    look.left = left;
                    turn.push(Output::Signal {
                        run: ending.run.id,
                        target: SignalTarget::Family,
                        signal: Signal::KILL,
                    });
                }
                self.ending(ending, turn)
            }
            (state @ State::Ending(_), Input::Wake | Input::NoticeKind(_)) => state,

            // News of a run, and no run: the machine has sorted these out before.
            (state @ (State::Down | State::Waiting { .. }), Input::NoticeKind(_)) => state,
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
        }
    }

    fn wanted(&self, turn: &Turn<'_, S>) -> bool {
        turn.running && self.goal == Goal::Keep
    }

    fn leak_timeout(&self) -> Duration {
        self.definition.policy.leak_timeout
    }

    fn tell(&self, run: &Run, kind: NoticeKind, turn: &mut Turn<'_, S>) {
        turn.tell(self.name.clone(), run.id, kind);
    }

    fn spawn(&mut self, turn: &mut Turn<'_, S>) -> State {
        let id = turn.next_run();
        self.starts += 1;
        turn.push(Output::Spawn { run: id, name: self.name.clone(), spec: self.definition.spec.clone() });
        State::Starting { run: Run::new(id, turn.now), unwanted: None }
    }

    /// Sends the stop signal, and CONT so that a stopped process hears it (F-26).
    fn ask(&self, mut run: Run, turn: &mut Turn<'_, S>) -> State {
        let Definition { stop_signal: signal, policy, .. } = self.definition;
        run.asked = true;
        turn.push(Output::Signal { run: run.id, target: SignalTarget::Group, signal });
        turn.push(Output::Signal { run: run.id, target: SignalTarget::Family, signal: Signal::CONT });
        self.tell(&run, NoticeKind::Stopping { signal, kill_time: policy.kill_time }, turn);
        State::Stopping { run, kill_at: turn.now + policy.kill_time, orphans: None }
    }

    /// Sends KILL to the whole group, whether or not the process itself has died (F-25).
    fn kill(&mut self, mut run: Run, orphans: Option<(Death, Look)>, turn: &mut Turn<'_, S>) -> State {
        run.asked = true;
        turn.push(Output::Signal { run: run.id, target: SignalTarget::Family, signal: Signal::KILL });
        self.tell(&run, NoticeKind::Killed, turn);
        let orphans = orphans.map(|(death, look)| (death, Look::soon(look.left, turn.now)));
        self.ending(Ending::killed(run, orphans, self.leak_timeout(), turn.now), turn)
    }

    /// The process and its group are gone.
    fn emptied(&mut self, run: Run, death: Death, turn: &mut Turn<'_, S>) -> State {
        self.ending(Ending::emptied(run, death, self.leak_timeout(), turn.now), turn)
    }

    /// Goes on waiting for the end of a run, or closes the books on it.
    fn ending(&mut self, ending: Ending, turn: &mut Turn<'_, S>) -> State {
        let Some(death) = ending.is_over() else {
            return State::Ending(ending);
        };
        let run = ending.run;
        let lived = death.at.saturating_duration_since(run.since);
        let instant = lived < self.definition.policy.threshold;
        if !run.closed {
            let daemonized = death.exit.is_success() && instant && !run.asked;
            self.tell(&run, NoticeKind::Leaked { daemonized }, turn);
        }
        turn.push(Output::Reap { run: run.id });
        self.tell(&run, NoticeKind::Exited { exit: death.exit, lived, asked: run.asked }, turn);
        if !run.disowned {
            self.last = Some(LastRun::Exited(death.exit));
        }
        self.settle(&run, instant, death.at, turn)
    }

    /// A start that failed counts as an instant death (PM-19).
    fn failed(&mut self, run: Run, error: SpawnError, turn: &mut Turn<'_, S>) -> State {
        self.tell(&run, NoticeKind::SpawnFailed { error: error.clone() }, turn);
        if !run.disowned {
            self.last = Some(LastRun::SpawnFailed(error));
        }
        self.settle(&run, true, turn.now, turn)
    }

    /// What comes after a run that ended at `at`. The books are kept whether or not there is a next one (PM-43), and
    /// not for the run of another definition.
    fn settle(&mut self, run: &Run, instant: bool, at: Instant, turn: &mut Turn<'_, S>) -> State {
        let delay = if run.disowned {
            Duration::ZERO
        } else if instant {
            self.backoff.grow()
        } else {
            self.backoff.reset();
            Duration::ZERO
        };
        if run.again {
            return self.spawn(turn);
        }
        if !self.wanted(turn) {
            return State::Down;
        }
        let until = at + delay;
        self.tell(run, NoticeKind::Restarting { delay, at: until }, turn);
        State::Waiting { until }
    }
}

impl State {
    fn run(&self) -> Option<&Run> {
        match self {
            Self::Down | Self::Waiting { .. } => None,
            Self::Starting { run, .. } | Self::Up(run) | Self::Stopping { run, .. } => Some(run),
            Self::Ending(ending) => Some(&ending.run),
        }
    }

    fn run_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Down | Self::Waiting { .. } => None,
            Self::Starting { run, .. } | Self::Up(run) | Self::Stopping { run, .. } => Some(run),
            Self::Ending(ending) => Some(&mut ending.run),
        }
    }
}
