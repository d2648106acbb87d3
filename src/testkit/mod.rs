//! Tests of supervision with scripted processes and virtual time.
//!
//! [`Sim`] runs a real monitor, or any other code with processes, in a scripted world. [`rehearse`] shows
//! what the policies of definitions do over a day, and [`explore`] searches every order of events.
//!
//! Supervision is about long periods and about failures, but a test should take milliseconds and never fail
//! by chance. So this module has a second implementation of [`Host`](crate::Host), the interface of the
//! monitor to the world. In [`Sim`] no process is real: each follows a [`Script`], such as "lives for 90 s,
//! then exits with code 1; ignores TERM". Time passes only when the test says so.
//!
//! Time moves from one wake-up to the next and never skips one: code that waits for 3 s runs at exactly 3 s,
//! even if the test lets an hour pass. Everything happens on the thread of the test, in one order, so the
//! same test always has the same trace. Among things that are due at the same instant, actions of processes
//! come before timers: a process that exits exactly at its kill deadline has exited by itself. Other ties are
//! resolved by the order of scheduling.
//!
//! The [trace](Sim::trace) has one line for each thing that happened in the world. Compare all of it with
//! what you expect: then a failing test shows the whole history.
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
//! // The monitor is the real one; its driver runs on the executor of the sim.
//! let (monitor, driver) = ProcessMonitor::new(sim.clone());
//! sim.spawn(driver);
//! monitor.add_process("web", Spec::new("web"))?;
//! monitor.start_service()?;
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
//! To use single processes without a monitor, start them with `Host::spawn(&sim, &spec)`.
//!
//! A script may also [serve](Script::serves) a port, a local socket, or HTTP. It then answers probes until it
//! exits. An [unrelated process](Sim::serve) may occupy the same address.
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
//! let probe = || sim.block_on(sim.probe(&ProbeTarget::Port(8080), Some(web.id())));
//! assert!(probe().is_err());
//! sim.advance(Duration::from_secs(2));
//! assert_eq!(probe()?, ProbeOwner::Own);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod clock;
mod executor;
pub mod explore;
mod process;
pub mod rehearse;
mod script;
mod sim;
mod world;

pub use script::Script;
pub use sim::Sim;
