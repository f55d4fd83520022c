//! Lookups of many keys in a trie at the same time.
//!
//! All keys go down a level before any goes down the next. What they need there from memory is copied by a
//! loop that does nothing else, so that as many loads go on at the same time as the processor can keep in
//! mind; a second loop, over the copies, decides without branches, which nobody could foresee. Keys that have
//! come to their end are left out of what follows.

use super::node::{Node, Place, STRIDE};
use super::shortcut::{Entry, LEVELS, NOWHERE};
use super::trie::{ROOT, Trie, TrieKey};

impl<K: TrieKey> Trie<K> {
    /// The value of the longest prefix of each key with the prefix's length, into `found`.
    pub(crate) fn longest_of(&self, keys: &[K], found: &mut [Option<(u8, u32)>]) {
        #[cfg(feature = "std")]
        fearless_simd::dispatch!(fearless_simd::Level::new(), _ => self.walk_down(keys, found));
        #[cfg(not(feature = "std"))]
        self.walk_down(keys, found);
    }

    /// Does that with whatever instructions its caller may use: a count of bits is one of them where the
    /// processor has it, and a dozen where it has not.
    #[inline(always)]
    fn walk_down(&self, keys: &[K], found: &mut [Option<(u8, u32)>]) {
        for (keys, found) in keys.chunks(BATCH).zip(found.chunks_mut(BATCH)) {
            let mut walk = Walk::new(keys);
            let mut nodes = [self.root; BATCH];
            let mut level = 0;
            found.fill(None);
            if self.shortcut.is_built() {
                self.pass_shortcut(keys, found, &mut walk);
                self.fetch(&walk, &mut nodes);
                level = LEVELS;
            }
            walk.look_ahead(keys, level);
            while walk.going > 0 {
                if level == walk.bits_from + LEVELS_AHEAD {
                    walk.look_ahead(keys, level);
                }
                walk.descend(&nodes, level);
                self.fetch(&walk, &mut nodes);
                level += 1;
            }
            self.finish(keys, found, &walk);
        }
    }

    /// Leads keys past the first levels, and tells what there is for them.
    #[inline(always)]
    fn pass_shortcut(&self, keys: &[K], found: &mut [Option<(u8, u32)>], walk: &mut Walk) {
        let all = walk.nodes.iter_mut().zip(found).zip(keys);
        for ((node, found), key) in all {
            let entry = self.shortcut.get(key.head());
            *node = entry.map_or(NOWHERE, Entry::subtree);
            *found = entry.and_then(Entry::longest);
        }
    }

    /// Copies the nodes where keys are now.
    #[inline(always)]
    fn fetch(&self, walk: &Walk, nodes: &mut [Node; BATCH]) {
        for (node, &index) in nodes.iter_mut().zip(&walk.nodes).take(walk.going) {
            *node = self.nodes.get(index).copied().unwrap_or(Node::EMPTY);
        }
    }

    /// Fetches the values.
    #[inline(always)]
    fn finish(&self, keys: &[K], found: &mut [Option<(u8, u32)>], walk: &Walk) {
        let mut nodes = [self.root; BATCH];
        for (node, last) in nodes.iter_mut().zip(&walk.last).take(keys.len()) {
            *node = self.nodes.get(last.node()).copied().unwrap_or(self.root);
        }
        let mut places = [(0, u32::MAX); BATCH];
        for ((place, node), last) in places
            .iter_mut()
            .zip(&nodes)
            .zip(&walk.last)
            .take(keys.len())
        {
            let matches = node.matches(last.chunk());
            // In the root there may be none.
            let at = Place::last(last.level(), matches | 1);
            let value = node.value(at.position);
            *place = (at.prefix_len(), if matches == 0 { u32::MAX } else { value });
        }
        for ((found, &(len, place)), last) in found.iter_mut().zip(&places).zip(&walk.last) {
            let value = self.values.get(place).map(|&value| (len, value));
            // What the shortcut has told is longer than what is in the root.
            if last.node() != ROOT || found.is_none() {
                *found = value;
            }
        }
        for &(who, index) in walk.leaves.iter().take(walk.leaf_count) {
            let who = usize::from(who);
            let leaf = self.nodes.get(index).and_then(Node::as_leaf);
            if let (Some(leaf), Some(found), Some(key)) = (leaf, found.get_mut(who), keys.get(who))
                && leaf.covers(*key)
            {
                *found = Some((leaf.len, leaf.value));
            }
        }
    }
}

