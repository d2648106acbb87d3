//! What one run prints, from bytes to batches: the port of Twisted's `LoggingProtocol`.

use super::lines::{Framer, LEAST_MAX_LINE, MAX_LINE};
use super::{Batch, Sink};
use crate::machine::{Name, RunId, Stream};

/// Cuts the output of one run into lines and hands them to a [`Sink`].
///
/// The monitor has one for every run that prints; use it yourself for children that you start in another way.
/// Compared to Twisted's, each stream is cut for itself (LP-2), nothing is invented (LP-5) and nothing is lost (LP-8,
/// LP-9).
///
/// ```
/// use childminder::machine::{RunId, Stream};
/// use childminder::output::{LoggingProtocol, WriterSink};
///
/// let mut sink = WriterSink::new(Vec::new());
/// let mut protocol = LoggingProtocol::new("web".parse()?, RunId::unmanaged(1));
/// protocol.data_received(Stream::Stdout, b"listening on 80", &mut sink);
/// protocol.data_received(Stream::Stderr, b"no certificate\n", &mut sink);
/// protocol.data_received(Stream::Stdout, b"80\nbye", &mut sink);
/// protocol.process_ended(&mut sink);
/// assert_eq!(sink.into_inner(), b"[web] no certificate\n[web] listening on 8080\n[web] bye\n");
/// # Ok::<(), childminder::machine::NameError>(())
/// ```
#[derive(Debug)]
pub struct LoggingProtocol {
    name: Name,
    run: RunId,
    stdout: Framer,
    stderr: Framer,
}

impl LoggingProtocol {
    /// For this run of the process with this name.
    pub fn new(name: Name, run: RunId) -> Self {
        Self { name, run, stdout: Framer::new(MAX_LINE), stderr: Framer::new(MAX_LINE) }
    }

    /// The longest line in bytes, its ending not counted; a longer one comes in pieces of this size, up to three bytes
    /// less where a character would be cut (LP-8). Default: 16384. Less than 16 is taken for 16. To be set before
    /// anything is received.
    #[must_use]
    pub fn max_line(self, bytes: usize) -> Self {
        let bytes = bytes.max(LEAST_MAX_LINE);
        Self { stdout: Framer::new(bytes), stderr: Framer::new(bytes), ..self }
    }

    /// Takes what was read from `stream`. Lines that are whole now go to `sink`, in one batch; the rest is kept
    /// until its end comes, however long that takes (LP-3).
    pub fn data_received(&mut self, stream: Stream, bytes: &[u8], sink: &mut dyn Sink) {
        let framer = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        framer.data(bytes, |lines| sink.lines(&Batch::new(&self.name, self.run, stream, lines)));
    }

    /// No more will come: hands over, once, what each stream left without an ending (LP-4, F-56).
    pub fn process_ended(&mut self, sink: &mut dyn Sink) {
        for (stream, framer) in [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)] {
            framer.finish(|lines| sink.lines(&Batch::new(&self.name, self.run, stream, lines)));
        }
    }
}
