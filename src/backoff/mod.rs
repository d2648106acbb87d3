//! Delays that grow up to a maximum.
//!
//! All of them are `initial × factor^n`, at most `max`. A monitor doubles its delays; a client uses a
//! [`BackoffPolicy`], which has a factor of its own and adds jitter.

mod error;
mod growth;
mod policy;

pub use error::{BackoffError, BackoffProblem};
pub(crate) use growth::Backoff;
pub use policy::BackoffPolicy;
