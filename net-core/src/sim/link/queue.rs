//! What waits in front of the line.

use super::config::LinkConfig;
use crate::buf::{RxPacket, TxPacket};
use crate::time::Instant;
use alloc::collections::VecDeque;
use core::fmt::Debug;

/// A queueing discipline for a link: packets go in when they come, and out when the line is free.
///
/// Everything it needs of time it is told, and it is asked in order of time.
pub trait Queue: Debug + Send {
    /// Takes a packet in, or drops one, this or another; what is dropped is added to `dropped`.
    fn enqueue(&mut self, packet: TxPacket, dropped: &mut u64, now: Instant);

    /// Takes the next packet out; the line is free. `None` where none may leave yet, or where those
    /// that were there had to be dropped, which is added to `dropped`.
    fn dequeue(&mut self, dropped: &mut u64, now: Instant) -> Option<TxPacket>;

    /// From when on [`dequeue`](Self::dequeue) has a packet; `None` without one. What may leave at
    /// once may say any time that has passed.
    fn next_departure(&self) -> Option<Instant>;

    /// Whether nothing waits.
    fn is_empty(&self) -> bool;

    /// Bytes that wait; `None` where it does not count them.
    fn bytes(&self) -> Option<usize> {
        None
    }
}

/// First in, first out; what finds no room is dropped.
#[derive(Debug, Default)]
pub(super) struct DropTail {
    packets: VecDeque<RxPacket>,
    bytes: usize,
}

impl DropTail {
    /// Whether a packet of `len` bytes finds room behind `carries` bytes on the line.
    pub(super) fn has_room(&self, len: usize, carries: usize, config: &LinkConfig) -> bool {
        let bytes = self.bytes + carries;
        let packets = self.packets.len() + usize::from(carries > 0);
        bytes == 0
            || bytes.saturating_add(len) <= config.queue_bytes && packets < config.queue_packets
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, packet: RxPacket) {
        self.bytes += packet.len();
        self.packets.push_back(packet);
    }

    pub(super) fn pop(&mut self) -> Option<RxPacket> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.len();
        Some(packet)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}
