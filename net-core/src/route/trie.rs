//! A level-compressed trie for longest-prefix match.
//!
//! Each node stands for six levels of the binary trie over the bits of keys: of the prefixes that are one
//! to six bits longer than what leads to the node, one bitmap says which are there, and another which of
//! the 64 subtrees below. Values and children of a node lie one behind the other without gaps, so the
//! bits before one's own say where it is. A lookup makes one step for six bits, and each step is a load,
//! a mask and a count; the value of the longest is fetched at the end. /24 and /48 end with a node: 64 of
//! a kind share one. A subtree with a single prefix is a leaf that names it, whatever its depth: most long
//! prefixes of IPv6 lie far apart, and would have a chain of nodes each. A trie that has grown large has a
//! [shortcut](Shortcut) past its first three levels.

use super::arena::Arena;
pub(crate) use super::arena::Full;
pub(crate) use super::key::TrieKey;
use super::node::{Leaf, MAX_LEVELS, Node, Place, STRIDE};
use super::prefixes::Prefixes;
use super::shortcut::{LEVELS, NOWHERE, Shortcut};
use core::marker::PhantomData;

/// Numbers by prefix.
#[derive(Debug)]
pub(crate) struct Trie<K> {
    pub(super) root: Node,
    pub(super) nodes: Arena<Node>,
    pub(super) values: Arena<u32>,
    pub(super) shortcut: Shortcut,
    /// With so many nodes it gets a shortcut.
    pub(super) large: usize,
    len: usize,
    key: PhantomData<K>,
}

impl<K: TrieKey> Trie<K> {
    /// An empty trie.
    pub(crate) const fn new() -> Self {
        Self {
            root: Node::EMPTY,
            nodes: Arena::new(NOWHERE),
            values: Arena::new(u32::MAX),
            shortcut: Shortcut::new(),
            large: LARGE,
            len: 0,
            key: PhantomData,
        }
    }

    /// Sets the value of exactly this prefix; the one it had. All stays as it is, if there is no room.
    pub(crate) fn insert(&mut self, key: K, len: u8, value: u32) -> Result<Option<u32>, Full> {
        let old = self.put(key, len, value)?;
        self.len += usize::from(old.is_none());
        self.shortcut.put(key.head(), len, value);
        if self.nodes.len() >= self.large && !self.shortcut.is_built() {
            self.build_shortcut();
        }
        Ok(old)
    }

    fn put(&mut self, key: K, len: u8, value: u32) -> Result<Option<u32>, Full> {
        let new = only(key, len, value);
        let at = Place::of::<K>(key, len);
        let (mut index, mut level) = (ROOT, 0);
        while level < at.level {
            let Some(child) = self.node(index).child(key.chunk(level)) else {
                if level + 1 < self.first_leaves() {
                    self.insert_child(index, level, key, Node::EMPTY)?;
                    continue;
                }
                self.insert_child(index, level, key, Node::leaf(new))?;
                return Ok(None);
            };
            level += 1;
            if let Some(leaf) = self.node(child).as_leaf() {
                if (leaf.key, leaf.len) == (new.key, new.len) {
                    *self.node_mut(child) = Node::leaf(new);
                    return Ok(Some(leaf.value));
                }
                self.open(child, level, leaf)?;
            }
            index = child;
        }
        self.put_value(index, at.position, value)
    }

    /// The value of exactly this prefix.
    pub(crate) fn get(&self, key: K, len: u8) -> Option<u32> {
        let at = Place::of::<K>(key, len);
        let mut node = &self.root;
        for level in 0..at.level {
            node = self.nodes.get(node.child(key.chunk(level))?)?;
            if let Some(leaf) = node.as_leaf() {
                return (leaf == only(key, len, leaf.value)).then_some(leaf.value);
            }
        }
        if !node.has(at.position) {
            return None;
        }
        self.values.get(node.value(at.position)).copied()
    }

