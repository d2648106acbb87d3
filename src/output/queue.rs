//! The queue between the driver, which reads output, and the thread that delivers it.
//!
//! The driver never waits for the queue: it asks whether there is room, and is woken when there is. Output
//! counts against a limit in bytes until the sinks have processed it. Notices do not, because an exit must
//! not wait for room; they are limited in number, and the oldest one is dropped first.
//!
//! There is one order for everything. Only when the sinks are blocked do notices leave the queue ahead of the
//! output before them, in their own order ([`Queue::overtake`]).

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::machine::{Name, Notice, RunId, Stream};
use crate::sync::{self, Lock};

/// The size of the read buffer, which all streams share. What was read is processed soon and should still be
/// in the cache of a core: with 256 KiB it is not, and a line costs half as much again.
pub(super) const SCRATCH: usize = 64 * 1024;
/// The driver stops reading when this much is queued, in bytes of memory.
pub(super) const LIMIT: usize = 1024 * 1024;
/// The driver resumes reading at this level, so that it reads in large pieces.
const ROOM: usize = LIMIT / 2;
/// The maximum number of queued notices.
pub(super) const MOST_NOTICES: usize = 4096;
/// The maximum number of buffers that are kept for reuse.
const MOST_SPARE: usize = 8;
/// The maximum time that a notice waits for the output before it.
pub(super) const NOTICE_PATIENCE: Duration = Duration::from_millis(500);

/// One thing to deliver.
#[derive(Debug)]
pub(super) enum Item {
    /// Output that was read.
    Output(Output),
    /// The stream has paused: show its unfinished line.
    Partial(RunId, Stream),
    /// The run has ended: deliver its unfinished lines and forget it.
    End(RunId),
    /// A notice to publish.
    Notice(Notice),
}

/// Output of `run`: the first `len` bytes of `buffer`.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) run: RunId,
    pub(super) name: Name,
    pub(super) stream: Stream,
    pub(super) buffer: Vec<u8>,
    pub(super) len: usize,
}

impl Item {
    /// Returns what the item counts against the limit.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Output(output) => output.cost(),
            Self::Partial(..) | Self::End(_) | Self::Notice(_) => 0,
        }
    }
}

impl Output {
    /// Returns the memory in use, which is more than the bytes that were read.
    fn cost(&self) -> usize {
        self.buffer.capacity() + 2 * size_of::<Item>()
    }
}

/// The next task of the output thread.
#[derive(Debug)]
pub(super) enum Task {
    Deliver(Item),
    /// Log that this many notices were dropped.
    ReportDropped(u64),
    /// Log that the sinks accept output again.
    ReportResumed,
    /// Flush the sinks: nothing is waiting.
    Flush,
}

/// The next task of the notice thread.
#[derive(Debug)]
pub(super) enum Urgent {
    /// Log that the sinks are blocked, with this many bytes of output waiting.
    ReportBlocked(usize),
    Publish(Notice),
}

/// The queue, shared by the driver and the threads that deliver.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Lock<State>,
    /// Notified when there is something to do for a delivering thread.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// The notices that do not wait for output any longer. They precede all notices in `items`.
    overtaking: VecDeque<Notice>,
    /// The cost of all output that is queued or being processed by the sinks.
    cost: usize,
    /// The bytes of that output.
    bytes: usize,
    /// The number of notices in `items`.
    notices: usize,
    /// The number of notices dropped since that was last reported.
    dropped: u64,
    spare: Vec<Vec<u8>>,
    /// Whether something was delivered since the last flush.
    unflushed: bool,
    /// Whether anything is queued, being processed, or unflushed.
    busy: bool,
    /// Whether a thread is publishing a notice, so that the other one has to wait.
    publishing: bool,
    blocked: Blocked,
    /// Whether a notice thread is running, or about to be started.
    helped: bool,
    /// Whether the driver is gone: finish, then end.
    closed: bool,
    /// Whether the output thread is gone, so that nothing more will be delivered.
    abandoned: bool,
    waits_for_room: Option<Waker>,
    waits_for_idle: Option<Waker>,
}

