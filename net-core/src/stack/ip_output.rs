//! An IP packet on its way out: its header, the link, the device's queue.

use super::Stack;
use crate::buf::{Checksum, TxPacket};
use crate::error::SocketError;
use crate::iface::{DeviceCaps, IfaceId};
use crate::ip::{Fragments, IpMeta, Path};
use crate::qdisc::Sender;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{IpHeader, transport};
use alloc::boxed::Box;

/// What becomes of a packet at the hooks on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It may leave.
    Leaves,
    /// It may leave, but by the way that leads there now; only hooks at one point say so.
    LeavesAnew,
    /// It, or another in its place, has left by another way.
    Moved,
    /// There was no room for it on another way.
    Lost,
    /// It does not leave: what its sender is told.
    Refused(SocketError),
}

/// What became of a packet that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Yes,
    /// There was no room for it, or no way: it is counted, and nobody told.
    Lost,
    /// A filter, a hook, or the way that they had it take would not have it: what its sender is told.
    Refused(SocketError),
}

impl Sent {
    pub(super) const fn of(queued: bool) -> Self {
        if queued { Self::Yes } else { Self::Lost }
    }

    /// The same for who hears of errors.
    pub(super) const fn told(self) -> Result<(), SocketError> {
        match self {
            Self::Yes | Self::Lost => Ok(()),
            Self::Refused(error) => Err(error),
        }
    }
}

impl Stack {
    /// Sends a packet whose transport header is in place by `path`, in fragments if it is larger than
    /// that takes. A packet with an `owner` counts against that
    /// socket's send buffer until it has left.
    pub(crate) fn ip_output(
        &mut self,
        path: &Path,
        meta: IpMeta,
        mut packet: Box<TxPacket>,
        owner: Option<Sender>,
        now: Instant,
    ) -> Sent {
        packet.meta.departure = packet.meta.departure.max(now);
        let total_len = meta.header_len() + packet.len();
        if total_len > usize::from(path.mtu) && packet.meta.gso.is_none() {
            return self.output_fragments(path, meta, packet, owner, now);
        }
        self.ip_finish(path, meta, &mut packet);
        match self.pass_out(path.iface, meta.origin, &mut packet, owner) {
            Passage::Leaves => {}
            other => return self.not_sent(packet, other),
        }
        let owner = owner.map(|sender| sender.owner(&packet));
        Sent::of(self.link_output(path, packet, owner, now))
    }

    /// What became of a packet that does not leave by the way that was found for it.
    pub(super) fn not_sent(&mut self, packet: Box<TxPacket>, passage: Passage) -> Sent {
        self.recycle(packet);
        match passage {
            Passage::Refused(error) => Sent::Refused(error),
            Passage::Lost => Sent::Lost,
            Passage::Leaves | Passage::LeavesAnew | Passage::Moved => Sent::Yes,
        }
    }

    /// Sends a packet in fragments, all of them or none.
    fn output_fragments(
        &mut self,
        path: &Path,
        meta: IpMeta,
        mut packet: Box<TxPacket>,
        owner: Option<Sender>,
        now: Instant,
    ) -> Sent {
        // Whoever cuts them has to sum them, and may cut them again on the way.
        let whole = Path {
            caps: DeviceCaps::default(),
            ..*path
        };
        let meta = IpMeta {
            dont_fragment: false,
            ..meta
        };
        self.ip_finish(&whole, meta, &mut packet);
        match self.pass_out(path.iface, meta.origin, &mut packet, owner) {
            Passage::Leaves => {}
            other => return self.not_sent(packet, other),
        }
        match IpHeader::parse_quoted(&packet.head) {
            Ok(header) => Sent::of(self.send_cut(path, &header, packet, owner, now)),
            Err(_) => self.not_sent(packet, Passage::Lost),
        }
    }

    /// The identification that fragments of a packet get: one of its own, unless it is a fragment already,
    /// which is to be joined with others.
    pub(super) fn id_of_fragments(&mut self, header: &IpHeader) -> u32 {
        match header.fragment {
            Some(fragment) => fragment.id,
            None => (self.identifications).next(header.source, header.dest, header.protocol, 1),
        }
    }

    /// Sends a finished packet in fragments; whether the queue had room for all of them.
    pub(super) fn send_cut(
        &mut self,
        path: &Path,
        header: &IpHeader,
        mut packet: Box<TxPacket>,
        owner: Option<Sender>,
        now: Instant,
    ) -> bool {
        let id = self.id_of_fragments(header);
        let sent = match Fragments::new(&mut packet, path.mtu, id) {
            Ok(fragments) if self.has_room(path.iface, fragments.count()) => {
                self.send_fragments(path, fragments, owner, now);
                true
            }
            Ok(_) => {
                self.stats.count_drop(DropReason::TxQueueFull);
                false
            }
            Err(reason) => {
                self.stats.count_drop(reason);
                false
            }
        };
        self.recycle(packet);
        sent
    }

    pub(super) fn send_fragments(
        &mut self,
        path: &Path,
        mut fragments: Fragments<'_>,
        owner: Option<Sender>,
        now: Instant,
    ) {
        self.stats.ip_fragmented += 1;
        let last = fragments.count().saturating_sub(1);
        for index in 0..fragments.count() {
            let mut fragment = self.new_packet();
            fragments.next_into(&mut fragment);
            self.stats.ip_fragments_sent += 1;
            let owner = owner.map(|sender| {
                // It has left when the last one has.
                let timed = sender.timed.filter(|_| index == last);
                Sender { timed, ..sender }.owner(&fragment)
            });
            self.link_output(path, fragment, owner, now);
        }
    }

    /// Finishes a packet: checksum and IP header. A super-segment's checksum is left to who cuts it.
    pub(crate) fn ip_finish(&mut self, path: &Path, meta: IpMeta, packet: &mut TxPacket) {
        // Each packet that the device cuts out of this one gets its own identification.
        let count = packet.meta.gso.map_or(1, |gso| {
            packet.body_len().div_ceil(usize::from(gso.size.max(1)))
        });
        let id = self.next_id(path.iface, &meta, u16::try_from(count).unwrap_or(u16::MAX));
        finish(&path.caps, &meta, packet, id);
    }

    /// The identification of a packet and of the `count - 1` behind it. Where nobody may fragment
    /// them it need not differ from others (RFC 6864 §4.1), and costs little.
    fn next_id(&mut self, iface: IfaceId, meta: &IpMeta, count: u16) -> u16 {
        if !meta.dont_fragment && meta.dest.is_ipv4() {
            let (source, dest) = (meta.source, meta.dest);
            let ids = &mut self.identifications;
            let id = ids.next(source, dest, meta.protocol, count.into());
            return u16::try_from(id & 0xffff).unwrap_or(0);
        }
        let Some(iface) = self.iface_mut(iface) else {
            return 0;
        };
        let id = iface.next_id;
        iface.next_id = id.wrapping_add(count);
        id
    }
}

/// Completes a packet whose transport header is in place: its checksum (left to the device where
/// that can do it or cuts the packet), the IP header, what the device wants to know.
fn finish(caps: &DeviceCaps, meta: &IpMeta, packet: &mut TxPacket, id: u16) {
    let offload = caps.tx_checksum || packet.meta.gso.is_some();
    if meta.has_checksum {
        // Whoever made it may be wrong.
        packet.meta.checksum = Checksum::Unknown;
    } else {
        transport::fill_checksum(packet, meta.source, meta.dest, meta.protocol, offload);
    }
    let payload_len = packet.len();
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
