//! The pure machine: every decision about processes, and no clock, channel, lock, thread or future.
//!
//! A [`Machine`] is driven like this, and never does anything by itself:
//!
//! 1. Tell it something, with the time it is: a command ([`add_process`](Machine::add_process),
//!    [`stop_service`](Machine::stop_service), …) or news ([`handle_event`](Machine::handle_event)).
//! 2. Carry out what it wants, in order: [`poll_output`](Machine::poll_output) until `None`. A
//!    [`Spawn`](Output::Spawn) and a [`Look`](Output::Look) are answered with an [`Event`], which is step 1 again.
//! 3. Ask when to come back: [`poll_timeout`](Machine::poll_timeout). Then call
//!    [`handle_timeout`](Machine::handle_timeout) and go on with step 2. Early, late and repeated calls do no harm.
//!
//! Inside, each process has a *goal* (what is wanted of it) and a *state* (what it is doing), and one `match` over
//! both (`child.rs`). Whatever a state needs to know, such as when to send KILL, is part of that state, so it cannot
//! outlive it. Each start gets a [`RunId`] that is never used again; news of a run that is over changes nothing.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use childminder::{Definition, Event, Machine, Output};
//!
//! let mut now = Instant::now(); // the only clock is yours
//! let mut machine = Machine::new();
//! machine.start_service(now);
//! machine.add_process("web".parse()?, Definition::new("command line of your choice"), now)?;
//!
//! let Some(Output::Spawn { run, spec, .. }) = machine.poll_output() else { panic!("it is wanted at once") };
//! assert_eq!(spec, "command line of your choice");
//! machine.handle_event(Event::Started { run, pid: 42 }, now);
//!
//! now += Duration::from_secs(7);
//! assert_eq!(machine.status("web").and_then(|status| status.pid), Some(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub use notice::{News, Notice};
pub use policy::{Policy, PolicyError, PolicyProblem, seconds};
pub use run::KILL_GRACE;
pub use set::{Definition, DuplicateName, Machine, UnknownName};
pub use signal::{Signal, SignalError};
pub use status::{Last, Phase, Status};
