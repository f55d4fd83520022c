//! Subnet-router anycast addresses: the first one of each prefix, which every router of its link has (RFC 4291
//! §2.6.1).

use super::Stack;
use crate::iface::{IfaceId, IfaceKind};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

impl Stack {
    /// Has an interface listen for the anycast addresses of its prefixes while it forwards, and for no others:
    /// after either has changed.
    pub(super) fn settle_anycast(&mut self, iface: IfaceId) {
        let wanted = self.routers_of(iface);
        let known: Vec<Ipv6Addr> = self.addresses.anycast_of(iface).collect();
        for &gone in known.iter().filter(|known| !wanted.contains(known)) {
            self.addresses.remove_anycast(iface, gone);
            self.hold_solicited_node(iface, gone.into(), false);
        }
        for &new in wanted.iter().filter(|wanted| !known.contains(wanted)) {
            self.addresses.add_anycast(iface, new);
            self.hold_solicited_node(iface, new.into(), true);
        }
    }

    /// The anycast addresses of the prefixes of an interface that forwards. One of 127 bits or more has none (RFC
    /// 6164 §5.1).
    fn routers_of(&self, iface: IfaceId) -> Vec<Ipv6Addr> {
        let own = self.iface(iface).filter(|own| own.forwarding);
        let own = own.filter(|own| own.config.kind != IfaceKind::Loopback);
        let all = own.into_iter().flat_map(|own| &own.config.addresses);
        let mut routers = Vec::new();
        for cidr in all {
            let IpAddr::V6(address) = cidr.address else {
                continue;
            };
            let host_bits = u128::MAX.checked_shr(cidr.prefix_len.into()).unwrap_or(0);
            let first = Ipv6Addr::from_bits(address.to_bits() & !host_bits);
            let is_one = cidr.prefix_len < 127 && !first.is_unspecified();
            if is_one && !routers.contains(&first) {
                routers.push(first);
            }
        }
        routers
    }
}
