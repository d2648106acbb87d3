//! The real [`Host`].

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_timer::Delay;

use crate::host::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec, spawn_in_turn};
use crate::machine::{Containment, ContainmentError, SpawnError};

use super::launch::{self, Launch};
use super::platform::{self, BackEnd, Tier};
use super::stdio::{self, LowDescriptors};
use super::{lookup, preflight, probe};

/// The real environment: the monotonic clock and the processes of this machine.
///
/// On Linux a [probe](Host::probe) of a TCP port looks up the listening sockets and their owner, and does not
/// connect. It is its own if that is the owner, a member of the group or session that it leads, or one of
/// their descendants. Sockets at 127.0.0.1 and ::1 come first; if there is none, one at any other local
/// address counts. On other systems a probe connects to 127.0.0.1 and then to ::1, and the answer is
/// *unverified*. The timeouts are 1 s for a connection and 5 s for a response in HTTP.
///
/// ```
/// use std::future::poll_fn;
///
/// use childminder::{Exit, Host, Spec, System};
///
/// let system = System::new();
/// let mut process = system.spawn(&Spec::new("sh").args(["-c", "exit 7"]))?;
/// let exit = futures_lite::future::block_on(poll_fn(|cx| process.poll_exit(cx)));
/// assert_eq!(exit, Exit::Code(7));
/// # Ok::<(), childminder::SpawnError>(())
/// ```
///
/// # Containment
///
/// When a process is stopped or dropped, everything that it has started is ended with it, as far as it is
/// found. The [`Containment`] says how far that is; [`Process::containment`] reports it for each process.
/// `System::new` uses [`Family`](Containment::Family), or [`Group`](Containment::Group) where that is not
/// available. The stronger tiers change this process or its control group, so they are used on request only;
/// see [`builder`](Self::builder).
///
/// To exempt a program that is meant to live on, such as `tmux` or `ssh-agent`, start it with an empty
/// variable `CHILDMINDER_RUN` in its environment, or name it with [`Spec::spare`].
#[derive(Clone, Debug)]
pub struct System {
    back_end: BackEnd,
    tier: Tier,
}

/// Chooses the [`Containment`] of a [`System`].
///
/// ```
/// use childminder::System;
/// use childminder::machine::Containment;
///
/// // The strongest tier that this machine has, up to the given one.
/// let system = System::builder().at_most(Containment::Subreaper).build()?;
/// assert!(system.containment() <= Containment::Subreaper);
///
/// // This tier or an error that says what is missing.
/// let system = System::builder().exactly(Containment::Group).build()?;
/// assert_eq!(system.containment(), Containment::Group);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// * [`Cgroup`](Containment::Cgroup) creates a control group for each run below that of this process, and
///   removes those that a monitor has left behind which no longer exists.
/// * [`Subreaper`](Containment::Subreaper) makes this process the parent of all orphans below it, for good.
///   Orphans of a run are reaped when its members are searched; those of other code in this process are not
///   touched.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SystemBuilder {
    containment: Containment,
    exactly: bool,
}

impl SystemBuilder {
    /// Uses the strongest available tier up to this one. Default: [`Containment::Family`].
    pub fn at_most(self, containment: Containment) -> Self {
        Self { containment, exactly: false }
    }

    /// Uses exactly this tier.
    pub fn exactly(self, containment: Containment) -> Self {
        Self { containment, exactly: true }
    }

    /// Builds the system.
    ///
    /// # Errors
    ///
    /// An error of the kind [`Unsupported`](io::ErrorKind::Unsupported) that contains a [`ContainmentError`]
    /// if the tier that was requested with [`exactly`](Self::exactly) is not available. Any other error means
    /// that there are not enough descriptors, threads or watches for the event loop and the timer.
    pub fn build(self) -> io::Result<System> {
        System::with(|has_pidfds| match self.exactly {
            true => Tier::exactly(has_pidfds, self.containment),
            false => Ok(Tier::strongest(has_pidfds, self.containment)),
        })
    }
}

impl System {
    /// Finds out what the system can do, and starts what all later work relies on: the threads of the event
    /// loop and of the timer. After this, a lack of threads or descriptors makes a start fail and does not
    /// panic.
    ///
    /// # Panics
    ///
    /// If those threads cannot be started; [`try_new`](Self::try_new) returns an error instead.
    #[must_use]
    pub fn new() -> Self {
        Self::try_new().expect("the event loop and the timer can be started")
    }

