//! The way out: who transmits next, up to what one batch holds.

use super::Stack;
use crate::buf::TxBatch;
use crate::iface::IfaceId;
use crate::qdisc::segments;
use crate::socket::SocketId;
use crate::time::Instant;

/// Packets that one batch for a device holds at most.
pub const MAX_TX_BATCH: usize = 64;

/// Payload bytes that one call of [`Stack::poll_transmit`] hands out, about.
const MAX_TX_BYTES: usize = 1 << 20;

/// Whether there is more to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmit {
    /// Nothing more, until something else happens or the time of
    /// [`poll_timeout`](Stack::poll_timeout) has come.
    Idle,
    /// The batch is full, or enough for one turn; call again when the device has taken it.
    More,
}

impl Stack {
    /// Appends packets that are to leave over `iface`: up to 64 in the batch and about 1 MiB.
    ///
    /// In which order is decided by the interface's [discipline](crate::qdisc). By default answers
    /// and datagrams come first, in the order in which they were made, then TCP sockets take turns;
    /// where both wait, each gets half of the batch.
    pub fn poll_transmit(&mut self, iface: IfaceId, out: &mut TxBatch, now: Instant) -> Transmit {
        self.poll_transmit_few(iface, MAX_TX_BATCH, out, now)
    }

    /// As [`poll_transmit`](Self::poll_transmit), but only until the batch holds `most` packets, for a
    /// device that is likely to refuse more: what stays behind is still in the hands of the discipline.
    /// The turn of a TCP socket is not cut short, nor is a super-segment left half cut, so they may
    /// become some more.
    pub fn poll_transmit_few(
        &mut self,
        iface: IfaceId,
        most: usize,
        out: &mut TxBatch,
        now: Instant,
    ) -> Transmit {
        self.clock = now;
        let first = out.len();
        let transmit = self.transmit(iface, most.min(MAX_TX_BATCH), out, now);
        if self.taps.hears_outgoing() {
            self.tap_sent(iface, out, first, now);
        }
        if self.iface(iface).is_some_and(|iface| iface.caps.one_piece) {
            for packet in out.packets_mut().get_mut(first..).unwrap_or_default() {
                packet.put_together();
            }
        }
        transmit
    }

    #[inline]
    fn transmit(
        &mut self,
        iface: IfaceId,
        most: usize,
        out: &mut TxBatch,
        now: Instant,
    ) -> Transmit {
        let mut handed = Handed::after(out.len(), most);
        match self.iface(iface) {
            Some(iface) if iface.queue.is_passed_by() => {}
            Some(_) => return self.transmit_through(iface, handed, out, now),
            None => return Transmit::Idle,
        }
        self.transmit_queued(iface, most.saturating_sub(out.len()), out, now);
        self.account(&mut handed, out, now);
        let waited = (handed.bytes, handed.packets);
        while !handed.is_enough() {
            let Some(socket) = self.next_ready(iface) else {
                break;
            };
            if self.tcp_transmit(socket, now, out) {
                self.want_transmit(iface, socket);
            }
            self.account(&mut handed, out, now);
        }
        self.stats.tx_bytes += handed.bytes as u64;
        let Some(iface) = self.iface_mut(iface) else {
            return Transmit::Idle;
        };
        let bytes = handed.bytes - waited.0;
        iface
            .queue
            .on_passed(bytes as u64, handed.packets - waited.1);
        if iface.queue.is_empty() && iface.ready.is_empty() {
            Transmit::Idle
        } else {
            Transmit::More
        }
    }

    /// A TCP socket has something to send over `iface`; it gets its turn, if the interface is there.
    pub(crate) fn want_transmit(&mut self, iface: IfaceId, socket: SocketId) -> bool {
        let Some(iface) = self.iface_mut(iface) else {
            return false;
        };
        iface.ready.push(socket);
        true
    }

    /// Counts what has been added to the batch since it was last counted.
    pub(super) fn account(&mut self, handed: &mut Handed, out: &mut TxBatch, now: Instant) {
        for packet in out.packets_mut().get_mut(handed.seen..).unwrap_or_default() {
            packet.meta.departure = packet.meta.departure.max(now);
            self.stats.tx_packets += 1;
            handed.bytes += packet.len();
            handed.packets += u64::from(segments(packet));
        }
        handed.seen = out.len();
    }

    /// The socket whose turn it is.
    pub(super) fn next_ready(&mut self, iface: IfaceId) -> Option<SocketId> {
        loop {
            let index = self.iface_mut(iface)?.ready.pop()?;
            if let Some(socket) = self.sockets.id_at(index) {
                return Some(socket);
            }
        }
    }

    /// Moves waiting packets into the batch, as many as there is room for, and lets their senders go on.
    fn transmit_queued(&mut self, id: IfaceId, room: usize, out: &mut TxBatch, now: Instant) {
        let Some(iface) = self.iface_mut(id) else {
            return;
        };
        let share = if iface.ready.is_empty() {
            room
        } else {
            // What the device gave back goes before all else: its flow may have more to send.
            room.div_ceil(2).max(iface.queue.returned().min(room))
        };
        for _ in 0..share {
            if !self.transmit_next(id, out, now) {
                break;
            }
        }
        self.unblock_senders(id);
    }
}

/// What one call has handed out.
#[derive(Debug)]
pub(super) struct Handed {
    /// Packets that the batch is to hold.
    most: usize,
    /// Packets of the batch that are counted.
    seen: usize,
    pub(super) bytes: usize,
    /// On the wire.
    pub(super) packets: u64,
}

impl Handed {
    /// Nothing yet; of `most` packets for the batch `seen` were there before.
    const fn after(seen: usize, most: usize) -> Self {
        Self {
            most,
            seen,
            bytes: 0,
            packets: 0,
        }
    }

    /// Whether the batch is full, or this is enough for one turn.
    pub(super) const fn is_enough(&self) -> bool {
        self.seen >= self.most || self.bytes >= MAX_TX_BYTES
    }
}
