//! Delivers output to protocols and sinks, and notices to the monitor, with a panic guard around each call.

use std::fmt;

use memchr::memchr_iter;

use super::batch::Batch;
use super::lines::{LEAST_MAX_LINE, MAX_LINE};
use super::protocol::LoggingProtocol;
use super::sink::Sink;
use super::text::InvalidUtf8;
use crate::machine::{Name, Notice, RunId, RunMap, Stream};
use crate::panic_guard::catch_and_log;

/// Called with every notice, after the output that precedes it.
pub(crate) type NoticeCallback = Box<dyn FnMut(Notice) + Send>;

/// The size of what is added to a line besides the name of its process: brackets, marks, a blank, quotes, the
/// reset of a colour and the line feed.
const MARKS: usize = 16;

/// The settings for framing and showing lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineFormat {
    pub(crate) max_line: usize,
    pub(crate) invalid_utf8: InvalidUtf8,
}

impl Default for LineFormat {
    fn default() -> Self {
        Self { max_line: MAX_LINE, invalid_utf8: InvalidUtf8::default() }
    }
}

/// Frames the output of all runs and calls the sinks, on the caller's thread.
pub(super) struct Outlet {
    /// The runs that have written something and have not ended.
    runs: RunMap<LoggingProtocol>,
    sinks: Sinks,
    format: LineFormat,
}

impl Outlet {
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>, format: LineFormat) -> Self {
        Self { runs: RunMap::default(), sinks: Sinks(sinks), format }
    }

    pub(super) fn data(&mut self, run: RunId, name: &Name, stream: Stream, bytes: &[u8]) {
        let LineFormat { max_line, invalid_utf8 } = self.format;
        let protocol = self.runs.entry(run).or_insert_with(|| {
            LoggingProtocol::new(name.clone(), run).max_line(max_line).invalid_utf8(invalid_utf8)
        });
        protocol.data_received(stream, bytes, &mut self.sinks);
    }

    pub(super) fn show_partial(&mut self, run: RunId, stream: Stream) {
        if let Some(protocol) = self.runs.get_mut(&run) {
            protocol.show_partial(stream, &mut self.sinks);
        }
    }

    pub(super) fn end(&mut self, run: RunId) {
        if let Some(mut protocol) = self.runs.remove(&run) {
            protocol.process_ended(&mut self.sinks);
        }
    }

    pub(super) fn flush(&mut self) {
        self.sinks.flush();
    }

    /// Flushes the sinks as far as that does not block. Returns whether nothing is left.
    pub(super) fn try_flush(&mut self) -> bool {
        self.sinks.try_flush()
    }

    /// Returns for how many bytes of lines all sinks have room.
    pub(super) fn room(&mut self) -> usize {
        self.sinks.room()
    }

    /// Returns the maximum size of the lines that `bytes` can complete, as they are shown.
    pub(super) fn size_with(&self, run: RunId, name: &Name, bytes: &[u8]) -> usize {
        let kept = self.runs.get(&run).map_or(0, LoggingProtocol::kept);
        self.shown_size(kept + bytes.len(), memchr_iter(b'\n', bytes).count(), name)
    }

    /// Returns the maximum size of the unfinished lines of `run`, as they are shown.
    pub(super) fn kept_size(&self, run: RunId) -> usize {
        let protocol = self.runs.get(&run).filter(|protocol| protocol.kept() > 0);
        protocol.map_or(0, |protocol| self.shown_size(protocol.kept(), 1, protocol.name()))
    }

    /// An escaped byte is shown as at most four. Each line has a prefix, and so has each piece of an overlong
    /// one.
    fn shown_size(&self, bytes: usize, lines: usize, name: &Name) -> usize {
        let pieces = lines + 1 + bytes / (self.format.max_line.max(LEAST_MAX_LINE) - 3);
        4 * bytes + pieces * (name.len() + MARKS)
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("runs", &self.runs.len()).field("sinks", &self.sinks.0.len()).finish()
    }
}

/// All sinks as one. A sink that panics is dropped.
struct Sinks(Vec<Box<dyn Sink>>);

impl Sinks {
    fn each(&mut self, mut call: impl FnMut(&mut dyn Sink)) {
        let broken = self.0.extract_if(.., |sink| !catch_and_log("a sink", || call(&mut **sink)));
        for sink in broken {
            catch_and_log("the destructor of a sink", || drop(sink));
        }
    }
}

impl Sink for Sinks {
    fn lines(&mut self, batch: &Batch<'_>) {
        self.each(|sink| sink.lines(batch));
    }

    fn flush(&mut self) {
        self.each(|sink| sink.flush());
    }

    fn room(&mut self) -> usize {
        let mut room = usize::MAX;
        self.each(|sink| room = room.min(sink.room()));
        room
    }

    fn try_flush(&mut self) -> bool {
        let mut is_flushed = true;
        self.each(|sink| is_flushed &= sink.try_flush());
        is_flushed
    }
}

/// Publishes notices until the callback panics.
pub(super) struct Publisher(Option<NoticeCallback>);

impl Publisher {
    pub(super) fn new(callback: NoticeCallback) -> Self {
        Self(Some(callback))
    }

    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn publish(&mut self, notice: Notice) {
        if let Some(callback) = &mut self.0
            && !catch_and_log("the notice callback", || callback(notice))
        {
            let callback = self.0.take();
            catch_and_log("the destructor of the notice callback", || drop(callback));
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher").field(&self.0.is_some()).finish()
    }
}
