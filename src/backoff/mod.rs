//! Delays that grow, and are capped.
//!
//! One function grows them all: `initial × factor^n`, at most `max`. The monitor doubles, from its minimum up to its
//! maximum; a client follows a [`BackoffPolicy`], which has a factor of its own and adds some jitter.

mod doubling;
mod error;
mod growth;
mod policy;

pub(crate) use doubling::Backoff;
pub use error::{BackoffError, BackoffProblem};
pub use policy::BackoffPolicy;
