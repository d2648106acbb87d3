//! Whether a driver is run at all.
//!
//! A service does nothing before its driver is polled. Someone who waits for the service while nothing polls
//! the driver would wait forever, so every wait has a [`Watch`], which turns that mistake into an error.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use crate::host::{Host, SleepFuture};
use crate::sync::{Lock, WakerCell};

/// The time that a driver may be idle after it was woken before it is woken once more.
const FIRST_CHECK: Duration = Duration::from_secs(4);

/// The time that it may then be idle before it counts as not driven. The second wake-up shows that it was not
/// only the whole process that stood still, for example because it had been stopped by a signal.
const SECOND_CHECK: Duration = Duration::from_secs(1);

/// The number of polls of a driver, and the thread that is polling it.
#[derive(Debug, Default)]
pub(crate) struct Liveness(Lock<State>);

#[derive(Debug, Default)]
struct State {
    driver: WakerCell,
    polls: u64,
    polled_by: Option<ThreadId>,
}

impl Liveness {
    /// Notes the beginning of a poll; the drop of the guard is its end.
    pub(super) fn begin_poll(self: &Arc<Self>, driver: &Waker) -> PollGuard {
        let mut state = self.0.lock();
        state.driver.register(driver);
        state.polls += 1;
        state.polled_by = Some(thread::current().id());
        PollGuard(self.clone())
    }

    /// Wakes the driver.
    pub(super) fn wake_driver(&self) {
        let driver = self.0.lock().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Returns a watch for a wait that begins now.
    pub(super) fn watch(self: &Arc<Self>, host: &Arc<dyn Host>) -> Watch {
        Watch {
            liveness: self.clone(),
            host: host.clone(),
            polls: self.0.lock().polls,
            interval: FIRST_CHECK,
            next_check: host.now() + FIRST_CHECK,
            is_second: false,
            sleep: Lock::new(None),
        }
    }
}

/// A poll of the driver that is under way.
#[derive(Debug)]
pub(crate) struct PollGuard(Arc<Liveness>);

impl Drop for PollGuard {
    fn drop(&mut self) {
        self.0.0.lock().polled_by = None;
    }
}

/// Notices that the driver is not polled while something waits for it.
pub(crate) struct Watch {
    liveness: Arc<Liveness>,
    host: Arc<dyn Host>,
    /// The number of polls at the last check.
    polls: u64,
    /// From one check to the next. It doubles, so that a long wait costs next to nothing.
    interval: Duration,
    next_check: Instant,
    /// Whether the driver was not polled in the last interval, and was woken once more.
    is_second: bool,
    /// In a lock only because a future need not be `Sync`.
    sleep: Lock<Option<SleepFuture>>,
}

impl Watch {
    /// Ready with an error when the driver has not been polled for too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<NotDriven> {
        loop {
            let sleep = self.sleep.get_mut().get_or_insert_with(|| self.host.sleep_until(self.next_check));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            *self.sleep.get_mut() = None;
            if let Err(error) = self.check() {
                return Poll::Ready(error);
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
            if self.liveness.0.lock().polled_by == Some(thread::current().id()) {
                return Err(NotDriven::on_driver_thread().into());
            }
            self.check()?;
            thread::park_timeout(self.next_check.saturating_duration_since(self.host.now()));
        }
    }

    /// Looks whether the driver has been polled, if it is time for that.
    fn check(&mut self) -> Result<(), NotDriven> {
        let now = self.host.now();
        if now < self.next_check {
            return Ok(());
        }
        let state = self.liveness.0.lock();
        // A driver that is being polled may be held up by a blocking sink. It is driven nevertheless.
        let is_driven = state.polled_by.is_some() || state.polls != self.polls;
        self.polls = state.polls;
        drop(state);
        let was_second = mem::replace(&mut self.is_second, !is_driven);
        if is_driven {
            self.interval *= 2;
            self.next_check = now + self.interval;
        } else if was_second {
            return Err(NotDriven::not_polled(FIRST_CHECK + SECOND_CHECK));
        } else {
            self.next_check = now + SECOND_CHECK;
        }
        // There may be nothing for it to do. Only if it is woken it must be polled before the next check.
        self.liveness.wake_driver();
        Ok(())
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("next_check", &self.next_check).finish_non_exhaustive()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The error of a wait that can never end because nothing polls the driver of the service.
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
