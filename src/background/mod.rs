//! A thread with an executor, for synchronous tests of asynchronous code.
//!
//! A [`Background`] sends futures to its thread and waits for what comes back. All that can go wrong has a bound: a
//! future that takes too long is dropped where it lives before the wait returns, so that nothing of it happens later; a
//! thread that is blocked is told from one that is slow; one that has died can be replaced.
//!
//! * `builder`: the settings;
//! * `call`: one future on its way there, and its value on the way back;
//! * `work`: what the thread does, as one future, so that any executor can drive it;
//! * `worker`: the thread, and the door through which calls reach it;
//! * `watch`: INT and TERM, as long as there is a `Background`.

mod builder;
mod call;
mod error;
pub(crate) mod handle;
mod watch;
mod work;
mod worker;

pub use builder::BackgroundBuilder;
pub use error::{BackgroundError, CallError};
pub(crate) use handle::Background;
pub use work::WorkFuture;
