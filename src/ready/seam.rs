//! A text in a stream, however the reads cut it.

use memchr::memmem::Finder;

/// Finds a text in one stream.
///
/// Of what has been read only the end is kept, one byte shorter than the text: the text cannot be in there, and its
/// beginning can. So a read is searched where it lies, and only its seam with the one before is put together.
#[derive(Debug)]
pub(super) struct Seam {
    finder: Finder<'static>,
    tail: Vec<u8>,
}

impl Seam {
    /// Looks for `text`, which is not empty.
    pub(super) fn new(text: &str) -> Self {
        Self { finder: Finder::new(text).into_owned(), tail: Vec::new() }
    }

    /// How many more times the text is there. Occurrences do not overlap, and the first one wins.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> u32 {
        let mut count = 0;
        while let Some(end) = self.find(bytes) {
            count += 1;
            bytes = &bytes[end..];
        }
        count
    }

    /// Where in these bytes the text ends for the first time. What lies behind that was not looked at, and is to be
    /// brought again.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let length = self.finder.needle().len();
        let keep = length.saturating_sub(1);
        let tail = self.tail.len();
        if tail > 0 {
            self.tail.extend_from_slice(&bytes[..keep.min(bytes.len())]);
            if let Some(at) = self.finder.find(&self.tail) {
                // It begins in the tail, for of the new bytes there is one too few.
                self.tail.clear();
                return Some(at + length - tail);
            }
            if bytes.len() < keep {
                // Too short a read to stand for itself.
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

    /// What is looked for.
    pub(super) fn text(&self) -> &[u8] {
        self.finder.needle()
    }
}
