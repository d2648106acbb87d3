//! The default sink: the `log` crate.

use super::{Batch, Sink};

/// Logs every line: target `childminder::output`, level info (LP-10), message `[name] text` (LP-1), or `[name+] text`
/// for the rest of a line that was too long. The key-values are `name`, `stream` (`stdout` or `stderr`) and `run` (its
/// number).
///
/// If that target is switched off, a batch costs one question to the logger.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSink;

impl LogSink {
    /// The target of its records.
    pub const TARGET: &'static str = "childminder::output";
}

impl Sink for LogSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        if !log::log_enabled!(target: Self::TARGET, log::Level::Info) {
            return;
        }
        let (name, stream, run) = (&**batch.name(), batch.stream(), batch.run().number());
        let starts = batch.starts();
        for line in batch.lines() {
            let start = &starts[usize::from(line.continued)];
            log::info!(target: Self::TARGET, name, stream:%, run; "{start}{}", line.text());
        }
    }

    fn flush(&mut self) {
        log::logger().flush();
    }
}
