//! The process monitor: a handle to give commands with, and a driver that carries them out.
//!
//! Handle and driver share the [machine](crate::machine) behind one short lock. A call on the handle applies its
//! command at once, returns its error at once, and wakes the driver; what takes time is awaited with a [`Ticket`]. The
//! driver is one future without a runtime of its own: it carries out what the machine wants, asks those children that
//! have called, and sleeps until the machine's next deadline. Everything it tells, output lines and notices alike,
//! goes through one relay in one order, so that an exit is never told before the last line.

pub(crate) mod builder;
pub(crate) mod driver;
mod error;
pub(crate) mod handle;
mod live;
pub(crate) mod notices;
mod shared;
pub(crate) mod ticket;
mod wakeups;

pub(crate) use builder::MonitorBuilder;
pub(crate) use driver::MonitorDriver;
pub use error::{AddError, CommandError};
pub(crate) use handle::ProcessMonitor;
pub(crate) use notices::Notices;
pub use ticket::Survivor;
pub(crate) use ticket::{StopError, Ticket};
