//! The driver: carries out what the machine decides, and brings it the news.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::acts::Acts;
use super::fsm::Fsm;
use super::job::Job;
use super::link::Connection;
use super::message::{LinkId, News, Output, Refusal};
use super::setback::{ConnectWaitError, DisconnectReason};
use super::shared::Shared;
use crate::drive::{self, Alarm, ClockCheck, Driver, Life, StateMachine, Step};
use crate::host::Host;
use crate::panic_guard::log_guarded;

/// Keeps the connection of a [`ClientService`](super::ClientService). Run it on any executor, or a plain `block_on`: it
/// asks for no runtime.
///
/// It ends when the last handle is gone and nothing is open. Dropping it earlier drops the connection, and fails whoever
/// waits for one.
#[must_use = "nothing is connected before the driver is run"]
#[derive(Debug)]
pub struct ClientDriver<S> {
    shared: Arc<Shared<S>>,
    acts: Acts<S>,
    attempt: Job<S>,
    preparation: Job<()>,
    ping: Job<()>,
    wire: Held<S>,
    alarm: Alarm,
}

/// The connection. There is one at most.
#[derive(Debug)]
enum Held<S> {
    Nothing,
    /// Its users have it.
    Open(Connection<S>),
    /// It was asked to end in good order.
    Closing(Connection<S>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientDriver<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, acts: Acts<S>) -> Self {
        Self {
            shared,
            acts,
            attempt: Job::none(),
            preparation: Job::none(),
            ping: Job::none(),
            wire: Held::Nothing,
            alarm: Alarm::default(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for ClientDriver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _poll = self.shared.drive.begin_poll(cx.waker());
        drive::poll_driver(&mut *self, ClockCheck::EveryRound, cx)
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
            Output::Connect(id) => self.attempt.begin(id, (self.acts.connect)()),
            Output::Prepare(id) => match (&self.acts.prepare, &self.wire) {
                (Some(prepare), Held::Open(link)) => self.preparation.begin(id, prepare(link.clone())),
                (None, _) | (_, Held::Nothing | Held::Closing(_)) => self.bring(id, News::Prepared),
            },
            Output::Ping(id) => match (&self.acts.ping, &self.wire) {
                (Some(ping), Held::Open(link)) => self.ping.begin(id, ping(link.clone())),
                (None, _) | (_, Held::Nothing | Held::Closing(_)) => self.bring(id, News::Ponged),
            },
            Output::Look(id) => self.look(id),
            Output::Close(id) => self.close(id),
            Output::Abort => self.abort(),
            Output::AskDelay(id, failures) => {
                let delay = self.acts.policy.after(failures);
                self.bring(id, News::Delay(delay));
            }
            Output::Succeed(waiter) => {
                let answer = self.shared.drive.lock().state.waiters.remove(&waiter);
                if let Some(answer) = answer {
                    answer.fill(match &self.wire {
                        Held::Open(link) | Held::Closing(link) => Ok(link.clone()),
                        // It was answered when there was one, and nothing comes in between.
                        Held::Nothing => Err(ConnectWaitError::Stopped),
                    });
                }
            }
            Output::Fail(waiter, refusal) => {
                let answer = self.shared.drive.lock().state.waiters.remove(&waiter);
                if let Some(answer) = answer {
                    answer.fill(Err(refusal.into()));
                }
            }
            Output::Stopped(stop) => {
                let slot = self.shared.drive.lock().state.stops.remove(&stop);
                if let Some(slot) = slot {
                    slot.fill(Ok(()));
                }
            }
            Output::Tell(state) => self.shared.states.publish(&state),
            Output::Retry { failures, delay, reason } => {
                let target = &self.acts.target;
                log_guarded(|| {
                    log::info!(
                        target: "childminder::client", failures;
                        "{target}: {reason}; attempt {next} in {delay:?}", next = failures.saturating_add(1)
                    );
                });
            }
            Output::GiveUp { failures, reason } => {
                let target = &self.acts.target;
                log_guarded(|| {
                    log::error!(
                        target: "childminder::client", failures;
                        "{target}: {reason}; given up after failure {failures}"
                    );
                });
            }
            Output::Duplicate => {
                let target = &self.acts.target;
                log_guarded(|| {
                    log::warn!(
                        target: "childminder::client",
                        "{target}: duplicate ClientService::start_service; it is started already"
                    );
                });
            }
        }
        Step::Continue
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_attempt(cx) | self.poll_preparation(cx) | self.poll_ping(cx) | self.poll_wire(cx)
    }

    fn poll_idle(&mut self, _: &mut Context<'_>) -> Poll<()> {
        let core = self.shared.drive.lock();
        if core.life != Life::Open && core.state.fsm.is_idle() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientDriver<S> {
    /// Looks whether what is to be handed out is alive.
    fn look(&self, id: LinkId) {
        match &self.wire {
            Held::Open(link) => self.bring(id, link.look().map_or(News::Alive, News::Lost)),
            // Nobody awaits the answer any more.
            Held::Closing(_) | Held::Nothing => {}
        }
    }

    fn close(&mut self, id: LinkId) {
        self.preparation.end();
        self.ping.end();
        match mem::replace(&mut self.wire, Held::Nothing) {
            Held::Open(link) | Held::Closing(link) => {
                link.begin_close();
                self.wire = Held::Closing(link);
            }
            Held::Nothing => self.bring(id, News::Lost(DisconnectReason::Ended)),
        }
    }

    fn poll_attempt(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, result)) = self.attempt.poll(cx) else { return false };
        let news = match result {
            Ok(stream) => {
                self.wire = Held::Open(Connection::new(id, stream));
                News::Connected
            }
            Err(error) => News::Failed(DisconnectReason::Failed(error)),
        };
        self.bring(id, news);
        true
    }

    fn poll_preparation(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, result)) = self.preparation.poll(cx) else { return false };
        let news = match result {
            Ok(()) => News::Prepared,
            Err(error) => News::Rejected(DisconnectReason::Rejected(error)),
        };
        self.bring(id, news);
        true
    }

    fn poll_ping(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, result)) = self.ping.poll(cx) else { return false };
        let news = match result {
            Ok(()) => News::Ponged,
            Err(error) => News::Mute(DisconnectReason::Mute(error)),
        };
        self.bring(id, news);
        true
    }

    /// Looks for the end of the connection. It is dropped when the machine says so: somebody may still have to be given it
    /// who asked for it in time.
    fn poll_wire(&self, cx: &Context<'_>) -> bool {
        let (id, reason) = match &self.wire {
            Held::Nothing => return false,
            Held::Open(link) => match link.watch(cx.waker()) {
                Some(reason) => (link.id(), reason),
                None => return false,
            },
            Held::Closing(link) => match link.poll_close(cx.waker()) {
                Poll::Ready(()) => (link.id(), DisconnectReason::Ended),
                Poll::Pending => return false,
            },
        };
        self.bring(id, News::Lost(reason));
        true
    }

    fn bring(&self, id: LinkId, news: News) {
        let now = self.shared.drive.host.now();
        self.shared.drive.lock().state.fsm.handle_event((id, news), now);
    }
}

impl<S> ClientDriver<S> {
    /// Drops all there is, which is of one attempt: the next begins later in the same queue.
    fn abort(&mut self) {
        self.attempt.end();
        self.preparation.end();
        self.ping.end();
        match mem::replace(&mut self.wire, Held::Nothing) {
            Held::Open(link) | Held::Closing(link) => link.cut(),
            Held::Nothing => {}
        }
    }
}

impl From<Refusal> for ConnectWaitError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Stopped => Self::Stopped,
            Refusal::Failed { failures, reason } => Self::Failed { failures, reason },
            Refusal::GivenUp(reason) => Self::GivenUp(reason),
        }
    }
}

impl<S> Drop for ClientDriver<S> {
    /// Closes whatever is open, which is nothing if the driver came to its end.
    fn drop(&mut self) {
        self.abort();
        self.shared.over();
    }
}
