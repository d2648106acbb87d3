//! The pure machine: every decision about processes, and no clock, channel, lock, thread or future.
//!
//! [`Machine`] says how it is driven. Inside, each process has a *goal* (what is wanted of it) and a *state* (what it is
//! doing), and one `match` over both (`child.rs`). Whatever a state needs to know, such as when to send KILL, is part of
//! that state, so it cannot outlive it. Each start gets a [`RunId`] that is never used again; news of a run that is over
//! changes nothing.

mod child;
mod failure;
mod message;
mod name;
mod notice;
mod policy;
mod run;
mod set;
mod signal;
mod status;
mod turn;

pub use failure::{SpawnError, Step};
pub use message::{Event, Exit, Output, RunId, Stream};
pub use name::{Name, NameError};
pub(crate) use notice::Pids;
pub use notice::{News, Notice};
pub use policy::{Policy, PolicyError, PolicyProblem, seconds};
pub use run::KILL_GRACE;
pub use set::{Definition, DuplicateName, Machine, UnknownName};
pub use signal::{Signal, SignalError};
pub use status::{Last, Phase, Status};