/// Keys on their way down, all of them on the same level. They have the numbers of their places in the batch.
struct Walk {
    /// Of each key the bits from some level on.
    bits: [u64; BATCH],
    bits_from: u8,
    /// Of each key the last node with a prefix of it.
    last: [Last; BATCH],
    /// How many keys go on.
    going: usize,
    /// Their numbers.
    who: [u8; BATCH],
    /// Where they are.
    nodes: [u32; BATCH],
    /// Keys that have come to a leaf, and where it is.
    leaves: [(u8, u32); BATCH],
    leaf_count: usize,
}

impl Walk {
    fn new<K: TrieKey>(keys: &[K]) -> Self {
        let mut who = [0; BATCH];
        for (who, number) in who.iter_mut().zip(0..) {
            *who = number;
        }
        let mut last = [Last::new(ROOT, 0, 0); BATCH];
        for (last, key) in last.iter_mut().zip(keys) {
            *last = Last::new(ROOT, 0, key.chunk(0));
        }
        Self {
            bits: [0; BATCH],
            bits_from: 0,
            last,
            going: keys.len().min(BATCH),
            who,
            nodes: [ROOT; BATCH],
            leaves: [(0, 0); BATCH],
            leaf_count: 0,
        }
    }

    /// Takes the bits of the next levels.
    #[inline(always)]
    fn look_ahead<K: TrieKey>(&mut self, keys: &[K], level: u8) {
        for (bits, key) in self.bits.iter_mut().zip(keys) {
            *bits = key.bits_from(level);
        }
        self.bits_from = level;
    }

    /// Notes what there is in the nodes of a level, and has those keys go on for which there is a subtree.
    #[inline(always)]
    fn descend(&mut self, nodes: &[Node; BATCH], level: u8) {
        let shift = STRIDE * (level - self.bits_from);
        let mut going = 0;
        for at in 0..self.going {
            let (node, index, who) = (
                &nodes[at % BATCH],
                self.nodes[at % BATCH],
                self.who[at % BATCH],
            );
            let key = usize::from(who) % BATCH;
            #[expect(clippy::cast_possible_truncation, reason = "six bits")]
            let chunk = (self.bits[key] << shift >> (u64::BITS - u32::from(STRIDE))) as u8;
            let is_leaf = node.is_leaf();
            self.leaves[self.leaf_count % BATCH] = (who, index);
            self.leaf_count += usize::from(is_leaf);
            let has_prefix = (node.matches(chunk) != 0) & !is_leaf;
            let here = Last::new(index, level, chunk);
            self.last[key] = if has_prefix { here } else { self.last[key] };
            self.who[going % BATCH] = who;
            self.nodes[going % BATCH] = node.children.wrapping_add(node.children_before(chunk));
            going += usize::from(node.subtrees >> chunk & 1 == 1);
        }
        self.going = going;
    }
}

/// A node on some level, and the six bits by which a key goes on there.
#[derive(Debug, Clone, Copy)]
struct Last(u64);

#[expect(clippy::cast_possible_truncation, reason = "a part is taken out")]
impl Last {
    const fn new(node: u32, level: u8, chunk: u8) -> Self {
        Self((node as u64) << 16 | (level as u64) << 8 | chunk as u64)
    }

    const fn node(self) -> u32 {
        (self.0 >> 16) as u32
    }

    const fn level(self) -> u8 {
        (self.0 >> 8) as u8
    }

    const fn chunk(self) -> u8 {
        self.0 as u8
    }
}

/// Lookups that go on at the same time.
const BATCH: usize = 64;
/// Levels of which 64 bits tell.
const LEVELS_AHEAD: u8 = 64 / STRIDE;
