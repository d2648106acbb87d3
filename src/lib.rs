//! childminder
mod backoff;
mod host;
mod machine;
mod sys;
pub use host::{Host, Process, Sleep, Spec, SpecError, SpecProblem, Stdin};
pub use machine::{
    Event, Exit, Name, NameError, News, Notice, Output, Policy, PolicyError, PolicyProblem, RunId, Signal,
    SignalError, SpawnError, Step, Stream, seconds,
};
pub use sys::System;
