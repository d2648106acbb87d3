//! The line that a stream is writing, for what is looked for within one line.

use memchr::memchr;
use regex::bytes::Regex;

/// So much of a line is kept, at least.
pub(super) const KEPT: usize = 64 * 1024;

/// Twice that is gathered before the older half is given up, so that giving up is rare.
const GATHERED: usize = 2 * KEPT;

/// Counts the matches of a regular expression, line by line, also in a line that is still growing.
///
/// A line longer than [`GATHERED`] is cut where that many bytes are there, wherever the reads end: so the count does
/// not depend on them.
#[derive(Debug)]
pub(super) struct GrowingLine {
    regex: Regex,
    text: Vec<u8>,
    /// Where to look from: after a cut one byte is left standing, so that `^` and `\b` see that the line does not begin
    /// here.
    from: usize,
    /// The matches in all that is not in `text` any more.
    settled: u32,
}

impl GrowingLine {
    pub(super) fn new(regex: Regex) -> Self {
        Self { regex, text: Vec::new(), from: 0, settled: 0 }
    }

    /// How many matches there are so far, after these bytes.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> u32 {
        while let Some(end) = memchr(b'\n', bytes) {
            let line = &bytes[..end];
            if self.text.is_empty() && line.len() < GATHERED {
                self.settled += matches(&self.regex, without_cr(line), 0).count() as u32;
            } else {
                self.gather(line);
                self.settled += matches(&self.regex, without_cr(&self.text), self.from).count() as u32;
                self.text.clear();
                self.from = 0;
            }
            bytes = &bytes[end + 1..];
        }
        self.gather(bytes);
        self.settled + matches(&self.regex, &self.text, self.from).count() as u32
    }

    fn gather(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(GATHERED - self.text.len()));
            self.text.extend_from_slice(piece);
            bytes = rest;
            if self.text.len() == GATHERED {
                self.cut();
            }
        }
    }

    /// Settles the older half, with a match that reaches over its end.
    fn cut(&mut self) {
        let mut end = KEPT;
        for (start, stop) in matches(&self.regex, &self.text, self.from) {
            if start >= KEPT {
                break;
            }
            self.settled += 1;
            end = end.max(stop);
        }
        self.text.drain(..end - 1);
        self.from = 1;
    }
}

/// Gathers whole lines, of a very long one the beginning.
#[derive(Debug, Default)]
pub(super) struct WholeLine {
    text: Vec<u8>,
}

impl WholeLine {
    /// Shows each line that is complete with these bytes to `see`, without its end.
    pub(super) fn split(&mut self, mut bytes: &[u8], mut see: impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            let line = &bytes[..end];
            if self.text.is_empty() {
                see(without_cr(&line[..line.len().min(KEPT)]));
            } else {
                self.gather(line);
                self.flush(&mut see);
            }
            bytes = &bytes[end + 1..];
        }
        self.gather(bytes);
    }

    /// The stream has ended, and with it the last line.
    pub(super) fn flush(&mut self, mut see: impl FnMut(&[u8])) {
        if !self.text.is_empty() {
            see(without_cr(&self.text));
            self.text.clear();
        }
    }

    fn gather(&mut self, bytes: &[u8]) {
        let room = KEPT - self.text.len();
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Where `regex` matches from `from` on: matches do not overlap.
fn matches(regex: &Regex, text: &[u8], from: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let found = (at <= text.len()).then(|| regex.find_at(text, at)).flatten()?;
        at = found.end().max(found.start() + 1);
        Some((found.start(), found.end()))
    })
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
