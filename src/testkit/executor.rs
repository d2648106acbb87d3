//! The executor of the simulated world: it polls futures on the thread that moves the time.
//!
//! Futures are polled in the order in which they were woken, so that a test polls in the same order every
//! time. While a future is polled, it is removed from the table and no lock is held, so that it may start or
//! wake other futures.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::Lock;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All futures that are not finished.
#[derive(Default)]
pub(super) struct Executor {
    tasks: Lock<Tasks>,
    ready: Arc<Ready>,
}

#[derive(Default)]
struct Tasks {
    /// `None` while the task is being polled.
    table: BTreeMap<u64, Option<Task>>,
    started: u64,
}

/// The tasks to poll.
type Ready = Lock<VecDeque<Arc<TaskWaker>>>;

/// The waker of one task. It is in the queue at most once.
struct TaskWaker {
    task: u64,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let ready = Arc::clone(&self.ready);
            ready.lock().push_back(self);
        }
    }
}

impl Executor {
    /// Adds a future, to be polled by [`poll_one`](Self::poll_one).
    pub(super) fn spawn(&self, future: Task) {
        let mut tasks = self.tasks.lock();
        tasks.started += 1;
        let task = tasks.started;
        let ticket =
            Arc::new(TaskWaker { task, queued: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        tasks.table.insert(task, Some(future));
        ticket.wake();
    }

    /// Polls the future that was woken first. Returns `false` if none was woken.
    pub(super) fn poll_one(&self) -> bool {
        let Some(ticket) = self.ready.lock().pop_front() else { return false };
        // A wake-up from here on counts for the next poll.
        ticket.queued.store(false, Ordering::Release);
        let taken = self.tasks.lock().table.get_mut(&ticket.task).and_then(Option::take);
        // The task may have finished after this wake-up.
        if let Some(mut task) = taken {
            let waker = Waker::from(Arc::clone(&ticket));
            let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
            self.put_back(&ticket, poll.is_pending().then_some(task));
        }
        true
    }

    /// Puts a task back after a poll, or removes its entry if it is finished (`None`).
    fn put_back(&self, ticket: &TaskWaker, task: Option<Task>) {
        let mut tasks = self.tasks.lock();
        match (task, tasks.table.get_mut(&ticket.task)) {
            (Some(task), Some(place)) => *place = Some(task),
            (None, Some(_)) => drop(tasks.table.remove(&ticket.task)),
            // The table was cleared during the poll.
            (task, None) => {
                drop(tasks);
                drop(task);
            }
        }
    }

    /// Drops all futures.
    pub(super) fn clear(&self) {
        // The destructors of the futures must not run while the table is locked.
        let table = std::mem::take(&mut self.tasks.lock().table);
        drop(table);
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("tasks", &self.tasks.lock().table.len()).finish_non_exhaustive()
    }
}

/// The future of a `block_on`. It is not in the table, because it may borrow and need not be `Send`.
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

    /// Polls the future. Returns `None` if it was not woken.
    pub(super) fn poll(&mut self) -> Option<Poll<F::Output>> {
        self.woken.0.swap(false, Ordering::AcqRel).then(|| {
            let waker = Waker::from(Arc::clone(&self.woken));
            self.future.as_mut().poll(&mut Context::from_waker(&waker))
        })
    }
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
    fn a_future_that_clears_the_executor_is_dropped_after_its_poll() {
        let executor = Arc::new(Executor::default());
        let polled = Arc::clone(&executor);
        executor.spawn(Box::pin(poll_fn(move |cx| {
            polled.clear();
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        while executor.poll_one() {}
        assert_eq!(Arc::strong_count(&executor), 1, "the future is dropped with its handle");
    }
}
