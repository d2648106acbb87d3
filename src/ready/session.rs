//! What the watch and the process it watches have in common.
//!
//! The process belongs to whoever minds it, most likely on another thread; the future that waits has the gate. Between
//! them is this: one queue of news, and the process itself, so that the future can look whether it is alive.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Instant;

use super::gate::Event;
use super::tally::Word;
use crate::host::tap::{Observer, ProcessSlot};
use crate::machine::{Exit, Signal, SignalTarget, SpawnError, Stream};
use crate::search::{MatchCount, ParallelSearch};

/// One watched start.
pub(super) struct Session {
    /// Until the verdict. Whoever reads output looks at this first, and afterwards at nothing else.
    open: AtomicBool,
    news: Mutex<News>,
    /// The process, once it was started.
    slot: OnceLock<Arc<ProcessSlot>>,
    /// When it was started, until that is published.
    started: Mutex<Option<(u32, Instant)>>,
}

/// What happened and was not heard, for the future.
struct News {
    matcher: ParallelSearch,
    queue: VecDeque<(Event, Instant)>,
    waiter: Option<Waker>,
}

impl Session {
    pub(super) fn new(matcher: ParallelSearch) -> Self {
        Self {
            open: AtomicBool::new(true),
            news: Mutex::new(News { matcher, queue: VecDeque::new(), waiter: None }),
            slot: OnceLock::new(),
            started: Mutex::default(),
        }
    }

    /// Tells the future what happened, unless it has ended.
    fn tell(&self, event: Event, at: Instant) {
        if self.is_open() {
            self.add(|news| news.queue.push_back((event, at)));
        }
    }

    /// Shows what was read from `stream`. This is the only thing between a read and the verdict, so it is done at once,
    /// by the thread that reads.
    fn show(&self, stream: Stream, bytes: &[u8], at: Instant) {
        if !self.is_open() {
            return;
        }
        self.add(|News { matcher, queue, waiter: _ }| {
            let seen = matcher.feed(stream, bytes).into_iter();
            queue.extend(
                seen.map(|MatchCount { id: leaf, count }| (Event::Leaf(leaf, Word::Seen(count)), at)),
            );
            // One is as good as many, and the end of a stream is none.
            if !bytes.is_empty() && !matches!(queue.back(), Some((Event::OutputMatch, _))) {
                queue.push_back((Event::OutputMatch, at));
            }
        });
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Changes the news, and then wakes whoever waits for some.
    fn add(&self, change: impl FnOnce(&mut News)) {
        let mut news = lock(&self.news);
        change(&mut news);
        let waiter = if news.queue.is_empty() { None } else { news.waiter.take() };
        drop(news);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// The future's part.
impl Session {
    /// The next thing that happened; `None`: nothing yet, and `waker` will be woken.
    pub(super) fn poll_news(&self, waker: &Waker) -> Option<(Event, Instant)> {
        let mut news = lock(&self.news);
        let next = news.queue.pop_front();
        if next.is_none() {
            news.waiter = Some(waker.clone());
        }
        next
    }

    /// Returns whether the process is alive, even if its exit was not reported yet.
    pub(super) fn look(&self) -> Event {
        let exit = self.slot.get().map_or(Some(Exit::Lost), |slot| slot.try_exit());
        exit.map_or(Event::Alive, Event::Exited)
    }

    /// Sends a signal to the group of the process, before this returns; returns whether it was there.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        self.slot.get().is_some_and(|slot| slot.signal(SignalTarget::Group, signal))
    }

    /// The future has ended: from now on nothing is looked at.
    pub(super) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        let mut news = lock(&self.news);
        *news = News { matcher: ParallelSearch::default(), queue: VecDeque::new(), waiter: None };
    }
}

impl Observer for Session {
    fn started(&self, pid: u32, slot: &Arc<ProcessSlot>, at: Instant) {
        let _ = self.slot.set(slot.clone());
        *lock(&self.started) = Some((pid, at));
    }

    /// Only now: published at once, the process could be ready before the monitor has recorded its start.
    fn first_poll(&self) {
        let started = lock(&self.started).take();
        if let Some((pid, at)) = started {
            self.tell(Event::Started(pid), at);
        }
    }

    fn start_failed(&self, error: &SpawnError, at: Instant) {
        self.tell(Event::SpawnFailed(error.clone()), at);
    }

    fn read(&self, stream: Stream, bytes: &[u8], at: Instant) {
        self.show(stream, bytes, at);
    }

    fn signalled(&self, _: Signal, _: Instant) {}

    fn exited(&self, exit: Exit, at: Instant) {
        self.tell(Event::Exited(exit), at);
    }

    fn dropped(&self, at: Instant) {
        self.tell(Event::Exited(Exit::Lost), at);
    }

    fn abandoned(&self, at: Instant) {
        self.tell(Event::Abandoned, at);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

/// Locks, also after a panic: nothing that is done under these locks leaves them half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
