//! A level-compressed trie for longest-prefix match.
//!
//! Each node stands for six levels of the binary trie over the bits of keys. Two bitmaps say which of
//! the 63 prefixes that end within those levels are there, and which of the 64 subtrees below; values
//! and children of a node lie one behind the other without gaps, so the bits before one's own say
//! where it is. A lookup makes one step for six bits, and each step is a load, a mask and a count.

use super::arena::Arena;
pub(crate) use super::key::TrieKey;
use super::node::{BATCH, MAX_LEVELS, Node, Place, Search, rank};
use core::marker::PhantomData;

/// Numbers by prefix.
#[derive(Debug)]
pub(crate) struct Trie<K> {
    root: Node,
    nodes: Arena<Node>,
    values: Arena<u32>,
    len: usize,
    key: PhantomData<K>,
}

impl<K: TrieKey> Trie<K> {
    /// An empty trie.
    pub(crate) const fn new() -> Self {
        Self {
            root: Node::EMPTY,
            nodes: Arena::new(),
            values: Arena::new(),
            len: 0,
            key: PhantomData,
        }
    }

    /// Sets the value of exactly this prefix; the one it had.
    pub(crate) fn insert(&mut self, key: K, len: u8, value: u32) -> Option<u32> {
        let at = Place::of::<K>(key, len);
        let mut index = ROOT;
        for level in 0..at.level {
            index = self.child_or_new(index, key.chunk(level));
        }
        let node = *self.node(index);
        let (count, rank) = (node.prefixes.count_ones(), rank(node.prefixes, at.position));
        if node.prefixes >> at.position & 1 == 1 {
            let slot = self.values.get_mut(node.values + rank)?;
            return Some(core::mem::replace(slot, value));
        }
        let values = self.values.insert(node.values, count, rank, value);
        let node = self.node_mut(index);
        node.values = values;
        node.prefixes |= 1 << at.position;
        self.len += 1;
        None
    }

    /// The value of exactly this prefix.
    pub(crate) fn get(&self, key: K, len: u8) -> Option<u32> {
        let at = Place::of::<K>(key, len);
        let mut node = &self.root;
        for level in 0..at.level {
            node = self.nodes.get(node.child(key.chunk(level))?)?;
        }
        if node.prefixes >> at.position & 1 == 0 {
            return None;
        }
        self.values.get(node.value(at.position)).copied()
    }

    /// The value of the longest prefix of `key`, with the prefix's length.
    #[inline]
    pub(crate) fn longest(&self, key: K) -> Option<(u8, u32)> {
        let mut search = Search::new(&self.root);
        while search.step(&self.nodes, key) {}
        search.result::<K>(&self.values)
    }

    /// The value of the longest prefix of each key, into `found`; the loads of all go on at the
    /// same time.
    pub(crate) fn longest_of(&self, keys: &[K], found: &mut [Option<(u8, u32)>]) {
        let mut found = found.chunks_mut(BATCH);
        for keys in keys.chunks(BATCH) {
            let mut searches = [const { Search::new(&Node::EMPTY) }; BATCH];
            let searches = &mut searches[..keys.len()];
            searches.fill(Search::new(&self.root));
            let mut more = true;
            while more {
                more = false;
                for (search, key) in searches.iter_mut().zip(keys) {
                    more |= search.step(&self.nodes, *key);
                }
            }
            let results = searches
                .iter()
                .map(|search| search.result::<K>(&self.values));
            for (slot, result) in found.next().into_iter().flatten().zip(results) {
                *slot = result;
            }
        }
    }

    /// The values of all prefixes of `key`, each with its prefix's length, the shortest first.
    pub(crate) fn matches(&self, key: K) -> impl Iterator<Item = (u8, u32)> {
        let mut node = Some(&self.root);
        let (mut level, mut left) = (0, self.root.matches(key.chunk(0)));
        core::iter::from_fn(move || {
            while left == 0 {
                node = self.nodes.get(node?.child(key.chunk(level))?);
                level += 1;
                left = node?.matches(key.chunk(level));
            }
            let at = Place::first(level, left);
            left &= left - 1;
            let value = *self.values.get(node?.value(at.position))?;
            Some((at.prefix_len::<K>(), value))
        })
    }

    /// Takes a prefix out; the value it had.
    pub(crate) fn remove(&mut self, key: K, len: u8) -> Option<u32> {
        let at = Place::of::<K>(key, len);
        let mut way = [ROOT; MAX_LEVELS];
        for level in 0..at.level {
            let child = self.node(way[usize::from(level)]).child(key.chunk(level))?;
            way[usize::from(level) + 1] = child;
        }
        let index = way[usize::from(at.level)];
        let node = *self.node(index);
        if node.prefixes >> at.position & 1 == 0 {
            return None;
        }
        let value = *self.values.get(node.value(at.position))?;
        let (count, rank) = (node.prefixes.count_ones(), rank(node.prefixes, at.position));
        let values = self.values.remove(node.values, count, rank);
        let node = self.node_mut(index);
        node.values = values;
        node.prefixes &= !(1 << at.position);
        self.len -= 1;
        for level in (0..at.level).rev() {
            let node = self.node(way[usize::from(level) + 1]);
            if node.prefixes != 0 || node.subtrees != 0 {
                break;
            }
            self.remove_child(way[usize::from(level)], key.chunk(level));
        }
        Some(value)
    }

    /// Every prefix with its value, in an order that depends on the prefixes alone.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, u8, u32)> {
        let mut above = alloc::vec![(&self.root, 0_u8, K::ZERO)];
        let mut here: Option<(&Node, u8, K, u64)> = None;
        core::iter::from_fn(move || {
            loop {
                if let Some((node, level, key, left)) = here.take_if(|(.., left)| *left != 0) {
                    let at = Place::first(level, left);
                    here = Some((node, level, key, left & (left - 1)));
                    let value = *self.values.get(node.value(at.position))?;
                    return Some((
                        key.with_chunk(level, at.chunk()),
                        at.prefix_len::<K>(),
                        value,
                    ));
                }
                let (node, level, key) = above.pop()?;
                here = Some((node, level, key, node.prefixes));
                above.extend(node.chunks().filter_map(|chunk| {
                    let child = self.nodes.get(node.child(chunk)?)?;
                    Some((child, level + 1, key.with_chunk(level, chunk)))
                }));
            }
        })
    }

    /// How many prefixes there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.memory() + self.values.memory() + size_of::<Self>()
    }

    #[inline]
    fn node(&self, index: u32) -> &Node {
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

    fn child_or_new(&mut self, index: u32, chunk: u8) -> u32 {
        let node = *self.node(index);
        if let Some(child) = node.child(chunk) {
            return child;
        }
        let (count, rank) = (node.subtrees.count_ones(), rank(node.subtrees, chunk));
        let children = self.nodes.insert(node.children, count, rank, Node::EMPTY);
        let node = self.node_mut(index);
        node.children = children;
        node.subtrees |= 1 << chunk;
        children + rank
    }

    fn remove_child(&mut self, index: u32, chunk: u8) {
        let node = *self.node(index);
        let (count, rank) = (node.subtrees.count_ones(), rank(node.subtrees, chunk));
        let children = self.nodes.remove(node.children, count, rank);
        let node = self.node_mut(index);
        node.children = children;
        node.subtrees &= !(1 << chunk);
    }
}

/// Stands for the root, which lies in no run.
const ROOT: u32 = u32::MAX;

#[cfg(test)]
#[path = "trie_tests.rs"]
mod tests;
