//! Writes lines to a file, a pipe or a terminal, in few writes and without failing.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::batch::Batch;
use super::sink::Sink;

/// The amount of text that is written without waiting for a flush.
const WRITE_SIZE: usize = 64 * 1024;
/// The amount of text that is kept while writing fails.
const LIMIT: usize = 1024 * 1024;

/// Appends the lines of a batch to the text to write.
type Render = dyn FnMut(&Batch<'_>, &mut Vec<u8>) + Send;

/// The number of bytes that a pipe takes at once or not at all, once it is ready for anything.
const PIPE_BUF: usize = 4096;

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
    way: Way<W>,
}

/// The way in which a few lines are written without blocking.
enum Way<W> {
    /// There is none: a write may block at any time.
    Blocking,
    /// An ordinary write: a regular file does not wait for a reader.
    File,
    /// A write to a pipe that fails instead of blocking.
    Pipe(fn(&W) -> BorrowedFd<'_>),
    /// An ordinary write to a pipe that is ready, for a kernel before Linux 6.4.
    ReadyPipe(fn(&W) -> BorrowedFd<'_>),
}

impl<W: Write + Send> WriterSink<W> {
    /// Creates a sink that writes to `writer`, which needs no buffer of its own.
    pub fn new(writer: W) -> Self {
        let render = Box::new(|batch: &Batch<'_>, out: &mut Vec<u8>| batch.render(out));
        Self {
            writer,
            render,
            waiting: Vec::new(),
            failing: false,
            health: Arc::default(),
            way: Way::Blocking,
        }
    }

    /// Sets the form of the lines: a function that appends each line of a batch, with its LF. It must not
    /// block. Default: [`Batch::render`].
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

    /// Creates a sink that writes to an open file, such as the standard output. `writer` passes what is
    /// written to that file unchanged, and has no buffer of its own.
    ///
    /// A few lines for a regular file or a pipe are written on the thread of the driver, if that does not
    /// block; so a single line arrives after waking one thread instead of two.
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use childminder::output::WriterSink;
    /// use childminder::{ProcessMonitor, System};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let log = File::create(&path)?;
    /// let monitor = ProcessMonitor::builder().sink(WriterSink::open_file(log)).background(System::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_file(writer: W) -> Self
    where
        W: AsFd,
    {
        let kind = fstat(&writer).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let way = match kind {
            Ok(FileType::RegularFile) => Way::File,
            Ok(FileType::Fifo) => Way::Pipe(W::as_fd),
            Ok(_) | Err(_) => Way::Blocking,
        };
        Self { way, ..Self::new(writer) }
    }

    /// Creates a sink for a writer of regular files.
    pub(super) fn regular_file(writer: W) -> Self {
        Self { way: Way::File, ..Self::new(writer) }
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

    /// Writes what is buffered if that does not block, and keeps the rest. An error is left to the next write
    /// that may block: that one logs it.
    fn try_write_out(&mut self) -> bool {
        if self.waiting.is_empty() || self.health.is_broken() {
            return true;
        }
        if let Way::Pipe(fd) = self.way {
            match write_now(fd(&self.writer), &self.waiting) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.way = Way::ReadyPipe(fd),
                Err(_) => return false,
            }
        }
        let may_write = match self.way {
            Way::File => true,
            Way::ReadyPipe(fd) => self.waiting.len() <= PIPE_BUF && is_ready(fd(&self.writer)),
            Way::Pipe(_) | Way::Blocking => false,
        };
        if may_write && let Ok(written) = self.writer.write(&self.waiting) {
            self.waiting.drain(..written);
        }
        self.waiting.is_empty()
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

    fn room(&mut self) -> usize {
        match self.way {
            Way::Blocking => 0,
            // The first line after a failure, which is to be logged, may block.
            Way::File | Way::Pipe(_) | Way::ReadyPipe(_) if self.failing => 0,
            Way::File | Way::Pipe(_) | Way::ReadyPipe(_) => PIPE_BUF.saturating_sub(self.waiting.len()),
        }
    }

    fn try_flush(&mut self) -> bool {
        self.try_write_out()
    }
}

/// Writes to a pipe, or fails with `AGAIN` instead of blocking, without a change of the descriptor, which
/// other processes may share.
#[cfg(target_os = "linux")]
fn write_now(pipe: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    use rustix::io::{ReadWriteFlags, pwritev2};

    const NO_POSITION: u64 = u64::MAX;
    pwritev2(pipe, &[io::IoSlice::new(bytes)], NO_POSITION, ReadWriteFlags::NOWAIT)
}

#[cfg(not(target_os = "linux"))]
fn write_now(_pipe: BorrowedFd<'_>, _bytes: &[u8]) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Returns whether a pipe takes [`PIPE_BUF`] bytes without blocking.
fn is_ready(pipe: BorrowedFd<'_>) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(pipe, PollFlags::OUT)];
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::OUT)
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
