//! Search for expected output in the streams of a process.
//!
//! The bytes of a stream are searched as they are read, not as log lines, so that a prompt without a line
//! end, a text that is split over two reads and a match in an overlong line are all found. The two streams of
//! a process are searched separately.
//!
//! * `output_match` describes what to search for: [`OutputMatch`].
//! * `line` holds the line that a stream is writing, for matches within one line.
//! * `finder` searches one stream for one [`OutputMatch`].
//! * `parallel` searches for several at once and counts them, for readiness conditions.
//! * `sequential` searches for one after the other, each behind the match before, for a plan.

mod finder;
mod line;
mod output_match;
mod parallel;
mod sequential;

pub(crate) use finder::MessageExtractor;
pub(crate) use output_match::InvalidOutputMatch;
pub use output_match::OutputMatch;
pub(crate) use parallel::{MatchCount, ParallelSearch};
pub(crate) use sequential::SequentialSearch;
