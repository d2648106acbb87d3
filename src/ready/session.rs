//! The link between an observed process and the future that waits until it is ready.
//!
//! The process belongs to the driver of a monitor, which usually runs on another thread. The session queues
//! what the driver observes, searches the output, and gives the future access to the process.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::Instant;

use super::condition::Leaf;
use super::gate::{Event, FlatCondition};
use super::leaf::LeafEvent;
use super::notify::{Notification, NotifyHandle, WatchdogSignal};
use crate::host::tap::{Observer, ProcessSlot};
use crate::machine::{Exit, Signal, SpawnError, Stream};
use crate::search::{MatchCount, MessageExtractor, ParallelSearch};
use crate::sync::{Lock, WakerCell};

/// One observed start.
pub(super) struct Session {
    /// Whether there is no verdict yet. The reader of the output checks this first, and afterwards nothing
    /// else.
    is_open: AtomicBool,
    events: Lock<Events>,
    /// The line feeds that were read from each stream before the verdict.
    lines: [AtomicU64; 2],
    /// The process, once it was started.
    process: OnceLock<Arc<ProcessSlot>>,
    /// The channels through which the process notifies. They stay open until the process is gone: a daemon
    /// may regard a failing notification as fatal, also after it is ready.
    notifications: Lock<Vec<NotifyHandle>>,
    /// Whether notifications are read after the verdict as well, by [`Self::poll_watchdog`].
    has_watchdog: bool,
}

/// The events that the future has not read.
struct Events {
    search: ParallelSearch,
    queue: VecDeque<(Event, Instant)>,
    waiter: WakerCell,
    /// The start, until it is published.
    start: Option<(u32, Instant)>,
}

