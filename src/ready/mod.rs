//! Is it ready yet? Conditions, and the machine that decides whether they hold.

mod condition;

pub use condition::{Condition, ConditionError, Printed};
