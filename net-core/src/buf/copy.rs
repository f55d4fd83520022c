//! Copies of payload, in parts.

use alloc::vec::Vec;
use bytes::Bytes;

/// Longest part, in bytes.
const PART: usize = 2048;

/// The bytes in the parts that they are best copied in.
///
/// For a long copy C libraries may use the string instruction of the machine. Some processors are slow
/// at it where the two places are not aligned alike. A part of 2 KiB is copied by vectors, which do not
/// care. Where there are no bytes, there are no parts.
///
/// ```
/// use net_core::buf::in_parts;
/// let bytes = [7; 5000];
/// let mut copy = Vec::with_capacity(bytes.len());
/// for part in in_parts(&bytes) {
///     copy.extend_from_slice(part);
/// }
/// assert_eq!(copy, bytes);
/// assert_eq!(in_parts(&[]).count(), 0);
/// ```
pub fn in_parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(PART)
}

/// Copies `from` to `to`.
///
/// # Panics
/// If their lengths differ.
#[inline]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    assert_eq!(to.len(), from.len(), "a copy is as long as what it is of");
    for (to, from) in to.chunks_mut(PART).zip(in_parts(from)) {
        to.copy_from_slice(from);
    }
}

/// A copy of `bytes` in memory of its own.
pub(crate) fn copy_of(bytes: &[u8]) -> Bytes {
    let mut copy = Vec::with_capacity(bytes.len());
    for part in in_parts(bytes) {
        copy.extend_from_slice(part);
    }
    copy.into()
}

#[cfg(test)]
mod tests {
    use super::{copy, copy_of};
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn copies_are_whole_at_every_length_around_that_of_a_part() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * super::PART).collect();
        for len in [0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 6143, 6144] {
            let from = &bytes[..len];
            let mut to = vec![0; len];
            copy(&mut to, from);
            assert_eq!(to, from);
            assert_eq!(copy_of(from), from);
        }
    }
}
