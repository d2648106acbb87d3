//! Between the driver and the sinks: nothing that a sink does can hold the driver up (F-48, F-53).
//!
//! In a world with threads, sinks run on a thread of their own, which is started when there is first something for it
//! to do. In a virtual world, and when no thread can be had, everything happens at once on the driver's thread.
//!
//! Everything goes through one queue in one order: so an exit is told after the last line of its run (F-57).
//!
//! The driver says when it has done a round of its work ([`Relay::commit`]). Until then things are only collected: to
//! wake the thread, or to flush the sinks, for each of a thousand starts would cost more than the starts.

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread;

use super::Sink;
use super::outlet::{Outlet, Tell};
use super::queue::{Item, Next, Output, Queue, SCRATCH};
use crate::machine::{Name, Notice, RunId, Stream};
use crate::panic_guard::catch_and_log;

/// A read of this size is passed on in the buffer it was read into. A smaller one is copied: that is cheaper than to
/// keep a buffer waiting that is nearly empty.
const LARGE: usize = SCRATCH / 4;

/// The most items that are collected before they are committed.
const MOST_FRESH: usize = 64;

/// Takes what was read and what happened, and sees that it reaches the sinks.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Empty before the first read.
    scratch: Vec<u8>,
    /// The runs that have printed and have not ended: only their ends have anything to flush.
    open: HashSet<RunId>,
    /// What has come since the last commit, and how much memory it takes.
    fresh: Vec<Item>,
    fresh_cost: usize,
    /// Whether something was handed over at once since the last commit.
    unflushed: bool,
    way: Way,
    /// Whether a thread is wanted and was not tried to get yet.
    wants_thread: bool,
}

/// How things reach the sinks.
#[derive(Debug)]
enum Way {
    /// At once.
    Inline(Outlet),
    /// Through the thread.
    Queued(Arc<Queue>),
}

impl Relay {
    /// To these sinks, in this order; notices to `tell`. With `threads`, they are called on a thread of their own.
    pub(crate) fn new(sinks: Vec<Box<dyn Sink>>, tell: Tell, max_line: usize, threads: bool) -> Self {
        let way = Way::Inline(Outlet::new(sinks, tell, max_line));
        Self {
            scratch: Vec::new(),
            open: HashSet::new(),
            fresh: Vec::new(),
            fresh_cost: 0,
            unflushed: false,
            way,
            wants_thread: threads,
        }
    }

    /// Ready when there is room for more output: when less than 1 MiB waits for the sinks. Ask before every read.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.way {
            Way::Inline(_) => Poll::Ready(()),
            Way::Queued(queue) => queue.poll_room(self.fresh_cost, cx),
        }
    }

    /// The buffer to read into.
    pub(crate) fn scratch(&mut self) -> &mut [u8] {
        if self.scratch.is_empty() {
            self.scratch = vec![0; SCRATCH];
        }
        &mut self.scratch
    }

    /// The first `len` bytes of [`scratch`](Self::scratch) are what `run` wrote to `stream`.
    pub(crate) fn push(&mut self, run: RunId, name: &Name, stream: Stream, len: usize) {
        if len == 0 {
            return;
        }
        self.start();
        self.open.insert(run);
        match &mut self.way {
            Way::Inline(outlet) => {
                outlet.data(run, name, stream, &self.scratch[..len]);
                self.unflushed = true;
            }
            Way::Queued(queue) => {
                let buffer = if len < LARGE {
                    self.scratch[..len].to_vec()
                } else {
                    let fresh = queue.spare().unwrap_or_else(|| vec![0; SCRATCH]);
                    mem::replace(&mut self.scratch, fresh)
                };
                self.collect(Item::Output(Output { run, name: name.clone(), stream, buffer, len }));
            }
        }
    }

    /// Nothing more will come from `run`: its partial lines are handed over (LP-4).
    pub(crate) fn end(&mut self, run: RunId) {
        if !self.open.remove(&run) {
            return;
        }
        match &mut self.way {
            Way::Inline(outlet) => {
                outlet.end(run);
                self.unflushed = true;
            }
            Way::Queued(_) => self.collect(Item::End(run)),
        }
    }

    /// Tells this, after everything pushed before. There is always room for it; but of more than 4096 that wait, the
    /// oldest is dropped.
    pub(crate) fn tell(&mut self, notice: Notice) {
        self.start();
        match &mut self.way {
            Way::Inline(outlet) => outlet.notice(notice),
            Way::Queued(_) => self.collect(Item::Notice(notice)),
        }
    }

    /// A round is done: what was collected goes to the sinks.
    pub(crate) fn commit(&mut self) {
        match &mut self.way {
            Way::Inline(outlet) => {
                if mem::take(&mut self.unflushed) {
                    outlet.flush();
                }
            }
            Way::Queued(queue) => {
                self.fresh_cost = 0;
                if !self.fresh.is_empty() {
                    queue.push(self.fresh.drain(..));
                }
            }
        }
    }

    fn collect(&mut self, item: Item) {
        self.fresh_cost += item.cost();
        self.fresh.push(item);
        // A round can be long, with a thousand starts in it; the first of them should not be told with the last.
        if self.fresh.len() >= MOST_FRESH {
            self.commit();
        }
    }

    /// Ready when everything committed so far has been handed over and flushed.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.way {
            Way::Inline(_) => Poll::Ready(()),
            Way::Queued(queue) => queue.poll_idle(cx),
        }
    }

    /// Starts the thread, at the first time only. The outlet moves over when the thread is there, so that it is not
    /// lost when there is none to be had.
    fn start(&mut self) {
        if !mem::take(&mut self.wants_thread) {
            return;
        }
        let queue = Arc::new(Queue::default());
        let (sender, outlet) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("childminder-output".to_owned()).spawn({
            let end = Abandon(Arc::clone(&queue));
            move || {
                if let Ok(outlet) = outlet.recv() {
                    hand_over(&end.0, outlet);
                }
            }
        });
        match thread {
            Ok(_) => {
                if let Way::Inline(outlet) = mem::replace(&mut self.way, Way::Queued(queue)) {
                    sender.send(outlet).expect("the thread waits for it");
                }
            }
            Err(error) => {
                catch_and_log("the logger", || {
                    log::warn!("no thread for output, so a slow sink will hold everything up: {error}");
                });
            }
        }
    }
}

impl Drop for Relay {
    /// The thread finishes what is queued, and ends. It is not waited for: it may be stuck in a sink.
    fn drop(&mut self) {
        self.commit();
        match &self.way {
            Way::Inline(_) => {}
            Way::Queued(queue) => queue.close(),
        }
    }
}

/// The output thread.
fn hand_over(queue: &Queue, mut outlet: Outlet) {
    let mut done = None;
    while let Some(next) = queue.next(done.take()) {
        match next {
            Next::Item(Item::Output(output)) => {
                outlet.data(output.run, &output.name, output.stream, &output.buffer[..output.len]);
                done = Some(output);
            }
            Next::Item(Item::End(run)) => outlet.end(run),
            Next::Item(Item::Notice(notice)) => outlet.notice(notice),
            Next::Dropped(count) => outlet.dropped(count),
            Next::Flush => outlet.flush(),
        }
    }
}

/// Closes the queue for good when the output thread ends, however it ends.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests;
