//! Flows by turns, each held to a short queue (RFC 8290): `fq_codel`.

use super::codel::{Codel, CodelConfig};
use super::flow::flow_hash;
use super::flow_queue::{FlowQueue, Packets};
use super::units::{Size, Time};
use super::{Dropped, Qdisc, QdiscStats, Queued};
use crate::seed::{Key, Seed};
use crate::stats::DropReason;
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

/// How an [`FqCodel`] shares and drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FqCodelConfig {
    /// Packets of all flows; one more costs the longest queue half of itself. 10,240.
    pub limit: usize,
    /// Bytes of all flows, likewise. 32 MiB.
    pub memory_limit: u64,
    /// Queues that flows are hashed to, 1–65,536. 1,024.
    pub flows: u32,
    /// Bytes that a flow may send in its turn; as large as a packet. 1,514.
    pub quantum: u32,
    /// What each queue is held to.
    pub codel: CodelConfig,
}

impl Default for FqCodelConfig {
    fn default() -> Self {
        Self {
            limit: 10_240,
            memory_limit: 32 << 20,
            flows: 1024,
            quantum: 1514,
            codel: CodelConfig::default(),
        }
    }
}

/// Fair queueing with controlled delay: flows send by turns, new ones first, and a flow whose queue
/// stands is told so by drops or marks.
#[derive(Debug)]
pub struct FqCodel {
    config: FqCodelConfig,
    /// Makes it unknowable which flows share a queue.
    key: Key,
    packets: Packets,
    flows: Vec<Flow>,
    new: VecDeque<u32>,
    old: VecDeque<u32>,
    stats: QdiscStats,
    marked: u64,
    overflows: u64,
    new_flows: u64,
    largest: u32,
}

#[derive(Debug, Clone, Default)]
struct Flow {
    queue: FlowQueue,
    codel: Codel,
    /// Bytes that it may still send in this turn.
    deficit: i64,
    /// It is in one of the two lists.
    listed: bool,
}

impl FqCodel {
    /// An empty discipline; `seed` decides which flows share a queue.
    #[must_use]
    pub fn new(config: FqCodelConfig, seed: Seed) -> Self {
        let flows = config.flows.clamp(1, MAX_FLOWS);
        Self {
            config: FqCodelConfig {
                flows,
                quantum: config.quantum.max(1),
                ..config
            },
            key: seed.key("fq_codel"),
            packets: Packets::default(),
            flows: alloc::vec![Flow::default(); flows as usize],
            new: VecDeque::new(),
            old: VecDeque::new(),
            stats: QdiscStats::default(),
            marked: 0,
            overflows: 0,
            new_flows: 0,
            largest: 0,
        }
    }

    /// Packets that were marked instead of dropped.
    #[must_use]
    pub const fn marked(&self) -> u64 {
        self.marked
    }

    /// The flow whose turn it is: new ones first, those that have sent their quantum last.
    fn next_flow(&mut self) -> Option<u32> {
        loop {
            let new = self.new.front().copied();
            let index = new.or_else(|| self.old.front().copied())?;
            let flow = &mut self.flows[index as usize];
            if flow.deficit > 0 {
                return Some(index);
            }
            flow.deficit += i64::from(self.config.quantum);
            self.turn_over(new.is_some());
        }
    }

    /// Moves the flow whose turn it was to the end of the old ones.
    fn turn_over(&mut self, new: bool) {
        let list = if new { &mut self.new } else { &mut self.old };
        let index = list.pop_front();
        self.old.extend(index);
    }

    /// The flow whose turn it was has nothing left. A new one has to pass the old ones first, lest
    /// it be new again at once (RFC 8290 §4.2).
    fn on_emptied(&mut self, index: u32) {
        let new = self.new.front() == Some(&index);
        if new && !self.old.is_empty() {
            self.turn_over(true);
            return;
        }
        let list = if new { &mut self.new } else { &mut self.old };
        list.pop_front();
        self.flows[index as usize].listed = false;
    }

