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
//!   [`WriterSink`], [`Callback`] and [`Tail`]; [`Records`], for programs whose lines have a level and a date that a
//!   [`Pattern`] can find; and [`TestOutput`], for tests.
//! * To have a real server in a test: [`Service`], with a [`Condition`] for when it is ready and a [`Port`] that nobody
//!   else is given; [`SharedService`] for one that many tests share. [`NotReady`] says why it did not come up.
//! * For a test of several processes that play together, of which none may end unless the script expects it: [`Plan`],
//!   with its [`Journal`] and its picture.
//! * To stay connected to a server that comes and goes: [`ClientService`], with [`Tcp`], [`Unix`] or a connector of your own
//!   ([`Connect`]), and a [`BackoffPolicy`] for how long to wait.
//! * To have a socket server in a test that leaves nothing behind: [`TidyServer`], with an async function for its
//!   connections, and [`TidyPair`] for both ends of one. A [`Leak`] names the connections that did not end.
//! * To call asynchronous code from a synchronous test: [`Background`].
//! * To test your supervision in virtual time: [`testkit`].
//! * To drive the decisions from an event loop of your own: [`Machine`].
//!
//! # Threads
//!
//! The [`Driver`] is one future and runs wherever you run it; [`ProcessMonitor::background`] gives it a thread. Besides
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

mod background;
mod backoff;
mod client;
mod fence;
mod host;
#[cfg_attr(
    not(any(test, feature = "webdriver")),
    expect(dead_code, reason = "a whole answer is for `webdriver`")
)]
mod http;
mod machine;
mod monitor;
mod output;
mod plan;
mod ready;
mod server;
mod service;
mod shutdown;
mod sys;
pub mod testkit;
#[cfg(feature = "webdriver")]
mod webdriver;

// The public interface.
pub use background::{Background, BackgroundBuilder, BackgroundError, CallError, Work};
pub use backoff::{BackoffError, BackoffPolicy, BackoffProblem};
pub use client::{
    ClientBuilder, ClientDriver, ClientService, ClientState, ClientStates, ClientTicket, Connect,
    ConnectError, Link, NotConnected, Setback, Socket, Tcp, Unix, UnixPathError, WhenConnected,
};
pub use host::{
    Descriptor, Holder, Host, Probe, ProbeError, Process, Sleep, Spec, SpecError, SpecProblem, Stdin, Target,
};
pub use machine::{
    Definition, DuplicateName, Event, Exit, KILL_GRACE, Last, Machine, Name, NameError, News, Notice, Output,
    Phase, Policy, PolicyError, PolicyProblem, RunId, Signal, SignalError, SpawnError, Status, Step, Stream,
    UnknownName, seconds,
};
pub use monitor::{
    AddError, Builder, CommandError, Driver, Heard, Notices, ProcessMonitor, StopError, Survivor, Ticket,
};
pub use output::{
    Batch, Callback, Line, LogSink, LoggingProtocol, Pattern, PatternError, PatternProblem, Record, Records,
    Sink, Tail, TestOutput, WriterHealth, WriterSink, Zone,
};
pub use plan::{
    CrashError, CrashPoint, CrashPointError, CrashPoints, Entry, Expected, Happened, Journal, NotSurvived,
    Outcome, Plan, PlanError, PlanMistake, PlanProblem, PlanStory, Planned, Recorded, Report, Running,
    StepFailure, Survived, VariableProblem,
};
pub use ready::{Condition, ConditionError, Printed, Progress, Standing, Taken};
pub use server::{
    Closing, Connecting, Endpoint, Leak, LeakCause, Leaked, TidyError, TidyPair, TidyServer,
    TidyServerBuilder, TidyStream, line_echo,
};
pub use service::{
    Cause, Died, Ended, LogLine, LogLines, NotReady, Port, RunningService, Service, ServiceError,
    SharedError, SharedService, Starting, Story,
};
pub use sys::System;
#[cfg(feature = "webdriver")]
pub use webdriver::{Browser, CommandProblem, Element, Locator, Method, Session, WebDriver, WebDriverError};

/// The documents of the repository, whose code is compiled with the tests.
pub mod _documentation {
    #[doc = include_str!("../README.md")]
    pub mod readme {}

    #[doc = include_str!("../DESIGN.md")]
    pub mod design {}

    #[doc = include_str!("../CHANGELOG.md")]
    pub mod changelog {}
}
