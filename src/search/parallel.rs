//! A search for several expected outputs at once.

use super::finder::{MessageExtractor, StreamFinder};
use super::line::LinePosition;
use super::output_match::OutputMatch;
use crate::machine::Stream;

/// Searches the output of one run for several [`OutputMatch`]es at once and counts their matches.
///
/// An output that has matched often enough is not searched for any more.
#[derive(Default)]
pub(crate) struct ParallelSearch {
    searches: Vec<Search>,
    message: MessageExtractor,
}

/// The number of matches of one output so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MatchCount {
    /// The number that [`ParallelSearch::new`] was given for the output.
    pub(crate) id: usize,
    pub(crate) count: u32,
}

/// The search for one output on one or both streams.
struct Search {
    id: usize,
    times: u32,
    /// Indexed by [`Stream`]; `None` where the stream is not searched.
    counters: [Option<Counter>; 2],
    count: u32,
}

struct Counter {
    finder: StreamFinder,
    count: u32,
}

impl ParallelSearch {
    /// Creates a search for these outputs, each with a number of the caller's choice.
    pub(crate) fn new<'a>(
        wanted: impl Iterator<Item = (usize, &'a OutputMatch)>,
        message: MessageExtractor,
    ) -> Self {
        Self { searches: wanted.map(|(id, wanted)| Search::new(id, wanted)).collect(), message }
    }

    /// Takes in what was read from `stream` and returns the counts that have grown. An empty read is the end
    /// of the stream.
    pub(crate) fn feed(&mut self, stream: Stream, bytes: &[u8]) -> Vec<MatchCount> {
        let mut counts = Vec::new();
        for search in &mut self.searches {
            counts.extend(search.feed(stream, bytes, &self.message));
        }
        self.searches.retain(|search| search.count < search.times);
        counts
    }
}

impl Search {
    fn new(id: usize, wanted: &OutputMatch) -> Self {
        let counters = Stream::BOTH.map(|stream| {
            let finder = wanted.is_on(stream).then(|| StreamFinder::new(wanted, LinePosition::default()));
            finder.flatten().map(|finder| Counter { finder, count: 0 })
        });
        Self { id, times: wanted.times, counters, count: 0 }
    }

    fn feed(&mut self, stream: Stream, bytes: &[u8], message: &MessageExtractor) -> Option<MatchCount> {
        let counter = self.counters[stream as usize].as_mut()?;
        counter.count = counter.finder.count(counter.count, bytes, message);
        let count = self.counters.iter().flatten().map(|counter| counter.count).sum();
        // A match in a growing line may vanish again, as that of `a\b` does when a letter follows.
        let has_grown = count > self.count;
        self.count = count;
        has_grown.then_some(MatchCount { id: self.id, count })
    }
}

#[cfg(test)]
mod tests;
