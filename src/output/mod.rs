//! The output of processes: from bytes to lines, and from lines to sinks.
//!
//! ```text
//! read ──► Relay ──► LoggingProtocol ──► Batch ──► Sink, Sink, …
//!          (directly  (a framer for       (all lines
//!           or queue   each stream)        of one read)
//!           and thread)
//! ```
//!
//! What a process writes is read in one piece and stays one piece: the framer finds the lines in the read
//! buffer, and a sink receives all lines of a read at once, so that it can write them with one call. Only the
//! beginning of a line whose end has not been read yet is copied and kept. A silent process costs nothing
//! here.
//!
//! Lines with a level, a date and a logger name can be parsed: see the module `log_format` (a cargo feature).
//!
//! Three rules hold for every process and every sink:
//!
//! 1. *Complete*: every byte is delivered once and in order, before the notice of the exit. A line that is
//!    too long is cut into pieces that are marked. A line that stays unfinished for 100 ms, such as a prompt,
//!    is shown as far as it goes, marked as [partial](Line::partial).
//! 2. *Bounded*: unfinished lines, the queue to the sinks, and tails have a maximum size. While the queue is
//!    full, nothing is read, and processes wait in their writes.
//! 3. *Isolated*: sinks that may block run on a thread of their own. A sink that blocks delays output, but
//!    never a restart or a kill, and a [notice](crate::Notice) by half a second at most; after that, notices
//!    are published ahead of the output before them, and a warning with the amount of waiting output is
//!    logged. A sink that panics is dropped, and the others continue.

mod batch;
mod file;
mod lines;
#[cfg(feature = "log-format")]
pub mod log_format;
mod outlet;
mod protocol;
mod queue;
mod relay;
pub(crate) mod sink;
mod tail;
mod text;
mod thread;
mod writer;

pub use batch::Batch;
pub use file::{FileSink, FileSinkError, FileSinkStep, Rotation};
pub use lines::Line;
pub(crate) use outlet::LineFormat;
pub use protocol::LoggingProtocol;
pub(crate) use relay::Relay;
pub use sink::{CallbackSink, TestOutputSink};
pub(crate) use sink::{LogSink, Sink, print_in_test, report_in_test};
pub use tail::TailSink;
pub use text::InvalidUtf8;
pub(crate) use thread::OutputThread;
pub use writer::{WriterHealth, WriterSink};
