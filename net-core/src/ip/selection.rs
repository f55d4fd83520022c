//! From which of several addresses to send (RFC 6724 §5).

use crate::iface::IpCidr;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};

/// What counts of an address beside its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// New connections are not to begin from it.
    pub(crate) is_deprecated: bool,
    /// It serves for a time, so that nobody follows the host by it.
    pub(crate) is_temporary: bool,
}

/// The best source towards `dest` among `addresses` of an interface. Of IPv4 that is one that is not
/// of another link alone, and on the same prefix; of IPv6 what rules 1, 2, 3, 6, 7 and 8 of RFC 6724 say. Otherwise the first.
pub(crate) fn best_source(
    addresses: impl Iterator<Item = (IpCidr, Standing)>,
    dest: IpAddr,
) -> Option<IpAddr> {
    addresses
        .filter(|(cidr, _)| cidr.address.is_ipv4() == dest.is_ipv4())
        .enumerate()
        .max_by_key(|&(order, (cidr, standing))| (fitness(cidr, standing, dest), Reverse(order)))
        .map(|(_, (cidr, _))| cidr.address)
}

/// How well a source fits: the larger, the better; each rule decides where the earlier ones do not.
fn fitness(cidr: IpCidr, standing: Standing, dest: IpAddr) -> (bool, i16, bool, bool, bool, u32) {
    let Standing {
        is_deprecated,
        is_temporary,
    } = standing;
    match (cidr.address, dest) {
        // One of the link alone does not do elsewhere (RFC 3927 §2.6.1).
        (IpAddr::V4(own), IpAddr::V4(to)) => {
            let reaches = !own.is_link_local() || to.is_link_local();
            (
                false,
                i16::from(reaches),
                false,
                cidr.contains(dest),
                false,
                0,
            )
        }
        (IpAddr::V6(own), IpAddr::V6(dest)) => {
            let common = (own.to_bits() ^ dest.to_bits()).leading_zeros();
            (
                own == dest,
                scope_fitness(scope(own), scope(dest)),
                !is_deprecated,
                label(own) == label(dest),
                is_temporary,
                common.min(PREFIX_LEN),
            )
        }
        _ => (false, i16::MIN, false, false, false, 0),
    }
}

/// Rule 2: the smallest scope that reaches as far as the destination's; failing that, the largest.
fn scope_fitness(own: u8, dest: u8) -> i16 {
    let own = i16::from(own);
    if own < i16::from(dest) {
        own - LARGEST_SCOPE
    } else {
        LARGEST_SCOPE - own
    }
}

/// The scope of an address (RFC 4291 §2.7, RFC 6724 §3.1).
pub(super) fn scope(address: Ipv6Addr) -> u8 {
    if address.is_unicast_link_local() || address.is_loopback() {
        LINK_SCOPE
    } else if address.is_multicast() {
        address.octets()[1] & 0xf
    } else {
        14
    }
}

/// The label of an address in the default policy table (RFC 6724 §2.1).
pub(super) fn label(address: Ipv6Addr) -> u8 {
    let [first, second, ..] = address.segments();
    match (first, second) {
        _ if address.is_loopback() => 0,
        _ if address.to_ipv4_mapped().is_some() => 4,
        (0x2002, _) => 2,
        (0x2001, 0) => 5,
        (0xfc00..=0xfdff, _) => 13,
        (0xfec0..=0xfeff, _) => 11,
        (0x3ffe, _) => 12,
        _ if address.to_bits() >> 32 == 0 => 3,
        _ => 1,
    }
}

/// Bits of an address that name its link; the rest names the host, and says nothing about the way.
pub(super) const PREFIX_LEN: u32 = 64;
/// The scope of what is on one link.
pub(super) const LINK_SCOPE: u8 = 2;
/// One more than any scope.
const LARGEST_SCOPE: i16 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The choice among sources, of which those with a `-` in front are deprecated, and those with a `~`
    /// temporary.
    fn choose(sources: &[&str], dest: &str) -> IpAddr {
        let sources = sources.iter().map(|text| {
            let standing = Standing {
                is_deprecated: text.starts_with('-'),
                is_temporary: text.starts_with('~'),
            };
            let text = text.trim_start_matches(['-', '~']);
            let (address, len) = text.split_once('/').unwrap_or((text, "64"));
            let cidr = IpCidr {
                address: address.parse().unwrap(),
                prefix_len: len.parse().unwrap(),
            };
            (cidr, standing)
        });
        best_source(sources, dest.parse().unwrap()).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sources_are_chosen_as_in_the_examples_of_rfc_6724() {
        // §10.1
        let rows: [(&[&str], &str, &str); 10] = [
            (
                &["fe80::1", "2001:db8:3::1"],
                "2001:db8:1::1",
                "2001:db8:3::1",
            ),
            (&["fe80::1", "2001:db8:3::1"], "ff05::1", "2001:db8:3::1"),
            (&["2001:db8:3::1", "fe80::1"], "fe80::2", "fe80::1"),
            (
                &["2001:db8:1::1", "-2001:db8:1::2"],
                "2001:db8:1::2",
                "2001:db8:1::2",
            ),
            (
                &["-2001:db8:1::1", "2001:db8:2::1"],
                "2001:db8:1::9",
                "2001:db8:2::1",
            ),
            (
                &["2001:db8:1::2", "2001:db8:3::2"],
                "2001:db8:3::9",
                "2001:db8:3::2",
            ),
            (
                &["2002:c633:6401::1", "2001:db8:1::2"],
                "2002:c633:6401::d5e3",
                "2002:c633:6401::1",
            ),
            (
                &["2001:db8:1::2", "~2001:db8:1::d5e3"],
                "2001:db8:1::9",
                "2001:db8:1::d5e3",
            ),
            (
                &["~2002:c633:6401::1", "2001:db8:1::2"],
                "2001:db8:9::1",
                "2001:db8:1::2",
            ),
            (
                &["fd07::1", "2001:db8:1::2"],
                "2001:4860::1",
                "2001:db8:1::2",
            ),
        ];
        for (sources, dest, expected) in rows {
            assert_eq!(choose(sources, dest), ip(expected), "{sources:?} to {dest}");
        }
    }

    #[test]
    fn of_ipv4_the_address_on_the_same_prefix_is_chosen() {
        let sources = ["10.0.0.1/24", "10.1.0.1/16"];
        assert_eq!(choose(&sources, "10.1.2.3"), ip("10.1.0.1"));
        assert_eq!(choose(&sources, "192.0.2.1"), ip("10.0.0.1"), "the first");
    }
}
