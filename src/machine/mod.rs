//! stub
mod failure;
mod message;
mod name;
mod notice;
mod policy;
mod signal;
pub use failure::{SpawnError, Step};
pub use message::{Event, Exit, Output, RunId, Stream};
pub use name::{Name, NameError};
pub use notice::{News, Notice};
pub use policy::{Policy, PolicyError, PolicyProblem, seconds};
pub use signal::{Signal, SignalError};
