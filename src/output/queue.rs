//! The queue between the driver, which reads, and the output thread, which hands over.
//!
//! The driver never waits for it: it asks whether there is room, and reads on when it is woken. Output counts against
//! a limit in bytes until its sinks are done with it. Notices do not, for an exit must not wait for room; they are
//! bounded by number, and the oldest goes first.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::machine::{Name, Notice, RunId, Stream};

/// The size of the read buffer. There is one; whoever is readable borrows it. What is read is soon looked at, so it
/// should still be in the cache of a core by then: of 256 KiB it is not, and a line costs half as much again.
pub(super) const SCRATCH: usize = 64 * 1024;
/// There is room for more output while less than this is queued, in bytes of memory.
pub(super) const LIMIT: usize = 1024 * 1024;
/// When the limit was reached, the driver is woken at this: so it reads in bursts, not byte by byte.
const ROOM: usize = LIMIT / 2;
/// The most notices that wait.
pub(super) const MOST_NOTICES: usize = 4096;
/// The most buffers that are kept for later.
const MOST_SPARE: usize = 8;

/// One thing to hand over.
#[derive(Debug)]
pub(super) enum Item {
    /// Something was read.
    Output(Output),
    /// The run has ended: flush it and forget it.
    End(RunId),
    /// Tell this.
    Notice(Notice),
}

/// The first `len` bytes of `buffer` are what `run` wrote to `stream`.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) run: RunId,
    pub(super) name: Name,
    pub(super) stream: Stream,
    pub(super) buffer: Vec<u8>,
    pub(super) len: usize,
}

impl Item {
    /// What it counts against the limit.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Output(output) => output.cost(),
            Self::End(_) | Self::Notice(_) => 0,
        }
    }
}

impl Output {
    /// The memory it takes, which is more than the bytes that were read.
    fn cost(&self) -> usize {
        self.buffer.capacity() + 2 * size_of::<Item>()
    }
}

/// What the output thread does next.
#[derive(Debug)]
pub(super) enum Next {
    Item(Item),
    /// Say that so many notices are missing here.
    Dropped(u64),
    /// Nothing waits: flush the sinks.
    Flush,
}

/// Shared by the two.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// The output thread waits here for something to do.
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// The cost of all output that is queued or in a sink's hands.
    cost: usize,
    /// How many of the items are notices.
    notices: usize,
    /// How many notices were dropped since that was last told.
    dropped: u64,
    spare: Vec<Vec<u8>>,
    /// Whether something was handed over since the last flush.
    unflushed: bool,
    /// Whether anything is queued, in hand or unflushed.
    busy: bool,
    /// Whether the driver is gone: finish, then end.
    closed: bool,
    /// Whether the output thread is gone: nothing will ever be handed over.
    abandoned: bool,
    waits_for_room: Option<Waker>,
    waits_for_idle: Option<Waker>,
}

impl Queue {
    // ---- the driver's side ----

    pub(super) fn push(&self, items: impl Iterator<Item = Item>) {
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        for item in items {
            state.cost += item.cost();
            match &item {
                // Only a run with output has an end, so their number is bounded by that of the outputs.
                Item::Output(_) | Item::End(_) => {}
                Item::Notice(_) => state.make_room_for_notice(),
            }
            state.items.push_back(item);
        }
        state.busy = true;
        drop(state);
        self.more.notify_one();
    }

    /// A buffer that the sinks are done with.
    pub(super) fn spare(&self) -> Option<Vec<u8>> {
        self.lock().spare.pop()
    }

    /// Whether there is room, if `more` is on its way already.
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

    /// No more will be pushed.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    // ---- the output thread's side ----

    /// Waits for the next thing to do; `done` is the output that was handed over last. `None`: all is done, and the
    /// driver is gone.
    pub(super) fn next(&self, done: Option<Output>) -> Option<Next> {
        let mut state = self.lock();
        if let Some(waker) = done.and_then(|output| state.settle(output)) {
            drop(state);
            waker.wake();
            state = self.lock();
        }
        loop {
            if state.dropped > 0 {
                return Some(Next::Dropped(mem::take(&mut state.dropped)));
            }
            if let Some(item) = state.items.pop_front() {
                state.notices -= usize::from(matches!(item, Item::Notice(_)));
                state.unflushed = true;
                return Some(Next::Item(item));
            }
            if mem::take(&mut state.unflushed) {
                return Some(Next::Flush);
            }
            state.busy = false;
            if let Some(waker) = state.waits_for_idle.take() {
                drop(state);
                waker.wake();
                state = self.lock();
            } else if state.closed {
                return None;
            } else {
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The output thread ends and leaves nobody waiting. Usually all is done by then; otherwise what waits is lost.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        let items = mem::take(&mut state.items);
        (state.cost, state.notices, state.busy, state.abandoned) = (0, 0, false, true);
        let wakers = [state.waits_for_room.take(), state.waits_for_idle.take()];
        drop(state);
        drop(items);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// What is queued or in a sink's hands, in bytes of memory.
    #[cfg(test)]
    pub(super) fn cost(&self) -> usize {
        self.lock().cost
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No sink runs with the lock, and nobody is woken. So only a bug of ours could poison it, in the output thread;
        // that one is then abandoned, and supervision goes on without output.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_room_for_notice(&mut self) {
        if self.notices < MOST_NOTICES {
            self.notices += 1;
            return;
        }
        let oldest = self.items.iter().position(|item| matches!(item, Item::Notice(_)));
        self.items.remove(oldest.expect("so many notices are in the queue"));
        self.dropped += 1;
    }

    /// The sinks are done with this output. Returns whom to wake for it.
    fn settle(&mut self, output: Output) -> Option<Waker> {
        self.cost -= output.cost();
        if output.buffer.len() == SCRATCH && self.spare.len() < MOST_SPARE {
            self.spare.push(output.buffer);
        }
        self.waits_for_room.take_if(|_| self.cost <= ROOM)
    }
}
