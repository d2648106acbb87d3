//! The description of a service.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::Port;
use super::recipe::Recipe;
use crate::host::{Resource, Spec, Stdin, TerminalSize};
use crate::machine::{Name, NameError, Policy, Signal, SignalTarget};
use crate::output::log_format::{LogFormat, LogFormatError};
use crate::ready::Condition;

/// The minimum uptime of a service for which nothing conclusive is expected.
const MIN_UPTIME: Duration = Duration::from_millis(200);

/// A server for a test: which program to run, and when it is ready.
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
/// // … test something with it. When `web` is dropped, the server and everything it has started is stopped.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The output of the program goes to the `log` crate. Without a logger each line is printed as `[name] line`
/// with the print macros, so that the test harness captures it and shows it if the test fails.
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is started"]
pub struct Service {
    pub(super) spec: Spec,
    pub(super) name: Result<Name, NameError>,
    pub(super) timeout: Duration,
    min_uptime: Option<Duration>,
    pub(super) expected: Vec<Condition>,
    pub(super) format: Option<Result<LogFormat, LogFormatError>>,
    pub(super) policy: Policy,
    pub(super) port: Option<Port>,
    pub(super) recipe: Recipe,
}

/// The program.
impl Service {
    /// Creates a service that runs `program` without arguments. A name without a slash is looked up in PATH;
    /// no shell is involved. The service is named after the last part of the path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::from_spec(Spec::new(program))
    }

    /// Creates a service from a [`Spec`], for settings that this builder does not have, such as descriptors
    /// or limits.
    ///
    /// The kill time is that of the spec's policy. The program is killed when this process dies
    /// ([`Spec::die_with_parent`]), regardless of the spec; [`outlive_parent`](Self::outlive_parent) changes
    /// that. A condition that the spec requires for its [readiness](Spec::ready) is expected as well, within
    /// the [timeout](Self::timeout) of the service.
    pub fn from_spec(spec: Spec) -> Self {
        let name = Ok(Name::from_program(&spec.get_program().to_string_lossy()));
        Self {
            name,
            policy: spec.get_policy().unwrap_or_default(),
            spec: spec.die_with_parent(true),
            timeout: Duration::from_secs(15),
            min_uptime: None,
            expected: Vec::new(),
            format: None,
            port: None,
            recipe: Recipe::default(),
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

    /// Sets an environment variable. The others are inherited, unless [`env_clear`](Self::env_clear) is
    /// called.
    pub fn env(self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.with(|spec| spec.env(key, value))
    }

    /// Removes an environment variable.
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

    /// Switches to this user, by name or by number, which only root may ([`Spec::user`]). An unknown name
    /// fails the start. Default: the user of this process.
    ///
    /// ```
    /// use childminder::Service;
    ///
    /// let error = Service::new("postgres").user("no-such-user").start().unwrap_err();
    /// assert!(error.to_string().contains("no-such-user"));
    /// ```
    pub fn user(self, user: &str) -> Self {
        self.with(|spec| spec.user(user))
    }

    /// Sets a resource limit ([`Spec::limit`]). Default: inherited.
    ///
    /// ```
    /// use childminder::Service;
    /// use childminder::host::Resource;
    ///
    /// let service = Service::new("redis-server").limit(Resource::CoreFileSize, 0, 0);
    /// # let _ = service;
    /// ```
    pub fn limit(self, resource: Resource, soft: u64, hard: impl Into<Option<u64>>) -> Self {
        self.with(|spec| spec.limit(resource, soft, hard))
    }

    /// Sets the nice value ([`Spec::nice`]). Default: inherited.
    pub fn nice(self, nice: i32) -> Self {
        self.with(|spec| spec.nice(nice))
    }

    /// Sets the standard input ([`Spec::stdin`]). Default: `/dev/null`. With [`Stdin::Piped`] the test writes
    /// to it by [`RunningService::write_stdin`](crate::RunningService::write_stdin).
    pub fn stdin(self, stdin: Stdin) -> Self {
        self.with(|spec| spec.stdin(stdin))
    }

    /// Gives the program a pseudo-terminal ([`Spec::terminal`]), so that it behaves as it does for a user.
    /// Its output is one stream, and [`RunningService::write_stdin`](crate::RunningService::write_stdin)
    /// types. Default: none.
    pub fn terminal(self, size: TerminalSize) -> Self {
        self.with(|spec| spec.terminal(size))
    }

    /// Sets the name in output, errors and the log. Default: the last part of the program's path.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Name::new(name);
        self
    }

    /// Lets the program run on if this process dies without stopping it. Default: it is killed then, also if
    /// this process gets SIGKILL ([`Spec::die_with_parent`]).
    pub fn outlive_parent(self) -> Self {
        self.with(|spec| spec.die_with_parent(false))
    }

    fn with(mut self, change: impl FnOnce(Spec) -> Spec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

/// Readiness.
impl Service {
    /// Requires a condition, in addition to those required before. Default: only the minimum uptime.
    pub fn expect(mut self, condition: impl Into<Condition>) -> Self {
        self.expected.push(condition.into());
        self
    }

    /// Requires that the program prints this text.
    pub fn expect_output(self, text: &str) -> Self {
        self.expect(Condition::output(text))
    }

    /// Requires that the program accepts connections on this port.
    pub fn expect_port(self, port: u16) -> Self {
        self.expect(Condition::port(port))
    }

    /// Sets the port of the service: requires that the program accepts connections on it, and keeps the
    /// number reserved as long as the service exists. The arguments must make the program listen there.
    pub fn port(mut self, port: &Port) -> Self {
        self.port = Some(port.clone());
        self.expect_port(port.number())
    }

    /// Sets the time that the program may take to become ready. Default: 15 s. It must not be less than the
    /// minimum uptime.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long the process must have lived before it counts as ready, whichever conditions are met.
    ///
    /// Default: nothing if a required condition is conclusive, else 0.2 s. Conclusive is what only the
    /// program itself can do when it is ready: to answer at a port, a socket or an HTTP path of its own, to
    /// send a notification, or to let a command succeed. Output is not, since many programs print before they
    /// fail to bind their port.
    pub fn min_uptime(mut self, uptime: Duration) -> Self {
        self.min_uptime = Some(uptime);
        self
    }

    pub(super) fn effective_min_uptime(&self, expected: &Condition) -> Duration {
        let default = if expected.is_conclusive() { Duration::ZERO } else { MIN_UPTIME };
        self.min_uptime.unwrap_or(default)
    }
}

/// Output and stop.
impl Service {
    /// Sets the format of the program's log lines, so that they reach the `log` crate with their own level,
    /// target and time; see [`LogFormat`] for the syntax. An invalid format fails the start. Default: each
    /// line is logged as it is.
    pub fn output_format(mut self, format: &str) -> Self {
        self.format = Some(LogFormat::new(format));
        self
    }

    /// Sets the format of the program's log lines to a [`LogFormat`], which can have its own levels or time
    /// zone.
    pub fn output_pattern(mut self, pattern: LogFormat) -> Self {
        self.format = Some(Ok(pattern));
        self
    }

    /// Sets the signal that asks the program to exit. Default: TERM.
    pub fn stop_signal(self, signal: Signal) -> Self {
        self.with(|spec| spec.stop_signal(signal))
    }

    /// Sets which processes receive the stop signal ([`Spec::stop_to`]). Default: the process group. KILL
    /// always goes to everything that the program has started.
    pub fn stop_to(self, target: SignalTarget) -> Self {
        self.with(|spec| spec.stop_to(target))
    }

    /// Sets a command that stops the program, such as `["pg_ctl", "stop"]`, instead of the stop signal
    /// ([`Spec::stop_command`]). Default: none.
    pub fn stop_command<W: AsRef<OsStr>>(self, words: impl IntoIterator<Item = W>) -> Self {
        self.with(|spec| spec.stop_command(words))
    }

    /// Sets the time that the program, with everything it has started, may take to exit before it gets KILL.
    /// Default: 5 s.
    pub fn kill_time(mut self, kill_time: Duration) -> Self {
        self.policy.kill_time = kill_time;
        self
    }
}
