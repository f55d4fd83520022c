//! Data that can be checked at the far end: repeatable bytes and their SHA-256.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// An endless sequence of bytes that a number determines (SplitMix64).
#[derive(Debug, Clone)]
pub struct Pattern {
    state: u64,
}

impl Pattern {
    /// The sequence of that number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self { state: number }
    }

    /// Fills `buf` with the next bytes.
    pub fn fill(&mut self, buf: &mut [u8]) {
        for piece in buf.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
    }

    /// Its first `len` bytes.
    #[must_use]
    pub fn bytes(number: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        Self::new(number).fill(&mut bytes);
        bytes
    }
}

/// A SHA-256 in progress, with the number of bytes that went in.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    hash: Sha256,
    /// Bytes so far.
    pub bytes: u64,
}

impl Counted {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The digest, 64 hexadecimal digits.
    #[must_use]
    pub fn hex(self) -> String {
        self.hash
            .finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").expect("a String takes everything");
                text
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_repeats_for_the_same_number_only() {
        assert_eq!(Pattern::bytes(1, 100), Pattern::bytes(1, 100));
        assert_ne!(Pattern::bytes(1, 100), Pattern::bytes(2, 100));
    }

    #[test]
    fn the_digest_is_that_of_the_standard() {
        let mut counted = Counted::default();
        counted.update(b"abc");
        assert_eq!(counted.bytes, 3);
        assert!(
            counted
                .hex()
                .starts_with("ba7816bf8f01cfea414140de5dae2223")
        );
    }
}
