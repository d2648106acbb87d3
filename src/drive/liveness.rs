//! Whether a driver is run at all.
//!
//! A service does nothing before its driver is polled. A caller that waits for the service while nothing
//! polls the driver would wait forever, so every wait has a [`Watch`], which turns that mistake into an
//! error.
//!
//! A driver that has nothing to do is not polled either. So a watch looks only while a poll is *due*: from
//! the beginning of the wait, from a command, and from the deadline of the machine. If the driver is not
//! polled within [`FIRST_CHECK`], it is woken once more, and if it is not polled within [`SECOND_CHECK`]
//! either, the wait fails. While no poll is due, a watch has no timer, and the next command wakes it. So an
//! idle service does not wake up, also if tasks wait for it.
//!
//! A wait fails if the driver is never polled, if its executor had stopped when the wait began, or if it has
//! stopped when a command comes, or the deadline that the watch knew when it looked last. Two mistakes are
//! not noticed: a driver that is no longer polled when a process exits or writes, until the next command
//! comes; and a poll that never ends, as in a sink that blocks, since it may still end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use super::Alarm;
use crate::host::Host;
use crate::sync::{Lock, WakerCell};

/// The time for which a poll of the driver may be due before the driver is woken once more.
const FIRST_CHECK: Duration = Duration::from_secs(4);

/// The time after which the driver then counts as not driven. The second wake-up shows that it was not only
/// the whole process that stood still, for example because it had been stopped by a signal.
const SECOND_CHECK: Duration = Duration::from_secs(1);

/// The polls of a driver: those that were, the one that is under way, and the next one that is due.
pub(crate) struct Liveness {
    host: Arc<dyn Host>,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    driver: WakerCell,
    /// The number of times that a poll has begun or ended.
    polls: u64,
    /// The thread that is polling the driver.
    polled_by: Option<ThreadId>,
    /// When the next poll is due: since the first command that the last poll may not have seen, or else at
    /// the deadline of the machine.
    due: Option<Instant>,
    /// The tasks that wait until the next command makes a poll due, by the numbers of their watches.
    parked: BTreeMap<u64, WakerCell>,
    /// The number of watches that have ever been parked.
    watches: u64,
}

impl Liveness {
    pub(super) fn new(host: Arc<dyn Host>) -> Self {
        Self { host, state: Lock::default() }
    }

    /// Notes the beginning of a poll; the drop of the guard is its end.
    pub(super) fn begin_poll(self: &Arc<Self>, driver: &Waker) -> PollGuard {
        let mut state = self.state.lock();
        state.driver.register(driver);
        state.polls += 1;
        state.polled_by = Some(thread::current().id());
        state.due = None;
        PollGuard { liveness: self.clone(), deadline: None }
    }

    /// Wakes the driver, because of a command at `now`, and the watches that were waiting for one.
    pub(super) fn wake_driver(&self, now: Instant) {
        let mut state = self.state.lock();
        state.due = Some(state.due.map_or(now, |due| due.min(now)));
        let driver = state.driver.take();
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        let watches = parked.into_values().filter_map(|mut cell| cell.take());
        driver.into_iter().chain(watches).for_each(Waker::wake);
    }

    /// Returns a watch for a wait.
    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        Watch { liveness: self.clone(), stage: Stage::New, number: None, alarm: Lock::default() }
    }
}

/// A poll of the driver that is under way.
#[derive(Debug)]
pub(crate) struct PollGuard {
    liveness: Arc<Liveness>,
    deadline: Option<Instant>,
}

impl PollGuard {
    /// Sets when the driver is to be polled again, unless something wakes it before.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        let mut state = self.liveness.state.lock();
        state.polls += 1;
        state.polled_by = None;
        state.due = match state.due {
            // The command came during the poll, which may have lasted long.
            Some(_) => Some(self.liveness.host.now()),
            None => self.deadline,
        };
    }
}

/// Notices that the driver is not polled while something waits for it.
pub(crate) struct Watch {
    liveness: Arc<Liveness>,
    stage: Stage,
    /// The number under which the watch is parked.
    number: Option<u64>,
    /// In a lock only because a future need not be `Sync`.
    alarm: Lock<Alarm>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The wait has not begun.
    New,
    /// A poll is due, or will be.
    Due(Check),
    /// Nothing is to be done, as far as is known.
    Quiet,
}

/// A look at the driver that is to come.
#[derive(Clone, Copy, Debug)]
struct Check {
    /// [`State::polls`] before the poll that is due.
    polls: u64,
    at: Instant,
    /// Whether the driver has been woken once more.
    is_second: bool,
}

