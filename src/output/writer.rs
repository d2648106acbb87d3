//! Lines to a file, a pipe or a terminal: few writes, and no failure that matters to anybody else.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Batch, Sink};

/// So much is collected before it is written, if nobody asks for it earlier.
const ENOUGH: usize = 64 * 1024;
/// So much is kept for later when writing fails.
const LIMIT: usize = 1024 * 1024;

/// Writes every line as `[name] text` to a [`Write`]r.
///
/// Lines are collected and written together: when 64 KiB have come together, and whenever nothing more is waiting.
///
/// A writer that fails never disturbs the monitor (F-60, F-62). The first failure is logged. What could not be written
/// is kept, up to 1 MiB, and tried again with the next lines, from the very byte where it stopped, so that no line is
/// torn; lines beyond that are counted as lost. When the reader is gone for good (EPIPE), nothing more is tried.
pub struct WriterSink<W> {
    writer: W,
    waiting: Vec<u8>,
    failing: bool,
    health: Arc<WriterHealth>,
}

impl<W: Write + Send> WriterSink<W> {
    /// Writes to `writer`. It needs no buffer of its own.
    pub fn new(writer: W) -> Self {
        Self { writer, waiting: Vec::new(), failing: false, health: Arc::default() }
    }

    /// How it is going, to be asked when the sink itself is with the monitor.
    pub fn health(&self) -> Arc<WriterHealth> {
        Arc::clone(&self.health)
    }

    /// Writes what is waiting and gives the writer back.
    pub fn into_inner(mut self) -> W {
        self.flush();
        self.writer
    }

    fn write_out(&mut self) {
        if self.waiting.is_empty() || self.health.is_broken() {
            return;
        }
        let mut written = 0;
        let result = self.write_from(&mut written);
        self.waiting.drain(..written);
        if self.waiting.capacity() > 2 * ENOUGH && self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        self.note(result);
    }

    /// `write_all`, but it tells how far it came.
    fn write_from(&mut self, written: &mut usize) -> io::Result<()> {
        while *written < self.waiting.len() {
            match self.writer.write(&self.waiting[*written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => *written += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn note(&mut self, result: io::Result<()>) {
        let Err(error) = result else {
            if mem::take(&mut self.failing) {
                log::warn!("output is written again, {} lines were lost so far", self.health.lost());
            }
            return;
        };
        self.health.failures.fetch_add(1, Ordering::Relaxed);
        if error.kind() == ErrorKind::BrokenPipe {
            let lines = memchr::memchr_iter(b'\n', &mem::take(&mut self.waiting)).count();
            self.health.lose(lines);
            self.health.broken.store(true, Ordering::Relaxed);
            log::warn!("nobody reads the output any more, so it is no longer written: {error}");
        } else if !mem::replace(&mut self.failing, true) {
            log::warn!("cannot write the output, will try again: {error}");
        }
    }
}

impl<W: Write + Send> Sink for WriterSink<W> {
    fn lines(&mut self, batch: &Batch<'_>) {
        if self.health.is_broken() || self.waiting.len() >= LIMIT {
            self.health.lose(batch.lines().count());
        } else {
            batch.render(&mut self.waiting);
        }
        if self.waiting.len() >= ENOUGH {
            self.write_out();
        }
    }

    fn flush(&mut self) {
        self.write_out();
        if !self.health.is_broken() && self.waiting.is_empty() {
            let result = self.writer.flush();
            if result.is_err() {
                self.note(result);
            }
        }
    }
}

impl<W> fmt::Debug for WriterSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterSink")
            .field("waiting", &self.waiting.len())
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// How a [`WriterSink`] is doing.
#[derive(Debug, Default)]
pub struct WriterHealth {
    broken: AtomicBool,
    failures: AtomicU64,
    lost: AtomicU64,
}

impl WriterHealth {
    /// Whether the reader is gone for good (EPIPE): every line from then on is lost.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// How many writes failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// How many lines were not written and never will be.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lose(&self, lines: usize) {
        self.lost.fetch_add(lines as u64, Ordering::Relaxed);
    }
}
