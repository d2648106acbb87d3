//! What tests share: a test alone in a process, or as `cargo test` would run it, a process to be killed, futures with a deadline, looks at `/proc`, the
//! programs that they want, and a logger.

mod again;
mod alone;
mod census;
mod child;
mod logger;
mod program;
mod scratch;
mod victim;

pub(crate) use again::again;
pub(crate) use alone::{alone, alone_under, alone_with_fault, become_nobody, skip};
pub(crate) use census::{Census, guardians, is_alive, listens, other_children, status_field};
pub(crate) use child::{Child, run};
pub(crate) use logger::recorded;
pub(crate) use program::required;
pub(crate) use scratch::Scratch;
pub(crate) use victim::Victim;

/// Longer than anything takes on a busy machine; only a broken test gets here.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Whether exits are noticed by SIGCHLD and reaped at once, as on systems without pidfds.
pub(crate) const PORTABLE: bool = cfg!(any(async_process_force_signal_backend, not(target_os = "linux")));
