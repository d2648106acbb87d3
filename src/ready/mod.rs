//! Readiness and health: the conditions under which a process counts as ready, and as healthy.
//!
//! A [`Condition`] describes what is required. A [`Spec`](crate::Spec) can require that its runs become ready
//! and stay healthy, which its monitor then sees to; a plan waits for conditions in its steps.
//!
//! * `condition` is the tree of conditions that a user builds; `requirements` is what a spec requires.
//! * `run` watches one run of a monitor: first with `until`, a future that ends when the run is ready or has
//!   failed, then with `alive`, which ends when it is unhealthy. They drive `gate` and `liveness`, the pure
//!   state machines that decide, with the state of each elementary condition in `leaf`.
//! * `session` observes the start, the output and the end of the process for them.
//! * `watch` belongs to a plan, in which several steps may wait for one process. It lends out a host that
//!   observes the process, and creates a future for each start.
//! * `notify` holds the notification channels; `attempt` makes probes and runs commands; `address` finds out
//!   whether another process has the address of a process that is to be started.

mod address;
mod alive;
mod attempt;
pub(crate) mod condition;
mod gate;
mod leaf;
mod liveness;
mod notify;
mod requirements;
mod run;
mod session;
mod until;
mod watch;

pub use address::AddressInUse;
pub(crate) use address::check_free;
pub(crate) use condition::Condition;
pub use condition::ConditionError;
pub use liveness::Liveness;
pub(crate) use until::UntilReady;
pub(crate) use watch::Watch;

pub use crate::host::health::{ConditionState, ConditionStatus};
pub use crate::search::OutputMatch;
