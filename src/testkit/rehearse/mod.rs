//! Supervision rehearsed: definitions with scripted processes, in virtual time.
//!
//! A [`Scenario`] has the definitions of processes, their [`Behaviour`], and what happens at which time. It
//! is run on the same [`Machine`](crate::machine::Machine) as a monitor, without processes, clock or thread:
//! a day of ten processes takes a fraction of a second. The [`Rehearsal`] has what the policies make of it:
//! restarts, outages, processes that were given up, and the notices that an operator would have seen.
//!
//! ```
//! use std::time::Duration;
//! use childminder::{Policy, Until};
//! use childminder::machine::{Definition, Dependency};
//! use childminder::testkit::rehearse::{Behaviour, Scenario};
//!
//! let db = Definition { ready: Some(Duration::from_secs(60)), ..Definition::new(()) };
//! let after = vec![Dependency::new("db".parse()?, Until::Ready)];
//! let web = Definition { after, policy: Policy::supervisord(), ..Definition::new(()) };
//!
//! // The database takes five seconds to be ready, and web dies every 40 s until it has run twice.
//! let rehearsal = Scenario::new()
//!     .length(Duration::from_secs(3600))
//!     .process("db".parse()?, db)
//!     .behaves("db", Behaviour::new().ready_after(Duration::from_secs(5)))
//!     .process("web".parse()?, web)
//!     .behaves("web", Behaviour::new().lives(Duration::from_secs(40)))
//!     .behaves("web", Behaviour::new().lives(Duration::from_secs(40)))
//!     .behaves("web", Behaviour::new())
//!     .run()?;
//!
//! let web = rehearsal.process("web").expect("it was added");
//! assert_eq!(web.restarts, 2);
//! assert!(web.given_up.is_empty());
//! // The time that web had to wait for the database, and the two restarts.
//! assert_eq!(web.longest_outage.as_secs(), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is assumed
//!
//! The machine is the one that ships, so restarts, delays and stops are exact. What processes do is what the
//! scenario says: a rehearsal answers "what would happen if", not "what will happen".
//!
//! - A process without a behaviour starts within a millisecond, is ready at once, and lives until it is
//!   stopped.
//! - Readiness and health are what the behaviour says: no port is probed, and no command is run.
//! - A process that exits leaves no other process behind, and its output ends with it.
//! - Of signals, the stop signal and KILL have an effect.
//! - Random numbers depend on the seed, the name and the number of the run. So another policy meets the same
//!   lives, and a process that is added does not change those of others.
//!
//! # Inputs
//!
//! [`Scenario::observe`] shows every input of the machine with its time and the outputs. The inputs can be
//! kept, and given to another machine, which decides the same.

mod actor;
mod behaviour;
mod due;
mod error;
mod rehearsal;
mod scenario;
mod tally;
mod world;

pub use behaviour::Behaviour;
pub use error::RehearsalError;
pub use rehearsal::{Clock, GivenUp, ProcessReport, Rehearsal};
pub use scenario::{Happening, Moment, Scenario};
pub use tally::Tallies;
