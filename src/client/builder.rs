//! A client service with other than the default settings.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::ClientService;
use super::acts::{Acts, Step, Wait};
use super::connect::Connector;
use super::driver::ClientDriver;
use super::job::Work;
use super::link::Connection;
use super::message::Settings;
use super::setback::ConnectError;
use super::shared::Shared;
use crate::backoff::{BackoffError, BackoffPolicy};
use crate::drive::Guard;
use crate::host::Host;

/// Settings of a [`ClientService`]; see [`ClientService::builder`].
#[must_use]
pub struct ClientBuilder<S> {
    acts: Acts<S>,
    settings: Settings,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ClientBuilder<S> {
    pub(super) fn new(connector: impl Connector<Stream = S>) -> Self {
        let target = connector.target();
        let connector = Arc::new(connector);
        let connect = move || -> Work<S> {
            let connector = connector.clone();
            Box::pin(async move { connector.connect().await })
        };
        Self {
            acts: Acts {
                target,
                connect: Box::new(connect),
                prepare: None,
                ping: None,
                policy: Wait::Policy(BackoffPolicy::default()),
            },
            settings: Settings {
                attempt_timeout: Duration::from_secs(30),
                stable_after: Duration::ZERO,
                close_grace: Duration::from_secs(5),
                keep_alive: None,
            },
        }
    }

    /// Sets what is connected to, as the log calls it. Default: what the [connector](Connector::target) says.
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.acts.target = target.into();
        self
    }

    /// Sets how long to wait between attempts. Default: [`BackoffPolicy::default`].
    ///
    /// # Errors
    ///
    /// [`BackoffError`] naming the field that is not valid.
    pub fn policy(mut self, policy: BackoffPolicy) -> Result<Self, BackoffError> {
        policy.check()?;
        self.acts.policy = Wait::Policy(policy);
        Ok(self)
    }

    /// Sets how long to wait after `n` failures in a row, counted from 1, by a function of your own. If it panics, which
    /// is logged, the wait is 60 s (CS, weakness 5). It may call the service.
    pub fn policy_fn(mut self, policy: impl Fn(u32) -> Duration + Send + 'static) -> Self {
        self.acts.policy = Wait::Ask(Box::new(policy));
        self
    }

    /// Sets a step that is taken once on each new connection, before anybody else is given it: a login, a handshake, a
    /// look whether the server is healthy (CS-18). It is part of connecting: when it fails, panics, or takes longer
    /// than the [attempt time-out](Self::attempt_timeout), or when the connection is lost meanwhile, that is a failed
    /// attempt. The connection is closed then. What a success returns is ignored. Default: none.
    pub fn prepare<F, A, T, E>(mut self, prepare: F) -> Self
    where
        F: Fn(Connection<S>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<ConnectError>,
    {
        self.acts.prepare = Some(step(prepare));
        self
    }

    /// Sets how long connecting may take, and how long preparing. Default: 30 s each (CS-23).
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = timeout;
        self
    }

    /// Sets how long a connection must have been up to have been a success: one that was lost earlier is one more
    /// failure in the row, so that the wait goes on growing. For servers that accept, and then hang up (CS, weakness 9).
    /// Default: zero, so every connection is a success, as in Twisted.
    pub fn stable_after(mut self, uptime: Duration) -> Self {
        self.settings.stable_after = uptime;
        self
    }

    /// Has the peer asked every so often whether it is alive. `ping` is to ask, and to await the answer. When it fails,
    /// panics, or takes as long as `every`, the connection is dropped, as a lost one. So a peer is noticed that has gone
    /// without a word. Zero: off. Default: off.
    ///
    /// Where the system can do that by itself, [`TcpConnector::keep_alive`](super::TcpConnector::keep_alive) is less work.
    pub fn keep_alive<F, A, T, E>(mut self, every: Duration, ping: F) -> Self
    where
        F: Fn(Connection<S>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<ConnectError>,
    {
        self.settings.keep_alive = Some(every).filter(|every| !every.is_zero());
        self.acts.ping = Some(step(ping));
        self
    }

    /// Sets how long the peer has to end the connection after we did. Then it is dropped (CS, weakness 8). Zero: at once.
    /// Default: 5 s.
    pub fn close_grace(mut self, grace: Duration) -> Self {
        self.settings.close_grace = grace;
        self
    }

    /// A handle, and the driver that does the work: run it on an executor of your choice.
    pub fn build(self, host: impl Host) -> (ClientService<S>, ClientDriver<S>) {
        let (shared, driver) = self.parts(Arc::new(host));
        (ClientService(Arc::new(Guard::new(shared))), driver)
    }

    /// A handle whose driver runs on a thread of its own, named `childminder-client`. Dropping the last handle stops the
    /// service and waits for that.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread to give.
    pub fn background(self, host: impl Host) -> io::Result<ClientService<S>> {
        let (shared, driver) = self.parts(Arc::new(host));
        Ok(ClientService(Arc::new(Guard::background(shared, "childminder-client", driver)?)))
    }

    fn parts(self, host: Arc<dyn Host>) -> (Arc<Shared<S>>, ClientDriver<S>) {
        let shared = Arc::new(Shared::new(host, self.settings));
        let driver = ClientDriver::new(shared.clone(), self.acts);
        (shared, driver)
    }
}

/// A step on a connection. It is called when it is first polled, which is behind the fence.
fn step<S, F, A, T, E>(step: F) -> Step<S>
where
    S: Send + 'static,
    F: Fn(Connection<S>) -> A + Send + Sync + 'static,
    A: Future<Output = Result<T, E>> + Send + 'static,
    E: Into<ConnectError>,
{
    let step = Arc::new(step);
    Box::new(move |link| {
        let step = step.clone();
        Box::pin(async move { step(link).await.map(drop).map_err(Into::into) })
    })
}

impl<S> fmt::Debug for ClientBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("acts", &self.acts).field("settings", &self.settings).finish()
    }
}
