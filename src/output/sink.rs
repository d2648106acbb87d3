//! Sinks: the trait, and the simple implementations of it.

use std::fmt;

use super::batch::{Batch, Prefixes};
use super::lines::Line;

/// A destination for the lines that processes write.
///
/// A monitor calls its sinks one after the other on a thread of their own. A sink may therefore block:
/// processes then wait in their writes, but restarts, stops and kills are not delayed. A sink that panics is
/// dropped and not called again; the other sinks are not affected.
///
/// If every sink has [`room`](Self::room), a few lines are passed on the driver's thread instead, which saves
/// waking another one.
///
/// ```
/// use childminder::Sink;
/// use childminder::machine::Stream;
/// use childminder::output::Batch;
///
/// /// Counts the lines on the standard error.
/// struct ErrorCount(usize);
///
/// impl Sink for ErrorCount {
///     fn lines(&mut self, batch: &Batch<'_>) {
///         if batch.stream() == Stream::Stderr {
///             self.0 += batch.lines().count();
///         }
///     }
/// }
/// ```
pub trait Sink: Send {
    /// Processes the lines of one read. The batch contains at least one line, and each line is passed once.
    fn lines(&mut self, batch: &Batch<'_>);

    /// Writes out what was buffered. Called when no further lines are waiting.
    fn flush(&mut self) {}

    /// Returns how many bytes of lines, as [`Batch::render`] shows them, this sink takes now without
    /// blocking. Default: 0, for a sink that may block at any time; [`usize::MAX`] is for one that never
    /// does.
    ///
    /// It is called before lines are passed on the driver's thread, and [`try_flush`](Self::try_flush) after
    /// them instead of `flush`. None of these may block, or restarts and kills are delayed.
    fn room(&mut self) -> usize {
        0
    }

    /// Writes out what was buffered as far as that does not block. Returns whether nothing is left; otherwise
    /// `flush` is called on the thread of the sinks. Default: calls `flush`.
    fn try_flush(&mut self) -> bool {
        self.flush();
        true
    }
}

/// Logs every line with the `log` crate. This is the default sink.
///
/// The target is `childminder::output`, the level is info, and the message is the line as [`Batch::render`]
/// shows it: `[name] text`. The key-values are `name`, `stream` (`stdout` or `stderr`) and `run` (the number
/// of the run).
///
/// If the logger has disabled that target, a batch costs one call of the logger.
///
/// ```
/// use childminder::{LogSink, ProcessMonitor, System};
///
/// let monitor = ProcessMonitor::builder().sink(LogSink).background(System::new())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSink;

impl LogSink {
    /// The target of the log records.
    pub const TARGET: &'static str = "childminder::output";
}

impl Sink for LogSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        if !log::log_enabled!(target: Self::TARGET, log::Level::Info) {
            return;
        }
        let (name, stream, run) = (&**batch.name(), batch.stream(), batch.run().number());
        let mut prefixes = Prefixes::new(batch.name());
        for line in batch.lines() {
            let prefix = prefixes.of(line);
            log::info!(target: Self::TARGET, name, stream:%, run; "{prefix}{}", line.text());
        }
    }

    fn flush(&mut self) {
        log::logger().flush();
    }

    /// A logger may block, but not if it is not called.
    fn room(&mut self) -> usize {
        if log::max_level() < log::LevelFilter::Info { usize::MAX } else { 0 }
    }

    fn try_flush(&mut self) -> bool {
        true
    }
}

/// Calls a closure for every line.
///
/// ```
/// use std::sync::mpsc;
/// use childminder::machine::{RunId, Stream};
/// use childminder::output::{CallbackSink, LoggingProtocol};
///
/// let (sender, lines) = mpsc::channel();
/// let mut sink = CallbackSink::new(move |batch, line| {
///     let _ = sender.send(format!("{} says {}", batch.name(), line.text()));
/// });
/// let mut protocol = LoggingProtocol::new("web".parse()?, RunId::unmanaged(1));
/// protocol.data_received(Stream::Stdout, b"ready\n", &mut sink);
/// assert_eq!(lines.recv(), Ok("web says ready".to_owned()));
/// # Ok::<(), childminder::machine::NameError>(())
/// ```
pub struct CallbackSink<F>(F);

impl<F: FnMut(&Batch<'_>, Line<'_>) + Send> CallbackSink<F> {
    /// Creates a sink that calls `callback` with each line and the batch that contains it.
    pub fn new(callback: F) -> Self {
        Self(callback)
    }
}

impl<F: FnMut(&Batch<'_>, Line<'_>) + Send> Sink for CallbackSink<F> {
    fn lines(&mut self, batch: &Batch<'_>) {
        for line in batch.lines() {
            (self.0)(batch, line);
        }
    }
}

impl<F> fmt::Debug for CallbackSink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSink").finish_non_exhaustive()
    }
}

/// Prints every line as `[name] text` to the captured output of the test that started the monitor.
///
/// The harness of `cargo test` captures what a test prints and shows it if the test fails. It captures the
/// print macros only, on the thread of the test and on threads started from it. So use this sink for a
/// monitor that the test starts itself with
/// [`ProcessMonitor::background`](crate::ProcessMonitor::background). A monitor shared by several tests
/// prints to the output of the test that started it. On threads of an executor, with `--nocapture`, and
/// outside of tests, the lines go to the standard error.
///
/// If the reader of the standard error is gone, printing panics; the monitor then drops this sink, as it does
/// with every sink that panics.
///
/// ```
/// use childminder::output::TestOutputSink;
/// use childminder::{ProcessMonitor, System};
///
/// let monitor = ProcessMonitor::builder().sink(TestOutputSink).background(System::new())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TestOutputSink;

impl Sink for TestOutputSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut lines = Vec::new();
        batch.render(&mut lines);
        // One call for the batch, so that the output of other threads is not mixed into it.
        eprint!("{}", String::from_utf8_lossy(&lines));
    }
}

/// Prints text to the captured output of the test, which the harness shows if the test fails.
///
/// It is called in destructors, so it must not panic.
pub(crate) fn print_in_test(text: &str) {
    // Printing panics if the reader of the standard error is gone; there is no other place to report to.
    let _ = std::panic::catch_unwind(|| eprint!("{text}"));
}

/// Reports an unexpected event of a fixture: to the logger, or without one to the captured output of the
/// test.
///
/// It is called in destructors, so it must not panic.
pub(crate) fn report_in_test(message: &str) {
    if log::max_level() == log::LevelFilter::Off {
        print_in_test(&format!("childminder: {message}\n"));
    } else {
        crate::panic_guard::log_guarded(|| log::error!("{message}"));
    }
}
