//! The real [`Host`].

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_timer::Delay;

use crate::host::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec};
use crate::machine::SpawnError;

use super::launch::{self, Launch, Marks};
use super::mark::RunMark;
use super::platform::{self, BackEnd};
use super::stdio::LowDescriptors;
use super::{lookup, preflight, probe};

/// The real environment: the monotonic clock and the processes of this machine.
///
/// A [probe](Host::probe) tries 127.0.0.1 and then ::1. The timeouts are 1 s for a connection and 5 s for an
/// answer in HTTP. On Linux it then looks up who owns the listening socket: the answer is its own if that is
/// the owner, a member of the group or session that it leads, or one of their descendants. Elsewhere the
/// answer is *unverified*.
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
#[derive(Clone, Debug)]
pub struct System {
    back_end: BackEnd,
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
        // What is opened now stays open, and must not become a standard stream.
        let low = LowDescriptors::fill();
        let back_end = preflight::check_and_run(|| {
            drop(Delay::new(Duration::ZERO));
            BackEnd::choose()
        })?;
        platform::reserve_low_descriptors();
        drop(low);
        Ok(Self { back_end })
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
        Box::pin(Delay::new(at.saturating_duration_since(self.now())))
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let (launch, outputs) = Launch::prepare(spec, Marks::of(RunMark::next()))?;
        self.back_end.start(launch, outputs)
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
}
