//! Where lines go.

use super::Batch;

/// Takes the lines that children write.
///
/// A monitor calls its sinks on a thread of their own, one after the other, and holds no lock meanwhile. So a sink may
/// block: then the children wait in their `write`, but restarts, stops and kills go on (F-53). If it panics, it is
/// dropped and never called again; the others go on (F-48).
///
/// ```
/// use childminder::Sink;
/// use childminder::machine::Stream;
/// use childminder::output::Batch;
///
/// /// Counts the lines on the error stream.
/// struct Complaints(usize);
///
/// impl Sink for Complaints {
///     fn lines(&mut self, batch: &Batch<'_>) {
///         if batch.stream() == Stream::Stderr {
///             self.0 += batch.lines().count();
///         }
///     }
/// }
/// ```
pub trait Sink: Send {
    /// Takes the lines of one read. The batch is never empty, and its lines are never seen again.
    fn lines(&mut self, batch: &Batch<'_>);

    /// Nothing more is waiting: what was held back to be written in one go should be written now.
    fn flush(&mut self) {}
}
