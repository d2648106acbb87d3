//! The last lines of every process, kept in memory: for an error message, or for somebody who asks later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Batch, Sink};
use crate::machine::Name;

/// Keeps the last lines of every process, within a bound.
///
/// It is a handle: give one clone to the monitor and keep another to ask. Both streams of a process, and all its runs,
/// go into one tail.
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
    tails: Arc<Mutex<HashMap<Name, Lines>>>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Box<str>>,
    bytes: usize,
}

impl TailSink {
    /// Keeps at most so many lines of each process, and at most 64 KiB of them.
    pub fn new(lines: usize) -> Self {
        Self { most_lines: lines, most_bytes: 64 * 1024, tails: Arc::default() }
    }

    /// Keeps at most so many bytes of each process instead. Older lines go first.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        Self { most_bytes: bytes, ..self }
    }

    /// The last `n` lines of a process, the oldest first, as [text](super::Line::text). A piece that continues the line
    /// before begins with `+ `. Empty if that process never wrote anything.
    pub fn last(&self, name: &str, n: usize) -> Vec<String> {
        let tails = self.lock();
        let lines = tails
            .get(name)
            .into_iter()
            .flat_map(|tail| tail.lines.iter().skip(tail.lines.len().saturating_sub(n)));
        lines.map(|line| String::from(&**line)).collect()
    }

    /// Forgets what this process wrote.
    pub fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Lines>> {
        // A panic in here could come from the allocator only; a tail is still a tail then.
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for TailSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        // Of a large batch only the end will be kept: do not make text of the rest.
        let passed = batch.lines().count().saturating_sub(self.most_lines);
        let mut tails = self.lock();
        if !tails.contains_key(batch.name()) {
            tails.insert(batch.name().clone(), Lines::default());
        }
        let tail = tails.get_mut(batch.name()).expect("it was inserted if it was not there");
        for line in batch.lines().skip(passed) {
            let text = line.text();
            tail.push(if line.continued { format!("+ {text}").into() } else { text.into() });
        }
        tail.trim(self.most_lines, self.most_bytes);
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