impl Watch {
    /// Ready with an error when the driver has not been polled for too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<NotDriven> {
        loop {
            match self.look(cx.waker()) {
                Err(error) => return Poll::Ready(error),
                Ok(None) => {
                    self.alarm.get_mut().clear();
                    return Poll::Pending;
                }
                Ok(Some(at)) => {
                    if self.alarm.get_mut().poll(at, &*self.liveness.host, cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Blocks this thread until `poll` is ready, or until the driver has not been polled for too long.
    ///
    /// Unlike a sleep of the host, the timeout of a parked thread wakes no other thread.
    pub(crate) fn block_on<T, E: From<NotDriven>>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, E>>,
    ) -> Result<T, E> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(result) = poll(&mut cx) {
                return result;
            }
            if self.liveness.state.lock().polled_by == Some(thread::current().id()) {
                return Err(NotDriven::on_driver_thread().into());
            }
            match self.look(&waker)? {
                Some(at) => thread::park_timeout(at.saturating_duration_since(self.liveness.host.now())),
                None => thread::park(),
            }
        }
    }

    /// Looks whether the driver is polled. Returns when to look again; `None` if no poll is due. If that is
    /// later than a command may make it necessary, a command wakes `waker`.
    fn look(&mut self, waker: &Waker) -> Result<Option<Instant>, NotDriven> {
        let now = self.liveness.host.now();
        let soon = now + FIRST_CHECK;
        let mut state = self.liveness.state.lock();
        // A driver that is being polled may be held up by a blocking sink. It is driven nevertheless.
        let is_driven = |check: &Check| state.polled_by.is_some() || state.polls != check.polls;
        let mut missed = None;
        let next = match self.stage {
            Stage::New => Some(Check { polls: state.polls, at: soon, is_second: false }),
            Stage::Due(check) if !is_driven(&check) => {
                if now < check.at {
                    // A command may have come before the deadline for which the check was meant.
                    let is_due = state.due.is_some_and(|due| due <= now);
                    Some(Check { at: if is_due { check.at.min(soon) } else { check.at }, ..check })
                } else if check.is_second {
                    return Err(NotDriven::not_polled(FIRST_CHECK + SECOND_CHECK));
                } else {
                    // There may be nothing for it to do. Only if it is woken it must be polled.
                    missed = state.driver.take();
                    Some(Check { at: now + SECOND_CHECK, is_second: true, ..check })
                }
            }
            Stage::Due(_) | Stage::Quiet => {
                let (polls, is_being_polled) = (state.polls, state.polled_by.is_some());
                let at = |due: Instant| if is_being_polled { soon } else { due + FIRST_CHECK };
                state.due.map(|due| Check { polls, at: at(due), is_second: false })
            }
        };
        if next.is_none_or(|check| check.at > soon) {
            let state = &mut *state;
            let number = *self.number.get_or_insert_with(|| {
                state.watches += 1;
                state.watches
            });
            state.parked.entry(number).or_default().register(waker);
        }
        drop(state);
        self.stage = next.map_or(Stage::Quiet, Stage::Due);
        if let Some(driver) = missed {
            driver.wake();
        }
        Ok(next.map(|check| check.at))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            // A waker is foreign code, and is dropped after the lock is released.
            let _parked = self.liveness.state.lock().parked.remove(&number);
        }
    }
}

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Liveness").field(&self.state).finish()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("stage", &self.stage).finish_non_exhaustive()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The error of a wait that can never end because nothing polls the driver of the service.
///
/// The driver has to be polled within 5 s from the beginning of the wait, from each later command, and from a
/// deadline, such as the kill time. If nothing of this is due, a driver that is no longer polled is noticed
/// at the next command. A poll that takes long, as in a sink that blocks, is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDriven(Cause);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    OnDriverThread,
    NotPolled(Duration),
}

impl NotDriven {
    fn on_driver_thread() -> Self {
        Self(Cause::OnDriverThread)
    }

    fn not_polled(time: Duration) -> Self {
        Self(Cause::NotPolled(time))
    }
}

impl fmt::Display for NotDriven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::OnDriverThread => f.write_str(
                "cannot block the thread that is polling the driver, for example from a sink; await the ticket in \
                 another task, or wait on another thread",
            ),
            Cause::NotPolled(time) => write!(
                f,
                "the driver has not been polled for {time:?}; run it on an executor that this wait does not block, or \
                 give it a thread with `background`"
            ),
        }
    }
}

impl std::error::Error for NotDriven {}

#[cfg(test)]
mod tests;
