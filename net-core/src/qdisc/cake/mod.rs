//! Shaping, classes of traffic, fairness between hosts and flows, and short queues in one: `cake`
//! (Høiland-Jørgensen, Täht, Morton: *Piece of CAKE*, 2018).

mod ack_filter;
mod cobalt;
mod config;
mod delays;
mod flows;
mod hosts;
mod longest;
mod parse;
mod report;
mod shaper;
mod tin;
mod tins;
mod turns;
mod ways;

pub use config::{CakeAckFilter, CakeConfig, CakeFraming, CakeIsolation, CakeTins};

use super::flow::{ip_header, ip_header_mut};
use super::flow_queue::Packets;
use super::{Dropped, Qdisc, QdiscStats, Queued};
use crate::buf::TxPacket;
use crate::seed::{Key, Rng, Seed};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{EtherType, ip};
use alloc::vec::Vec;
use core::fmt;
use longest::Longest;
use shaper::{Overhead, Shaper};
use tin::Tin;

/// All that a link to a provider needs.
///
/// Packets are told apart into classes ([`CakeTins`]) by their codepoints, and in each class into flows.
/// A shaper without bursts ([`CakeConfig::bandwidth`]) keeps the queue on this side of the link; the most
/// urgent class that has not had its share goes first; within it, hosts have equal shares, and so have the
/// flows of a host (DRR++), of which those that send little go first. Each flow's queue is held to a short wait by
/// marks and drops (COBALT: CoDel, RFC 8289, and BLUE against flows that do not listen).
///
/// ```
/// use net_core::Seed;
/// use net_core::qdisc::{Cake, CakeConfig};
/// let config: CakeConfig = "bandwidth 50mbit".parse()?;
/// let cake = Cake::new(config, Seed::from_u64(7));
/// assert!(cake.to_string().starts_with("bandwidth 50Mbit diffserv3 triple-isolate"));
/// # Ok::<(), net_core::ParseError>(())
/// ```
#[derive(Debug)]
pub struct Cake {
    config: CakeConfig,
    /// Makes it unknowable which flows share a queue.
    key: Key,
    /// BLUE's dice.
    rng: Rng,
    packets: Packets,
    tins: Vec<Tin>,
    /// The tin whose turn it is, where there is no bandwidth.
    current: usize,
    shaper: Option<Shaper>,
    overhead: Overhead,
    longest: Longest,
    memory_limit: u64,
    most_memory: u64,
    stats: QdiscStats,
}

impl Cake {
    /// An empty discipline; `seed` decides which flows share a queue, and what BLUE drops. Where a
    /// parameter is outside of its range, the nearest end of that is taken.
    #[must_use]
    pub fn new(config: CakeConfig, seed: Seed) -> Self {
        let config = config.within_ranges();
        let tins = (0..config.tins.count()).map(|tin| Tin::new(&config, tin));
        Self {
            key: seed.key("cake"),
            rng: seed.rng("cake blue"),
            packets: Packets::default(),
            tins: tins.collect(),
            current: 0,
            shaper: config.bandwidth.map(|rate| Shaper::new(rate.bytes())),
            overhead: Overhead::new(&config),
            longest: Longest::default(),
            memory_limit: config.memory_limit(),
            most_memory: 0,
            stats: QdiscStats::default(),
            config,
        }
    }

    /// Packets that were marked instead of dropped.
    #[must_use]
    pub fn marked(&self) -> u64 {
        self.tins.iter().map(|tin| tin.counts.marked).sum()
    }

    /// Bytes of memory that packets take up.
    fn memory(&self) -> u64 {
        self.packets.bytes() + self.packets.len() as u64 * PACKET_MEMORY
    }

    /// Which tin a packet belongs to. Its codepoint is cleared if that is wanted.
    fn classify(&self, packet: &mut TxPacket) -> usize {
        let dscp = codepoint(packet);
        if self.config.wash {
            ip::clear_dscp(ip_header_mut(packet));
        }
        self.config.tins.of(dscp)
    }

    /// Drops the first packet of the longest queue; whether there was one.
    fn drop_from_longest(&mut self, dropped: &mut Dropped, now: Instant) -> bool {
        let tins = &self.tins;
        let all = || {
            (0_u8..).zip(tins).flat_map(|(tin, each)| {
                let flows = each.flows.iter().filter(|(_, flow)| flow.queue.len() > 0);
                flows.map(move |(index, flow)| (flow.queue.bytes(), (tin, index)))
            })
        };
        let bytes = |(tin, index)| tins[usize::from(tin)].flows.get(index).queue.bytes();
        let Some((tin, index)) = self.longest.find(all, bytes) else {
            return false;
        };
        let tin = &mut self.tins[usize::from(tin)];
        let Some(packet) = tin.overflow(&mut self.packets, index, now) else {
            return false;
        };
        self.stats.dropped += 1;
        dropped.push(packet, DropReason::TxQueueFull);
        true
    }

