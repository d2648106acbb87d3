//! Writes lines to a file, a pipe or a terminal, in few writes and without failing.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::batch::Batch;
use super::sink::Sink;

/// The amount of text that is written without waiting for a flush.
const WRITE_SIZE: usize = 64 * 1024;
/// The amount of text that is kept while writing fails.
const LIMIT: usize = 1024 * 1024;

/// Appends the lines of a batch to the text to write.
type Render = dyn FnMut(&Batch<'_>, &mut Vec<u8>) + Send;

/// Writes every line to a [`Write`]r, as [`Batch::render`] shows it: `[name] text`.
///
/// Lines are buffered and written together: as soon as there are 64 KiB, and whenever no further lines are
/// waiting.
///
/// A failing writer does not affect the monitor. The first failure is logged. What could not be written is
/// kept, up to 1 MiB, and written with the next lines, starting at the byte where writing stopped, so that no
/// line is torn; lines beyond that are counted as lost. Once the reader is gone (EPIPE), nothing is written
/// any more.
///
/// ```
/// use childminder::output::WriterSink;
/// use childminder::{ProcessMonitor, System};
///
/// let sink = WriterSink::new(std::io::stdout());
/// let health = sink.health();
/// let monitor = ProcessMonitor::builder().sink(sink).background(System::new())?;
/// assert_eq!(health.lost(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct WriterSink<W> {
    writer: W,
    render: Box<Render>,
    waiting: Vec<u8>,
    failing: bool,
    health: Arc<WriterHealth>,
}

impl<W: Write + Send> WriterSink<W> {
    /// Creates a sink that writes to `writer`, which needs no buffer of its own.
    pub fn new(writer: W) -> Self {
        let render = Box::new(|batch: &Batch<'_>, out: &mut Vec<u8>| batch.render(out));
        Self { writer, render, waiting: Vec::new(), failing: false, health: Arc::default() }
    }

    /// Sets the form of the lines: a function that appends each line of a batch, with its LF. Default:
    /// [`Batch::render`].
    ///
    /// ```
    /// use childminder::output::WriterSink;
    ///
    /// let sink = WriterSink::new(std::io::stdout()).format(|batch, out| {
    ///     for line in batch.lines() {
    ///         line.push_text(out);
    ///         out.push(b'\n');
    ///     }
    /// });
    /// # drop(sink);
    /// ```
    #[must_use]
    pub fn format(self, render: impl FnMut(&Batch<'_>, &mut Vec<u8>) + Send + 'static) -> Self {
        Self { render: Box::new(render), ..self }
    }

    /// Returns counters of the sink, which can be read while a monitor owns it.
    pub fn health(&self) -> Arc<WriterHealth> {
        Arc::clone(&self.health)
    }

    /// Writes what is buffered and returns the writer.
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
        if self.waiting.capacity() > 2 * WRITE_SIZE && self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        self.record(result);
    }

    /// Writes everything from `written` on, and advances `written` also if it fails.
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

    fn record(&mut self, result: io::Result<()>) {
        let Err(error) = result else {
            if mem::take(&mut self.failing) {
                log::warn!("the output is written again; lines lost so far: {}", self.health.lost());
            }
            return;
        };
        self.health.failures.fetch_add(1, Ordering::Relaxed);
        if error.kind() == ErrorKind::BrokenPipe {
            let lines = memchr::memchr_iter(b'\n', &mem::take(&mut self.waiting)).count();
            self.health.lose(lines);
            self.health.broken.store(true, Ordering::Relaxed);
            log::warn!("the reader of the output is gone, so it is no longer written: {error}");
        } else if !mem::replace(&mut self.failing, true) {
            log::warn!("cannot write the output, will retry: {error}");
        }
    }
}

impl<W: Write + Send> Sink for WriterSink<W> {
    fn lines(&mut self, batch: &Batch<'_>) {
        if self.health.is_broken() || self.waiting.len() >= LIMIT {
            self.health.lose(batch.lines().count());
        } else {
            (self.render)(batch, &mut self.waiting);
        }
        if self.waiting.len() >= WRITE_SIZE {
            self.write_out();
        }
    }

    fn flush(&mut self) {
        self.write_out();
        if !self.health.is_broken() && self.waiting.is_empty() {
            let result = self.writer.flush();
            if result.is_err() {
                self.record(result);
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

/// Counters of a [`WriterSink`], returned by [`WriterSink::health`].
#[derive(Debug, Default)]
pub struct WriterHealth {
    broken: AtomicBool,
    failures: AtomicU64,
    lost: AtomicU64,
}

impl WriterHealth {
    /// Whether the reader is gone (EPIPE), so that every further line is lost.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Returns the number of failed writes.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Returns the number of lines that were discarded.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lose(&self, lines: usize) {
        self.lost.fetch_add(lines as u64, Ordering::Relaxed);
    }
}
