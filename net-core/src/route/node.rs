//! The nodes of a trie, and the way through them.

use super::key::TrieKey;

/// Bits that one node decides.
pub(super) const STRIDE: u8 = 6;
/// What they may be.
pub(super) const CHUNKS: u8 = 1 << STRIDE;
/// Nodes between the root and a prefix of 128 bits, both included.
pub(super) const MAX_LEVELS: usize = 22;

/// Six levels of the binary trie; or, where a subtree has one prefix only, that prefix, see
/// [`leaf`](Self::leaf). Half a line of the cache, so that a look at one is one load from memory.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(32))]
pub(super) struct Node {
    /// Prefixes that end here. That of up to five bits, `n` of them `b`, is bit `2^n - 1 + b`; that of
    /// six is bit `64 + b`. One of no bits is there in the root only.
    pub(super) prefixes: u128,
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

    /// A subtree of one prefix: its bits stand in the place of the bitmap, and its value in that of where
    /// values begin.
    pub(super) fn leaf(leaf: Leaf) -> Self {
        Self {
            prefixes: leaf.key,
            subtrees: 0,
            children: LEAF | u32::from(leaf.len),
            values: leaf.value,
        }
    }

    /// Whether it is a subtree of one prefix.
    #[inline(always)]
    pub(super) const fn is_leaf(&self) -> bool {
        self.children & LEAF != 0
    }

    /// The prefix, where it is the only one of its subtree.
    #[inline]
    pub(super) const fn as_leaf(&self) -> Option<Leaf> {
        if !self.is_leaf() {
            return None;
        }
        Some(Leaf {
            key: self.prefixes,
            #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
            len: self.children as u8,
            value: self.values,
        })
    }

    /// Where the child for these six bits is.
    #[inline]
    pub(super) const fn child(&self, chunk: u8) -> Option<u32> {
        if self.subtrees >> chunk & 1 == 0 {
            return None;
        }
        Some(self.children + self.children_before(chunk))
    }

    /// How many children are in front of that for these six bits.
    #[inline(always)]
    pub(super) const fn children_before(&self, chunk: u8) -> u32 {
        (self.subtrees & ((1 << chunk) - 1)).count_ones()
    }

    pub(super) const fn has(&self, position: u8) -> bool {
        self.prefixes >> position & 1 == 1
    }

    /// Where the value of a prefix is.
    #[inline(always)]
    pub(super) const fn value(&self, position: u8) -> u32 {
        self.values + self.values_before(position)
    }

    /// How many values are in front of that of a prefix.
    #[inline(always)]
    pub(super) const fn values_before(&self, position: u8) -> u32 {
        (self.prefixes & ((1 << position) - 1)).count_ones()
    }

    /// The prefixes of these six bits.
    #[inline(always)]
    pub(super) fn matches(&self, chunk: u8) -> u128 {
        self.prefixes & MATCHES[usize::from(chunk & (CHUNKS - 1))]
    }

    /// The six bits of every subtree.
    pub(super) fn chunks(&self) -> impl Iterator<Item = u8> + use<> {
        let subtrees = self.subtrees;
        (0..CHUNKS).filter(move |chunk| subtrees >> chunk & 1 == 1)
    }
}

/// The only prefix of a subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) key: u128,
    pub(super) len: u8,
    pub(super) value: u32,
}

impl Leaf {
    /// Whether it is a prefix of a key.
    #[inline]
    pub(super) fn covers<K: TrieKey>(&self, key: K) -> bool {
        key.masked(self.len).to_bits() == self.key
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
        let len = len.min(K::BITS);
        let level = len.saturating_sub(1) / STRIDE;
        let bits = len - level * STRIDE;
        let first = if bits == STRIDE {
            SIX_BITS
        } else {
            (1 << bits) - 1
        };
        Self {
            level,
            position: first + (key.chunk(level) >> (STRIDE - bits)),
        }
    }

    /// That of the first of these bits, which are not zero.
    pub(super) const fn first(level: u8, positions: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
        let position = positions.trailing_zeros() as u8;
        Self { level, position }
    }

    /// That of the last.
    #[inline(always)]
    pub(super) const fn last(level: u8, positions: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most 127")]
        let position = positions.ilog2() as u8;
        Self { level, position }
    }

    /// How many bits of its prefix the node decides.
    #[inline(always)]
    const fn bits(self) -> u8 {
        if self.position >= SIX_BITS {
            return STRIDE;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 6")]
        {
            (self.position + 1).ilog2() as u8
        }
    }

    /// Its bits within the node, the rest zero.
    pub(super) const fn chunk(self) -> u8 {
        match self.bits() {
            STRIDE => self.position - SIX_BITS,
            bits => (self.position + 1 - (1 << bits)) << (STRIDE - bits),
        }
    }

    #[inline(always)]
    pub(super) const fn prefix_len(self) -> u8 {
        self.level * STRIDE + self.bits()
    }
}

/// Set in `children` of a leaf; there are fewer nodes.
const LEAF: u32 = 1 << 31;

/// The position of the first prefix of six bits.
const SIX_BITS: u8 = 64;

/// The bits of all prefixes of some six bits.
const MATCHES: [u128; CHUNKS as usize] = {
    let mut all = [0; CHUNKS as usize];
    let mut chunk = 0;
    while chunk < all.len() {
        all[chunk] = 1 << (SIX_BITS as usize + chunk);
        let mut bits = 0;
        while bits < STRIDE {
            all[chunk] |= 1 << ((1 << bits) - 1 + (chunk >> (STRIDE - bits)));
            bits += 1;
        }
        chunk += 1;
    }
    all
};
