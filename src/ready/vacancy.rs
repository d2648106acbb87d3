//! The look before the start: is the place free where the process is to answer?

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use rustix::net::{SocketAddrUnix, getsockname};

use crate::host::{Holder, Host, ProbeError, Spec, Target};

/// On this machine a connection is made or refused at once. If it is neither, there is somebody, and too busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the process is given a socket that listens there already: then an answer is nobody else's.
pub(super) fn is_given(spec: &Spec, target: &Target) -> bool {
    let listeners = spec.get_descriptors().take(spec.count_listeners());
    let mut addresses = listeners.filter_map(|(_, listener)| getsockname(listener).ok());
    addresses.any(|address| match target {
        Target::Port(port) | Target::Http { port, .. } => {
            SocketAddr::try_from(address).is_ok_and(|address| address.port() == *port)
        }
        Target::Unix(path) => SocketAddrUnix::try_from(address)
            .is_ok_and(|address| address.path_bytes() == Some(path.as_os_str().as_bytes())),
    })
}

/// Asks at each of these places once.
pub(super) async fn check(host: Arc<dyn Host>, targets: Vec<Target>) -> Result<(), Taken> {
    for target in targets {
        // Whatever an HTTP server there would answer: there would be one.
        let place = match &target {
            Target::Port(_) | Target::Unix(_) => target.clone(),
            Target::Http { port, .. } => Target::Port(*port),
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
                Holder::Unverified(error.to_string())
            }
            None => Holder::Unverified("it does not take the connection".to_owned()),
        };
        return Err(Taken { target: place, by });
    }
    Ok(())
}

/// Somebody answers already where the process was to (F-82).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where.
    pub target: Target,
    /// Who it is, as far as that can be found out.
    pub by: Holder,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is taken already", self.target)?;
        match &self.by {
            Holder::Own => Ok(()),
            Holder::Stranger(who) => write!(f, " by {who}"),
            Holder::Unverified(why) => write!(f, "; by whom cannot be told: {why}"),
        }
    }
}

impl std::error::Error for Taken {}
