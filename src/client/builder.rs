//! The settings of a client service, and creating one.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::callbacks::{BoxedUserFuture, Callbacks, ConnectionCallback, RetryPolicy};
use super::connection::Connection;
use super::connector::Connector;
use super::driver::ClientDriver;
use super::error::ConnectError;
use super::handle::ClientService;
use super::message::Settings;
use super::shared::Shared;
use crate::backoff::{BackoffError, BackoffPolicy};
use crate::drive::Guard;
use crate::host::Host;

/// Settings of a [`ClientService`]; see [`ClientService::builder`].
///
/// ```
/// use std::time::Duration;
///
/// use childminder::backoff::BackoffPolicy;
/// use childminder::client::{ConnectError, TcpConnector};
/// use childminder::{ClientService, System};
/// use futures_lite::AsyncWriteExt;
///
/// let policy = BackoffPolicy { max_delay: Duration::from_secs(10), ..BackoffPolicy::default() };
/// let service = ClientService::builder(TcpConnector::new("localhost", 6379))
///     .policy(policy)
///     .attempt_timeout(Duration::from_secs(5))
///     .prepare(|mut connection| async move {
///         connection.write_all(b"AUTH secret\r\n").await?;
///         Ok::<_, ConnectError>(())
///     })
///     .background(System::new())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until `build` or `background` is called"]
pub struct ClientBuilder<S> {
    callbacks: Callbacks<S>,
    settings: Settings,
}

