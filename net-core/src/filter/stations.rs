//! Addresses of the link layer: where a packet names them, and sets of them.

use super::fields::Fields;
use crate::wire::{EthernetHeader, MacAddr};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Where a station is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StationField {
    /// In the Ethernet header with which a packet has come in: who sent it.
    Source,
    /// Whom it is for.
    Dest,
    /// In an ARP packet (RFC 826): the address of the sender.
    ArpSender,
    /// That of the target.
    ArpTarget,
}

impl StationField {
    /// The station that is named there; `frame` is the header with which the packet came in, if it did with one.
    pub(super) fn find(
        self,
        packet: &Fields<'_, '_>,
        frame: Option<&EthernetHeader>,
    ) -> Option<MacAddr> {
        // What this host says to a frame is not in it.
        let frame = frame.filter(|_| packet.view.came_over.is_some());
        let at = match self {
            Self::Source => return frame.map(|frame| frame.source),
            Self::Dest => return frame.map(|frame| frame.dest),
            Self::ArpSender => ARP_SENDER,
            Self::ArpTarget => ARP_TARGET,
        };
        let octets = packet.view.bytes.get(at..)?.first_chunk()?;
        Some(MacAddr::new(*octets))
    }

    /// Whether it is in front of the packet.
    pub(super) const fn is_of_frame(self) -> bool {
        matches!(self, Self::Source | Self::Dest)
    }
}

/// Whom the link brought a packet to (`meta pkttype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// This host alone, or nobody else for all that is known.
    Host,
    /// Every station.
    Broadcast,
    /// A group of stations.
    Multicast,
}

impl Audience {
    /// That of a packet that came in with this header, or without one.
    pub(super) fn of(frame: Option<&EthernetHeader>) -> Self {
        match frame.map(|frame| frame.dest) {
            Some(MacAddr::BROADCAST) => Self::Broadcast,
            Some(dest) if dest.is_group() => Self::Multicast,
            _ => Self::Host,
        }
    }
}

/// A set of stations.
///
/// ```
/// use net_core::filter::Stations;
/// use net_core::wire::MacAddr;
/// let [one, other] = [1, 2].map(|last| MacAddr::new([2, 0, 0, 0, 0, last]));
/// let known: Stations = [one].into_iter().collect();
/// assert!(known.contains(one) && !known.contains(other));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stations {
    /// In order, each once.
    sorted: Arc<[MacAddr]>,
}

impl Stations {
    /// Whether a station is in.
    #[must_use]
    pub fn contains(&self, station: MacAddr) -> bool {
        self.sorted.binary_search(&station).is_ok()
    }

    /// The stations, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[MacAddr] {
        &self.sorted
    }
}

impl FromIterator<MacAddr> for Stations {
    fn from_iter<I: IntoIterator<Item = MacAddr>>(stations: I) -> Self {
        let mut sorted: Vec<_> = stations.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let sorted = sorted.into();
        Self { sorted }
    }
}

/// Where in an ARP packet for IPv4 over Ethernet the stations are.
const ARP_SENDER: usize = 8;
const ARP_TARGET: usize = 18;
