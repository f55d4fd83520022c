//! A table by which lookups in a large trie begin three levels below its root.

use super::key::TrieKey;
use super::node::{CHUNKS, Node, STRIDE};
use super::trie::{ROOT, Trie};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// What is known about the first eighteen bits of a key, for all that they may be; nothing, as long as a trie
/// is small.
#[derive(Debug)]
pub(super) struct Shortcut {
    entries: Vec<Entry>,
}

impl Shortcut {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Makes room for what is known; there is nothing yet.
    pub(super) fn build(&mut self) {
        self.entries = vec![Entry::NOTHING; 1 << BITS];
    }

    #[inline]
    pub(super) const fn is_built(&self) -> bool {
        !self.entries.is_empty()
    }

    /// What is known about a key that begins with these bits; `None` of a small trie.
    #[inline]
    pub(super) fn get(&self, head: usize) -> Option<Entry> {
        self.entries.get(head).copied()
    }

    /// Notes where the 64 subtrees are of which the first is that of a key.
    pub(super) fn set_subtrees(
        &mut self,
        head: usize,
        subtrees: impl Iterator<Item = Option<u32>>,
    ) {
        let entries = self.entries.get_mut(head..).unwrap_or_default();
        for (entry, subtree) in entries.iter_mut().zip(subtrees) {
            entry.set_subtree(subtree);
        }
    }

    /// Notes a prefix that the trie has now, or its new value.
    pub(super) fn put(&mut self, head: usize, len: u8, value: u32) {
        for entry in self.of(head, len) {
            if entry.len() <= len {
                entry.set_longest(len, value);
            }
        }
    }

    /// Forgets a prefix that the trie does not have any more; `shorter` is the next longest of its key.
    pub(super) fn take(&mut self, head: usize, len: u8, shorter: Option<(u8, u32)>) {
        let (shorter, value) = shorter.unwrap_or_default();
        for entry in self.of(head, len) {
            if entry.len() == len {
                entry.set_longest(shorter, value);
            }
        }
    }

    /// Bytes of memory that it holds.
    pub(super) const fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// The entries of a prefix; none, if it is not one of those that are noted here.
    fn of(&mut self, head: usize, len: u8) -> &mut [Entry] {
        if !LENS.contains(&len) {
            return &mut [];
        }
        let count = 1 << (BITS - len);
        let first = head & !(count - 1);
        self.entries
            .get_mut(first..first + count)
            .unwrap_or_default()
    }
}

/// What is known about eighteen bits: where the subtree of keys is that begin so, and the longest of their
/// prefixes of seven to eighteen bits. Those shorter are in the root, which the caches always have, and it is
/// not for one prefix to change more than 2,048 entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where the subtree is, and in the upper five bits the length of the prefix; zero, if there is none.
    subtree: u32,
    value: u32,
}

impl Entry {
    const NOTHING: Self = Self {
        subtree: NOWHERE,
        value: 0,
    };

    /// Where the subtree is; where no node is, if there is none.
    #[inline]
    pub(super) const fn subtree(self) -> u32 {
        self.subtree & NOWHERE
    }

    /// The longest prefix: its length and value.
    #[inline]
    pub(super) fn longest(self) -> Option<(u8, u32)> {
        (self.len() != 0).then_some((self.len(), self.value))
    }

    #[inline]
    const fn len(self) -> u8 {
        (self.subtree >> INDEX_BITS) as u8
    }

    fn set_longest(&mut self, len: u8, value: u32) {
        self.subtree = self.subtree() | u32::from(len) << INDEX_BITS;
        self.value = value;
    }

    fn set_subtree(&mut self, subtree: Option<u32>) {
        self.subtree = self.subtree & !NOWHERE | subtree.unwrap_or(NOWHERE);
    }
}

impl<K: TrieKey> Trie<K> {
    /// The first level on which there may be leaves: a shortcut leads to what is below it only.
    pub(super) const fn first_leaves(&self) -> u8 {
        if self.shortcut.is_built() { LEVELS } else { 1 }
    }

    /// Makes the shortcut; there is none, if there is no room to open the leaves above its end.
    pub(super) fn build_shortcut(&mut self) {
        let (mut above, mut last) = (vec![(ROOT, 0, K::ZERO)], Vec::new());
        while let Some((index, level, key)) = above.pop() {
            let leaf = self.node(index).as_leaf();
            if leaf.is_some_and(|leaf| self.open(index, level, leaf).is_err()) {
                // Not to be tried again with each prefix that still finds room.
                self.large = self.large.saturating_mul(2);
                return;
            }
            if level + 1 == LEVELS {
                last.push((index, key));
                continue;
            }
            let node = self.node(index);
            above.extend(node.chunks().filter_map(|chunk| {
                let child = node.child(chunk)?;
                Some((child, level + 1, key.with_chunk(level, chunk)))
            }));
        }
        self.shortcut.build();
        for (index, key) in last {
            self.note_children(index, LEVELS - 1, key);
        }
        let short: Vec<_> = self.iter().filter(|&(_, len, _)| len <= BITS).collect();
        for (key, len, value) in short {
            self.shortcut.put(key.head(), len, value);
        }
    }

    /// Tells the shortcut where the children of a node on the way to `key` are, if it leads to them.
    pub(super) fn note_children(&mut self, index: u32, level: u8, key: K) {
        if level + 1 == LEVELS && self.shortcut.is_built() {
            let node: Node = *self.node(index);
            let children = (0..CHUNKS).map(|chunk| node.child(chunk));
            let first = key.masked(level * STRIDE).head();
            self.shortcut.set_subtrees(first, children);
        }
    }

    /// Tells the shortcut that a prefix is not there any more.
    pub(super) fn note_removed(&mut self, key: K, len: u8) {
        if LENS.contains(&len) && self.shortcut.is_built() {
            let shorter = self.matches(key.masked(len));
            let shorter = shorter.filter(|(other, _)| LENS.contains(other) && *other < len);
            let shorter = shorter.last();
            self.shortcut.take(key.head(), len, shorter);
        }
    }
}

/// Levels that it leads past.
pub(super) const LEVELS: u8 = 3;
/// Bits of a key that they decide.
pub(super) const BITS: u8 = STRIDE * LEVELS;
/// Lengths of prefixes that are noted.
const LENS: RangeInclusive<u8> = STRIDE + 1..=BITS;
/// Bits that say where a subtree is.
const INDEX_BITS: u32 = 27;
/// No node is here or behind it.
pub(super) const NOWHERE: u32 = (1 << INDEX_BITS) - 1;
