//! Is it ready yet? Conditions, and the machine that decides whether they hold.

mod condition;
mod observed;
mod progress;
mod vacancy;
mod verdict;
mod watch;

pub use condition::{Condition, ConditionError, Printed};
pub use progress::{Progress, Standing};
pub use vacancy::Taken;
pub(crate) use {
    verdict::{Cause, Failure, Ready},
    watch::{Message, Watch},
};
