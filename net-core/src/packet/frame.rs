//! A frame as a packet socket receives it, and where one is to go.

use crate::iface::IfaceId;
use crate::time::Instant;
use crate::wire::{EtherType, MacAddr};
use bytes::Bytes;

/// What a packet socket receives: a copy of a frame, and what is known about it
/// (`struct sockaddr_ll`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its bytes, as far as the filter wanted them: from the link's header on at a
    /// [raw](super::PacketKind::Raw) socket, from behind it at a [cooked](super::PacketKind::Cooked)
    /// one. The checksum in it is complete; a super-segment is one frame.
    pub payload: Bytes,
    /// Bytes that it would have had but for the filter.
    pub len: usize,
    /// Bytes of memory that keeping `payload` costs.
    pub pins: usize,
    /// The interface that it came or left over.
    pub iface: IfaceId,
    /// What it carries.
    pub ethertype: EtherType,
    /// For whom it was.
    pub class: FrameClass,
    /// The station that sent it, where the link has such.
    pub source: Option<MacAddr>,
    /// When it came or left.
    pub at: Instant,
}

/// For whom a frame is (`sll_pkttype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameClass {
    /// This host.
    Host,
    /// Every station.
    Broadcast,
    /// A group of stations.
    Multicast,
    /// Another station; seen in promiscuous mode only.
    OtherHost,
    /// This host sent it.
    Outgoing,
}

impl FrameClass {
    /// The class of a frame to `dest` that the station `own` sees.
    pub(crate) fn of(dest: MacAddr, own: MacAddr) -> Self {
        if dest == own {
            Self::Host
        } else if dest.is_broadcast() {
            Self::Broadcast
        } else if dest.is_group() {
            Self::Multicast
        } else {
            Self::OtherHost
        }
    }
}

/// Where a frame is to go: an interface, and for a [cooked](super::PacketKind::Cooked) socket what
/// its header is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketAddr {
    /// The interface.
    pub iface: IfaceId,
    /// What the frame carries.
    pub ethertype: EtherType,
    /// The station that it is for, where the link has such.
    pub dest: Option<MacAddr>,
}
