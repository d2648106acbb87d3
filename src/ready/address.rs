//! The check that no other process answers where a process is to answer, before it is started.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use rustix::net::{SocketAddrUnix, getsockname};

use super::condition::{Condition, Leaf};
use super::gate::FlatCondition;
use crate::host::{Host, ProbeError, ProbeOwner, ProbeTarget, Spec};

/// The time that a server may take to accept the connection that checks whether its address is in use. On one
/// machine a connection is accepted or refused at once; if it is neither, there is a busy server.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);

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

/// Checks that no process answers yet where the process of `spec` is to answer to meet `condition`. Addresses
/// at which any process may answer are not checked, nor those of listening sockets that the spec passes on.
///
/// # Errors
///
/// [`AddressInUse`] with the address and, if known, the process.
pub(crate) fn check_free(
    host: &Arc<dyn Host>,
    condition: &Condition,
    spec: &Spec,
) -> impl Future<Output = Result<(), AddressInUse>> + Send + use<> {
    let condition = FlatCondition::new(condition);
    let targets = condition.leaves().filter_map(|(_, leaf)| match leaf {
        Leaf::Probe { target, any_owner: false } => Some(target),
        Leaf::Probe { any_owner: true, .. }
        | Leaf::Uptime(_)
        | Leaf::Output(_)
        | Leaf::Command(_)
        | Leaf::Notify(_)
        | Leaf::SdNotify => None,
    });
    let targets = targets.filter(|target| !passes_listener(spec, target)).cloned().collect();
    probe_once(host.clone(), targets)
}

/// Probes each of these targets once.
async fn probe_once(host: Arc<dyn Host>, targets: Vec<ProbeTarget>) -> Result<(), AddressInUse> {
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
