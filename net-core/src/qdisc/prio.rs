//! Disciplines in order of precedence: `prio`.

use super::{AnyQdisc, Dropped, Fifo, Priomap, Qdisc, QdiscStats, Queued};
use crate::time::Instant;
use alloc::vec::Vec;
use core::fmt;

/// Up to 16 bands, each with a discipline of its own; a later one has its turn when no earlier one
/// has a packet that may leave.
#[derive(Debug)]
pub struct Prio {
    bands: Vec<AnyQdisc>,
    map: Priomap,
    stats: QdiscStats,
}

impl Prio {
    /// Bands that there may be.
    pub const MAX_BANDS: usize = 16;

    /// Bands with these disciplines, at least one and at most 16; further ones are left out.
    #[must_use]
    pub fn new(bands: impl IntoIterator<Item = AnyQdisc>, map: Priomap) -> Self {
        let mut bands: Vec<_> = bands.into_iter().take(Self::MAX_BANDS).collect();
        if bands.is_empty() {
            bands.push(Fifo::default().into());
        }
        Self {
            bands,
            map,
            stats: QdiscStats::default(),
        }
    }

    /// The discipline of a band.
    #[must_use]
    pub fn band(&self, band: usize) -> Option<&AnyQdisc> {
        self.bands.get(band)
    }
}

/// Three bands of 1,000 packets.
impl Default for Prio {
    fn default() -> Self {
        let bands = [(); 3].map(|()| AnyQdisc::from(Fifo::default()));
        Self::new(bands, Priomap::default())
    }
}

impl Qdisc for Prio {
    fn kind(&self) -> &'static str {
        "prio"
    }

    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        let band = self.map.band(packet.packet.meta.priority, self.bands.len());
        let before = dropped.len();
        self.bands[band].enqueue(packet, dropped, now);
        self.stats.dropped += (dropped.len() - before) as u64;
    }

    fn dequeue(&mut self, dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        let before = dropped.len();
        let packet = self
            .bands
            .iter_mut()
            .find_map(|band| band.dequeue(dropped, now));
        self.stats.dropped += (dropped.len() - before) as u64;
        if let Some(packet) = &packet {
            let packets = u64::from(packet.segments());
            self.stats.on_passed(u64::from(packet.wire_len), packets);
        }
        packet
    }

    fn next_departure(&self) -> Option<Instant> {
        self.bands.iter().filter_map(Qdisc::next_departure).min()
    }

    fn evict(&mut self) -> Option<Queued> {
        self.bands.iter_mut().find_map(Qdisc::evict)
    }

    fn stats(&self) -> QdiscStats {
        let children = self.bands.iter().map(Qdisc::stats);
        children.fold(self.stats, |sum, band| QdiscStats {
            backlog_bytes: sum.backlog_bytes + band.backlog_bytes,
            backlog_packets: sum.backlog_packets + band.backlog_packets,
            overlimits: sum.overlimits + band.overlimits,
            ..sum
        })
    }

    fn len(&self) -> usize {
        self.bands.iter().map(Qdisc::len).sum()
    }

    fn splits(&self) -> bool {
        self.bands.iter().any(Qdisc::splits)
    }
}

impl fmt::Display for Prio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bands {} priomap{}", self.bands.len(), self.map)
    }
}
