//! The readiness of one service, for each of its starts.
//!
//! 1. [`check_free`](Watch::check_free) checks that no other process answers at the addresses of the service.
//! 2. [`equip`](Watch::equip) adds notification channels to the spec.
//! 3. [`arm`](Watch::arm) announces the next start.
//! 4. A monitor starts the process through the [`host`](Watch::host) of the watch, which observes the start,
//!    the output and the end of the process.
//! 5. The future that `arm` returned ends, on any executor.
//!
//! Steps 2 to 5 are repeated for each start. Each has its own session, gate and notification channels, so
//! that nothing of one start reaches the next.

use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use rustix::net::{SocketAddrUnix, getsockname};

use super::condition::{Condition, Leaf};
use super::gate::{FlatCondition, Gate};
use super::notify::{NotifyChannel, NotifyHandle};
use super::session::Session;
use super::until::UntilReady;
use crate::host::tap::{Start, StartQueue, TapHost};
use crate::host::{Host, ProbeError, ProbeOwner, ProbeTarget, Spec};
use crate::search::{MessageExtractor, ParallelSearch};
use crate::sync::Lock;

/// The time that a server may take to accept the connection that checks whether its address is in use. On one
/// machine a connection is accepted or refused at once; if it is neither, there is a busy server.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);

/// Waits for the readiness of each start of one service.
pub(crate) struct Watch {
    host: Arc<dyn Host>,
    condition: FlatCondition,
    timeout: Duration,
    message: MessageExtractor,
    starts: StartQueue,
    /// The channels that the spec was equipped with, until the watch is armed.
    notifications: Lock<Vec<NotifyHandle>>,
}

