use super::{PLAIN, flat, flow, payload, segments, tcp_packet, udp_packet};
use crate::DeviceCaps;
use crate::buf::{Checksum, GsoKind, TxBatch};
use crate::offload::gso::segment;
use crate::stats::DropReason;
use crate::wire::tests::cases;
use crate::wire::transport::complete_checksum;
use crate::wire::{IpHeader, TcpFlags, TcpHeader, UdpHeader, ip};
use proptest::prelude::*;
use smoltcp::wire::{IpAddress, Ipv4Packet, TcpPacket, UdpPacket};
use std::vec::Vec;

/// Whether smoltcp finds every checksum of a packet right.
fn right(frame: &[u8]) -> bool {
    let header = IpHeader::parse(frame, frame.len()).expect("a packet of our own");
    let (source, dest) = (IpAddress::from(header.source), IpAddress::from(header.dest));
    let ip = header.dest.is_ipv6() || Ipv4Packet::new_unchecked(frame).verify_checksum();
    let segment = &frame[header.header_len..];
    ip && header.total_len() == frame.len()
        && match header.protocol {
            ip::TCP => TcpPacket::new_unchecked(segment).verify_checksum(&source, &dest),
            _ => UdpPacket::new_unchecked(segment).verify_checksum(&source, &dest),
        }
}

#[test]
fn fin_and_psh_go_to_the_last_and_cwr_to_the_first() {
    let (ip, mut tcp) = flow(0, false);
    tcp.flags |= TcpFlags::FIN | TcpFlags::PSH | TcpFlags::CWR;
    let packets = segments(tcp_packet(&ip, &tcp, payload(2500, &[]), Some(1000)), PLAIN);
    let flags: Vec<_> = packets
        .packets()
        .iter()
        .map(|packet| TcpHeader::parse(&packet.head[20..]).expect("our own").flags)
        .collect();
    let last = TcpFlags::ACK | TcpFlags::FIN | TcpFlags::PSH;
    assert_eq!(flags, [TcpFlags::ACK | TcpFlags::CWR, TcpFlags::ACK, last]);
}

#[test]
fn accurate_ecn_keeps_cwr_on_every_segment() {
    let (ip, mut tcp) = flow(0, false);
    tcp.flags |= TcpFlags::CWR;
    let mut packet = tcp_packet(&ip, &tcp, payload(2500, &[]), Some(1000));
    packet.meta.gso = packet
        .meta
        .gso
        .map(|gso| crate::buf::Gso { ecn: false, ..gso });
    for packet in segments(packet, PLAIN).packets() {
        let header = TcpHeader::parse(&packet.head[20..]).expect("our own");
        assert!(header.flags.contains(TcpFlags::CWR));
    }
}

#[test]
fn a_device_that_cuts_gets_the_whole() {
    let caps = DeviceCaps {
        tx_checksum: true,
        tso: true,
        ..PLAIN
    };
    let (ip, tcp) = flow(0, false);
    let packet = tcp_packet(&ip, &tcp, payload(5000, &[]), Some(1000));
    let whole = flat(&packet);
    let out = segments(packet, caps);
    assert_eq!(out.len(), 1);
    assert_eq!(flat(&out.packets()[0]), whole);
    // It does not cut UDP, though.
    let packet = udp_packet(&ip, payload(5000, &[]), Some(1000));
    assert_eq!(segments(packet, caps).len(), 5);
}

#[test]
fn headers_that_contradict_the_request_are_refused() {
    let (ip, tcp) = flow(0, false);
    let good = tcp_packet(&ip, &tcp, payload(3000, &[]), Some(1000));
    let mut out = TxBatch::default();
    let mut wrong_kind = good.clone();
    wrong_kind.meta.gso = good.meta.gso.map(|gso| crate::buf::Gso {
        kind: GsoKind::Tcp6,
        ..gso
    });
    let mut no_size = good.clone();
    no_size.meta.gso = good.meta.gso.map(|gso| crate::buf::Gso { size: 0, ..gso });
    let mut payload_in_head = good.clone();
    payload_in_head.head[32] = 0x50;
    let mut cut_off = good.clone();
    cut_off.head.strip(1);
    for packet in [wrong_kind, no_size, payload_in_head, cut_off] {
        assert_eq!(
            segment(&packet, false, &mut out),
            Err(DropReason::BadOffload)
        );
    }
    assert!(out.is_empty());
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn segments_of_tcp_are_what_the_whole_stood_for(
        v6 in any::<bool>(),
        size in 1_u16..1500,
        len in 0_usize..12_000,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..7),
        tx_checksum in any::<bool>(),
        id in any::<u16>(),
    ) {
        prop_assume!(len / usize::from(size) < 200);
        let (mut ip, tcp) = flow(3, v6);
        ip.id = if v6 { 0 } else { id };
        let whole = payload(len, &cuts);
        let packet = tcp_packet(&ip, &tcp, whole.clone(), Some(size));
        let caps = DeviceCaps { tx_checksum, ..PLAIN };
        let mut out = segments(packet, caps);
        prop_assert_eq!(out.len(), len.div_ceil(usize::from(size)).max(1));
        let mut joined = Vec::new();
        for (index, mut packet) in out.drain().enumerate() {
            prop_assert!(packet.meta.gso.is_none());
            prop_assert_eq!(matches!(packet.meta.checksum, Checksum::Partial { .. }), tx_checksum);
            complete_checksum(&mut packet);
            let frame = flat(&packet);
            prop_assert!(right(&frame));
            let header = IpHeader::parse(&frame, frame.len()).expect("smoltcp reads it");
            let index = u16::try_from(index).expect("few");
            prop_assert_eq!(header.id, if v6 { 0 } else { id.wrapping_add(index) });
            let segment = &frame[header.header_len..];
            let found = TcpHeader::parse(segment).expect("smoltcp reads it");
            let position = u32::try_from(joined.len()).expect("short");
            prop_assert_eq!(found, TcpHeader { seq: tcp.seq + position, header_len: 32, ..tcp });
            let part = &segment[found.header_len..];
            prop_assert!(part.len() <= usize::from(size));
            joined.extend_from_slice(part);
        }
        prop_assert_eq!(joined, whole.concat());
    }

    #[test]
    fn datagrams_of_udp_are_what_the_whole_stood_for(
        v6 in any::<bool>(),
        size in 1_u16..1500,
        len in 0_usize..8000,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..7),
        tx_checksum in any::<bool>(),
    ) {
        prop_assume!(len / usize::from(size) < 200);
        let (ip, _) = flow(0, v6);
        let whole = payload(len, &cuts);
        let caps = DeviceCaps { tx_checksum, ..PLAIN };
        let mut out = segments(udp_packet(&ip, whole.clone(), Some(size)), caps);
        let mut joined = Vec::new();
        for mut packet in out.drain() {
            complete_checksum(&mut packet);
            let frame = flat(&packet);
            prop_assert!(right(&frame));
            let segment = &frame[ip.header_len..];
            let header = UdpHeader::parse(segment, segment.len()).expect("smoltcp reads it");
            prop_assert_eq!(usize::from(header.length), segment.len());
            joined.extend_from_slice(&segment[8..]);
        }
        prop_assert_eq!(joined, whole.concat());
    }
}
