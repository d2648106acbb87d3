//! The machine that decides when to connect, to wait and to close: pure, and total.
//!
//! It is driven as [`Machine`](crate::machine::Machine) is: something goes in, with the time it is; what to do comes out, in
//! order; and it says when to come back. One `match` has every state and every input, so there is no call and no news
//! that it does not know what to do with.
//!
//! * **Each attempt has a number, and the connection that comes of it has the same.** News carries it. One number at most
//!   is alive, and news of any other is dropped, in one place. So the late end of a connection that was rejected is
//!   never taken for the end of the one that is up (CS, weakness 2).
//! * **What is abandoned is closed first.** Before an attempt begins, [`Output::Abort`] has been said of whatever was
//!   there. So there is one open connection at most.
//! * **What is handed out is alive.** Whoever has just read the end of a connection and asks for the next one must not be
//!   given the same again. So before waiters are told, the machine has somebody [look](Output::Look); they go on waiting
//!   if it is lost.
//! * **The policy is asked, not called**: it is somebody else's code, which may fail or may call back.
//! * **Who waits is told last**: of a failure when the next attempt is settled (CS-4), of a stop when nothing is open;
//!   and waiters before stops (CS-13).

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use super::message::{Input, LinkId, News, Output, Refusal, Settings, StopId, WaiterId, later};
use super::setback::DisconnectReason;
use super::state::ClientState;
use crate::drive::StateMachine;

/// Decides for one service.
#[derive(Debug)]
pub(crate) struct Fsm {
    settings: Settings,
    state: State,
    /// In a row. It survives a stop (CS-21).
    failures: u32,
    waiters: Vec<Waiter>,
    stops: Vec<StopId>,
    /// Attempts ever begun.
    attempts: u64,
    out: VecDeque<Output>,
}

#[derive(Debug)]
struct Waiter {
    id: WaiterId,
    /// How many failures it still stands; `None`: any number.
    patience: Option<u32>,
}

#[derive(Debug)]
enum State {
    /// Nothing is open, and nothing will be by itself.
    Idle(Rest),
    /// An attempt is under way.
    Connecting { id: LinkId, deadline: Instant },
    /// There is a connection, which nobody is given before it is prepared.
    Preparing { id: LinkId, deadline: Instant },
    /// There is a connection.
    Connected { id: LinkId, since: Instant, pulse: Pulse },
    /// There is none, and the policy has been asked how long to wait.
    Asking { id: LinkId, since: Instant, reason: DisconnectReason },
    /// There is none until then.
    Waiting { since: Instant, until: Instant, reason: DisconnectReason },
    /// It was asked to end in good order. `again`: another is wanted after that.
    Closing { id: LinkId, abort_at: Instant, again: bool },
}

/// Why nothing is wanted.
#[derive(Debug)]
enum Rest {
    /// Not started yet: who waits may hope (CS-17).
    New,
    /// It was stopped.
    Stopped,
    /// No other attempt would help.
    GivenUp(DisconnectReason),
}

/// Whether the peer is asked if it is alive.
#[derive(Clone, Copy, Debug)]
enum Pulse {
    Off,
    /// The next ping begins then.
    Rests(Instant),
    /// It is under way, and has until then.
    Beats(Instant),
}

