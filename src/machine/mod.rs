//! The pure machine of process supervision: every decision about processes, and no clock, channel, lock,
//! thread or future.
//!
//! [`Machine`] documents how it is driven. Inside, each process has a *goal* (what is wanted of it) and a
//! *state* (what it is doing), and `child.rs` has one `match` over all states and inputs. The data of a
//! state, such as the time of the next KILL, is part of that state and cannot outlive it. Each start gets a
//! [`RunId`] that is never used again, and an event of a run that is over changes nothing.

mod child;
pub(crate) mod exit;
pub(crate) mod failure;
pub(crate) mod family;
mod message;
pub(crate) mod name;
pub(crate) mod notice;
pub(crate) mod policy;
mod run;
mod set;
pub(crate) mod signal;
mod state;
pub(crate) mod status;

pub use child::Definition;
pub(crate) use exit::Exit;
pub use exit::Stream;
pub(crate) use failure::{Escaped, SpawnError};
pub use failure::{SpawnStep, StopCommandError};
pub use family::{Containment, ContainmentError, SignalTarget, SurvivalReason, SurvivingProcess};
pub use message::{Event, Output};
pub(crate) use name::Name;
pub use name::{NameError, RunId};
pub(crate) use notice::Notice;
pub use notice::NoticeKind;
pub(crate) use notice::{List, Pids};
pub(crate) use policy::Policy;
pub use policy::{PolicyError, PolicyProblem};
pub use set::{DuplicateName, Machine, UnknownName};
pub(crate) use signal::Signal;
pub use signal::SignalError;
pub use status::LastRun;
pub(crate) use status::{Phase, Status};
