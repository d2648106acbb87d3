//! The event loop of one thread that drives processes.
//!
//! The loop of `async-io` serves all threads of the program, and one of them waits for all: it wakes the
//! others for their events, so that a line of output wakes two threads. It also asks the kernel anew for each
//! event. Here the thread that runs a driver waits for the descriptors of its processes itself. They are
//! registered once, edge-triggered, so an event costs one system call and wakes one thread.
//!
//! A process that is started while such a thread polls its future belongs to that thread's loop. If it
//! outlives the loop, [`Watched`](super::watched::Watched) moves it to that of `async-io`.
//!
//! To close a pipe and a pidfd takes as long as to signal a process and to reap it. So when many descriptors
//! are dropped in a turn, because a crowd ends, all but the first ones are closed when there is no event left
//! to handle, and the report of the stop does not wait for that.

pub(in crate::sys) mod sleep;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use crate::sync::{Lock, WakerCell};

/// The keys of the descriptors of the loop itself.
const TIMER: u64 = u64::MAX;
const INTERRUPT: u64 = u64::MAX - 1;

/// The number of events that are fetched at a time. A child that ends has three.
const EVENTS: usize = 256;

/// The number of descriptors that are closed as they are dropped in a turn, or later before the loop looks
/// for events again.
const CLOSED_AT_ONCE: usize = 16;

/// The longest time that a descriptor waits to be closed while there are always events.
const CLOSE_WITHIN: Duration = Duration::from_millis(100);

thread_local! {
    /// The loop whose future this thread polls.
    static CURRENT: RefCell<Option<Arc<EventLoop>>> = const { RefCell::new(None) };

    /// The turn of that loop.
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

/// The time between two waits of a loop for events. Turns are counted over all loops: what a loop has
/// reported in a turn had happened before any later one began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(NonZeroU64);

/// Begins a turn of the loop of this thread.
fn begin_turn() {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    let before = TURNS.fetch_add(1, Ordering::SeqCst);
    TURN.set(before.checked_add(1).and_then(NonZeroU64::new).map(Turn));
}

/// Returns the turn of the loop whose future this thread polls, if there is one.
pub(super) fn turn() -> Option<Turn> {
    TURN.get()
}

/// Runs `future` to its end on this thread, with an event loop for the processes that it starts. Without the
/// descriptors for one, the loop of `async-io` is used.
pub(in crate::sys) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let Ok(event_loop) = EventLoop::new() else { return async_io::block_on(future) };
    let event_loop = Arc::new(event_loop);
    let _entered = Entered::enter(&event_loop);
    let waker = Waker::from(Arc::clone(&event_loop));
    let mut cx = Context::from_waker(&waker);
    // Dropped before the loop is closed.
    let mut future = pin!(future);
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        event_loop.woken.store(false, Ordering::SeqCst);
        if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
            return result;
        }
        event_loop.wait_until_woken(&mut events);
    }
}

/// Returns the loop whose future this thread polls, if there is one.
pub(super) fn current() -> Option<Arc<EventLoop>> {
    CURRENT.with_borrow(Option::clone)
}

#[expect(clippy::disallowed_methods, reason = "the clock of the system, which this is a part of")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The event loop of one call of [`block_on`].
#[derive(Debug)]
pub(super) struct EventLoop {
    epoll: OwnedFd,
    timer: OwnedFd,
    interrupt: OwnedFd,
    /// Whether the future is to be polled again.
    woken: AtomicBool,
    /// Whether the thread waits, or is about to, so that a waker has to interrupt it.
    waits: AtomicBool,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    sources: Vec<Source>,
    /// The indices of sources that are not in use.
    free: Vec<usize>,
    timers: BTreeMap<(Instant, u64), Waker>,
    last_timer: u64,
    /// When the kernel's timer expires. It may be too early, since it is not set to a later time.
    armed: Option<Instant>,
    /// The descriptors that are to be closed, with their keys, which are free only after that.
    discarded: Vec<(OwnedFd, usize)>,
    /// When the first of them was discarded.
    discarded_at: Option<Instant>,
    /// The number of descriptors that were dropped in this turn.
    dropped: usize,
    /// Whether the thread has left the loop, so that nothing waits for events any more.
    closed: bool,
}

/// A registered descriptor.
#[derive(Debug, Default)]
struct Source {
    /// Whether there was an event that was not taken.
    ready: bool,
    /// Whether the other end was closed, and that was not taken: it is seen after the remaining data.
    hung_up: bool,
    /// Whether the other end was closed and there was nothing left to read.
    at_end: bool,
    waker: WakerCell,
}

