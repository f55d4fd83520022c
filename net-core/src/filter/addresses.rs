//! Sets of addresses and prefixes.

use crate::iface::IpCidr;
use crate::route::{Full, Trie};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A set of addresses of both families, given by prefixes. A few are compared, more lie in tries.
///
/// ```
/// use net_core::filter::Addresses;
/// let ours = Addresses::from_range("10.0.0.4".parse()?, "10.0.0.9".parse()?).expect("of one family");
/// assert!(ours.contains("10.0.0.9".parse()?) && !ours.contains("10.0.0.10".parse()?));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct Addresses {
    prefixes: Arc<[IpCidr]>,
    /// Only where there are several prefixes.
    tries: Option<Arc<PrefixMap>>,
}

impl Addresses {
    /// Whether an address is in.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match &self.tries {
            Some(tries) => tries.longest(address).is_some(),
            None => self.prefixes.iter().any(|prefix| prefix.contains(address)),
        }
    }

    /// The prefixes as they were given.
    #[must_use]
    pub fn prefixes(&self) -> &[IpCidr] {
        &self.prefixes
    }

    /// The addresses from one to another, both in; `None` if they are of two families or the wrong
    /// way round.
    #[must_use]
    pub fn from_range(first: IpAddr, last: IpAddr) -> Option<Self> {
        prefixes_between(first, last).map(|prefixes| prefixes.into_iter().collect())
    }

    /// Whether all are of one IP version.
    pub(crate) fn are_of(&self, version: u32) -> bool {
        let mut prefixes = self.prefixes.iter();
        prefixes.all(|prefix| prefix.address.is_ipv6() == (version == 6))
    }

    /// The address, if there is only one.
    pub(crate) fn single(&self) -> Option<IpAddr> {
        match *self.prefixes {
            [prefix] if prefix.prefix_len == IpCidr::max_prefix_len(prefix.address) => {
                Some(prefix.address)
            }
            _ => None,
        }
    }
}

impl FromIterator<IpCidr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpCidr>>(prefixes: I) -> Self {
        let prefixes: Arc<[IpCidr]> = prefixes.into_iter().collect();
        let tries = (prefixes.len() > MAX_COMPARED).then(|| {
            let mut map = PrefixMap::new();
            for prefix in &*prefixes {
                map.insert(*prefix, 0)?;
            }
            Ok::<_, Full>(Arc::new(map))
        });
        // Those that no trie has room for are compared one by one.
        let tries = tries.and_then(Result::ok);
        Self { prefixes, tries }
    }
}

impl From<IpCidr> for Addresses {
    fn from(prefix: IpCidr) -> Self {
        core::iter::once(prefix).collect()
    }
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        IpCidr::host(address).into()
    }
}

impl PartialEq for Addresses {
    fn eq(&self, other: &Self) -> bool {
        self.prefixes == other.prefixes
    }
}

impl Eq for Addresses {}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.prefixes).finish()
    }
}

/// Numbers by prefix, of both families.
#[derive(Debug)]
pub(crate) struct PrefixMap {
    v4: Trie<u32>,
    /// An address of IPv4 that is in, and a mask of the bits that all have as it has: most of what is not
    /// in is seen by these.
    v4_shared: (u32, u32),
    v6: Trie<u128>,
}

impl PrefixMap {
    pub(crate) const fn new() -> Self {
        Self {
            v4: Trie::new(),
            v4_shared: (0, 0),
            v6: Trie::new(),
        }
    }

    /// Sets the number of exactly this prefix.
    pub(crate) fn insert(&mut self, prefix: IpCidr, number: u32) -> Result<(), Full> {
        let len = prefix.prefix_len;
        match prefix.address {
            IpAddr::V4(address) => {
                self.share(address, len);
                self.v4.insert(masked(address, len), len, number)
            }
            IpAddr::V6(address) => self.v6.insert(masked_v6(address, len), len, number),
        }
        .map(drop)
    }

    /// Notes which bits a prefix of IPv4 shares with the others.
    fn share(&mut self, address: Ipv4Addr, len: u8) {
        let (shared, mask) = &mut self.v4_shared;
        if self.v4.len() == 0 {
            (*shared, *mask) = (address.to_bits(), u32::MAX);
        }
        let common = (address.to_bits() ^ *shared).leading_zeros();
        let common = common.min(len.into());
        *mask &= u32::MAX.checked_shl(32 - common).unwrap_or(0);
    }

