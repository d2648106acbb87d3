//! The real world: [`System`], a [`Host`] that starts processes of this machine.
//!
//! This is the only module with a clock, with `fork` and with `unsafe`. A start takes these steps, and everything
//! that can fail comes before the process exists:
//!
//! 1. `launch` turns the spec into what `exec` needs: the program found, the words and the environment as C strings,
//!    the working directory, the standard input and both pipes open.
//! 2. The pipes are registered with the event loop.
//! 3. The process is created, in a way that costs the same for a small and for a large monitor: by `posix_spawn`, or,
//!    for what that does not know, with steps of our own in a child that borrows our memory. Only a change of user or
//!    group, and a system that is not Linux, take `fork`.
//! 4. The process gets a handle that nothing else can be mistaken for. If that fails it is killed and reaped, and
//!    only then the error is told (F-12).
//!
//! There are two back ends behind the one `System`:
//!
//! * **Linux with pidfds** sees the exit without reaping. The dead leader of a group keeps the number of the group
//!   from being used again, so whatever is left of the group can be found and killed in peace; `linux/group.rs` has
//!   the story.
//! * **The portable one**, on `async-process`, is for macOS, the BSDs and a Linux without pidfds. Whoever builds with
//!   `--cfg async_process_force_signal_backend` gets it on any Linux, which is how it is tested. There the leader is
//!   reaped by the very look that finds it dead; `portable.rs` says what follows from that.

mod broken_pipe;
mod child_side;
mod descriptors;
mod end;
mod environment;
mod fork;
mod guardian;
mod launch;
mod lookup;
mod outputs;
mod portable;
mod probe;
mod report;
mod words;

#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod platform;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_timer::Delay;
use rustix::net::AddressFamily;

use crate::host::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec};
use crate::machine::SpawnError;

pub(crate) use self::broken_pipe::write as write_without_sigpipe;
pub(crate) use self::end::Interrupts;
#[cfg(test)]
pub(crate) use self::end::alone;
pub(crate) use self::end::at_exit;
pub(crate) use self::probe::is_itself;

use self::launch::{Launch, LowDescriptors};
use self::platform::BackEnd;

/// The real world: the monotonic clock, and the processes of this machine.
///
/// A [probe](Host::probe) tries 127.0.0.1 and then ::1. It gives up after 1 s for a connection, and after 5 s for an
/// answer in HTTP. On Linux it then looks up who holds the socket that listens there: its own are the owner, the group
/// and the session that it leads, and all their descendants. Elsewhere the answer is *unverified* (F-82).
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
    /// Looks at what the system can do, and starts what all later work relies on: the threads of the event loop and
    /// of the timer. After this a start that fails for want of threads or descriptors is an error, not a panic.
    ///
    /// # Panics
    ///
    /// If those threads cannot be started even now.
    #[must_use]
    pub fn new() -> Self {
        // What is opened now stays open, and must not become the standard input of somebody.
        let low = LowDescriptors::fill();
        drop(Delay::new(Duration::ZERO));
        let back_end = BackEnd::choose();
        drop(low);
        Self { back_end }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for System {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        Box::pin(Delay::new(at.saturating_duration_since(self.now())))
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let start = || {
            let (launch, outputs) = Launch::prepare(spec)?;
            self.back_end.start(launch, outputs)
        };
        if spec.dies_with_parent() { guardian::one_at_a_time(start) } else { start() }
    }

    /// Its absolute path: a name with a slash is relative to the working directory of the spec, or else to that of this
    /// process; any other is looked up in the PATH that the child will have (PL-3). A directory, a file that we may not
    /// execute, and a working directory that is missing are errors as well.
    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        launch::check(spec)?;
        lookup::locate(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        probe::attempt(target, owner)
    }
}

/// A socket that does not block, and that no child inherits.
pub(crate) fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(platform::stream_socket(family)?)
}
