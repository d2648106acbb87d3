//! Things that are printed one after the other, in the way of *expect*.
//!
//! The matcher looks for all it is given at once, wherever it is, and counts. Here only the first is looked for, and
//! what comes next lies behind it. Each stream has a *cursor* of its own: it is behind the last thing that was found in that
//! stream, whatever was found in the other one meanwhile. For in which order a process has written to its two streams
//! cannot be known, only in which order they were read, and that is a matter of luck.
//!
//! **What depends on how the reads cut a stream.** Nothing, for texts and for what is looked for in whole lines
//! ([`OutputMatch::in_message`]). Another regular expression is tried on the line as far as it has come, for the line may
//! never have an end. What it matches then is the match, and the next one begins behind that, though a longer or a
//! different one would have come with the rest of the line. So `\d+` may stop within a number and `$` at the end of a
//! read, and `port \d+\b` finds a port of which half has come; an expression of which a match can neither grow nor vanish
//! with what follows, such as `port \d+ `, is found where it is found in the whole.

use std::fmt;

use memchr::memmem;
use regex::bytes::Regex;

use super::condition::{OutputMatch, Wanted};
use super::line::{GrowingLine, KEPT, WholeLine, matches};
use super::place::Place;
use super::seam::Seam;
use crate::machine::Stream;

/// How much of a stream is kept behind its cursor for what is looked for later.
const BEHIND: usize = 2 * KEPT;

/// Looks for one thing after the other.
///
/// It keeps no more than what can still matter: of a text the end that may be its beginning, else the line that is being
/// written, of a very long one 128 KiB at most. In such a line no match of a regular expression is longer than half of this,
/// and for what is looked for in whole lines there are only the first 64 KiB behind the match before. Of a stream in which
/// something is to be looked for later, the last 128 KiB behind its cursor.
pub(crate) struct Sequence {
    wanted: Vec<OutputMatch>,
    /// How many of them have been found; this one is looked for.
    found: usize,
    /// How often it is still to be found.
    missing: u32,
    /// Where it is looked for: in the order of [`Stream::BOTH`].
    searches: [Option<Search>; 2],
    cursors: [Cursor; 2],
}

/// How far the things that were found have come in one stream.
#[derive(Default)]
struct Cursor {
    place: Place,
    /// What was read behind the place and behind what is known there of the line.
    behind: Vec<u8>,
    /// How much of that the search has seen.
    seen: usize,
    /// Whether what is looked for has been found here, and must be found again, here or in the other stream.
    has_passed: bool,
    /// Whether nothing will come after it.
    ended: bool,
}

/// One thing, looked for in one stream.
enum Search {
    /// What is known to lie behind the place where it began comes first.
    Text {
        seam: Box<Seam>,
        first: Vec<u8>,
    },
    Regex(GrowingLine),
    TextInLine(WholeLine, String),
    RegexInLine(WholeLine, Regex),
}

impl Sequence {
    /// Looks for all of these, in this order. Whoever calls this has [checked](super::Condition::check) them: an empty
    /// text, or what is no regular expression, is never found.
    pub(crate) fn new(wanted: impl IntoIterator<Item = OutputMatch>) -> Self {
        let mut sequence = Self {
            wanted: wanted.into_iter().collect(),
            found: 0,
            missing: 0,
            searches: [None, None],
            cursors: Default::default(),
        };
        sequence.begin();
        sequence
    }

    /// Takes in what was read from `stream`; an empty read is its end.
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

    /// How many of them have been found so far.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// Looks for it once, in what the search of a stream has not seen.
    fn find(&mut self, stream: usize) -> bool {
        let cursor = &mut self.cursors[stream];
        let search = self.searches[stream].as_mut();
        let found = search.and_then(|search| search.find(&cursor.behind[cursor.seen..], cursor.ended));
        let Some(taken) = found else {
            cursor.seen = cursor.behind.len();
            return false;
        };
        cursor.seen += taken;
        cursor.has_passed = true;
        self.missing = self.missing.saturating_sub(1);
        if self.missing == 0 {
            self.found += 1;
            self.move_cursors(stream);
            self.begin();
        }
        true
    }

