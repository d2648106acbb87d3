//! A text in a stream, however the reads cut it.

use memchr::memmem::Finder;

/// Counts a text in one stream.
///
/// Of what has been read only the end is kept, one byte shorter than the text: the text cannot be in there, and its
/// beginning can. So a read is searched where it lies, and only its seam with the one before is put together.
#[derive(Debug)]
pub(super) struct Seam {
    finder: Finder<'static>,
    tail: Vec<u8>,
}

impl Seam {
    pub(super) fn new(text: &str) -> Self {
        Self { finder: Finder::new(text).into_owned(), tail: Vec::new() }
    }

    /// How many more times the text is there. Occurrences do not overlap, and the first one wins.
    pub(super) fn count(&mut self, bytes: &[u8]) -> u32 {
        let length = self.finder.needle().len();
        let keep = length.saturating_sub(1);
        let tail = self.tail.len();
        self.tail.extend_from_slice(&bytes[..keep.min(bytes.len())]);
        let mut count = 0;
        // It begins in the tail, for of the new bytes there is one too few.
        let mut rest = match self.finder.find(&self.tail).filter(|_| tail > 0) {
            Some(at) => {
                count += 1;
                self.tail.clear();
                &bytes[at + length - tail..]
            }
            None if bytes.len() >= keep => {
                self.tail.clear();
                bytes
            }
            // Too short a read to stand for itself.
            None => return self.keep_end(keep, count),
        };
        let mut end = 0;
        for at in self.finder.find_iter(rest) {
            count += 1;
            end = at + length;
        }
        rest = &rest[end..];
        self.tail.extend_from_slice(&rest[rest.len().saturating_sub(keep)..]);
        count
    }

    fn keep_end(&mut self, keep: usize, count: u32) -> u32 {
        self.tail.drain(..self.tail.len().saturating_sub(keep));
        count
    }
}
