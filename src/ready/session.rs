//! What the watch and the process it watches have in common.
//!
//! The process belongs to whoever minds it, most likely on another thread; the future that waits has the gate. Between
//! them is this: one queue of news, and the process itself, so that the future can look whether it is alive.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::gate::Event;
use super::matcher::{Matcher, Seen};
use super::tally::Word;
use crate::host::Process;
use crate::machine::SignalTarget;
use crate::machine::{Exit, Signal, Stream};

/// One watched start.
pub(super) struct Session {
    /// Until the verdict. Whoever reads output looks at this first, and afterwards at nothing else.
    open: AtomicBool,
    news: Mutex<News>,
    body: Mutex<Body>,
}

/// What happened and was not heard, for the future.
struct News {
    matcher: Matcher,
    queue: VecDeque<(Event, Instant)>,
    waiter: Option<Waker>,
}

/// The process, for the thread that minds it and for one look of the future's.
#[derive(Default)]
pub(super) struct Body {
    process: Option<Box<dyn Process>>,
    /// Whoever wants to be told of the exit.
    minder: Option<Waker>,
}

impl Session {
    pub(super) fn new(matcher: Matcher) -> Self {
        Self {
            open: AtomicBool::new(true),
            news: Mutex::new(News { matcher, queue: VecDeque::new(), waiter: None }),
            body: Mutex::default(),
        }
    }

    /// Tells the future what happened, unless it has ended.
    pub(super) fn tell(&self, event: Event, at: Instant) {
        if self.is_open() {
            self.add(|news| news.queue.push_back((event, at)));
        }
    }

    /// Shows what was read from `stream`. This is the only thing between a read and the verdict, so it is done at once,
    /// by the thread that reads.
    pub(super) fn show(&self, stream: Stream, bytes: &[u8], now: impl FnOnce() -> Instant) {
        if !self.is_open() {
            return;
        }
        let at = now();
        self.add(|News { matcher, queue, waiter: _ }| {
            let seen = matcher.feed(stream, bytes).into_iter();
            queue.extend(seen.map(|Seen { leaf, count }| (Event::Leaf(leaf, Word::Seen(count)), at)));
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

    /// Whether the process is alive at this moment, be its death told or not (F-84). Whoever minds it is told of a death
    /// by this as well.
    pub(super) fn look(&self) -> Event {
        let mut body = lock(&self.body);
        let minder = body.minder.clone();
        let waker = minder.as_ref().unwrap_or(Waker::noop());
        let exit = body.poll_exit(&mut Context::from_waker(waker));
        drop(body);
        match exit {
            Poll::Pending => Event::Alive,
            Poll::Ready(exit) => {
                minder.inspect(Waker::wake_by_ref);
                Event::Exited(exit)
            }
        }
    }

    /// The future has ended: from now on nothing is looked at.
    pub(super) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        let mut news = lock(&self.news);
        *news = News { matcher: Matcher::default(), queue: VecDeque::new(), waiter: None };
    }
}

/// The minding thread's part.
impl Session {
    pub(super) fn body(&self) -> MutexGuard<'_, Body> {
        lock(&self.body)
    }
}

impl Body {
    pub(super) fn put(&mut self, process: Box<dyn Process>) {
        self.process = Some(process);
    }

    /// The process, for good.
    pub(super) fn take(&mut self) -> Option<Box<dyn Process>> {
        self.minder = None;
        self.process.take()
    }

    pub(super) fn process(&mut self) -> &mut dyn Process {
        &mut **self.process.as_mut().expect("it is there until it is dropped")
    }

    /// Sends a signal to its group at once. Returns whether there was anybody.
    pub(super) fn signal(&mut self, signal: Signal) -> bool {
        self.process.as_mut().is_some_and(|process| process.signal(SignalTarget::Group, signal).is_ok())
    }

    /// A process that was let go of is gone.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.process.as_mut().map_or(Poll::Ready(Exit::Lost), |process| process.poll_exit(cx))
    }

    /// Asks for the exit on behalf of whoever minds the process, and remembers who that is.
    pub(super) fn mind_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        match &mut self.minder {
            Some(minder) => minder.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.poll_exit(cx)
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
