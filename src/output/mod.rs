//! The output path: bytes become lines, lines become batches, batches go to sinks.
//!
//! ```text
//! read ──► Relay ──► LoggingProtocol ──► Batch ──► Sink, Sink, …
//!          (queue,    (a framer for       (all lines
//!           thread)    each stream)        of one read)
//! ```
//!
//! What a child writes is read in one piece and stays one piece: the framer cuts it into lines where it lies, and a
//! sink gets all lines of a read at once, so that it can write them at once. Only the beginning of a line whose end
//! has not come yet is copied and kept. A silent child costs nothing here.
//!
//! Lines that say when, how urgent and by whom are taken apart by a [`LogFormat`]; [`LogFormatSink`] hands what it finds to the
//! `log` crate.
//!
//! Three rules hold whatever a child prints and whatever a sink does.
//!
//! 1. *Whole*: every byte comes once and in order, and before the notice of the exit. A line that is too long is cut,
//!    and the pieces say so.
//! 2. *Bounded*: a partial line, the queue to the sinks and the tails have a largest size. When the queue is full, no
//!    more is read, and the child waits in its `write`.
//! 3. *Apart*: sinks run on a thread of their own, without any lock. One that blocks holds up output, never a restart
//!    or a kill; one that panics is dropped, and the others go on.

mod batch;
mod callback;
mod lines;
#[cfg(feature = "log-format")]
pub mod log_format;
pub(crate) mod logger;
mod outlet;
mod protocol;
mod queue;
mod relay;
pub(crate) mod sink;
mod tail;
mod test_output;
mod text;
mod writer;

pub use batch::{Batch, Line};
pub use callback::CallbackSink;
pub(crate) use lines::MAX_LINE;
pub(crate) use logger::LogSink;
pub use protocol::LoggingProtocol;
pub(crate) use relay::Relay;
pub(crate) use sink::Sink;
pub use tail::TailSink;
pub use test_output::TestOutputSink;
pub use writer::{WriterHealth, WriterSink};
