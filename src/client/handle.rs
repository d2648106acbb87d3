//! The handles of a client service, and waiting for a connection.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use super::connection::Connection;
use super::error::ConnectWaitError;
use super::message::WaiterId;
use super::shared::{Answer, Shared};
use super::state::{ClientState, ClientStates};
use crate::drive::{Guard, NotDriven, Ticket, Watch};

/// A service that keeps one outgoing connection. It corresponds to Twisted's `ClientService`.
///
/// It connects, and connects again when an attempt fails or the connection is lost, with growing delays
/// ([`BackoffPolicy`](crate::backoff::BackoffPolicy)).
///
/// This is a handle: it is cheap to clone, and can be used on any thread and from the callbacks of the
/// service. The work is done by a [`ClientDriver`](crate::client::ClientDriver), which runs on an executor of
/// your choice, or on a thread of its own ([`background`](Self::background)).
///
/// When the last handle is dropped, the service is stopped as by [`stop_service`](Self::stop_service), and
/// the driver ends. With `background`, the drop waits for that. A callback that the service owns should hold
/// a [weak handle](Self::downgrade), because a strong one would keep the service alive.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpListener;
///
/// use childminder::client::TcpConnector;
/// use childminder::{ClientService, System};
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let port = listener.local_addr()?.port();
/// # std::thread::spawn(move || {
/// #     let (mut peer, _) = listener.accept().unwrap();
/// #     let mut word = [0; 4];
/// #     peer.read_exact(&mut word).unwrap();
/// #     peer.write_all(b"pong").unwrap();
/// # });
/// let service = ClientService::background(System::new(), TcpConnector::new("localhost", port))?;
/// service.start_service();
/// let connection = service.when_connected(Some(3)).wait()?;
/// let answer = futures_lite::future::block_on(async {
///     (&connection).write_all(b"ping").await?;
///     let mut answer = [0; 4];
///     (&connection).read_exact(&mut answer).await?;
///     Ok::<_, std::io::Error>(answer)
/// })?;
/// assert_eq!(&answer, b"pong");
/// service.stop_service().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClientService<S>(pub(super) Arc<Guard<Shared<S>>>);

/// Commands. Each takes effect before the call returns; the driver executes it as soon as it runs.
impl<S> ClientService<S> {
    /// Starts the service: it connects, and keeps connected from now on.
    ///
    /// If a stop is in progress, the old connection is closed first. A service that is started already logs a
    /// warning. Does nothing after [`close`](Self::close), or if the driver was dropped.
    pub fn start_service(&self) {
        self.shared().start();
    }

    /// Stops the service: it disconnects, and stays disconnected until
    /// [`start_service`](Self::start_service).
    ///
    /// An attempt, a preparation or a wait ends at once. A connection is closed in good order, and dropped if
    /// the peer does not close it within the [grace period](crate::client::ClientBuilder::close_grace). Its
    /// users receive errors from now on.
    ///
    /// When nothing is open, tasks that wait for a connection fail, and then the ticket resolves. A second
    /// stop joins the first. The ticket of a stopped service resolves at once.
    ///
    /// The number of consecutive failures survives a stop: if the next attempt after a restart fails, the
    /// delay continues to grow. Only a connection resets it.
    pub fn stop_service(&self) -> Ticket<NotDriven> {
        self.shared().stop()
    }

    /// Closes the service for good, also if there are other handles: it stops, and then its driver ends. The
    /// ticket resolves when the driver has ended.
    ///
    /// Later commands do nothing, and waiting for a connection fails with [`ConnectWaitError::Closed`].
    pub fn close(&self) -> Ticket<NotDriven> {
        self.shared().close_now()
    }

