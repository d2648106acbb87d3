//! A world for tests: scripted processes and virtual time.
//!
//! Supervision is a matter of hours and of things that go wrong, and a test should take milliseconds and never fail
//! by chance. So this module has another implementation of [`Host`](crate::Host), the world as the monitor sees it.
//! In [`Sim`] no process is real: each does what a [`Script`] says, such as "lives for 90 s, then exits with code 1;
//! ignores TERM". And no second passes unless the test says so.
//!
//! Time moves from one wake-up to the next and never jumps over one, so whatever is to happen after 3 s sees a clock
//! that shows 3 s, also when the test lets an hour pass. All happens on the thread of the test, in one order: the
//! same test has the same trace, always. When several things are due at the same instant, what processes do comes
//! before what timers do, so that a process that dies just when its time is over has died by itself (F-68). Other
//! ties go to what was scheduled first.
//!
//! What the world saw is in the [trace](Sim::trace), one line for each thing. Compare all of it with what you expect:
//! then a test that fails tells the whole story.
//!
//! ```
//! use std::time::Duration;
//! use childminder::testkit::{Script, Sim};
//! use childminder::{Exit, ProcessMonitor, Spec};
//!
//! let sim = Sim::new();
//! sim.script("web", Script::new().lives(Duration::from_secs(3600)).exits(Exit::Code(1)));
//! sim.script("web", Script::new().ignores_term());
//!
//! // The same monitor as in the real world, on the sim's own executor.
//! let (monitor, driver) = ProcessMonitor::new(sim.clone());
//! sim.spawn(driver);
//! monitor.add_process("web", Spec::new("web"))?;
//! monitor.start_service();
//! sim.advance(Duration::from_secs(4000));
//! sim.block_on(monitor.stop_service())?;
//!
//! assert_eq!(
//!     sim.trace(),
//!     "0.0 spawn web#1\n\
//!      3600.0 exit web#1 code 1\n\
//!      3600.0 reap web#1\n\
//!      3600.0 spawn web#2\n\
//!      4000.0 signal web#2 TERM\n\
//!      4000.0 signal web#2 CONT\n\
//!      4005.0 signal web#2 KILL\n\
//!      4005.0 exit web#2 signal KILL\n\
//!      4005.0 reap web#2\n"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To drive single processes without a monitor, start them with `Host::spawn(&sim, &spec)`.
//!
//! A script may also [serve](Script::serves): a port, a local socket, or HTTP. Then it answers probes, from its time on
//! until it dies. So may a [stranger](Sim::serve), who sits on the port that your server wants.
//!
//! ```
//! use std::time::Duration;
//! use childminder::testkit::{Script, Sim};
//! use childminder::host::{ProbeOwner, ProbeTarget};
//! use childminder::{Host, Spec};
//!
//! let sim = Sim::new();
//! sim.script("web", Script::new().serves(Duration::from_secs(2), ProbeTarget::Port(8080)));
//! let web = Host::spawn(&sim, &Spec::new("web"))?;
//! let ask = || sim.block_on(sim.probe(&ProbeTarget::Port(8080), Some(web.id())));
//! assert!(ask().is_err());
//! sim.advance(Duration::from_secs(2));
//! assert_eq!(ask()?, ProbeOwner::Own);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod clock;
mod executor;
mod process;
mod script;
mod sim;
mod world;

pub use script::Script;
pub use sim::Sim;