/// Creating a service.
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ClientService<S> {
    /// Creates a service with default settings and its driver. It is not started.
    pub fn new(host: impl Host, connector: impl Connector<Stream = S>) -> (Self, ClientDriver<S>) {
        Self::builder(connector).build_unchecked(host)
    }

    /// Creates a service with default settings, whose driver runs on a thread of its own. It is not started.
    ///
    /// # Errors
    ///
    /// Returns the error of the system if it cannot create a thread.
    pub fn background(host: impl Host, connector: impl Connector<Stream = S>) -> io::Result<Self> {
        Self::builder(connector).background(host)
    }

    /// Returns a builder, to set delays, timeouts, and steps on each connection.
    pub fn builder(connector: impl Connector<Stream = S>) -> ClientBuilder<S> {
        ClientBuilder::new(connector)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ClientBuilder<S> {
    fn new(connector: impl Connector<Stream = S>) -> Self {
        let target = connector.target();
        let connector = Arc::new(connector);
        let connect = move |host: Arc<dyn Host>| -> BoxedUserFuture<S> {
            let connector = connector.clone();
            Box::pin(async move { connector.connect(&*host).await })
        };
        Self {
            callbacks: Callbacks {
                target,
                connect: Box::new(connect),
                prepare: None,
                ping: None,
                retry: RetryPolicy::Backoff(BackoffPolicy::default()),
            },
            settings: Settings {
                attempt_timeout: Duration::from_secs(30),
                stable_after: Duration::ZERO,
                close_grace: Duration::from_secs(5),
                keep_alive: None,
            },
        }
    }

    /// Sets the name of the server for the log. Default: that of the [connector](Connector::target).
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.callbacks.target = target.into();
        self
    }

    /// Sets the delays between attempts. Default: [`BackoffPolicy::default`].
    ///
    /// The policy is checked when the service is created.
    pub fn policy(mut self, policy: BackoffPolicy) -> Self {
        self.callbacks.retry = RetryPolicy::Backoff(policy);
        self
    }

    /// Sets a function that returns the delay after `n` consecutive failures, counted from 1.
    ///
    /// The function may call the service. If it panics, the panic is logged and the delay is 60 s.
    pub fn policy_fn(mut self, policy: impl Fn(u32) -> Duration + Send + 'static) -> Self {
        self.callbacks.retry = RetryPolicy::Function(Box::new(policy));
        self
    }

    /// Sets a step that prepares each new connection before it is used: a login, a handshake, a health check.
    /// Default: none.
    ///
    /// Preparing is part of an attempt. The attempt fails, and the connection is closed, if the step returns
    /// an error, panics, exceeds the [attempt timeout](Self::attempt_timeout), or if the connection is lost
    /// meanwhile. The value of a success is ignored.
    pub fn prepare<F, A, T, E>(mut self, prepare: F) -> Self
    where
        F: Fn(Connection<S>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<ConnectError>,
    {
        self.callbacks.prepare = Some(boxed(prepare));
        self
    }

    /// Sets how long connecting may take, and how long preparing may take. Default: 30 s each.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = timeout;
        self
    }

    /// Sets the uptime after which a connection counts as a success. Default: zero, so that every connection
    /// does.
    ///
    /// The loss of a younger connection counts as a further consecutive failure, so that the delays keep
    /// growing. Use it for servers that accept connections and then close them.
    pub fn stable_after(mut self, uptime: Duration) -> Self {
        self.settings.stable_after = uptime;
        self
    }

    /// Pings the peer at this interval, and drops the connection if a ping fails, panics, or takes longer
    /// than `interval`. Zero is off. Default: off.
    ///
    /// `ping` sends a request and awaits the answer. This detects a peer that has disappeared without closing
    /// the connection, or that no longer answers. For the former, [`TcpConnector::keep_alive`] is sufficient.
    ///
    /// [`TcpConnector::keep_alive`]: super::TcpConnector::keep_alive
    pub fn keep_alive<F, A, T, E>(mut self, interval: Duration, ping: F) -> Self
    where
        F: Fn(Connection<S>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<ConnectError>,
    {
        self.settings.keep_alive = Some(interval).filter(|interval| !interval.is_zero());
        self.callbacks.ping = Some(boxed(ping));
        self
    }

    /// Sets how long the peer may take to close the connection after the service has closed its direction.
    /// Then the connection is dropped; with zero, at once. Default: 5 s.
    pub fn close_grace(mut self, grace: Duration) -> Self {
        self.settings.close_grace = grace;
        self
    }

    /// Creates the service and its driver, to be run on an executor of your choice.
    ///
    /// # Errors
    ///
    /// Returns a [`BackoffError`] if the [policy](Self::policy) is not valid.
    pub fn build(self, host: impl Host) -> Result<(ClientService<S>, ClientDriver<S>), BackoffError> {
        self.check()?;
        Ok(self.build_unchecked(host))
    }

    /// Creates the service, with its driver on a thread of its own, named `childminder-client`. Dropping the
    /// last handle stops the service and waits for that.
    ///
    /// # Errors
    ///
    /// Returns the error of the system if it cannot create a thread; or an error of kind
    /// [`InvalidInput`](io::ErrorKind::InvalidInput), which contains a [`BackoffError`], if the
    /// [policy](Self::policy) is not valid.
    pub fn background(self, host: impl Host) -> io::Result<ClientService<S>> {
        self.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let host: Arc<dyn Host> = Arc::new(host);
        let (shared, driver) = self.parts(Arc::clone(&host));
        Ok(ClientService(Arc::new(Guard::background(shared, host, "childminder-client", driver)?)))
    }

    fn build_unchecked(self, host: impl Host) -> (ClientService<S>, ClientDriver<S>) {
        let (shared, driver) = self.parts(Arc::new(host));
        (ClientService(Arc::new(Guard::new(shared))), driver)
    }

    fn check(&self) -> Result<(), BackoffError> {
        match &self.callbacks.retry {
            RetryPolicy::Backoff(policy) => policy.check(),
            RetryPolicy::Function(_) => Ok(()),
        }
    }

    fn parts(self, host: Arc<dyn Host>) -> (Arc<Shared<S>>, ClientDriver<S>) {
        let shared = Arc::new(Shared::new(host, self.settings));
        let driver = ClientDriver::new(shared.clone(), self.callbacks);
        (shared, driver)
    }
}

/// Boxes a callback. It is called when its future is first polled, where panics are caught.
fn boxed<S, F, A, T, E>(callback: F) -> ConnectionCallback<S>
where
    S: Send + 'static,
    F: Fn(Connection<S>) -> A + Send + Sync + 'static,
    A: Future<Output = Result<T, E>> + Send + 'static,
    E: Into<ConnectError>,
{
    let callback = Arc::new(callback);
    Box::new(move |connection| {
        let callback = callback.clone();
        Box::pin(async move { callback(connection).await.map(drop).map_err(Into::into) })
    })
}

impl<S> fmt::Debug for ClientBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("callbacks", &self.callbacks)
            .field("settings", &self.settings)
            .finish()
    }
}
