//! The state machine of a service: decides when to connect, to wait and to close.
//!
//! One `match` covers every state and every input, so each command and event has a defined effect.
//!
//! * **Each attempt has an id, which its connection and its events carry.** Events with another id than the
//!   current one are ignored, in one place, such as the late end of a rejected connection.
//! * **At most one connection is open.** [`Output::Abort`] drops the previous one before an attempt starts.
//! * **A connection that a waiter receives is alive.** A task that has just read the end of a connection and
//!   asks for the next one must not receive the same one again. So the connection is
//!   [checked](Output::CheckAlive) before waiters are resolved; if it is lost, they keep waiting.
//! * **The retry policy is called by the driver**, since it is the user's code.
//! * **Waiters and stops are resolved last**: waiters fail after the next attempt is scheduled, then stops.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use super::error::{ConnectWaitError, DisconnectReason};
use super::message::{AttemptId, Event, Input, Output, Settings, StopId, WaiterId, deadline_after};
use super::state::ClientState;
use crate::drive::StateMachine;

/// The state machine of one service.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Fsm {
    settings: Settings,
    state: State,
    /// The number of consecutive failures. A stop does not reset it.
    failures: u32,
    waiters: Vec<Waiter>,
    stops: Vec<StopId>,
    /// The number of attempts started so far.
    attempts: u64,
    out: VecDeque<Output>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Waiter {
    id: WaiterId,
    /// The number of failed attempts after which it fails; `None`: no limit.
    failures_left: Option<u32>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum State {
    /// Nothing is open, and no attempt is scheduled.
    Idle(IdleReason),
    /// An attempt is in progress.
    Connecting { id: AttemptId, deadline: Instant },
    /// A connection is being prepared.
    Preparing { id: AttemptId, deadline: Instant },
    /// A connection is up.
    Connected { id: AttemptId, since: Instant, keep_alive: KeepAlive },
    /// The attempt failed or the connection was lost, and the retry policy was asked for the delay.
    ComputingDelay { id: AttemptId, since: Instant, reason: DisconnectReason },
    /// The next attempt is scheduled.
    Waiting { since: Instant, until: Instant, reason: DisconnectReason },
    /// The connection is being closed in good order. `again`: the service was started meanwhile.
    Closing { id: AttemptId, abort_at: Instant, again: bool },
}

/// The reason why the service is idle.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum IdleReason {
    /// It was never started. Waiters are kept until the first start.
    New,
    /// It was stopped.
    Stopped,
    /// Another attempt would not help.
    GivenUp(DisconnectReason),
}

/// The progress of the pings.
#[derive(Clone, Copy, Debug)]
enum KeepAlive {
    Off,
    /// The time of the next ping.
    Idle(Instant),
    /// A ping is in progress, with this deadline.
    Pending(Instant),
}

