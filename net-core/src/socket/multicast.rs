//! What a datagram socket does about multicast.

use crate::iface::IfaceId;
use core::net::IpAddr;

/// How a datagram socket sends to groups, and what it hears of them beside what it joined
/// ([`Stack::change_membership`](crate::Stack::change_membership)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is one socket option")]
pub struct MulticastSettings {
    /// Time to live of packets to IPv4 groups (`IP_MULTICAST_TTL`); 0: they stay on this host.
    pub ttl: u8,
    /// Hop limit of packets to IPv6 groups (`IPV6_MULTICAST_HOPS`); 0: they stay on this host.
    pub hops: u8,
    /// What is sent to an IPv4 group comes back to members on this host (`IP_MULTICAST_LOOP`).
    pub loop_v4: bool,
    /// The same for IPv6 (`IPV6_MULTICAST_LOOP`).
    pub loop_v6: bool,
    /// Where packets to IPv4 groups leave (`IP_MULTICAST_IF`); `None`: where routes lead.
    pub iface_v4: Option<IfaceId>,
    /// The same for IPv6 (`IPV6_MULTICAST_IF`).
    pub iface_v6: Option<IfaceId>,
    /// Hear what other sockets joined IPv4 groups for, as long as this one has not joined them
    /// (`IP_MULTICAST_ALL`).
    pub all_v4: bool,
    /// The same for IPv6 (`IPV6_MULTICAST_ALL`).
    pub all_v6: bool,
}

/// One hop, back to this host, by the routes, whatever the host has joined: as in Linux.
impl Default for MulticastSettings {
    fn default() -> Self {
        Self {
            ttl: 1,
            hops: 1,
            loop_v4: true,
            loop_v6: true,
            iface_v4: None,
            iface_v6: None,
            all_v4: true,
            all_v6: true,
        }
    }
}

impl MulticastSettings {
    /// Time to live or hop limit of packets to `group`.
    pub(crate) const fn hops_to(&self, group: IpAddr) -> u8 {
        match group {
            IpAddr::V4(_) => self.ttl,
            IpAddr::V6(_) => self.hops,
        }
    }

    /// Whether packets to `group` come back to this host.
    pub(crate) const fn loops(&self, group: IpAddr) -> bool {
        match group {
            IpAddr::V4(_) => self.loop_v4,
            IpAddr::V6(_) => self.loop_v6,
        }
    }

    /// Where packets to `group` leave, if the socket says so.
    pub(crate) const fn iface_to(&self, group: IpAddr) -> Option<IfaceId> {
        match group {
            IpAddr::V4(_) => self.iface_v4,
            IpAddr::V6(_) => self.iface_v6,
        }
    }

    /// Whether the socket hears of `group` without having joined it.
    pub(crate) const fn hears_all(&self, group: IpAddr) -> bool {
        match group {
            IpAddr::V4(_) => self.all_v4,
            IpAddr::V6(_) => self.all_v6,
        }
    }
}
