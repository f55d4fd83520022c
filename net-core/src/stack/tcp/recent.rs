//! A map of bounded size.

use alloc::collections::BTreeMap;

/// A map that, where it is full, forgets what was not asked for the longest. Every operation costs
/// O(log n), whoever chooses the keys.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    /// Values, and when they were last asked for.
    entries: BTreeMap<K, (u64, V)>,
    /// Keys by that time.
    order: BTreeMap<u64, K>,
    /// Counts what was asked.
    clock: u64,
    limit: usize,
}

impl<K: Ord + Copy, V> Recent<K, V> {
    /// An empty map for so many entries.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            limit,
        }
    }

    /// The value of `key`, which is asked for now.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (asked, value) = self.entries.get_mut(key)?;
        self.order.remove(asked);
        self.clock += 1;
        *asked = self.clock;
        self.order.insert(self.clock, *key);
        Some(value)
    }

    /// Adds or replaces a value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if let Some(before) = self.get_mut(&key) {
            *before = value;
            return;
        }
        if self.limit == 0 {
            return;
        }
        if self.entries.len() >= self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.clock += 1;
        self.order.insert(self.clock, key);
        self.entries.insert(key, (self.clock, value));
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((asked, _)) = self.entries.remove(key) {
            self.order.remove(&asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_the_longest_goes() {
        let mut map = Recent::new(2);
        map.insert(1, 'a');
        map.insert(2, 'b');
        assert_eq!(map.get_mut(&1), Some(&mut 'a'));
        map.insert(3, 'c');
        assert_eq!(map.get_mut(&2), None);
        map.insert(1, 'd');
        map.insert(4, 'e');
        assert_eq!(map.get_mut(&3), None);
        assert_eq!(map.get_mut(&1), Some(&mut 'd'));
        map.remove(&1);
        assert_eq!(map.get_mut(&1), None);
        assert_eq!((map.entries.len(), map.order.len()), (1, 1));
    }

    #[test]
    fn a_map_for_nothing_keeps_nothing() {
        let mut map = Recent::new(0);
        map.insert(1, 'a');
        assert_eq!(map.get_mut(&1), None);
    }
}
