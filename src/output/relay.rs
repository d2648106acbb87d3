//! Passes output and notices from the driver to the sinks, so that no sink can hold up the driver.
//!
//! In a world with threads there are two ways. Lines go to the sinks *directly*, on the driver's thread, if
//! nothing is queued and every sink has [room](Sink::room) for them, so that it will not block: a line on an
//! idle system then wakes one thread. Everything else goes through a *queue* to a thread of its own, which is
//! started when it is first needed. In a virtual world, and when no thread can be created, everything is
//! delivered at once on the driver's thread.
//!
//! Output and notices share one queue, so that a notice is published after the output of its run that
//! precedes it. If the sinks are blocked, a notice waits for that output for half a second at most. After
//! that a second thread publishes the notices, in their order and ahead of the output; a warning says so,
//! with the amount of output that waits. A notice that is not logged may be published directly as well: then
//! no foreign code is called but the wakers of subscribers.
//!
//! The driver calls [`Relay::commit`] at the end of a round of its work. Until then items are only collected:
//! waking the thread, or flushing the sinks, for each of a thousand starts would cost more than the starts.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::outlet::{LineFormat, NoticeCallback, Outlet, Publisher};
use super::queue::{Item, Output, SCRATCH};
use super::sink::Sink;
use super::thread::{OutputThread, Shared, start_notice_thread, warn};
use crate::machine::{Name, Notice, RunId, RunSet, Stream};
use crate::panic_guard::catch_and_log;

/// The silence in the middle of a line after which the unfinished line is shown.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// A read of this size is passed on in the buffer it was read into. A smaller one is copied, because that
/// costs less than to keep a nearly empty buffer in the queue.
const LARGE: usize = SCRATCH / 4;

/// The maximum number of items that are collected before they are committed.
const MOST_FRESH: usize = 64;

/// The most bytes that are delivered directly, as they are shown: what a pipe takes at once or not at all.
const MOST_DIRECT: usize = 4096;

/// Passes output and notices on to the sinks.
#[derive(Debug)]
pub(crate) struct Relay {
    /// The read buffer; empty before the first read.
    scratch: Vec<u8>,
    /// The runs that have written something and have not ended. The end of any other run needs no flush.
    open: RunSet,
    /// The items collected since the last commit, and their memory.
    fresh: Vec<Item>,
    fresh_cost: usize,
    /// Whether something was delivered on this thread since the last commit.
    unflushed: bool,
    pauses: Pauses,
    delivery: Delivery,
    /// Whether a notice calls no logger.
    is_silent: fn(&Notice) -> bool,
}

/// The way of items to the sinks.
#[derive(Debug)]
enum Delivery {
    /// At once, on the driver's thread.
    Inline(Outlet, Publisher),
    /// Directly if possible, and otherwise through the queue.
    Threaded { shared: Arc<Shared>, has_thread: bool },
}

impl Relay {
    /// Creates a relay to `sinks`, in this order, and to `callback` for notices. With `threads`, they are
    /// called on a thread of their own, unless they would not block.
    pub(crate) fn new(
        sinks: Vec<Box<dyn Sink>>,
        callback: NoticeCallback,
        format: LineFormat,
        threads: bool,
    ) -> Self {
        let (outlet, publisher) = (Outlet::new(sinks, format), Publisher::new(callback));
        Self {
            scratch: Vec::new(),
            open: RunSet::default(),
            fresh: Vec::new(),
            fresh_cost: 0,
            unflushed: false,
            pauses: Pauses::default(),
            delivery: if threads {
                Delivery::Threaded { shared: Shared::new(outlet, publisher), has_thread: false }
            } else {
                Delivery::Inline(outlet, publisher)
            },
            is_silent: |_| false,
        }
    }

    /// Sets which notices call no logger, so that they may be published on the driver's thread.
    pub(crate) fn silent_if(mut self, is_silent: fn(&Notice) -> bool) -> Self {
        self.is_silent = is_silent;
        self
    }

    /// Returns the output thread, for the caller to start it; `None` if none is wanted. Without this, the
    /// thread is started when something has to be queued first.
    pub(crate) fn prepare_thread(&mut self) -> Option<OutputThread> {
        match &mut self.delivery {
            Delivery::Threaded { shared, has_thread: has_thread @ false } => {
                *has_thread = true;
                Some(OutputThread::new(shared))
            }
            Delivery::Threaded { .. } | Delivery::Inline(..) => None,
        }
    }