    /// Bits that all addresses of IPv4 have that are in, and a mask of them; `None` if none is in.
    pub(crate) fn shared(&self) -> Option<(u32, u32)> {
        (self.v4.len() > 0).then_some(self.v4_shared)
    }

    /// The prefixes of IPv4, and their lengths.
    pub(crate) fn iter_v4(&self) -> impl Iterator<Item = (u32, u8)> {
        self.v4.iter().map(|(bits, len, _)| (bits, len))
    }

    /// Whether any of IPv6 is in.
    pub(crate) fn has_v6(&self) -> bool {
        self.v6.len() > 0
    }

    /// The number of exactly this prefix.
    pub(crate) fn get(&self, prefix: IpCidr) -> Option<u32> {
        let len = prefix.prefix_len;
        match prefix.address {
            IpAddr::V4(address) => self.v4.get(masked(address, len), len),
            IpAddr::V6(address) => self.v6.get(masked_v6(address, len), len),
        }
    }

    /// The number of the longest prefix of an address.
    #[inline]
    pub(crate) fn longest(&self, address: IpAddr) -> Option<u32> {
        let found = match address {
            IpAddr::V4(address) => {
                let (shared, mask) = self.v4_shared;
                if (address.to_bits() ^ shared) & mask != 0 {
                    return None;
                }
                self.v4.longest(address.to_bits())
            }
            IpAddr::V6(address) => self.v6.longest(address.to_bits()),
        };
        found.map(|(_, number)| number)
    }
}

/// The fewest prefixes that have the addresses between two, both in.
pub(crate) fn prefixes_between(first: IpAddr, last: IpAddr) -> Option<Vec<IpCidr>> {
    let (low, high, bits) = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return None,
    };
    let (mut at, mut prefixes) = (low, Vec::new());
    while at <= high {
        // As large as it may begin here, and as fits.
        let aligned = at.trailing_zeros().min(bits);
        let free = (0..=aligned).rev();
        let free = free.into_iter().find(|&free| at | ones(free) <= high)?;
        let address = match first {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(at).ok()?)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(at)),
        };
        let prefix_len = u8::try_from(bits - free).ok()?;
        prefixes.push(IpCidr {
            address,
            prefix_len,
        });
        match (at | ones(free)).checked_add(1) {
            Some(next) => at = next,
            None => break,
        }
    }
    (!prefixes.is_empty()).then_some(prefixes)
}

const fn ones(bits: u32) -> u128 {
    match 1_u128.checked_shl(bits) {
        Some(bit) => bit - 1,
        None => u128::MAX,
    }
}

fn masked(address: Ipv4Addr, len: u8) -> u32 {
    let host = 32 - u32::from(len.min(32));
    address.to_bits() & u32::MAX.checked_shl(host).unwrap_or(0)
}

fn masked_v6(address: Ipv6Addr, len: u8) -> u128 {
    let host = 128 - u32::from(len.min(128));
    address.to_bits() & u128::MAX.checked_shl(host).unwrap_or(0)
}

/// So many prefixes are compared one by one.
const MAX_COMPARED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_cut_into_the_fewest_prefixes() {
        let lens = |first, last| -> Vec<u8> {
            let prefixes = prefixes_between(ip(first), ip(last)).unwrap();
            prefixes.iter().map(|prefix| prefix.prefix_len).collect()
        };
        assert_eq!(lens("10.0.0.4", "10.0.0.9"), [30, 31]);
        assert_eq!(lens("0.0.0.0", "255.255.255.255"), [0]);
        assert_eq!(lens("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), [0]);
        assert_eq!(lens("10.0.0.1", "10.0.0.1"), [32]);
        assert_eq!(prefixes_between(ip("10.0.0.2"), ip("10.0.0.1")), None);
        assert_eq!(prefixes_between(ip("10.0.0.2"), ip("::1")), None);
    }

    #[test]
    fn many_prefixes_hold_what_few_hold() {
        let range = prefixes_between(ip("10.0.0.1"), ip("10.0.7.200")).unwrap();
        assert!(range.len() > MAX_COMPARED);
        let many: Addresses = range.iter().copied().collect();
        for host in 0..0x900 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host));
            let held = range.iter().any(|prefix| prefix.contains(address));
            assert_eq!(many.contains(address), held, "{address}");
        }
        assert!(!many.contains(ip("::a00:1")));
    }
}
