//! What happens when in a rehearsal: an agenda, the earliest entry first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::machine::Exit;

/// Everything that is going to happen.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Due>>,
    /// The number of entries so far.
    scheduled: u64,
}

impl Agenda {
    /// Adds an entry, which comes after those of the same time.
    pub(super) fn add(&mut self, at: Duration, what: What) {
        self.heap.push(Reverse(Due { at, order: self.scheduled, what }));
        self.scheduled += 1;
    }

    /// Returns the time of the first entry.
    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// Removes the first entry if it is due at `now`.
    pub(super) fn pop(&mut self, now: Duration) -> Option<What> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due.what)
    }
}

/// An entry.
#[derive(Debug)]
struct Due {
    at: Duration,
    /// Its position among everything that was scheduled.
    order: u64,
    what: What,
}

/// Something that happens at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The entry of the scenario with this index.
    Happens(usize),
    /// Something happens to a run, unless it is over.
    Run { actor: usize, start: u64, act: Act },
}

/// An action of a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Starts,
    /// The change of readiness with this index.
    ChangesReadiness(usize),
    BecomesUnhealthy,
    Exits(Exit),
    EndsStopCommand,
    EndsOutput,
    /// Answers which processes of its family are alive.
    ListsFamily,
    /// Answers which processes have outlived KILL.
    DescribesSurvivors,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_entry_comes_first_and_equal_ones_in_their_order() {
        let mut agenda = Agenda::default();
        let at = Duration::from_secs;
        for (seconds, index) in [(3, 0), (1, 1), (3, 2), (2, 3), (1, 4)] {
            agenda.add(at(seconds), What::Happens(index));
        }
        assert_eq!(agenda.next(), Some(at(1)));
        let mut indices = Vec::new();
        while let Some(What::Happens(index)) = agenda.pop(at(2)) {
            indices.push(index);
        }
        assert_eq!((indices, agenda.next()), (vec![1, 4, 3], Some(at(3))));
    }
}