    /// Ready when there is room for more output: when less than 1 MiB waits for the sinks. Call it before
    /// every read.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.delivery {
            Delivery::Inline(..) => Poll::Ready(()),
            Delivery::Threaded { shared, .. } => shared.queue.poll_room(self.fresh_cost, cx),
        }
    }

    /// Returns the buffer to read into.
    pub(crate) fn scratch(&mut self) -> &mut [u8] {
        if self.scratch.is_empty() {
            self.scratch = vec![0; SCRATCH];
        }
        &mut self.scratch
    }

    /// Delivers the first `len` bytes of [`scratch`](Self::scratch), which `run` wrote to `stream`.
    pub(crate) fn push(&mut self, run: RunId, name: &Name, stream: Stream, len: usize) {
        if len == 0 {
            return;
        }
        self.open.insert(run);
        self.pauses.read(run, stream, self.scratch[..len].ends_with(b"\n"));
        match &mut self.delivery {
            Delivery::Inline(outlet, _) => outlet.data(run, name, stream, &self.scratch[..len]),
            Delivery::Threaded { shared, .. } => {
                let bytes = &self.scratch[..len];
                let size = |outlet: &Outlet| outlet.size_with(run, name, bytes);
                let data = |outlet: &mut Outlet| outlet.data(run, name, stream, bytes);
                if len > MOST_DIRECT || deliver_directly(shared, &self.fresh, size, data).is_none() {
                    return self.queue_output(run, name, stream, len);
                }
            }
        }
        self.unflushed = true;
    }

    /// Queues the first `len` bytes of the read buffer.
    fn queue_output(&mut self, run: RunId, name: &Name, stream: Stream, len: usize) {
        let buffer = if len < LARGE {
            self.scratch[..len].to_vec()
        } else {
            let spare = match &self.delivery {
                Delivery::Threaded { shared, .. } => shared.queue.spare(),
                Delivery::Inline(..) => None,
            };
            mem::replace(&mut self.scratch, spare.unwrap_or_else(|| vec![0; SCRATCH]))
        };
        self.collect(Item::Output(Output { run, name: name.clone(), stream, buffer, len }));
    }

    /// Ends the output of `run`: its unfinished lines are delivered.
    pub(crate) fn end(&mut self, run: RunId) {
        if !self.open.remove(&run) {
            return;
        }
        Stream::BOTH.into_iter().for_each(|stream| self.pauses.read(run, stream, true));
        self.deliver_kept(run, Item::End(run), |outlet| outlet.end(run));
    }

    /// Delivers what the outlet has kept of `run`: directly with `deliver`, or as `item`.
    fn deliver_kept(&mut self, run: RunId, item: Item, deliver: impl FnOnce(&mut Outlet)) {
        match &mut self.delivery {
            Delivery::Inline(outlet, _) => deliver(outlet),
            Delivery::Threaded { shared, .. } => {
                let size = |outlet: &Outlet| outlet.kept_size(run);
                match deliver_directly(shared, &self.fresh, size, deliver) {
                    // No sink was called.
                    Some(0) => return,
                    Some(_) => {}
                    None => return self.collect(item),
                }
            }
        }
        self.unflushed = true;
    }

    /// Publishes `notice`, after everything pushed before it. Of more than 4096 waiting notices, the oldest
    /// are dropped.
    pub(crate) fn publish(&mut self, notice: Notice) {
        match &mut self.delivery {
            Delivery::Inline(_, publisher) => publisher.publish(notice),
            Delivery::Threaded { shared, .. } => {
                let is_direct = (self.is_silent)(&notice) && self.fresh.is_empty() && shared.queue.is_idle();
                if !is_direct {
                    return self.collect(Item::Notice(notice));
                }
                // An idle queue has no thread that publishes.
                shared.publisher.lock().publish(notice);
            }
        }
    }

    /// Ends a round of the driver: everything collected in it is delivered.
    pub(crate) fn commit(&mut self) {
        let unflushed = mem::take(&mut self.unflushed);
        match &mut self.delivery {
            Delivery::Inline(outlet, _) => {
                if unflushed {
                    outlet.flush();
                }
            }
            Delivery::Threaded { shared, .. } => {
                self.fresh_cost = 0;
                if !self.fresh.is_empty() {
                    // The thread flushes when the queue is empty.
                    shared.queue.push(self.fresh.drain(..));
                } else if unflushed {
                    let outlet = shared.outlet.try_lock();
                    let is_flushed =
                        outlet.is_some_and(|mut outlet| outlet.as_mut().is_none_or(Outlet::try_flush));
                    if !is_flushed {
                        shared.queue.request_flush();
                        self.start_thread();
                    }
                }
            }
        }
    }

    fn collect(&mut self, item: Item) {
        self.start_thread();
        if let Delivery::Inline(outlet, publisher) = &mut self.delivery {
            // There is no thread to be had.
            self.unflushed = true;
            return match item {
                Item::Output(output) => {
                    outlet.data(output.run, &output.name, output.stream, &output.buffer[..output.len]);
                }
                Item::Partial(run, stream) => outlet.show_partial(run, stream),
                Item::End(run) => outlet.end(run),
                Item::Notice(notice) => publisher.publish(notice),
            };
        }
        self.fresh_cost += item.cost();
        self.fresh.push(item);
        // A round may contain a thousand starts; the first of them should not be published with the last.
        if self.fresh.len() >= MOST_FRESH {
            self.commit();
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout). `now` is called when there is something
    /// to time.
    pub(crate) fn poll_timeout(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let notice = match &self.delivery {
            Delivery::Inline(..) => None,
            Delivery::Threaded { shared, .. } => shared.queue.notice_deadline(),
        };
        [notice, self.pauses.next(now)].into_iter().flatten().min()
    }

    /// Shows the unfinished lines of streams that have paused, and publishes the notices that have waited too
    /// long.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for (run, stream) in self.pauses.due(now) {
            self.deliver_kept(run, Item::Partial(run, stream), |outlet| outlet.show_partial(run, stream));
        }
        if let Delivery::Threaded { shared, .. } = &self.delivery
            && shared.queue.overtake(now)
        {
            start_notice_thread(shared);
        }
        self.commit();
    }

    /// Ready when everything committed so far has been delivered and flushed.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.delivery {
            Delivery::Inline(..) => Poll::Ready(()),
            Delivery::Threaded { shared, .. } => shared.queue.poll_idle(cx),
        }
    }

    /// Logs how much output has not been delivered, if any. Call it when the driver stops waiting for the
    /// sinks.
    pub(crate) fn report_undelivered(&self) {
        let Delivery::Threaded { shared, .. } = &self.delivery else { return };
        let bytes = shared.queue.undelivered();
        if bytes > 0 {
            warn(format_args!("stopped waiting for the sinks; {bytes} bytes of output are not delivered"));
        }
    }

    /// Starts the output thread if it is not running. If none can be created, everything is delivered inline
    /// from now on.
    fn start_thread(&mut self) {
        let Delivery::Threaded { shared, has_thread } = &mut self.delivery else { return };
        if mem::replace(has_thread, true) {
            return;
        }
        let Err(error) = OutputThread::new(shared).start() else { return };
        warn(format_args!("cannot create a thread for output, so a slow sink delays everything: {error}"));
        let outlet = shared.outlet.lock().take();
        let publisher = mem::replace(&mut *shared.publisher.lock(), Publisher::none());
        if let Some(outlet) = outlet {
            self.delivery = Delivery::Inline(outlet, publisher);
        }
    }
}

