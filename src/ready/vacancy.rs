//! The look before the start: is the place free where the process is to answer?

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;

use crate::host::{Holder, Host, ProbeError, Target};

/// On this machine a connection is made or refused at once. If it is neither, there is somebody, and too busy.
const PATIENCE: Duration = Duration::from_secs(1);

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
