//! The receiving end: protocols, sinks and whoever is told, with a fence around each.

use std::collections::HashMap;
use std::fmt;

use super::{Batch, LoggingProtocol, Sink};
use crate::machine::{Name, Notice, RunId, Stream};
use crate::panic_guard::catch_and_log;

/// Told everything that happens, in order with the output.
pub(crate) type Tell = Box<dyn FnMut(Notice) + Send>;

/// Frames what it is given, and calls sinks and `tell` at once, on the caller's thread.
pub(super) struct Outlet {
    /// The runs that have printed and have not ended.
    runs: HashMap<RunId, LoggingProtocol>,
    sinks: Sinks,
    tell: Option<Tell>,
    max_line: usize,
}

impl Outlet {
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>, tell: Tell, max_line: usize) -> Self {
        Self { runs: HashMap::new(), sinks: Sinks(sinks), tell: Some(tell), max_line }
    }

    pub(super) fn data(&mut self, run: RunId, name: &Name, stream: Stream, bytes: &[u8]) {
        let protocol = self
            .runs
            .entry(run)
            .or_insert_with(|| LoggingProtocol::new(name.clone(), run).max_line(self.max_line));
        protocol.data_received(stream, bytes, &mut self.sinks);
    }

    pub(super) fn end(&mut self, run: RunId) {
        if let Some(mut protocol) = self.runs.remove(&run) {
            protocol.process_ended(&mut self.sinks);
        }
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if let Some(tell) = &mut self.tell
            && !catch_and_log("whoever is told of events", || tell(notice))
        {
            let tell = self.tell.take();
            catch_and_log("whoever is told of events, while it was dropped,", || drop(tell));
        }
    }

    /// Says that `count` notices were dropped, since nobody took them in time.
    pub(super) fn dropped(&self, count: u64) {
        catch_and_log("the logger", || {
            log::warn!("{count} events were not told, since nobody took them in time")
        });
    }

    pub(super) fn flush(&mut self) {
        self.sinks.flush();
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("runs", &self.runs.len()).field("sinks", &self.sinks.0.len()).finish()
    }
}

/// All sinks as one. A sink that panics is dropped (F-48).
struct Sinks(Vec<Box<dyn Sink>>);

impl Sinks {
    fn each(&mut self, mut call: impl FnMut(&mut dyn Sink)) {
        let broken = self.0.extract_if(.., |sink| !catch_and_log("a sink", || call(&mut **sink)));
        for sink in broken {
            catch_and_log("a sink, while it was dropped,", || drop(sink));
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
}
