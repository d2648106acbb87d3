//! The interface between a monitor and its environment.
//!
//! [`System`](crate::System) is the real environment, and [`Sim`](crate::testkit::Sim) a scripted one with
//! virtual time. A type of your own that implements [`Host`] can be supervised as well.

mod account;
mod attributes;
mod check;
mod command_line;
mod definition;
mod descriptor;
mod getters;
pub(crate) mod health;
mod io_priority;
mod limits;
mod relations;
mod requirement;
mod sorted_map;
pub(crate) mod spec;
pub(crate) mod stdin;
mod stop;
pub(crate) mod tap;
mod target;
mod terminal;
mod texts;
pub(crate) mod traits;

pub use check::{SpecError, SpecProblem};
pub use descriptor::Descriptor;
pub use io_priority::IoPriority;
pub use limits::{Limit, Resource, UnknownResource};
pub use requirement::RequirementProblem;
pub(crate) use requirement::{InvalidRequirement, Requirement};
pub(crate) use spec::Spec;
pub(crate) use stdin::Stdin;
pub(crate) use target::LONGEST_SOCKET_PATH;
pub use target::{ProbeError, ProbeFuture, ProbeOwner, ProbeTarget, StatusRange};
pub use terminal::TerminalSize;
pub(crate) use traits::{Host, spawn_in_turn};
pub use traits::{Process, SleepFuture};