/// Whether the sinks are blocked, as far as notices have noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Blocked {
    #[default]
    No,
    /// The notice thread has not reported it yet.
    Unreported,
    Reported,
}

/// The driver's side.
impl Queue {
    pub(super) fn push(&self, items: impl Iterator<Item = Item>) {
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        for item in items {
            state.cost += item.cost();
            match &item {
                Item::Output(output) => state.bytes += output.len,
                // Each of these follows an output of its run, so that limit applies to them as well.
                Item::Partial(..) | Item::End(_) => {}
                Item::Notice(_) => state.make_room_for_notice(),
            }
            state.items.push_back(item);
        }
        state.busy = true;
        drop(state);
        self.changed.notify_all();
    }

    /// Returns whether nothing is queued, being processed or unflushed, so that another thread may call the
    /// sinks.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        !state.busy && !state.abandoned
    }

    /// Has the thread flush the sinks, because the driver could not without blocking.
    pub(super) fn request_flush(&self) {
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        (state.unflushed, state.busy) = (true, true);
        drop(state);
        self.changed.notify_all();
    }

    /// Returns a buffer that the sinks have processed.
    pub(super) fn spare(&self) -> Option<Vec<u8>> {
        self.lock().spare.pop()
    }

    /// Ready when there is room, given that `more` is about to be pushed.
    pub(super) fn poll_room(&self, more: usize, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.cost + more < LIMIT {
            return Poll::Ready(());
        }
        state.waits_for_room = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.busy {
            return Poll::Ready(());
        }
        state.waits_for_idle = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Returns when the oldest waiting notice stops waiting for the output before it.
    pub(super) fn notice_deadline(&self) -> Option<Instant> {
        let state = self.lock();
        if state.notices == 0 {
            return None;
        }
        let mut notices = state.items.iter().filter_map(|item| match item {
            Item::Notice(notice) => Some(notice.at + NOTICE_PATIENCE),
            Item::Output(_) | Item::Partial(..) | Item::End(_) => None,
        });
        notices.next()
    }

    /// Lets all notices that have waited too long overtake the output before them. Returns whether a notice
    /// thread has to be started for them.
    pub(super) fn overtake(&self, now: Instant) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let is_due = |item: &Item| matches!(item, Item::Notice(notice) if notice.at + NOTICE_PATIENCE <= now);
        let before = state.overtaking.len();
        for index in (0..state.items.len()).rev() {
            if is_due(&state.items[index])
                && let Some(Item::Notice(notice)) = state.items.remove(index)
            {
                state.overtaking.insert(before, notice);
                state.notices -= 1;
            }
        }
        if state.overtaking.len() == before {
            return false;
        }
        if state.blocked == Blocked::No {
            state.blocked = Blocked::Unreported;
        }
        let start = !mem::replace(&mut state.helped, true);
        drop(guard);
        self.changed.notify_all();
        start
    }

    /// Reports that no notice thread could be started: the notices wait for the output again.
    pub(super) fn wait_again(&self) {
        let mut state = self.lock();
        while let Some(notice) = state.overtaking.pop_back() {
            state.items.push_front(Item::Notice(notice));
            state.notices += 1;
        }
        (state.helped, state.blocked) = (false, Blocked::No);
        drop(state);
        self.changed.notify_all();
    }

    /// Returns how many bytes of output have not been processed by the sinks.
    pub(super) fn undelivered(&self) -> usize {
        self.lock().bytes
    }

    /// Announces that nothing more will be pushed.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// The side of the threads that deliver.
