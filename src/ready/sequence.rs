//! Things that are printed one after the other, in the way of *expect*.
//!
//! The matcher looks for all it is given at once, wherever it is, and counts. Here only the first is looked for, and
//! what comes next lies behind it: behind the end of its match in the stream that it was found in, and in the other
//! stream behind all that had been read when it was found. So the order in which a process writes to one stream is
//! pinned, and that between its two streams as far as it can be known.
//!
//! **What depends on how the reads cut a stream.** Nothing, for texts and for what is looked for in whole lines
//! ([`Printed::in_message`]). Another regular expression is tried on the line as far as it has come, for the line may
//! never have an end. What it matches then is the match, and the next one begins behind that, though a longer or a
//! different one would have come with the rest of the line. So `\d+` may stop within a number and `$` at the end of a
//! read, and `port \d+\b` finds a port of which half has come; an expression of which a match can neither grow nor vanish
//! with what follows, such as `port \d+ `, is found where it is found in the whole.

use std::fmt;

use memchr::memmem;
use regex::bytes::Regex;

use super::condition::{Printed, Wanted};
use super::line::{GrowingLine, WholeLine, matches};
use super::place::Place;
use super::seam::Seam;
use crate::machine::Stream;

/// Looks for one thing after the other.
///
/// It keeps no more than what can still matter: of a text the end that may be its beginning, else the line that is being
/// written, of a very long one 128 KiB at most. In such a line no match of a regular expression is longer than half of this,
/// and for what is looked for in whole lines there are only the first 64 KiB behind the match before.
pub(crate) struct Sequence {
    wanted: Vec<Printed>,
    /// How many of them have been found; this one is looked for.
    found: usize,
    /// How often it is still to be found.
    missing: u32,
    /// Where it is looked for: in the order of [`Stream::BOTH`].
    searches: [Option<Search>; 2],
    /// The ends of what has been read.
    ends: [Place; 2],
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
    pub(crate) fn new(wanted: impl IntoIterator<Item = Printed>) -> Self {
        let mut sequence = Self {
            wanted: wanted.into_iter().collect(),
            found: 0,
            missing: 0,
            searches: [None, None],
            ends: Default::default(),
        };
        sequence.begin(Default::default());
        sequence
    }

    /// Takes in what was read from `stream`; an empty read is its end.
    pub(crate) fn feed(&mut self, stream: Stream, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(search) = &mut self.searches[stream as usize]
            && let Some(taken) = search.find(rest, bytes.is_empty())
        {
            rest = &rest[taken..];
            self.missing = self.missing.saturating_sub(1);
            if self.missing == 0 {
                self.found += 1;
                self.go_on_from(stream);
            }
        }
        self.ends[stream as usize].pass(bytes);
    }

    /// How many of them have been found so far.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// The one that was looked for has been found, in this stream.
    fn go_on_from(&mut self, stream: Stream) {
        let mut places = self.ends.clone();
        if let Some(search) = self.searches[stream as usize].take() {
            places[stream as usize] = search.into_place();
        }
        self.begin(places);
    }

    /// Looks for the first that has not been found, behind these places; if there is none, for nothing any more.
    fn begin(&mut self, places: [Place; 2]) {
        let wanted = self.wanted.get(self.found);
        self.missing = wanted.map_or(0, |printed| printed.times);
        let mut streams = Stream::BOTH.into_iter();
        self.searches = places.map(|place| {
            let stream = streams.next()?;
            let printed = wanted.filter(|printed| printed.stream.is_none_or(|on| on == stream))?;
            Search::behind(place, printed)
        });
    }
}

impl Search {
    fn behind(place: Place, printed: &Printed) -> Option<Self> {
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
