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
    notifications: Lock<Notifications>,
    /// Whether notifications are read after the verdict as well, by [`Self::poll_watchdog`].
    has_watchdog: bool,
}

/// The notification channels, and what has arrived too early.
struct Notifications {
    handles: Vec<NotifyHandle>,
    /// A signal for the watchdog from before the verdict that matters after it: another interval, or the wish
    /// to be restarted.
    early: Option<WatchdogSignal>,
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
            notifications: Lock::new(Notifications { handles: notifications, early: None }),
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
        let mut notifications = self.notifications.lock();
        let Notifications { handles, early } = &mut *notifications;
        for handle in handles {
            for notification in handle.poll(cx, is_member) {
                let event = match notification {
                    Notification::Ready => LeafEvent::Met,
                    Notification::Remark(remark) => LeafEvent::Remark(remark),
                    Notification::Watchdog(signal) => {
                        if signal != WatchdogSignal::Alive && *early != Some(WatchdogSignal::Trigger) {
                            *early = Some(signal);
                        }
                        continue;
                    }
                };
                events.extend(handle.leaves().iter().map(|leaf| (*leaf, event.clone())));
            }
        }
        events
    }

    /// Returns the notifications for the watchdog that have arrived, those from before the verdict first, or
    /// registers the waker. Without a watchdog there are none.
    pub(super) fn poll_watchdog(
        &self,
        cx: &mut Context<'_>,
        is_member: &dyn Fn(u32) -> bool,
    ) -> Vec<WatchdogSignal> {
        if !self.has_watchdog {
            return Vec::new();
        }
        let mut notifications = self.notifications.lock();
        let Notifications { handles, early } = &mut *notifications;
        let arrived = handles.iter_mut().flat_map(|handle| handle.poll(cx, is_member));
        let signals = arrived.filter_map(|notification| match notification {
            Notification::Watchdog(signal) => Some(signal),
            Notification::Ready | Notification::Remark(_) => None,
        });
        early.take().into_iter().chain(signals).collect()
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
        let has_notifications = !self.has_watchdog && !self.notifications.lock().handles.is_empty();
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
        self.notifications.lock().handles.clear();
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::*;
    use crate::host::Spec;
    use crate::ready::Condition;
    use crate::ready::notify::open_channels;

    #[test]
    fn f_204_what_a_program_sends_to_its_watchdog_before_it_is_ready_counts_afterwards() {
        let condition = FlatCondition::new(&Condition::sd_notify());
        let mut cx = Context::from_waker(Waker::noop());
        let mut signals = |datagrams: &[&str]| {
            let timeout = Some(Duration::from_secs(1));
            let (spec, handles) = open_channels(&condition, timeout, Spec::new("x")).expect("a socket");
            let (_, path) = spec.get_envs().find(|(name, _)| *name == "NOTIFY_SOCKET").expect("its path");
            let session = Session::of(&condition, None, handles, true);
            let theirs = UnixDatagram::unbound().expect("a socket");
            for datagram in datagrams {
                theirs.send_to(datagram.as_bytes(), path.expect("a value")).expect("it is read");
            }
            let events = session.poll_notifications(&mut cx, &|_| true);
            assert!(matches!(events[..], [(0, LeafEvent::Met)]), "{events:?}");
            let signals = session.poll_watchdog(&mut cx, &|_| true);
            assert_eq!(session.poll_watchdog(&mut cx, &|_| true), [], "each one counts once");
            signals
        };
        let minute = WatchdogSignal::Timeout(Duration::from_secs(60));
        assert_eq!(signals(&["WATCHDOG=1\nREADY=1"]), [], "the time begins with the readiness");
        assert_eq!(signals(&["WATCHDOG_USEC=7\nWATCHDOG_USEC=60000000\nREADY=1\nWATCHDOG=1"]), [minute]);
        assert_eq!(
            signals(&["WATCHDOG=trigger", "WATCHDOG_USEC=60000000", "READY=1"]),
            [WatchdogSignal::Trigger]
        );
    }
}
