//! A place in the line that a stream is writing: where one search has ended, and the next one begins.

use memchr::memrchr;

/// So much of a line is known in front of a place in it: the longest character.
const CONTEXT: usize = 4;

/// A place in a line. What is looked for lies behind it, and `^` and `\b` see what lies in front of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// What is known of the line.
    text: Vec<u8>,
    /// Where in that the place is.
    at: usize,
}

impl Place {
    /// Behind the first `at` bytes of what is known of a line.
    pub(super) fn within(text: Vec<u8>, at: usize) -> Self {
        let mut place = Self { text, at };
        place.forget(at.saturating_sub(CONTEXT));
        place
    }

    /// Behind `text`, which may be of more than one line, and with `rest` of its last line known to follow.
    pub(super) fn between(text: &[u8], rest: &[u8]) -> Self {
        let mut place = Self::default();
        place.pass(text);
        place.text.extend_from_slice(rest);
        place
    }

    /// Moves the end of what is known on, behind these bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(&bytes[bytes.len().saturating_sub(CONTEXT)..]);
        let line = memrchr(b'\n', &self.text).map_or(0, |end| end + 1);
        self.at = self.text.len();
        self.forget(line.max(self.at.saturating_sub(CONTEXT)));
    }

    /// What is known to lie behind it, in the same line.
    pub(super) fn behind(&self) -> &[u8] {
        &self.text[self.at..]
    }

    /// What is known of the line, and where in that the place is.
    pub(super) fn into_parts(self) -> (Vec<u8>, usize) {
        (self.text, self.at)
    }

    fn forget(&mut self, end: usize) {
        self.text.drain(..end);
        self.at -= end;
    }
}
