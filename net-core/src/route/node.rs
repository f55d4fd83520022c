//! The nodes of a trie, and the way through them.

use super::arena::Arena;
use super::key::TrieKey;

/// Bits that one node decides.
pub(super) const STRIDE: u8 = 6;
/// What they may be.
pub(super) const CHUNKS: u8 = 1 << STRIDE;
/// Nodes between the root and a prefix of 128 bits, both included.
pub(super) const MAX_LEVELS: usize = 23;
/// Lookups that go on at the same time.
pub(super) const BATCH: usize = 64;

/// Six levels of the binary trie.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Node {
    /// Prefixes that end here: that of `n` bits `b` within the node is bit `2^n - 1 + b`.
    pub(super) prefixes: u64,
    /// Subtrees by their six bits.
    pub(super) subtrees: u64,
    /// Where the children of the subtrees begin.
    pub(super) children: u32,
    /// Where the values of the prefixes begin.
    pub(super) values: u32,
}

impl Node {
    pub(super) const EMPTY: Self = Self {
        prefixes: 0,
        subtrees: 0,
        children: 0,
        values: 0,
    };

    /// Where the child for these six bits is.
    #[inline]
    pub(super) const fn child(&self, chunk: u8) -> Option<u32> {
        if self.subtrees >> chunk & 1 == 0 {
            return None;
        }
        Some(self.children + rank(self.subtrees, chunk))
    }

    /// Where the value of a prefix is.
    #[inline]
    pub(super) const fn value(&self, position: u8) -> u32 {
        self.values + rank(self.prefixes, position)
    }

    /// The prefixes of these six bits.
    #[inline]
    pub(super) fn matches(&self, chunk: u8) -> u64 {
        self.prefixes & MATCHES[usize::from(chunk & (CHUNKS - 1))]
    }

    /// The six bits of every subtree.
    pub(super) fn chunks(&self) -> impl Iterator<Item = u8> + use<> {
        let subtrees = self.subtrees;
        (0..CHUNKS).filter(move |chunk| subtrees >> chunk & 1 == 1)
    }
}

/// Where a prefix is: on which level, and its bit there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) level: u8,
    pub(super) position: u8,
}

impl Place {
    pub(super) fn of<K: TrieKey>(key: K, len: u8) -> Self {
        let padded = len.min(K::BITS) + K::PAD;
        let (level, bits) = (padded / STRIDE, padded % STRIDE);
        Self {
            level,
            position: (1 << bits) - 1 + (key.chunk(level) >> (STRIDE - bits)),
        }
    }

    /// That of the first of these bits, which are not zero.
    pub(super) fn first(level: u8, positions: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
        let position = positions.trailing_zeros() as u8;
        Self { level, position }
    }

    /// How many bits of its prefix the node decides.
    fn bits(self) -> u8 {
        #[expect(clippy::cast_possible_truncation, reason = "at most 7")]
        {
            (self.position + 1).ilog2() as u8
        }
    }

    /// Its bits within the node, the rest zero.
    pub(super) fn chunk(self) -> u8 {
        let bits = self.bits();
        (self.position + 1 - (1 << bits)) << (STRIDE - bits)
    }

    pub(super) fn prefix_len<K: TrieKey>(self) -> u8 {
        (self.level * STRIDE + self.bits()).saturating_sub(K::PAD)
    }
}

/// A search for the longest prefix, on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    node: Node,
    level: u8,
    /// The longest prefix so far, and where its value is.
    best: Option<(Place, u32)>,
    over: bool,
}

impl Search {
    pub(super) const fn new(root: &Node) -> Self {
        Self {
            node: *root,
            level: 0,
            best: None,
            over: false,
        }
    }

    /// Looks at one node; whether there is another one.
    #[inline]
    pub(super) fn step<K: TrieKey>(&mut self, nodes: &Arena<Node>, key: K) -> bool {
        if self.over {
            return false;
        }
        let chunk = key.chunk(self.level);
        let matches = self.node.matches(chunk);
        if matches != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "at most 63")]
            let position = matches.ilog2() as u8;
            let level = self.level;
            self.best = Some((Place { level, position }, self.node.value(position)));
        }
        match self.node.child(chunk).and_then(|index| nodes.get(index)) {
            Some(child) => {
                self.node = *child;
                self.level += 1;
                true
            }
            None => {
                self.over = true;
                false
            }
        }
    }

    /// The value that was found, with its prefix's length.
    #[inline]
    pub(super) fn result<K: TrieKey>(&self, values: &Arena<u32>) -> Option<(u8, u32)> {
        let (place, index) = self.best?;
        Some((place.prefix_len::<K>(), *values.get(index)?))
    }
}

/// How many bits are set below this one.
#[inline]
pub(super) const fn rank(bits: u64, below: u8) -> u32 {
    (bits & ((1 << below) - 1)).count_ones()
}

/// The bits of all prefixes of some six bits.
const MATCHES: [u64; CHUNKS as usize] = {
    let mut all = [0; CHUNKS as usize];
    let mut chunk = 0;
    while chunk < all.len() {
        let mut bits = 0;
        while bits < STRIDE {
            all[chunk] |= 1 << ((1 << bits) - 1 + (chunk >> (STRIDE - bits)));
            bits += 1;
        }
        chunk += 1;
    }
    all
};
