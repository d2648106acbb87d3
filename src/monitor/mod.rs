//! The process monitor: a handle, and a driver for any executor.
//!
//! Decisions are made by the pure [machine](crate::machine), which the handles and the driver share behind
//! one lock. A call on a handle applies its command at once and returns its error at once; what takes time
//! returns a [`Ticket`]. The driver executes the outputs of the machine, polls those sources
//! that have been woken, and sleeps until the next deadline of the machine.
//!
//! Output lines and notices go through one relay in one order, so that the exit of a run is published after
//! its last line.

pub(crate) mod builder;
pub(crate) mod driver;
mod error;
mod families;
pub(crate) mod handle;
mod health;
mod input;
mod input_queue;
pub(crate) mod notices;
mod process;
mod ready_queue;
pub(crate) mod recording;
mod shared;
mod stops;
mod supervision;
mod waits;

pub(crate) use builder::MonitorBuilder;
pub(crate) use driver::MonitorDriver;
pub use error::{AddError, CommandError};
pub(crate) use handle::ProcessMonitor;
pub use handle::WeakMonitor;
pub use input_queue::InputError;
pub(crate) use notices::Notices;
pub(crate) use process::stop_command_id;
pub use waits::{ReadyError, StoppedError};

pub(crate) use crate::drive::{StopError, Ticket};
pub use crate::drive::{StopErrorKind, Survivor};
