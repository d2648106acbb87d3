//! Keeps the last lines of every process in memory, for error messages and for later questions.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::batch::Batch;
use super::sink::Sink;
use crate::machine::Name;
use crate::sync::Lock;

/// Keeps the last lines of every process, up to a limit.
///
/// This is a handle: pass one clone to the monitor and keep another to query. Both streams of a process, and
/// all its runs, share one tail.
///
/// ```
/// use childminder::machine::{RunId, Stream};
/// use childminder::output::{LoggingProtocol, TailSink};
///
/// let tail = TailSink::new(2);
/// let mut protocol = LoggingProtocol::new("web".parse()?, RunId::unmanaged(1));
/// protocol.data_received(Stream::Stdout, b"one\ntwo\nthree\n", &mut tail.clone());
/// assert_eq!(tail.last("web", 10), ["two", "three"]);
/// # Ok::<(), childminder::machine::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TailSink {
    most_lines: usize,
    most_bytes: usize,
    tails: Arc<Lock<HashMap<Name, Lines>>>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Box<str>>,
    bytes: usize,
}

impl TailSink {
    /// Creates a sink that keeps at most `lines` lines of each process, with at most 64 KiB.
    pub fn new(lines: usize) -> Self {
        Self { most_lines: lines, most_bytes: 64 * 1024, tails: Arc::default() }
    }

    /// Sets the maximum number of bytes that are kept of each process. Default: 64 KiB. The oldest lines are
    /// dropped first.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        Self { most_bytes: bytes, ..self }
    }

    /// Returns the last `n` lines of the process `name`, oldest first, as [text](super::Line::text).
    ///
    /// A line that continues the one before it begins with `+ `. The result is empty if the process has
    /// written nothing.
    pub fn last(&self, name: &str, n: usize) -> Vec<String> {
        let tails = self.tails.lock();
        let lines = tails
            .get(name)
            .into_iter()
            .flat_map(|tail| tail.lines.iter().skip(tail.lines.len().saturating_sub(n)));
        lines.map(|line| String::from(&**line)).collect()
    }

    /// Removes the lines of the process `name`.
    pub fn forget(&self, name: &str) {
        self.tails.lock().remove(name);
    }
}

impl Sink for TailSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        // Only the end of a large batch will be kept, so the rest is not converted to text.
        let skipped = batch.lines().count().saturating_sub(self.most_lines);
        let mut tails = self.tails.lock();
        if !tails.contains_key(batch.name()) {
            tails.insert(batch.name().clone(), Lines::default());
        }
        let tail = tails.get_mut(batch.name()).expect("the tail was inserted above");
        for line in batch.lines().skip(skipped) {
            let text = line.text();
            tail.push(if line.continued { format!("+ {text}").into() } else { text.into() });
        }
        tail.trim(self.most_lines, self.most_bytes);
    }

    fn room(&mut self) -> usize {
        usize::MAX
    }
}

impl Lines {
    fn push(&mut self, line: Box<str>) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    fn trim(&mut self, most_lines: usize, most_bytes: usize) {
        while self.lines.len() > most_lines || self.bytes > most_bytes {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.len();
        }
    }
}