    /// Waits for a connection: the future resolves at once if there is one, and otherwise with the next one.
    ///
    /// With `fail_after_failures` the future fails after this number of failed attempts from now on; 0 counts
    /// as 1. The loss of a connection is not a failed attempt. Without a limit, it fails only when the
    /// service is stopped or an error is [permanent](crate::client::ConnectError::permanent).
    ///
    /// Before the first start, the future waits for it. (Unlike in Twisted, a stop ends that wait, too.)
    /// After a stop it fails at once, until the service is started again.
    pub fn when_connected(&self, fail_after_failures: Option<u32>) -> WhenConnected<S> {
        let (id, answer, watch) = self.shared().add_waiter(fail_after_failures);
        WhenConnected { answer, watch, waiter: Some((id, self.0.service.clone())) }
    }
}

/// State.
impl<S> ClientService<S> {
    /// Returns the current state.
    pub fn state(&self) -> ClientState {
        self.shared().drive.lock().state.fsm.status()
    }

    /// Subscribes to the states. The first one is the current state.
    pub fn states(&self) -> ClientStates {
        ClientStates(self.shared().states.subscribe())
    }

    /// Returns the current time on the clock of the host, which states use.
    pub fn now(&self) -> Instant {
        self.shared().drive.host.now()
    }

    /// Returns a handle that does not keep the service alive.
    pub fn downgrade(&self) -> WeakClient<S> {
        WeakClient(Arc::downgrade(&self.0))
    }

    fn shared(&self) -> &Shared<S> {
        &self.0.service
    }
}

impl<S> Clone for ClientService<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for ClientService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// A handle that does not keep its service alive, from [`ClientService::downgrade`].
///
/// ```
/// use childminder::client::TcpConnector;
/// use childminder::{ClientService, System};
///
/// let service = ClientService::background(System::new(), TcpConnector::new("localhost", 6379))?;
/// let weak = service.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(service);
/// assert!(weak.upgrade().is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct WeakClient<S>(Weak<Guard<Shared<S>>>);

impl<S> WeakClient<S> {
    /// Returns a handle; `None` if the last one was dropped.
    pub fn upgrade(&self) -> Option<ClientService<S>> {
        self.0.upgrade().map(ClientService)
    }
}

impl<S> Clone for WeakClient<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for WeakClient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakClient").finish_non_exhaustive()
    }
}

/// The future returned by [`ClientService::when_connected`]: resolves with the connection.
///
/// Dropping it ends the wait and does not affect other waits. If the driver is not polled while it waits, it
/// fails with [`ConnectWaitError::NotDriven`] after five seconds.
#[must_use = "a connection is received only by awaiting this"]
pub struct WhenConnected<S> {
    answer: Answer<S>,
    watch: Watch,
    /// `None` once the answer was received.
    waiter: Option<(WaiterId, Arc<Shared<S>>)>,
}

impl<S> WhenConnected<S> {
    /// Blocks this thread until there is a connection.
    ///
    /// # Errors
    ///
    /// Returns a [`ConnectWaitError`] with the reason. Called on the thread that is polling the driver, it
    /// fails at once with [`ConnectWaitError::NotDriven`].
    pub fn wait(mut self) -> Result<Connection<S>, ConnectWaitError> {
        let answer = self.answer.clone();
        let mut is_answered = false;
        let result = self.watch.block_on(|cx| {
            let poll = answer.poll(cx);
            is_answered = poll.is_ready();
            poll
        });
        if is_answered {
            self.waiter = None;
        }
        result
    }
}

impl<S> Future for WhenConnected<S> {
    type Output = Result<Connection<S>, ConnectWaitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = self.answer.poll(cx) {
            self.waiter = None;
            return Poll::Ready(answer);
        }
        self.watch.poll(cx).map(|error| Err(error.into()))
    }
}

impl<S> Drop for WhenConnected<S> {
    fn drop(&mut self) {
        if let Some((id, shared)) = self.waiter.take() {
            shared.remove_waiter(id);
        }
    }
}

impl<S> fmt::Debug for WhenConnected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.waiter.as_ref().map(|(id, _)| id);
        f.debug_tuple("WhenConnected").field(&id).finish()
    }
}