/// The events of a descriptor that a loop has reported and that were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reported {
    Nothing,
    /// There may be something to read.
    Event,
    /// There is nothing to read and never will be.
    End,
}

/// The loop of a registered descriptor has ended.
#[derive(Debug)]
pub(super) struct Closed;

impl EventLoop {
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let interrupt = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Neither is ever read: each expiration and each write is a new edge.
        for (fd, key) in [(&timer, TIMER), (&interrupt, INTERRUPT)] {
            epoll::add(&epoll, fd, EventData::new_u64(key), EventFlags::IN | EventFlags::ET)?;
        }
        let (woken, waits) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { epoll, timer, interrupt, woken, waits, state: Lock::default() })
    }

    /// Waits for events until one of them wakes the future, or another thread does. Events that have happened
    /// are handled in any case.
    fn wait_until_woken(&self, events: &mut Vec<Event>) {
        loop {
            // A waker that does not see this is seen by the next line.
            self.waits.store(true, Ordering::SeqCst);
            let is_woken = self.woken.load(Ordering::SeqCst);
            let is_due = self.arm_timer(is_woken);
            let has_discarded = self.close_what_is_overdue();
            let is_busy = is_woken || is_due || has_discarded;
            let timeout = is_busy.then_some(Timespec { tv_sec: 0, tv_nsec: 0 });
            events.clear();
            // An interrupted call has no events, and is repeated.
            let _ = epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref());
            begin_turn();
            self.waits.store(false, Ordering::SeqCst);
            if has_discarded && events.is_empty() && !is_woken && !is_due {
                self.close_discarded(CLOSED_AT_ONCE);
            }
            self.handle(events, is_due);
            if self.woken.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Makes sure that the kernel's timer expires no later than the first sleep ends, and not at all if there
    /// is none and the thread is going to wait. Returns whether a sleep has ended already.
    fn arm_timer(&self, is_woken: bool) -> bool {
        let mut state = self.state.lock();
        let Some((&(first, _), _)) = state.timers.first_key_value() else {
            if !is_woken && state.armed.take().is_some() {
                self.set_timer(Duration::ZERO);
            }
            return false;
        };
        if state.armed.is_some_and(|armed| armed <= first) {
            return false;
        }
        let after = first.saturating_duration_since(now());
        if after.is_zero() {
            return true;
        }
        if self.set_timer(after) {
            state.armed = Some(first);
        }
        false
    }

    /// Has the kernel's timer expire after this time; zero means never. Returns whether it will.
    fn set_timer(&self, after: Duration) -> bool {
        // More than the kernel can count is as good as never.
        let Ok(it_value) = Timespec::try_from(after) else { return false };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        // It cannot fail with a valid time.
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec).is_ok()
    }

    /// Wakes what waits for these events, and for the sleeps that have ended.
    fn handle(&self, events: &[Event], mut is_due: bool) {
        let mut wakers = Vec::new();
        let mut state = self.state.lock();
        state.dropped = 0;
        for event in events {
            match event.data.u64() {
                TIMER => {
                    state.armed = None;
                    is_due = true;
                }
                INTERRUPT => {}
                key => {
                    let flags = event.flags;
                    // A source that was removed meanwhile, or one that uses its key now, ignores the event.
                    if let Some(source) = usize::try_from(key).ok().and_then(|key| state.sources.get_mut(key))
                    {
                        source.ready = true;
                        source.hung_up |= flags.intersects(EventFlags::HUP | EventFlags::ERR);
                        source.at_end |= flags.contains(EventFlags::HUP) && !flags.contains(EventFlags::IN);
                        wakers.extend(source.waker.take());
                    }
                }
            }
        }
        if is_due {
            let later = state.timers.split_off(&(now() + Duration::from_nanos(1), 0));
            wakers.extend(mem::replace(&mut state.timers, later).into_values());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Closes some of the descriptors that were discarded, the last ones first.
    fn close_discarded(&self, most: usize) {
        let mut state = self.state.lock();
        let first = state.discarded.len().saturating_sub(most);
        let (closed, keys): (Vec<OwnedFd>, Vec<usize>) = state.discarded.split_off(first).into_iter().unzip();
        if first == 0 {
            state.discarded_at = None;
        }
        drop(state);
        // No event can have one of these keys any more.
        drop(closed);
        self.state.lock().free.extend(keys);
    }

    /// Closes the descriptors that were discarded a long time ago. Returns whether there are others.
    fn close_what_is_overdue(&self) -> bool {
        let Some(since) = self.state.lock().discarded_at else { return false };
        let is_overdue = now().saturating_duration_since(since) >= CLOSE_WITHIN;
        if is_overdue {
            self.close_discarded(usize::MAX);
        }
        !is_overdue
    }

    /// Registers `fd`, for events of reading.
    pub(super) fn register(self: &Arc<Self>, fd: OwnedFd) -> io::Result<Registration> {
        let mut state = self.state.lock();
        let key = state.free.pop().unwrap_or(state.sources.len());
        match epoll::add(&self.epoll, &fd, EventData::new_u64(key as u64), EventFlags::IN | EventFlags::ET) {
            Ok(()) => {
                if key == state.sources.len() {
                    state.sources.push(Source::default());
                } else {
                    state.sources[key] = Source::default();
                }
                Ok(Registration { event_loop: Arc::clone(self), key, fd: Some(fd) })
            }
            Err(errno) => {
                if key < state.sources.len() {
                    state.free.push(key);
                }
                Err(errno.into())
            }
        }
    }

    /// Ends the loop: what still waits for it is woken, to find that out.
    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let sources = state.sources.iter_mut().filter_map(|source| source.waker.take());
        let mut wakers: Vec<Waker> = sources.collect();
        wakers.extend(mem::take(&mut state.timers).into_values());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.close_discarded(usize::MAX);
    }
}

