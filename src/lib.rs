//! childminder
mod backoff;
mod host;
mod machine;
mod monitor;
mod output;
mod sys;
pub mod testkit;
pub use host::{Host, Process, Sleep, Spec, SpecError, SpecProblem, Stdin};
pub use machine::{
    Definition, DuplicateName, Event, Exit, KILL_GRACE, Last, Machine, Name, NameError, News, Notice, Output,
    Phase, Policy, PolicyError, PolicyProblem, RunId, Signal, SignalError, SpawnError, Status, Step, Stream,
    UnknownName, seconds,
};
pub use monitor::{
    AddError, Builder, CommandError, Driver, Heard, Notices, ProcessMonitor, StopError, Survivor, Ticket,
};
pub use output::{Batch, Callback, Line, LogSink, LoggingProtocol, Sink, Tail, WriterHealth, WriterSink};
pub use sys::System;
