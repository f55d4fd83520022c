//! Which addresses are the stack's own, and which no packet may come from.

use crate::iface::{IfaceId, IpCidr};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the stack is to do with a packet for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is for this host.
    Local,
    /// It is for every host on the link; nothing that answers may be sent back.
    Broadcast,
    /// It is for somebody else.
    Foreign,
}

/// The addresses of all interfaces.
#[derive(Debug, Default)]
pub(crate) struct LocalAddresses {
    /// Sorted by address.
    unicast: Vec<(IpAddr, IfaceId)>,
    /// Directed broadcast addresses, sorted.
    broadcast: Vec<(Ipv4Addr, IfaceId)>,
    loopback: Option<IfaceId>,
}

impl LocalAddresses {
    /// Adds an interface's address with its prefix.
    pub(crate) fn add(&mut self, iface: IfaceId, cidr: IpCidr) {
        let at = self
            .unicast
            .partition_point(|&(address, _)| address < cidr.address);
        self.unicast.insert(at, (cidr.address, iface));
        if let Some(broadcast) = directed_broadcast(cidr) {
            let at = self
                .broadcast
                .partition_point(|&(address, _)| address < broadcast);
            self.broadcast.insert(at, (broadcast, iface));
        }
    }

    /// Says which interface is the loopback: all of 127.0.0.0/8 is local there.
    pub(crate) fn set_loopback(&mut self, iface: Option<IfaceId>) {
        self.loopback = iface;
    }

    /// The loopback interface.
    pub(crate) fn loopback(&self) -> Option<IfaceId> {
        self.loopback
    }

    /// Removes the addresses of an interface.
    pub(crate) fn remove_iface(&mut self, iface: IfaceId) {
        self.unicast.retain(|&(_, owner)| owner != iface);
        self.broadcast.retain(|&(_, owner)| owner != iface);
        if self.loopback == Some(iface) {
            self.loopback = None;
        }
    }

    /// Whether a packet to `address` is for this host.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) if v4.is_loopback() => self.loopback.is_some(),
            _ => self
                .unicast
                .binary_search_by(|(own, _)| own.cmp(&address))
                .is_ok(),
        }
    }

    /// What to do with a packet for `dest`.
    pub(crate) fn delivery(&self, dest: IpAddr) -> Delivery {
        if self.contains(dest) {
            Delivery::Local
        } else if self.is_broadcast(dest) {
            Delivery::Broadcast
        } else {
            Delivery::Foreign
        }
    }

    /// Whether `address` is 255.255.255.255 or the broadcast address of one of our prefixes.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                v4.is_broadcast()
                    || self
                        .broadcast
                        .binary_search_by(|(own, _)| own.cmp(&v4))
                        .is_ok()
            }
            IpAddr::V6(_) => false,
        }
    }

    /// Every address, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.unicast.iter().map(|&(address, _)| address)
    }
}

/// Whether no packet may come from `source` over an interface that is not the loopback
/// (RFC 1122 §3.2.1.3, RFC 4291 §2.7, RFC 6890). The stack's own addresses are checked apart.
pub(crate) fn is_martian_source(source: IpAddr, over_loopback: bool) -> bool {
    match source {
        IpAddr::V4(v4) => {
            v4.octets()[0] == 0
                || v4.is_multicast()
                || v4.is_broadcast()
                || (v4.is_loopback() && !over_loopback)
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_multicast()
                || v6.to_ipv4_mapped().is_some()
                || (v6 == Ipv6Addr::LOCALHOST && !over_loopback)
        }
    }
}

/// The all-ones address of an IPv4 prefix that is not a point-to-point link's (RFC 3021).
fn directed_broadcast(cidr: IpCidr) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = cidr.address else {
        return None;
    };
    let host_bits = 32_u32.checked_sub(u32::from(cidr.prefix_len))?;
    let hosts = 1_u32
        .checked_shl(host_bits)
        .map_or(u32::MAX, |size| size - 1);
    (host_bits > 1 && !address.is_loopback()).then(|| Ipv4Addr::from(address.to_bits() | hosts))
}
