//! The seam: all that the monitor asks of the world.
//!
//! `System` is the real world; `Sim` is a scripted one with virtual
//! time. Whatever implements [`Host`] can be supervised.

mod check;
mod descriptor;
pub(crate) mod spec;
mod stop;
pub(crate) mod tap;
mod target;
pub(crate) mod traits;

pub use check::{SpecError, SpecProblem};
pub use descriptor::Descriptor;
pub(crate) use spec::{Spec, Stdin};
pub(crate) use target::LONGEST_SOCKET_PATH;
pub use target::{ProbeError, ProbeFuture, ProbeOwner, ProbeTarget, StatusRange};
pub(crate) use traits::Host;
pub use traits::{Process, SleepFuture};
