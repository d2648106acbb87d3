//! The watch over the readiness and health of a run.
//!
//! The conditions are in the room `ready`. Here is what they and a monitor exchange: the monitor
//! [begins](HealthSpec::begin) a watch with each start of a spec that requires something, and polls it.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::requirement::{InvalidRequirement, Requirement};
use super::spec::Spec;
use super::tap::{Observer, ProcessSlot, observe};
use super::traits::{Host, Process};
use crate::machine::{Escaped, Exit, SpawnError};

/// Creates the watches for the runs of a spec.
pub(crate) trait HealthSpec: Requirement {
    /// Returns the time that a run may take to become ready; `None` if a run is ready when it is started.
    fn ready_timeout(&self) -> Option<Duration>;

    /// Prepares the next start of `spec` and the watch over it.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] if the system provides no channel for the notifications of the process.
    fn begin(&self, spec: &Spec, host: &Arc<dyn Host>) -> Result<HealthStart, SpawnError>;
}

/// The requirement that a spec holds.
#[derive(Debug)]
struct Health(Box<dyn HealthSpec>);

impl Requirement for Health {
    fn check(&self) -> Result<(), InvalidRequirement> {
        self.0.check()
    }

    fn is_equal(&self, other: &dyn Requirement) -> bool {
        (other as &dyn Any).downcast_ref().is_some_and(|Self(other)| self.0.is_equal(&**other))
    }
}

impl Spec {
    /// Sets what creates the watches for the runs of this spec.
    #[must_use]
    pub(crate) fn with_health(self, health: impl HealthSpec) -> Self {
        self.require(Health(Box::new(health)))
    }

    /// Returns what creates the watches for the runs of this spec, if it requires readiness or health.
    pub(crate) fn get_health(&self) -> Option<&dyn HealthSpec> {
        self.get_requirement().map(|Health(health)| &**health)
    }
}

/// A process and the watch over its health.
type WatchedProcess = (Box<dyn Process>, Box<dyn HealthWatch>);

/// A start of which the health is watched.
pub(crate) struct HealthStart {
    /// The spec with the notification channels of this start.
    pub(crate) spec: Spec,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) watch: Box<dyn HealthWatch>,
}

impl HealthStart {
    /// Starts the process.
    pub(crate) fn spawn(self, host: &Arc<dyn Host>) -> Result<WatchedProcess, SpawnError> {
        let process = observe(host.spawn(&self.spec), self.observer, host)?;
        Ok((process, self.watch))
    }
}

/// The watch over the health of one run, which the driver of the monitor polls.
pub(crate) trait HealthWatch: fmt::Debug + Send {
    /// Returns the next event. After the last one it stays pending.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HealthEvent>;
}

/// Something that was found out about the health of a run.
#[derive(Debug)]
pub(crate) enum HealthEvent {
    /// The run is ready.
    Ready(Ready),
    /// The run will not become ready.
    NotReady(Failure),
    /// The run is alive and does not work, for this reason.
    Unhealthy(String),
}

/// A run that is ready.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// The status of each part of the condition.
    pub(crate) progress: Vec<ConditionStatus>,
    /// The time from the start until the process was ready.
    pub(crate) took: Duration,
    /// The number of lines that the process had written when it was ready, to each stream.
    pub(crate) lines: [u64; 2],
    pub(crate) pid: u32,
    /// Access to the process, to send it a signal at once.
    pub(crate) process: Arc<ProcessSlot>,
}

/// A run that did not become ready.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: FailureCause,
    /// The status of each part of the condition.
    pub(crate) progress: Vec<ConditionStatus>,
    /// The time since the start; zero if the process was not started.
    pub(crate) took: Duration,
    /// The addresses at which the process listens, if it was to listen at a port and does not.
    pub(crate) listening: Vec<SocketAddr>,
}

/// The reason why a process did not become ready.
#[derive(Clone, Debug)]
pub(crate) enum FailureCause {
    /// The process could not be started.
    SpawnFailed(SpawnError),
    /// The process died before it was ready, with any exit code.
    Exited(Exit),
    /// The timeout, counted from the start, has expired.
    TimedOut(Duration),
    /// The host was dropped before the process was started.
    NeverStarted,
}

/// The progress of one elementary part of a condition.
///
/// It is formatted as one line: `port 5432: missing after 15s (Connection refused (os error 111))`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConditionStatus {
    /// The condition, such as `port 5432` or `output "ready"`.
    pub what: String,
    /// Whether the condition is met.
    pub state: ConditionState,
    /// A detail, such as why the last attempt failed, how often the output has matched, or the `STATUS=` that
    /// the program has sent.
    pub remark: Option<String>,
    pub(crate) kind: ConditionKind,
}

/// The kind of a condition, for advice about what may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConditionKind {
    Output,
    /// A TCP port, also one for HTTP.
    Port(u16),
    Other,
}

/// The state of one elementary condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionState {
    /// The condition is met.
    Met {
        /// The time after the start when it was met.
        after: Duration,
    },
    /// The condition is not met.
    Missing {
        /// The time after the start when this was observed.
        after: Duration,
    },
}

impl ConditionStatus {
    /// Returns whether the condition is met.
    pub fn is_met(&self) -> bool {
        matches!(self.state, ConditionState::Met { .. })
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.state)?;
        match &self.remark {
            // It may contain text of the program.
            Some(remark) => write!(f, " ({})", Escaped(remark)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConditionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met { after } => write!(f, "met after {after:.1?}"),
            Self::Missing { after } => write!(f, "missing after {after:.1?}"),
        }
    }
}

/// Formats the reason and the missing parts of the condition: `timed out after 15s, port 5432: missing after
/// 15.0s (Connection refused)`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            FailureCause::SpawnFailed(error) => return error.fmt(f),
            FailureCause::Exited(exit) => write!(f, "exited with {exit}")?,
            FailureCause::TimedOut(timeout) => write!(f, "timed out after {timeout:?}")?,
            FailureCause::NeverStarted => f.write_str("was not started")?,
        }
        self.progress.iter().filter(|status| !status.is_met()).try_for_each(|status| write!(f, ", {status}"))
    }
}
