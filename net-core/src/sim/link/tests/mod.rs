//! One direction of a link, packet by packet: rate, queue, and what it passes on.

mod changes;
mod impairments;

use super::*;
use crate::Seed;
use crate::buf::{Checksum, Gso, GsoKind};
use crate::wire::{IpHeader, TcpFlags, TcpHeader, UdpHeader, ip, transport};
use bytes::{Bytes, BytesMut};
use core::net::IpAddr;
use std::vec::Vec;

const HERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1));
const THERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2));

fn link(config: LinkConfig) -> Link {
    Link::new(config, Seed::from_u64(7).rng("link"))
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn us(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// A datagram of `len` bytes with its headers; its payload is `number` again and again.
fn datagram(len: usize, number: u8, tos: u8) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::from(std::vec![number; len - 28]));
    let header = UdpHeader {
        source_port: 1,
        dest_port: 2,
        length: u16::try_from(len - 20).unwrap(),
        checksum: 0,
    };
    header.emit(&mut packet.head);
    finish(packet, ip::UDP, tos)
}

fn segment(flags: TcpFlags, payload: &'static [u8]) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::from_static(payload));
    let header = TcpHeader {
        flags,
        ..TcpHeader::default()
    };
    header.emit(&mut packet.head);
    finish(packet, ip::TCP, 0)
}

fn finish(mut packet: TxPacket, protocol: u8, tos: u8) -> TxPacket {
    transport::fill_checksum(&mut packet, HERE, THERE, protocol, true);
    let header = IpHeader {
        tos,
        ..IpHeader::new(HERE, THERE, protocol, packet.len())
    };
    header.emit(&mut packet.head);
    packet
}

/// Sends packets of `len` bytes that say their number, all at once.
fn send(link: &mut Link, count: u8, len: usize, now: Instant) {
    for number in 0..count {
        link.send(&datagram(len, number, 0), now);
    }
}

/// What comes out, when, waking only when the link says so: time and last byte of each.
fn drain(link: &mut Link) -> Vec<(Instant, u8)> {
    let mut out = Vec::new();
    let mut batch = RxBatch::default();
    let mut last = Instant::ZERO;
    for _ in 0..100_000 {
        let Some(at) = link.poll_timeout() else {
            return out;
        };
        assert!(at >= last, "time goes back");
        last = at;
        link.receive(&mut batch, 64, at);
        out.extend(
            batch
                .drain()
                .map(|packet| (at, bytes_of(&packet).pop().unwrap())),
        );
    }
    panic!("the link never comes to an end");
}

fn bytes_of(packet: &RxPacket) -> Vec<u8> {
    let mut bytes = packet.frame.to_vec();
    packet
        .frags
        .iter()
        .for_each(|chunk| bytes.extend_from_slice(&chunk.bytes));
    bytes
}

fn numbers(arrivals: &[(Instant, u8)]) -> Vec<u8> {
    arrivals.iter().map(|(_, number)| *number).collect()
}

#[test]
fn departures_follow_the_rate_to_the_nanosecond() {
    // 1500 bytes at 7 Mbit/s take 1,714,285.71… ns; the fraction must not be lost.
    let mut link = link(LinkConfig {
        rate_bps: Some(7_000_000),
        queue_bytes: usize::MAX,
        ..LinkConfig::default()
    });
    send(&mut link, 250, 1500, Instant::ZERO);
    for (number, (at, _)) in (1..).zip(drain(&mut link)) {
        let exact = number * 12_000 * 1_000_000_000 / 7_000_000;
        assert_eq!(at, Instant::from_nanos(exact));
    }
}

#[test]
fn an_idle_line_begins_anew() {
    let mut link = link(LinkConfig {
        rate_bps: Some(8_000_000),
        delay: Duration::from_millis(5),
        ..LinkConfig::default()
    });
    for now in [us(0), us(70_000)] {
        send(&mut link, 1, 1000, now);
        assert_eq!(drain(&mut link)[0].0, now + Duration::from_millis(6));
    }
}

#[test]
fn a_full_queue_drops_at_the_tail() {
    let config = LinkConfig {
        rate_bps: Some(8_000_000),
        queue_bytes: 3000,
        ..LinkConfig::default()
    };
    let mut link = link(config.clone());
    send(&mut link, 4, 1000, Instant::ZERO);
    assert_eq!(link.counters().queue_full, 1);
    send(&mut link, 2, 1000, ms(1));
    assert_eq!(link.counters().queue_full, 2);
    assert_eq!(numbers(&drain(&mut link)), [0, 1, 2, 0]);
}

