//! Is it ready yet?
//!
//! A [`Condition`] says in words what must be so. From the outside in:
//!
//! * `watch` belongs to one service. It lends out a host (`observed`) that sees the start, the output and the end of the
//!   process, and has a future (`until`) that ends when the start is ready or will not be.
//! * `session` is what these two share, for they run on different threads.
//! * `gate` decides. It is a pure machine: a `tree` of conditions, with a `tally` of each leaf.
//! * `notify` hears notifications; `attempt` asks; the output is [searched](crate::search).

mod attempt;
pub(crate) mod condition;
mod gate;
mod notify;
mod progress;
mod session;
mod tally;
mod tree;
mod until;
mod vacancy;
mod verdict;
mod watch;

pub(crate) use condition::Condition;
pub use condition::ConditionError;
pub use progress::{ConditionState, ConditionStatus};
pub(crate) use until::UntilReady;
pub use vacancy::AddressInUse;
pub(crate) use {
    verdict::{Cause, Failure, Ready},
    watch::Watch,
};

pub use crate::search::OutputMatch;
