//! The events that the state machine of a service takes in, and the outputs that it gives.

use std::time::{Duration, Instant};

use super::error::{ConnectWaitError, DisconnectReason};
use super::state::ClientState;
use crate::backoff::BackoffPolicy;

/// Identifies an attempt and the connection that it makes. Never reused in a service, so an event of an old
/// connection cannot be taken for one of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttemptId(pub(super) u64);

/// Identifies a task that waits for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaiterId(pub(super) u64);

/// Identifies a stop whose completion is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StopId(pub(super) u64);

/// Everything that the machine takes in.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Connect, and keep connected.
    Start,
    /// Disconnect, and report when nothing is open.
    Stop(StopId),
    /// Add a waiter for a connection. It fails after this number of failed attempts.
    When(WaiterId, Option<u32>),
    /// Remove a waiter.
    Forget(WaiterId),
    /// Do what is due.
    Tick,
    /// Handle an event.
    Event(AttemptId, Event),
}

/// An event of an attempt, of its connection, or of the wait after it.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The attempt has made a connection.
    Connected,
    /// The attempt has failed.
    ConnectFailed(DisconnectReason),
    /// The connection is prepared.
    Prepared,
    /// The preparation has failed.
    PrepareFailed(DisconnectReason),
    /// The connection was lost, or has been closed in good order. It is still to be dropped.
    Lost(DisconnectReason),
    /// The answer to [`Output::Ping`].
    PingAnswered,
    /// The ping has failed.
    PingFailed(DisconnectReason),
    /// The answer to [`Output::CheckAlive`] if the connection is up.
    Alive,
    /// The answer to [`Output::ComputeDelay`].
    Delay(Duration),
}

/// An instruction for the driver. Instructions are executed in their order.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// Start an attempt. The answer is [`Event::Connected`] or [`Event::ConnectFailed`].
    Connect(AttemptId),
    /// Prepare the connection. The answer is [`Event::Prepared`] or [`Event::PrepareFailed`].
    Prepare(AttemptId),
    /// Ping the peer. The answer is [`Event::PingAnswered`] or [`Event::PingFailed`].
    Ping(AttemptId),
    /// Close the connection in good order, cancelling its preparation or ping. The answer is [`Event::Lost`].
    Close(AttemptId),
    /// Drop the attempt, the preparation and the connection. There is no answer.
    Abort,
    /// Check whether the connection is up. The answer is [`Event::Alive`] or [`Event::Lost`].
    CheckAlive(AttemptId),
    /// Ask the retry policy for the delay after this number of failures. The answer is [`Event::Delay`].
    ComputeDelay(AttemptId, u32),
    /// Give the connection to this waiter.
    ResolveWaiter(WaiterId),
    /// Give this error to the waiter.
    FailWaiter(WaiterId, ConnectWaitError),
    /// Resolve the ticket of this stop.
    ResolveStop(StopId),
    /// Publish the new state to the subscribers.
    Publish(ClientState),
    /// Log that the next attempt is scheduled.
    LogRetry { failures: u32, delay: Duration, reason: DisconnectReason },
    /// Log that there will be no further attempt.
    LogGivenUp { failures: u32, reason: DisconnectReason },
    /// Log that the service was started although it is started already.
    LogDuplicateStart,
}

/// The settings of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The timeout of connecting, and that of preparing.
    pub(super) attempt_timeout: Duration,
    /// The uptime after which a connection counts as a success.
    pub(super) stable_after: Duration,
    /// The timeout of closing in good order.
    pub(super) close_grace: Duration,
    /// The time between two pings, and the timeout of a ping.
    pub(super) keep_alive: Option<Duration>,
}

/// Returns `now + time`, with `time` limited to a hundred years, so that no deadline overflows the clock.
pub(super) fn deadline_after(now: Instant, time: Duration) -> Instant {
    now + time.min(BackoffPolicy::LONGEST)
}