impl Drop for Relay {
    /// Lets the thread deliver what is queued and end. It is not waited for, because it may be blocked in a
    /// sink.
    fn drop(&mut self) {
        self.commit();
        if let Delivery::Threaded { shared, has_thread } = &self.delivery {
            shared.queue.close();
            if !has_thread {
                let outlet = shared.outlet.lock().take();
                catch_and_log("the destructor of a sink", || drop(outlet));
            }
        }
    }
}

/// Calls the sinks with `deliver` on this thread if nothing is waiting for them, and each has room for lines
/// of the maximum size that `size` returns. Returns that size; `None` if they were not called.
fn deliver_directly(
    shared: &Shared,
    fresh: &[Item],
    size: impl FnOnce(&Outlet) -> usize,
    deliver: impl FnOnce(&mut Outlet),
) -> Option<usize> {
    if !fresh.is_empty() || !shared.queue.is_idle() {
        return None;
    }
    let mut outlet = shared.outlet.try_lock()?;
    let outlet = outlet.as_mut()?;
    let size = size(outlet);
    if size > MOST_DIRECT || (size > 0 && size > outlet.room()) {
        return None;
    }
    deliver(outlet);
    Some(size)
}

/// The streams that are in the middle of a line, and when that line is to be shown.
#[derive(Debug, Default)]
struct Pauses {
    deadlines: HashMap<(RunId, Stream), Instant>,
    /// The streams that were read since deadlines were last assigned, so that the clock is read once a round.
    read: Vec<(RunId, Stream)>,
    /// Not later than the first deadline.
    next: Option<Instant>,
}

impl Pauses {
    fn read(&mut self, run: RunId, stream: Stream, ends_line: bool) {
        if !ends_line {
            self.read.push((run, stream));
        } else if !self.deadlines.is_empty() || !self.read.is_empty() {
            self.deadlines.remove(&(run, stream));
            self.read.retain(|read| *read != (run, stream));
        }
    }

    fn next(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        if !self.read.is_empty() {
            let at = now() + PAUSE;
            self.deadlines.extend(self.read.drain(..).map(|stream| (stream, at)));
            self.next = Some(self.next.map_or(at, |next| next.min(at)));
        }
        self.next
    }

    /// Removes and returns the streams whose deadline has passed.
    fn due(&mut self, now: Instant) -> Vec<(RunId, Stream)> {
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        let mut due: Vec<_> =
            self.deadlines.extract_if(|_, at| *at <= now).map(|(stream, _)| stream).collect();
        due.sort_unstable_by_key(|(run, stream)| (run.number(), *stream as u8));
        self.next = self.deadlines.values().min().copied();
        due
    }
}

#[cfg(test)]
mod tests;
