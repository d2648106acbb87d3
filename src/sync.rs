//! Synchronization primitives that every other module builds on.
//!
//! All of them wake their waiters after their own lock has been released: a [`Waker`] is foreign code, and may call
//! back into the object that wakes it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};

use async_channel::{Receiver, Sender};

/// A mutex that ignores poisoning.
///
/// A panic in foreign code is caught before it can unwind through a locked section (see `panic_guard`), so the data
/// behind a lock is consistent even if a thread that held it panicked.
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

/// The waker of one task. It has no lock of its own; keep it behind the [`Lock`] of the data that the task waits for.
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

    /// Provides the value and wakes the task that waits for it. Later values are discarded; returns whether this one
    /// was the first.
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

    /// Returns whether the value is there and has not been consumed.
    pub(crate) fn is_filled(&self) -> bool {
        matches!(*self.0.lock(), Slot::Filled(_))
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

    /// Blocks this thread until the event is set.
    pub(crate) fn wait_blocking(&self) {
        let _ = self.receiver.recv_blocking();
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

/// An item that reports a gap in a subscription: its subscriber read too slowly, and the oldest items were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(u64);

impl Lagged {
    /// Returns the number of items that were dropped in this place.
    pub fn missed(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(missed) = self;
        write!(
            f,
            "missed {missed} item{}: the subscriber reads too slowly",
            if *missed == 1 { "" } else { "s" }
        )
    }
}

impl std::error::Error for Lagged {}

/// Publishes items to any number of subscriptions, each with a bounded queue.
///
/// The publisher never waits. When the queue of a subscription is full its oldest item is dropped, and the next item
/// that the subscriber reads is [`Lagged`] with the number of items that are missing in this place.
#[derive(Debug)]
pub(crate) struct Broadcast<T> {
    capacity: usize,
    state: Lock<BroadcastState<T>>,
}

#[derive(Debug)]
struct BroadcastState<T> {
    subscribers: Vec<Weak<Lock<Queue<T>>>>,
    /// The item that a new subscription begins with.
    replay: Option<T>,
    closed: bool,
}

/// The unread items of one subscription.
#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    missed: u64,
    closed: bool,
    waker: WakerCell,
}

impl<T: Clone> Broadcast<T> {
    /// Creates a publisher whose subscriptions hold up to `capacity` unread items.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::with_replay(capacity, None)
    }

    /// Creates a publisher whose subscriptions begin with the latest item, which is `latest` so far.
    pub(crate) fn with_latest(capacity: usize, latest: T) -> Self {
        Self::with_replay(capacity, Some(latest))
    }

    fn with_replay(capacity: usize, replay: Option<T>) -> Self {
        assert!(capacity > 0, "a subscription without capacity would lose every item");
        let state = BroadcastState { subscribers: Vec::new(), replay, closed: false };
        Self { capacity, state: Lock::new(state) }
    }

    /// Creates a subscription to the items published from now on. It ends at once if the publisher is closed.
    pub(crate) fn subscribe(&self) -> Subscription<T> {
        let mut state = self.state.lock();
        let mut queue =
            Queue { items: VecDeque::new(), missed: 0, closed: state.closed, waker: WakerCell::default() };
        if !state.closed {
            queue.items.extend(state.replay.clone());
        }
        let queue = Arc::new(Lock::new(queue));
        if !state.closed {
            state.subscribers.push(Arc::downgrade(&queue));
        }
        Subscription(queue)
    }

    /// Appends `item` to every subscription. Does nothing after [`close`](Self::close).
    pub(crate) fn publish(&self, item: &T) {
        let mut wakers = Vec::new();
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.subscribers.retain(|subscriber| {
            let Some(subscriber) = subscriber.upgrade() else { return false };
            let mut queue = subscriber.lock();
            if queue.items.len() == self.capacity {
                queue.items.pop_front();
                queue.missed += 1;
            }
            queue.items.push_back(item.clone());
            wakers.extend(queue.waker.take());
            true
        });
        if let Some(latest) = &mut state.replay {
            latest.clone_from(item);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends every subscription after its unread items.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let subscribers = mem::take(&mut state.subscribers);
        drop(state);
        for subscriber in subscribers.iter().filter_map(Weak::upgrade) {
            let mut queue = subscriber.lock();
            queue.closed = true;
            let waker = queue.waker.take();
            drop(queue);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// A stream of the items of a [`Broadcast`], with a queue of its own.
#[derive(Debug)]
pub(crate) struct Subscription<T>(Arc<Lock<Queue<T>>>);

impl<T> Subscription<T> {
    /// Returns the next item, `None` after the last, or registers the task to be woken.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        let mut queue = self.0.lock();
        let missed = mem::take(&mut queue.missed);
        if missed > 0 {
            return Poll::Ready(Some(Err(Lagged(missed))));
        }
        match queue.items.pop_front() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None if queue.closed => Poll::Ready(None),
            None => {
                queue.waker.register(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Blocks this thread until there is an item, and returns it; `None` after the last.
    pub(crate) fn wait(&mut self) -> Option<Result<T, Lagged>> {
        futures_lite::future::block_on(poll_fn(|cx| self.poll_next(cx)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::thread;

    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[derive(Default)]
    struct CountingWaker(AtomicUsize);

    impl Wake for CountingWaker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(subscription: &mut Subscription<T>) -> Poll<Option<Result<T, Lagged>>> {
        subscription.poll_next(&Context::from_waker(Waker::noop()))
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
        assert_eq!((oneshot.poll(&cx), oneshot.is_filled()), (Poll::Ready(1), false));
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
            thread::spawn(move || event.wait_blocking())
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

    #[test]
    fn a_slow_subscriber_loses_the_oldest_items_and_learns_their_number() {
        let broadcast = Broadcast::new(2);
        let (mut slow, mut quick) = (broadcast.subscribe(), broadcast.subscribe());
        for item in 1..=5 {
            broadcast.publish(&item);
            assert_eq!(poll(&mut quick), Poll::Ready(Some(Ok(item))));
        }
        let Poll::Ready(Some(Err(lagged))) = poll(&mut slow) else { panic!("it has lagged") };
        assert_eq!(lagged.missed(), 3);
        assert_eq!(lagged.to_string(), "missed 3 items: the subscriber reads too slowly");
        broadcast.publish(&6);
        // The gap is reported where it is: before item 5.
        assert_eq!(poll(&mut slow), Poll::Ready(Some(Err(Lagged(1)))));
        assert_eq!(Lagged(1).to_string(), "missed 1 item: the subscriber reads too slowly");
        assert_eq!(poll(&mut slow), Poll::Ready(Some(Ok(5))));
        assert_eq!(poll(&mut slow), Poll::Ready(Some(Ok(6))));
        assert_eq!(poll(&mut slow), Poll::Pending);
    }

    #[test]
    fn closing_ends_a_subscription_after_its_unread_items() {
        let broadcast = Broadcast::new(8);
        let mut subscription = broadcast.subscribe();
        let mut waiting = broadcast.subscribe();
        let waiter = thread::spawn(move || (waiting.wait(), waiting.wait()));
        broadcast.publish(&1);
        broadcast.close();
        broadcast.publish(&2);
        assert_eq!(subscription.wait(), Some(Ok(1)));
        assert_eq!(subscription.wait(), None);
        assert_eq!(waiter.join().expect("it ends"), (Some(Ok(1)), None));
        assert_eq!(broadcast.subscribe().wait(), None);
    }

    #[test]
    fn a_new_subscription_begins_with_the_latest_item_if_it_is_replayed() {
        let broadcast = Broadcast::with_latest(8, 0);
        assert_eq!(poll(&mut broadcast.subscribe()), Poll::Ready(Some(Ok(0))));
        broadcast.publish(&1);
        let mut subscription = broadcast.subscribe();
        broadcast.publish(&2);
        assert_eq!(subscription.wait(), Some(Ok(1)));
        assert_eq!(subscription.wait(), Some(Ok(2)));
        assert_eq!(poll(&mut Broadcast::<u8>::new(8).subscribe()), Poll::Pending);
    }

    #[test]
    fn a_waker_that_calls_back_finds_nothing_locked() {
        struct Subscriber(Arc<Broadcast<u8>>, Lock<Option<Subscription<u8>>>);
        impl Wake for Subscriber {
            fn wake(self: Arc<Self>) {
                *self.1.lock() = Some(self.0.subscribe());
                self.0.publish(&2);
            }
        }
        let broadcast = Arc::new(Broadcast::new(8));
        let subscriber = Arc::new(Subscriber(broadcast.clone(), Lock::new(None)));
        let mut subscription = broadcast.subscribe();
        let waker = Waker::from(subscriber.clone());
        assert!(subscription.poll_next(&Context::from_waker(&waker)).is_pending());
        broadcast.publish(&1);
        assert_eq!((subscription.wait(), subscription.wait()), (Some(Ok(1)), Some(Ok(2))));
        let taken = subscriber.1.lock().take();
        assert_eq!(taken.expect("it has subscribed").wait(), Some(Ok(2)));
        assert!(block_on(poll_once(poll_fn(|cx| subscription.poll_next(cx)))).is_none());
    }
}
