//! Things that are printed one after the other.

use super::condition::Printed;
use crate::machine::Stream;

/// Looks for one thing after the other, in the way of *expect*.
#[derive(Debug)]
pub(crate) struct Sequence {
    found: usize,
}

impl Sequence {
    /// Looks for all of these, in this order.
    pub(crate) fn new(_wanted: impl IntoIterator<Item = Printed>) -> Self {
        Self { found: 0 }
    }

    /// Takes in what was read from `stream`; an empty read is its end.
    pub(crate) fn feed(&mut self, _stream: Stream, _bytes: &[u8]) {}

    /// How many of them have been found so far.
    pub(crate) fn found(&self) -> usize {
        self.found
    }
}
