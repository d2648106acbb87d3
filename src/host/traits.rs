//! The traits through which the monitor reaches its environment.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::{ProbeFuture, ProbeTarget, Spec, TerminalSize};
use crate::machine::{
    Containment, Exit, Signal, SignalTarget, SpawnError, Stream, SurvivalReason, SurvivingProcess,
};

/// A sleep that ends at a given instant, or later.
pub type SleepFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The environment of a monitor: a clock, a way to start processes, and a way to probe servers.
pub trait Host: Send + Sync + Debug + 'static {
    /// Returns the time on a clock that never goes back.
    fn now(&self) -> Instant;

    /// Returns a future that ends at `at`, or at once if that has passed.
    fn sleep_until(&self, at: Instant) -> SleepFuture;

    /// Runs `driver` to its end on this thread, which belongs to the driver: `background` and the fixtures
    /// start one. The default is the executor of `async-io`.
    fn drive(&self, driver: Pin<&mut dyn Future<Output = ()>>) {
        async_io::block_on(driver);
    }

    /// Starts a process. When this returns, the program is running or no part of it is left.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] with the step that failed.
    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError>;

    /// Starts several processes as [`spawn`](Self::spawn) does, and returns the results in the order of
    /// `specs`. The processes may be created in another order. It starts no more of them once it is `until`:
    /// then the results end early, but there is at least one.
    ///
    /// The default starts them one after the other.
    fn spawn_all(
        &self,
        specs: &[Arc<Spec>],
        until: Option<Instant>,
    ) -> Vec<Result<Box<dyn Process>, SpawnError>> {
        spawn_in_turn(self, specs, until)
    }

    /// Returns the file that a start of `spec` would execute, without starting it. Success is no promise:
    /// only a start shows whether the program runs. A host without files, which is the default, returns the
    /// program as given.
    ///
    /// # Errors
    ///
    /// The [`SpawnError`] of a start, if the program does not exist or cannot be executed.
    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        Ok(spec.get_program().into())
    }

    /// Tries once to reach a server at `target`, and returns whose socket answered: that of the process
    /// `owner`, of a member of its group or of a descendant, or another one. Without an owner no answer is
    /// `Own`.
    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture;

    /// Returns whether the process `pid` belongs to the run of the process `owner`, which is alive: whether
    /// it is that process itself, a member of its group or session, or one of its descendants. The default
    /// knows only `owner` itself.
    fn belongs_to(&self, pid: u32, owner: u32) -> bool {
        pid == owner
    }

    /// Returns the addresses at which `owner` and the processes that belong to its run listen for TCP
    /// connections, as far as they can be found out.
    fn listening(&self, owner: u32) -> Vec<SocketAddr> {
        let _ = owner;
        Vec::new()
    }

    /// Returns whether output may be written to sinks on a separate thread, so that a slow sink does not
    /// delay the driver. A simulated host returns `false`: there everything happens on one thread, in one
    /// order.
    fn has_threads(&self) -> bool {
        true
    }
}

/// Does what [`Host::spawn_all`] does by default.
pub(crate) fn spawn_in_turn(
    host: &(impl Host + ?Sized),
    specs: &[Arc<Spec>],
    until: Option<Instant>,
) -> Vec<Result<Box<dyn Process>, SpawnError>> {
    let mut results = Vec::with_capacity(specs.len());
    for spec in specs {
        if !results.is_empty() && until.is_some_and(|at| at <= host.now()) {
            break;
        }
        results.push(host.spawn(spec));
    }
    results
}

/// A process that is running, or has died and is not reaped yet.
///
/// Dropping it kills all processes of the run that are left, and reaps the process.
pub trait Process: Send + Debug {
    /// Returns the process id.
    fn id(&self) -> u32;

    /// Waits for the death of the process. This does not reap it, or at least its group can still be
    /// distinguished from any other. Once ready, always ready.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit>;

    /// Reads from `stream` into `buf`. Zero is the end of the stream; later calls return zero as well.
    ///
    /// # Errors
    ///
    /// The error of the system; the stream then yields no more data.
    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some of `bytes` to the standard input, and returns how many. It is called only if the spec of
    /// the process [has a writable input](Spec::has_writable_stdin). The default refuses.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the process does not read any more, `Unsupported`, or another error of the system. The
    /// input is then closed.
    fn poll_write_stdin(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let _ = (cx, bytes);
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Ends the standard input, so that the process reads end-of-file after what was written. The default
    /// does nothing.
    fn poll_close_stdin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// Changes the size of the [terminal](Spec::terminal) of the process. The default refuses.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the process has no terminal; otherwise the error of the system.
    fn resize_terminal(&mut self, size: TerminalSize) -> io::Result<()> {
        let _ = size;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Sends `signal` to the processes of this run that `target` selects, also after the death of the leader.
    /// It is not an error if none of them exists.
    ///
    /// # Errors
    ///
    /// The error of the system, most often that this process lacks the permission.
    fn signal(&mut self, target: SignalTarget, signal: Signal) -> io::Result<()>;

    /// Returns the live processes of the run without the leader. It is called only after the leader has died.
    /// If the members cannot be listed, the result contains the leader's id as a placeholder.
    fn remaining(&mut self) -> Vec<u32>;

    /// Returns how reliably the processes of this run are found.
    fn containment(&self) -> Containment {
        Containment::Group
    }

    /// Returns those of `pids` that are still alive, each with its command and the reason why it survives
    /// KILL.
    fn describe(&mut self, pids: &[u32]) -> Vec<SurvivingProcess> {
        pids.iter().map(|pid| SurvivingProcess::new(*pid, "", SurvivalReason::OutOfReach)).collect()
    }

    /// Records the processes that the run consists of now, so that they are recognised later even if they
    /// change their environment, group or parent. It is called when the program has become ready.
    fn observe_family(&mut self) {}

    /// Returns the signal that has stopped the leader and left it stopped, such as TTIN for a program that
    /// reads from a terminal in the background.
    fn stopped_by(&mut self) -> Option<Signal> {
        None
    }
}
