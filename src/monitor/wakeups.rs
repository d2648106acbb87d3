//! Which of many sources wants attention: a queue that wakers write to.
//!
//! The driver is one future over thousands of exits and streams. Asking all of them at every wake-up would cost more
//! the more children there are, so each source has a waker of its own, which puts it into this queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::machine::{RunId, Stream};
use crate::sync::{Lock, WakerCell};

/// Something a run can have news on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Exit,
    Output(Stream),
}

/// The sources that have called since the driver last looked.
#[derive(Debug, Default)]
pub(super) struct Wakeups {
    calls: Lock<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    waiting: Vec<Arc<Call>>,
    driver: WakerCell,
}

/// A source's way to call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) run: RunId,
    pub(super) source: Source,
    /// It is in the queue already.
    queued: AtomicBool,
    wakeups: Arc<Wakeups>,
}

impl Wakeups {
    /// A call for `source` of `run`, which is made once right away: a new source must be asked first.
    pub(super) fn call(self: &Arc<Self>, run: RunId, source: Source) -> Arc<Call> {
        let call = Arc::new(Call { run, source, queued: AtomicBool::new(false), wakeups: self.clone() });
        call.wake_by_ref();
        call
    }

    /// From now on wakes `driver`.
    pub(super) fn register(&self, driver: &Waker) {
        self.calls.lock().driver.register(driver);
    }

    /// Takes all calls made so far, in their order, into `calls`, which is empty.
    pub(super) fn take(&self, calls: &mut Vec<Arc<Call>>) {
        std::mem::swap(&mut self.calls.lock().waiting, calls);
        for call in calls {
            // From here on a call counts anew: the source is asked after this.
            call.queued.store(false, Ordering::Release);
        }
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let mut calls = self.wakeups.calls.lock();
            calls.waiting.push(self.clone());
            let driver = if calls.waiting.len() == 1 { calls.driver.get() } else { None };
            drop(calls);
            if let Some(driver) = driver {
                driver.wake();
            }
        }
    }
}
