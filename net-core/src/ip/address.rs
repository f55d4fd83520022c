//! Which addresses are the stack's own, and which no packet may come from.

use crate::iface::{IfaceId, IpCidr};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the stack is to do with a packet for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is for this host.
    Local,
    /// It is for any one of several hosts, of which this is one: answers have an address of its own (RFC 4291
    /// §2.6).
    Anycast,
    /// It is for every host on the link; nothing that answers may be sent back.
    Broadcast,
    /// It is for a group that this host belongs to.
    Multicast,
    /// It is for somebody else.
    Foreign,
}

/// The addresses of all interfaces.
#[derive(Debug, Default)]
pub(crate) struct LocalAddresses {
    /// Unicast addresses, sorted.
    v4: Vec<(Ipv4Addr, IfaceId)>,
    v6: Vec<(Ipv6Addr, IfaceId)>,
    /// Anycast addresses, sorted.
    anycast: Vec<(Ipv6Addr, IfaceId)>,
    /// Directed broadcast addresses, sorted.
    broadcast: Vec<(Ipv4Addr, IfaceId)>,
    loopback: Option<IfaceId>,
}

impl LocalAddresses {
    /// Adds an interface's address with its prefix.
    pub(crate) fn add(&mut self, iface: IfaceId, cidr: IpCidr) {
        match cidr.address {
            IpAddr::V4(v4) => insert(&mut self.v4, v4, iface),
            IpAddr::V6(v6) => insert(&mut self.v6, v6, iface),
        }
        if let Some(broadcast) = directed_broadcast(cidr) {
            insert(&mut self.broadcast, broadcast, iface);
        }
    }

    /// Removes an address of an interface.
    pub(crate) fn remove(&mut self, iface: IfaceId, cidr: IpCidr) {
        match cidr.address {
            IpAddr::V4(v4) => self.v4.retain(|&own| own != (v4, iface)),
            IpAddr::V6(v6) => self.v6.retain(|&own| own != (v6, iface)),
        }
        if let Some(broadcast) = directed_broadcast(cidr)
            && let Some(at) = self
                .broadcast
                .iter()
                .position(|&own| own == (broadcast, iface))
        {
            self.broadcast.remove(at);
        }
    }

    /// Adds an anycast address of an interface.
    pub(crate) fn add_anycast(&mut self, iface: IfaceId, address: Ipv6Addr) {
        insert(&mut self.anycast, address, iface);
    }

    /// Removes one.
    pub(crate) fn remove_anycast(&mut self, iface: IfaceId, address: Ipv6Addr) {
        self.anycast.retain(|&own| own != (address, iface));
    }

    /// The anycast addresses of an interface.
    pub(crate) fn anycast_of(&self, iface: IfaceId) -> impl Iterator<Item = Ipv6Addr> + '_ {
        let all = self.anycast.iter().filter(move |own| own.1 == iface);
        all.map(|&(address, _)| address)
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
        self.v4.retain(|&(_, owner)| owner != iface);
        self.v6.retain(|&(_, owner)| owner != iface);
        self.anycast.retain(|&(_, owner)| owner != iface);
        self.broadcast.retain(|&(_, owner)| owner != iface);
        if self.loopback == Some(iface) {
            self.loopback = None;
        }
    }

    /// The interface that has the address.
    pub(crate) fn iface_of(&self, address: IpAddr) -> Option<IfaceId> {
        match address {
            IpAddr::V4(v4) => {
                owner(&self.v4, &v4).or_else(|| self.loopback.filter(|_| v4.is_loopback()))
            }
            IpAddr::V6(v6) => owner(&self.v6, &v6),
        }
    }

    /// Whether a packet to `address` is for this host.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) if v4.is_loopback() => self.loopback.is_some(),
            IpAddr::V4(v4) => has(&self.v4, &v4),
            IpAddr::V6(v6) => has(&self.v6, &v6),
        }
    }

    /// What to do with a packet for `dest`.
    pub(crate) fn delivery(&self, dest: IpAddr) -> Delivery {
        if self.contains(dest) {
            Delivery::Local
        } else if self.is_broadcast(dest) {
            Delivery::Broadcast
        } else if self.is_anycast(dest) {
            Delivery::Anycast
        } else {
            Delivery::Foreign
        }
    }

    /// Whether `address` is 255.255.255.255 or the broadcast address of one of our prefixes.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => v4.is_broadcast() || has(&self.broadcast, &v4),
            IpAddr::V6(_) => false,
        }
    }

    /// Whether `address` is one of several hosts' of which this is one.
    pub(crate) fn is_anycast(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(v6) => has(&self.anycast, &v6),
        }
    }

    /// Every unicast address, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v4 = self.v4.iter().map(|&(address, _)| IpAddr::V4(address));
        v4.chain(self.v6.iter().map(|&(address, _)| IpAddr::V6(address)))
    }
}

fn insert<A: Ord>(sorted: &mut Vec<(A, IfaceId)>, address: A, iface: IfaceId) {
    let at = sorted.partition_point(|(other, _)| *other < address);
    sorted.insert(at, (address, iface));
}

fn owner<A: Ord>(sorted: &[(A, IfaceId)], address: &A) -> Option<IfaceId> {
    let at = sorted.partition_point(|(other, _)| other < address);
    let (other, owner) = sorted.get(at)?;
    (other == address).then_some(*owner)
}

#[inline]
fn has<A: Ord>(sorted: &[(A, IfaceId)], address: &A) -> bool {
    if sorted.len() <= FEW {
        return sorted.iter().any(|(other, _)| other == address);
    }
    sorted
        .binary_search_by(|(other, _)| other.cmp(address))
        .is_ok()
}

/// So many addresses are found faster one by one.
const FEW: usize = 8;

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

/// Whether a router may send on what goes from one to the other: neither is of one link only or a
/// group's (RFC 3927 §7, RFC 4291 §2.5.6), and the destination may exist (RFC 1812 §5.3.7).
pub(crate) fn may_be_forwarded(source: IpAddr, dest: IpAddr) -> bool {
    let of_one_link = |address| match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_destination = match dest {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && v4.octets()[0] < 224,
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    is_destination && !of_one_link(source) && !of_one_link(dest)
}

/// Whether a local route may make an address this host's: one host may have it, and it is not one of a
/// link's own (RFC 4291 §2.5.6).
pub(crate) const fn may_be_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && v4.octets()[0] < 224,
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local()),
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
