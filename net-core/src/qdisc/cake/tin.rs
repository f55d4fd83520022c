//! One class of traffic: its flows take turns, and its queues are held short.

use super::super::flow::FlowKey;
use super::super::flow_queue::Packets;
use super::super::units::Rate;
use super::super::{Dropped, Queued};
use super::cobalt::{Limits, Verdict};
use super::flows::{Flows, State};
use super::shaper::{Overhead, Shaper};
use super::turns::Turns;
use super::{CakeAckFilter, CakeConfig, ack_filter, delays::Delays};
use crate::seed::{Key, Rng};
use crate::stats::DropReason;
use crate::time::{Duration, Instant};

/// A class of traffic.
#[derive(Debug)]
pub(super) struct Tin {
    pub(super) flows: Flows,
    turns: Turns,
    /// The wait that a standing queue may cost, and the usual round trip, at any rate.
    target: Duration,
    rtt: Duration,
    /// Bytes of the largest packet on the wire, at least those of an Ethernet.
    frame: u64,
    pub(super) limits: Limits,
    /// The rate up to which it goes ahead of others.
    pub(super) rate: Option<Rate>,
    pub(super) share: Shaper,
    /// Bytes that it may send in its turn, and those that it may still, where there is no bandwidth.
    pub(super) quantum: i64,
    pub(super) deficit: i64,
    pub(super) delays: Delays,
    pub(super) counts: Counts,
}

/// What it has done, and what waits in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Packets that wait.
    pub(super) waiting: u64,
    /// Bytes of them.
    pub(super) backlog: u64,
    /// Packets that came in, and their bytes.
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) dropped: u64,
    pub(super) marked: u64,
    /// Acknowledgements dropped that later ones made superfluous.
    pub(super) acks_dropped: u64,
    pub(super) largest: u32,
}

/// A packet that leaves, and what it takes up on the link.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) packet: Queued,
    pub(super) len: u32,
    pub(super) dropped: u64,
}

impl Counts {
    fn on_removed(&mut self, packet: &Queued) {
        self.waiting = self.waiting.saturating_sub(1);
        self.backlog = self.backlog.saturating_sub(packet.wire_len.into());
    }
}

impl Tin {
    pub(super) fn new(config: &CakeConfig, tin: usize) -> Self {
        let rate = config.bandwidth.map(|rate| {
            let share = config.tins.share(tin, rate.bytes());
            Rate::from_bytes(share.max(1))
        });
        let quantum = rate.map_or(FRAME, |rate| (rate.bytes() >> 12).clamp(300, FRAME));
        let (target, rtt) = (config.target(), config.rtt);
        let mut tin = Self {
            flows: Flows::new(config.isolation),
            turns: Turns::new(quantum),
            target,
            rtt,
            frame: 0,
            limits: Limits::new(target, rtt, Duration::ZERO),
            rate,
            share: Shaper::new(rate.map_or(1, Rate::bytes)),
            quantum: i64::try_from(config.tins.quantum(tin)).unwrap_or(i64::MAX),
            deficit: 0,
            delays: Delays::default(),
            counts: Counts::default(),
        };
        tin.fit(FRAME);
        tin
    }

    /// Fits the limits to the largest packet.
    fn fit(&mut self, frame: u64) {
        self.frame = frame;
        let packet_time = self.rate.and_then(|rate| rate.time_for(frame));
        let packet_time = packet_time.unwrap_or(Duration::ZERO);
        self.limits = Limits::new(self.target, self.rtt, packet_time);
    }

    /// Takes a packet in; which queue it waits in, and how long that is.
    pub(super) fn enqueue(
        &mut self,
        packets: &mut Packets,
        packet: Queued,
        key: Key,
        now: Instant,
    ) -> (u16, u64) {
        if self.counts.waiting == 0 {
            self.share.forget_idle(now);
        }
        let frame = u64::from(frame_len(&packet));
        if frame > self.frame {
            self.fit(frame);
        }
        let index = self.flows.place(&FlowKey::of(&packet.packet), key);
        let counts = &mut self.counts;
        counts.waiting += 1;
        counts.backlog += u64::from(packet.wire_len);
        counts.packets += u64::from(packet.segments());
        counts.bytes += u64::from(packet.wire_len);
        counts.largest = counts.largest.max(packet.wire_len);
        let flow = self.flows.get_mut(index);
        if flow.queue.len() == 0 {
            flow.cobalt.on_awake(&self.limits, now);
        }
        packets.push(&mut flow.queue, packet);
        let bytes = flow.queue.bytes();
        match flow.state {
            State::Idle => self.turns.add_new(&mut self.flows, index),
            State::SparseWait => self.flows.make_bulk(index),
            State::Sparse | State::Bulk => {}
        }
        (index, bytes)
    }

