//! Three queues, of which a later one waits while an earlier one has anything: `pfifo_fast`.

use super::{Dropped, Fifo, Priomap, Qdisc, QdiscStats, Queued};
use crate::stats::DropReason;
use crate::time::Instant;
use alloc::collections::VecDeque;
use core::fmt;

/// Three bands with one limit; packets choose theirs by priority, which comes from the socket
/// (`SO_PRIORITY`, `IP_TOS`) or, forwarded, from the type of service.
#[derive(Debug)]
pub struct PfifoFast {
    bands: [VecDeque<Queued>; BANDS],
    map: Priomap,
    /// Packets in each band.
    limit: usize,
    stats: QdiscStats,
}

impl PfifoFast {
    /// Empty bands of `limit` packets each.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            bands: [const { VecDeque::new() }; BANDS],
            map: Priomap::default(),
            limit,
            stats: QdiscStats::default(),
        }
    }

    fn pop(&mut self) -> Option<Queued> {
        self.bands.iter_mut().find_map(VecDeque::pop_front)
    }
}

impl Default for PfifoFast {
    fn default() -> Self {
        Self::new(Fifo::DEFAULT_LIMIT)
    }
}

impl Qdisc for PfifoFast {
    fn kind(&self) -> &'static str {
        "pfifo_fast"
    }

    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, _now: Instant) {
        let band = self.map.band(packet.packet.meta.priority, BANDS);
        let full = self.bands[band].len() >= self.limit;
        if full {
            self.stats.dropped += 1;
            dropped.push(packet, DropReason::TxQueueFull);
            return;
        }
        self.stats.on_enqueued(&packet);
        self.bands[band].push_back(packet);
    }

    fn dequeue(&mut self, _dropped: &mut Dropped, _now: Instant) -> Option<Queued> {
        let packet = self.pop()?;
        self.stats.on_sent(&packet);
        Some(packet)
    }

    fn next_departure(&self) -> Option<Instant> {
        (!self.is_empty()).then_some(Instant::ZERO)
    }

    fn evict(&mut self) -> Option<Queued> {
        let packet = self.pop()?;
        self.stats.on_removed(&packet);
        Some(packet)
    }

    fn stats(&self) -> QdiscStats {
        self.stats
    }

    fn len(&self) -> usize {
        self.bands.iter().map(VecDeque::len).sum()
    }

    fn may_bypass(&self) -> bool {
        true
    }
}

impl fmt::Display for PfifoFast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bands {BANDS} priomap{}", self.map)
    }
}

const BANDS: usize = 3;
