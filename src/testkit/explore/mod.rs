//! Every order of events, for a few processes: a search for bugs in decisions.
//!
//! A test that plays one story shows that one order of events is handled. Most bugs of supervision are in an
//! order that was not thought of: an exit between a stop and its signal, a second start while the first one
//! is unanswered. An [`Explorer`] takes *every* possible step in every state, up to a depth, and checks each
//! state. It drives the same [`Machine`](crate::machine::Machine) as a monitor, in virtual time. States in
//! which the same follows count as one, so a million orders need far fewer states.
//!
//! ```
//! use std::time::Duration;
//! use childminder::Until;
//! use childminder::machine::{Definition, Dependency};
//! use childminder::testkit::explore::Explorer;
//!
//! let db = Definition { ready: Some(Duration::from_secs(10)), ..Definition::new(()) };
//! let after = vec![Dependency::new("db".parse()?, Until::Ready)];
//! let web = Definition { after, ..Definition::new(()) };
//! let explorer = Explorer::new()
//!     .process("db".parse()?, db)
//!     .process("web".parse()?, web)
//!     .check("web runs with db", |view| !view.is_up("web") || view.is_up("db"));
//!
//! // The database may die, and the server runs on: an `OnEnd::Restart` is missing.
//! let found = explorer.run().unwrap_err();
//! assert_eq!(found.check(), "web runs with db");
//! // The shortest way to that state can be run again, for example in a test of its own.
//! assert!(explorer.replay(&found.scenario()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Steps
//!
//! A step is a command of a user, an event of a process, or the passing of time to the next deadline; see
//! [`StepKind`]. The world answers what it is asked: a process dies of KILL, and the family of a run is
//! listed as it is. After each step all outputs of the machine are executed.
//!
//! # Checks
//!
//! Beside the checks of the user these are made, with the knowledge of the world and not of the machine:
//!
//! - There is one run of a name at a time, and each run is reaped once, when its family is gone.
//! - Only what is wanted is started, and nothing before its dependencies hold for a live run. What is wanted
//!   is not forgotten, and nothing waits for what it has.
//! - The policy decides what follows a run: its delay, and exactly when it is completed, failed or given up.
//! - The stop signal is sent once, and KILL not before the kill time. Every stop ends, within
//!   [`stop_bound`](crate::machine::Machine::stop_bound). The service stops dependents before what they
//!   depend on.
//! - Only what is concerned is stopped, and a restart of a group reaches all its members.
//! - An event of a run that is over changes nothing.
//! - A status agrees with the world, and every explanation ends with a root cause.
//!
//! # Findings
//!
//! With every decision right, processes may still be defined so that they get stuck: one waits for a process
//! that is never restarted, is given up because of another one, or is restarted without limit.
//! [`Explorer::findings`] looks for that, without commands and from each state with a world in which
//! everything works from then on.
//!
//! # Depth
//!
//! The number of states grows by a factor of three to five with each step. Two processes reach a depth of 7
//! in a hundred thousand states. [`Explorer::walks`] takes random walks, which go further and see less.

mod checks;
mod config;
mod explorer;
mod finding;
mod outlook;
mod problem;
mod relations;
mod run;
mod search;
mod step;
mod survey;
#[cfg(test)]
mod tests;
mod view;
mod world;

pub use explorer::Explorer;
pub use finding::{Finding, FindingKind, Reach, Survey};
pub use problem::{Counterexample, ReplayError};
pub use search::Explored;
pub use step::StepKind;
pub use view::View;
