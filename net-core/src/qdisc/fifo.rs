//! First in, first out, up to a limit: `pfifo` and `bfifo`.

use super::units::Size;
use super::{Dropped, Qdisc, QdiscStats, Queued};
use crate::stats::DropReason;
use crate::time::Instant;
use alloc::collections::VecDeque;
use core::fmt;

/// A queue with a limit, which drops at its tail.
#[derive(Debug)]
pub struct Fifo {
    queue: VecDeque<Queued>,
    limit: FifoLimit,
    stats: QdiscStats,
}

/// What a [`Fifo`] holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FifoLimit {
    /// So many packets (`pfifo`).
    Packets(usize),
    /// So many bytes (`bfifo`).
    Bytes(u64),
}

impl Fifo {
    /// Packets that it holds by default (`txqueuelen`).
    pub const DEFAULT_LIMIT: usize = 1000;

    /// An empty queue.
    #[must_use]
    pub const fn new(limit: FifoLimit) -> Self {
        Self {
            queue: VecDeque::new(),
            limit,
            stats: QdiscStats {
                sent_bytes: 0,
                sent_packets: 0,
                dropped: 0,
                overlimits: 0,
                requeues: 0,
                backlog_bytes: 0,
                backlog_packets: 0,
            },
        }
    }

    /// An empty queue of `limit` packets.
    #[must_use]
    pub const fn packets(limit: usize) -> Self {
        Self::new(FifoLimit::Packets(limit))
    }

    /// An empty queue of `limit` bytes.
    #[must_use]
    pub const fn bytes(limit: u64) -> Self {
        Self::new(FifoLimit::Bytes(limit))
    }

    fn has_room_for(&self, packet: &Queued) -> bool {
        match self.limit {
            FifoLimit::Packets(limit) => self.queue.len() < limit,
            FifoLimit::Bytes(limit) => {
                self.stats.backlog_bytes + u64::from(packet.wire_len) <= limit
            }
        }
    }
}

impl Default for Fifo {
    fn default() -> Self {
        Self::packets(Self::DEFAULT_LIMIT)
    }
}

impl Qdisc for Fifo {
    fn kind(&self) -> &'static str {
        match self.limit {
            FifoLimit::Packets(_) => "pfifo",
            FifoLimit::Bytes(_) => "bfifo",
        }
    }

    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, _now: Instant) {
        if !self.has_room_for(&packet) {
            self.stats.dropped += 1;
            dropped.push(packet, DropReason::TxQueueFull);
            return;
        }
        self.stats.on_enqueued(&packet);
        self.queue.push_back(packet);
    }

    fn dequeue(&mut self, _dropped: &mut Dropped, _now: Instant) -> Option<Queued> {
        let packet = self.queue.pop_front()?;
        self.stats.on_sent(&packet);
        Some(packet)
    }

    fn next_departure(&self) -> Option<Instant> {
        (!self.queue.is_empty()).then_some(Instant::ZERO)
    }

    fn evict(&mut self) -> Option<Queued> {
        let packet = self.queue.pop_front()?;
        self.stats.on_removed(&packet);
        Some(packet)
    }

    fn stats(&self) -> QdiscStats {
        self.stats
    }

    fn len(&self) -> usize {
        self.queue.len()
    }

    fn limit(&self) -> Option<usize> {
        match self.limit {
            FifoLimit::Packets(limit) => Some(limit),
            FifoLimit::Bytes(_) => None,
        }
    }

    fn may_bypass(&self) -> bool {
        true
    }
}

impl fmt::Display for Fifo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            FifoLimit::Packets(limit) => write!(f, "limit {limit}p"),
            FifoLimit::Bytes(limit) => write!(f, "limit {}", Size(limit)),
        }
    }
}
