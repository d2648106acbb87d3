//! The driver: executes what the state machine decides, and feeds it the events of the connection.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::callbacks::{Callbacks, UserTask};
use super::connection::Connection;
use super::error::{ConnectWaitError, DisconnectReason};
use super::fsm::Fsm;
use super::message::{AttemptId, Event, Output, WaiterId};
use super::shared::Shared;
use crate::drive::{self, Alarm, ClockCheck, Driver, Life, StateMachine, Step};
use crate::host::Host;
use crate::panic_guard::log_guarded;

/// The driver of a [`ClientService`](crate::ClientService): a future that makes and keeps the connection.
///
/// Run it on any executor, or with a plain `block_on`: it needs no runtime. It ends when the last handle was
/// dropped, or the service was [closed](crate::ClientService::close), and nothing is open. Dropping it
/// earlier drops the connection, and the futures that wait for one fail.
///
/// ```
/// use childminder::client::TcpConnector;
/// use childminder::{ClientService, System};
/// use futures_lite::future::{block_on, zip};
///
/// let (service, driver) = ClientService::new(System::new(), TcpConnector::new("localhost", 6379));
/// let body = async move {
///     // … start the service, and use its connections …
///     service.close().await
/// };
/// let ((), closed) = block_on(zip(driver, body));
/// closed?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is connected unless the driver is run"]
pub struct ClientDriver<S> {
    shared: Arc<Shared<S>>,
    callbacks: Callbacks<S>,
    attempt: UserTask<S>,
    preparation: UserTask<()>,
    ping: UserTask<()>,
    current: Current<S>,
    alarm: Alarm,
}

/// The current connection. There is at most one.
enum Current<S> {
    None,
    /// Open, and in use.
    Open(Connection<S>),
    /// Being closed in good order.
    Closing(Connection<S>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientDriver<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, callbacks: Callbacks<S>) -> Self {
        Self {
            shared,
            callbacks,
            attempt: UserTask::none(),
            preparation: UserTask::none(),
            ping: UserTask::none(),
            current: Current::None,
            alarm: Alarm::default(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for ClientDriver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut guard = self.shared.drive.begin_poll(cx.waker());
        let poll = drive::poll_driver(&mut *self, ClockCheck::EveryRound, cx);
        guard.set_deadline(self.alarm.deadline());
        poll
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver for ClientDriver<S> {
    type End = ();
    type Machine = Fsm;

    fn machine<T>(&mut self, act: impl FnOnce(&mut Fsm) -> T) -> T {
        act(&mut self.shared.drive.lock().state.fsm)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &*self.shared.drive.host)
    }

    fn execute(&mut self, output: Output) -> Step<()> {
        match output {
            Output::Connect(id) => {
                let host = self.shared.drive.host.clone();
                self.attempt.start(id, (self.callbacks.connect)(host));
            }
            Output::Prepare(id) => match (&self.callbacks.prepare, &self.current) {
                (Some(prepare), Current::Open(connection)) => {
                    self.preparation.start(id, prepare(connection.clone()));
                }
                (None, _) | (_, Current::None | Current::Closing(_)) => self.feed(id, Event::Prepared),
            },
            Output::Ping(id) => match (&self.callbacks.ping, &self.current) {
                (Some(ping), Current::Open(connection)) => self.ping.start(id, ping(connection.clone())),
                (None, _) | (_, Current::None | Current::Closing(_)) => self.feed(id, Event::PingAnswered),
            },
            Output::CheckAlive(id) => self.check_alive(id),
            Output::Close(id) => self.close(id),
            Output::Abort => self.abort(),
            Output::ComputeDelay(id, failures) => {
                let delay = self.callbacks.retry.delay(failures);
                self.feed(id, Event::Delay(delay));
            }
            Output::ResolveWaiter(waiter) => {
                let result = match &self.current {
                    Current::Open(connection) | Current::Closing(connection) => Ok(connection.clone()),
                    // Unreachable: no output between the check and this one drops the connection.
                    Current::None => Err(ConnectWaitError::Stopped),
                };
                self.answer(waiter, result);
            }
            Output::FailWaiter(waiter, error) => self.answer(waiter, Err(error)),
            Output::ResolveStop(stop) => {
                let promise = self.shared.drive.lock().state.stops.remove(&stop);
                if let Some(promise) = promise {
                    promise.fill(Ok(()));
                }
            }
            Output::Publish(state) => self.shared.states.publish(&state),
            Output::LogRetry { .. } | Output::LogGivenUp { .. } | Output::LogDuplicateStart => {
                log_guarded(|| log_output(&self.callbacks.target, &output));
            }
        }
        Step::Continue
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_attempt(cx) | self.poll_preparation(cx) | self.poll_ping(cx) | self.poll_connection(cx)
    }

    fn poll_idle(&mut self, _: &mut Context<'_>) -> Poll<()> {
        let core = self.shared.drive.lock();
        if core.life != Life::Open && core.state.fsm.is_idle() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientDriver<S> {
    fn check_alive(&self, id: AttemptId) {
        match &self.current {
            Current::Open(connection) => {
                self.feed(id, connection.check_end().map_or(Event::Alive, Event::Lost));
            }
            // The machine has moved on, and does not wait for the answer.
            Current::Closing(_) | Current::None => {}
        }
    }

    fn close(&mut self, id: AttemptId) {
        self.preparation.cancel();
        self.ping.cancel();
        match mem::replace(&mut self.current, Current::None) {
            Current::Open(connection) | Current::Closing(connection) => {
                connection.begin_close();
                self.current = Current::Closing(connection);
            }
            Current::None => self.feed(id, Event::Lost(DisconnectReason::Closed)),
        }
    }

    fn poll_attempt(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, result)) = self.attempt.poll(cx) else { return false };
        let event = match result {
            Ok(stream) => {
                self.current = Current::Open(Connection::new(id, stream));
                Event::Connected
            }
            Err(error) => Event::ConnectFailed(DisconnectReason::ConnectFailed(error)),
        };
        self.feed(id, event);
        true
    }

    fn poll_preparation(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, result)) = self.preparation.poll(cx) else { return false };
        let event = match result {
            Ok(()) => Event::Prepared,
            Err(error) => Event::PrepareFailed(DisconnectReason::PrepareFailed(error)),
        };
        self.feed(id, event);
        true
    }

    fn poll_ping(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, result)) = self.ping.poll(cx) else { return false };
        let event = match result {
            Ok(()) => Event::PingAnswered,
            Err(error) => Event::PingFailed(DisconnectReason::PingFailed(error)),
        };
        self.feed(id, event);
        true
    }

    /// Checks for the end of the connection. The machine decides when to drop it, because a waiter that asked
    /// in time may still have to receive it.
    fn poll_connection(&self, cx: &Context<'_>) -> bool {
        let (id, end) = match &self.current {
            Current::None => return false,
            Current::Open(connection) => (connection.id(), connection.poll_end(cx.waker())),
            Current::Closing(connection) => {
                let closed = connection.poll_close(cx.waker());
                (connection.id(), closed.map(|()| DisconnectReason::Closed))
            }
        };
        let Poll::Ready(reason) = end else { return false };
        self.feed(id, Event::Lost(reason));
        true
    }
}

