//! Flows by turns, each packet at its time: `fq`.

use super::flow::flow_hash;
use super::flow_queue::{FlowQueue, Packets};
use super::units::{Size, Time};
use super::{Dropped, Qdisc, QdiscStats, Queued};
use crate::seed::{Key, Seed};
use crate::stats::DropReason;
use crate::time::{Duration, Instant};
use alloc::collections::{BinaryHeap, VecDeque};
use core::cmp::Reverse;
use core::fmt;
use hashbrown::HashTable;
use slab::Slab;

/// How an [`Fq`] shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FqConfig {
    /// Packets of all flows. 10,000.
    pub limit: usize,
    /// Packets of one flow. 100.
    pub flow_limit: u32,
    /// Bytes that a flow may send in its turn. 3,028.
    pub quantum: u32,
    /// Bytes that a new flow may send in its first turn. 15,140.
    pub initial_quantum: u32,
    /// A packet that is to leave later than so much from now is dropped. 10 s.
    pub horizon: Duration,
}

impl Default for FqConfig {
    fn default() -> Self {
        Self {
            limit: 10_000,
            flow_limit: 100,
            quantum: 3028,
            initial_quantum: 15_140,
            horizon: Duration::from_secs(10),
        }
    }
}

/// Fair queueing that keeps to departure times: no packet leaves before its
/// [`TxMeta::departure`](crate::buf::TxMeta::departure), which is how a sender paces.
#[derive(Debug)]
pub struct Fq {
    config: FqConfig,
    key: Key,
    packets: Packets,
    flows: Slab<Flow>,
    /// Positions in `flows` by the hash of a flow.
    by_hash: HashTable<u32>,
    new: VecDeque<u32>,
    old: VecDeque<u32>,
    /// Flows whose first packet is to leave later, in no list.
    delayed: BinaryHeap<Reverse<(Instant, u32)>>,
    stats: QdiscStats,
    /// How often a flow was put aside until its packet's time.
    throttled: u64,
    over_flow_limit: u64,
    beyond_horizon: u64,
}

#[derive(Debug)]
struct Flow {
    hash: u64,
    queue: FlowQueue,
    credit: i64,
}

impl Fq {
    /// An empty discipline.
    #[must_use]
    pub fn new(config: FqConfig, seed: Seed) -> Self {
        Self {
            config: FqConfig {
                quantum: config.quantum.max(1),
                ..config
            },
            key: seed.key("fq"),
            packets: Packets::default(),
            flows: Slab::new(),
            by_hash: HashTable::new(),
            new: VecDeque::new(),
            old: VecDeque::new(),
            delayed: BinaryHeap::new(),
            stats: QdiscStats::default(),
            throttled: 0,
            over_flow_limit: 0,
            beyond_horizon: 0,
        }
    }

    /// Why a packet cannot come in; `None` if it can.
    fn refuse(&mut self, packet: &Queued, flow: Option<u32>, now: Instant) -> Option<DropReason> {
        if packet.packet.meta.departure.saturating_since(now) > self.config.horizon {
            self.beyond_horizon += 1;
            return Some(DropReason::Departure);
        }
        let of_flow = flow
            .and_then(|index| self.flows.get(index as usize))
            .map_or(0, |flow| flow.queue.len());
        if of_flow >= self.config.flow_limit {
            self.over_flow_limit += 1;
            return Some(DropReason::TxQueueFull);
        }
        (self.packets.len() >= self.config.limit).then_some(DropReason::TxQueueFull)
    }

    /// Makes a flow, which has its turn among the new ones.
    fn add_flow(&mut self, hash: u64) -> u32 {
        let index = self.flows.insert(Flow {
            hash,
            queue: FlowQueue::default(),
            credit: i64::from(self.config.initial_quantum),
        });
        let index = u32::try_from(index).expect("no more flows than packets");
        let flows = &self.flows;
        self.by_hash
            .insert_unique(hash, index, |&other| flows[other as usize].hash);
        self.new.push_back(index);
        index
    }