#[test]
fn a_queue_may_be_measured_in_packets() {
    let mut link = link(LinkConfig {
        rate_bps: Some(8_000_000),
        queue_packets: 2,
        ..LinkConfig::default()
    });
    send(&mut link, 9, 100, Instant::ZERO);
    assert_eq!(numbers(&drain(&mut link)), [0, 1]);
}

#[test]
fn a_long_queue_marks_what_is_capable_and_the_header_stays_right() {
    let mut link = link(LinkConfig {
        rate_bps: Some(8_000_000),
        mark_bytes: Some(2500),
        ..LinkConfig::default()
    });
    for (number, tos) in [2, 2, 2, 2, 0, 1].into_iter().enumerate() {
        link.send(
            &datagram(1000, u8::try_from(number).unwrap(), tos),
            Instant::ZERO,
        );
    }
    let mut batch = RxBatch::default();
    link.receive(&mut batch, 64, ms(10));
    let seen: Vec<u8> = batch
        .packets()
        .iter()
        .map(|packet| IpHeader::parse(&packet.frame, packet.len()).unwrap().tos)
        .collect();
    assert_eq!(seen, [2, 2, 2, 3, 0, 3]);
    assert_eq!(link.counters().marked, 2);
}

#[test]
fn super_segments_are_cut_before_the_rate_sees_them() {
    let mut link = link(LinkConfig {
        rate_bps: Some(8_000_000),
        offload: true,
        ..LinkConfig::default()
    });
    let mut packet = datagram(5028, 3, 0);
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 972,
        ecn: false,
    });
    link.send(&packet, Instant::ZERO);
    let times: Vec<_> = drain(&mut link).iter().map(|(at, _)| *at).collect();
    assert_eq!(times[..5], [1, 2, 3, 4, 5].map(ms));
    assert_eq!(times[5], us(5_168));
}

#[test]
fn a_packet_passes_from_link_to_link() {
    let config = LinkConfig {
        delay: Duration::from_millis(1),
        offload: true,
        ..LinkConfig::default()
    };
    for custom in [false, true] {
        let (mut first, mut second) = (link(config.clone()), link(config.clone()));
        if custom {
            second.set_queue(Box::new(Stack::default()));
        }
        let packet = datagram(1300, 5, 0);
        first.send(&packet, Instant::ZERO);
        let mut batch = RxBatch::default();
        first.receive(&mut batch, 1, ms(1));
        second.forward(batch.drain().next().unwrap(), ms(1));
        second.receive(&mut batch, 1, ms(2));
        let arrived = batch.drain().next().unwrap();
        let mut whole = BytesMut::new();
        packet.copy_to(&mut whole);
        assert_eq!(bytes_of(&arrived), whole);
        assert_eq!(arrived.meta.checksum, packet.meta.checksum);
    }
}

/// Last in, first out, three packets at most.
#[derive(Debug, Default)]
struct Stack(Vec<TxPacket>);

impl Queue for Stack {
    fn enqueue(&mut self, packet: TxPacket, dropped: &mut u64, _now: Instant) {
        self.0.push(packet);
        if self.0.len() > 3 {
            self.0.remove(0);
            *dropped += 1;
        }
    }

    fn dequeue(&mut self, _dropped: &mut u64, _now: Instant) -> Option<TxPacket> {
        self.0.pop()
    }

    fn next_departure(&self) -> Option<Instant> {
        (!self.0.is_empty()).then_some(Instant::ZERO)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[test]
fn another_discipline_may_stand_in_front_of_the_line() {
    let mut link = link(LinkConfig {
        rate_bps: Some(8_000_000),
        ..LinkConfig::default()
    });
    link.set_queue(Box::new(Stack::default()));
    send(&mut link, 6, 1000, Instant::ZERO);
    assert_eq!(
        drain(&mut link),
        [(ms(1), 0), (ms(2), 5), (ms(3), 4), (ms(4), 3)]
    );
    assert_eq!(link.counters().queue_full, 2);
}

#[test]
fn a_closed_end_takes_nothing() {
    let mut link = link(LinkConfig::default());
    send(&mut link, 2, 100, Instant::ZERO);
    drop(link.close());
    send(&mut link, 1, 100, Instant::ZERO);
    assert_eq!(link.counters().closed, 3);
    assert_eq!(link.poll_timeout(), None);
}
