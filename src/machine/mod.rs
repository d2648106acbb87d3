//! The pure machine of process supervision: every decision about processes, and no clock, channel, lock,
//! thread or future.
//!
//! [`Machine`] documents how it is driven. Inside, each process has a *goal* (what is wanted of it) and a
//! *state* (what it is doing), and `child.rs` has one `match` over all states and inputs. The data of a
//! state, such as the time of the next KILL, is part of that state and cannot outlive it. Each start gets a
//! [`RunId`] that is never used again, and an event of a run that is over changes nothing.

#[cfg(feature = "journal")]
mod checkpoint;
mod checks;
mod child;
mod copy;
mod deadlines;
mod definition;
pub(crate) mod dependency;
mod error;
pub(crate) mod exit;
mod explain;
pub(crate) mod failure;
pub(crate) mod family;
mod give_up;
mod group;
mod input;
#[cfg(feature = "journal")]
pub(crate) mod json;
pub(crate) mod key;
mod message;
#[cfg(test)]
pub(crate) mod mutant;
pub(crate) mod name;
pub(crate) mod notice;
mod outcome;
pub(crate) mod policy;
mod policy_error;
mod presets;
mod queries;
mod relations;
mod replace;
pub(crate) mod restart;
mod run;
mod schedule;
mod set;
pub(crate) mod signal;
mod state;
pub(crate) mod status;
mod view;
mod why;

pub use definition::{Definition, RestartGroup, Strategy};
pub(crate) use dependency::Until;
pub use dependency::{Dependency, DependencyError, DependencyProblem, OnEnd};
pub use error::{DefinitionError, DuplicateName, Replaced, UnknownName};
pub(crate) use exit::Exit;
pub use exit::Stream;
pub(crate) use failure::{Escaped, SpawnError};
pub use failure::{SpawnStep, StopCommandError};
pub use family::{Containment, ContainmentError, SignalTarget, SurvivalReason, SurvivingProcess};
pub use give_up::{GiveUp, OnGiveUp};
pub use input::Input;
pub use message::{Event, Output};
pub(crate) use name::Name;
pub use name::{NameError, RunId};
pub(crate) use name::{RunMap, RunSet};
pub(crate) use notice::Notice;
pub use notice::NoticeKind;
pub(crate) use notice::{List, Pids};
pub(crate) use policy::Policy;
pub use policy_error::{PolicyError, PolicyProblem};
pub(crate) use restart::Restart;
pub use restart::{ExitSet, LongRun};
pub use set::Machine;
pub(crate) use signal::Signal;
pub use signal::SignalError;
pub use status::LastRun;
pub(crate) use status::{Phase, Status};
pub use why::{Cause, CauseKind, Why};
