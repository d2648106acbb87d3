//! The lines that wait for the disk, between the monitor and the thread that writes.
//!
//! The monitor never waits for the disk. If the queue is full or the disk is, entries are dropped and
//! counted; when there is room again, the journal goes on with their number and a checkpoint.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

use super::format;
use crate::machine::json::Text;
use crate::sync::Lock;

/// The maximum number of bytes that wait.
const MAX_WAITING: usize = 4 << 20;

/// The number of waiting bytes at which the thread writes at once.
const PLENTY: usize = 256 << 10;

/// The time from one write to the next while there are many. It bounds what is lost with a crash of the
/// program, and the number of times that the thread is woken.
const PAUSE: Duration = Duration::from_millis(20);

/// The time from a failed write to the next attempt.
const RETRY: Duration = Duration::from_secs(1);

/// The time that the end of a monitor waits for the last write.
const FLUSH: Duration = Duration::from_secs(2);

/// Lines that are written together.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) text: Vec<u8>,
    pub(super) entries: u64,
    /// Whether it is the beginning of a new segment.
    pub(super) begins_segment: bool,
}

/// The least number of entries of a segment.
const LEAST_ENTRIES: u64 = 64;

/// The least size of a segment, as a multiple of the size of its checkpoint.
const LEAST_GROWTH: u64 = 4;

/// The next thing that the monitor has to do for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    /// The segment with this number, with a checkpoint.
    Segment(u64),
    /// A checkpoint, because entries were lost.
    Checkpoint,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Lock<Inner>,
    /// Notified when the thread has something to do, and when it has ended.
    changed: Condvar,
    max_size: u64,
    max_entries: u64,
    retry: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    chunks: VecDeque<Chunk>,
    waiting: usize,
    /// The number of the next line.
    next: u64,
    /// The number of entries that were dropped since the last one that was written.
    lost: u64,
    /// Whether the header of the current segment is among them.
    has_lost_header: bool,
    /// The number of the last segment of which the header was not dropped.
    segment: u64,
    /// The size of the current segment, and that of its header and checkpoint.
    size: u64,
    begun_with: u64,
    entries: u64,
    /// Whether writing has failed, and is not to be tried again yet.
    is_failing: bool,
    /// Whether the thread waits for lines.
    is_idle: bool,
    is_closed: bool,
    has_ended: bool,
}

impl Queue {
    /// Creates a queue for segments of this size and number of entries.
    pub(super) fn new(max_size: u64, max_entries: u64) -> Self {
        let (inner, changed) = (Lock::default(), Condvar::new());
        Self { inner, changed, max_size, max_entries, retry: RETRY }
    }

    /// Sets the time from a failed write to the next attempt.
    #[cfg(test)]
    pub(super) fn retry(self, retry: Duration) -> Self {
        Self { retry, ..self }
    }

