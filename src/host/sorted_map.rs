//! A map for a few entries.

use std::borrow::Borrow;
use std::fmt;

/// A map that is one sorted list. A node of a `BTreeMap` has room for eleven entries, which is most of the
/// memory of a spec with one variable; there may be thousands of specs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SortedMap<K, V>(Vec<(K, V)>);

impl<K: Ord, V> SortedMap<K, V> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets the value of a key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(index) => self.0[index].1 = value,
            Err(index) => self.insert_at(index, key, value),
        }
    }

    /// Sets the value of a key that has none.
    pub(super) fn insert_missing(&mut self, key: K, value: V) {
        if let Err(index) = self.find(&key) {
            self.insert_at(index, key, value);
        }
    }

    fn insert_at(&mut self, index: usize, key: K, value: V) {
        // Room for one more only: most specs have few variables, and there is no further call for them.
        self.0.reserve_exact(1);
        self.0.insert(index, (key, value));
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|index| &self.0[index].1)
    }

    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// Returns the entries in the order of the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Returns the entries in the order of the keys, whose values can be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_behaves_like_a_map_of_the_standard_library() {
        let (mut ours, mut theirs) = (SortedMap::new(), BTreeMap::new());
        for number in [5_u32, 1, 9, 5, 3, 1, 7, 9, 0] {
            ours.insert(number.to_string(), number);
            theirs.insert(number.to_string(), number);
            ours.insert_missing((number / 2).to_string(), 100);
            theirs.entry((number / 2).to_string()).or_insert(100);
            assert!(ours.iter().eq(theirs.iter()), "{ours:?} {theirs:?}");
        }
        ours.iter_mut().for_each(|(_, value)| *value += 1);
        assert_eq!((ours.get("7"), ours.get("8")), (Some(&8), None));
        assert_eq!(format!("{:?}", SortedMap(vec![(1, 'a')])), "{1: 'a'}");
    }
}
