//! A closure as a sink.

use std::fmt;

use super::{Batch, Line, Sink};

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
    /// Calls `call` with each line and the batch it is in.
    pub fn new(call: F) -> Self {
        Self(call)
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
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}
