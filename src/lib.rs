//! childminder
mod backoff;
mod host;
mod machine;
pub mod testkit;
pub use host::{Host, Process, Sleep, Spec, SpecError, SpecProblem, Stdin};
pub use machine::{
    Definition, DuplicateName, Event, Exit, KILL_GRACE, Last, Machine, Name, NameError, News, Notice, Output,
    Phase, Policy, PolicyError, PolicyProblem, RunId, Signal, SignalError, SpawnError, Status, Step, Stream,
    UnknownName, seconds,
};
