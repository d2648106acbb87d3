//! A subscription to the lines that a service prints.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_channel::{Receiver, Sender, TrySendError};
use futures_lite::Stream as AsyncStream;

use crate::machine::Stream;
use crate::output::{Batch, Sink};

/// One line that a service has printed, or a piece of one that was too long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// On which stream.
    pub stream: Stream,
    /// The line as [text](crate::output::Line::text).
    pub text: String,
    /// Whether it continues the line before.
    pub continued: bool,
}

/// The lines that a service prints, from the moment of subscription until it is gone: an iterator, which waits on this
/// thread, and a [`Stream`](futures_lite::Stream) for asynchronous code.
///
/// Up to [`LogLines::CAPACITY`] lines wait for a slow subscriber. What does not fit is left out and [counted](Self::missed);
/// the service never waits for a subscriber.
#[derive(Debug)]
pub struct LogLines {
    lines: Pin<Box<Receiver<LogLine>>>,
    missed: Arc<AtomicU64>,
}

impl LogLines {
    /// How many lines wait for a slow subscriber: 4096.
    pub const CAPACITY: usize = 4096;

    /// How many lines did not fit so far.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Iterator for LogLines {
    type Item = LogLine;

    fn next(&mut self) -> Option<LogLine> {
        self.lines.recv_blocking().ok()
    }
}

impl AsyncStream for LogLines {
    type Item = LogLine;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LogLine>> {
        self.lines.as_mut().poll_next(cx)
    }
}

/// All subscribers to a service, and the sink that serves them. They are let go when both are dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscribers(Arc<Mutex<Vec<Subscriber>>>);

#[derive(Debug)]
struct Subscriber {
    sender: Sender<LogLine>,
    missed: Arc<AtomicU64>,
}

impl Subscribers {
    pub(super) fn subscribe(&self) -> LogLines {
        let (sender, receiver) = async_channel::bounded(LogLines::CAPACITY);
        let missed = Arc::default();
        self.lock().push(Subscriber { sender, missed: Arc::clone(&missed) });
        LogLines { lines: Box::pin(receiver), missed }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Subscriber>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Subscribers {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut subscribers = self.lock();
        if subscribers.is_empty() {
            return;
        }
        for line in batch.lines() {
            let line =
                LogLine { stream: batch.stream(), text: line.text().into_owned(), continued: line.continued };
            subscribers.retain(|subscriber| subscriber.tell(line.clone()));
        }
    }
}

impl Subscriber {
    /// Returns whether anybody listens.
    fn tell(&self, line: LogLine) -> bool {
        match self.sender.try_send(line) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}