    /// The value of the longest prefix of `key`, with the prefix's length.
    #[inline]
    pub(crate) fn longest(&self, key: K) -> Option<(u8, u32)> {
        let (mut node, mut level, mut longest, mut shorter) = (&self.root, 0, None, None);
        if let Some(entry) = self.shortcut.get(key.head()) {
            node = self.nodes.get(entry.subtree()).unwrap_or(&Node::EMPTY);
            (level, shorter) = (LEVELS, entry.longest());
        }
        loop {
            match node.as_leaf() {
                Some(leaf) if leaf.covers(key) => return Some((leaf.len, leaf.value)),
                Some(_) => break,
                None => {}
            }
            let chunk = key.chunk(level);
            if node.matches(chunk) != 0 {
                longest = Some((node, level));
            }
            match node.child(chunk).and_then(|child| self.nodes.get(child)) {
                Some(child) => (node, level) = (child, level + 1),
                None => break,
            }
        }
        let Some((node, level)) = longest else {
            return shorter.or_else(|| self.in_root(key));
        };
        let (len, place) = place_of_last(node, level, key)?;
        Some((len, *self.values.get(place)?))
    }

    /// The values of all prefixes of `key`, each with its prefix's length, the shortest first.
    pub(crate) fn matches(&self, key: K) -> impl Iterator<Item = (u8, u32)> {
        let mut node = Some(&self.root);
        let (mut level, mut left) = (0, self.root.matches(key.chunk(0)));
        core::iter::from_fn(move || {
            while left == 0 {
                node = self.nodes.get(node?.child(key.chunk(level))?);
                if let Some(leaf) = node?.as_leaf() {
                    node = None;
                    return leaf.covers(key).then_some((leaf.len, leaf.value));
                }
                level += 1;
                left = node?.matches(key.chunk(level));
            }
            let at = Place::first(level, left);
            left &= left - 1;
            let value = *self.values.get(node?.value(at.position))?;
            Some((at.prefix_len(), value))
        })
    }

    /// Takes a prefix out; the value it had.
    pub(crate) fn remove(&mut self, key: K, len: u8) -> Option<u32> {
        let at = Place::of::<K>(key, len);
        let (mut way, mut level) = ([ROOT; MAX_LEVELS], 0);
        let value = loop {
            let index = way[usize::from(level)];
            if level == at.level {
                break self.take_value(index, at.position)?;
            }
            let child = self.node(index).child(key.chunk(level))?;
            if let Some(leaf) = self.node(child).as_leaf() {
                if leaf != only(key, len, leaf.value) {
                    return None;
                }
                self.remove_child(index, level, key);
                break leaf.value;
            }
            level += 1;
            way[usize::from(level)] = child;
        };
        self.len -= 1;
        self.note_removed(key, len);
        while level >= self.first_leaves() && self.close(way[usize::from(level)], level, key) {
            level -= 1;
        }
        Some(value)
    }

