//! The way out of the stack to one destination.

use crate::iface::{DeviceCaps, IfaceId};
use crate::neighbor::NeighborHint;
use crate::socket::{IpSettings, PathMtuMode};
use crate::wire::{ipv4, ipv6};
use core::net::IpAddr;
use core::num::NonZeroU8;

/// What routing found out about a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    /// The interface that leads there.
    pub(crate) iface: IfaceId,
    /// The source address to use.
    pub(crate) source: IpAddr,
    /// The neighbour that gets the packets: a router, or the destination itself.
    pub(crate) next_hop: IpAddr,
    /// Where that neighbour was found last.
    pub(crate) neighbor: NeighborHint,
    /// The interface's MTU in bytes, IP header included.
    pub(crate) mtu: u16,
    /// How many hops packets may make, where a router of the link has said so.
    pub(crate) hop_limit: Option<NonZeroU8>,
    /// What the interface's device does for us.
    pub(crate) caps: DeviceCaps,
    /// The path holds while [`Stack::route_generation`](crate::Stack::route_generation) is this.
    pub(crate) generation: u32,
}

/// What the IP header of a packet to send is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpMeta {
    /// Source address.
    pub(crate) source: IpAddr,
    /// Destination address, of the same family.
    pub(crate) dest: IpAddr,
    /// Protocol number.
    pub(crate) protocol: u8,
    /// Type of service or traffic class.
    pub(crate) tos: u8,
    /// Time to live or hop limit.
    pub(crate) ttl: u8,
    /// The packet must not be fragmented on its way (IPv4).
    pub(crate) dont_fragment: bool,
    /// The transport checksum, if the protocol has one, is in place already.
    pub(crate) has_checksum: bool,
    /// For the device: see [`TxMeta::priority`](crate::buf::TxMeta::priority).
    pub(crate) priority: u8,
    /// For the device: see [`TxMeta::mark`](crate::buf::TxMeta::mark).
    pub(crate) mark: u32,
    /// Who sends it.
    pub(crate) origin: Origin,
}

/// What routes ask about the sender of a packet beside what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whose socket it is.
    pub(crate) owner: u32,
    /// The only interface that it may leave over.
    pub(crate) bound: Option<IfaceId>,
}

impl Origin {
    /// That of a socket with these options.
    pub(crate) const fn of(settings: &IpSettings) -> Self {
        Self {
            owner: settings.owner,
            bound: settings.iface(),
        }
    }
}

impl IpMeta {
    /// What a socket with these options sends by `path`; `default_hops` is the stack's, and that of the
    /// path goes before it.
    pub(crate) fn new(
        settings: &IpSettings,
        path: &Path,
        dest: IpAddr,
        protocol: u8,
        default_hops: u8,
    ) -> Self {
        let default_hops = path.hop_limit.map_or(default_hops, NonZeroU8::get);
        Self {
            source: path.source,
            dest,
            protocol,
            tos: settings.class_to(dest),
            ttl: settings.hops_to(dest, default_hops),
            dont_fragment: settings.path_mtu_to(dest) != PathMtuMode::Dont,
            has_checksum: false,
            priority: settings.priority,
            mark: settings.mark,
            origin: Origin::of(settings),
        }
    }
}

impl IpMeta {
    /// Bytes of the IP header.
    pub(crate) const fn header_len(&self) -> usize {
        match self.dest {
            IpAddr::V4(_) => ipv4::MIN_HEADER_LEN,
            IpAddr::V6(_) => ipv6::HEADER_LEN,
        }
    }
}