impl Watch {
    /// Creates a watch for the processes started with its [`host`](Self::host). `timeout` counts from each
    /// start; `Duration::MAX` means none. The caller has [checked](Condition::check) the condition.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        condition: Condition,
        timeout: Duration,
        message: MessageExtractor,
    ) -> Self {
        Self {
            host,
            condition: FlatCondition::new(&condition),
            timeout,
            message,
            starts: StartQueue::default(),
            notifications: Lock::new(Vec::new()),
        }
    }

    /// Returns the host with which the process must be started.
    pub(crate) fn host(&self) -> TapHost {
        TapHost::new(self.host.clone(), self.starts.clone())
    }

    /// Adds to `spec` a new pipe or socket for each notification that is waited for. Called before
    /// [`arm`](Self::arm), for each start.
    ///
    /// # Errors
    ///
    /// The system's error when it cannot create a pipe, a socket or its directory.
    pub(crate) fn equip(&self, mut spec: Spec) -> io::Result<Spec> {
        let mut pipes: Vec<(i32, NotifyHandle)> = Vec::new();
        let mut socket: Option<NotifyHandle> = None;
        for (number, leaf) in self.condition.leaves() {
            match leaf {
                Leaf::Notify(descriptor) => {
                    if let Some((_, handle)) = pipes.iter_mut().find(|(known, _)| known == descriptor) {
                        handle.share(number);
                        continue;
                    }
                    let channel;
                    (channel, spec) = NotifyChannel::pipe(*descriptor, spec)?;
                    pipes.push((*descriptor, NotifyHandle::new(number, channel)));
                }
                Leaf::SdNotify => {
                    if let Some(handle) = &mut socket {
                        handle.share(number);
                        continue;
                    }
                    let channel;
                    (channel, spec) = NotifyChannel::socket(spec)?;
                    socket = Some(NotifyHandle::new(number, channel));
                }
                Leaf::Uptime(_) | Leaf::Output(_) | Leaf::Probe { .. } | Leaf::Command(_) => {}
            }
        }
        *self.notifications.lock() = pipes.into_iter().map(|(_, handle)| handle).chain(socket).collect();
        Ok(spec)
    }

    /// Announces the next start, and returns a future that ends when it is ready or has failed.
    pub(crate) fn arm(&self) -> UntilReady {
        let outputs = self.condition.leaves().filter_map(|(number, leaf)| match leaf {
            Leaf::Output(wanted) => Some((number, wanted)),
            Leaf::Uptime(_) | Leaf::Probe { .. } | Leaf::Command(_) | Leaf::Notify(_) | Leaf::SdNotify => {
                None
            }
        });
        let search = ParallelSearch::new(outputs, self.message.clone());
        let session = Arc::new(Session::new(search, mem::take(&mut *self.notifications.lock())));
        self.starts.clear();
        self.starts.announce(Start { observer: session.clone(), replacement: None });
        let gate = Gate::new(&self.condition, self.timeout);
        UntilReady::new(self.host.clone(), session, gate)
    }

    /// Checks that no process answers yet where the process of `spec` is to answer. Addresses at which any
    /// process may answer are not checked, nor those of listening sockets that the spec passes on.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`] with the address and, if known, the process.
    pub(crate) fn check_free(
        &self,
        spec: &Spec,
    ) -> impl Future<Output = Result<(), AddressInUse>> + Send + use<> {
        let targets = self.condition.leaves().filter_map(|(_, leaf)| match leaf {
            Leaf::Probe { target, any_owner: false } => Some(target),
            Leaf::Probe { any_owner: true, .. }
            | Leaf::Uptime(_)
            | Leaf::Output(_)
            | Leaf::Command(_)
            | Leaf::Notify(_)
            | Leaf::SdNotify => None,
        });
        let targets = targets.filter(|target| !passes_listener(spec, target)).cloned().collect();
        check_free(self.host.clone(), targets)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("condition", &self.condition)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Returns whether `spec` passes on a socket that listens at `target`, so that an answer there is the
/// service's own.
fn passes_listener(spec: &Spec, target: &ProbeTarget) -> bool {
    let listeners = spec.get_descriptors().take(spec.count_listeners());
    let mut addresses = listeners.filter_map(|(_, listener)| getsockname(listener).ok());
    addresses.any(|address| match target {
        ProbeTarget::Port(port) | ProbeTarget::Http { port, .. } => {
            SocketAddr::try_from(address).is_ok_and(|address| address.port() == *port)
        }
        ProbeTarget::Unix(path) => SocketAddrUnix::try_from(address)
            .is_ok_and(|address| address.path_bytes() == Some(path.as_os_str().as_bytes())),
    })
}

/// Probes each of these targets once.
async fn check_free(host: Arc<dyn Host>, targets: Vec<ProbeTarget>) -> Result<(), AddressInUse> {
    for target in targets {
        // Which answer an HTTP server would give does not matter.
        let target = match &target {
            ProbeTarget::Port(_) | ProbeTarget::Unix(_) => target.clone(),
            ProbeTarget::Http { port, .. } => ProbeTarget::Port(*port),
        };
        let answer = async { Some(host.probe(&target, None).await) };
        let timeout = async {
            host.sleep_until(host.now() + ACCEPT_TIMEOUT).await;
            None
        };
        let by = match or(answer, timeout).await {
            Some(Ok(owner)) => owner,
            Some(Err(ProbeError::Io(_))) => continue,
            Some(Err(error @ (ProbeError::Status(_) | ProbeError::NotHttp))) => {
                ProbeOwner::Unverified(error.to_string())
            }
            None => ProbeOwner::Unverified("it does not accept connections".to_owned()),
        };
        return Err(AddressInUse { target, by });
    }
    Ok(())
}

/// Another process already answers at an address of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressInUse {
    /// The address.
    pub target: ProbeTarget,
    /// The process, as far as it is known.
    pub by: ProbeOwner,
}

impl fmt::Display for AddressInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is already in use", self.target)?;
        match &self.by {
            ProbeOwner::Own => Ok(()),
            ProbeOwner::Stranger(process) => write!(f, " by {process}"),
            ProbeOwner::Unverified(reason) => write!(f, "; its process cannot be determined: {reason}"),
        }
    }
}

impl std::error::Error for AddressInUse {}

#[cfg(test)]
mod tests;
