//! The Internet checksum (RFC 1071): ones' complement sums over any number of pieces.

use core::net::IpAddr;

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
    /// Sum of 16-bit words in the byte order of memory, carries not folded yet; there is room for
    /// those of 2^33 bytes.
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

    /// Adds a header of a fixed length, which is a multiple of four; call it at even positions only.
    #[inline]
    pub fn add_header<const N: usize>(&mut self, header: &[u8; N]) {
        const { assert!(N.is_multiple_of(4), "headers are counted in 32-bit words") };
        for word in header.as_chunks::<4>().0 {
            self.words = self
                .words
                .wrapping_add(u64::from(u32::from_ne_bytes(*word)));
        }
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
        let words = if self.odd {
            u64::from(fold_words(words).swap_bytes())
        } else {
            words
        };
        self.words = self.words.wrapping_add(words);
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

/// The checksum of data in which a 16-bit word has changed from `old` to `new`, given the one before
/// (RFC 1624 §3, equation 3).
#[inline]
#[must_use]
pub const fn checksum_after(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum) as u32 + (!old) as u32 + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    #[expect(clippy::cast_possible_truncation, reason = "the carries are folded in")]
    {
        !(sum as u16)
    }
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

/// The sum over `bytes` as 16-bit words of memory order, an odd last byte padded with zero.
#[inline]
fn sum_words(bytes: &[u8]) -> u64 {
    #[cfg(feature = "std")]
    if bytes.len() >= wide::LONG {
        return wide::sum_words(bytes);
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let (mut total, mut high) = (0_u64, 0_u64);
    for word in words {
        let word = u64::from_ne_bytes(*word);
        total = total.wrapping_add(word);
        high = high.wrapping_add(word >> 32);
    }
    halves(total, high).wrapping_add(sum_rest(rest))
}

/// The sum of the upper and lower halves of 64-bit words, of which there were fewer than 2^31.
///
/// `total`, the sum of the words, has let the carries out of the top go; `high`, the sum of the
/// upper halves alone, is what it takes to get the sum of the lower halves out of it again. So a
/// word costs one shift and two additions, in a form that the compiler turns into vectors.
#[inline]
const fn halves(total: u64, high: u64) -> u64 {
    let low = total.wrapping_sub(high << 32);
    low.wrapping_add(high)
}

/// The same with the widest vectors of the machine the program runs on.
#[cfg(feature = "std")]
mod wide {
    use fearless_simd::prelude::*;
    use fearless_simd::{Level, Simd, dispatch};

    /// From so many bytes on, finding out what the machine can do pays.
    pub(super) const LONG: usize = 192;

    /// Bytes of the widest vector.
    const WIDEST: usize = 64;

    /// What a vector is masked with of which a part at the front or at the end counts.
    static MASKS: [u8; 3 * WIDEST] = {
        let mut masks = [0; 3 * WIDEST];
        let mut at = WIDEST;
        while at < 2 * WIDEST {
            masks[at] = 0xff;
            at += 1;
        }
        masks
    };

    pub(super) fn sum_words(bytes: &[u8]) -> u64 {
        match bytes {
            [even @ .., last] if !bytes.len().is_multiple_of(2) => {
                sum_even(even).wrapping_add(super::sum_rest(&[*last]))
            }
            even => sum_even(even),
        }
    }

    fn sum_even(bytes: &[u8]) -> u64 {
        dispatch!(Level::new(), simd => sum_vectors(simd, bytes))
    }

    /// The sum of at least [`LONG`] bytes, an even number.
    ///
    /// All vectors but the first and the last lie where the cache has its lines: loads across two of them
    /// take twice as long. The first ends where those begin, the last with the data; of both, what
    /// others have is masked out.
    #[inline(always)]
    fn sum_vectors<S: Simd>(simd: S, bytes: &[u8]) -> u64 {
        let width = <S::u8s as SimdBase<S>>::LEN;
        let front = bytes.as_ptr().align_offset(width);
        // From an odd address on, words would be shifted by a byte.
        let front = if front.is_multiple_of(2) && front < width {
            front
        } else {
            0
        };
        let (_, middle) = bytes.split_at(front);
        let middle = middle.chunks_exact(width);
        let back = middle.remainder().len();

        let load = |bytes: &[u8]| S::u8s::from_slice(simd, bytes);
        let first = load(&bytes[..width]) & load(&MASKS[2 * WIDEST - front..][..width]);
        let last =
            load(&bytes[bytes.len() - width..]) & load(&MASKS[WIDEST + back - width..][..width]);
        let (first, last): (S::u64s, S::u64s) = (first.bitcast(), last.bitcast());
        let mut total = first + last;
        let mut high = (first >> 32) + (last >> 32);
        for vector in middle {
            let words: S::u64s = load(vector).bitcast();
            total += words;
            high += words >> 32;
        }
        let sum = |lanes: S::u64s| lanes.as_slice().iter().copied().fold(0, u64::wrapping_add);
        super::halves(sum(total), sum(high))
    }

    /// Vectors of each width that this machine has come to the same sum, wherever the bytes lie.
    #[test]
    fn every_width_comes_to_the_same_sum() {
        #[cfg(target_arch = "x86_64")]
        let narrower = Level::new().as_avx2().map(Level::Avx2);
        #[cfg(not(target_arch = "x86_64"))]
        let narrower = None;
        let levels = [Some(Level::new()), narrower, Some(Level::baseline())];
        let bytes: std::vec::Vec<u8> = (0..=255).cycle().step_by(151).take(1024).collect();
        for start in 0..130 {
            for len in (LONG..2 * LONG).step_by(2) {
                let part = &bytes[start..start + len];
                let words = part
                    .chunks(2)
                    .map(|word| u16::from_ne_bytes([word[0], word[1]]));
                let expected = super::fold_words(words.map(u64::from).sum());
                for level in levels.into_iter().flatten() {
                    let sum = dispatch!(level, simd => sum_vectors(simd, part));
                    assert_eq!(
                        super::fold_words(sum),
                        expected,
                        "{level:?}: {len} from {start}"
                    );
                }
            }
        }
    }
}

/// The sum of up to seven bytes.
#[inline]
fn sum_rest(bytes: &[u8]) -> u64 {
    let (word, rest) = match bytes {
        &[a, b, c, d, ref rest @ ..] => (u32::from_ne_bytes([a, b, c, d]), rest),
        rest => (0, rest),
    };
    let last = match *rest {
        [a] => u32::from_ne_bytes([a, 0, 0, 0]),
        [a, b] => u32::from_ne_bytes([a, b, 0, 0]),
        [a, b, c] => u32::from_ne_bytes([a, b, c, 0]),
        _ => 0,
    };
    u64::from(word) + u64::from(last)
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
