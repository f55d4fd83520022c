//! Every prefix of a trie, one after the other, from the first or from behind any other.

use super::key::TrieKey;
use super::node::{Leaf, Node, Place};
use super::trie::Trie;
use alloc::vec::Vec;

/// The prefixes of a trie with their values. A node's own come first, the shorter before the longer, and then
/// those of its subtrees: an order that depends on the prefixes alone.
pub(crate) struct Prefixes<'a, K> {
    trie: &'a Trie<K>,
    /// The nodes from the root to where the next one is.
    way: Vec<Step<'a, K>>,
    /// The next one, if that is alone in its subtree.
    leaf: Option<Leaf>,
}

/// A node with what is to come of it.
struct Step<'a, K> {
    node: &'a Node,
    level: u8,
    /// The bits that lead to it.
    key: K,
    prefixes: u128,
    subtrees: u64,
}

impl<'a, K: TrieKey> Prefixes<'a, K> {
    /// All of them.
    pub(super) fn new(trie: &'a Trie<K>) -> Self {
        let mut all = Self {
            trie,
            way: Vec::new(),
            leaf: None,
        };
        all.enter(&trie.root, 0, K::ZERO);
        all
    }

    /// Those behind a prefix, which need not be there itself. To find their place is a step for each level.
    pub(super) fn after(trie: &'a Trie<K>, key: K, len: u8) -> Self {
        let mut rest = Self::new(trie);
        let at = Place::of::<K>(key, len);
        for level in 0..at.level {
            let Some(step) = rest.way.last_mut() else {
                return rest;
            };
            let chunk = key.chunk(level);
            step.prefixes = 0;
            step.subtrees &= (1 << chunk) - 1;
            let child = step.node.child(chunk);
            let Some(child) = child.and_then(|child| trie.nodes.get(child)) else {
                return rest;
            };
            if let Some(leaf) = child.as_leaf() {
                rest.leaf = is_behind(leaf, key, at, level + 1).then_some(leaf);
                return rest;
            }
            let way = step.key.with_chunk(level, chunk);
            rest.enter(child, level + 1, way);
        }
        if let Some(step) = rest.way.last_mut() {
            step.prefixes &= u128::MAX << at.position << 1;
        }
        rest
    }

    fn enter(&mut self, node: &'a Node, level: u8, key: K) {
        match node.as_leaf() {
            Some(leaf) => self.leaf = Some(leaf),
            None => self.way.push(Step {
                node,
                level,
                key,
                prefixes: node.prefixes,
                subtrees: node.subtrees,
            }),
        }
    }
}

impl<K: TrieKey> Iterator for Prefixes<'_, K> {
    type Item = (K, u8, u32);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(leaf) = self.leaf.take() {
                return Some((K::from_bits(leaf.key), leaf.len, leaf.value));
            }
            let step = self.way.last_mut()?;
            let (level, key) = (step.level, step.key);
            if step.prefixes != 0 {
                let at = Place::first(level, step.prefixes);
                step.prefixes &= step.prefixes - 1;
                let value = *self.trie.values.get(step.node.value(at.position))?;
                return Some((key.with_chunk(level, at.chunk()), at.prefix_len(), value));
            }
            let Some(chunk) = step.next_subtree() else {
                self.way.pop();
                continue;
            };
            let child = self.trie.nodes.get(step.node.child(chunk)?)?;
            self.enter(child, level + 1, key.with_chunk(level, chunk));
        }
    }
}

impl<K> Step<'_, K> {
    /// The six bits of the next subtree: the last ones come first.
    fn next_subtree(&mut self) -> Option<u8> {
        let chunk = self.subtrees.checked_ilog2()?;
        self.subtrees &= !(1 << chunk);
        u8::try_from(chunk).ok()
    }
}

/// Whether a prefix that is alone in its subtree on a level comes behind the prefix of `key` at a place below.
fn is_behind<K: TrieKey>(leaf: Leaf, key: K, at: Place, level: u8) -> bool {
    let other = K::from_bits(leaf.key);
    let place = Place::of::<K>(other, leaf.len);
    for level in level..at.level.min(place.level) {
        if other.chunk(level) != key.chunk(level) {
            return other.chunk(level) < key.chunk(level);
        }
    }
    (place.level, place.position) > (at.level, at.position)
}
