//! A bad network in front of the device: delay, loss, duplicates, disorder: `netem`.

use super::units::Time;
use super::{Dropped, Millionths, Qdisc, QdiscStats, Queued, Rate};
use crate::seed::{Rng, Seed};
use crate::stats::DropReason;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use core::cmp::Ordering;
use core::fmt;

/// What a [`Netem`] does to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetemConfig {
    /// Packets that it holds at most. 1,000.
    pub limit: usize,
    /// How long each packet is held.
    pub delay: Duration,
    /// The delay varies by up to this, both ways and evenly; packets then overtake each other.
    pub jitter: Duration,
    /// Packets that are lost.
    pub loss: Millionths,
    /// Packets that leave twice.
    pub duplicate: Millionths,
    /// Packets that are not held, and so overtake those that are.
    pub reorder: Millionths,
    /// Packets leave no faster than this, one behind the other.
    pub rate: Option<Rate>,
}

impl Default for NetemConfig {
    fn default() -> Self {
        Self {
            limit: 1000,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: Millionths(0),
            duplicate: Millionths(0),
            reorder: Millionths(0),
            rate: None,
        }
    }
}

/// Does to packets what bad networks do, by a seed.
#[derive(Debug)]
pub struct Netem {
    config: NetemConfig,
    rng: Rng,
    waiting: BinaryHeap<Held>,
    /// Numbers packets, so that those of one time leave in order.
    order: u64,
    /// When the last packet will have left, where there is a rate.
    busy_until: Instant,
    stats: QdiscStats,
}

#[derive(Debug)]
struct Held {
    at: Instant,
    order: u64,
    packet: Queued,
}

impl Netem {
    /// An empty discipline; the same seed and packets have the same fate.
    #[must_use]
    pub fn new(config: NetemConfig, seed: Seed) -> Self {
        Self {
            config,
            rng: seed.rng("netem"),
            waiting: BinaryHeap::new(),
            order: 0,
            busy_until: Instant::ZERO,
            stats: QdiscStats::default(),
        }
    }

    fn hits(&mut self, share: Millionths) -> bool {
        !share.is_zero() && self.rng.below(1_000_000) < u64::from(share.0)
    }

    fn departure(&mut self, packet: &Queued, now: Instant) -> Instant {
        if self.hits(self.config.reorder) {
            return now;
        }
        let jitter = u64::try_from(self.config.jitter.as_nanos()).unwrap_or(u64::MAX / 4);
        let more = self.rng.below(jitter.saturating_mul(2).saturating_add(1));
        let delay = self.config.delay + Duration::from_nanos(more);
        let mut at = now + delay.saturating_sub(self.config.jitter);
        if let Some(rate) = self.config.rate {
            let time = rate.time_for(packet.wire_len.into());
            at = at.max(self.busy_until) + time.unwrap_or(Duration::MAX);
            self.busy_until = at;
        }
        at
    }

    fn hold(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        if self.waiting.len() >= self.config.limit {
            self.stats.dropped += 1;
            dropped.push(packet, DropReason::TxQueueFull);
            return;
        }
        let at = self.departure(&packet, now);
        self.stats.on_enqueued(&packet);
        self.order += 1;
        self.waiting.push(Held {
            at,
            order: self.order,
            packet,
        });
    }
}

impl Qdisc for Netem {
    fn kind(&self) -> &'static str {
        "netem"
    }

    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        if self.hits(self.config.loss) {
            self.stats.dropped += 1;
            dropped.push(packet, DropReason::Impaired);
            return;
        }
        if self.hits(self.config.duplicate) {
            let copy = Box::new((*packet.packet).clone());
            self.hold(Queued::new(copy, now), dropped, now);
        }
        self.hold(packet, dropped, now);
    }

    fn dequeue(&mut self, _dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        if self.waiting.peek()?.at > now {
            return None;
        }
        let Held { packet, .. } = self.waiting.pop()?;
        self.stats.on_sent(&packet);
        Some(packet)
    }

    fn next_departure(&self) -> Option<Instant> {
        self.waiting.peek().map(|held| held.at)
    }

    fn evict(&mut self) -> Option<Queued> {
        let Held { packet, .. } = self.waiting.pop()?;
        self.stats.on_removed(&packet);
        Some(packet)
    }

    fn stats(&self) -> QdiscStats {
        self.stats
    }

    fn len(&self) -> usize {
        self.waiting.len()
    }

    fn splits(&self) -> bool {
        true
    }
}

impl fmt::Display for Netem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NetemConfig {
            limit,
            delay,
            jitter,
            loss,
            duplicate,
            reorder,
            rate,
        } = self.config;
        write!(f, "limit {limit}")?;
        if !delay.is_zero() {
            write!(f, " delay {}", Time(delay))?;
        }
        if !jitter.is_zero() {
            write!(f, "  {}", Time(jitter))?;
        }
        for (name, share) in [
            ("loss", loss),
            ("duplicate", duplicate),
            ("reorder", reorder),
        ] {
            if !share.is_zero() {
                write!(f, " {name} {share}")?;
            }
        }
        rate.map_or(Ok(()), |rate| write!(f, " rate {rate}"))
    }
}

/// The earliest is the greatest, for the heap.
impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}
