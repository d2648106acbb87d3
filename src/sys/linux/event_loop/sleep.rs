//! Sleeps, which end at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::Instant;

use futures_timer::Delay;

use super::EventLoop;
use crate::host::SleepFuture;

/// Returns a future that ends at `at`.
pub(in crate::sys) fn sleep_until(at: Instant) -> SleepFuture {
    match super::current() {
        Some(event_loop) => Box::pin(Sleep { at, event_loop, id: None, fallback: None }),
        None => Box::pin(Delay::new(at.saturating_duration_since(super::now()))),
    }
}

/// A sleep in a loop.
struct Sleep {
    at: Instant,
    event_loop: Arc<EventLoop>,
    id: Option<u64>,
    /// Used when the loop has ended before the sleep.
    fallback: Option<Delay>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let now = super::now();
        if now >= self.at {
            return Poll::Ready(());
        }
        if let Some(delay) = &mut self.fallback {
            return Pin::new(delay).poll(cx);
        }
        let event_loop = Arc::clone(&self.event_loop);
        let mut state = event_loop.state.lock();
        if state.closed {
            drop(state);
            let delay = self.at.saturating_duration_since(now);
            return Pin::new(self.fallback.insert(Delay::new(delay))).poll(cx);
        }
        let id = *self.id.get_or_insert_with(|| {
            state.last_timer += 1;
            state.last_timer
        });
        let replaced = state.timers.insert((self.at, id), cx.waker().clone());
        drop(state);
        drop(replaced);
        // Set from another thread, the loop has to look at its timers anew.
        let elsewhere = super::current().is_none_or(|current| !Arc::ptr_eq(&current, &event_loop));
        if elsewhere {
            event_loop.wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let removed = self.event_loop.state.lock().timers.remove(&(self.at, id));
            drop(removed);
        }
    }
}
