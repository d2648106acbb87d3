//! The handle of a client service.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::shared::Shared;
use super::{ClientBuilder, ClientDriver, ClientState, ClientStates, Connector, WhenConnected};
use crate::drive::{Guard, NotDriven, Ticket};
use crate::host::Host;

/// Keeps one outgoing connection: connects, and when that fails or the connection is lost, connects again, with waits
/// that grow ([`BackoffPolicy`](crate::backoff::BackoffPolicy)). Twisted's `ClientService`.
///
/// This is a handle: cheap to clone, usable from any thread, and also from inside whatever the service calls. The work is
/// done by the [`ClientDriver`] that comes with it, on an executor of your choice, or by a thread of its own
/// ([`background`](Self::background)).
///
/// When the last handle is dropped, the service is stopped as by [`stop_service`](Self::stop_service); the driver ends
/// after that, and with `background` the drop waits for it.
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
/// let link = service.when_connected(Some(3)).wait()?;
/// let answer = futures_lite::future::block_on(async {
///     (&link).write_all(b"ping").await?;
///     let mut answer = [0; 4];
///     (&link).read_exact(&mut answer).await?;
///     Ok::<_, std::io::Error>(answer)
/// })?;
/// assert_eq!(&answer, b"pong");
/// service.stop_service().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClientService<S>(pub(super) Arc<Guard<Shared<S>>>);

/// Making one.
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ClientService<S> {
    /// A service with default settings, and its driver. It is not started.
    pub fn new(host: impl Host, connector: impl Connector<Stream = S>) -> (Self, ClientDriver<S>) {
        Self::builder(connector).build(host)
    }

    /// A service with default settings, whose driver runs on a thread of its own: for programs and tests without an
    /// executor.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread to give.
    pub fn background(host: impl Host, connector: impl Connector<Stream = S>) -> io::Result<Self> {
        Self::builder(connector).background(host)
    }

    /// Other settings: how long to wait, how to prepare a connection, when one is dead.
    pub fn builder(connector: impl Connector<Stream = S>) -> ClientBuilder<S> {
        ClientBuilder::new(connector)
    }
}

/// Commands. Each is applied before the call returns; the driver carries it out as soon as it runs.
impl<S> ClientService<S> {
    /// Connects, and stays connected from now on (CS-1). If a stop is under way the old connection comes to its end
    /// first (CS-14). Of a service that is started already it is logged that it is (CS-2). Nothing if the driver has gone.
    pub fn start_service(&self) {
        self.shared().start();
    }

    /// Disconnects, and stays so until [`start_service`](Self::start_service). An attempt, a preparation, a wait end at
    /// once (CS-9, CS-10); a connection ends in good order, and is dropped if the peer does not end it as well within
    /// the [grace](ClientBuilder::close_grace) (CS-8). Links to it fail from now on.
    ///
    /// When nothing is open, whoever waits for a connection fails, and then the ticket resolves (CS-13). Stopping twice
    /// joins the first stop (CS-12); what is stopped is stopped at once (CS-11).
    pub fn stop_service(&self) -> Ticket<NotDriven> {
        self.shared().stop()
    }

    /// Waits for a connection: resolves at once if there is one, and otherwise when there is. All who wait are given
    /// links to the same connection (CS-3).
    ///
    /// With `fail_after_failures` it fails at the so many-th failed attempt from now on, zero being the same as one; the
    /// loss of a connection does not count (CS-7). Without, only a stop, or a [permanent](ConnectError::permanent) failure,
    /// makes it fail.
    ///
    /// Before the first start it waits for that. Unlike in Twisted a stop ends that as well (CS-17). After a stop it fails
    /// at once, until the service is started again.
    pub fn when_connected(&self, fail_after_failures: Option<u32>) -> WhenConnected<S> {
        self.0.service.when_connected(fail_after_failures)
    }
}

/// Questions.
impl<S> ClientService<S> {
    /// How it is.
    pub fn state(&self) -> ClientState {
        self.shared().drive.lock().state.fsm.status()
    }

    /// How it is, and every change from now on.
    pub fn states(&self) -> ClientStates {
        ClientStates(self.shared().states.subscribe())
    }

    /// The time on the clock that states are told in.
    pub fn now(&self) -> Instant {
        self.shared().drive.host.now()
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
