//! Passes output and notices from the driver to the sinks, so that no sink can hold up the driver.
//!
//! In a world with threads, the sinks run on a thread of their own, started when there is first something to
//! deliver. In a virtual world, and when no thread can be created, everything is delivered at once on the
//! driver's thread.
//!
//! Output and notices share one queue, so that a notice is published after the output of its run that
//! precedes it. If the sinks are blocked, a notice waits for that output for half a second at most. After
//! that a second thread publishes the notices, in their order and ahead of the output; a warning says so,
//! with the amount of output that waits.
//!
//! The driver calls [`Relay::commit`] at the end of a round of its work. Until then items are only collected:
//! waking the thread, or flushing the sinks, for each of a thousand starts would cost more than the starts.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use super::outlet::{LineFormat, NoticeCallback, Outlet, Publisher};
use super::queue::{Item, Output, Queue, SCRATCH, Task, Urgent};
use super::sink::Sink;
use crate::machine::{Name, Notice, RunId, Stream};
use crate::panic_guard::log_guarded;
use crate::sync::Lock;

/// The silence in the middle of a line after which the unfinished line is shown.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// A read of this size is passed on in the buffer it was read into. A smaller one is copied, because that
/// costs less than to keep a nearly empty buffer in the queue.
const LARGE: usize = SCRATCH / 4;

/// The maximum number of items that are collected before they are committed.
const MOST_FRESH: usize = 64;

/// Passes output and notices on to the sinks.
#[derive(Debug)]
pub(crate) struct Relay {
    /// The read buffer; empty before the first read.
    scratch: Vec<u8>,
    /// The runs that have written something and have not ended. The end of any other run needs no flush.
    open: HashSet<RunId>,
    /// The items collected since the last commit, and their memory.
    fresh: Vec<Item>,
    fresh_cost: usize,
    /// Whether something was delivered inline since the last commit.
    unflushed: bool,
    pauses: Pauses,
    delivery: Delivery,
    /// Whether a thread is wanted, but its creation has not been tried yet.
    wants_thread: bool,
    /// The way to a thread that the creator of the monitor starts.
    prepared: Option<ThreadLink>,
}

/// The sinks, and the publisher that the output thread shares with the notice thread.
type Delivered = (Outlet, Arc<Lock<Publisher>>);

/// The driver's side of an output thread that has not received the sinks yet.
#[derive(Debug)]
struct ThreadLink {
    queue: Arc<Queue>,
    sinks: mpsc::SyncSender<Delivered>,
}

/// An output thread that is not running yet.
#[derive(Debug)]
pub(crate) struct OutputThread {
    end: Abandon,
    sinks: mpsc::Receiver<Delivered>,
}

impl OutputThread {
    fn new() -> (Self, ThreadLink) {
        let queue = Arc::new(Queue::default());
        let (sender, sinks) = mpsc::sync_channel(1);
        (Self { end: Abandon(Arc::clone(&queue)), sinks }, ThreadLink { queue, sinks: sender })
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread.
    pub(crate) fn start(self) -> io::Result<()> {
        let Self { end, sinks } = self;
        let body = move || {
            if let Ok((outlet, publisher)) = sinks.recv() {
                deliver(&end.0, outlet, &publisher);
            }
        };
        thread::Builder::new().name("childminder-output".to_owned()).spawn(body).map(drop)
    }
}

/// The way of items to the sinks.
#[derive(Debug)]
enum Delivery {
    /// At once, on the driver's thread.
    Inline(Outlet, Publisher),
    /// Through the queue. The queue lets only one thread publish at a time.
    Queued(Arc<Queue>, Arc<Lock<Publisher>>),
}

impl Relay {
    /// Creates a relay to `sinks`, in this order, and to `callback` for notices. With `threads`, they are
    /// called on a thread of their own.
    pub(crate) fn new(
        sinks: Vec<Box<dyn Sink>>,
        callback: NoticeCallback,
        format: LineFormat,
        threads: bool,
    ) -> Self {
        Self {
            scratch: Vec::new(),
            open: HashSet::new(),
            fresh: Vec::new(),
            fresh_cost: 0,
            unflushed: false,
            pauses: Pauses::default(),
            delivery: Delivery::Inline(Outlet::new(sinks, format), Publisher::new(callback)),
            wants_thread: threads,
            prepared: None,
        }
    }

    /// Returns the output thread, for the caller to start it; `None` if none is wanted. Without this, the
    /// thread is started when there is first something to deliver.
    pub(crate) fn prepare_thread(&mut self) -> Option<OutputThread> {
        self.wants_thread.then(|| {
            let (thread, link) = OutputThread::new();
            self.prepared = Some(link);
            thread
        })
    }