    /// The packet whose turn it is.
    pub(super) fn dequeue(
        &mut self,
        packets: &mut Packets,
        overhead: &mut Overhead,
        rng: &mut Rng,
        dropped: &mut Dropped,
        now: Instant,
    ) -> Option<Delivery> {
        let before = dropped.len();
        loop {
            let index = self.turns.next(&mut self.flows)?;
            let Some(packet) = self.judged(packets, index, rng, dropped, now) else {
                let limits = &self.limits;
                self.flows.get_mut(index).cobalt.on_emptied(limits, now);
                self.turns.on_emptied(&mut self.flows, index);
                continue;
            };
            let len = overhead.len_of(&packet);
            self.flows.get_mut(index).deficit -= i64::from(len) << 16;
            self.delays.add(now.saturating_since(packet.since));
            let dropped = (dropped.len() - before) as u64;
            self.counts.dropped += dropped;
            return Some(Delivery {
                packet,
                len,
                dropped,
            });
        }
    }

    /// The first packet of a queue that is not dropped; the last one never is.
    fn judged(
        &mut self,
        packets: &mut Packets,
        index: u16,
        rng: &mut Rng,
        dropped: &mut Dropped,
        now: Instant,
    ) -> Option<Queued> {
        loop {
            let mut packet = self.pop(packets, index)?;
            let flow = self.flows.get_mut(index);
            let verdict = flow.cobalt.judge(&self.limits, &mut packet, rng, now);
            self.counts.marked += u64::from(verdict == Verdict::Marked);
            if verdict != Verdict::Drop || flow.queue.len() == 0 {
                return Some(packet);
            }
            dropped.push(packet, DropReason::QueueDelay);
        }
    }

    /// Takes the first packet of a queue out since there is no room.
    pub(super) fn overflow(
        &mut self,
        packets: &mut Packets,
        index: u16,
        now: Instant,
    ) -> Option<Queued> {
        let packet = self.pop(packets, index)?;
        let limits = &self.limits;
        self.flows.get_mut(index).cobalt.on_overflow(limits, now);
        self.counts.dropped += 1;
        Some(packet)
    }

    /// Takes out what the last packet of a queue makes superfluous.
    pub(super) fn filter_acks(
        &mut self,
        filter: CakeAckFilter,
        packets: &mut Packets,
        index: u16,
    ) -> Option<Queued> {
        let queue = &mut self.flows.get_mut(index).queue;
        let packet = ack_filter::take_superfluous(filter, packets, queue)?;
        self.counts.acks_dropped += 1;
        self.counts.on_removed(&packet);
        Some(packet)
    }

    /// Takes a packet out whether it has its turn or not.
    pub(super) fn evict(&mut self, packets: &mut Packets) -> Option<Queued> {
        loop {
            let index = self.turns.first()?;
            if let Some(packet) = self.pop(packets, index) {
                return Some(packet);
            }
            self.turns.on_emptied(&mut self.flows, index);
        }
    }

    fn pop(&mut self, packets: &mut Packets, index: u16) -> Option<Queued> {
        let packet = packets.pop(&mut self.flows.get_mut(index).queue)?;
        self.counts.on_removed(&packet);
        Some(packet)
    }

    /// Bytes that a flow of a host with no other may send in its turn.
    pub(super) const fn flow_quantum(&self) -> u64 {
        self.turns.quantum()
    }
}

/// Bytes of a packet on the wire; of a super-segment, those of one segment.
fn frame_len(packet: &Queued) -> u32 {
    let segment = packet.packet.meta.gso.map(|gso| {
        let head = u32::try_from(packet.packet.head.len()).unwrap_or(u32::MAX);
        head.saturating_add(gso.size.into())
    });
    segment.map_or(packet.wire_len, |len| len.min(packet.wire_len))
}

/// What a packet of full size takes up on an Ethernet.
const FRAME: u64 = 1514;
