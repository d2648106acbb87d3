//! The queue of sources that are ready, which their wakers write to.
//!
//! The driver is one future over thousands of exits and streams. Polling all of them at each wake-up would
//! cost more the more processes there are. So each source has a waker of its own, which appends the source to
//! this queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::machine::{RunId, Stream};
use crate::sync::{Lock, WakerCell};

/// A source of events of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Exit,
    Input,
    Output(Stream),
    Health,
}

/// The sources that were woken since the driver last polled them.
#[derive(Debug, Default)]
pub(super) struct ReadyQueue {
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    ready: Vec<Arc<SourceWaker>>,
    driver: WakerCell,
}

/// The waker of one source.
#[derive(Debug)]
pub(super) struct SourceWaker {
    pub(super) run: RunId,
    pub(super) source: Source,
    /// Whether it is in the queue.
    queued: AtomicBool,
    queue: Arc<ReadyQueue>,
}

impl ReadyQueue {
    /// Creates a waker for `source` of `run`, and queues it: a source calls its waker only after it was
    /// polled.
    pub(super) fn add_source(self: &Arc<Self>, run: RunId, source: Source) -> Arc<SourceWaker> {
        let waker =
            Arc::new(SourceWaker { run, source, queued: AtomicBool::new(false), queue: self.clone() });
        waker.wake_by_ref();
        waker
    }

    /// Registers the driver's task to be woken when the queue is no longer empty.
    pub(super) fn register(&self, driver: &Waker) {
        self.state.lock().driver.register(driver);
    }

    /// Moves the queue, in its order, into `ready`, which must be empty.
    pub(super) fn take(&self, ready: &mut Vec<Arc<SourceWaker>>) {
        std::mem::swap(&mut self.state.lock().ready, ready);
        for source in ready {
            // The source is polled after this, so a wake-up from here on has to queue it again.
            source.queued.store(false, Ordering::Release);
        }
    }
}

impl SourceWaker {
    /// Queues the source again while the driver polls its sources. The driver looks at the queue once more in
    /// any case, so it is not woken, which would cost its executor a look at the event loop.
    pub(super) fn requeue(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.state.lock().ready.push(self.clone());
        }
    }
}

impl Wake for SourceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let mut state = self.queue.state.lock();
            state.ready.push(self.clone());
            let driver = if state.ready.len() == 1 { state.driver.get() } else { None };
            drop(state);
            if let Some(driver) = driver {
                driver.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_source_that_the_driver_queues_again_is_polled_again_and_does_not_wake_it() {
        let (queue, wakes) = (Arc::new(ReadyQueue::default()), Arc::new(Wakes::default()));
        queue.register(&Waker::from(wakes.clone()));
        let count = || wakes.0.load(Ordering::Relaxed);
        let taken = || {
            let mut ready = Vec::new();
            queue.take(&mut ready);
            ready.len()
        };
        let source = queue.add_source(RunId::unmanaged(1), Source::Output(Stream::Stdout));
        assert_eq!((taken(), count()), (1, 1));
        source.requeue();
        source.requeue();
        assert_eq!((taken(), count()), (1, 1));
        source.wake_by_ref();
        assert_eq!((taken(), count()), (1, 2));
    }
}
