//! Tests of super-segments: what is cut and merged again is what it was.

mod gro;
mod gso;
mod inverse;
mod train;
mod vnet;

use crate::DeviceCaps;
use crate::buf::{Chunk, Gso, GsoKind, RxBatch, RxPacket, TxBatch, TxPacket};
use crate::tcp::SeqNum;
use crate::wire::transport::fill_checksum;
use crate::wire::{IpHeader, TcpFlags, TcpHeader, UdpHeader, ip, tcp};
use bytes::{Bytes, BytesMut};
use core::net::IpAddr;
use proptest::prelude::*;
use std::vec::Vec;

/// A device that can do nothing for us.
const PLAIN: DeviceCaps = DeviceCaps {
    tx_checksum: false,
    tso: false,
    uso: false,
    software_gro: true,
    one_piece: false,
};

/// A flow between two hosts, of either family.
fn flow(number: u8, v6: bool) -> (IpHeader, TcpHeader) {
    let (source, dest) = if v6 {
        ("2001:db8::1", "2001:db8::2")
    } else {
        ("192.0.2.1", "192.0.2.2")
    };
    let parse = |address: &str| address.parse::<IpAddr>().expect("an address");
    let ip = IpHeader::new(parse(source), parse(dest), ip::TCP, 0);
    let mut tcp = TcpHeader {
        source_port: 1000 + u16::from(number),
        dest_port: 80,
        seq: SeqNum::new(u32::MAX - 3000),
        ack: SeqNum::new(7),
        flags: TcpFlags::ACK,
        window: 500,
        ..TcpHeader::default()
    };
    tcp.options.timestamps = Some((u32::from(number), 9));
    (ip, tcp)
}

/// A TCP packet; a super-segment if `size` says so.
fn tcp_packet(ip: &IpHeader, tcp: &TcpHeader, body: Vec<Bytes>, size: Option<u16>) -> TxPacket {
    let mut packet = TxPacket {
        body: body.into(),
        ..TxPacket::default()
    };
    tcp.emit(&mut packet.head);
    let kind = if ip.dest.is_ipv4() {
        GsoKind::Tcp4
    } else {
        GsoKind::Tcp6
    };
    packet.meta.gso = size.map(|size| Gso {
        kind,
        size,
        ecn: tcp.flags.contains(TcpFlags::CWR),
    });
    finish(ip, packet, size.is_some())
}

fn udp_packet(ip: &IpHeader, body: Vec<Bytes>, size: Option<u16>) -> TxPacket {
    let mut packet = TxPacket {
        body: body.into(),
        ..TxPacket::default()
    };
    let header = UdpHeader {
        source_port: 1,
        dest_port: 2,
        length: u16::try_from(8 + packet.body_len()).expect("short"),
        checksum: 0,
    };
    header.emit(&mut packet.head);
    packet.meta.gso = size.map(|size| Gso {
        kind: GsoKind::Udp,
        size,
        ecn: false,
    });
    let ip = IpHeader {
        protocol: ip::UDP,
        ..*ip
    };
    finish(&ip, packet, size.is_some())
}

fn finish(ip: &IpHeader, mut packet: TxPacket, offload: bool) -> TxPacket {
    fill_checksum(&mut packet, ip.source, ip.dest, ip.protocol, offload);
    packet.meta.header_len = u16::try_from(packet.head.len() + ip.header_len).expect("short");
    IpHeader {
        payload_len: packet.len(),
        ..*ip
    }
    .emit(&mut packet.head);
    packet
}

fn segments(packet: TxPacket, caps: DeviceCaps) -> TxBatch {
    let mut out = TxBatch::default();
    let count = super::gso::fit(packet, caps, &mut out).expect("a packet of our own");
    assert_eq!(count, out.len());
    out
}

fn flat(packet: &TxPacket) -> Vec<u8> {
    let mut frame = BytesMut::new();
    packet.copy_to(&mut frame);
    frame.to_vec()
}

fn flat_rx(packet: &RxPacket) -> Vec<u8> {
    let mut frame = packet.frame.to_vec();
    for piece in &packet.frags {
        frame.extend_from_slice(&piece.bytes);
    }
    frame
}

/// What arrives at the other end: in one piece, or with the payload where it was.
fn received(packet: TxPacket, linear: bool) -> RxPacket {
    if linear {
        return RxPacket::from_frame(BytesMut::from(&flat(&packet)[..]));
    }
    let mut arrived = RxPacket::from_frame(BytesMut::from(&packet.head[..]));
    for bytes in packet.body {
        let pins = u32::try_from(bytes.len()).expect("short");
        arrived.frags.push(Chunk { bytes, pins });
    }
    arrived
}

/// Cuts a merged packet as it would be to forward it.
fn cut_again(packet: RxPacket) -> Vec<Vec<u8>> {
    let ip = IpHeader::parse(&packet.frame, packet.len()).expect("it was merged");
    let segment = &packet.frame[ip.header_len..];
    let header_len = ip.header_len + tcp::header_len(segment).expect("it was merged");
    let mut out = TxPacket::default();
    out.head
        .prepend(header_len)
        .copy_from_slice(&packet.frame[..header_len]);
    let mut frame = packet.frame;
    out.body.push(frame.split_off(header_len).freeze());
    out.body
        .extend(packet.frags.into_iter().map(|piece| piece.bytes));
    out.meta.gso = packet.meta.gso;
    let out = segments(out, PLAIN);
    out.packets().iter().map(|packet| flat(packet)).collect()
}

fn merge(packets: impl IntoIterator<Item = RxPacket>) -> Vec<RxPacket> {
    let mut batch = RxBatch::default();
    for packet in packets {
        batch.push(packet);
    }
    super::gro::merge(&mut batch);
    batch.drain().collect()
}

/// Payload of `len` bytes that tells every position from its neighbours, cut at `cuts`.
fn payload(len: usize, cuts: &[prop::sample::Index]) -> Vec<Bytes> {
    let all: Vec<u8> = (0..len)
        .map(|at| ((at * 31) >> 3).to_le_bytes()[0])
        .collect();
    let mut all = Bytes::from(all);
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    at.sort_unstable();
    let mut start = 0;
    let mut pieces = Vec::new();
    for cut in at {
        pieces.push(all.split_to(cut - start));
        start = cut;
    }
    pieces.push(all);
    pieces
}