    fn remove_flow(&mut self, index: u32) {
        let flow = self.flows.remove(index as usize);
        if let Ok(entry) = self.by_hash.find_entry(flow.hash, |&other| other == index) {
            entry.remove();
        }
    }

    /// Puts the flows back into the round whose time has come.
    fn release(&mut self, now: Instant) {
        while let Some(&Reverse((at, index))) = self.delayed.peek()
            && at <= now
        {
            self.delayed.pop();
            self.old.push_back(index);
        }
    }
}

impl Qdisc for Fq {
    fn kind(&self) -> &'static str {
        "fq"
    }

    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        let hash = flow_hash(&packet.packet, self.key);
        let flows = &self.flows;
        let found = self
            .by_hash
            .find(hash, |&index| flows[index as usize].hash == hash)
            .copied();
        if let Some(reason) = self.refuse(&packet, found, now) {
            self.stats.dropped += 1;
            dropped.push(packet, reason);
            return;
        }
        let index = found.unwrap_or_else(|| self.add_flow(hash));
        let flow = &mut self.flows[index as usize];
        self.packets.push(&mut flow.queue, packet);
    }

    fn dequeue(&mut self, _dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        self.release(now);
        loop {
            let new = self.new.front().copied();
            let index = new.or_else(|| self.old.front().copied())?;
            let list = match new {
                Some(_) => &mut self.new,
                None => &mut self.old,
            };
            let flow = &mut self.flows[index as usize];
            let Some(first) = self.packets.first(&flow.queue) else {
                list.pop_front();
                if new.is_some() && !self.old.is_empty() && self.flows.len() <= self.config.limit {
                    // It has to pass the others before it may be new again.
                    self.old.push_back(index);
                } else {
                    self.remove_flow(index);
                }
                continue;
            };
            let departure = first.packet.meta.departure;
            if departure > now {
                list.pop_front();
                self.delayed.push(Reverse((departure, index)));
                self.throttled += 1;
                continue;
            }
            if flow.credit <= 0 {
                flow.credit += i64::from(self.config.quantum);
                list.pop_front();
                self.old.push_back(index);
                continue;
            }
            let packet = self.packets.pop(&mut flow.queue)?;
            flow.credit -= i64::from(packet.wire_len);
            let packets = u64::from(packet.segments());
            self.stats.on_passed(u64::from(packet.wire_len), packets);
            return Some(packet);
        }
    }

    fn next_departure(&self) -> Option<Instant> {
        if self.packets.len() == 0 {
            return None;
        }
        if self.new.is_empty() && self.old.is_empty() {
            return self.delayed.peek().map(|&Reverse((at, _))| at);
        }
        Some(Instant::ZERO)
    }

    fn evict(&mut self) -> Option<Queued> {
        loop {
            let delayed = self.delayed.peek().map(|&Reverse((_, index))| index);
            let listed = self.new.front().or_else(|| self.old.front()).copied();
            let index = listed.or(delayed)?;
            let flow = &mut self.flows[index as usize];
            if let Some(packet) = self.packets.pop(&mut flow.queue) {
                return Some(packet);
            }
            if self.new.pop_front().is_none() && self.old.pop_front().is_none() {
                self.delayed.pop();
            }
            self.remove_flow(index);
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

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flows = self.flows.iter();
        let inactive = flows.filter(|(_, flow)| flow.queue.len() == 0).count();
        write!(
            f,
            "\n  flows {} (inactive {inactive} throttled {})\
             \n  throttled {}",
            self.flows.len(),
            self.delayed.len(),
            self.throttled,
        )?;
        if self.over_flow_limit > 0 {
            write!(f, " flows_plimit {}", self.over_flow_limit)?;
        }
        if self.beyond_horizon > 0 {
            write!(f, "\n  horizon_drops {}", self.beyond_horizon)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FqConfig {
            limit,
            flow_limit,
            quantum,
            initial_quantum,
            horizon,
        } = self.config;
        write!(
            f,
            "limit {limit}p flow_limit {flow_limit}p quantum {} initial_quantum {} horizon {} \
             horizon_drop",
            Size(quantum.into()),
            Size(initial_quantum.into()),
            Time(horizon),
        )
    }
}
