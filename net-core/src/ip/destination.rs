//! Which of the addresses of a host to try first (RFC 6724 §6).

use super::Standing;
use super::selection::{LINK_SCOPE, PREFIX_LEN, label, scope};
use crate::iface::IpCidr;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};

/// How well a destination fits: the larger, the better; each rule decides where the earlier ones do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fitness {
    /// Rule 1: there is a way to it, and an address to send from.
    is_usable: bool,
    /// Rule 2.
    has_scope_of_source: bool,
    /// Rule 3.
    has_lasting_source: bool,
    /// Rule 5.
    has_label_of_source: bool,
    /// Rule 6.
    precedence: u8,
    /// Rule 8: what is near goes before what is far.
    scope: Reverse<u8>,
    /// Rule 9: the bits that it has in common with its source. Of IPv4 that is whether the two are on one
    /// link: what else networks have in common there says nothing about the way, and would have all hosts
    /// try the same one of several servers.
    common: u32,
}

impl Fitness {
    /// That of a destination which is reached from a source, if it can be reached. Rules 4 and 7 are of
    /// mobility and of tunnels, and the stack knows neither.
    pub(crate) fn new(dest: IpAddr, from: Option<(IpCidr, Standing)>) -> Self {
        let dest = dest.to_canonical();
        let source = from.map(|(cidr, _)| cidr.address.to_canonical());
        let is_deprecated = from.is_some_and(|(_, standing)| standing.is_deprecated);
        Self {
            is_usable: source.is_some(),
            has_scope_of_source: source.map(scope_of) == Some(scope_of(dest)),
            has_lasting_source: !is_deprecated,
            has_label_of_source: source.map(label_of) == Some(label_of(dest)),
            precedence: precedence(dest),
            scope: Reverse(scope_of(dest)),
            common: from.map_or(0, |(cidr, _)| common(cidr, dest)),
        }
    }
}

fn common(source: IpCidr, dest: IpAddr) -> u32 {
    match (source.address, dest) {
        (IpAddr::V6(own), IpAddr::V6(dest)) => {
            let common = (own.to_bits() ^ dest.to_bits()).leading_zeros();
            common.min(PREFIX_LEN)
        }
        _ => u32::from(source.contains(dest)),
    }
}

/// The scope of an address; of IPv4 as RFC 6724 §3.2 has it.
fn scope_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_link_local() => LINK_SCOPE,
        IpAddr::V4(v4) => scope(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => scope(v6),
    }
}

fn label_of(address: IpAddr) -> u8 {
    label(mapped(address))
}

/// How much an address is preferred in the default policy table (RFC 6724 §2.1).
fn precedence(address: IpAddr) -> u8 {
    match label(mapped(address)) {
        0 => 50,
        4 => 35,
        2 => 30,
        5 => 5,
        13 => 3,
        3 | 11 | 12 => 1,
        _ => 40,
    }
}

const fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::best_source;
    use alloc::vec::Vec;

    /// A source, of which one with a `-` in front is deprecated.
    fn source(text: &str) -> (IpCidr, Standing) {
        let standing = Standing {
            is_deprecated: text.starts_with('-'),
            is_temporary: false,
        };
        let address = IpCidr {
            address: ip(text.trim_start_matches('-')),
            prefix_len: 24,
        };
        (address, standing)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn sorted(sources: &[&str], dests: &[&str]) -> Vec<IpAddr> {
        let sources = sources.iter().map(|text| source(text));
        let mut dests: Vec<_> = dests.iter().map(|text| ip(text)).collect();
        dests.sort_by_key(|&dest| {
            let best = best_source(sources.clone(), dest);
            let from = best.and_then(|best| sources.clone().find(|(cidr, _)| cidr.address == best));
            Reverse(Fitness::new(dest, from))
        });
        dests
    }

    /// §10.2, without the example that is about mobility.
    #[test]
    fn destinations_are_sorted_as_in_the_examples_of_rfc_6724() {
        let rows: [(&[&str], [&str; 2]); 8] = [
            (
                &["2001:db8:1::2", "fe80::1", "169.254.13.78"],
                ["2001:db8:1::1", "198.51.100.121"],
            ),
            (
                &["fe80::1", "198.51.100.117"],
                ["198.51.100.121", "2001:db8:1::1"],
            ),
            (
                &["2001:db8:1::2", "fe80::1", "10.1.2.4"],
                ["2001:db8:1::1", "10.1.2.3"],
            ),
            (&["2001:db8:1::2", "fe80::2"], ["fe80::1", "2001:db8:1::1"]),
            (&["2001:db8:1::2", "-fe80::2"], ["2001:db8:1::1", "fe80::1"]),
            (
                &["2001:db8:1::2", "2001:db8:3f44::2", "fe80::2"],
                ["2001:db8:1::1", "2001:db8:3ffe::1"],
            ),
            (
                &["2002:c633:6401::2", "fe80::2"],
                ["2002:c633:6401::1", "2001:db8:1::1"],
            ),
            (
                &["2002:c633:6401::2", "2001:db8:1::2", "fe80::2"],
                ["2001:db8:1::1", "2002:c633:6401::1"],
            ),
        ];
        for (sources, [first, second]) in rows {
            let expected = [ip(first), ip(second)];
            for told in [[first, second], [second, first]] {
                assert_eq!(sorted(sources, &told), expected, "{sources:?} to {told:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_reached_is_tried_last_and_private_ipv6_after_ipv4() {
        let dests = ["2001:db8:1::1", "fd07::9", "::1", "10.7.0.9", "192.0.2.1"];
        let order = sorted(&["10.7.0.2", "fd07::2", "::1"], &dests);
        let expected = ["::1", "10.7.0.9", "192.0.2.1", "fd07::9", "2001:db8:1::1"];
        assert_eq!(order, expected.map(ip));
        let order = sorted(&["10.7.0.2"], &dests);
        let expected = ["10.7.0.9", "192.0.2.1", "::1", "2001:db8:1::1", "fd07::9"];
        assert_eq!(order, expected.map(ip));
    }

    /// So that hosts share several servers among them.
    #[test]
    fn of_ipv4_the_order_of_the_resolver_stays_but_for_those_on_the_link() {
        let dests = ["203.0.113.1", "11.0.0.1", "192.0.2.1", "10.7.0.9"];
        let order = sorted(&["10.7.0.2"], &dests);
        assert_eq!(order, [dests[3], dests[0], dests[1], dests[2]].map(ip));
    }
}
