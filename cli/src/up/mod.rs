//! `childminder up`: keeps the processes of a file running.
//!
//! * `start` reads the file, checks everything, and sets up the monitor with its outputs; `detach` does it in
//!   the background.
//! * `stack` has the processes: it adds, changes and describes them, for the session and for clients.
//! * `session` reacts to events until something ends it, and stops everything in order.
//! * `state` says what the states of the processes mean for the whole; `changes` compares two versions of a
//!   file. Both are pure.
//! * `screen`, `history`, `log_files` and `progress` are where lines and progress go; `metrics` counts them,
//!   and writes the states of the processes for a monitoring system.

mod changes;
mod detach;
mod history;
mod log_files;
mod metrics;
mod progress;
pub(crate) mod screen;
mod session;
pub(crate) mod stack;
mod start;
pub(crate) mod state;

pub(crate) use start::up;