    /// Adds the line with this body, or counts it as lost.
    pub(super) fn push(&self, body: &str) {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return;
        }
        if inner.lost > 0 || inner.waiting > MAX_WAITING {
            inner.lost += 1;
            return;
        }
        let before = inner.waiting;
        inner.add(body, false);
        self.wake(inner, before);
    }

    /// Returns what is wanted, at a time when the state of the machine is known.
    pub(super) fn wanted(&self) -> Wanted {
        let inner = self.inner.lock();
        if inner.lost > 0 {
            return match inner.waiting == 0 && !inner.is_failing {
                true if inner.has_lost_header => Wanted::Segment(inner.segment + 1),
                true => Wanted::Checkpoint,
                false => Wanted::Nothing,
            };
        }
        // Otherwise a checkpoint that is too large would be followed by the next one at once.
        let max_size = self.max_size.max(LEAST_GROWTH * inner.begun_with);
        let is_full = inner.size >= max_size || inner.entries >= self.max_entries.max(LEAST_ENTRIES);
        if is_full { Wanted::Segment(inner.segment + 1) } else { Wanted::Nothing }
    }

    /// Begins the next segment with these bodies.
    pub(super) fn begin_segment(&self, header: &Text, checkpoint: &Text) {
        let mut inner = self.inner.lock();
        (inner.size, inner.entries, inner.has_lost_header) = (0, 0, false);
        inner.segment += 1;
        let before = inner.waiting;
        inner.add(&header.text, true);
        inner.go_on(checkpoint);
        inner.begun_with = inner.size;
        self.wake(inner, before);
    }

    /// Goes on after entries were lost.
    pub(super) fn go_on(&self, checkpoint: &Text) {
        let mut inner = self.inner.lock();
        let before = inner.waiting;
        inner.go_on(checkpoint);
        self.wake(inner, before);
    }

    /// Adds the last line, and waits until everything is written, for a moment.
    pub(super) fn close(&self, end: &Text) {
        let mut inner = self.inner.lock();
        if inner.lost == 0 {
            inner.add(&end.text, false);
        }
        inner.is_closed = true;
        self.changed.notify_all();
        let wait = self.changed.wait_timeout_while(inner, FLUSH, |inner| !inner.has_ended);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the thread. Called when the queue is closed, or will never be used.
    pub(super) fn abandon(&self) {
        self.inner.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Wakes the thread if it has something to do now. `before` is what was waiting when it was woken last.
    fn wake(&self, mut inner: MutexGuard<'_, Inner>, before: usize) {
        if mem::take(&mut inner.is_idle) || (before <= PLENTY && inner.waiting > PLENTY) {
            drop(inner);
            self.changed.notify_all();
        }
    }
}

impl Inner {
    /// Adds a checkpoint, after the number of entries that were lost.
    fn go_on(&mut self, checkpoint: &Text) {
        if self.lost > 0 {
            let mut lost = Text::new(checkpoint.begin);
            format::lost(mem::take(&mut self.lost), &mut lost);
            self.add(&lost.text, false);
        }
        self.add(&checkpoint.text, false);
    }

    fn add(&mut self, body: &str, begins_segment: bool) {
        if begins_segment || self.chunks.is_empty() {
            self.chunks.push_back(Chunk { begins_segment, ..Chunk::default() });
        }
        let chunk = self.chunks.back_mut().expect("there is a chunk");
        let before = chunk.text.len();
        format::complete(self.next, body, &mut chunk.text);
        let length = chunk.text.len() - before;
        chunk.entries += 1;
        self.next += 1;
        self.waiting += length;
        self.size += length as u64;
        self.entries += 1;
    }
}

/// The side of the thread.
impl Queue {
    /// Waits for lines; `None` when the monitor has ended and everything was returned.
    pub(super) fn next(&self) -> Option<Chunk> {
        let mut inner = self.inner.lock();
        loop {
            if let Some(chunk) = inner.chunks.pop_front() {
                inner.waiting -= chunk.text.len();
                return Some(chunk);
            }
            if inner.is_closed {
                inner.has_ended = true;
                drop(inner);
                self.changed.notify_all();
                return None;
            }
            inner.is_idle = true;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets lines gather after a write.
    pub(super) fn pause(&self) {
        let gathers = |inner: &mut Inner| !inner.is_closed && inner.waiting < PLENTY;
        drop(self.changed.wait_timeout_while(self.inner.lock(), PAUSE, gathers));
    }

    /// Drops all lines, since `chunk` could not be written, and waits for the time of the next attempt.
    pub(super) fn failed(&self, chunk: &Chunk) {
        let mut inner = self.inner.lock();
        let waiting = mem::take(&mut inner.chunks);
        inner.waiting = 0;
        let dropped: u64 = [chunk].into_iter().chain(&waiting).map(|chunk| chunk.entries).sum();
        let headers = [chunk].into_iter().chain(&waiting).filter(|chunk| chunk.begins_segment).count();
        inner.next -= dropped;
        inner.segment -= headers as u64;
        // The first header begins no new file, but is the first line.
        inner.has_lost_header |= headers > 0 || inner.next == 0;
        inner.lost += dropped;
        inner.is_failing = true;
        let wait = self.changed.wait_timeout_while(inner, self.retry, |inner| !inner.is_closed);
        wait.unwrap_or_else(PoisonError::into_inner).0.is_failing = false;
    }
}
