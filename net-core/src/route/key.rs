//! The keys of a trie.

use super::node::{CHUNKS, STRIDE};

/// A fixed-width key, its most significant bit first: `u32` for IPv4, `u128` for IPv6.
pub(crate) trait TrieKey: Copy + Eq {
    /// Bits of the key.
    const BITS: u8;
    /// Zero bits in front of the key, chosen so that usual prefixes (/24; /32 and /48) end near the
    /// top of a node and so share it with their neighbours.
    const PAD: u8;

    /// All bits zero.
    const ZERO: Self;

    /// The six bits that a level decides by.
    fn chunk(self, level: u8) -> u8;

    /// The first `len` bits, the rest zero.
    fn masked(self, len: u8) -> Self;

    /// The key in which these six bits are set at a level, and all others are not.
    fn with_chunk(self, level: u8, chunk: u8) -> Self;
}

macro_rules! trie_key {
    ($int:ty, $pad:expr) => {
        impl TrieKey for $int {
            #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
            const BITS: u8 = <$int>::BITS as u8;
            const PAD: u8 = $pad;
            const ZERO: Self = 0;

            #[inline]
            #[expect(clippy::cast_possible_truncation, reason = "six bits are wanted")]
            fn chunk(self, level: u8) -> u8 {
                let end = STRIDE * (level + 1) - Self::PAD;
                let bits = match <Self as TrieKey>::BITS.checked_sub(end) {
                    Some(behind) => self >> behind,
                    None => self << (end - <Self as TrieKey>::BITS),
                };
                bits as u8 & (CHUNKS - 1)
            }

            fn masked(self, len: u8) -> Self {
                match len {
                    0 => 0,
                    len => self & <$int>::MAX << <$int>::BITS.saturating_sub(u32::from(len)),
                }
            }

            fn with_chunk(self, level: u8, chunk: u8) -> Self {
                let (chunk, end) = (Self::from(chunk), STRIDE * (level + 1) - Self::PAD);
                self | match <Self as TrieKey>::BITS.checked_sub(end) {
                    Some(behind) => chunk << behind,
                    None => chunk >> (end - <Self as TrieKey>::BITS),
                }
            }
        }
    };
}

trie_key!(u32, 2);
trie_key!(u128, 4);