impl Session {
    /// Creates a session for the next start of a process that is to meet `condition`.
    pub(super) fn of(
        condition: &FlatCondition,
        message: MessageExtractor,
        notifications: Vec<NotifyHandle>,
        has_watchdog: bool,
    ) -> Arc<Self> {
        let outputs = condition.leaves().filter_map(|(number, leaf)| match leaf {
            Leaf::Output(wanted) => Some((number, wanted)),
            Leaf::Uptime(_) | Leaf::Probe { .. } | Leaf::Command(_) | Leaf::Notify(_) | Leaf::SdNotify => {
                None
            }
        });
        let search = ParallelSearch::new(outputs, message);
        let events = Events { search, queue: VecDeque::new(), waiter: WakerCell::default(), start: None };
        Arc::new(Self {
            is_open: AtomicBool::new(true),
            events: Lock::new(events),
            lines: Default::default(),
            process: OnceLock::new(),
            notifications: Lock::new(notifications),
            has_watchdog,
        })
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Queues an event, unless there is a verdict.
    fn publish(&self, event: Event, at: Instant) {
        if self.is_open() {
            self.update(|events| events.queue.push_back((event, at)));
        }
    }

    /// Changes the events, and wakes the future if there are any.
    fn update(&self, change: impl FnOnce(&mut Events)) {
        let mut events = self.events.lock();
        change(&mut events);
        let waiter = if events.queue.is_empty() { None } else { events.waiter.take() };
        drop(events);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// Methods for the future.
impl Session {
    /// Returns the next event, or registers the waker.
    pub(super) fn poll_event(&self, waker: &Waker) -> Option<(Event, Instant)> {
        let mut events = self.events.lock();
        let next = events.queue.pop_front();
        if next.is_none() {
            events.waiter.register(waker);
        }
        next
    }

    /// Returns the notifications that have arrived, each with the leaves that wait for it, or registers the
    /// waker. `is_member` returns whether a process belongs to the run.
    pub(super) fn poll_notifications(
        &self,
        cx: &mut Context<'_>,
        is_member: &dyn Fn(u32) -> bool,
    ) -> Vec<(usize, LeafEvent)> {
        let mut events = Vec::new();
        for handle in self.notifications.lock().iter_mut() {
            let arrived =
                handle.poll(cx, is_member).into_iter().filter_map(|notification| match notification {
                    Notification::Ready => Some(LeafEvent::Met),
                    Notification::Remark(remark) => Some(LeafEvent::Remark(remark)),
                    Notification::Watchdog(_) => None,
                });
            for event in arrived {
                events.extend(handle.leaves().iter().map(|leaf| (*leaf, event.clone())));
            }
        }
        events
    }

    /// Returns the notifications for the watchdog that have arrived, or registers the waker. Without a
    /// watchdog there are none.
    pub(super) fn poll_watchdog(
        &self,
        cx: &mut Context<'_>,
        is_member: &dyn Fn(u32) -> bool,
    ) -> Vec<WatchdogSignal> {
        if !self.has_watchdog {
            return Vec::new();
        }
        let mut notifications = self.notifications.lock();
        let arrived = notifications.iter_mut().flat_map(|handle| handle.poll(cx, is_member));
        arrived
            .filter_map(|notification| match notification {
                Notification::Watchdog(signal) => Some(signal),
                Notification::Ready | Notification::Remark(_) => None,
            })
            .collect()
    }

    /// Returns whether the process is alive, even if its death was not reported yet.
    pub(super) fn check_alive(&self) -> Event {
        let exit = self.process.get().map_or(Some(Exit::Lost), |process| process.try_exit());
        exit.map_or(Event::Alive, Event::Exited)
    }

    /// Returns the number of line feeds that were read before the verdict, from each stream.
    pub(super) fn lines(&self) -> [u64; 2] {
        self.lines.each_ref().map(|lines| lines.load(Ordering::Relaxed))
    }

    /// Returns the process, once it was started.
    pub(super) fn process(&self) -> Option<Arc<ProcessSlot>> {
        self.process.get().cloned()
    }

    /// Ends the observation. From now on the driver of the process discards the notifications.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::Relaxed);
        let mut events = self.events.lock();
        events.search = ParallelSearch::default();
        events.queue = VecDeque::new();
        events.waiter = WakerCell::default();
        drop(events);
        let has_notifications = !self.has_watchdog && !self.notifications.lock().is_empty();
        if let Some(process) = self.process.get().filter(|_| has_notifications) {
            process.wake_driver();
        }
    }
}

impl Observer for Session {
    fn started(&self, pid: u32, slot: &Arc<ProcessSlot>, at: Instant) {
        let _ = self.process.set(slot.clone());
        self.events.lock().start = Some((pid, at));
    }

    /// Publishes the start. Published earlier, the process could be ready before the monitor has recorded its
    /// start.
    fn first_poll(&self) {
        let start = self.events.lock().start.take();
        if let Some((pid, at)) = start {
            self.publish(Event::Started(pid), at);
        }
    }

    /// Discards notifications after the verdict, so that their sender is not blocked by a full queue.
    fn poll(&self, cx: &mut Context<'_>) {
        if !self.is_open() && !self.has_watchdog {
            self.poll_notifications(cx, &|_| true);
        }
    }

    fn start_failed(&self, error: &SpawnError, at: Instant) {
        self.publish(Event::SpawnFailed(error.clone()), at);
    }

    /// Searches the output at once, on the thread that reads it: nothing else lies between a read and the
    /// verdict.
    fn read(&self, stream: Stream, bytes: &[u8], at: Instant) {
        if !self.is_open() {
            return;
        }
        let lines = memchr::memchr_iter(b'\n', bytes).count();
        let index = usize::from(stream == Stream::Stderr);
        self.lines[index].fetch_add(lines as u64, Ordering::Relaxed);
        self.update(|Events { search, queue, .. }| {
            let counts = search.feed(stream, bytes).into_iter();
            queue.extend(
                counts.map(|MatchCount { id, count }| (Event::Leaf(id, LeafEvent::Matched(count)), at)),
            );
            // One such event is enough, and the end of a stream is no output.
            if !bytes.is_empty() && !matches!(queue.back(), Some((Event::Printed, _))) {
                queue.push_back((Event::Printed, at));
            }
        });
    }

    fn signalled(&self, _: Signal, _: Instant) {}

    fn exited(&self, exit: Exit, at: Instant) {
        self.publish(Event::Exited(exit), at);
    }

    fn dropped(&self, at: Instant) {
        self.notifications.lock().clear();
        self.publish(Event::Exited(Exit::Lost), at);
    }

    fn abandoned(&self, at: Instant) {
        self.publish(Event::Abandoned, at);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}
