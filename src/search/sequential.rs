//! A search for one expected output after the other, in the manner of *expect*.
//!
//! Only the first output is searched for; the search for the next begins behind its match. Each stream has a
//! *cursor* of its own, which lies behind the last match in that stream regardless of matches in the other
//! stream meanwhile: in which order a process has written to its two streams cannot be known, only in which
//! order they were read.
//!
//! # Dependence on the size of reads
//!
//! Texts, and outputs searched for in whole lines ([`OutputMatch::in_message`]), do not depend on how reads
//! divide a stream. Any other regular expression is tried on the part of the line that has been read, since
//! the line may never end. What it matches then is the match, and the next search begins behind it, even if
//! the rest of the line would have given a longer or a different one. So `\d+` may stop within a number, `$`
//! may match at the end of a read, and `port \d+\b` may match half of a port number. An expression whose
//! match can neither grow nor vanish with what follows, such as `port \d+ `, is found where it is in the
//! whole line.

use std::fmt;

use super::finder::StreamFinder;
use super::line::{KEPT, LinePosition};
use super::output_match::OutputMatch;
use crate::machine::Stream;

/// The number of bytes kept of a stream behind its cursor, for later searches.
const BEHIND: usize = 2 * KEPT;

/// Searches for one output after the other.
///
/// Memory is bounded. For a text the bytes that may be its beginning are kept; otherwise the current line, of
/// a very long one at most 128 KiB. In such a line no match of a regular expression is longer than half of
/// that, and a search in whole lines sees only the first 64 KiB behind the previous match. Of a stream in
/// which a later output is to be searched for, the last 128 KiB behind its cursor are kept.
pub(crate) struct SequentialSearch {
    wanted: Vec<OutputMatch>,
    /// The number of outputs found; the one with this index is searched for.
    found: usize,
    /// The number of further matches that the current output requires.
    missing: u32,
    /// The current search, indexed by [`Stream`].
    finders: [Option<StreamFinder>; 2],
    cursors: [Cursor; 2],
}

/// The position of the search in one stream.
#[derive(Default)]
struct Cursor {
    position: LinePosition,
    /// The bytes read behind the position and its known bytes.
    behind: Vec<u8>,
    /// The number of bytes of `behind` that the current search has seen.
    seen: usize,
    /// Whether the current output has matched here and needs further matches, in either stream.
    has_matched: bool,
    /// Whether the stream has ended.
    ended: bool,
}

impl SequentialSearch {
    /// Creates a search for these outputs in this order. An output that does not pass its check is never
    /// found.
    pub(crate) fn new(wanted: impl IntoIterator<Item = OutputMatch>) -> Self {
        let mut search = Self {
            wanted: wanted.into_iter().collect(),
            found: 0,
            missing: 0,
            finders: [None, None],
            cursors: Default::default(),
        };
        search.begin();
        search
    }

    /// Takes in what was read from `stream`. An empty read is the end of the stream.
    pub(crate) fn feed(&mut self, stream: Stream, bytes: &[u8]) {
        if self.found == self.wanted.len() {
            return;
        }
        let cursor = &mut self.cursors[stream as usize];
        cursor.behind.extend_from_slice(bytes);
        cursor.ended |= bytes.is_empty();
        let [this, other] = match stream {
            Stream::Stdout => [0, 1],
            Stream::Stderr => [1, 0],
        };
        while self.find(this) || self.find(other) {}
        for stream in Stream::BOTH {
            let is_wanted = self.is_wanted_later(stream);
            self.cursors[stream as usize].forget(if is_wanted { BEHIND } else { 0 });
        }
    }

    /// Returns how many outputs have been found so far.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// Searches the unseen bytes of one stream for the next match; returns whether there is one.
    fn find(&mut self, stream: usize) -> bool {
        let cursor = &mut self.cursors[stream];
        let finder = self.finders[stream].as_mut();
        let found = finder.and_then(|finder| finder.find(&cursor.behind[cursor.seen..], cursor.ended));
        let Some(taken) = found else {
            cursor.seen = cursor.behind.len();
            return false;
        };
        cursor.seen += taken;
        cursor.has_matched = true;
        self.missing = self.missing.saturating_sub(1);
        if self.missing == 0 {
            self.found += 1;
            self.move_cursors(stream);
            self.begin();
        }
        true
    }

    /// Moves the cursors behind the matches of the current output, whose last match is in `stream`.
    fn move_cursors(&mut self, stream: usize) {
        let finder = self.finders[stream].take().expect("this finder has just found a match");
        let [out, err] = &mut self.cursors;
        let (here, there) = if stream == 0 { (out, err) } else { (err, out) };
        here.behind.drain(..here.seen);
        here.position = finder.into_position();
        if there.has_matched {
            // The exact position of its last match is not kept.
            there.skip();
        }
        for cursor in [here, there] {
            cursor.seen = 0;
            cursor.has_matched = false;
        }
    }

    /// Begins the search for the next output behind the cursors, if there is one.
    fn begin(&mut self) {
        let wanted = self.wanted.get(self.found);
        self.missing = wanted.map_or(0, |wanted| wanted.times);
        self.finders = Stream::BOTH.map(|stream| {
            let wanted = wanted.filter(|wanted| wanted.is_on(stream))?;
            StreamFinder::new(wanted, self.cursors[stream as usize].position.clone())
        });
    }

    /// Returns whether an output after the current one is to be searched for in `stream`.
    fn is_wanted_later(&self, stream: Stream) -> bool {
        self.wanted.iter().skip(self.found + 1).any(|wanted| wanted.is_on(stream))
    }
}

impl Cursor {
    /// Keeps at most `keep` bytes behind the cursor, and everything that the search has not seen.
    fn forget(&mut self, keep: usize) {
        let old = self.behind.len().saturating_sub(keep).min(self.seen);
        if old > 0 {
            self.position.pass(&self.behind[..old]);
            self.behind.drain(..old);
            self.seen -= old;
        }
    }

    /// Moves the cursor behind everything that was read.
    fn skip(&mut self) {
        self.position.pass(&self.behind);
        self.behind.clear();
    }
}

impl fmt::Debug for SequentialSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequentialSearch")
            .field("wanted", &self.wanted)
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
