//! Readiness: the conditions under which a process counts as ready, and the wait for them.
//!
//! A [`Condition`] describes what is required. A [`Service`](crate::Service) and a plan
//! wait for it.
//!
//! * `condition` is the tree of conditions that a user builds.
//! * `watch` belongs to one service. It lends out a host that observes the start, the output and the end of
//!   the process, and creates a future for each start.
//! * `until` is that future, which ends when the start is ready or has failed. It drives `gate`, a pure state
//!   machine that decides, with the state of each elementary condition in `leaf`.
//! * `session` connects the two, since they usually run on different threads.
//! * `notify` holds the notification channels; `attempt` makes probes and runs commands.

mod attempt;
pub(crate) mod condition;
mod gate;
mod leaf;
mod notify;
mod session;
mod until;
mod watch;

pub(crate) use condition::Condition;
pub use condition::ConditionError;
pub(crate) use gate::FailureCause;
pub(crate) use leaf::ConditionKind;
pub use leaf::{ConditionState, ConditionStatus};
pub(crate) use until::{Failure, Ready, UntilReady};
pub use watch::AddressInUse;
pub(crate) use watch::Watch;

pub use crate::search::OutputMatch;
