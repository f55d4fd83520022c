//! Identifications of packets that may be fragmented (RFC 6864, RFC 7739).

use crate::seed::Key;
use alloc::boxed::Box;
use core::net::IpAddr;

/// Gives each packet an identification that its addresses and protocol do not use again soon, and
/// that who does not see the packets cannot guess.
///
/// The numbers of a pair of addresses begin at a keyed hash of it and go up by one; pairs share
/// counters by another part of the hash (RFC 7739 §5.3).
#[derive(Debug)]
pub(crate) struct Identifications {
    key: Key,
    counters: Box<[u32; COUNTERS]>,
}

const COUNTERS: usize = 1024;

impl Identifications {
    /// Fresh numbers under a secret key.
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            counters: Box::new([0; COUNTERS]),
        }
    }

    /// The next number for a packet from `source` to `dest`, and the `count - 1` behind it. IPv4
    /// uses the low half.
    pub(crate) fn next(&mut self, source: IpAddr, dest: IpAddr, protocol: u8, count: u32) -> u32 {
        let mut bytes = [0; 33];
        let (addresses, rest) = bytes.split_at_mut(32);
        let (first, second) = addresses.split_at_mut(16);
        first.copy_from_slice(&octets(source));
        second.copy_from_slice(&octets(dest));
        rest.fill(protocol);
        let hash = self.key.prf(&bytes);
        let [a, b, c, d, e, f, ..] = hash.to_le_bytes();
        let base = u32::from_le_bytes([a, b, c, d]);
        let index = usize::from(u16::from_le_bytes([e, f])) % COUNTERS;
        let Some(counter) = self.counters.get_mut(index) else {
            return base;
        };
        let id = base.wrapping_add(*counter);
        *counter = counter.wrapping_add(count);
        id
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use std::collections::BTreeSet;

    #[test]
    fn a_pair_of_addresses_repeats_no_identification_for_the_length_of_the_field() {
        let mut ids = Identifications::new(Seed::from_u64(1).key("test"));
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let seen: BTreeSet<u32> = (0..65536).map(|_| ids.next(a, b, 17, 1) & 0xffff).collect();
        assert_eq!(seen.len(), 65536);
    }

    #[test]
    fn identifications_of_one_pair_tell_nothing_about_those_of_another() {
        let mut ids = Identifications::new(Seed::from_u64(1).key("test"));
        let [a, b, c] = ["fd00::1", "fd00::2", "fd00::3"].map(|text| text.parse().unwrap());
        let first = ids.next(a, b, 17, 1);
        let second = ids.next(a, c, 17, 1);
        assert!(first.abs_diff(second) > 1000, "{first} {second}");
        assert_eq!(ids.next(a, b, 17, 5), first + 1);
        assert_eq!(ids.next(a, b, 17, 1), first + 6);
    }
}
