//! All randomness of a stack comes from one seed.

use core::hash::{BuildHasher, Hasher};
use siphasher::sip::{SipHasher13, SipHasher24};

/// The seed of a stack: the same seed and the same inputs give the same packets.
///
/// A production stack takes it from the operating system's entropy, a test from its own number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64, u64);

impl Seed {
    /// A seed from 16 bytes of entropy.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let wide = u128::from_le_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves are wanted")]
        Self(wide as u64, (wide >> 64) as u64)
    }

    /// A seed for a test or a simulation; not secret.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number, number ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A key for one purpose, independent of the keys of other purposes.
    #[must_use]
    pub fn key(self, purpose: &'static str) -> Key {
        let half = |salt: u8| {
            let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
            hasher.write_u8(salt);
            hasher.write(purpose.as_bytes());
            hasher.finish()
        };
        Key(half(1), half(2))
    }

    /// The seed of one of many parts that serve the same purpose, independent of the others.
    #[must_use]
    pub fn part(self, purpose: &'static str, number: u64) -> Self {
        let key = self.key(purpose);
        let half = |salt: u8| {
            let mut bytes = [salt; 9];
            bytes[1..].copy_from_slice(&number.to_le_bytes());
            key.prf(&bytes)
        };
        Self(half(1), half(2))
    }

    /// A generator for one purpose.
    #[must_use]
    pub fn rng(self, purpose: &'static str) -> Rng {
        Rng(self.key(purpose), 0)
    }
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A secret key for hashing: SipHash-2-4 where a peer sees the result, SipHash-1-3 in tables.
#[derive(Clone, Copy)]
pub struct Key(u64, u64);

impl Key {
    /// The keyed hash of `bytes`, for values that go on the wire (RFC 6528 asks for a PRF).
    #[must_use]
    pub fn prf(self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
        hasher.write(bytes);
        hasher.finish()
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Hash tables keyed by what a peer chooses use this, so that it cannot choose collisions.
impl BuildHasher for Key {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// A deterministic generator: SipHash-2-4 of a counter, so its outputs do not tell its state.
#[derive(Debug, Clone)]
pub struct Rng(Key, u64);

impl Rng {
    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.1 = self.1.wrapping_add(1);
        self.0.prf(&self.1.to_le_bytes())
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
        {
            self.next_u64() as u32
        }
    }

    /// A number below `bound` (0 if `bound` is 0), by multiply and shift.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }
}
