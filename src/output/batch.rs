//! Batches: the lines of one read, as sinks receive them.

use std::ops::Range;

use super::lines::{Line, Lines};
use crate::machine::{Name, RunId, Stream};

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
    pub(super) name: &'a Name,
    pub(super) run: RunId,
    pub(super) stream: Stream,
    pub(super) lines: Lines<'a>,
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
        // The place of the first prefix with the same marks, which is copied for further lines.
        let mut places: [Range<usize>; 4] = Default::default();
        let plain = self.lines.are_plain();
        for line in self.lines() {
            let place = &mut places[line.marks()];
            if place.start == place.end {
                place.start = out.len();
                for part in [b"[", self.name.as_bytes(), MARKS[line.marks()].as_bytes(), b"] "] {
                    out.extend_from_slice(part);
                }
                place.end = out.len();
            } else {
                out.extend_from_within(place.clone());
            }
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

/// The marks in the prefixes of lines, by [`Line::marks`].
const MARKS: [&str; 4] = ["", "+", "~", "+~"];

impl Line<'_> {
    /// Returns the index of the marks in its prefix.
    fn marks(self) -> usize {
        usize::from(self.continued) + 2 * usize::from(self.partial)
    }
}

/// The beginnings of rendered lines as texts. Each is formatted at most once per batch, and only if a line
/// needs it: a batch is often a single line.
pub(super) struct Prefixes<'a> {
    name: &'a Name,
    /// By their marks; empty if not formatted yet.
    texts: [String; 4],
}

impl<'a> Prefixes<'a> {
    pub(super) fn new(name: &'a Name) -> Self {
        Self { name, texts: Default::default() }
    }

    pub(super) fn of(&mut self, line: Line<'_>) -> &str {
        let text = &mut self.texts[line.marks()];
        if text.is_empty() {
            *text = format!("[{}{}] ", self.name, MARKS[line.marks()]);
        }
        text
    }
}
