//! The recent output of each process, and subscriptions to new lines (`childminder logs`).
//!
//! Each process keeps its last lines, up to [`LINES`] and [`BYTES`]. A subscriber that reads too slowly loses
//! lines, whose number it gets; it delays neither the processes nor other subscribers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender, TrySendError};
use childminder::output::Batch;
use childminder::{Name, Sink};

use crate::control::protocol::OutputLine;

/// The number of lines that are kept for each process.
pub(crate) const LINES: usize = 1000;
/// The number of bytes that are kept for each process.
const BYTES: usize = 256 * 1024;
/// The number of batches that a subscriber may be behind.
const BEHIND: usize = 256;

/// The recent output of all processes. Clones are the same history.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    recent: BTreeMap<Name, Recent>,
    subscribers: Vec<Subscriber>,
    /// The number of lines so far, which orders the lines of different processes.
    count: u64,
}

#[derive(Debug, Default)]
struct Recent {
    lines: VecDeque<(u64, Arc<OutputLine>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Subscriber {
    /// The processes of interest; none for all.
    names: Vec<String>,
    sender: Sender<Lines>,
    /// The number of lines that were lost since the last batch.
    dropped: u64,
}

/// New lines, and the number of lines that are missing before them.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) dropped: u64,
    pub(crate) lines: Vec<Arc<OutputLine>>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic leaves the lines in a valid state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the last `count` lines of the processes together, in the order in which they were written.
    pub(crate) fn recent(&self, names: &[String], count: usize) -> Vec<Arc<OutputLine>> {
        recent(&self.lock(), names, count)
    }

    /// Returns the last `count` lines and all lines that follow them. No line is missing in between.
    pub(crate) fn follow(&self, names: &[String], count: usize) -> (Vec<Arc<OutputLine>>, Receiver<Lines>) {
        let (sender, receiver) = async_channel::bounded(BEHIND);
        let mut inner = self.lock();
        let lines = recent(&inner, names, count);
        inner.subscribers.push(Subscriber { names: names.to_vec(), sender, dropped: 0 });
        (lines, receiver)
    }

    /// Returns the last line of a process.
    pub(crate) fn last_line(&self, name: &str) -> Option<String> {
        self.recent(&[name.to_owned()], 1).pop().map(|line| line.text.clone())
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        self.lock().subscribers.clear();
    }

    /// Forgets the lines of a process that was removed.
    pub(crate) fn forget(&self, name: &str) {
        self.lock().recent.remove(name);
    }
}

fn recent(inner: &Inner, names: &[String], count: usize) -> Vec<Arc<OutputLine>> {
    let is_wanted = |name: &&Name| names.is_empty() || names.iter().any(|wanted| *wanted == ***name);
    let mut lines: Vec<(u64, Arc<OutputLine>)> = Vec::new();
    for name in inner.recent.keys().filter(is_wanted) {
        let of_process = &inner.recent[name].lines;
        lines.extend(of_process.iter().skip(of_process.len().saturating_sub(count)).cloned());
    }
    lines.sort_by_key(|(number, _)| *number);
    lines.drain(..lines.len().saturating_sub(count));
    lines.into_iter().map(|(_, line)| line).collect()
}

impl Sink for History {
    fn lines(&mut self, batch: &Batch<'_>) {
        let line = |text: String| {
            let (name, run) = (batch.name().to_string(), batch.run().number());
            Arc::new(OutputLine { name, run, stream: batch.stream().to_string(), text })
        };
        let lines: Vec<_> = batch.lines().map(|text| line(text.text().into_owned())).collect();
        let mut inner = self.lock();
        let inner = &mut *inner;
        let recent = inner.recent.entry(batch.name().clone()).or_default();
        for line in &lines {
            inner.count += 1;
            recent.bytes += line.text.len();
            recent.lines.push_back((inner.count, line.clone()));
            while recent.lines.len() > LINES || recent.bytes > BYTES && recent.lines.len() > 1 {
                let (_, oldest) = recent.lines.pop_front().expect("there is a line");
                recent.bytes -= oldest.text.len();
            }
        }
        inner.subscribers.retain_mut(|subscriber| subscriber.send(batch.name(), &lines));
    }
}

impl Subscriber {
    /// Returns whether the subscriber is still there.
    fn send(&mut self, name: &Name, lines: &[Arc<OutputLine>]) -> bool {
        if !self.names.is_empty() && !self.names.iter().any(|wanted| name == wanted.as_str()) {
            return !self.sender.is_closed();
        }
        match self.sender.try_send(Lines { dropped: self.dropped, lines: lines.to_vec() }) {
            Ok(()) => self.dropped = 0,
            Err(TrySendError::Full(_)) => self.dropped += lines.len() as u64,
            Err(TrySendError::Closed(_)) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use childminder::machine::{RunId, Stream};
    use childminder::output::LoggingProtocol;

    use super::*;

    fn write(history: &mut History, name: &str, text: &str) {
        let mut protocol = LoggingProtocol::new(name.parse().unwrap(), RunId::unmanaged(1));
        protocol.data_received(Stream::Stdout, text.as_bytes(), history);
    }

    fn texts(lines: &[Arc<OutputLine>]) -> Vec<String> {
        lines.iter().map(|line| format!("{}:{}", line.name, line.text)).collect()
    }

    #[test]
    fn the_last_lines_of_several_processes_are_in_their_order() {
        let mut history = History::default();
        for (name, text) in [("a", "1\n2\n"), ("b", "3\n"), ("a", "4\n"), ("c", "5\n")] {
            write(&mut history, name, text);
        }
        assert_eq!(texts(&history.recent(&[], 3)), ["b:3", "a:4", "c:5"]);
        assert_eq!(texts(&history.recent(&["a".to_owned()], 2)), ["a:2", "a:4"]);
        assert_eq!(history.last_line("a").as_deref(), Some("4"));
        history.forget("a");
        assert_eq!(texts(&history.recent(&[], 9)), ["b:3", "c:5"]);
    }

    #[test]
    fn f_259_the_history_is_bounded_by_lines_and_by_bytes() {
        let mut history = History::default();
        write(&mut history, "a", &"x\n".repeat(LINES + 7));
        assert_eq!(history.recent(&[], usize::MAX).len(), LINES);
        let long = format!("{}\n", "y".repeat(10_000));
        write(&mut history, "a", &long.repeat(100));
        let lines = history.recent(&[], usize::MAX);
        let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
        assert!(bytes <= BYTES && bytes > BYTES - 10_000, "{bytes}");
    }

    #[test]
    fn f_259_a_slow_subscriber_learns_the_number_of_missing_lines() {
        let mut history = History::default();
        write(&mut history, "a", "old\n");
        let (recent, lines) = history.follow(&["a".to_owned()], 5);
        assert_eq!(texts(&recent), ["a:old"]);
        write(&mut history, "b", "not wanted\n");
        for _ in 0..BEHIND + 10 {
            write(&mut history, "a", "x\ny\n");
        }
        let mut received = 0;
        while let Ok(batch) = lines.try_recv() {
            assert_eq!(batch.dropped, 0);
            received += batch.lines.len();
        }
        assert_eq!(received, 2 * BEHIND);
        write(&mut history, "a", "z\n");
        let batch = lines.try_recv().unwrap();
        assert_eq!((batch.dropped, texts(&batch.lines)), (20, vec!["a:z".to_owned()]));
        drop(lines);
        write(&mut history, "a", "not read\n");
        assert!(history.lock().subscribers.is_empty());
    }
}
