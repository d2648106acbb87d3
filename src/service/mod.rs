//! A real server for a test: started, ready when you get it, gone when you leave.
//!
//! A [`Service`] says what to run and when it counts as ready. Starting it takes these steps, and each failure is one
//! [`NotReady`] that tells the whole story:
//!
//! 1. What was said is checked, before anything is started.
//! 2. Nobody may answer yet where the service is to answer: that would be a stranger, or what an earlier test left.
//! 3. The program is started, by a [monitor](crate::monitor) of its own on a thread of its own. The monitor sees the
//!    world through a [watch](crate::ready), which looks at the output as it is read.
//! 4. When the conditions are met, and the process is still alive, the [`RunningService`] is handed out. A process that
//!    dies before ends the wait at once; one that takes too long is stopped, with its whole group.
//!
//! Whatever becomes of the test, the service goes: by [`stop`](RunningService::stop), when the guard is dropped, also by
//! a panic, and when the process ends without either, by the guardian that watches over it.

pub(crate) mod builder;
mod ended;
mod log_lines;
pub(crate) mod not_ready;
pub(crate) mod port;
pub(crate) mod running;
pub(crate) mod shared;
mod start;

pub(crate) use builder::Service;
pub use ended::{ServiceDied, ServiceExit};
pub use log_lines::{LogLine, LogLines};
pub(crate) use not_ready::NotReady;
pub use not_ready::{Cause, ServiceError, Story};
pub(crate) use port::Port;
pub(crate) use running::RunningService;
pub use shared::SharedError;
pub use start::StartFuture;