    /// Drops up to half of the longest queue, from its head (RFC 8290 §4.1).
    fn drop_from_longest(&mut self, dropped: &mut Dropped) {
        let longest = self.flows.iter_mut().max_by_key(|flow| flow.queue.bytes());
        let Some(flow) = longest else { return };
        let enough = flow.queue.bytes() / 2;
        for _ in 0..DROP_BATCH {
            if flow.queue.bytes() <= enough {
                break;
            }
            let Some(packet) = self.packets.pop(&mut flow.queue) else {
                break;
            };
            self.stats.dropped += 1;
            self.overflows += 1;
            dropped.push(packet, DropReason::TxQueueFull);
        }
    }
}

impl Qdisc for FqCodel {
    fn kind(&self) -> &'static str {
        "fq_codel"
    }

    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        let hash = flow_hash(&packet.packet, self.key);
        let index = (u128::from(hash) * u128::from(self.config.flows)) >> 64;
        let index = u32::try_from(index).unwrap_or(0);
        let flow = &mut self.flows[index as usize];
        let packet = Queued {
            since: now,
            ..packet
        };
        self.packets.push(&mut flow.queue, packet);
        if !flow.listed {
            flow.listed = true;
            flow.deficit = i64::from(self.config.quantum);
            self.new.push_back(index);
            self.new_flows += 1;
        }
        if self.packets.len() > self.config.limit || self.packets.bytes() > self.config.memory_limit
        {
            self.drop_from_longest(dropped);
        }
    }

    fn dequeue(&mut self, dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        loop {
            let index = self.next_flow()?;
            let flow = &mut self.flows[index as usize];
            let stats = &mut self.stats;
            let delivery = flow.codel.dequeue(
                &self.config.codel,
                u64::from(self.config.quantum),
                &mut self.packets,
                &mut flow.queue,
                now,
                |packet| {
                    stats.dropped += 1;
                    dropped.push(packet, DropReason::QueueDelay);
                },
            );
            self.marked += u64::from(delivery.marked);
            let Some(packet) = delivery.packet else {
                self.on_emptied(index);
                continue;
            };
            flow.deficit -= i64::from(packet.wire_len);
            self.largest = self.largest.max(packet.wire_len);
            let packets = u64::from(packet.segments());
            self.stats.on_passed(u64::from(packet.wire_len), packets);
            return Some(packet);
        }
    }

    fn next_departure(&self) -> Option<Instant> {
        (self.packets.len() > 0).then_some(Instant::ZERO)
    }

    fn evict(&mut self) -> Option<Queued> {
        loop {
            let index = *self.new.front().or_else(|| self.old.front())?;
            let flow = &mut self.flows[index as usize];
            if let Some(packet) = self.packets.pop(&mut flow.queue) {
                return Some(packet);
            }
            flow.listed = false;
            if self.new.pop_front().is_none() {
                self.old.pop_front();
            }
        }
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

    fn may_bypass(&self) -> bool {
        true
    }

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\n  maxpacket {} drop_overlimit {} new_flow_count {} ecn_mark {}\
             \n  new_flows_len {} old_flows_len {}",
            self.largest,
            self.overflows,
            self.new_flows,
            self.marked,
            self.new.len(),
            self.old.len(),
        )
    }
}

impl fmt::Display for FqCodel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FqCodelConfig {
            limit,
            memory_limit,
            flows,
            quantum,
            codel,
        } = self.config;
        write!(
            f,
            "limit {limit}p flows {flows} quantum {quantum} target {} interval {} \
             memory_limit {}",
            Time(codel.target),
            Time(codel.interval),
            Size(memory_limit),
        )?;
        f.write_str(if codel.ecn { " ecn" } else { "" })?;
        write!(f, " drop_batch {DROP_BATCH}")
    }
}

/// Queues that there may be.
const MAX_FLOWS: u32 = 65_536;
/// Packets that are dropped at once when all is full, so that looking for the longest queue costs
/// each of them little.
const DROP_BATCH: usize = 64;
