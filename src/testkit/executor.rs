//! The futures that run in the fake world, on the thread of whoever moves its time.
//!
//! One queue says who wants to be polled, in the order of their wake-ups, so that the same test polls in the same
//! order every time. While a future is polled it is taken out of the table and no lock is held: it may do anything,
//! also start or wake another.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All futures that have not ended.
#[derive(Default)]
pub(super) struct Executor {
    tasks: Mutex<Tasks>,
    ready: Arc<Ready>,
}

#[derive(Default)]
struct Tasks {
    /// `None` while it is being polled.
    table: BTreeMap<u64, Option<Task>>,
    started: u64,
}

/// Who wants to be polled.
type Ready = Mutex<VecDeque<Arc<Ticket>>>;

/// The waker of one task. It is in the queue at most once.
struct Ticket {
    task: u64,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let ready = Arc::clone(&self.ready);
            lock(&ready).push_back(self);
        }
    }
}

impl Executor {
    /// Takes a future in. It is polled by [`poll_one`](Self::poll_one), not by this.
    pub(super) fn spawn(&self, future: Task) {
        let mut tasks = lock(&self.tasks);
        tasks.started += 1;
        let task = tasks.started;
        let ticket =
            Arc::new(Ticket { task, queued: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        tasks.table.insert(task, Some(future));
        ticket.wake();
    }

    /// Polls the future that has waited longest; `false` if none wants to be polled.
    pub(super) fn poll_one(&self) -> bool {
        let Some(ticket) = lock(&self.ready).pop_front() else { return false };
        // From here on a wake-up counts for the next poll.
        ticket.queued.store(false, Ordering::Release);
        let taken = lock(&self.tasks).table.get_mut(&ticket.task).and_then(Option::take);
        // Its task may have ended before this wake-up was heard.
        if let Some(mut task) = taken {
            let waker = Waker::from(Arc::clone(&ticket));
            let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
            self.put_back(&ticket, poll.is_pending().then_some(task));
        }
        true
    }

    /// After a poll: back into its place with a task that has not ended; `None` gives the place up.
    fn put_back(&self, ticket: &Ticket, task: Option<Task>) {
        let mut tasks = lock(&self.tasks);
        match (task, tasks.table.get_mut(&ticket.task)) {
            (Some(task), Some(place)) => *place = Some(task),
            (None, Some(_)) => drop(tasks.table.remove(&ticket.task)),
            // Dropped by `clear` while it was polled.
            (task, None) => {
                drop(tasks);
                drop(task);
            }
        }
    }

    /// Drops all futures.
    pub(super) fn clear(&self) {
        // Taken out first: what a future does when it is dropped must not find the table locked.
        let table = std::mem::take(&mut lock(&self.tasks).table);
        drop(table);
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("tasks", &lock(&self.tasks).table.len()).finish_non_exhaustive()
    }
}

/// The one future of a `block_on`, which is not in the table, for it may borrow and need not be `Send`.
pub(super) struct Guest<F> {
    future: Pin<Box<F>>,
    woken: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl<F: Future> Guest<F> {
    pub(super) fn new(future: F) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Flag(AtomicBool::new(true))) }
    }

    /// Polls it if it was woken. `None`: it was not.
    pub(super) fn poll(&mut self) -> Option<Poll<F::Output>> {
        self.woken.0.swap(false, Ordering::AcqRel).then(|| {
            let waker = Waker::from(Arc::clone(&self.woken));
            self.future.as_mut().poll(&mut Context::from_waker(&waker))
        })
    }
}

/// Locks, also after a panic: a test that has failed still drops its processes.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn two_wake_ups_before_a_poll_are_one_poll() {
        let executor = Executor::default();
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&polls);
        executor.spawn(Box::pin(poll_fn(move |cx| {
            if counter.fetch_add(1, Ordering::Relaxed) == 0 {
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })));
        while executor.poll_one() {}
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_future_that_drops_all_is_itself_gone_after_its_poll() {
        let executor = Arc::new(Executor::default());
        let polled = Arc::clone(&executor);
        executor.spawn(Box::pin(poll_fn(move |cx| {
            polled.clear();
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        while executor.poll_one() {}
        assert_eq!(Arc::strong_count(&executor), 1, "the future is dropped, and its handle with it");
    }
}
