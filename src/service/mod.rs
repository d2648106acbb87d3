//! Servers for tests: started, ready when the test gets them, and gone when the test ends.
//!
//! A [`Service`] describes a program and when it counts as ready. Its start takes these steps; each failure
//! is one [`NotReady`] error with everything that is known:
//!
//! 1. The description is checked before anything is started.
//! 2. No other process may answer at the addresses of the service: that would be a stranger, or a leftover of
//!    an earlier test.
//! 3. The program is started by a [monitor](crate::monitor) of its own on a thread of its own. The monitor
//!    uses a host that observes the process, so that its [readiness](crate::ready) can be determined.
//! 4. When the conditions are met and the process is still alive, the [`RunningService`] is returned. A
//!    process that dies before ends the wait at once; one that takes too long is stopped with all processes
//!    it has started.
//!
//! However the test ends, the service is stopped: by [`stop`](RunningService::stop), by a drop, also during a
//! panic, by an exit hook when the process exits or gets INT or TERM, and otherwise by the guardian process.
//!
//! In this room `launcher` starts the process and stops it after a failure; `start` is the future around it.

pub(crate) mod builder;
mod exit;
mod hints;
mod launcher;
mod log_lines;
pub(crate) mod not_ready;
pub(crate) mod port;
pub(crate) mod running;
pub(crate) mod shared;
mod start;

pub(crate) use builder::Service;
pub use exit::{ServiceDied, ServiceExit};
pub use log_lines::{LogLine, LogLines};
pub(crate) use not_ready::NotReady;
pub use not_ready::{NotReadyReason, ServiceError};
pub(crate) use port::Port;
pub(crate) use running::RunningService;
pub use shared::SharedError;
pub use start::StartFuture;