impl<S> ClientDriver<S> {
    fn feed(&self, id: AttemptId, event: Event) {
        let now = self.shared.drive.host.now();
        self.shared.drive.lock().state.fsm.handle_event((id, event), now);
    }

    fn answer(&self, waiter: WaiterId, result: Result<Connection<S>, ConnectWaitError>) {
        let answer = self.shared.drive.lock().state.waiters.remove(&waiter);
        if let Some(answer) = answer {
            answer.fill(result);
        }
    }

    /// Drops everything that belongs to the current attempt.
    fn abort(&mut self) {
        self.attempt.cancel();
        self.preparation.cancel();
        self.ping.cancel();
        match mem::replace(&mut self.current, Current::None) {
            Current::Open(connection) | Current::Closing(connection) => connection.drop_stream(),
            Current::None => {}
        }
    }
}

fn log_output(target: &str, output: &Output) {
    match output {
        Output::LogRetry { failures, delay, reason } => log::info!(
            target: "childminder::client", failures = *failures;
            "{target}: {reason}; attempt {next} in {delay:?}", next = failures.saturating_add(1)
        ),
        Output::LogGivenUp { failures, reason } => log::error!(
            target: "childminder::client", failures = *failures;
            "{target}: {reason}; not trying again after failure {failures}"
        ),
        Output::LogDuplicateStart => log::warn!(
            target: "childminder::client",
            "{target}: duplicate ClientService::start_service; it is started already"
        ),
        _ => {}
    }
}

impl<S> fmt::Debug for ClientDriver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDriver")
            .field("shared", &self.shared)
            .field("callbacks", &self.callbacks)
            .finish_non_exhaustive()
    }
}

impl<S> Drop for ClientDriver<S> {
    /// Drops the connection, if there still is one, and resolves everything that waits.
    fn drop(&mut self) {
        self.abort();
        self.shared.driver_ended();
    }
}
