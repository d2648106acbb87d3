//! The deadlines of processes.

use std::time::Instant;

/// The deadlines of processes, of which each has at most one: a binary heap that knows the place of each
/// process, so that a deadline can be changed and removed without a search.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Each deadline and the slot of its process. None comes before the one at half its place.
    pub(super) heap: Vec<(Instant, usize)>,
    /// By slot: the place in `heap`, counted from 1; zero if there is none.
    pub(super) places: Vec<u32>,
}

impl Deadlines {
    /// Returns the earliest deadline and its slot; of equal ones that of the lowest slot.
    pub(super) fn first(&self) -> Option<(Instant, usize)> {
        self.heap.first().copied()
    }

    /// Sets or removes the deadline of a process.
    pub(super) fn set(&mut self, slot: usize, at: Option<Instant>) {
        let place = self.places.get(slot).map_or(0, |place| *place as usize);
        match (place.checked_sub(1), at) {
            (None, None) => {}
            (None, Some(at)) => {
                if self.places.len() <= slot {
                    self.places.resize(slot + 1, 0);
                }
                self.heap.push((at, slot));
                self.rise(self.heap.len() - 1, (at, slot));
            }
            (Some(index), Some(at)) if self.heap[index].0 == at => {}
            (Some(index), Some(at)) => self.put(index, (at, slot)),
            (Some(index), None) => {
                self.places[slot] = 0;
                let last = self.heap.pop();
                if let Some(last) = last.filter(|_| index < self.heap.len()) {
                    self.put(index, last);
                }
            }
        }
    }

    /// Puts an entry at an index, or where it belongs instead.
    fn put(&mut self, index: usize, entry: (Instant, usize)) {
        if index > 0 && entry < self.heap[(index - 1) / 2] {
            self.rise(index, entry);
        } else {
            self.sink(index, entry);
        }
    }

    /// Puts an entry at an index or above.
    fn rise(&mut self, mut index: usize, entry: (Instant, usize)) {
        while index > 0 {
            let parent = (index - 1) / 2;
            if self.heap[parent] <= entry {
                break;
            }
            self.set_at(index, self.heap[parent]);
            index = parent;
        }
        self.set_at(index, entry);
    }

    /// Puts an entry at an index or below.
    fn sink(&mut self, mut index: usize, entry: (Instant, usize)) {
        loop {
            let mut child = 2 * index + 1;
            let Some(left) = self.heap.get(child) else { break };
            if self.heap.get(child + 1).is_some_and(|right| right < left) {
                child += 1;
            }
            if self.heap[child] >= entry {
                break;
            }
            self.set_at(index, self.heap[child]);
            index = child;
        }
        self.set_at(index, entry);
    }

    fn set_at(&mut self, index: usize, entry: (Instant, usize)) {
        self.heap[index] = entry;
        self.places[entry.1] = u32::try_from(index + 1).expect("fewer than four billion processes");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_are_those_of_a_sorted_set_after_every_change() {
        let (mut deadlines, mut sorted) = (Deadlines::default(), BTreeSet::new());
        let mut current = [None; 50];
        let mut random = fastrand::Rng::with_seed(7);
        #[expect(clippy::disallowed_methods, reason = "deadlines that are never compared with a clock")]
        let start = Instant::now();
        for _ in 0..20_000 {
            let slot = random.usize(..current.len());
            // A few times only, so that many are equal.
            let at = random.bool().then(|| start + Duration::from_secs(random.u64(..20)));
            if let Some(at) = std::mem::replace(&mut current[slot], at) {
                sorted.remove(&(at, slot));
            }
            sorted.extend(at.map(|at| (at, slot)));
            deadlines.set(slot, at);
            assert_eq!(deadlines.first(), sorted.first().copied());
        }
        while let Some((at, slot)) = deadlines.first() {
            assert_eq!(sorted.pop_first(), Some((at, slot)));
            deadlines.set(slot, None);
        }
        assert!(sorted.is_empty());
    }
}