impl Queue {
    /// Waits for the next task of the output thread; `done` is the output that it delivered last. Returns
    /// `None` when everything is delivered and the driver is gone.
    pub(super) fn next(&self, done: Option<Output>) -> Option<Task> {
        let mut state = self.lock();
        if let Some(waker) = done.and_then(|output| state.settle(output)) {
            drop(state);
            waker.wake();
            state = self.lock();
        }
        loop {
            // Notices in the queue come after those that overtake it.
            let waits = state.publishing || !state.overtaking.is_empty();
            if state.blocked == Blocked::Reported && state.overtaking.is_empty() {
                state.blocked = Blocked::No;
                return Some(Task::ReportResumed);
            }
            if state.dropped > 0 {
                return Some(Task::ReportDropped(mem::take(&mut state.dropped)));
            }
            match state.items.front() {
                Some(Item::Notice(_)) if waits => {
                    state = self.wait(state);
                    continue;
                }
                Some(Item::Notice(_)) => {
                    state.notices -= 1;
                    state.publishing = true;
                }
                Some(Item::Output(_) | Item::Partial(..) | Item::End(_)) | None => {}
            }
            if let Some(item) = state.items.pop_front() {
                state.unflushed = true;
                return Some(Task::Deliver(item));
            }
            if mem::take(&mut state.unflushed) {
                return Some(Task::Flush);
            }
            if waits {
                state = self.wait(state);
                continue;
            }
            state.busy = false;
            if let Some(waker) = state.waits_for_idle.take() {
                drop(state);
                waker.wake();
                state = self.lock();
            } else if state.closed {
                return None;
            } else {
                state = self.wait(state);
            }
        }
    }

    /// Waits for the next task of the notice thread. Returns `None` when the sinks are no longer blocked, or
    /// the driver is gone.
    pub(super) fn next_urgent(&self) -> Option<Urgent> {
        let mut state = self.lock();
        loop {
            if !state.publishing && state.blocked == Blocked::Unreported {
                state.blocked = Blocked::Reported;
                return Some(Urgent::ReportBlocked(state.bytes));
            }
            if !state.publishing
                && let Some(notice) = state.overtaking.pop_front()
            {
                state.publishing = true;
                return Some(Urgent::Publish(notice));
            }
            if state.overtaking.is_empty() && (state.closed || state.blocked == Blocked::No) {
                state.helped = false;
                return None;
            }
            state = self.wait(state);
        }
    }

    /// Reports that a notice was published.
    pub(super) fn published(&self) {
        self.lock().publishing = false;
        self.changed.notify_all();
    }

    /// Ends the queue with its output thread, and wakes the driver. Usually everything is delivered by then;
    /// if not, it is discarded.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        let items = (mem::take(&mut state.items), mem::take(&mut state.overtaking));
        (state.cost, state.bytes, state.notices) = (0, 0, 0);
        (state.busy, state.publishing, state.abandoned, state.closed) = (false, false, true, true);
        let wakers = [state.waits_for_room.take(), state.waits_for_idle.take()];
        drop(state);
        drop(items);
        self.changed.notify_all();
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Returns the memory of the output that is queued or being processed.
    #[cfg(test)]
    pub(super) fn cost(&self) -> usize {
        self.lock().cost
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        sync::wait(&self.changed, state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn make_room_for_notice(&mut self) {
        if self.notices < MOST_NOTICES {
            self.notices += 1;
            return;
        }
        let oldest = self.items.iter().position(|item| matches!(item, Item::Notice(_)));
        self.items.remove(oldest.expect("the queue contains this many notices"));
        self.dropped += 1;
    }

    /// Releases output that the sinks have processed. Returns the driver's waker if it waits for room and
    /// there is.
    fn settle(&mut self, output: Output) -> Option<Waker> {
        self.cost -= output.cost();
        self.bytes -= output.len;
        if output.buffer.len() == SCRATCH && self.spare.len() < MOST_SPARE {
            self.spare.push(output.buffer);
        }
        self.waits_for_room.take_if(|_| self.cost <= ROOM)
    }
}
