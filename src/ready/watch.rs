//! The watch over one service: it sees its starts, and says when it is ready.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::condition::Condition;
use super::observed::Observed;
use super::vacancy::Taken;
use super::verdict::{Failure, Ready};
use crate::host::{Host, Spec};

/// Finds the message in a line, for [`Printed::in_message`](super::Printed::in_message). Without one the line is the
/// message.
pub(crate) type Message = Option<Arc<dyn Fn(&[u8]) -> &[u8] + Send + Sync>>;

/// Says of each start of one process when it is ready.
pub(crate) struct Watch {
    host: Arc<dyn Host>,
}

impl Watch {
    /// `timeout` counts from the start.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        _condition: Condition,
        _timeout: Duration,
        _message: Message,
    ) -> Self {
        Self { host }
    }

    /// The host that the process must be started with.
    pub(crate) fn host(&self) -> Observed {
        Observed::new(self.host.clone())
    }

    /// Gives `spec` what the next start needs to notify: fresh pipes, a fresh socket. Before [`arm`](Self::arm), and
    /// anew for each start.
    ///
    /// # Errors
    ///
    /// What the system says to the pipe, or to the socket and its directory.
    pub(crate) fn equip(&self, spec: Spec) -> io::Result<Spec> {
        Ok(spec)
    }

    /// Watches the next start.
    pub(crate) fn arm(&self) -> UntilReady {
        UntilReady {}
    }

    /// Whether nobody answers yet where the process is to.
    ///
    /// # Errors
    ///
    /// [`Taken`]: where, and who it is.
    pub(crate) async fn check_free(&self) -> Result<(), Taken> {
        Ok(())
    }
}

/// Ends when the start is ready, or will not be. Dropping it ends the wait; the process is left alone (SV-21).
#[derive(Debug)]
pub(crate) struct UntilReady {}

impl Future for UntilReady {
    type Output = Result<Ready, Failure>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}
