//! childminder
mod backoff;
mod host;
mod machine;
mod output;
pub use host::{Host, Process, Sleep, Spec, SpecError, SpecProblem, Stdin};
pub use machine::{
    Event, Exit, Name, NameError, News, Notice, Output, Policy, PolicyError, PolicyProblem, RunId, Signal,
    SignalError, SpawnError, Step, Stream, seconds,
};
pub use output::{Batch, Callback, Line, LogSink, LoggingProtocol, Sink, Tail, WriterHealth, WriterSink};
