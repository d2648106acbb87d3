//! Lines where the test harness looks for them.

use super::{Batch, Sink};

/// Prints every line as `[name] text` into the output of the test that started the monitor, as far as there is one.
///
/// The harness of `cargo test` keeps what a test prints, and shows it when the test fails. It does so for the print
/// macros only, not for those who write to the standard error themselves, and for the thread of the test and the
/// threads that are started from it. So give this sink to a monitor that the test starts itself, with
/// [`ProcessMonitor::background`](crate::ProcessMonitor::background): its lines go the right way through both threads
/// of it. A monitor that several tests share prints into the output of the one that started it. On the threads of an
/// executor, and where nothing is kept, as with `--nocapture` and in programs, the lines go to the standard error.
///
/// Whoever reads the standard error may be gone; then printing panics. The monitor drops the sink, as it does with
/// every one that panics, and goes on.
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
        // All at once, so that the lines of another thread do not come between.
        eprint!("{}", String::from_utf8_lossy(&lines));
    }
}