impl Fsm {
    /// Creates the machine of a service that is not started.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Idle(IdleReason::New),
            failures: 0,
            waiters: Vec::new(),
            stops: Vec::new(),
            attempts: 0,
            out: VecDeque::new(),
        }
    }

    /// Connects, and keeps connected.
    pub(super) fn start(&mut self, now: Instant) {
        self.handle(Input::Start, now);
    }

    /// Disconnects. [`Output::ResolveStop`] follows when nothing is open.
    pub(super) fn stop(&mut self, id: StopId, now: Instant) {
        self.handle(Input::Stop(id), now);
    }

    /// Adds a waiter for a connection. It fails after `failures` failed attempts from now on.
    pub(super) fn when_connected(&mut self, id: WaiterId, failures: Option<u32>, now: Instant) {
        self.handle(Input::When(id, failures), now);
    }

    /// Removes a waiter.
    pub(super) fn forget(&mut self, id: WaiterId, now: Instant) {
        self.handle(Input::Forget(id), now);
    }

    /// Takes in a command, an event or the time. Events whose id is not current are ignored.
    fn handle(&mut self, input: Input, now: Instant) {
        if let Input::Event(id, _) = &input
            && Some(*id) != self.state.id()
        {
            return;
        }
        let state = mem::replace(&mut self.state, State::Idle(IdleReason::New));
        self.state = self.step(state, input, now);
    }

    /// Returns whether nothing is open and no attempt is scheduled.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }

    /// Returns the state for the user.
    pub(super) fn status(&self) -> ClientState {
        match &self.state {
            State::Idle(IdleReason::New | IdleReason::Stopped) => ClientState::Stopped,
            State::Idle(IdleReason::GivenUp(reason)) => ClientState::GivenUp { reason: reason.clone() },
            State::Connecting { .. } | State::Preparing { .. } => ClientState::Connecting,
            State::Connected { since, .. } => ClientState::Connected { since: *since },
            // Until the delay is known.
            State::ComputingDelay { since, reason, .. } => {
                ClientState::Waiting { since: *since, until: *since, reason: reason.clone() }
            }
            State::Waiting { since, until, reason } => {
                ClientState::Waiting { since: *since, until: *until, reason: reason.clone() }
            }
            State::Closing { .. } => ClientState::Closing,
        }
    }

    /// Returns the next state, for every state and every input.
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
                | State::ComputingDelay { .. }
                | State::Waiting { .. }
                | State::Closing { again: true, .. }),
                Input::Start,
            ) => {
                self.out.push_back(Output::LogDuplicateStart);
                state
            }

            // Stop.
            (State::Idle(reason), Input::Stop(stop)) => {
                if matches!(reason, IdleReason::GivenUp(_)) {
                    self.out.push_back(Output::Publish(ClientState::Stopped));
                }
                self.stops.push(stop);
                self.fail_waiters()
            }
            (State::Connecting { .. }, Input::Stop(stop)) => {
                self.out.push_back(Output::Abort);
                self.stops.push(stop);
                self.stopped()
            }
            (State::Preparing { id, .. }, Input::Stop(stop)) => self.close(id, stop, now),
            (State::Connected { id, since, .. }, Input::Stop(stop)) => {
                self.reset_if_stable(since, now);
                self.close(id, stop, now)
            }
            (State::ComputingDelay { .. } | State::Waiting { .. }, Input::Stop(stop)) => {
                self.stops.push(stop);
                self.stopped()
            }
            (State::Closing { id, abort_at, again: _ }, Input::Stop(stop)) => {
                self.stops.push(stop);
                State::Closing { id, abort_at, again: false }
            }

            // Waiters.
            (state @ State::Idle(IdleReason::Stopped), Input::When(waiter, _)) => {
                self.out.push_back(Output::FailWaiter(waiter, ConnectWaitError::Stopped));
                state
            }
            (State::Idle(IdleReason::GivenUp(reason)), Input::When(waiter, _)) => {
                self.out.push_back(Output::FailWaiter(waiter, ConnectWaitError::GivenUp(reason.clone())));
                State::Idle(IdleReason::GivenUp(reason))
            }
            (
                state @ (State::Idle(IdleReason::New)
                | State::Connecting { .. }
                | State::Preparing { .. }
                | State::ComputingDelay { .. }
                | State::Waiting { .. }
                | State::Closing { .. }),
                Input::When(id, failures),
            ) => {
                self.add_waiter(id, failures);
                state
            }
            (state @ State::Connected { id, .. }, Input::When(waiter, failures)) => {
                self.add_waiter(waiter, failures);
                self.out.push_back(Output::CheckAlive(id));
                state
            }
            (
                state @ (State::Idle(_)
                | State::Connecting { .. }
                | State::Preparing { .. }
                | State::Connected { .. }
                | State::ComputingDelay { .. }
                | State::Waiting { .. }
                | State::Closing { .. }),
                Input::Forget(waiter),
            ) => {
                self.waiters.retain(|other| other.id != waiter);
                state
            }

            // Attempts.
            (State::Connecting { id, .. }, Input::Event(_, Event::Connected)) => {
                self.out.push_back(Output::Prepare(id));
                State::Preparing { id, deadline: deadline_after(now, self.settings.attempt_timeout) }
            }
            (State::Connecting { id, .. }, Input::Event(_, Event::ConnectFailed(reason))) => {
                self.attempt_failed(id, reason, now)
            }
            (State::Preparing { id, .. }, Input::Event(_, Event::Prepared)) => self.connected(id, now),
            (
                State::Preparing { id, .. },
                Input::Event(_, Event::PrepareFailed(reason) | Event::Lost(reason)),
            ) => self.abort_attempt(id, reason, now),
            (
                state @ (State::Connecting { id, deadline } | State::Preparing { id, deadline }),
                Input::Tick,
            ) => {
                if now < deadline {
                    return state;
                }
                self.abort_attempt(id, DisconnectReason::AttemptTimedOut(self.settings.attempt_timeout), now)
            }

            // Connections.
            (
                State::Connected { id, since, .. },
                Input::Event(_, Event::Lost(reason) | Event::PingFailed(reason)),
            ) => self.on_lost(id, since, reason, now),
            (
                State::Connected { id, since, keep_alive: KeepAlive::Pending(_) },
                Input::Event(_, Event::PingAnswered),
            ) => State::Connected { id, since, keep_alive: self.next_ping(now) },
            (State::Connected { id, since, keep_alive: KeepAlive::Idle(at) }, Input::Tick) if at <= now => {
                self.out.push_back(Output::Ping(id));
                let every = self.settings.keep_alive.unwrap_or_default();
                State::Connected { id, since, keep_alive: KeepAlive::Pending(deadline_after(now, every)) }
            }
            (State::Connected { id, since, keep_alive: KeepAlive::Pending(at) }, Input::Tick)
                if at <= now =>
            {
                let every = self.settings.keep_alive.unwrap_or_default();
                self.on_lost(id, since, DisconnectReason::PingTimedOut(every), now)
            }
            (state @ State::Connected { .. }, Input::Event(_, Event::Alive)) => {
                self.out.extend(self.waiters.drain(..).map(|waiter| Output::ResolveWaiter(waiter.id)));
                state
            }
            (state @ State::Connected { .. }, Input::Tick | Input::Event(_, Event::PingAnswered)) => state,

            // Retries.
            (State::ComputingDelay { since, reason, .. }, Input::Event(_, Event::Delay(delay))) => {
                self.schedule_retry(since, deadline_after(now, delay), reason, now)
            }
            (State::Waiting { until, .. }, Input::Tick) if until <= now => self.connect(now),
            (state @ (State::ComputingDelay { .. } | State::Waiting { .. }), Input::Tick) => state,

            // Closing.
            (State::Closing { again, .. }, Input::Event(_, Event::Lost(_))) => self.closed(again, now),
            (State::Closing { abort_at, again, .. }, Input::Tick) if abort_at <= now => {
                self.closed(again, now)
            }
            (state @ (State::Closing { .. } | State::Idle(_)), Input::Tick) => state,

            // Late events with the current id, such as the end of a preparation that was cancelled. Where
            // there is no current id, events were ignored earlier.
            (
                state @ (State::Idle(_)
                | State::Connecting { .. }
                | State::Preparing { .. }
                | State::Connected { .. }
                | State::ComputingDelay { .. }
                | State::Waiting { .. }
                | State::Closing { .. }),
                Input::Event(
                    _,
                    Event::Connected
                    | Event::ConnectFailed(_)
                    | Event::Prepared
                    | Event::PrepareFailed(_)
                    | Event::Lost(_)
                    | Event::PingAnswered
                    | Event::Alive
                    | Event::PingFailed(_)
                    | Event::Delay(_),
                ),
            ) => state,
        }
    }

    fn connect(&mut self, now: Instant) -> State {
        self.attempts += 1;
        let id = AttemptId(self.attempts);
        self.out.push_back(Output::Publish(ClientState::Connecting));
        self.out.push_back(Output::Connect(id));
        State::Connecting { id, deadline: deadline_after(now, self.settings.attempt_timeout) }
    }

    fn connected(&mut self, id: AttemptId, now: Instant) -> State {
        self.out.push_back(Output::Publish(ClientState::Connected { since: now }));
        if !self.waiters.is_empty() {
            self.out.push_back(Output::CheckAlive(id));
        }
        State::Connected { id, since: now, keep_alive: self.next_ping(now) }
    }

    /// Adds a waiter. A limit of 0 counts as 1, because only a later failure can be reported.
    fn add_waiter(&mut self, id: WaiterId, failures: Option<u32>) {
        self.waiters.push(Waiter { id, failures_left: failures.map(|failures| failures.max(1)) });
    }

    /// Schedules the next ping.
    fn next_ping(&self, now: Instant) -> KeepAlive {
        self.settings.keep_alive.map_or(KeepAlive::Off, |every| KeepAlive::Idle(deadline_after(now, every)))
    }

    /// Resets the number of failures if the connection was up for long enough.
    fn reset_if_stable(&mut self, since: Instant, now: Instant) {
        if now.saturating_duration_since(since) >= self.settings.stable_after {
            self.failures = 0;
        }
    }

    /// Handles the loss of a connection that was up. For waiters this is not a failed attempt.
    fn on_lost(&mut self, id: AttemptId, since: Instant, reason: DisconnectReason, now: Instant) -> State {
        self.reset_if_stable(since, now);
        self.out.push_back(Output::Abort);
        self.record_failure(id, reason, now)
    }

    /// Ends an attempt that is in progress or has made a connection.
    fn abort_attempt(&mut self, id: AttemptId, reason: DisconnectReason, now: Instant) -> State {
        self.out.push_back(Output::Abort);
        self.attempt_failed(id, reason, now)
    }

    /// Handles the failure of an attempt, of which nothing is open.
    fn attempt_failed(&mut self, id: AttemptId, reason: DisconnectReason, now: Instant) -> State {
        for failures_left in self.waiters.iter_mut().filter_map(|waiter| waiter.failures_left.as_mut()) {
            *failures_left = failures_left.saturating_sub(1);
        }
        self.record_failure(id, reason, now)
    }

    fn record_failure(&mut self, id: AttemptId, reason: DisconnectReason, now: Instant) -> State {
        self.failures = self.failures.saturating_add(1);
        if !reason.is_permanent() {
            self.out.push_back(Output::ComputeDelay(id, self.failures));
            return State::ComputingDelay { id, since: now, reason };
        }
        self.out.push_back(Output::LogGivenUp { failures: self.failures, reason: reason.clone() });
        self.out.push_back(Output::Publish(ClientState::GivenUp { reason: reason.clone() }));
        let waiters = self.waiters.drain(..);
        self.out.extend(
            waiters.map(|waiter| Output::FailWaiter(waiter.id, ConnectWaitError::GivenUp(reason.clone()))),
        );
        State::Idle(IdleReason::GivenUp(reason))
    }

    /// Schedules the next attempt, then fails the waiters that have reached their limit.
    fn schedule_retry(
        &mut self,
        since: Instant,
        until: Instant,
        reason: DisconnectReason,
        now: Instant,
    ) -> State {
        let failures = self.failures;
        let delay = until.saturating_duration_since(now);
        self.out.push_back(Output::LogRetry { failures, delay, reason: reason.clone() });
        self.out.push_back(Output::Publish(ClientState::Waiting { since, until, reason: reason.clone() }));
        let (failed, remaining) =
            mem::take(&mut self.waiters).into_iter().partition(|waiter| waiter.failures_left == Some(0));
        self.waiters = remaining;
        self.out.extend(Vec::into_iter(failed).map(|waiter: Waiter| {
            Output::FailWaiter(waiter.id, ConnectWaitError::Failed { failures, reason: reason.clone() })
        }));
        State::Waiting { since, until, reason }
    }

    fn close(&mut self, id: AttemptId, stop: StopId, now: Instant) -> State {
        self.stops.push(stop);
        self.out.push_back(Output::Publish(ClientState::Closing));
        self.out.push_back(Output::Close(id));
        State::Closing { id, abort_at: deadline_after(now, self.settings.close_grace), again: false }
    }

    /// Handles the end of the connection. Waiters are kept if the service connects again.
    fn closed(&mut self, again: bool, now: Instant) -> State {
        self.out.push_back(Output::Abort);
        if !again {
            return self.stopped();
        }
        self.out.extend(self.stops.drain(..).map(Output::ResolveStop));
        self.connect(now)
    }

    fn stopped(&mut self) -> State {
        self.out.push_back(Output::Publish(ClientState::Stopped));
        self.fail_waiters()
    }

    /// Fails all waiters, then resolves all stops.
    fn fail_waiters(&mut self) -> State {
        let waiters = self.waiters.drain(..);
        self.out.extend(waiters.map(|waiter| Output::FailWaiter(waiter.id, ConnectWaitError::Stopped)));
        self.out.extend(self.stops.drain(..).map(Output::ResolveStop));
        State::Idle(IdleReason::Stopped)
    }
}

impl StateMachine for Fsm {
    type Event = (AttemptId, Event);
    type Output = Output;

    fn handle_event(&mut self, (id, event): (AttemptId, Event), now: Instant) {
        self.handle(Input::Event(id, event), now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle(Input::Tick, now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle(_) | State::ComputingDelay { .. } => None,
            State::Connecting { deadline, .. } | State::Preparing { deadline, .. } => Some(*deadline),
            State::Connected { keep_alive, .. } => match keep_alive {
                KeepAlive::Off => None,
                KeepAlive::Idle(at) | KeepAlive::Pending(at) => Some(*at),
            },
            State::Waiting { until, .. } => Some(*until),
            State::Closing { abort_at, .. } => Some(*abort_at),
        }
    }
}

impl State {
    /// Returns the current id.
    fn id(&self) -> Option<AttemptId> {
        match self {
            Self::Idle(_) | Self::Waiting { .. } => None,
            Self::Connecting { id, .. }
            | Self::Preparing { id, .. }
            | Self::Connected { id, .. }
            | Self::ComputingDelay { id, .. }
            | Self::Closing { id, .. } => Some(*id),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;
