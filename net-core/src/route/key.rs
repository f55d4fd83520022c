//! The keys of a trie.

use super::node::STRIDE;
use super::shortcut;

/// A fixed-width key, its most significant bit first: `u32` for IPv4, `u128` for IPv6.
pub(crate) trait TrieKey: Copy + Eq {
    /// Bits of the key.
    const BITS: u8;
    /// All bits zero.
    const ZERO: Self;

    /// The key at the end of 128 bits.
    fn to_bits(self) -> u128;

    /// The key that these bits are.
    fn from_bits(bits: u128) -> Self;

    /// The six bits that a level decides by; there is a level for every six bits, and one for what is left.
    fn chunk(self, level: u8) -> u8;

    /// The bits of a level and those behind it, so many as there is room for, the first in front.
    fn bits_from(self, level: u8) -> u64;

    /// The bits by which a [shortcut](super::shortcut) is asked.
    fn head(self) -> usize;

    /// The first `len` bits, the rest zero.
    fn masked(self, len: u8) -> Self;

    /// The key in which these six bits are set at a level, and all others are not.
    fn with_chunk(self, level: u8, chunk: u8) -> Self;
}

macro_rules! trie_key {
    ($int:ty) => {
        impl TrieKey for $int {
            #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
            const BITS: u8 = <$int>::BITS as u8;
            const ZERO: Self = 0;

            #[inline]
            fn to_bits(self) -> u128 {
                self.into()
            }

            #[inline]
            fn from_bits(bits: u128) -> Self {
                let bytes = bits.to_be_bytes();
                bytes
                    .last_chunk()
                    .map_or(0, |last| Self::from_be_bytes(*last))
            }

            #[inline]
            fn chunk(self, level: u8) -> u8 {
                (self << (STRIDE * level) >> (<Self as TrieKey>::BITS - STRIDE)) as u8
            }

            #[inline]
            fn bits_from(self, level: u8) -> u64 {
                let left = u128::from(self) << (u128::BITS - <$int>::BITS);
                (left << (STRIDE * level) >> u64::BITS) as u64
            }

            #[inline]
            fn head(self) -> usize {
                (self >> (<Self as TrieKey>::BITS - shortcut::BITS)) as usize
            }

            #[inline]
            fn masked(self, len: u8) -> Self {
                match len {
                    0 => 0,
                    len => self & <$int>::MAX << <$int>::BITS.saturating_sub(u32::from(len)),
                }
            }

            fn with_chunk(self, level: u8, chunk: u8) -> Self {
                self | Self::from(chunk) << (<Self as TrieKey>::BITS - STRIDE) >> (STRIDE * level)
            }
        }
    };
}

trie_key!(u32);
trie_key!(u128);
