//! Synchronization primitives that every other module builds on.
//!
//! All of them wake their waiters after their own lock has been released: a [`Waker`] is foreign code, and
//! may call back into the object that wakes it.

mod broadcast;

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use async_channel::{Receiver, Sender};
pub use broadcast::Lagged;
pub(crate) use broadcast::{Broadcast, Subscription};

/// A mutex that ignores poisoning.
///
/// A panic in foreign code is caught before it can unwind through a locked section (see `panic_guard`), so
/// the data behind a lock is consistent even if a thread that held it panicked.
#[derive(Default)]
pub(crate) struct Lock<T: ?Sized>(Mutex<T>);

impl<T> Lock<T> {
    /// Wraps `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }
}

impl<T: ?Sized> Lock<T> {
    /// Locks, waiting for other threads if necessary.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks if no other thread holds the lock.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Returns the data without locking: the exclusive borrow proves that no other thread has access.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => value.fmt(f),
            None => f.write_str("<locked>"),
        }
    }
}

/// Waits on `condvar` with the guard of a [`Lock`].
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// The waker of one task. It has no lock of its own; keep it behind the [`Lock`] of the data that the task
/// waits for.
#[derive(Debug, Default)]
pub(crate) struct WakerCell(Option<Waker>);

impl WakerCell {
    /// Stores `waker`, replacing the one of an earlier poll.
    pub(crate) fn register(&mut self, waker: &Waker) {
        match &mut self.0 {
            Some(registered) => registered.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Removes the waker. The caller wakes it after releasing the lock.
    pub(crate) fn take(&mut self) -> Option<Waker> {
        self.0.take()
    }

    /// Returns a copy of the waker, which stays registered.
    pub(crate) fn get(&self) -> Option<Waker> {
        self.0.clone()
    }
}

/// A value that is provided once and consumed once, by one task.
#[derive(Debug)]
pub(crate) struct Oneshot<T>(Lock<Slot<T>>);

#[derive(Debug)]
enum Slot<T> {
    Empty(WakerCell),
    Filled(T),
    Consumed,
}

impl<T> Oneshot<T> {
    /// Creates one without a value.
    pub(crate) fn new() -> Self {
        Self(Lock::new(Slot::Empty(WakerCell::default())))
    }

    /// Provides the value and wakes the task that waits for it. Later values are discarded; returns whether
    /// this one was the first.
    pub(crate) fn fill(&self, value: T) -> bool {
        let mut slot = self.0.lock();
        let Slot::Empty(waker) = &mut *slot else {
            drop(slot);
            return false;
        };
        let waker = waker.take();
        *slot = Slot::Filled(value);
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Consumes the value, or registers the task to be woken when it is there.
    ///
    /// # Panics
    ///
    /// If the value has been consumed already.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<T> {
        let mut slot = self.0.lock();
        match mem::replace(&mut *slot, Slot::Consumed) {
            Slot::Filled(value) => Poll::Ready(value),
            Slot::Empty(mut waker) => {
                waker.register(cx.waker());
                *slot = Slot::Empty(waker);
                Poll::Pending
            }
            Slot::Consumed => panic!("a one-shot value was polled after it had been consumed"),
        }
    }

    /// Returns whether the value has been provided.
    pub(crate) fn is_filled(&self) -> bool {
        !matches!(*self.0.lock(), Slot::Empty(_))
    }
}

/// An event that happens once, with any number of tasks and threads waiting for it. Clones share the event.
#[derive(Clone, Debug)]
pub(crate) struct SetOnce {
    /// The channel never carries a value: the event is its closing.
    sender: Sender<Infallible>,
    receiver: Receiver<Infallible>,
}

impl SetOnce {
    /// Creates an event that has not happened.
    pub(crate) fn new() -> Self {
        let (sender, receiver) = async_channel::bounded(1);
        Self { sender, receiver }
    }

    /// Sets the event and wakes all waiters. Returns whether this was the first call.
    pub(crate) fn set(&self) -> bool {
        self.sender.close()
    }

    /// Returns whether the event has been set.
    pub(crate) fn is_set(&self) -> bool {
        self.sender.is_closed()
    }

    /// Resolves when the event is set.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let receiver = self.receiver.clone();
        async move {
            let _ = receiver.recv().await;
        }
    }

    /// Returns a guard that sets the event when it is dropped, also during a panic.
    pub(crate) fn set_on_drop(&self) -> SetOnDrop {
        SetOnDrop(self.clone())
    }
}

/// Sets a [`SetOnce`] when it is dropped.
#[derive(Debug)]
pub(crate) struct SetOnDrop(SetOnce);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::thread;

    use futures_lite::future::block_on;

    use super::*;

    #[derive(Default)]
    struct CountingWaker(AtomicUsize);

    impl Wake for CountingWaker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_lock_survives_the_panic_of_a_thread_that_held_it() {
        let lock = Arc::new(Lock::new(1));
        let shared = lock.clone();
        let panicked = thread::spawn(move || {
            let _guard = shared.lock();
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        *lock.lock() += 1;
        assert_eq!(lock.try_lock().map(|value| *value), Some(2));
        let held = lock.lock();
        assert!(lock.try_lock().is_none());
        assert_eq!(format!("{lock:?}"), "<locked>");
        drop(held);
    }

    #[test]
    fn a_oneshot_value_is_delivered_once_and_later_values_are_discarded() {
        let oneshot = Oneshot::new();
        let wakes = Arc::new(CountingWaker::default());
        let waker = Waker::from(wakes.clone());
        let cx = Context::from_waker(&waker);
        assert_eq!((oneshot.poll(&cx), oneshot.is_filled()), (Poll::Pending, false));
        assert!(oneshot.fill(1));
        assert!(!oneshot.fill(2));
        assert!(oneshot.is_filled());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!((oneshot.poll(&cx), oneshot.is_filled()), (Poll::Ready(1), true));
        assert!(!oneshot.fill(3), "it is not filled a second time");
    }

    #[test]
    #[should_panic(expected = "after it had been consumed")]
    fn a_consumed_oneshot_may_not_be_polled() {
        let oneshot = Oneshot::new();
        oneshot.fill(());
        let cx = Context::from_waker(Waker::noop());
        let _ = oneshot.poll(&cx);
        let _ = oneshot.poll(&cx);
    }

    #[test]
    fn a_set_once_event_is_seen_by_earlier_and_later_waiters() {
        let event = SetOnce::new();
        let early = event.wait();
        let blocked = {
            let event = event.clone();
            thread::spawn(move || block_on(event.wait()))
        };
        assert!(!event.is_set());
        assert!(event.set());
        assert!(!event.set());
        block_on(early);
        block_on(event.wait());
        blocked.join().expect("the thread was woken");
        let other = SetOnce::new();
        let guard = other.set_on_drop();
        assert!(!other.is_set());
        drop(guard);
        assert!(other.is_set());
    }
}
