//! The line that a stream is writing, for what is looked for within one line.

use memchr::memchr;
use regex::bytes::Regex;

use super::place::Place;

/// So much of a line is kept, at least.
pub(super) const KEPT: usize = 64 * 1024;

/// Twice that is gathered before the older half is given up, so that giving up is rare.
const GATHERED: usize = 2 * KEPT;

/// Counts or finds the matches of a regular expression, line by line, also in a line that is still growing.
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
    /// Where the match ends that was found last.
    end: usize,
    /// The matches in all that is not in `text` any more.
    settled: u32,
}

impl GrowingLine {
    pub(super) fn new(regex: Regex) -> Self {
        Self::behind(regex, Place::default())
    }

    /// Looks behind `place` only.
    pub(super) fn behind(regex: Regex, place: Place) -> Self {
        let (text, at) = place.into_parts();
        Self { regex, text, from: at, end: at, settled: 0 }
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

    /// Finds the next match, and says how many of these bytes it took in for that. The others are to be brought again. In
    /// a line of which nothing has come yet there is nothing to be found.
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
                self.give_up(KEPT);
            } else {
                return None;
            }
        }
    }

    /// Behind the match that was found last.
    pub(super) fn into_place(self) -> Place {
        Place::within(self.text, self.end)
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
        self.give_up(end);
    }

    /// Gives up what lies before `end`, but for one byte.
    fn give_up(&mut self, end: usize) {
        self.text.drain(..end - 1);
        self.from = self.from.saturating_sub(end - 1).max(1);
    }
}

/// Gathers whole lines, of a very long one the beginning.
#[derive(Debug, Default)]
pub(super) struct WholeLine {
    text: Vec<u8>,
    /// Where to look from.
    from: usize,
    /// Where the match ends that was found last.
    end: usize,
}

impl WholeLine {
    /// Begins with what lies behind `place` in its line.
    pub(super) fn behind(place: Place) -> Self {
        let (mut text, at) = place.into_parts();
        text.truncate(KEPT);
        Self { text, from: at, end: at }
    }

    /// Finds the next of what `look` finds: the first match from a place in a line on, and where it begins and ends. Says
    /// how many of these bytes it took in for that; the others are to be brought again, and after the end of the stream,
    /// which completes the last line, that it has `ended`.
    pub(super) fn find(
        &mut self,
        bytes: &[u8],
        ended: bool,
        look: impl Fn(&[u8], usize) -> Option<(usize, usize)>,
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
            if let Some((start, end)) = look(without_cr(&self.text), self.from) {
                self.end = end;
                self.from = end.max(start + 1);
                return Some(taken);
            }
            self.text.clear();
            self.from = 0;
            taken += usize::from(end.is_some());
        }
    }

    /// Behind the match that was found last.
    pub(super) fn into_place(self) -> Place {
        Place::within(self.text, self.end)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

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
