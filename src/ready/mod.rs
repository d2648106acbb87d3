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
pub use verdict::Cause;
#[cfg_attr(not(test), expect(unused_imports, reason = "the service is built on them"))]
pub(crate) use {
    observed::Observed,
    verdict::{Failure, Ready},
    watch::{Message, UntilReady, Watch},
};