    /// Does what [`new`](Self::new) does, for a program that can go on without it, or that reports the error
    /// itself.
    ///
    /// ```
    /// use childminder::System;
    ///
    /// let system = System::try_new().map_err(|error| format!("cannot start the event loop: {error}"))?;
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There are not enough descriptors, threads or watches for the event loop and the timer.
    pub fn try_new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder, for another [`Containment`].
    pub fn builder() -> SystemBuilder {
        SystemBuilder { containment: Containment::Family, exactly: false }
    }

    /// Creates a system with the strongest [`Containment`] that this machine offers, as
    /// [`Service`](crate::Service), [`Plan`](crate::Plan) and the command line use it.
    ///
    /// # Errors
    ///
    /// As [`try_new`](Self::try_new).
    pub fn with_strongest_containment() -> io::Result<Self> {
        Self::builder().at_most(Containment::Cgroup).build()
    }

    /// Returns how reliably the descendants of a process with a group of its own are found.
    pub fn containment(&self) -> Containment {
        self.tier.containment()
    }

    /// Runs a future to its end on this thread, with an event loop for the processes that it starts.
    ///
    /// A [`MonitorDriver`](crate::MonitorDriver) runs on any executor. This one fits it best: on Linux the
    /// thread itself waits for the processes and their output, so each event wakes one thread, once.
    /// Everything else in the future works as on any other thread without an executor of its own.
    ///
    /// ```
    /// use childminder::{ProcessMonitor, System};
    /// use futures_lite::future;
    ///
    /// let (monitor, driver) = ProcessMonitor::new(System::new());
    /// monitor.add_process("sleeper", ["sleep", "1000"])?;
    /// monitor.start_service()?;
    /// let stop = async {
    ///     let stopped = monitor.stop_service().await;
    ///     drop(monitor);
    ///     stopped
    /// };
    /// let ((), stopped) = System::block_on(future::zip(driver, stop));
    /// stopped?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn block_on<T>(future: impl Future<Output = T>) -> T {
        platform::block_on(future)
    }

    fn with(tier: impl FnOnce(bool) -> Result<Tier, ContainmentError>) -> io::Result<Self> {
        // What is opened now stays open, and must not become a standard stream.
        let low = LowDescriptors::fill();
        let back_end = preflight::check_and_run(|| {
            drop(Delay::new(Duration::ZERO));
            BackEnd::choose()
        })?;
        platform::keep_descriptors();
        stdio::keep_null();
        drop(low);
        let tier = tier(back_end.has_pidfds());
        let tier = tier.map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))?;
        Ok(Self { back_end, tier })
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for System {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others use")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        platform::sleep_until(at)
    }

    fn drive(&self, driver: Pin<&mut dyn Future<Output = ()>>) {
        platform::block_on(driver);
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let start = || {
            let (launch, streams) = Launch::prepare(spec)?;
            self.back_end.start(launch, streams, &self.tier)
        };
        match start() {
            // The descriptors of processes that have ended may not be closed yet.
            Err(error) if error.is_resource() && platform::close_discarded() => start(),
            result => result,
        }
    }

    fn spawn_all(
        &self,
        specs: &[Arc<Spec>],
        until: Option<Instant>,
    ) -> Vec<Result<Box<dyn Process>, SpawnError>> {
        let Some(results) = self.back_end.start_all(specs, &self.tier, until) else {
            return spawn_in_turn(self, specs, until);
        };
        let again = |(result, spec): (Result<_, SpawnError>, &Arc<Spec>)| match result {
            // Together they need more than one after the other.
            Err(error) if error.is_resource() => self.spawn(spec),
            result => result,
        };
        results.into_iter().zip(specs).map(again).collect()
    }

    /// Returns an absolute path. A name with a slash is relative to the working directory of the spec, or
    /// else to that of this process; any other name is looked up in the PATH that the child will have. A
    /// directory, a file that cannot be executed, and a missing working directory are errors as well.
    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        launch::check(spec)?;
        lookup::locate(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        probe::attempt(target, owner)
    }

    fn belongs_to(&self, pid: u32, owner: u32) -> bool {
        platform::belongs_to(pid, owner)
    }

    fn listening(&self, owner: u32) -> Vec<SocketAddr> {
        platform::listening(owner)
    }
}
