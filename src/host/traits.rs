//! The traits through which the monitor reaches the world.

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::{ProbeFuture, ProbeTarget, Spec};
use crate::machine::{Exit, Signal, SpawnError, Stream};

/// A sleep that ends at a given instant, or later.
pub type SleepFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The world: a clock, a way to start processes, and a way to ask whether they answer.
pub trait Host: Send + Sync + Debug + 'static {
    /// The time on a clock that never goes back.
    fn now(&self) -> Instant;

    /// Sleeps until `at`; at once if that has passed.
    fn sleep_until(&self, at: Instant) -> SleepFuture;

    /// Starts a process as `spec` says. When this returns the program runs, or nothing of it is left.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] with the step that failed.
    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError>;

    /// Which file a start of `spec` would execute. Nothing is started, and that there is no error is no promise: only the
    /// start itself can tell. A world without files, which is the default, says the program as it was given.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], as a start would tell it, if there is no such program or it may not be executed.
    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        Ok(spec.get_program().into())
    }

    /// Asks once whether somebody answers at `target`, and whether that is the process with the id `owner`, one of its
    /// group or a descendant. Without an owner nobody's answer is its own. Nothing is retried.
    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture;

    /// Whether the monitor may hand output to sinks on a thread of its own, so that a slow one cannot hold it up. A
    /// virtual world says no: there everything happens on one thread, in one order.
    fn has_threads(&self) -> bool {
        true
    }
}

/// A process that runs, or has died and is not reaped.
///
/// Dropping it kills what is left of its group and reaps it.
pub trait Process: Send + Debug {
    /// Its process id.
    fn id(&self) -> u32;

    /// Ready when the process has died. It is not reaped by this, or at least its group can still be told from any
    /// other. Once ready, always ready.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit>;

    /// Reads what `stream` holds into `buf`. Zero is the end of the stream, and stays so.
    ///
    /// # Errors
    ///
    /// Whatever the system says; the stream is then at its end.
    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Sends `signal` to the group of the process: to all of it, also when the process itself has died. A group
    /// that is gone is not an error.
    ///
    /// # Errors
    ///
    /// Whatever the system says, most often that we may not.
    fn signal(&mut self, signal: Signal) -> io::Result<()>;

    /// Who of the group is alive, the process itself left out. Asked only after the process has died. If that
    /// cannot be found out, a list with its own id: somebody, but who?
    fn left(&mut self) -> Vec<u32>;
}
