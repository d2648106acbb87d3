//! Tickets: waiting for runs to be over.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::machine::{Name, Pids, RunId};
use crate::sync::{Lock, WakerCell};

/// The end of what was asked for: resolves when every run that was to be stopped is over, that is, when each process
/// and its whole group is dead and reaped, and its output read to the end. (A slow sink may still have to take it.)
///
/// A ticket may be dropped: what was asked for goes on. Several tickets for the same run are fine.
///
/// It resolves within the kill time and [`Policy::KILL_GRACE`](crate::Policy::KILL_GRACE) (and the leak timeout), however
/// stubborn the processes are. Synchronous code calls [`wait`](Self::wait).
#[derive(Debug)]
pub struct Ticket(Arc<Lock<Wait>>);

#[derive(Debug)]
struct Wait {
    runs: HashSet<RunId>,
    survivors: Vec<Survivor>,
    waker: WakerCell,
}

/// A run that outlived KILL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Whose run it is.
    pub name: Name,
    /// Which run.
    pub run: RunId,
    /// The process ids that are still there.
    pub pids: Vec<u32>,
}

/// A stop that could not be completed: KILL did not end these within [`Policy::KILL_GRACE`](crate::Policy::KILL_GRACE). They are still
/// minded, and have no successor before they are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopError {
    /// Who is left.
    pub survivors: Vec<Survivor>,
}

impl Ticket {
    /// Waits on this thread. Not for use on the thread that runs the monitor's driver: nobody would drive it.
    ///
    /// # Errors
    ///
    /// [`StopError`] naming the survivors.
    pub fn wait(self) -> Result<(), StopError> {
        futures_lite::future::block_on(self)
    }

    /// Whether there is nothing more to wait for.
    pub fn is_done(&self) -> bool {
        self.0.lock().runs.is_empty()
    }
}

impl Future for Ticket {
    type Output = Result<(), StopError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut wait = self.0.lock();
        if !wait.runs.is_empty() {
            wait.waker.register(cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(match wait.survivors.as_slice() {
            [] => Ok(()),
            survivors => Err(StopError { survivors: survivors.to_vec() }),
        })
    }
}

/// The tickets that are out.
#[derive(Debug, Default)]
pub(super) struct Tickets(Vec<Arc<Lock<Wait>>>);

impl Tickets {
    /// A ticket for `runs`.
    pub(super) fn issue(&mut self, runs: impl IntoIterator<Item = RunId>) -> Ticket {
        let runs: HashSet<RunId> = runs.into_iter().collect();
        let pending = !runs.is_empty();
        let wait = Arc::new(Lock::new(Wait { runs, survivors: Vec::new(), waker: WakerCell::default() }));
        if pending {
            self.0.push(wait.clone());
        }
        Ticket(wait)
    }

    /// `run` is over.
    pub(super) fn over(&mut self, run: RunId) {
        self.settle(|wait| wait.runs.remove(&run));
    }

    /// `survivor` will not go.
    pub(super) fn survived(&mut self, survivor: &Survivor) {
        self.settle(|wait| {
            let waited = wait.runs.remove(&survivor.run);
            if waited {
                wait.survivors.push(survivor.clone());
            }
            waited
        });
    }

    /// The driver has gone, and has taken every process with it.
    pub(super) fn all_over(&mut self) {
        self.settle(|wait| {
            wait.runs.clear();
            true
        });
    }

    /// Applies `change` to every ticket that somebody holds, and wakes those that are done.
    fn settle(&mut self, mut change: impl FnMut(&mut Wait) -> bool) {
        self.0.retain(|ticket| {
            let mut wait = ticket.lock();
            let done = change(&mut wait) && wait.runs.is_empty();
            if done && let Some(waker) = wait.waker.take() {
                drop(wait);
                waker.wake();
            }
            !done && Arc::strong_count(ticket) > 1
        });
    }
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} ({})", self.name, self.run, Pids(&self.pids))
    }
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "still not gone after KILL: ")?;
        for (i, survivor) in self.survivors.iter().enumerate() {
            write!(f, "{}{survivor}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl std::error::Error for StopError {}
