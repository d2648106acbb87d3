//! A batch: the lines of one read, with what a sink wants to know about them.

use std::borrow::Cow;

use super::lines::Lines;
use super::text;
use crate::machine::{Name, RunId, Stream};

/// Whole lines of one stream of one run, in order. Never empty.
#[derive(Debug)]
pub struct Batch<'a> {
    name: &'a Name,
    run: RunId,
    stream: Stream,
    lines: Lines<'a>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(name: &'a Name, run: RunId, stream: Stream, lines: Lines<'a>) -> Self {
        Self { name, run, stream, lines }
    }

    /// Which process wrote them.
    pub fn name(&self) -> &'a Name {
        self.name
    }

    /// In which run of it.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// On which of its two streams (LP-2).
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// The lines. They are found as the iterator goes, and nothing is copied.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.lines.clone()
    }

    /// Appends every line to `out` as Twisted showed it: `[name] text`, or `[name+] text` if it continues the line
    /// before. A name has no `+` in it, so the two cannot be confused (F-54).
    pub fn render(&self, out: &mut Vec<u8>) {
        let starts = self.starts();
        let plain = self.lines.are_plain();
        for line in self.lines() {
            out.extend_from_slice(starts[usize::from(line.continued)].as_bytes());
            if plain {
                out.extend_from_slice(line.bytes);
            } else {
                line.push_text(out);
            }
            out.push(b'\n');
        }
    }

    /// Whether its last line is a piece, continued in the next batch of the same stream of the same run.
    pub(super) fn goes_on(&self) -> bool {
        self.lines.go_on()
    }

    /// What a line begins with when it is shown, and what one that continues another does.
    pub(super) fn starts(&self) -> [String; 2] {
        [format!("[{}] ", self.name), format!("[{}+] ", self.name)]
    }
}

/// One line, or one piece of a line that was too long.
///
/// ```
/// use childminder::output::Line;
///
/// let line = |bytes| Line { bytes, continued: false };
/// assert_eq!(line("grüße\t1".as_bytes()).text(), "grüße\t1");
/// assert_eq!(line(b"a\x07\0b\x1b[2J").text(), r"a\x07\0b\x1b[2J");
/// assert_eq!(line(b"\xffhello world!").text(), r"b'\xffhello world!'");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What was written, byte by byte, without the ending: LF, or CR and LF.
    pub bytes: &'a [u8],
    /// Whether it continues the line before it, which was too long to be handed over in one piece.
    pub continued: bool,
}

impl<'a> Line<'a> {
    /// The line as text that is safe to show in one line (LP-6, LP-7, F-63).
    ///
    /// Control characters are escaped as in `\x1b`, `\r`, `\0` or `\u{202e}`: C0, DEL, C1, the line and paragraph
    /// separators, and what reverses the direction of writing. Not escaped are tab, backslash, and colours (`ESC [ …
    /// m`); colours that the line leaves switched on are switched off at its end. If it is not valid UTF-8, all of it
    /// is in Python's notation for bytes. Borrowed when it is shown as it is, which is nearly always.
    pub fn text(&self) -> Cow<'a, str> {
        text::text(self.bytes)
    }

    /// Appends [`text`](Self::text) to `out`, without making a string of it first.
    pub fn push_text(&self, out: &mut Vec<u8>) {
        text::push_text(self.bytes, out);
    }
}
