//! Subscriptions: one publisher, any number of subscribers, none of which can hold the publisher up.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::{Lock, WakerCell};

/// An item that reports a gap in a subscription: its subscriber read too slowly, and the oldest items were
/// dropped.
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
/// The publisher never waits. When the queue of a subscription is full its oldest item is dropped, and the
/// next item that the subscriber reads is [`Lagged`] with the number of items that are missing in this place.
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

    /// Returns whether there may be a subscription, so that items that are costly to create can be omitted.
    pub(crate) fn has_subscribers(&self) -> bool {
        !self.state.lock().subscribers.is_empty()
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
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
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
    pub(crate) fn wait(&self) -> Option<Result<T, Lagged>> {
        futures_lite::future::block_on(poll_fn(|cx| self.poll_next(cx)))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;
    use std::thread;

    use futures_lite::future::{block_on, poll_once};

    use super::*;

    fn poll<T>(subscription: &Subscription<T>) -> Poll<Option<Result<T, Lagged>>> {
        subscription.poll_next(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_slow_subscriber_loses_the_oldest_items_and_learns_their_number() {
        let broadcast = Broadcast::new(2);
        let (slow, quick) = (broadcast.subscribe(), broadcast.subscribe());
        for item in 1..=5 {
            broadcast.publish(&item);
            assert_eq!(poll(&quick), Poll::Ready(Some(Ok(item))));
        }
        let Poll::Ready(Some(Err(lagged))) = poll(&slow) else { panic!("it has lagged") };
        assert_eq!(lagged.missed(), 3);
        assert_eq!(lagged.to_string(), "missed 3 items: the subscriber reads too slowly");
        broadcast.publish(&6);
        // The gap is reported where it is: before item 5.
        assert_eq!(poll(&slow), Poll::Ready(Some(Err(Lagged(1)))));
        assert_eq!(Lagged(1).to_string(), "missed 1 item: the subscriber reads too slowly");
        assert_eq!(poll(&slow), Poll::Ready(Some(Ok(5))));
        assert_eq!(poll(&slow), Poll::Ready(Some(Ok(6))));
        assert_eq!(poll(&slow), Poll::Pending);
    }

    #[test]
    fn closing_ends_a_subscription_after_its_unread_items() {
        let broadcast = Broadcast::new(8);
        let subscription = broadcast.subscribe();
        let waiting = broadcast.subscribe();
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
        assert_eq!(poll(&broadcast.subscribe()), Poll::Ready(Some(Ok(0))));
        broadcast.publish(&1);
        let subscription = broadcast.subscribe();
        broadcast.publish(&2);
        assert_eq!(subscription.wait(), Some(Ok(1)));
        assert_eq!(subscription.wait(), Some(Ok(2)));
        assert_eq!(poll(&Broadcast::<u8>::new(8).subscribe()), Poll::Pending);
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
        let subscription = broadcast.subscribe();
        let waker = Waker::from(subscriber.clone());
        assert!(subscription.poll_next(&Context::from_waker(&waker)).is_pending());
        broadcast.publish(&1);
        assert_eq!((subscription.wait(), subscription.wait()), (Some(Ok(1)), Some(Ok(2))));
        let taken = subscriber.1.lock().take();
        assert_eq!(taken.expect("it has subscribed").wait(), Some(Ok(2)));
        assert!(block_on(poll_once(poll_fn(|cx| subscription.poll_next(cx)))).is_none());
    }
}
