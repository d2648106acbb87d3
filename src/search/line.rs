//! The line that a stream is writing, for matches within one line.

use memchr::{memchr, memrchr};
use regex::bytes::Regex;

/// At least this many bytes of a line are kept.
pub(super) const KEPT: usize = 64 * 1024;

/// A line is cut when it has grown to this size, so that cutting is rare.
const GATHERED: usize = 2 * KEPT;

/// The number of bytes kept in front of a position as context: the length of the longest character.
const CONTEXT: usize = 4;

/// A position in a line. A search begins there; `^` and `\b` still see what lies in front of it.
#[derive(Clone, Debug, Default)]
pub(super) struct LinePosition {
    /// The known part of the line.
    text: Vec<u8>,
    /// The position within `text`.
    at: usize,
}

impl LinePosition {
    /// Creates a position behind the first `at` bytes of the known part of a line.
    fn within(text: Vec<u8>, at: usize) -> Self {
        let mut position = Self { text, at };
        position.forget(at.saturating_sub(CONTEXT));
        position
    }

    /// Creates a position behind `text`, which may span lines, with `rest` of its last line already read.
    pub(super) fn between(text: &[u8], rest: &[u8]) -> Self {
        let mut position = Self::default();
        position.pass(text);
        position.text.extend_from_slice(rest);
        position
    }

    /// Moves the position behind the known part of the line and behind `bytes`.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(&bytes[bytes.len().saturating_sub(CONTEXT)..]);
        let line = memrchr(b'\n', &self.text).map_or(0, |end| end + 1);
        self.at = self.text.len();
        self.forget(line.max(self.at.saturating_sub(CONTEXT)));
    }

    /// Returns the known bytes behind the position, in the same line.
    pub(super) fn bytes_behind(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn forget(&mut self, end: usize) {
        self.text.drain(..end);
        self.at -= end;
    }
}

/// Counts or finds the matches of a regular expression line by line, also in a line that is still growing.
///
/// A line longer than [`GATHERED`] is cut where that many bytes have come, independent of the size of the
/// reads, so that the count does not depend on them.
#[derive(Debug)]
pub(super) struct GrowingLine {
    regex: Regex,
    text: Vec<u8>,
    /// The offset at which the next search begins. After a cut one byte is kept in front of it, so that `^`
    /// and `\b` do not take it for the beginning of the line.
    from: usize,
    /// The end of the last match found.
    end: usize,
    /// The number of matches in everything that was removed from `text`.
    settled: u32,
}

impl GrowingLine {
    /// Creates a search for `regex` behind `position`.
    pub(super) fn new(regex: Regex, position: LinePosition) -> Self {
        let LinePosition { text, at } = position;
        Self { regex, text, from: at, end: at, settled: 0 }
    }

    /// Returns the number of matches up to the end of `bytes`. It can decrease: `a\b` does not match any more
    /// when a letter follows.
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

    /// Finds the next match and returns how many of these bytes were consumed for it. The others must be
    /// passed in again. Nothing is found in a line of which nothing has been read yet.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut taken = 0;
        loop {
            let ahead = &bytes[taken..];
            let end = memchr(b'\n', ahead);
            let length = end.unwrap_or(ahead.len()).min(GATHERED - self.text.len());
            self.text.extend_from_slice(&ahead[..length]);
            taken += length;
            let is_whole = end == Some(length);
            if self.text.is_empty() && !is_whole {
                return None;
            }
            let line = if is_whole { without_cr(&self.text) } else { &self.text };
            if let Some((start, end)) = matches(&self.regex, line, self.from).next() {
                self.end = end;
                self.from = end.max(start + 1);
                return Some(taken);
            }
            if is_whole {
                self.text.clear();
                self.from = 0;
                taken += 1;
            } else if self.text.len() == GATHERED {
                self.remove_front(KEPT);
            } else {
                return None;
            }
        }
    }

    /// Returns the position behind the last match found.
    pub(super) fn into_position(self) -> LinePosition {
        LinePosition::within(self.text, self.end)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
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

    /// Settles the matches that begin in the older half, including one that reaches beyond its end, and
    /// removes them.
    fn cut(&mut self) {
        let mut end = KEPT;
        for (start, stop) in matches(&self.regex, &self.text, self.from) {
            if start >= KEPT {
                break;
            }
            self.settled += 1;
            end = end.max(stop);
        }
        self.remove_front(end);
    }

    /// Removes everything before `end` except the last byte.
    fn remove_front(&mut self, end: usize) {
        self.text.drain(..end - 1);
        self.from = self.from.saturating_sub(end - 1).max(1);
    }
}

/// Collects whole lines; of a very long line, its beginning.
#[derive(Debug)]
pub(super) struct WholeLine {
    text: Vec<u8>,
    /// The offset at which the next search begins.
    from: usize,
    /// The end of the last match found.
    end: usize,
}

impl WholeLine {
    /// Creates a search behind `position`.
    pub(super) fn new(position: LinePosition) -> Self {
        let LinePosition { mut text, at } = position;
        text.truncate(KEPT);
        Self { text, from: at, end: at }
    }

    /// Finds the next match of `search`, which returns the first match at or behind an offset in a line.
    /// Returns how many of these bytes were consumed for it; the others must be passed in again. `ended` says
    /// that the stream ends behind `bytes`, which completes its last line.
    pub(super) fn find(
        &mut self,
        bytes: &[u8],
        ended: bool,
        search: impl Fn(&[u8], usize) -> Option<(usize, usize)>,
    ) -> Option<usize> {
        let mut taken = 0;
        loop {
            let ahead = &bytes[taken..];
            let end = memchr(b'\n', ahead);
            let length = end.unwrap_or(ahead.len());
            self.gather(&ahead[..length]);
            taken += length;
            let is_whole = end.is_some() || (ended && !self.text.is_empty());
            if !is_whole {
                return None;
            }
            if let Some((start, end)) = search(without_cr(&self.text), self.from) {
                self.end = end;
                self.from = end.max(start + 1);
                return Some(taken);
            }
            self.text.clear();
            self.from = 0;
            taken += usize::from(end.is_some());
        }
    }

    /// Returns the position behind the last match found.
    pub(super) fn into_position(self) -> LinePosition {
        LinePosition::within(self.text, self.end)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Passes each line that `bytes` complete to `see`, without its line end.
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

    /// Passes the last line to `see`, which the end of the stream completes.
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

/// Returns the matches of `regex` that begin at `from` or behind it. They do not overlap.
pub(super) fn matches(regex: &Regex, text: &[u8], from: usize) -> impl Iterator<Item = (usize, usize)> {
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
