//! The builder of a service.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::host::{Host, Spec};
use crate::machine::{Name, NameError, Policy, Signal};
use crate::monitor::MonitorDriver;
use crate::output::log_format::{LogFormat, LogFormatError};
use crate::ready::Condition;
use crate::sys::System;

/// A server for a test: what to run, and when it is ready.
///
/// ```
/// use childminder::{Condition, Port, Service};
///
/// # let python = std::process::Command::new("python3").arg("--version").output();
/// # if !python.is_ok_and(|output| output.status.success()) { return Ok(()) }
/// let port = Port::reserve()?;
/// let web = Service::new("python3")
///     .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
///     .port(&port)
///     .expect(Condition::http(port.number(), "/"))
///     .start()?;
/// assert_eq!(web.port(), Some(port.number()));
/// // … test something with it; when `web` goes, so does the server, with all it has started.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Its output goes to the `log` crate. When no logger is installed it goes to standard error, line by line as `[name]
/// line`, by the print macros: so the test harness shows it with the test that failed.
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is started"]
pub struct Service {
    pub(super) spec: Spec,
    pub(super) name: Result<Name, NameError>,
    pub(super) timeout: Duration,
    pub(super) min_uptime: Duration,
    pub(super) expected: Vec<Condition>,
    pub(super) format: Option<Result<LogFormat, LogFormatError>>,
    pub(super) policy: Policy,
    pub(super) port: Option<Port>,
}

/// What to run.
impl Service {
    /// `program`, without arguments, to be ready when it has lived for 0.2 s. A name without a slash is looked up in PATH;
    /// no shell is involved. It is called by the last part of its path (SV-1).
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::from_spec(Spec::new(program))
    }

    /// The program of this spec, for whatever a [`Spec`] can say and this builder cannot: user, umask, descriptors, …
    /// The spec's own policy counts for the kill time. The process dies with this one
    /// ([`Spec::die_with_parent`]), whatever the spec says; [`outlive_parent`](Self::outlive_parent) undoes that.
    pub fn from_spec(spec: Spec) -> Self {
        let name = Ok(Name::from_program(&spec.get_program().to_string_lossy()));
        Self {
            name,
            policy: spec.get_policy().unwrap_or_default(),
            spec: spec.die_with_parent(true),
            timeout: Duration::from_secs(15),
            min_uptime: Duration::from_millis(200),
            expected: Vec::new(),
            format: None,
            port: None,
        }
    }

    /// Adds an argument.
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.with(|spec| spec.arg(arg))
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        self.with(|spec| spec.args(args))
    }

    /// Sets a variable of the environment. The others are inherited, unless [`env_clear`](Self::env_clear) is called
    /// (SV-2).
    pub fn env(self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.with(|spec| spec.env(key, value))
    }

    /// Takes a variable away.
    pub fn env_remove(self, key: impl AsRef<OsStr>) -> Self {
        self.with(|spec| spec.env_remove(key))
    }

    /// Starts from an empty environment.
    pub fn env_clear(self) -> Self {
        self.with(Spec::env_clear)
    }

    /// Sets the working directory. Default: that of this process.
    pub fn cwd(self, dir: impl AsRef<Path>) -> Self {
        self.with(|spec| spec.cwd(dir))
    }

    /// Calls it by another name, in its output, its errors and the log. Default: the last part of the program's path.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Name::new(name);
        self
    }

    /// Lets it live on when this process ends without stopping it. Default: it dies with this process, be that killed
    /// ([`Spec::die_with_parent`]). That takes a `/bin/sh`; where there is none, a service can only start with this.
    pub fn outlive_parent(self) -> Self {
        self.with(|spec| spec.die_with_parent(false))
    }

    fn with(mut self, change: impl FnOnce(Spec) -> Spec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

/// When it is ready.
impl Service {
    /// Expects this, besides everything expected already. Default: nothing but the minimum uptime.
    pub fn expect(mut self, condition: impl Into<Condition>) -> Self {
        self.expected.push(condition.into());
        self
    }

    /// Expects this text in its output (SV-14).
    pub fn expect_output(self, text: &str) -> Self {
        self.expect(Condition::output(text))
    }

    /// Expects that it accepts connections on this port (SV-14).
    pub fn expect_port(self, port: u16) -> Self {
        self.expect(Condition::port(port))
    }

    /// Gives it a reserved port: expects that it accepts connections there, and keeps the number reserved as long as the
    /// service is. That the program listens there is for its arguments to say.
    pub fn port(mut self, port: &Port) -> Self {
        self.port = Some(port.clone());
        self.expect_port(port.number())
    }

    /// Sets how long it may take to become ready. Default: 15 s. Not less than the minimum uptime.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long it must live before it is ready, whatever else is met (SV-13, SV-15). Default: 0.2 s. Set it to zero
    /// when something else is expected that tells for certain, and save the time.
    pub fn min_uptime(mut self, uptime: Duration) -> Self {
        self.min_uptime = uptime;
        self
    }
}

/// What becomes of its output, and how it ends.
impl Service {
    /// Says how its log lines are made, so that they reach the `log` crate with their own level, target and time: see
    /// [`LogFormat`] for what such a format is. A bad one fails the start. Default: each line is logged as it is.
    pub fn output_format(mut self, format: &str) -> Self {
        self.format = Some(LogFormat::new(format));
        self
    }

    /// The same with a pattern that was made before, with levels or a time zone of its own.
    pub fn output_pattern(mut self, pattern: LogFormat) -> Self {
        self.format = Some(Ok(pattern));
        self
    }

    /// Sets the signal that asks it to end. Default: TERM (SV-8).
    pub fn stop_signal(self, signal: Signal) -> Self {
        self.with(|spec| spec.stop_signal(signal))
    }

    /// Sets how long it, with all it has started, may take to end before it gets KILL (SV-9). Default: 5 s.
    pub fn kill_time(mut self, kill_time: Duration) -> Self {
        self.policy.kill_time = kill_time;
        self
    }
}

/// Starting it.
impl Service {
    /// Starts it, and waits until it is ready. What it starts can be had again and again: each start is a new process.
    ///
    /// # Errors
    ///
    /// [`NotReady`], with all there is to know. Nothing of the service is left then.
    pub fn start(&self) -> Result<RunningService, NotReady> {
        futures_lite::future::block_on(self.start_async())
    }

    /// The same for asynchronous code, on any executor. Dropping the future stops what was started, and waits for that.
    pub fn start_async(&self) -> StartFuture {
        StartFuture::background(self, System::new())
    }

    /// The same in another world, such as a [`Sim`](crate::testkit::Sim), or without a thread: run the driver beside the
    /// start.
    ///
    /// # Errors
    ///
    /// [`NotReady`] when what was said cannot work.
    pub fn start_on(&self, host: impl Host) -> Result<(StartFuture, MonitorDriver), NotReady> {
        StartFuture::on(self, host)
    }
}