    /// Ready when there is room for more output: when less than 1 MiB waits for the sinks. Call it before
    /// every read.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.delivery {
            Delivery::Inline(..) => Poll::Ready(()),
            Delivery::Queued(queue, _) => queue.poll_room(self.fresh_cost, cx),
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
        self.start_thread();
        self.open.insert(run);
        self.pauses.read(run, stream, self.scratch[..len].ends_with(b"\n"));
        match &mut self.delivery {
            Delivery::Inline(outlet, _) => {
                outlet.data(run, name, stream, &self.scratch[..len]);
                self.unflushed = true;
            }
            Delivery::Queued(queue, _) => {
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

    /// Ends the output of `run`: its unfinished lines are delivered.
    pub(crate) fn end(&mut self, run: RunId) {
        if !self.open.remove(&run) {
            return;
        }
        Stream::BOTH.into_iter().for_each(|stream| self.pauses.read(run, stream, true));
        match &mut self.delivery {
            Delivery::Inline(outlet, _) => {
                outlet.end(run);
                self.unflushed = true;
            }
            Delivery::Queued(..) => self.collect(Item::End(run)),
        }
    }

    /// Publishes `notice`, after everything pushed before it. Of more than 4096 waiting notices, the oldest
    /// are dropped.
    pub(crate) fn publish(&mut self, notice: Notice) {
        self.start_thread();
        match &mut self.delivery {
            Delivery::Inline(_, publisher) => publisher.publish(notice),
            Delivery::Queued(..) => self.collect(Item::Notice(notice)),
        }
    }

    /// Ends a round of the driver: everything collected in it is delivered.
    pub(crate) fn commit(&mut self) {
        match &mut self.delivery {
            Delivery::Inline(outlet, _) => {
                if mem::take(&mut self.unflushed) {
                    outlet.flush();
                }
            }
            Delivery::Queued(queue, _) => {
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
            Delivery::Queued(queue, _) => queue.notice_deadline(),
        };
        [notice, self.pauses.next(now)].into_iter().flatten().min()
    }

    /// Shows the unfinished lines of streams that have paused, and publishes the notices that have waited too
    /// long.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for (run, stream) in self.pauses.due(now) {
            match &mut self.delivery {
                Delivery::Inline(outlet, _) => {
                    outlet.show_partial(run, stream);
                    self.unflushed = true;
                }
                Delivery::Queued(..) => self.collect(Item::Partial(run, stream)),
            }
        }
        if let Delivery::Queued(queue, publisher) = &self.delivery
            && queue.overtake(now)
        {
            start_notice_thread(queue, publisher);
        }
        self.commit();
    }

    /// Ready when everything committed so far has been delivered and flushed.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.delivery {
            Delivery::Inline(..) => Poll::Ready(()),
            Delivery::Queued(queue, _) => queue.poll_idle(cx),
        }
    }

    /// Logs how much output has not been delivered, if any. Call it when the driver stops waiting for the
    /// sinks.
    pub(crate) fn report_undelivered(&self) {
        let Delivery::Queued(queue, _) = &self.delivery else { return };
        let bytes = queue.undelivered();
        if bytes > 0 {
            warn(format_args!("stopped waiting for the sinks; {bytes} bytes of output are not delivered"));
        }
    }

    /// Starts the output thread, if it is wanted and was not tried before. The outlet moves to the thread
    /// when that is running, so that it is not lost if no thread can be created.
    fn start_thread(&mut self) {
        if !mem::take(&mut self.wants_thread) {
            return;
        }
        let ThreadLink { queue, sinks } = match self.prepared.take() {
            Some(link) => link,
            None => {
                let (thread, link) = OutputThread::new();
                if let Err(error) = thread.start() {
                    return warn(format_args!(
                        "cannot create a thread for output, so a slow sink delays everything: {error}"
                    ));
                }
                link
            }
        };
        let publisher = Arc::new(Lock::new(Publisher::none()));
        let queued = Delivery::Queued(queue, Arc::clone(&publisher));
        if let Delivery::Inline(outlet, callback) = mem::replace(&mut self.delivery, queued) {
            *publisher.lock() = callback;
            // A prepared thread that was never started leaves its queue abandoned: its monitor is an error.
            let _ = sinks.send((outlet, publisher));
        }
    }
}

impl Drop for Relay {
    /// Lets the thread deliver what is queued and end. It is not waited for, because it may be blocked in a
    /// sink.
    fn drop(&mut self) {
        self.commit();
        match &self.delivery {
            Delivery::Inline(..) => {}
            Delivery::Queued(queue, _) => queue.close(),
        }
    }
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

/// The output thread.
fn deliver(queue: &Queue, mut outlet: Outlet, publisher: &Lock<Publisher>) {
    let mut done = None;
    while let Some(task) = queue.next(done.take()) {
        match task {
            Task::Deliver(Item::Output(output)) => {
                outlet.data(output.run, &output.name, output.stream, &output.buffer[..output.len]);
                done = Some(output);
            }
            Task::Deliver(Item::Partial(run, stream)) => outlet.show_partial(run, stream),
            Task::Deliver(Item::End(run)) => outlet.end(run),
            Task::Deliver(Item::Notice(notice)) => publish(queue, publisher, notice),
            Task::ReportDropped(count) => {
                warn(format_args!("{count} events were dropped because too many were waiting"));
            }
            Task::ReportResumed => warn(format_args!("the output is no longer blocked")),
            Task::Flush => outlet.flush(),
        }
    }
}

/// Starts the thread that publishes notices while the output thread is blocked in a sink.
fn start_notice_thread(queue: &Arc<Queue>, publisher: &Arc<Lock<Publisher>>) {
    let thread = thread::Builder::new().name("childminder-notices".to_owned()).spawn({
        let (queue, publisher) = (Arc::clone(queue), Arc::clone(publisher));
        move || {
            while let Some(urgent) = queue.next_urgent() {
                match urgent {
                    Urgent::ReportBlocked(bytes) => warn(format_args!(
                        "the output is blocked with {bytes} bytes waiting; events are reported ahead of it"
                    )),
                    Urgent::Publish(notice) => publish(&queue, &publisher, notice),
                }
            }
        }
    });
    if thread.is_err() {
        queue.wait_again();
    }
}

fn publish(queue: &Queue, publisher: &Lock<Publisher>, notice: Notice) {
    publisher.lock().publish(notice);
    queue.published();
}

fn warn(message: fmt::Arguments<'_>) {
    log_guarded(|| log::warn!("{message}"));
}

/// Ends the queue when the output thread ends, for any reason.
#[derive(Debug)]
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests;
