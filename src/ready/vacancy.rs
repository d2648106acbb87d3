//! The look before the start: is the place free where the process is to answer?

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use rustix::net::{SocketAddrUnix, getsockname};

use crate::host::{Host, ProbeError, ProbeOwner, ProbeTarget, Spec};

/// On this machine a connection is made or refused at once. If it is neither, there is somebody, and too busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the process is given a socket that listens there already: then an answer is nobody else's.
pub(super) fn is_given(spec: &Spec, target: &ProbeTarget) -> bool {
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

/// Asks at each of these places once.
pub(super) async fn check(host: Arc<dyn Host>, targets: Vec<ProbeTarget>) -> Result<(), AddressInUse> {
    for target in targets {
        // Whatever an HTTP server there would answer: there would be one.
        let place = match &target {
            ProbeTarget::Port(_) | ProbeTarget::Unix(_) => target.clone(),
            ProbeTarget::Http { port, .. } => ProbeTarget::Port(*port),
        };
        let answer = async { Some(host.probe(&place, None).await) };
        let silence = async {
            host.sleep_until(host.now() + PATIENCE).await;
            None
        };
        let by = match or(answer, silence).await {
            Some(Ok(holder)) => holder,
            Some(Err(ProbeError::Io(_))) => continue,
            Some(Err(error @ (ProbeError::Status(_) | ProbeError::NotHttp))) => {
                ProbeOwner::Unverified(error.to_string())
            }
            None => ProbeOwner::Unverified("it does not take the connection".to_owned()),
        };
        return Err(AddressInUse { target: place, by });
    }
    Ok(())
}

/// Somebody answers already where the process was to (F-82).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressInUse {
    /// Where.
    pub target: ProbeTarget,
    /// Who it is, as far as that can be found out.
    pub by: ProbeOwner,
}

impl fmt::Display for AddressInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is taken already", self.target)?;
        match &self.by {
            ProbeOwner::Own => Ok(()),
            ProbeOwner::Stranger(who) => write!(f, " by {who}"),
            ProbeOwner::Unverified(why) => write!(f, "; by whom cannot be told: {why}"),
        }
    }
}

impl std::error::Error for AddressInUse {}
