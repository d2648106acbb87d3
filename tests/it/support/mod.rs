//! Helpers for integration tests: a test alone in its process or run as `cargo test` runs it, a process to be
//! killed, a real child driven by hand, a census of `/proc`, programs that a test requires, a logger, and a
//! wait for what others do.

mod again;
mod alone;
mod census;
mod child;
mod doomed;
mod eventually;
mod logger;
mod program;
mod rerun;
mod scratch;
mod skip;

pub(crate) use again::again;
pub(crate) use alone::{alone, alone_in_parts, alone_under, alone_with_fault, drop_privileges};
pub(crate) use census::{Census, guardian_of, guardians, is_alive, listens, other_children, status_field};
pub(crate) use child::{Child, run};
pub(crate) use doomed::DoomedProcess;
pub(crate) use eventually::{eventually, eventually_within};
pub(crate) use logger::recorded;
pub(crate) use program::required;
pub(crate) use scratch::Scratch;
pub(crate) use skip::skip;

/// A deadline that only a broken test reaches, also on a busy machine.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Whether exits are noticed by SIGCHLD and reaped at once, as on systems without pidfds.
pub(crate) const PORTABLE: bool = cfg!(any(async_process_force_signal_backend, not(target_os = "linux")));
