//! Supervises child processes: an embeddable process monitor, and test fixtures built on it.
//!
//! A [`ProcessMonitor`] keeps named processes alive. It restarts a process at once after a long run, and
//! after doubling delays when runs are short. A stop ends every process that the program has started: it
//! sends TERM, later KILL, and completes when they are gone. Each line of output goes to a sink, and each
//! event to the log and to subscribers.
//!
//! ```
//! use childminder::{ProcessMonitor, Spec, System};
//!
//! let monitor = ProcessMonitor::background(System::new())?;
//! monitor.add_process("sleeper", Spec::new("sleep").arg("1000"))?;
//! monitor.start_service()?;
//! // The process is kept alive until the service stops.
//! monitor.stop_service().wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to start
//!
//! | to … | use |
//! | --- | --- |
//! | keep processes alive | [`ProcessMonitor`], with a [`Spec`] and a [`Policy`] for each process |
//! | start them in order, and restart those that hang | [`Spec::after`], `Spec::ready`, `Spec::alive` |
//! | know what they do | [`Status`], [`Notices`], and a [`Ticket`] for what takes time |
//! | process their output | a [`Sink`]: [`LogSink`], or one of [`output`] |
//! | test supervision in virtual time | [`testkit`] |
//! | use the decisions in another event loop | [`machine::Machine`] |
//! | start a real server in a test | `Service`, with a `Condition` for its readiness and a reserved `Port` |
//! | start PostgreSQL, Redis, … with one line | `servers` |
//! | share one server between tests | `SharedService` |
//! | test several programs that work together | `Plan` |
//! | stay connected to a server that restarts | `ClientService` |
//! | run a socket server in a test that closes completely | `TidyServer` |
//! | call asynchronous code from a synchronous test | `Background` |
//! | drive a browser in a test | `webdriver` |
//!
//! The main types are at the root of the crate. Every other type is in the module of its subject, under one
//! path. The guides are in [`_documentation`].
//!
//! # Threads
//!
//! A monitor consists of a handle and a [`MonitorDriver`], which is one future and runs on any executor;
//! [`ProcessMonitor::background`] runs it on a thread of its own. At most three helper threads serve all
//! monitors of a process, for any number of children: the event loop of `async-io`, the timer of
//! `futures-timer`, and for each monitor with a sink that may block, a thread that writes to it.
//!
//! A `Service` has a monitor on a thread of its own. For all services of a process there are two small
//! guardian processes, which end them if this process ends without stopping them, and a thread that waits for
//! the guardians. A `Plan` runs on the thread
//! or the executor that runs it; a call in a plan has its own thread. A `ClientService` has a driver as a
//! monitor has. A `TidyServer` has one thread.
//!
//! # Features
//!
//! | feature | adds | default |
//! | --- | --- | --- |
//! | `background` | `Background` | yes |
//! | `client` | `ClientService` | yes |
//! | `journal` | `MonitorBuilder::journal`: what a monitor decides by, recorded and replayed | no |
//! | `log-format` | `output::LogFormat`: log lines of other programs as log records | yes |
//! | `plan` | `Plan`; includes `ready` | yes |
//! | `ready` | `Condition`, `Spec::ready`, `Spec::alive`: readiness and health | yes |
//! | `server` | `TidyServer` | yes |
//! | `servers` | `servers::Postgres`, `Redis`, …: ready-made servers; includes `service` | no |
//! | `service` | `Service`, `SharedService`, `Port`; includes `log-format` and `ready` | yes |
//! | `webdriver` | `WebDriver`: a browser for a test; includes `service` | no |
//!
//! A feature adds modules and changes nothing else. Without features the crate has the monitor, its sinks and
//! the test kit.
//!
//! # Panics
//!
//! A panic inside this crate is a bug. Invalid input is an error, and a panic of a sink, a subscriber or a
//! logger is caught.

#![cfg_attr(
    not(all(
        feature = "background",
        feature = "client",
        feature = "log-format",
        feature = "plan",
        feature = "ready",
        feature = "server",
        feature = "servers",
        feature = "service",
        feature = "webdriver"
    )),
    allow(
        clippy::allow_attributes,
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "parts that only some features use"
    )
)]

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
#[cfg(feature = "journal")]
pub mod journal;
pub mod machine;
#[cfg_attr(
    not(feature = "journal"),
    expect(dead_code, reason = "only `journal` has a recorder for the machine of a monitor")
)]
pub mod monitor;
pub mod output;
mod panic_guard;
#[cfg(feature = "plan")]
pub mod plan;
#[cfg(feature = "ready")]
pub mod ready;
#[cfg(feature = "ready")]
mod search;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "servers")]
pub mod servers;
#[cfg(feature = "service")]
pub mod service;
#[cfg(any(feature = "service", feature = "background"))]
mod shutdown;
mod sync;
mod sys;
pub mod testkit;
#[cfg(any(feature = "journal", feature = "plan"))]
pub mod timeline;
#[cfg(feature = "webdriver")]
pub mod webdriver;

// The main types. Every other public type is in its module, under one path.
#[cfg(feature = "background")]
pub use background::handle::Background;
#[cfg(feature = "client")]
pub use client::handle::ClientService;
pub use drive::{NotDriven, StopError, Ticket};
pub use host::spec::Spec;
pub use host::stdin::Stdin;
pub use host::traits::Host;
pub use machine::dependency::Until;
pub use machine::exit::Exit;
pub use machine::failure::SpawnError;
pub use machine::name::Name;
pub use machine::notice::Notice;
pub use machine::policy::Policy;
pub use machine::restart::Restart;
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
#[cfg(feature = "ready")]
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
pub use sys::system::{System, SystemBuilder};
#[cfg(feature = "webdriver")]
pub use webdriver::program::WebDriver;

/// The documents of the repository, whose examples are compiled with the tests.
pub mod _documentation {
    #[doc = include_str!("../README.md")]
    pub mod readme {}

    #[doc = include_str!("../DESIGN.md")]
    pub mod design {}

    #[doc = include_str!("../CHANGELOG.md")]
    pub mod changelog {}

    #[doc = include_str!("../CONTRIBUTING.md")]
    pub mod contributing {}

    #[doc = include_str!("../docs/guide/background.md")]
    pub mod background {}

    #[doc = include_str!("../docs/guide/before-and-after.md")]
    pub mod before_and_after {}

    #[doc = include_str!("../docs/guide/command-line.md")]
    pub mod command_line {}

    #[doc = include_str!("../docs/guide/connections.md")]
    pub mod connections {}

    #[doc = include_str!("../docs/guide/from-a-file.md")]
    pub mod from_a_file {}

    #[doc = include_str!("../docs/guide/from-process-compose.md")]
    pub mod from_process_compose {}

    #[doc = include_str!("../docs/guide/from-procfile.md")]
    pub mod from_procfile {}

    #[doc = include_str!("../docs/guide/from-supervisord.md")]
    pub mod from_supervisord {}

    #[doc = include_str!("../docs/guide/from-systemd.md")]
    pub mod from_systemd {}

    #[doc = include_str!("../docs/guide/larger-engines.md")]
    pub mod larger_engines {}

    #[doc = include_str!("../docs/guide/plans.md")]
    pub mod plans {}

    #[doc = include_str!("../docs/guide/recipes.md")]
    pub mod recipes {}

    #[doc = include_str!("../docs/guide/servers.md")]
    pub mod servers {}

    #[doc = include_str!("../docs/guide/supervising.md")]
    pub mod supervising {}
}
