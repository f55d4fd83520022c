//! Changing words of a packet, and what of its checksums covers them (RFC 1624).

use core::net::IpAddr;

/// By how much a ones' complement sum changes when the words that it covers do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Delta(u32);

impl Delta {
    /// A word changes from `old` to `new` (RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m')).
    pub(super) fn word(&mut self, old: u16, new: u16) {
        self.0 += u32::from(!old) + u32::from(new);
        self.0 = (self.0 & 0xffff) + (self.0 >> 16);
    }

    /// An address changes.
    pub(super) fn address(&mut self, old: IpAddr, new: IpAddr) {
        match (old, new) {
            (IpAddr::V4(old), IpAddr::V4(new)) => self.bytes(&old.octets(), &new.octets()),
            (IpAddr::V6(old), IpAddr::V6(new)) => self.bytes(&old.octets(), &new.octets()),
            _ => {}
        }
    }

    /// Bytes at an even position change.
    fn bytes(&mut self, old: &[u8], new: &[u8]) {
        let words = old.as_chunks().0.iter().zip(new.as_chunks().0);
        for (old, new) in words {
            self.word(u16::from_be_bytes(*old), u16::from_be_bytes(*new));
        }
    }

    /// The sum that was `sum`.
    fn applied_to(self, sum: u16) -> u16 {
        let sum = u32::from(sum) + (self.0 & 0xffff) + (self.0 >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        u16::try_from(sum).unwrap_or(u16::MAX)
    }

    /// Something else that the same sum covers changes too.
    pub(super) fn add(&mut self, other: Self) {
        self.0 += other.0;
        self.0 = (self.0 & 0xffff) + (self.0 >> 16);
    }

    /// Brings the checksum at `at` in order; by how much itself has changed. Where 0 means that there
    /// is none (`zero_is_none`, RFC 768), it stays that, and comes from no sum.
    pub(super) fn fix_checksum(self, bytes: &mut [u8], at: usize, zero_is_none: bool) -> Self {
        let mut changed = Self::default();
        if let Some(old) = word(bytes, at)
            && self.0 != 0
            && !(old == 0 && zero_is_none)
        {
            let new = match !self.applied_to(!old) {
                0 if zero_is_none => 0xffff,
                new => new,
            };
            put(bytes, at, new);
            changed.word(old, new);
        }
        changed
    }

    /// Brings the sum at `at` in order, which is not complemented: that of a packet whose checksum is
    /// left to a device.
    pub(super) fn fix_sum(self, bytes: &mut [u8], at: usize) {
        if let Some(old) = word(bytes, at) {
            put(bytes, at, self.applied_to(old));
        }
    }
}

/// The 16-bit word at a place.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..at + 2)?.first_chunk()?;
    Some(u16::from_be_bytes(*word))
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// Writes an address at a place.
pub(super) fn put_address(bytes: &mut [u8], at: usize, address: IpAddr) {
    let put = |bytes: &mut [u8], octets: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    };
    match address {
        IpAddr::V4(address) => put(bytes, &address.octets()),
        IpAddr::V6(address) => put(bytes, &address.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::wire::checksum::checksum;

    #[test]
    fn a_changed_sum_is_that_of_the_changed_bytes() {
        let mut rng = Seed::from_u64(3).rng("edits");
        for _ in 0..2000 {
            let mut bytes: alloc::vec::Vec<u8> = (0..40)
                .map(|_| u8::try_from(rng.below(4)).unwrap() * 85)
                .collect();
            put(&mut bytes, 10, 0);
            let sum = checksum(&bytes);
            put(&mut bytes, 10, sum);
            let mut delta = Delta::default();
            for _ in 0..3 {
                let at = 12 + usize::try_from(rng.below(14)).unwrap() * 2;
                let new = u16::try_from(rng.below(3)).unwrap() * 0x7fff;
                delta.word(word(&bytes, at).unwrap(), new);
                put(&mut bytes, at, new);
            }
            delta.fix_checksum(&mut bytes, 10, false);
            assert_eq!(checksum(&bytes), 0, "as RFC 1624 §3 asks for: {bytes:02x?}");
        }
    }
}