    /// Every prefix with its value, in an order that depends on the prefixes alone.
    pub(crate) fn iter(&self) -> Prefixes<'_, K> {
        Prefixes::new(self)
    }

    /// The same of those behind a prefix, which need not be there itself: found in a step for each level.
    pub(crate) fn iter_after(&self, key: K, len: u8) -> Prefixes<'_, K> {
        Prefixes::after(self, key, len)
    }

    /// How many prefixes there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.memory() + self.values.memory() + self.shortcut.memory() + size_of::<Self>()
    }

    #[inline]
    pub(super) fn node(&self, index: u32) -> &Node {
        match index {
            ROOT => &self.root,
            index => self
                .nodes
                .get(index)
                .expect("children stay with their node"),
        }
    }

    fn node_mut(&mut self, index: u32) -> &mut Node {
        match index {
            ROOT => &mut self.root,
            index => {
                let node = self.nodes.get_mut(index);
                node.expect("children stay with their node")
            }
        }
    }

    /// Sets the value of a prefix that ends in a node; the one it had.
    fn put_value(&mut self, index: u32, position: u8, value: u32) -> Result<Option<u32>, Full> {
        let node = *self.node(index);
        if node.has(position) {
            let slot = self.values.get_mut(node.value(position));
            return Ok(slot.map(|slot| core::mem::replace(slot, value)));
        }
        let (count, before) = (node.prefixes.count_ones(), node.values_before(position));
        let values = self.values.insert(node.values, count, before, value)?;
        let node = self.node_mut(index);
        node.values = values;
        node.prefixes |= 1 << position;
        Ok(None)
    }

    /// Takes a prefix out of its node; the value it had.
    fn take_value(&mut self, index: u32, position: u8) -> Option<u32> {
        let node = *self.node(index);
        if !node.has(position) {
            return None;
        }
        let value = *self.values.get(node.value(position))?;
        let (count, before) = (node.prefixes.count_ones(), node.values_before(position));
        let values = self.values.remove(node.values, count, before);
        let node = self.node_mut(index);
        node.values = values;
        node.prefixes &= !(1 << position);
        Some(value)
    }

    /// Makes a leaf a node that has in it, or in a leaf of its own, what the leaf was.
    pub(super) fn open(&mut self, index: u32, level: u8, leaf: Leaf) -> Result<(), Full> {
        let key = K::from_bits(leaf.key);
        let at = Place::of::<K>(key, leaf.len);
        *self.node_mut(index) = Node::EMPTY;
        let opened = if at.level == level {
            self.put_value(index, at.position, leaf.value).map(drop)
        } else {
            self.insert_child(index, level, key, Node::leaf(leaf))
        };
        if opened.is_err() {
            *self.node_mut(index) = Node::leaf(leaf);
        }
        opened
    }

    /// Makes a node on the way to `key` a leaf, if there is one prefix left in its subtree; whether so.
    fn close(&mut self, index: u32, level: u8, key: K) -> bool {
        let node = *self.node(index);
        let leaf = match (node.prefixes.count_ones(), node.subtrees.count_ones()) {
            (1, 0) => {
                let at = Place::first(level, node.prefixes);
                let way = key.masked(level * STRIDE);
                let value = self.take_value(index, at.position);
                value.map(|value| only(way.with_chunk(level, at.chunk()), at.prefix_len(), value))
            }
            (0, 1) => {
                let child = self.nodes.get(node.children);
                let leaf = child.and_then(Node::as_leaf);
                if leaf.is_some() {
                    self.nodes.remove(node.children, 1, 0);
                }
                leaf
            }
            _ => None,
        };
        if let Some(leaf) = leaf {
            *self.node_mut(index) = Node::leaf(leaf);
        }
        leaf.is_some()
    }

    /// Puts a child for `key` into a node on some level.
    fn insert_child(&mut self, index: u32, level: u8, key: K, child: Node) -> Result<(), Full> {
        let (node, chunk) = (*self.node(index), key.chunk(level));
        let (count, before) = (node.subtrees.count_ones(), node.children_before(chunk));
        let children = self.nodes.insert(node.children, count, before, child)?;
        let node = self.node_mut(index);
        node.children = children;
        node.subtrees |= 1 << chunk;
        self.note_children(index, level, key);
        Ok(())
    }

    fn remove_child(&mut self, index: u32, level: u8, key: K) {
        let (node, chunk) = (*self.node(index), key.chunk(level));
        let (count, before) = (node.subtrees.count_ones(), node.children_before(chunk));
        let children = self.nodes.remove(node.children, count, before);
        let node = self.node_mut(index);
        node.children = children;
        node.subtrees &= !(1 << chunk);
        self.note_children(index, level, key);
    }

    /// The longest of the shortest prefixes of a key, those of up to six bits.
    fn in_root(&self, key: K) -> Option<(u8, u32)> {
        let (len, place) = place_of_last(&self.root, 0, key)?;
        Some((len, *self.values.get(place)?))
    }
}

/// A prefix that is alone in its subtree.
fn only<K: TrieKey>(key: K, len: u8, value: u32) -> Leaf {
    Leaf {
        key: key.masked(len).to_bits(),
        len: len.min(K::BITS),
        value,
    }
}

/// The longest of the prefixes of a key that end in a node on some level: its length, and where its value
/// is.
#[inline]
fn place_of_last<K: TrieKey>(node: &Node, level: u8, key: K) -> Option<(u8, u32)> {
    let matches = node.matches(key.chunk(level));
    if matches == 0 {
        return None;
    }
    let at = Place::last(level, matches);
    Some((at.prefix_len(), node.value(at.position)))
}

/// Stands for the root, which lies in no run.
pub(super) const ROOT: u32 = u32::MAX;

/// With so many nodes, 4 MiB of them, a trie gets a shortcut, which is of 2 MiB.
const LARGE: usize = 1 << 17;

#[cfg(test)]
#[path = "trie_tests.rs"]
mod tests;
