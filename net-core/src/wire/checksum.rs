//! The Internet checksum (RFC 1071): ones' complement sums over any number of pieces.

use core::net::IpAddr;

/// Bytes that the inner loop takes at once: four vectors of 128 bits.
const BLOCK: usize = 64;

/// A running ones' complement sum.
///
/// Pieces may have odd lengths; the result is that of all of them joined.
///
/// ```
/// use net_core::wire::checksum::{Sum, checksum};
/// let mut sum = Sum::new();
/// sum.add_bytes(&[0x45, 0x00, 0x00]);
/// sum.add_bytes(&[0x54]);
/// assert_eq!(sum.fold(), checksum(&[0x45, 0x00, 0x00, 0x54]));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Sum of 16-bit words in the byte order of memory, carries not folded yet.
    words: u64,
    /// Whether an odd number of bytes went in, so that the next piece is shifted by one.
    odd: bool,
}

impl Sum {
    /// The sum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            words: 0,
            odd: false,
        }
    }

    /// Adds the bytes of the next piece.
    #[inline]
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add_words(sum_words(bytes), bytes.len());
    }

    /// Adds a 16-bit number; call it at even positions only.
    #[inline]
    pub const fn add_u16(&mut self, number: u16) {
        self.words = self.words.wrapping_add(number.to_be() as u64);
    }

    /// Adds a 32-bit number; call it at even positions only.
    #[inline]
    pub const fn add_u32(&mut self, number: u32) {
        self.words = self.words.wrapping_add(number.to_be() as u64);
    }

    /// Adds what another sum holds, as if its bytes came next.
    #[inline]
    pub fn add(&mut self, other: Self) {
        self.add_words(other.words, usize::from(other.odd));
    }

    /// The checksum: the complement of the sum, in host order, ready for the header field.
    ///
    /// Over data that includes a correct checksum it is 0.
    #[inline]
    #[must_use]
    pub const fn fold(self) -> u16 {
        !self.partial()
    }

    /// The sum itself, not complemented, in host order: what a packet whose checksum a device
    /// completes carries in the field.
    #[inline]
    #[must_use]
    pub const fn partial(self) -> u16 {
        u16::from_be(fold_words(self.words))
    }

    #[inline]
    fn add_words(&mut self, words: u64, len: usize) {
        let word = fold_words(words);
        let word = if self.odd { word.swap_bytes() } else { word };
        self.words = self.words.wrapping_add(u64::from(word));
        self.odd ^= len & 1 == 1;
    }
}

/// The checksum of one piece of memory, in host order.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = Sum::new();
    sum.add_bytes(bytes);
    sum.fold()
}

/// The sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1); `len` is that of the transport
/// header and its payload.
#[inline]
#[must_use]
pub fn pseudo_header(source: IpAddr, dest: IpAddr, protocol: u8, len: u32) -> Sum {
    let mut sum = Sum::new();
    for address in [source, dest] {
        match address {
            IpAddr::V4(address) => sum.add_u32(address.to_bits()),
            IpAddr::V6(address) => sum.add_bytes(&address.octets()),
        }
    }
    sum.add_u16(u16::from(protocol));
    sum.add_u32(len);
    sum
}

/// Copies `src` to the front of `dst` and adds it to `sum` on the way; how many bytes that were:
/// the shorter length of the two.
pub fn copy_and_sum(src: &[u8], dst: &mut [u8], sum: &mut Sum) -> usize {
    let len = src.len().min(dst.len());
    let (src_blocks, src_rest) = src.get(..len).unwrap_or_default().as_chunks::<BLOCK>();
    let (dst_blocks, dst_rest) = dst
        .get_mut(..len)
        .unwrap_or_default()
        .as_chunks_mut::<BLOCK>();
    let mut lanes = Lanes::default();
    for (from, to) in src_blocks.iter().zip(dst_blocks) {
        *to = *from;
        lanes.add(from);
    }
    dst_rest.copy_from_slice(src_rest);
    let words = lanes.total().wrapping_add(sum_rest(src_rest));
    sum.add_words(words, len);
    len
}

/// The new value of a checksum field when a 16-bit word that it covers changes (RFC 1624 eqn. 3).
#[inline]
#[must_use]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Eight running sums of 32-bit words: each 64-bit lane is split into its halves, so that carries
/// stay inside and the compiler turns the loop into vector instructions.
#[derive(Default)]
struct Lanes {
    low: [u64; BLOCK / 8],
    high: [u64; BLOCK / 8],
}

impl Lanes {
    #[inline]
    fn add(&mut self, block: &[u8; BLOCK]) {
        let (words, _) = block.as_chunks::<8>();
        for (word, (low, high)) in words.iter().zip(self.low.iter_mut().zip(&mut self.high)) {
            let word = u64::from_ne_bytes(*word);
            *low = low.wrapping_add(word & 0xffff_ffff);
            *high = high.wrapping_add(word >> 32);
        }
    }

    #[inline]
    fn total(&self) -> u64 {
        self.low
            .iter()
            .chain(&self.high)
            .fold(0, |sum, &lane| sum.wrapping_add(lane))
    }
}

/// The sum over `bytes` as 16-bit words of memory order, an odd last byte padded with zero. It
/// cannot overflow below 2^33 bytes.
#[inline]
fn sum_words(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let rest = sum_rest(rest);
    if blocks.is_empty() {
        return rest;
    }
    let mut lanes = Lanes::default();
    for block in blocks {
        lanes.add(block);
    }
    lanes.total().wrapping_add(rest)
}

/// The sum of what is too short for a block.
#[inline]
fn sum_rest(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum = 0_u64;
    for word in words {
        sum = sum.wrapping_add(u64::from(u32::from_ne_bytes(*word)));
    }
    let last = match *rest {
        [a] => u16::from_ne_bytes([a, 0]).into(),
        [a, b] => u16::from_ne_bytes([a, b]).into(),
        [a, b, c] => u32::from(u16::from_ne_bytes([a, b])) + u32::from(u16::from_ne_bytes([c, 0])),
        _ => 0_u32,
    };
    sum.wrapping_add(u64::from(last))
}

/// Folds the carries back in until 16 bits are left.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the carries are folded in")]
const fn fold_words(words: u64) -> u16 {
    let sum = (words & 0xffff_ffff) + (words >> 32);
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}