/// Closes the descriptors that wait for that in the loop of this thread. Returns whether there were any.
pub(in crate::sys) fn close_discarded() -> bool {
    let Some(event_loop) = current() else { return false };
    let has_discarded = !event_loop.state.lock().discarded.is_empty();
    event_loop.close_discarded(usize::MAX);
    has_discarded
}

impl Wake for EventLoop {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst) && self.waits.load(Ordering::SeqCst) {
            // It fails only if its counter is full, and then the thread is being interrupted.
            let _ = rustix::io::write(&self.interrupt, &1_u64.to_ne_bytes());
        }
    }
}

/// Makes a loop the current one of this thread. The drop closes it.
struct Entered<'a> {
    event_loop: &'a EventLoop,
    outer: Option<Arc<EventLoop>>,
}

impl<'a> Entered<'a> {
    fn enter(event_loop: &'a Arc<EventLoop>) -> Self {
        let outer = CURRENT.replace(Some(Arc::clone(event_loop)));
        Self { event_loop, outer }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.outer.is_none() {
            TURN.set(None);
        }
        CURRENT.set(self.outer.take());
        self.event_loop.close();
    }
}

/// A descriptor in a loop, which is removed by closing it.
#[derive(Debug)]
pub(super) struct Registration {
    event_loop: Arc<EventLoop>,
    key: usize,
    /// Taken by the drop.
    fd: Option<OwnedFd>,
}

impl Registration {
    /// Ready when there was an event since the last time that this was ready. Events that happen during a
    /// read that follows are not lost.
    pub(super) fn poll_event(&self, cx: &Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.event_loop.state.lock();
        if state.closed {
            return Poll::Ready(Err(Closed));
        }
        let source = &mut state.sources[self.key];
        if mem::take(&mut source.ready) || mem::take(&mut source.hung_up) {
            return Poll::Ready(Ok(()));
        }
        source.waker.register(cx.waker());
        Poll::Pending
    }

    /// Takes an event, before a read that needs none.
    pub(super) fn take_event(&self) -> Reported {
        let mut state = self.event_loop.state.lock();
        let source = &mut state.sources[self.key];
        let had_event = mem::take(&mut source.ready) || source.hung_up;
        match source.at_end {
            true => Reported::End,
            false if had_event => Reported::Event,
            false => Reported::Nothing,
        }
    }

    /// Returns the present turn if the loop is that of this thread: what was taken has happened before it.
    pub(super) fn turn(&self) -> Option<Turn> {
        turn().filter(|_| self.is_current())
    }

    /// Returns whether the loop is that of this thread.
    fn is_current(&self) -> bool {
        let is_ours = |current: &Arc<EventLoop>| Arc::ptr_eq(current, &self.event_loop);
        CURRENT.try_with(|current| current.borrow().as_ref().is_some_and(is_ours)).unwrap_or(false)
    }
}

impl AsFd for Registration {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("only the drop takes it").as_fd()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let is_current = self.is_current();
        let mut state = self.event_loop.state.lock();
        let source = mem::take(&mut state.sources[self.key]);
        state.dropped += 1;
        if is_current && !state.closed && state.dropped > CLOSED_AT_ONCE {
            state.discarded.extend(self.fd.take().map(|fd| (fd, self.key)));
            state.discarded_at.get_or_insert_with(now);
        }
        drop(state);
        // The waker is foreign code.
        drop(source);
        if self.fd.take().is_some() {
            self.event_loop.state.lock().free.push(self.key);
        }
    }
}
