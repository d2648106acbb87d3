//! Servers for tests: started, ready when the test gets them, and gone when the test ends.
//!
//! A [`Service`] describes a program and when it counts as ready. Its start takes these steps; each failure
//! is one [`NotReady`] error with everything that is known:
//!
//! 1. The description is checked before anything is started. What it needs besides its program is provided:
//!    ports, a scratch directory, files, and the texts in which placeholders are filled in.
//! 2. No other process may answer at the addresses of the service: that would be a stranger, or a leftover of
//!    an earlier test.
//! 3. The commands that come before the program run, one after the other.
//! 4. The program is started by a [monitor](crate::monitor) of its own on a thread of its own. The monitor
//!    uses a host that observes the process, so that its [readiness](crate::ready) can be determined.
//! 5. When the conditions are met and the process is still alive, the steps that prepare it are taken, and
//!    the [`RunningService`] is returned. A process that dies before ends the wait at once; one that takes
//!    too long is stopped with all processes it has started.
//!
//! However the test ends, the service is stopped: by [`stop`](RunningService::stop), by a drop, also during a
//! panic, by an exit hook when the process exits or gets INT or TERM, and otherwise by the guardian process.
//!
//! In this room `builder` and `setup` describe a service, and `recipe` holds what it needs besides its
//! program. `provide` provides that, `launcher` starts the process and stops it after a failure, `around`
//! and `steps` do what comes before and after, and `start` is the future around all of it.

mod across;
mod around;
mod blocking;
pub(crate) mod builder;
mod capture;
mod driver_thread;
mod exit;
mod guard;
mod hints;
mod launcher;
mod log_lines;
mod missing;
pub(crate) mod not_ready;
mod placeholders;
pub(crate) mod port;
mod provide;
mod recipe;
mod recorder;
mod resources;
pub(crate) mod running;
mod scratch;
mod setup;
pub(crate) mod shared;
mod start;
mod step_error;
mod steps;

pub use across::{CrossProcessGuard, CrossProcessService};
pub(crate) use builder::Service;
pub use exit::{ServiceDied, ServiceExit};
pub use guard::SharedGuard;
pub use log_lines::{LogLine, LogLines};
pub use missing::MissingProgram;
pub(crate) use not_ready::NotReady;
pub use not_ready::{NotReadyReason, ScratchError, ServiceError};
pub use placeholders::{PlaceholderError, PlaceholderProblem};
pub(crate) use port::Port;
pub use resources::Resources;
pub(crate) use running::RunningService;
pub use shared::SharedError;
pub use start::StartFuture;
pub use step_error::{StepError, StepProblem};
