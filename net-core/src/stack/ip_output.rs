//! An IP packet on its way out: its header, the link, the device's queue.

use super::Stack;
use crate::buf::TxPacket;
use crate::iface::DeviceCaps;
use crate::ip::{IpMeta, Path};
use crate::socket::SocketId;
use crate::time::Instant;
use crate::wire::{IpHeader, transport};
use alloc::boxed::Box;

impl Stack {
    /// Sends a packet whose transport header is in place by `path`; whether there was room for it.
    /// A packet with an `owner` counts against that socket's send buffer until it has left.
    pub(crate) fn ip_output(
        &mut self,
        path: &Path,
        meta: IpMeta,
        mut packet: Box<TxPacket>,
        owner: Option<SocketId>,
        now: Instant,
    ) -> bool {
        packet.meta.departure = packet.meta.departure.max(now);
        self.ip_finish(path, meta, &mut packet);
        self.link_output(path, packet, owner, now)
    }

    /// Finishes a packet: checksum and IP header. A super-segment's checksum is left to who cuts it.
    pub(crate) fn ip_finish(&mut self, path: &Path, meta: IpMeta, packet: &mut TxPacket) {
        let mut gone = 0;
        let next_id = match self.iface_mut(path.iface) {
            Some(iface) => &mut iface.next_id,
            None => &mut gone,
        };
        finish(&path.caps, &meta, packet, next_id);
    }
}

/// Completes a packet whose transport header is in place: its checksum (left to the device where
/// that can do it or cuts the packet), the IP header, what the device wants to know.
fn finish(caps: &DeviceCaps, meta: &IpMeta, packet: &mut TxPacket, next_id: &mut u16) {
    let offload = caps.tx_checksum || packet.meta.gso.is_some();
    transport::fill_checksum(packet, meta.source, meta.dest, meta.protocol, offload);
    let payload_len = packet.len();
    let id = *next_id;
    // Each packet that the device cuts out of this one gets its own identification.
    let count = packet.meta.gso.map_or(1, |gso| {
        packet.body_len().div_ceil(usize::from(gso.size.max(1)))
    });
    *next_id = id.wrapping_add(u16::try_from(count).unwrap_or(u16::MAX));
    let header = IpHeader {
        ttl: meta.ttl,
        tos: meta.tos,
        dont_fragment: meta.dont_fragment,
        id,
        ..IpHeader::new(meta.source, meta.dest, meta.protocol, payload_len)
    };
    header.emit(&mut packet.head);
    packet.meta.priority = meta.priority;
    packet.meta.mark = meta.mark;
    if packet.meta.gso.is_some() {
        packet.meta.header_len = u16::try_from(packet.head.len()).unwrap_or(u16::MAX);
    }
}
