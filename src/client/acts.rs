//! What the user of a service has given it to do: code that is not ours, and is called behind the fence.

use std::fmt;
use std::time::Duration;

use super::job::Work;
use super::link::Connection;
use crate::backoff::BackoffPolicy;
use crate::panic_guard::{catch, log_guarded};

/// What the user of the service has given it to do.
pub(super) struct Acts<S> {
    /// What is connected to, for the log.
    pub(super) target: String,
    pub(super) connect: Box<dyn Fn() -> Work<S> + Send>,
    pub(super) prepare: Option<Step<S>>,
    pub(super) ping: Option<Step<S>>,
    pub(super) policy: Wait,
}

/// Something that is done with a connection.
pub(super) type Step<S> = Box<dyn Fn(Connection<S>) -> Work<()> + Send>;

/// How long to wait after so many failures.
pub(super) enum Wait {
    Policy(BackoffPolicy),
    Ask(Box<dyn Fn(u32) -> Duration + Send>),
}

impl Wait {
    /// A policy that panics must not end the retrying (CS, weakness 5).
    pub(super) fn after(&self, failures: u32) -> Duration {
        match self {
            Self::Policy(policy) => policy.delay(failures),
            Self::Ask(ask) => catch(|| ask(failures)).unwrap_or_else(|panic| {
                let delay = BackoffPolicy::default().max_delay;
                log_guarded(|| {
                    log::error!(
                        target: "childminder::client",
                        "the retry policy has panicked, so the wait is {delay:?}: {panic}"
                    );
                });
                delay
            }),
        }
    }
}

impl<S> fmt::Debug for Acts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acts").field("target", &self.target).finish_non_exhaustive()
    }
}
