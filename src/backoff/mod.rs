//! Delays that grow from one failure in a row to the next, up to a maximum.
//!
//! A [`Growth`] is the rule by which they grow. A monitor takes the rule, the minimum, the maximum and a
//! [`Jitter`] from the [`Policy`](crate::Policy) of a process; a client has a [`BackoffPolicy`]. Both compute
//! a delay from the number of failures and a seed alone, so all delays are known beforehand: a [`Wait`] is
//! one of them.

mod error;
mod growth;
mod jitter;
mod policy;

pub use error::{BackoffError, BackoffProblem};
pub use growth::Growth;
pub(crate) use jitter::random;
pub use jitter::{Jitter, Wait};
pub use policy::BackoffPolicy;
