//! Turns the output of one run into batches of lines: the port of Twisted's `LoggingProtocol`.

use crate::machine::{Name, RunId, Stream};

use super::batch::Batch;
use super::lines::{Framer, LEAST_MAX_LINE, MAX_LINE};
use super::sink::Sink;
use super::text::InvalidUtf8;

/// Splits the output of one run into lines and passes them to a [`Sink`].
///
/// A monitor has one for every run that writes something. Use it directly for children that are started in
/// another way.
///
/// Unlike Twisted's class, it frames each stream separately, invents no empty lines, and loses nothing of
/// long lines.
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
    max_line: usize,
    invalid_utf8: InvalidUtf8,
    stdout: Framer,
    stderr: Framer,
}

impl LoggingProtocol {
    /// Creates a protocol for one run of the process `name`.
    pub fn new(name: Name, run: RunId) -> Self {
        Self::with(name, run, MAX_LINE, InvalidUtf8::default())
    }

    fn with(name: Name, run: RunId, max_line: usize, invalid_utf8: InvalidUtf8) -> Self {
        let framer = || Framer::new(max_line, invalid_utf8);
        Self { name, run, max_line, invalid_utf8, stdout: framer(), stderr: framer() }
    }

    /// Sets the maximum length of a line in bytes, without its ending. Default: 16384; values below 16 count
    /// as 16.
    ///
    /// A longer line is handed over in pieces of this size, up to three bytes less where a character would be
    /// split. Call it before any data is received.
    #[must_use]
    pub fn max_line(self, bytes: usize) -> Self {
        Self::with(self.name, self.run, bytes.max(LEAST_MAX_LINE), self.invalid_utf8)
    }

    /// Sets how sinks show bytes that are not valid UTF-8. Default: [`InvalidUtf8::Repr`].
    ///
    /// Call it before any data is received.
    #[must_use]
    pub fn invalid_utf8(self, invalid_utf8: InvalidUtf8) -> Self {
        Self::with(self.name, self.run, self.max_line, invalid_utf8)
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the number of bytes of unfinished lines that are kept.
    pub(super) fn kept(&self) -> usize {
        self.stdout.kept() + self.stderr.kept()
    }

    /// Processes bytes that were read from `stream`: passes the lines that are whole now to `sink` in one
    /// batch, and keeps the rest.
    pub fn data_received(&mut self, stream: Stream, bytes: &[u8], sink: &mut dyn Sink) {
        let (name, run) = (&self.name, self.run);
        let framer = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        framer.data(bytes, |lines| sink.lines(&Batch { name, run, stream, lines }));
    }

    /// Passes the unfinished line of `stream`, if there is one, to `sink` as a
    /// [partial](super::Line::partial) line. The rest of it follows as a continued line.
    ///
    /// A monitor calls this when a stream has been silent for a while in the middle of a line.
    pub fn show_partial(&mut self, stream: Stream, sink: &mut dyn Sink) {
        let (name, run) = (&self.name, self.run);
        let framer = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        framer.show_partial(|lines| sink.lines(&Batch { name, run, stream, lines }));
    }

    /// Ends both streams: passes the unfinished line of each to `sink`. Further calls do nothing.
    pub fn process_ended(&mut self, sink: &mut dyn Sink) {
        let (name, run) = (&self.name, self.run);
        for (stream, framer) in [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)] {
            framer.finish(|lines| sink.lines(&Batch { name, run, stream, lines }));
        }
    }
}
