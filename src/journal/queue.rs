//! The lines that wait for the disk, between the monitor and the thread that writes.
//!
//! The monitor never waits for the disk. If the queue is full or the disk is, entries are dropped and
//! counted; when there is room again, the journal goes on with their number and a checkpoint.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) text: Vec<u8>,
    /// The number of bytes that count as waiting: without the checkpoint.
    waiting: usize,
    pub(super) entries: u64,
    /// Whether it is the beginning of a new segment.
    pub(super) begins_segment: bool,
    /// The number and the body of a last line that is not in the text yet.
    checkpoint: Option<(u64, Box<dyn FnOnce() -> Text + Send>)>,
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, entries, begins_segment, .. } = self;
        let mut chunk = f.debug_struct("Chunk");
        chunk.field("bytes", &text.len()).field("entries", entries).field("begins_segment", begins_segment);
        chunk.finish_non_exhaustive()
    }
}

/// The body of a checkpoint.
pub(super) enum Checkpoint {
    Written(Text),
    /// To be written on the thread, because a checkpoint of many processes takes long.
    Unwritten(Box<dyn FnOnce() -> Text + Send>),
}

/// The least number of entries of a segment.
const LEAST_ENTRIES: u64 = 64;

/// The least size of a segment, as a multiple of the size of its checkpoint. It bounds what checkpoints cost
/// in relation to what is recorded.
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
    /// The number of bytes in the chunks and in the one that is being written. A checkpoint that is written
    /// on the thread is not counted: it may be larger than all of them, and nothing may be lost because of
    /// it.
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
    /// Whether a checkpoint is waiting, of which the size is not known yet.
    has_checkpoint: bool,
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
        let is_full = inner.size >= self.max_size || inner.entries >= self.max_entries.max(LEAST_ENTRIES);
        if is_full && !inner.has_checkpoint && inner.size >= LEAST_GROWTH * inner.begun_with {
            Wanted::Segment(inner.segment + 1)
        } else {
            Wanted::Nothing
        }
    }

    /// Begins the next segment with this header and a checkpoint.
    pub(super) fn begin_segment(&self, header: &Text, checkpoint: Checkpoint) {
        let mut inner = self.inner.lock();
        (inner.size, inner.entries, inner.has_lost_header) = (0, 0, false);
        inner.segment += 1;
        let before = inner.waiting;
        inner.add(&header.text, true);
        inner.go_on(header.begin, checkpoint);
        inner.begun_with = inner.size;
        self.wake(inner, before);
    }

    /// Goes on after entries were lost.
    pub(super) fn go_on(&self, begin: Instant, checkpoint: Checkpoint) {
        let mut inner = self.inner.lock();
        let before = inner.waiting;
        inner.go_on(begin, checkpoint);
        self.wake(inner, before);
    }

    /// Adds the last line, and waits until everything is written, for a moment.
    pub(super) fn close(&self, end: &Text) {
        let mut inner = self.inner.lock();
        if inner.lost == 0 {
            inner.add(&end.text, false);
        }
        self.wait_for_end(inner);
    }

    /// Ends the thread. Called when the queue is closed, or will never be used.
    pub(super) fn abandon(&self) {
        let inner = self.inner.lock();
        if !inner.is_closed {
            self.wait_for_end(inner);
        }
    }

    fn wait_for_end(&self, mut inner: MutexGuard<'_, Inner>) {
        inner.is_closed = true;
        self.changed.notify_all();
        let wait = self.changed.wait_timeout_while(inner, FLUSH, |inner| !inner.has_ended);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
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
    fn go_on(&mut self, begin: Instant, checkpoint: Checkpoint) {
        if self.lost > 0 {
            let mut lost = Text::new(begin);
            format::lost(mem::take(&mut self.lost), &mut lost);
            self.add(&lost.text, false);
        }
        match checkpoint {
            Checkpoint::Written(body) => self.add(&body.text, false),
            Checkpoint::Unwritten(write) => {
                let number = self.count_line();
                let chunk = self.last_chunk();
                chunk.entries += 1;
                chunk.checkpoint = Some((number, write));
                self.has_checkpoint = true;
            }
        }
    }

    fn add(&mut self, body: &str, begins_segment: bool) {
        if begins_segment {
            self.chunks.push_back(Chunk { begins_segment, ..Chunk::default() });
        }
        let number = self.count_line();
        let chunk = self.last_chunk();
        let before = chunk.text.len();
        format::complete(number, body, &mut chunk.text);
        let length = chunk.text.len() - before;
        chunk.entries += 1;
        chunk.waiting += length;
        self.waiting += length;
        self.size += length as u64;
    }

    /// Counts the next line. Returns its number.
    fn count_line(&mut self) -> u64 {
        self.next += 1;
        self.entries += 1;
        self.next - 1
    }

    /// Returns the chunk to which the next line belongs.
    fn last_chunk(&mut self) -> &mut Chunk {
        if self.chunks.back().is_none_or(|chunk| chunk.checkpoint.is_some()) {
            self.chunks.push_back(Chunk::default());
        }
        self.chunks.back_mut().expect("there is a chunk")
    }
}

/// The side of the thread.
impl Queue {
    /// Waits for lines; `None` when the monitor has ended and everything was returned.
    pub(super) fn next(&self) -> Option<Chunk> {
        let mut inner = self.inner.lock();
        loop {
            if let Some(chunk) = inner.chunks.pop_front() {
                drop(inner);
                return Some(self.completed(chunk));
            }
            if inner.is_closed {
                return None;
            }
            inner.is_idle = true;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Adds the checkpoint of a chunk to its text.
    fn completed(&self, mut chunk: Chunk) -> Chunk {
        let Some((number, write)) = chunk.checkpoint.take() else { return chunk };
        let before = chunk.text.len();
        format::complete(number, &write().text, &mut chunk.text);
        let mut inner = self.inner.lock();
        inner.size += (chunk.text.len() - before) as u64;
        inner.has_checkpoint = false;
        if chunk.begins_segment {
            inner.begun_with = chunk.text.len() as u64;
        }
        chunk
    }

    /// Notes that a chunk was written, and lets lines gather.
    pub(super) fn written(&self, chunk: &Chunk) {
        let mut inner = self.inner.lock();
        inner.waiting -= chunk.waiting;
        let gathers = |inner: &mut Inner| !inner.is_closed && inner.waiting < PLENTY;
        drop(self.changed.wait_timeout_while(inner, PAUSE, gathers));
    }

    /// Notes that the file is closed.
    pub(super) fn end(&self) {
        self.inner.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// Drops all lines, since `chunk` could not be written, and waits for the time of the next attempt.
    pub(super) fn failed(&self, chunk: &Chunk) {
        let mut inner = self.inner.lock();
        let waiting = mem::take(&mut inner.chunks);
        (inner.waiting, inner.has_checkpoint) = (0, false);
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
