//! Tickets: waiting for the end of what a command began.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::liveness::{NotDriven, Watch};
use super::stop_error::StopError;
use crate::sync::Oneshot;

/// A future that resolves when what a command asked for is done.
///
/// Stops of a [`ProcessMonitor`](crate::ProcessMonitor) return one. It resolves when every run that was to be
/// stopped is over: each process and everything it has started is dead and reaped, and its output has been
/// read to the end. (A slow sink may still have to process it.) That takes at most the time that
/// [`stop_bound`](crate::ProcessMonitor::stop_bound) returns.
///
/// Asynchronous code awaits a ticket, synchronous code calls [`wait`](Self::wait). Dropping a ticket does not
/// cancel the command. Any number of tickets may wait for the same run.
///
/// If the driver is not polled although it has something to do, the ticket fails after 5 s, with
/// [`NotDriven`] as the reason.
///
/// ```
/// use childminder::{ProcessMonitor, Spec, System};
///
/// let monitor = ProcessMonitor::background(System::new())?;
/// monitor.add_process("sleeper", Spec::new("sleep").arg("1000"))?;
/// monitor.start_service()?;
/// let ticket = monitor.stop_process("sleeper")?;
/// ticket.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Ticket<E = StopError> {
    promise: Arc<Promise<E>>,
    watch: Watch,
}

/// The other end of a [`Ticket`]: what resolves it.
pub(crate) type Promise<E> = Oneshot<Result<(), E>>;

/// Promises to resolve when a lock is released: that wakes tasks, which is foreign code.
#[must_use]
#[derive(Debug)]
pub(crate) struct Resolutions<E>(pub(crate) Vec<Resolution<E>>);

/// A promise, and the result to resolve it with.
pub(crate) type Resolution<E> = (Arc<Promise<E>>, Result<(), E>);

impl<E> Resolutions<E> {
    /// Resolves the tickets.
    pub(crate) fn resolve(self) {
        for (promise, result) in self.0 {
            promise.fill(result);
        }
    }
}

impl<E> Default for Resolutions<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: From<NotDriven>> Ticket<E> {
    pub(super) fn new(watch: Watch) -> (Arc<Promise<E>>, Self) {
        let promise = Arc::new(Oneshot::new());
        (promise.clone(), Self { promise, watch })
    }

    /// Blocks this thread until the ticket is resolved.
    ///
    /// # Errors
    ///
    /// The reason why the command could not be completed. [`NotDriven`] is the reason when nothing polls the
    /// driver: at once if this thread is polling it right now, otherwise after 5 s.
    pub fn wait(self) -> Result<(), E> {
        let Self { promise, mut watch } = self;
        watch.block_on(|cx| promise.poll(cx))
    }
}

impl<E> Ticket<E> {
    /// Returns whether the ticket is resolved.
    pub fn is_done(&self) -> bool {
        self.promise.is_filled()
    }
}

impl<E: From<NotDriven>> Future for Ticket<E> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.promise.poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.watch.poll(cx).map(|error| Err(error.into())),
        }
    }
}
