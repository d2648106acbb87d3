//! Integration tests of several processes, written as a script in which every exit must be expected.
//!
//! A [`Plan`](crate::Plan) is built first and run later. Building records the steps and checks everything
//! that can be known before a process runs: commands are looked up, and an error names the number and the
//! text of the step. The parts, from the outside in:
//!
//! * `builder` and `building` record a `script`.
//! * `executor` decides. It is a pure state machine: exits, output, results and the time go in, and requests
//!   such as *start this process* or *kill all* come out, and finally the verdict. A process may end only if
//!   the current step expects it.
//! * `run` is the future that carries out those requests, with a [monitor](crate::monitor) of its own. The
//!   monitor starts and stops processes; the plan adds what it expects of them.
//! * `observer` sits between the monitor and the host. It sees every start, read, signal and exit, writes the
//!   log `files`, and keeps the [journal](Journal), which `picture` draws.
//! * `crash` runs a plan again and again, and kills a process at another point each time.
//! * `error` and `error_text` report failures.

pub(crate) mod builder;
mod building;
mod call;
mod crash;
pub(crate) mod error;
mod error_text;
mod executor;
mod files;
mod input;
mod journal;
mod observer;
mod picture;
mod process;
mod run;
mod script;

pub use builder::StepMut;
pub use call::IntoStepResult;
pub use crash::CrashPoints;
pub use crash::outcome::{CrashError, CrashFailure, CrashReport};
pub use crash::point::{CrashPoint, ParseCrashPointError};
pub use error::{OutputTail, PlanErrorKind};
pub use journal::{Journal, JournalEntry, JournalEvent};
pub use process::{Expected, ProcessRef};
pub use run::{Report, RunFuture};
