//! The way out: IP headers, the queue in front of each device, who transmits next.

use super::Stack;
use crate::buf::{TxBatch, TxPacket};
use crate::iface::{DeviceCaps, Iface, IfaceId, Queued};
use crate::ip::{IpMeta, Path};
use crate::offload::gso;
use crate::socket::SocketId;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{IpHeader, transport};
use alloc::boxed::Box;

/// Packets that one batch for a device holds at most.
pub const MAX_TX_BATCH: usize = 64;

/// Payload bytes that one call of [`Stack::poll_transmit`] hands out, about.
const MAX_TX_BYTES: usize = 1 << 20;

/// Packets that are kept to be used again.
const MAX_SPARE: usize = 64;

/// Whether there is more to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmit {
    /// Nothing more, until something else happens.
    Idle,
    /// The batch is full, or enough for one turn; call again when the device has taken it.
    More,
}

impl Stack {
    /// Appends packets that are to leave over `iface`: up to 64 in the batch and about 1 MiB.
    ///
    /// First come answers and datagrams in the order in which they were made, then TCP sockets take
    /// turns; where both wait, each gets half of the batch.
    pub fn poll_transmit(&mut self, iface: IfaceId, out: &mut TxBatch, now: Instant) -> Transmit {
        self.clock = now;
        let (first, mut seen) = (out.len(), out.len());
        let mut bytes_left = MAX_TX_BYTES;
        self.transmit_queued(iface, out);
        while out.len() < MAX_TX_BATCH {
            bytes_left = out
                .packets()
                .get(seen..)
                .unwrap_or_default()
                .iter()
                .fold(bytes_left, |left, packet| left.saturating_sub(packet.len()));
            seen = out.len();
            if bytes_left == 0 {
                break;
            }
            let Some(socket) = self.next_ready(iface) else {
                break;
            };
            if self.tcp_transmit(socket, now, out) {
                self.want_transmit(iface, socket);
            }
        }
        let sent = out.packets_mut().get_mut(first..).unwrap_or_default();
        for packet in sent {
            packet.meta.departure = packet.meta.departure.max(now);
            self.stats.tx_packets += 1;
            self.stats.tx_bytes += packet.len() as u64;
        }
        match self.iface(iface) {
            Some(iface) if !(iface.queue.is_empty() && iface.ready.is_empty()) => Transmit::More,
            _ => Transmit::Idle,
        }
    }

    /// A TCP socket has something to send over `iface`; it gets its turn.
    pub(crate) fn want_transmit(&mut self, iface: IfaceId, socket: SocketId) {
        if let Some(iface) = self.iface_mut(iface) {
            iface.ready.push(socket);
        }
    }

    /// Finishes a packet whose transport header is in place and queues it on the path's interface;
    /// whether there was room.
    pub(crate) fn ip_send(
        &mut self,
        path: &Path,
        meta: IpMeta,
        packet: Box<TxPacket>,
        now: Instant,
    ) -> bool {
        self.enqueue(path.iface, meta, packet, None, now)
    }

    /// The same for a packet that counts against a socket's send buffer until it has left.
    pub(crate) fn ip_send_owned(
        &mut self,
        path: &Path,
        meta: IpMeta,
        packet: Box<TxPacket>,
        owner: SocketId,
    ) -> bool {
        let now = self.clock;
        self.enqueue(path.iface, meta, packet, Some(owner), now)
    }

    fn enqueue(
        &mut self,
        iface: IfaceId,
        meta: IpMeta,
        mut packet: Box<TxPacket>,
        owner: Option<SocketId>,
        now: Instant,
    ) -> bool {
        let Some(iface) = self.iface_mut(iface).filter(|iface| iface.has_room()) else {
            self.stats.count_drop(DropReason::TxQueueFull);
            self.recycle(packet);
            return false;
        };
        packet.meta.departure = packet.meta.departure.max(now);
        finish(&iface.caps, &meta, &mut packet, &mut iface.next_id);
        iface.queue.push_back(Queued { packet, owner });
        true
    }

    /// An empty packet to be queued.
    pub(crate) fn new_packet(&mut self) -> Box<TxPacket> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps a packet to be used again.
    fn recycle(&mut self, mut packet: Box<TxPacket>) {
        if self.spare.len() < MAX_SPARE {
            packet.reset();
            self.spare.push(packet);
        }
    }

    /// Moves waiting packets into the batch, and lets their senders go on. One that stands for several
    /// is cut here where the device cannot, so `out` may grow somewhat beyond its usual size.
    fn transmit_queued(&mut self, id: IfaceId, out: &mut TxBatch) {
        let Some(iface) = self.iface_mut(id) else {
            return;
        };
        let caps = iface.caps;
        let room = MAX_TX_BATCH.saturating_sub(out.len());
        let share = if iface.ready.is_empty() {
            room
        } else {
            room.div_ceil(2)
        };
        for _ in 0..share {
            let queued = self.iface_mut(id).and_then(|iface| iface.queue.pop_front());
            let Some(Queued { mut packet, owner }) = queued else {
                break;
            };
            if let Some(owner) = owner {
                self.udp_sent(owner, packet.len());
            }
            if packet.meta.gso.is_some() && !caps.uso {
                gso::segment(&packet, caps.tx_checksum, out).expect("the headers are our own");
            } else {
                out.exchange(&mut packet);
            }
            self.recycle(packet);
        }
        self.unblock_senders(id);
    }

    /// Wakes the sockets that found the queue full, once it is half empty.
    fn unblock_senders(&mut self, id: IfaceId) {
        while let Some(iface) = self.iface_mut(id)
            && iface.queue.len() <= Iface::QUEUE_LEN / 2
            && let Some(index) = iface.blocked.pop()
        {
            if let Some(socket) = self.sockets.id_at(index) {
                self.udp_unblock(socket);
            }
        }
    }

    /// The socket whose turn it is.
    fn next_ready(&mut self, iface: IfaceId) -> Option<SocketId> {
        loop {
            let index = self.iface_mut(iface)?.ready.pop()?;
            if let Some(socket) = self.sockets.id_at(index) {
                return Some(socket);
            }
        }
    }

    /// Finishes a packet that its socket hands straight to the device's batch: checksum, IP header,
    /// departure. A super-segment's checksum is left to who cuts it.
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
    packet.meta.header_len = u16::try_from(packet.head.len()).unwrap_or(u16::MAX);
}
