//! Rules by prefix, and in which parts of the addresses there are any.

use super::addresses::PrefixMap;
use alloc::boxed::Box;
use core::net::IpAddr;

/// Numbers by prefix, behind a look at the part of the addresses.
#[derive(Debug)]
pub(super) struct Prefixes {
    chunks: Option<Chunks>,
    all: PrefixMap,
}

impl Prefixes {
    pub(super) fn of(all: PrefixMap) -> Self {
        let chunks = Chunks::of(&all);
        Self { chunks, all }
    }

    pub(super) const fn all(&self) -> &PrefixMap {
        &self.all
    }

    /// The number of the longest prefix of an address.
    #[inline]
    pub(super) fn longest(&self, address: &IpAddr) -> Option<u32> {
        let is_near = match (address, &self.chunks) {
            (IpAddr::V4(address), Some(chunks)) => chunks.may_have(address.to_bits()),
            _ => true,
        };
        is_near.then(|| self.all.longest(*address)).flatten()
    }
}

/// A bit for each of 4,096 equal parts of the addresses that have the bits which all of a set have: whether
/// anything of the set is in it. Of a thousand prefixes a look at the bit spares most of the rest the
/// look at the trie.
#[derive(Debug)]
struct Chunks {
    /// How many bits all of the set have.
    shared: u32,
    bits: Box<[u64; WORDS]>,
}

impl Chunks {
    /// Those of a set; `None` if nothing of IPv4 is in it.
    fn of(prefixes: &PrefixMap) -> Option<Self> {
        let (_, mask) = prefixes.shared()?;
        let shared = mask.leading_ones().min(u32::BITS - INDEX_BITS);
        let bits = Box::new([0; WORDS]);
        let mut chunks = Self { shared, bits };
        for (first, len) in prefixes.iter_v4() {
            let last = first | u32::MAX.checked_shr(len.into()).unwrap_or(0);
            for index in chunks.index(first)..=chunks.index(last) {
                if let Some(word) = chunks.bits.get_mut(index / 64) {
                    *word |= 1 << (index % 64);
                }
            }
        }
        Some(chunks)
    }

    /// Whether an address may be in the set; one that lacks the shared bits is not, whatever this says.
    #[inline]
    fn may_have(&self, address: u32) -> bool {
        let index = self.index(address);
        let word = self.bits.get(index / 64);
        word.is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    #[inline]
    const fn index(&self, address: u32) -> usize {
        (address << self.shared >> (u32::BITS - INDEX_BITS)) as usize
    }
}

const INDEX_BITS: u32 = 12;
const WORDS: usize = 1 << INDEX_BITS >> 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iface::IpCidr;
    use crate::seed::Seed;
    use core::net::Ipv4Addr;

    #[test]
    fn what_is_in_a_set_is_in_its_chunks_and_little_else() {
        // Bits that all have, how long the others are at least, and how many of 1,000 strangers may be in.
        for (shared, shortest, most) in [(0, 16, 250), (12, 24, 250), (24, 30, 1000), (0, 0, 1000)]
        {
            let mut rng = Seed::from_u64(shared).rng("prefixes");
            let mut map = PrefixMap::new();
            let host = u32::MAX
                .checked_shr(u32::try_from(shared).unwrap())
                .unwrap();
            let mut address = || 0xac10_0000 & !host | rng.next_u32() & host;
            let mut prefixes = std::vec::Vec::new();
            for number in 0..600_u32 {
                let prefix_len = shortest + u8::try_from(number % 9).unwrap().min(32 - shortest);
                let address = Ipv4Addr::from_bits(address()).into();
                let prefix = IpCidr {
                    address,
                    prefix_len,
                };
                map.insert(prefix, number).unwrap();
                prefixes.push(prefix);
            }
            let chunks = Chunks::of(&map).unwrap();
            let mut strangers = 0;
            for _ in 0..1000 {
                let address = address();
                let is_in = map.longest(Ipv4Addr::from_bits(address).into()).is_some();
                assert!(!is_in || chunks.may_have(address), "{address:x}");
                strangers += u32::from(!is_in && chunks.may_have(address));
            }
            assert!(strangers <= most, "{strangers} of {shared} and {shortest}");
            for prefix in prefixes {
                let IpAddr::V4(address) = prefix.address else {
                    unreachable!("of IPv4");
                };
                assert!(chunks.may_have(address.to_bits()), "{prefix:?}");
            }
        }
        assert!(Chunks::of(&PrefixMap::new()).is_none());
    }
}
