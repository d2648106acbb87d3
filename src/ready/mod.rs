//! Is it ready yet?
//!
//! A [`Condition`] says in words what must be so. From the outside in:
//!
//! * `watch` belongs to one service. It lends out a host (`observed`) that sees the start, the output and the end of the
//!   process, and has a future (`until`) that ends when the start is ready or will not be.
//! * `session` is what these two share, for they run on different threads.
//! * `gate` decides. It is a pure machine: a `tree` of conditions, with a `tally` of each leaf.
//! * `matcher`, with `seam` and `line`, finds what is to be printed; `notify` hears notifications; `attempt` asks.
//!
//! Beside it, `sequence` finds what is printed one after the other, from `place` to `place`, for a plan.

mod attempt;
pub(crate) mod condition;
mod gate;
mod line;
mod matcher;
mod notify;
mod observed;
mod place;
mod progress;
mod seam;
mod sequence;
mod session;
mod tally;
mod tree;
mod until;
mod vacancy;
mod verdict;
mod watch;

pub(crate) use condition::Condition;
pub use condition::{ConditionError, OutputMatch};
pub use progress::{ConditionState, ConditionStatus};
pub use vacancy::AddressInUse;
pub(crate) use {sequence::Sequence, until::UntilReady};
pub(crate) use {
    verdict::{Cause, Failure, Ready},
    watch::{Message, Watch},
};
