//! Turns the output of one run into batches of lines: the port of Twisted's `LoggingProtocol`.

use crate::machine::{Name, RunId, Stream};

use super::lines::{Framer, LEAST_MAX_LINE, Line, Lines, MAX_LINE};
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

    /// Passes the unfinished line of `stream`, if there is one, to `sink` as a [partial](Line::partial) line.
    /// The rest of it follows as a continued line.
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

/// The lines of one read: one or more lines of one stream of one run, in order.
///
/// ```
/// use childminder::Sink;
/// use childminder::output::Batch;
///
/// /// Prints the lines without the name of the process.
/// struct Bare;
///
/// impl Sink for Bare {
///     fn lines(&mut self, batch: &Batch<'_>) {
///         for line in batch.lines() {
///             println!("{}", line.text());
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Batch<'a> {
    name: &'a Name,
    run: RunId,
    stream: Stream,
    lines: Lines<'a>,
}

impl<'a> Batch<'a> {
    /// Returns the name of the process that wrote the lines.
    pub fn name(&self) -> &'a Name {
        self.name
    }

    /// Returns the run of the process.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Returns the stream that the lines were written to. With merged output this is always
    /// [`Stream::Stdout`].
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Returns the lines. They are found while iterating, and nothing is copied.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.lines.clone()
    }

    /// Appends all lines to `out`, each as `[name] text` and LF.
    ///
    /// A [continued](Line::continued) line begins with `[name+]`, a [partial](Line::partial) line with
    /// `[name~]`, and a line that is both with `[name+~]`. A name contains neither of these characters, so no
    /// line can imitate another.
    pub fn render(&self, out: &mut Vec<u8>) {
        let prefixes = Prefixes::new(self.name);
        let plain = self.lines.are_plain();
        for line in self.lines() {
            out.extend_from_slice(prefixes.of(line).as_bytes());
            if plain {
                out.extend_from_slice(line.bytes);
            } else {
                line.push_text(out);
            }
            out.push(b'\n');
        }
    }

    /// Whether the last line is a piece, continued in the next batch of the same stream.
    pub(super) fn goes_on(&self) -> bool {
        self.lines.go_on()
    }
}

/// The beginnings of rendered lines, formatted once per batch.
pub(super) struct Prefixes([String; 4]);

impl Prefixes {
    pub(super) fn new(name: &Name) -> Self {
        Self(["", "+", "~", "+~"].map(|mark| format!("[{name}{mark}] ")))
    }

    pub(super) fn of(&self, line: Line<'_>) -> &str {
        &self.0[usize::from(line.continued) + 2 * usize::from(line.partial)]
    }
}
