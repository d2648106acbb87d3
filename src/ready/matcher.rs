//! Looks for what a condition wants printed, in the bytes as they are read.
//!
//! Each stream is looked at by itself, in bytes and not in log lines: a prompt without an end, a text split over reads, a
//! line longer than a log line may be are all found (SV-25, F-83). What has been found often enough is not looked for
//! any more, and when nothing is left to look for there is nothing left to do.

use memchr::memmem;
use regex::bytes::Regex;

use super::Message;
use super::condition::{OutputMatch, Wanted};
use super::line::{GrowingLine, WholeLine};
use super::seam::Seam;
use crate::machine::Stream;

/// All that is looked for in the output of one run.
#[derive(Default)]
pub(super) struct Matcher {
    searches: Vec<Search>,
    message: Message,
}

/// Something was seen: for which leaf, and how often in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) leaf: usize,
    pub(super) count: u32,
}

/// One thing that is looked for, in one or both streams.
struct Search {
    leaf: usize,
    times: u32,
    /// In the order of [`Stream::BOTH`]; `None` where it is not looked for.
    counters: [Option<Counter>; 2],
    count: u32,
}

/// How it is looked for in one stream, and how often it was seen there.
struct Counter {
    way: Way,
    count: u32,
}

enum Way {
    Text(Box<Seam>),
    Regex(GrowingLine),
    TextInMessage(WholeLine, String),
    RegexInMessage(WholeLine, Regex),
}

impl Matcher {
    /// Looks for all of these, each with the number of its leaf. `message` finds the message in a line.
    pub(super) fn new<'a>(wanted: impl Iterator<Item = (usize, &'a OutputMatch)>, message: Message) -> Self {
        Self { searches: wanted.map(|(leaf, printed)| Search::new(leaf, printed)).collect(), message }
    }

    /// Takes in what was read from `stream`; an empty read is its end. Tells what was seen more often than before.
    pub(super) fn feed(&mut self, stream: Stream, bytes: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        for search in &mut self.searches {
            seen.extend(search.feed(stream, bytes, &self.message));
        }
        self.searches.retain(|search| search.count < search.times);
        seen
    }

    /// Whether there is nothing left to look for.
    #[cfg(test)]
    fn is_done(&self) -> bool {
        self.searches.is_empty()
    }
}

impl Search {
    fn new(leaf: usize, printed: &OutputMatch) -> Self {
        let counters = Stream::BOTH.map(|stream| {
            printed.is_on(stream).then(|| Way::to(printed)).flatten().map(|way| Counter { way, count: 0 })
        });
        Self { leaf, times: printed.times, counters, count: 0 }
    }

    fn feed(&mut self, stream: Stream, bytes: &[u8], message: &Message) -> Option<Seen> {
        let counter = self.counters[stream as usize].as_mut()?;
        counter.feed(bytes, message);
        let count = self.counters.iter().flatten().map(|counter| counter.count).sum();
        // Of a line that grows a match may vanish again, as `a\b` does when a letter follows.
        let more = count > self.count;
        self.count = count;
        more.then_some(Seen { leaf: self.leaf, count })
    }
}

impl Counter {
    fn feed(&mut self, bytes: &[u8], message: &Message) {
        let ended = bytes.is_empty();
        let count = &mut self.count;
        match &mut self.way {
            Way::Text(seam) => *count += seam.count(bytes),
            Way::Regex(line) => *count = line.count(bytes),
            Way::TextInMessage(lines, text) => {
                let mut see = |line: &[u8]| {
                    *count += memmem::find_iter(message_in(line, message), text.as_bytes()).count() as u32;
                };
                if ended { lines.flush(see) } else { lines.split(bytes, &mut see) }
            }
            Way::RegexInMessage(lines, regex) => {
                let mut see =
                    |line: &[u8]| *count += regex.find_iter(message_in(line, message)).count() as u32;
                if ended { lines.flush(see) } else { lines.split(bytes, &mut see) }
            }
        }
    }
}

fn message_in<'a>(line: &'a [u8], message: &Message) -> &'a [u8] {
    message.as_ref().map_or(line, |message| message(line))
}

impl Way {
    /// What is no regular expression, or no text at all, is never found; whoever starts something has asked
    /// [`Condition::check`] before.
    ///
    /// [`Condition::check`]: super::Condition::check
    fn to(printed: &OutputMatch) -> Option<Self> {
        Some(match (&printed.wanted, printed.in_message) {
            (Wanted::Text(text), _) if text.is_empty() => return None,
            (Wanted::Text(text), false) => Self::Text(Box::new(Seam::new(text))),
            (Wanted::Regex(regex), false) => Self::Regex(GrowingLine::new(regex.clone())),
            (Wanted::Text(text), true) => Self::TextInMessage(WholeLine::default(), text.clone()),
            (Wanted::Regex(regex), true) => Self::RegexInMessage(WholeLine::default(), regex.clone()),
            (Wanted::Broken(_), _) => return None,
        })
    }
}

#[cfg(test)]
mod tests;
