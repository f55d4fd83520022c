//! Disciplines alone, under virtual time.

mod bands;
mod cake;
mod codel;
mod fair;
mod fifo;
mod impaired;
mod rate;
mod report;

use super::*;
use crate::buf::{Gso, GsoKind};
use crate::seed::Seed;
use crate::stats::DropReason;
use crate::time::Duration;
use crate::wire::IpHeader;
use bytes::Bytes;
use std::vec;
use std::vec::Vec;

/// A UDP datagram of `len` bytes in all from port `flow`, told from others by its mark.
fn packet(flow: u16, len: usize, number: u32) -> Box<TxPacket> {
    between([1, 2], flow, 1, len, number)
}

/// The same between two hosts by the last octets of their addresses, with a type of service.
pub(super) fn between(
    hosts: [u8; 2],
    flow: u16,
    tos: u8,
    len: usize,
    number: u32,
) -> Box<TxPacket> {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::from(vec![0; len - 28]));
    packet.meta.mark = number;
    packet.head.prepend(8).copy_from_slice(&[
        flow.to_be_bytes()[0],
        flow.to_be_bytes()[1],
        0,
        9,
        0,
        0,
        0,
        0,
    ]);
    let [source, dest] = hosts.map(|host| [10, 0, 0, host].into());
    let header = IpHeader {
        tos,
        ..IpHeader::new(source, dest, 17, len - 20)
    };
    header.emit(&mut packet.head);
    Box::new(packet)
}

/// A discipline with a clock, and what it has dropped.
struct Queue<Q> {
    qdisc: Q,
    now: Instant,
    dropped: Dropped,
}

impl<Q: Qdisc> Queue<Q> {
    fn new(qdisc: Q) -> Self {
        Self {
            qdisc,
            now: START,
            dropped: Dropped::default(),
        }
    }

    fn put(&mut self, packet: Box<TxPacket>) {
        let packet = Queued::new(packet, self.now);
        self.qdisc.enqueue(packet, &mut self.dropped, self.now);
    }

    /// A packet that leaves now.
    fn take(&mut self) -> Option<Box<TxPacket>> {
        let packet = self.qdisc.dequeue(&mut self.dropped, self.now)?;
        Some(packet.packet)
    }

    /// The numbers of all that leave now.
    fn numbers(&mut self) -> Vec<u32> {
        core::iter::from_fn(|| self.take())
            .map(|packet| packet.meta.mark)
            .collect()
    }

    /// The numbers and times of all that ever leave, asked for when the discipline says.
    fn departures(&mut self) -> Vec<(u32, Duration)> {
        let mut left = Vec::new();
        loop {
            let now = self.now;
            left.extend(
                self.numbers()
                    .into_iter()
                    .map(|number| (number, now.saturating_since(START))),
            );
            match self.qdisc.next_departure() {
                Some(at) => {
                    assert!(at > now, "what may leave has left");
                    self.now = at;
                }
                None => return left,
            }
        }
    }

    fn lost(&mut self) -> Vec<(u32, DropReason)> {
        core::iter::from_fn(|| self.dropped.pop())
            .map(|(queued, reason)| (queued.packet.meta.mark, reason))
            .collect()
    }

    #[track_caller]
    fn assert_counts_agree(&self) {
        let stats = self.qdisc.stats();
        assert_eq!(stats.backlog_packets, self.qdisc.len() as u64);
        assert_eq!(stats.backlog_bytes == 0, self.qdisc.is_empty());
        assert_eq!(self.qdisc.next_departure().is_none(), self.qdisc.is_empty());
    }
}

const START: Instant = Instant::from_millis(1000);
const SEED: Seed = Seed::from_u64(7);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Every discipline, with room for a few packets.
fn every_kind() -> Vec<AnyQdisc> {
    let rate = TbfConfig::new(Rate::from_bits(8_000_000), 2000);
    vec![
        Fifo::packets(20).into(),
        Fifo::bytes(20_000).into(),
        PfifoFast::new(20).into(),
        Prio::default().into(),
        Tbf::new(rate, START).into(),
        Tbf::around(rate, FqCodel::new(FqCodelConfig::default(), SEED), START).into(),
        Fq::new(FqConfig::default(), SEED).into(),
        FqCodel::new(FqCodelConfig::default(), SEED).into(),
        Cake::new("bandwidth 8mbit".parse().unwrap(), SEED).into(),
        Cake::new("unlimited diffserv8 memlimit 20k".parse().unwrap(), SEED).into(),
        Netem::new(
            NetemConfig {
                delay: ms(3),
                jitter: ms(2),
                ..NetemConfig::default()
            },
            SEED,
        )
        .into(),
        AnyQdisc::from(Box::new(Fifo::packets(20)) as Box<dyn Qdisc>),
    ]
}

#[test]
fn whatever_comes_in_leaves_or_is_dropped_and_is_counted() {
    for qdisc in every_kind() {
        let mut queue = Queue::new(qdisc);
        for number in 0..60 {
            queue.put(packet(u16::try_from(number % 4).unwrap(), 1000, number));
            queue.assert_counts_agree();
        }
        let mut seen: Vec<u32> = queue
            .departures()
            .iter()
            .map(|&(number, _)| number)
            .collect();
        queue.assert_counts_agree();
        let stats = queue.qdisc.stats();
        assert_eq!(stats.sent_packets, seen.len() as u64, "{}", queue.qdisc);
        assert_eq!(stats.sent_bytes, 1000 * seen.len() as u64);
        let lost = queue.lost();
        assert_eq!(stats.dropped, lost.len() as u64, "{}", queue.qdisc);
        seen.extend(lost.iter().map(|&(number, _)| number));
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..60), "{}", queue.qdisc);
    }
}

#[test]
fn what_moves_to_another_discipline_keeps_the_order_of_each_flow() {
    for mut qdisc in every_kind() {
        if qdisc.kind() == "netem" {
            continue; // It disorders packets on purpose.
        }
        let mut dropped = Dropped::default();
        for number in 0..16 {
            let packet = packet(u16::try_from(number % 2).unwrap(), 1000, number);
            qdisc.enqueue(Queued::new(packet, START), &mut dropped, START);
        }
        let held: Vec<u32> = core::iter::from_fn(|| qdisc.evict())
            .map(|queued| queued.packet.meta.mark)
            .collect();
        assert!(qdisc.is_empty() && qdisc.stats().backlog_bytes == 0);
        assert_eq!(held.len() + dropped.len(), 16);
        for flow in 0..2 {
            let of_flow = held.iter().filter(|&number| number % 2 == flow);
            assert!(of_flow.is_sorted(), "{qdisc}: {held:?}");
        }
    }
}

#[test]
fn a_super_segment_counts_as_what_it_stands_for() {
    let mut whole = packet(1, 28 + 3000, 0);
    whole.meta.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 1000,
        ecn: false,
    });
    let queued = Queued::new(whole, START);
    assert_eq!((queued.segments(), queued.wire_len), (3, 3 * 1028));
}
