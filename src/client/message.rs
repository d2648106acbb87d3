//! The words: what goes into the machine, and what it wants done.

use std::time::{Duration, Instant};

use super::setback::DisconnectReason;
use super::state::ClientState;
use crate::backoff::BackoffPolicy;

/// One attempt, and the connection that comes of it. Never used twice in a service, so news of an old connection cannot
/// be taken for news of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(super) u64);

/// Somebody who waits for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaiterId(pub(super) u64);

/// Somebody who waits for the end of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StopId(pub(super) u64);

/// What can happen.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Connect, and stay connected.
    Start,
    /// Disconnect, and say when that is done.
    Stop(StopId),
    /// Say when there is a connection; or that there is none, after so many attempts have failed from now on.
    When(WaiterId, Option<u32>),
    /// It does not want to know any more.
    Forget(WaiterId),
    /// The time may have come for something.
    Tick,
    /// News of an attempt or its connection.
    News(LinkId, News),
}

/// News of an attempt, of the connection that came of it, or of the wait after both.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// The attempt has led to a connection.
    Connected,
    /// It has not.
    Failed(DisconnectReason),
    /// The connection is prepared.
    Prepared,
    /// It could not be.
    Rejected(DisconnectReason),
    /// The connection was lost, or has come to the end that was asked for. It is still to be dropped.
    Lost(DisconnectReason),
    /// The answer to [`Output::Ping`].
    Ponged,
    /// The answer to [`Output::Look`], if it is up.
    Alive,
    /// The ping has failed.
    Mute(DisconnectReason),
    /// The answer to [`Output::AskDelay`].
    Delay(Duration),
}

/// What to do, in this order.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// Begin an attempt. The answer is [`News::Connected`] or [`News::Failed`].
    Connect(LinkId),
    /// Prepare the connection. The answer is [`News::Prepared`] or [`News::Rejected`].
    Prepare(LinkId),
    /// Ask the peer whether it is alive. The answer is [`News::Ponged`] or [`News::Mute`].
    Ping(LinkId),
    /// End the connection in good order, and whatever is under way on it at once. The answer is [`News::Lost`].
    Close(LinkId),
    /// Drop all there is: the attempt, the preparation, the connection. There is no answer.
    Abort,
    /// Look whether the connection is up. The answer is [`News::Alive`] or [`News::Lost`].
    Look(LinkId),
    /// How long is the wait after this many failures? The answer is [`News::Delay`].
    AskDelay(LinkId, u32),
    /// The next attempt is due after this long.
    Retry { failures: u32, delay: Duration, reason: DisconnectReason },
    /// This waiter is given the connection that there is.
    Succeed(WaiterId),
    /// This one will not get any.
    Fail(WaiterId, Refusal),
    /// This stop is done.
    Stopped(StopId),
    /// The state has changed.
    Tell(ClientState),
    /// There will be no further attempt.
    GiveUp { failures: u32, reason: DisconnectReason },
    /// A start of what is started.
    Duplicate,
}

/// Why a waiter gets no connection.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The service was stopped.
    Stopped,
    /// As many attempts have failed as the waiter would stand.
    Failed { failures: u32, reason: DisconnectReason },
    /// Another attempt would not help.
    GivenUp(DisconnectReason),
}

/// What the machine goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How long connecting may take, and how long preparing.
    pub(super) attempt_timeout: Duration,
    /// A connection that has lived this long has been a success.
    pub(super) stable_after: Duration,
    /// How long an orderly end may take.
    pub(super) close_grace: Duration,
    /// From one ping to the next, and how long one may take.
    pub(super) keep_alive: Option<Duration>,
}

/// `now` and so much time; a hundred years at most, so that no deadline overflows a clock (F-67).
pub(super) fn later(now: Instant, time: Duration) -> Instant {
    now + time.min(BackoffPolicy::LONGEST)
}
