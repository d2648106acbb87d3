//! The search in one stream: for a text across reads, and for any [`OutputMatch`].

use std::sync::Arc;

use memchr::memmem::{self, Finder};
use regex::bytes::Regex;

use super::line::{GrowingLine, LinePosition, WholeLine, matches};
use super::output_match::{OutputMatch, Pattern};

/// Returns the message part of a line, for [`OutputMatch::in_message`]. `None`: the line is the message.
pub(crate) type MessageExtractor = Option<Arc<dyn Fn(&[u8]) -> &[u8] + Send + Sync>>;

/// Finds a text in one stream, across the boundaries of reads.
///
/// Only the last bytes of the previous reads are kept, one fewer than the text has: they can hold the
/// beginning of the text but not all of it. A read is searched in place; only its seam with the previous one
/// is copied.
#[derive(Debug)]
pub(super) struct TextFinder {
    finder: Finder<'static>,
    tail: Vec<u8>,
}

impl TextFinder {
    /// Creates a search for `text`, which must not be empty.
    fn new(text: &str) -> Self {
        Self { finder: Finder::new(text).into_owned(), tail: Vec::new() }
    }

    /// Returns the number of further occurrences up to the end of `bytes`. Occurrences do not overlap.
    fn count(&mut self, mut bytes: &[u8]) -> u32 {
        let mut count = 0;
        while let Some(end) = self.find(bytes) {
            count += 1;
            bytes = &bytes[end..];
        }
        count
    }

    /// Returns where the next occurrence ends in `bytes`. The bytes behind it must be passed in again.
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let length = self.finder.needle().len();
        let keep = length.saturating_sub(1);
        let tail = self.tail.len();
        if tail > 0 {
            self.tail.extend_from_slice(&bytes[..keep.min(bytes.len())]);
            if let Some(at) = self.finder.find(&self.tail) {
                // The match begins in the tail, since fewer new bytes than the text has were added.
                self.tail.clear();
                return Some(at + length - tail);
            }
            if bytes.len() < keep {
                // The read is too short to replace the tail.
                self.tail.drain(..self.tail.len().saturating_sub(keep));
                return None;
            }
            self.tail.clear();
        }
        match self.finder.find(bytes) {
            Some(at) => Some(at + length),
            None => {
                self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(keep)..]);
                None
            }
        }
    }
}

/// Searches one stream for one [`OutputMatch`].
#[derive(Debug)]
pub(super) enum StreamFinder {
    Text {
        finder: Box<TextFinder>,
        /// Bytes behind the start position that were read before the search began.
        ahead: Vec<u8>,
    },
    Regex(GrowingLine),
    TextInLine(WholeLine, String),
    RegexInLine(WholeLine, Regex),
}

impl StreamFinder {
    /// Creates a search that begins at `position`.
    ///
    /// Returns `None` for an output that can never match; [`OutputMatch::check`] reports that to the caller.
    pub(super) fn new(wanted: &OutputMatch, position: LinePosition) -> Option<Self> {
        Some(match (&wanted.pattern, wanted.in_message) {
            (Pattern::Text(text), _) if text.is_empty() => return None,
            (Pattern::Text(text), false) => Self::Text {
                finder: Box::new(TextFinder::new(text)),
                ahead: position.bytes_behind().to_owned(),
            },
            (Pattern::Regex(regex), false) => Self::Regex(GrowingLine::new(regex.clone(), position)),
            (Pattern::Text(text), true) => Self::TextInLine(WholeLine::new(position), text.clone()),
            (Pattern::Regex(regex), true) => Self::RegexInLine(WholeLine::new(position), regex.clone()),
            (Pattern::Invalid(_), _) => return None,
        })
    }

    /// Returns the number of matches up to the end of `bytes`, given that there were `before` until now. An
    /// empty slice is the end of the stream.
    pub(super) fn count(&mut self, before: u32, bytes: &[u8], message: &MessageExtractor) -> u32 {
        match self {
            Self::Text { finder, ahead: _ } => before + finder.count(bytes),
            Self::Regex(line) => line.count(bytes),
            Self::TextInLine(lines, text) => {
                let count = |line: &[u8]| memmem::find_iter(line, text.as_bytes()).count();
                before + count_in_lines(lines, bytes, message, count)
            }
            Self::RegexInLine(lines, regex) => {
                before + count_in_lines(lines, bytes, message, |line| regex.find_iter(line).count())
            }
        }
    }

    /// Finds the next match and returns how many of these bytes were consumed for it. The others must be
    /// passed in again. `ended` says that the stream ends behind `bytes`, which completes its last line.
    pub(super) fn find(&mut self, bytes: &[u8], ended: bool) -> Option<usize> {
        match self {
            Self::Text { finder, ahead } => {
                if let Some(end) = finder.find(ahead) {
                    ahead.drain(..end);
                    return Some(0);
                }
                ahead.clear();
                finder.find(bytes)
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

    /// Returns the position behind the last match found.
    pub(super) fn into_position(self) -> LinePosition {
        match self {
            Self::Text { finder, ahead } => LinePosition::between(finder.finder.needle(), &ahead),
            Self::Regex(line) => line.into_position(),
            Self::TextInLine(line, _) | Self::RegexInLine(line, _) => line.into_position(),
        }
    }
}

/// Counts matches in the message part of each line that `bytes` complete.
fn count_in_lines(
    lines: &mut WholeLine,
    bytes: &[u8],
    message: &MessageExtractor,
    count: impl Fn(&[u8]) -> usize,
) -> u32 {
    let mut found = 0;
    let see = |line: &[u8]| {
        let line = message.as_ref().map_or(line, |message| message(line));
        found += count(line) as u32;
    };
    if bytes.is_empty() {
        lines.flush(see)
    } else {
        lines.split(bytes, see)
    }
    found
}
