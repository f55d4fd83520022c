//! The way out: the queue in front of each device, and who transmits next.

use super::Stack;
use crate::buf::{TxBatch, TxPacket};
use crate::iface::{Iface, IfaceId, Queued};
use crate::offload::gso;
use crate::socket::SocketId;
use crate::stats::DropReason;
use crate::time::Instant;
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
        let mut seen = out.len();
        let mut bytes = 0;
        self.transmit_queued(iface, out);
        loop {
            for packet in out.packets_mut().get_mut(seen..).unwrap_or_default() {
                packet.meta.departure = packet.meta.departure.max(now);
                self.stats.tx_packets += 1;
                bytes += packet.len();
            }
            seen = out.len();
            if seen >= MAX_TX_BATCH || bytes >= MAX_TX_BYTES {
                break;
            }
            let Some(socket) = self.next_ready(iface) else {
                break;
            };
            if self.tcp_transmit(socket, now, out) {
                self.want_transmit(iface, socket);
            }
        }
        self.stats.tx_bytes += bytes as u64;
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

    /// Queues a finished packet for the device of an interface; whether there was room. A packet with
    /// an `owner` has been counted against that socket's send buffer.
    pub(super) fn device_queue(
        &mut self,
        iface: IfaceId,
        packet: Box<TxPacket>,
        owner: Option<SocketId>,
    ) -> bool {
        let Some(iface) = self.iface_mut(iface).filter(|iface| iface.has_room(1)) else {
            self.stats.count_drop(DropReason::TxQueueFull);
            if let Some(owner) = owner {
                self.udp_sent(owner, packet.ip_len());
            }
            self.recycle(packet);
            return false;
        };
        iface.queue.push_back(Queued { packet, owner });
        true
    }

    /// An empty packet to be queued.
    pub(crate) fn new_packet(&mut self) -> Box<TxPacket> {
        self.spare.pop().unwrap_or_default()
    }

    /// Whether `count` more packets may wait for the device of an interface.
    pub(super) fn has_room(&self, iface: IfaceId, count: usize) -> bool {
        self.iface(iface).is_some_and(|iface| iface.has_room(count))
    }

    /// Keeps a packet to be used again.
    pub(super) fn recycle(&mut self, mut packet: Box<TxPacket>) {
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
                self.udp_sent(owner, packet.ip_len());
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
}
