//! A thread with an executor, so that synchronous code can call asynchronous code.
//!
//! A [`Background`](crate::Background) sends futures to its thread and waits for their values. Every wait is
//! bounded: a future that exceeds its timeout is dropped on its thread before the call returns, so it has no
//! later effects; a blocked thread is distinguished from a slow future; a thread that has died can be
//! replaced.
//!
//! # Structure
//!
//! * `builder`: the settings, and starting a thread with them;
//! * `handle`: the public handle;
//! * `call`: a future on its way to the thread, and its value on the way back;
//! * `work`: everything that the thread does, as one future, so that any executor can drive it;
//! * `worker`: the thread, and the queue through which calls reach it;
//! * `signals`: INT and TERM while a `Background` runs.

mod builder;
mod call;
mod error;
pub(crate) mod handle;
mod signals;
mod work;
mod worker;

pub use builder::BackgroundBuilder;
pub use error::{BackgroundError, CallError};
pub use work::WorkFuture;