    /// The tin that a packet is taken from: the most urgent that has not had its share, or else the one
    /// that will have to wait for it least.
    fn tin_by_share(&self, now: Instant) -> Option<usize> {
        let waiting = self.tins.iter().enumerate();
        let waiting = waiting.filter(|(_, tin)| tin.counts.waiting > 0);
        let within = waiting.clone().filter(|(_, tin)| tin.share.next() <= now);
        let urgent = within.map(|(index, _)| index).next_back();
        let soonest = || waiting.rev().min_by_key(|(_, tin)| tin.share.next());
        urgent.or_else(|| soonest().map(|(index, _)| index))
    }

    /// The tin whose turn it is where there is no bandwidth; something waits.
    fn tin_by_turns(&mut self) -> Option<usize> {
        let mut waiting = (0..self.tins.len()).filter(|&tin| self.tins[tin].counts.waiting > 0);
        let only = waiting.next()?;
        if waiting.next().is_none() {
            self.current = only;
            self.tins[only].deficit = self.tins[only].deficit.max(0);
        }
        loop {
            let tin = &mut self.tins[self.current];
            if tin.counts.waiting > 0 && tin.deficit >= 0 {
                return Some(self.current);
            }
            if tin.deficit <= 0 {
                tin.deficit += tin.quantum;
            }
            self.current = (self.current + 1) % self.tins.len();
        }
    }
}

impl Qdisc for Cake {
    fn kind(&self) -> &'static str {
        "cake"
    }

    fn enqueue(&mut self, mut packet: Queued, dropped: &mut Dropped, now: Instant) {
        packet.since = now;
        let tin = self.classify(&mut packet.packet);
        if self.packets.len() == 0
            && let Some(shaper) = &mut self.shaper
        {
            shaper.forget_idle(now);
        }
        let each = &mut self.tins[tin];
        let (index, bytes) = each.enqueue(&mut self.packets, packet, self.key, now);
        let filter = self.config.ack_filter;
        if let Some(superfluous) = each.filter_acks(filter, &mut self.packets, index) {
            self.stats.dropped += 1;
            dropped.push(superfluous, DropReason::AckFilter);
        }
        let id = (u8::try_from(tin).unwrap_or(0), index);
        self.longest.on_grown(id, bytes);
        // The last one stays: where a limit is below any packet, none would ever leave.
        while self.memory() > self.memory_limit
            && self.packets.len() > 1
            && self.drop_from_longest(dropped, now)
        {}
        self.most_memory = self.most_memory.max(self.memory());
    }

    fn dequeue(&mut self, dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        if self.packets.len() == 0 {
            return None;
        }
        let tin = match &self.shaper {
            Some(shaper) if shaper.next() > now => {
                self.stats.overlimits += 1;
                return None;
            }
            Some(_) => self.tin_by_share(now)?,
            None => self.tin_by_turns()?,
        };
        let tin = &mut self.tins[tin];
        let (packets, overhead) = (&mut self.packets, &mut self.overhead);
        let delivery = tin.dequeue(packets, overhead, &mut self.rng, dropped, now)?;
        let packet = delivery.packet;
        self.stats.dropped += delivery.dropped;
        match &mut self.shaper {
            Some(shaper) => {
                shaper.charge(delivery.len);
                tin.share.charge_share(delivery.len, now);
            }
            None => tin.deficit -= i64::from(delivery.len),
        }
        if self.packets.len() == 0 {
            self.longest.rest();
        }
        let segments = u64::from(packet.segments());
        self.stats.on_passed(u64::from(packet.wire_len), segments);
        Some(packet)
    }

    fn next_departure(&self) -> Option<Instant> {
        let next = self.shaper.as_ref().map_or(Instant::ZERO, Shaper::next);
        (self.packets.len() > 0).then_some(next)
    }

    fn evict(&mut self) -> Option<Queued> {
        let packets = &mut self.packets;
        self.tins.iter_mut().find_map(|tin| tin.evict(packets))
    }

    fn stats(&self) -> QdiscStats {
        QdiscStats {
            backlog_bytes: self.packets.bytes(),
            backlog_packets: self.packets.len() as u64,
            ..self.stats
        }
    }

    fn len(&self) -> usize {
        self.packets.len()
    }

    fn splits(&self) -> bool {
        self.config.split_gso
    }

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report(f)
    }
}

impl fmt::Display for Cake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

/// The codepoint of a packet; that of network control if it looks for a neighbour, and 0 if it has none.
fn codepoint(packet: &TxPacket) -> u8 {
    ip::dscp(ip_header(packet)).unwrap_or_else(|| {
        let link_len = usize::from(packet.meta.link_len);
        let ethertype = packet.head.get(..link_len).and_then(<[u8]>::last_chunk);
        if ethertype == Some(&EtherType::ARP.0.to_be_bytes()) {
            tins::CS7
        } else {
            0
        }
    })
}

/// Bytes of memory that a packet takes up beside those on the wire.
const PACKET_MEMORY: u64 = (size_of::<TxPacket>() + size_of::<Queued>()) as u64;
