//! childminder keeps child processes alive, brings up real servers for tests, and runs tests of many processes.
//!
//! A [`ProcessMonitor`] keeps named processes up: it restarts them at once when they had lived for a while, and after
//! doubling delays when they had not; it stops them with their whole group, politely and then with KILL, and says when
//! they are gone; it hands on every line they print, and tells everything that happens to them.
//!
//! ```
//! use childminder::{ProcessMonitor, Spec, System};
//!
//! let monitor = ProcessMonitor::background(System::new())?;
//! monitor.add_process("sleeper", Spec::new("sleep").arg("1000"))?;
//! monitor.start_service();
//! // … it is kept alive, until:
//! monitor.stop_service().wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Finding your way
//!
//! * To keep processes alive: [`ProcessMonitor`], with a [`Spec`] for each process and a [`Policy`] for when to restart
//!   and how long to wait. [`Status`] and [`Notices`] tell what goes on; [`Ticket`]s wait for the end of what was
//!   asked for.
//! * To do something with what they print: a [`Sink`]. Ready-made are [`LogSink`] (the `log` crate, the default),
//!   [`WriterSink`], [`CallbackSink`] and [`TailSink`]; [`LogFormatSink`], for programs whose lines have a level and a date that a
//!   [`LogFormat`] can find; and [`TestOutputSink`], for tests.
//! * To have a real server in a test: [`Service`], with a [`Condition`] for when it is ready and a [`Port`] that nobody
//!   else is given; [`SharedService`] for one that many tests share. [`NotReady`] says why it did not come up.
//! * For a test of several processes that play together, of which none may end unless the script expects it: [`Plan`],
//!   with its [`Journal`] and its picture.
//! * To stay connected to a server that comes and goes: [`ClientService`], with [`TcpConnector`], [`UnixConnector`] or a connector of your own
//!   ([`Connector`]), and a [`BackoffPolicy`] for how long to wait.
//! * To have a socket server in a test that leaves nothing behind: [`TidyServer`], with an async function for its
//!   connections, and [`TidyPair`] for both ends of one. A [`LeakError`] names the connections that did not end.
//! * To call asynchronous code from a synchronous test: [`Background`].
//! * To test your supervision in virtual time: [`testkit`].
//! * To drive the decisions from an event loop of your own: [`Machine`].
//!
//! # Threads
//!
//! The [`MonitorDriver`] is one future and runs wherever you run it; [`ProcessMonitor::background`] gives it a thread. Besides
//! it there are at most three helpers, whatever the number of children: the event loop of `async-io`, the clock of
//! `futures-timer`, and one for sinks, started when there is first something to tell, so that a slow sink holds up nothing but output.
//!
//! A [`Service`] has a monitor of its own, in the background: two threads. For all services of a process there is one
//! small guardian process more, which kills them if this process ends without stopping them.
//!
//! A [`Plan`] runs on the thread, or the executor, that runs it; only what it [calls](Plan::call) has a thread of its own. A
//! [`ClientService`] is built as the monitor is: a driver of yours, or a thread. A [`TidyServer`] has one thread, which ends
//! with it.
//!
//! # Panics
//!
//! A panic of this library is a bug of this library. Bad input is an error, and a panic in a sink is contained.

#[cfg(feature = "background")]
pub mod background;
pub mod backoff;
#[cfg(feature = "client")]
pub mod client;
mod drive;
pub mod host;
#[cfg_attr(
    not(any(test, feature = "webdriver")),
    expect(dead_code, reason = "only `webdriver` reads whole responses")
)]
mod http;
pub mod machine;
pub mod monitor;
pub mod output;
mod panic_guard;
#[cfg(feature = "plan")]
pub mod plan;
#[cfg(any(feature = "service", feature = "plan"))]
pub mod ready;
#[cfg(any(feature = "service", feature = "plan"))]
mod search;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "service")]
pub mod service;
#[cfg(any(feature = "service", feature = "background"))]
mod shutdown;
mod sync;
mod sys;
pub mod testkit;
#[cfg(feature = "webdriver")]
pub mod webdriver;

// The main types. Everything else is public in its module, under one path.
#[cfg(feature = "background")]
pub use background::handle::Background;
#[cfg(feature = "client")]
pub use client::handle::ClientService;
pub use drive::{NotDriven, StopError, Ticket};
pub use host::spec::{Spec, Stdin};
pub use host::traits::Host;
pub use machine::failure::SpawnError;
pub use machine::message::Exit;
pub use machine::name::Name;
pub use machine::notice::Notice;
pub use machine::policy::Policy;
pub use machine::signal::Signal;
pub use machine::status::{Phase, Status};
pub use monitor::builder::MonitorBuilder;
pub use monitor::driver::MonitorDriver;
pub use monitor::handle::ProcessMonitor;
pub use monitor::notices::Notices;
pub use output::sink::{LogSink, Sink};
#[cfg(feature = "plan")]
pub use plan::builder::Plan;
#[cfg(feature = "plan")]
pub use plan::error::PlanError;
#[cfg(any(feature = "service", feature = "plan"))]
pub use ready::condition::Condition;
#[cfg(feature = "server")]
pub use server::handle::TidyServer;
#[cfg(feature = "service")]
pub use service::builder::Service;
#[cfg(feature = "service")]
pub use service::not_ready::NotReady;
#[cfg(feature = "service")]
pub use service::port::Port;
#[cfg(feature = "service")]
pub use service::running::RunningService;
#[cfg(feature = "service")]
pub use service::shared::SharedService;
pub use sync::Lagged;
pub use sys::System;
#[cfg(feature = "webdriver")]
pub use webdriver::program::WebDriver;

/// The documents of the repository, whose code is compiled with the tests.
pub mod _documentation {
    #[doc = include_str!("../README.md")]
    pub mod readme {}

    #[doc = include_str!("../DESIGN.md")]
    pub mod design {}

    #[doc = include_str!("../CHANGELOG.md")]
    pub mod changelog {}
}