    /// What was looked for has been found, the last time in this stream.
    fn move_cursors(&mut self, stream: usize) {
        let search = self.searches[stream].take().expect("it has just found something");
        let [out, err] = &mut self.cursors;
        let (here, there) = if stream == 0 { (out, err) } else { (err, out) };
        here.behind.drain(..here.seen);
        here.place = search.into_place();
        if there.has_passed {
            // Where exactly it was found there is not known any more.
            there.skip();
        }
        for cursor in [here, there] {
            cursor.seen = 0;
            cursor.has_passed = false;
        }
    }

    /// Looks for the first that has not been found, behind the cursors; if there is none, for nothing any more.
    fn begin(&mut self) {
        let wanted = self.wanted.get(self.found);
        self.missing = wanted.map_or(0, |printed| printed.times);
        self.searches = Stream::BOTH.map(|stream| {
            let printed = wanted.filter(|printed| printed.is_on(stream))?;
            Search::behind(self.cursors[stream as usize].place.clone(), printed)
        });
    }

    /// Whether something that comes after what is looked for now is to be looked for in this stream.
    fn is_wanted_later(&self, stream: Stream) -> bool {
        self.wanted.iter().skip(self.found + 1).any(|printed| printed.is_on(stream))
    }
}

impl Cursor {
    /// Keeps at most so much of what is behind it, and gives up nothing that the search has not seen.
    fn forget(&mut self, keep: usize) {
        let old = self.behind.len().saturating_sub(keep).min(self.seen);
        if old > 0 {
            self.place.pass(&self.behind[..old]);
            self.behind.drain(..old);
            self.seen -= old;
        }
    }

    /// Goes behind all that was read.
    fn skip(&mut self) {
        self.place.pass(&self.behind);
        self.behind.clear();
    }
}

impl Search {
    fn behind(place: Place, printed: &OutputMatch) -> Option<Self> {
        Some(match (&printed.wanted, printed.in_message) {
            (Wanted::Text(text), _) if text.is_empty() => return None,
            (Wanted::Text(text), false) => {
                Self::Text { seam: Box::new(Seam::new(text)), first: place.behind().to_owned() }
            }
            (Wanted::Regex(regex), false) => Self::Regex(GrowingLine::behind(regex.clone(), place)),
            (Wanted::Text(text), true) => Self::TextInLine(WholeLine::behind(place), text.clone()),
            (Wanted::Regex(regex), true) => Self::RegexInLine(WholeLine::behind(place), regex.clone()),
            (Wanted::Broken(_), _) => return None,
        })
    }

    /// Finds it once more, and says how many of these bytes it took in for that.
    fn find(&mut self, bytes: &[u8], ended: bool) -> Option<usize> {
        match self {
            Self::Text { seam, first } => {
                if let Some(end) = seam.find(first) {
                    first.drain(..end);
                    return Some(0);
                }
                first.clear();
                seam.find(bytes)
            }
            Self::Regex(line) => line.find(bytes),
            Self::TextInLine(line, text) => line.find(bytes, ended, |line, from| {
                let start = from + memmem::find(line.get(from..)?, text.as_bytes())?;
                Some((start, start + text.len()))
            }),
            Self::RegexInLine(line, regex) => {
                line.find(bytes, ended, |line, from| matches(regex, line, from).next())
            }
        }
    }

    /// Behind what was found last.
    fn into_place(self) -> Place {
        match self {
            Self::Text { seam, first } => Place::between(seam.text(), &first),
            Self::Regex(line) => line.into_place(),
            Self::TextInLine(line, _) | Self::RegexInLine(line, _) => line.into_place(),
        }
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequence")
            .field("wanted", &self.wanted)
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