impl Fsm {
    /// Nothing is wanted yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Idle(Rest::New),
            failures: 0,
            waiters: Vec::new(),
            stops: Vec::new(),
            attempts: 0,
            out: VecDeque::new(),
        }
    }

    /// Connects, and stays connected.
    pub(super) fn start(&mut self, now: Instant) {
        self.handle(Input::Start, now);
    }

    /// Disconnects; [`Output::Stopped`] follows when that is done.
    pub(super) fn stop(&mut self, id: StopId, now: Instant) {
        self.handle(Input::Stop(id), now);
    }

    /// Adds a waiter for a connection, which fails after `failures` failed attempts from now on.
    pub(super) fn when_connected(&mut self, id: WaiterId, failures: Option<u32>, now: Instant) {
        self.handle(Input::When(id, failures), now);
    }

    /// Removes a waiter.
    pub(super) fn forget(&mut self, id: WaiterId, now: Instant) {
        self.handle(Input::Forget(id), now);
    }

    /// Takes in a command, the time, or news. Each is fine in every state; news of what is over is ignored.
    fn handle(&mut self, input: Input, now: Instant) {
        if let Input::News(id, _) = &input
            && Some(*id) != self.state.id()
        {
            return;
        }
        let state = mem::replace(&mut self.state, State::Idle(Rest::New));
        self.state = self.step(state, input, now);
    }

    /// Whether nothing is open and nothing will be by itself.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }
    /// The state as it is told.
    pub(super) fn status(&self) -> ClientState {
        match &self.state {
            State::Idle(Rest::New | Rest::Stopped) => ClientState::Stopped,
            State::Idle(Rest::GivenUp(reason)) => ClientState::GivenUp { reason: reason.clone() },
            State::Connecting { .. } | State::Preparing { .. } => ClientState::Connecting,
            State::Connected { since, .. } => ClientState::Connected { since: *since },
            // For as long as it takes to ask.
            State::Asking { since, reason, .. } => {
                ClientState::Waiting { since: *since, until: *since, reason: reason.clone() }
            }
            State::Waiting { since, until, reason } => {
                ClientState::Waiting { since: *since, until: *until, reason: reason.clone() }
            }
            State::Closing { .. } => ClientState::Closing,
        }
    }

    /// Every state and every input.
    fn step(&mut self, state: State, input: Input, now: Instant) -> State {
        match (state, input) {
            // Start.
            (State::Idle(_), Input::Start) => self.connect(now),
            (State::Closing { id, abort_at, again: false }, Input::Start) => {
                State::Closing { id, abort_at, again: true }
            }
            (
                state @ (State::Connecting { .. }
                | State::Preparing { .. }
                | State::Connected { .. }
                | State::Asking { .. }
                | State::Waiting { .. }
                | State::Closing { again: true, .. }),
                Input::Start,
            ) => {
                self.out.push_back(Output::Duplicate);
                state
            }

            // Stop.
            (State::Idle(rest), Input::Stop(stop)) => {
                if matches!(rest, Rest::GivenUp(_)) {
                    self.out.push_back(Output::Tell(ClientState::Stopped));
                }
                self.stops.push(stop);
                self.dismiss()
            }
            (State::Connecting { .. }, Input::Stop(stop)) => {
                self.out.push_back(Output::Abort);
                self.stops.push(stop);
                self.stopped()
            }
            (State::Preparing { id, .. }, Input::Stop(stop)) => self.close(id, stop, now),
            (State::Connected { id, since, .. }, Input::Stop(stop)) => {
                self.forgive(since, now);
                self.close(id, stop, now)
            }
            (State::Asking { .. } | State::Waiting { .. }, Input::Stop(stop)) => {
                self.stops.push(stop);
                self.stopped()
            }
            (State::Closing { id, abort_at, again: _ }, Input::Stop(stop)) => {
                self.stops.push(stop);
                State::Closing { id, abort_at, again: false }
            }

            // Who waits.
            (state @ State::Idle(Rest::Stopped), Input::When(waiter, _)) => {
                self.out.push_back(Output::Fail(waiter, Refusal::Stopped));
                state
            }
            (State::Idle(Rest::GivenUp(reason)), Input::When(waiter, _)) => {
                self.out.push_back(Output::Fail(waiter, Refusal::GivenUp(reason.clone())));
                State::Idle(Rest::GivenUp(reason))
            }
            (
                state @ (State::Idle(Rest::New)
                | State::Connecting { .. }
                | State::Preparing { .. }
                | State::Asking { .. }
                | State::Waiting { .. }
                | State::Closing { .. }),
                Input::When(id, failures),
            ) => {
                self.wait(id, failures);
                state
            }
            (state @ State::Connected { id, .. }, Input::When(waiter, failures)) => {
                self.wait(waiter, failures);
                self.out.push_back(Output::Look(id));
                state
            }
            (
                state @ (State::Idle(_)
                | State::Connecting { .. }
                | State::Preparing { .. }
                | State::Connected { .. }
                | State::Asking { .. }
                | State::Waiting { .. }
                | State::Closing { .. }),
                Input::Forget(waiter),
            ) => {
                self.waiters.retain(|other| other.id != waiter);
                state
            }

            // An attempt.
            (State::Connecting { id, .. }, Input::News(_, News::Connected)) => {
                self.out.push_back(Output::Prepare(id));
                State::Preparing { id, deadline: later(now, self.settings.attempt_timeout) }
            }
            (State::Connecting { id, .. }, Input::News(_, News::Failed(reason))) => {
                self.fail(id, reason, now)
            }
            (State::Preparing { id, .. }, Input::News(_, News::Prepared)) => self.connected(id, now),
            (State::Preparing { id, .. }, Input::News(_, News::Rejected(reason) | News::Lost(reason))) => {
                self.abandon(id, reason, now)
            }
            (
                state @ (State::Connecting { id, deadline } | State::Preparing { id, deadline }),
                Input::Tick,
            ) => {
                if now < deadline {
                    return state;
                }
                self.abandon(id, DisconnectReason::TimedOut(self.settings.attempt_timeout), now)
            }

            // A connection.
            (State::Connected { id, since, .. }, Input::News(_, News::Lost(reason) | News::Mute(reason))) => {
                self.lose(id, since, reason, now)
            }
            (State::Connected { id, since, pulse: Pulse::Beats(_) }, Input::News(_, News::Ponged)) => {
                State::Connected { id, since, pulse: self.rest(now) }
            }
            (State::Connected { id, since, pulse: Pulse::Rests(at) }, Input::Tick) if at <= now => {
                self.out.push_back(Output::Ping(id));
                let every = self.settings.keep_alive.unwrap_or_default();
                State::Connected { id, since, pulse: Pulse::Beats(later(now, every)) }
            }
            (State::Connected { id, since, pulse: Pulse::Beats(at) }, Input::Tick) if at <= now => {
                let every = self.settings.keep_alive.unwrap_or_default();
                self.lose(id, since, DisconnectReason::Silent(every), now)
            }
            (state @ State::Connected { .. }, Input::News(_, News::Alive)) => {
                self.out.extend(self.waiters.drain(..).map(|waiter| Output::Succeed(waiter.id)));
                state
            }
            (state @ State::Connected { .. }, Input::Tick | Input::News(_, News::Ponged)) => state,

            // Between two attempts.
            (State::Asking { since, reason, .. }, Input::News(_, News::Delay(delay))) => {
                self.put_off(since, later(now, delay), reason, now)
            }
            (State::Waiting { until, .. }, Input::Tick) if until <= now => self.connect(now),
            (state @ (State::Asking { .. } | State::Waiting { .. }), Input::Tick) => state,

            // The end.
            (State::Closing { again, .. }, Input::News(_, News::Lost(_))) => self.closed(again, now),
            (State::Closing { abort_at, again, .. }, Input::Tick) if abort_at <= now => {
                self.closed(again, now)
            }
            (state @ (State::Closing { .. } | State::Idle(_)), Input::Tick) => state,

            // News that comes late though its number is alive, such as the end of a preparation that was cut short; and
            // news of a number where none is alive, which was sorted out before.
            (
                state @ (State::Idle(_)
                | State::Connecting { .. }
                | State::Preparing { .. }
                | State::Connected { .. }
                | State::Asking { .. }
                | State::Waiting { .. }
                | State::Closing { .. }),
                Input::News(
                    _,
                    News::Connected
                    | News::Failed(_)
                    | News::Prepared
                    | News::Rejected(_)
                    | News::Lost(_)
                    | News::Ponged
                    | News::Alive
                    | News::Mute(_)
                    | News::Delay(_),
                ),
            ) => state,
        }
    }

    fn connect(&mut self, now: Instant) -> State {
        self.attempts += 1;
        let id = LinkId(self.attempts);
        self.out.push_back(Output::Tell(ClientState::Connecting));
        self.out.push_back(Output::Connect(id));
        State::Connecting { id, deadline: later(now, self.settings.attempt_timeout) }
    }

    fn connected(&mut self, id: LinkId, now: Instant) -> State {
        self.out.push_back(Output::Tell(ClientState::Connected { since: now }));
        if !self.waiters.is_empty() {
            self.out.push_back(Output::Look(id));
        }
        State::Connected { id, since: now, pulse: self.rest(now) }
    }

    /// The next failure is the first that can be told (CS-7).
    fn wait(&mut self, id: WaiterId, failures: Option<u32>) {
        self.waiters.push(Waiter { id, patience: failures.map(|failures| failures.max(1)) });
    }

    /// Until the next ping.
    fn rest(&self, now: Instant) -> Pulse {
        self.settings.keep_alive.map_or(Pulse::Off, |every| Pulse::Rests(later(now, every)))
    }

    /// A connection that has lived long enough wipes out the failures before it (CS, weakness 9).
    fn forgive(&mut self, since: Instant, now: Instant) {
        if now.saturating_duration_since(since) >= self.settings.stable_after {
            self.failures = 0;
        }
    }

    /// The end of a connection that was up. Waiters do not count it (CS-7).
    fn lose(&mut self, id: LinkId, since: Instant, reason: DisconnectReason, now: Instant) -> State {
        self.forgive(since, now);
        self.out.push_back(Output::Abort);
        self.set_back(id, reason, now)
    }

    /// The end of an attempt that has got somewhere, or nowhere in time.
    fn abandon(&mut self, id: LinkId, reason: DisconnectReason, now: Instant) -> State {
        self.out.push_back(Output::Abort);
        self.fail(id, reason, now)
    }

    /// The end of an attempt of which nothing is left.
    fn fail(&mut self, id: LinkId, reason: DisconnectReason, now: Instant) -> State {
        for patience in self.waiters.iter_mut().filter_map(|waiter| waiter.patience.as_mut()) {
            *patience = patience.saturating_sub(1);
        }
        self.set_back(id, reason, now)
    }

    fn set_back(&mut self, id: LinkId, reason: DisconnectReason, now: Instant) -> State {
        self.failures = self.failures.saturating_add(1);
        if !reason.is_permanent() {
            self.out.push_back(Output::AskDelay(id, self.failures));
            return State::Asking { id, since: now, reason };
        }
        self.out.push_back(Output::GiveUp { failures: self.failures, reason: reason.clone() });
        self.out.push_back(Output::Tell(ClientState::GivenUp { reason: reason.clone() }));
        let waiters = self.waiters.drain(..);
        self.out.extend(waiters.map(|waiter| Output::Fail(waiter.id, Refusal::GivenUp(reason.clone()))));
        State::Idle(Rest::GivenUp(reason))
    }

    /// Settles when the next attempt is; then those are told who have waited long enough (CS-4).
    fn put_off(&mut self, since: Instant, until: Instant, reason: DisconnectReason, now: Instant) -> State {
        let failures = self.failures;
        let delay = until.saturating_duration_since(now);
        self.out.push_back(Output::Retry { failures, delay, reason: reason.clone() });
        self.out.push_back(Output::Tell(ClientState::Waiting { since, until, reason: reason.clone() }));
        let (lost, patient) =
            mem::take(&mut self.waiters).into_iter().partition(|waiter| waiter.patience == Some(0));
        self.waiters = patient;
        self.out.extend(Vec::into_iter(lost).map(|waiter: Waiter| {
            Output::Fail(waiter.id, Refusal::Failed { failures, reason: reason.clone() })
        }));
        State::Waiting { since, until, reason }
    }

    fn close(&mut self, id: LinkId, stop: StopId, now: Instant) -> State {
        self.stops.push(stop);
        self.out.push_back(Output::Tell(ClientState::Closing));
        self.out.push_back(Output::Close(id));
        State::Closing { id, abort_at: later(now, self.settings.close_grace), again: false }
    }

    /// In good order or not. Who waits for a connection goes on waiting if there will be another (CS-14).
    fn closed(&mut self, again: bool, now: Instant) -> State {
        self.out.push_back(Output::Abort);
        if !again {
            return self.stopped();
        }
        self.out.extend(self.stops.drain(..).map(Output::Stopped));
        self.connect(now)
    }

    fn stopped(&mut self) -> State {
        self.out.push_back(Output::Tell(ClientState::Stopped));
        self.dismiss()
    }

    /// First whoever waits for a connection, then whoever waits for the stop (CS-13).
    fn dismiss(&mut self) -> State {
        let waiters = self.waiters.drain(..);
        self.out.extend(waiters.map(|waiter| Output::Fail(waiter.id, Refusal::Stopped)));
        self.out.extend(self.stops.drain(..).map(Output::Stopped));
        State::Idle(Rest::Stopped)
    }
}

impl StateMachine for Fsm {
    type Event = (LinkId, News);
    type Output = Output;

    fn handle_event(&mut self, (id, news): (LinkId, News), now: Instant) {
        self.handle(Input::News(id, news), now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle(Input::Tick, now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle(_) | State::Asking { .. } => None,
            State::Connecting { deadline, .. } | State::Preparing { deadline, .. } => Some(*deadline),
            State::Connected { pulse, .. } => match pulse {
                Pulse::Off => None,
                Pulse::Rests(at) | Pulse::Beats(at) => Some(*at),
            },
            State::Waiting { until, .. } => Some(*until),
            State::Closing { abort_at, .. } => Some(*abort_at),
        }
    }
}

impl State {
    /// The one number that is alive.
    fn id(&self) -> Option<LinkId> {
        match self {
            Self::Idle(_) | Self::Waiting { .. } => None,
            Self::Connecting { id, .. }
            | Self::Preparing { id, .. }
            | Self::Connected { id, .. }
            | Self::Asking { id, .. }
            | Self::Closing { id, .. } => Some(*id),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;
