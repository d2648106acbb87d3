//! Subscriptions to the output lines of a service.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::Stream as AsyncStream;

use crate::machine::Stream;
use crate::output::{Batch, Sink};
use crate::sync::{Broadcast, Lagged, Subscription};

/// One line that a service has printed, or a piece of an overlong line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The stream on which it was printed.
    pub stream: Stream,
    /// The line as [text](crate::output::Line::text).
    pub text: String,
    /// Whether this is the continuation of the previous line.
    pub continued: bool,
}

/// A subscription to the lines that a service prints, from
/// [`RunningService::log_lines`](crate::RunningService::log_lines).
///
/// It contains the lines printed after the subscription, and ends when the service is gone. It is an
/// iterator, which blocks this thread until there is a line, and a [`Stream`](futures_lite::Stream) for
/// asynchronous code.
///
/// It holds up to [`LogLines::CAPACITY`] unread lines. The service never waits for a subscriber: if more are
/// printed, the oldest are dropped, and the next item is [`Lagged`] with their number.
///
/// ```
/// use childminder::{Service, Signal};
///
/// let script = "trap 'echo reloaded' HUP; echo up; while :; do sleep 0.01; done";
/// let server = Service::new("sh").args(["-c", script]).expect_output("up").start()?;
/// let mut lines = server.log_lines();
/// server.signal(Signal::HUP);
/// // Lines from before the subscription can still be on their way.
/// assert!(lines.any(|line| line.is_ok_and(|line| line.text == "reloaded")));
/// # Ok::<(), childminder::NotReady>(())
/// ```
#[derive(Debug)]
pub struct LogLines(Subscription<LogLine>);

impl LogLines {
    /// The number of unread lines that a subscription holds: 4096.
    pub const CAPACITY: usize = 4096;
}

impl Iterator for LogLines {
    type Item = Result<LogLine, Lagged>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.wait()
    }
}

impl AsyncStream for LogLines {
    type Item = Result<LogLine, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}

/// Publishes the lines of a service.
#[derive(Clone, Debug)]
pub(super) struct LinePublisher(Arc<Broadcast<LogLine>>);

impl LinePublisher {
    pub(super) fn new() -> Self {
        Self(Arc::new(Broadcast::new(LogLines::CAPACITY)))
    }

    pub(super) fn subscribe(&self) -> LogLines {
        LogLines(self.0.subscribe())
    }

    /// Returns the sink for the monitor. The subscriptions end when it is dropped.
    pub(super) fn sink(&self) -> LineSink {
        LineSink(self.0.clone())
    }
}

#[derive(Debug)]
pub(super) struct LineSink(Arc<Broadcast<LogLine>>);

impl Sink for LineSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        if !self.0.has_subscribers() {
            return;
        }
        for line in batch.lines() {
            let text = line.text().into_owned();
            self.0.publish(&LogLine { stream: batch.stream(), text, continued: line.continued });
        }
    }
}

impl Drop for LineSink {
    fn drop(&mut self) {
        self.0.close();
    }
}
