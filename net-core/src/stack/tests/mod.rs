//! The stack driven by raw packets.

mod address_checks;
mod advertising;
mod anycast;
mod autoconf;
mod clients;
mod conflicts;
mod demux;
mod dispatch;
mod echo;
mod error_queue;
mod ethernet;
mod extensions;
mod filter;
mod filter_output;
mod flow_batches;
mod flow_fragments;
mod flow_times;
mod flows;
mod foreign;
mod forward;
mod forward_errors;
mod forward_multipath;
mod forward_offload;
mod fragments;
mod gone_routes;
mod hooks;
mod icmp;
mod icmp_limits;
mod iface_bound;
mod ingress;
mod ip_options;
mod link_local;
mod local_routes;
mod membership_errors;
mod multicast;
mod nat;
mod nat_errors;
mod nat_ports;
mod nat_queries;
mod ndp_rules;
mod original_dst;
mod path_mtu;
mod policy;
mod qdisc;
mod queue;
mod raw;
mod reassembly;
mod redirects;
mod route_text;
mod router_consistency;
mod router_options;
mod routers;
mod routing;
mod sent_options;
mod temporary;
mod transparent;
mod udp;
mod udp_iface;
mod udp_limits;
mod udp_meta;
mod udp_times;

use crate::buf::{HeadBuf, RxBatch, RxPacket, TxBatch, TxPacket};
use crate::config::Config;
use crate::iface::{DeviceCaps, IfaceConfig, IfaceId, IfaceKind, IpCidr};
use crate::route::Route;
use crate::seed::Seed;
use crate::socket::{Family, SocketId};
use crate::stack::{Stack, Transmit};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{IcmpMessage, IpHeader, UdpHeader, icmpv4, icmpv6, ip, transport};
use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};
use std::string::String;
use std::vec::Vec;

/// 10.7.0.2/24 and fd07::2/64 on a link of 1,500 bytes, default routes to .1, and a loopback.
struct Host {
    stack: Stack,
    wire: IfaceId,
    loopback: IfaceId,
    now: Instant,
}

const OURS: &str = "10.7.0.2";
const PEER: &str = "10.7.0.1";
const OURS_V6: &str = "fd07::2";
const PEER_V6: &str = "fd07::1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn cidr(text: &str) -> IpCidr {
    let (address, prefix_len) = text.split_once('/').unwrap();
    IpCidr {
        address: ip(address),
        prefix_len: prefix_len.parse().unwrap(),
    }
}

fn iface(name: &str, kind: IfaceKind, mtu: u16, addresses: &[&str]) -> IfaceConfig {
    IfaceConfig {
        name: String::from(name),
        kind,
        mtu,
        addresses: addresses.iter().map(|text| cidr(text)).collect(),
    }
}

impl Host {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let now = Instant::from_millis(1);
        let mut stack = Stack::new(config, Seed::from_u64(7), now);
        let caps = DeviceCaps::default();
        let wire = ["10.7.0.2/24", "fd07::2/64"];
        let wire = iface("tun0", IfaceKind::PointToPoint, 1500, &wire);
        let wire = stack.add_iface(wire, caps).unwrap();
        let loopback = ["127.0.0.1/8", "::1/128"];
        let loopback = iface("lo", IfaceKind::Loopback, 65535, &loopback);
        let loopback = stack.add_iface(loopback, caps).unwrap();
        for (prefix, via) in [("0.0.0.0/0", PEER), ("::/0", PEER_V6)] {
            let route = Route {
                prefix: cidr(prefix),
                via: Some(ip(via)),
                iface: wire,
                source: None,
                metric: 0,
            };
            stack.add_route(route).unwrap();
        }
        Self {
            stack,
            wire,
            loopback,
            now,
        }
    }

    /// A UDP socket bound to `local`.
    fn udp(&mut self, local: &str) -> SocketId {
        let local = addr(local);
        let family = if local.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let id = self.stack.udp_open(family).unwrap();
        self.stack.bind(id, local).unwrap();
        id
    }

    /// Brings a packet in over the wire.
    fn inject(&mut self, packet: impl Into<RxPacket>) {
        self.inject_at(self.wire, packet);
    }

    fn inject_at(&mut self, iface: IfaceId, packet: impl Into<RxPacket>) {
        let mut batch = RxBatch::default();
        batch.push(packet.into());
        self.stack.handle_batch(iface, &mut batch, self.now);
        assert!(batch.is_empty());
    }

    /// Everything that leaves over the wire now.
    fn sent(&mut self) -> Vec<TxPacket> {
        self.sent_over(self.wire)
    }

    fn sent_over(&mut self, iface: IfaceId) -> Vec<TxPacket> {
        let mut sent = Vec::new();
        loop {
            let mut batch = TxBatch::default();
            let more = self.stack.poll_transmit(iface, &mut batch, self.now);
            sent.extend(batch.drain());
            if more == Transmit::Idle {
                return sent;
            }
        }
    }

    /// What leaves over the loopback comes back, until nothing does.
    fn loop_back(&mut self) {
        loop {
            let packets = self.sent_over(self.loopback);
            if packets.is_empty() {
                return;
            }
            for packet in packets {
                self.inject_at(self.loopback, linear(&packet));
            }
        }
    }

    #[track_caller]
    fn assert_dropped(&self, reason: DropReason, count: u64) {
        let drops: Vec<_> = self.stack.stats().dropped().collect();
        assert_eq!(self.stack.stats().drops(reason), count, "drops: {drops:?}");
    }
}

impl From<TxPacket> for RxPacket {
    fn from(packet: TxPacket) -> Self {
        linear(&packet)
    }
}

/// A packet as it comes over a wire: in one piece, nothing known about its checksum.
fn linear(packet: &TxPacket) -> RxPacket {
    RxPacket::from_frame(bytes_of(packet))
}

fn bytes_of(packet: &TxPacket) -> BytesMut {
    let mut bytes = BytesMut::new();
    packet.copy_to(&mut bytes);
    bytes
}

/// An IP packet around what is in `packet`.
fn wrap(source: IpAddr, dest: IpAddr, protocol: u8, mut packet: TxPacket) -> TxPacket {
    transport::fill_checksum(&mut packet, source, dest, protocol, false);
    IpHeader::new(source, dest, protocol, packet.len()).emit(&mut packet.head);
    packet
}

fn body(bytes: &[u8]) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::copy_from_slice(bytes));
    packet
}

/// A UDP datagram in its packet.
fn datagram(source: &str, dest: &str, payload: &[u8]) -> TxPacket {
    let (source, dest) = (addr(source), addr(dest));
    let mut packet = body(payload);
    let header = UdpHeader {
        source_port: source.port(),
        dest_port: dest.port(),
        length: u16::try_from(payload.len() + 8).unwrap(),
        checksum: 0,
    };
    header.emit(&mut packet.head);
    wrap(source.ip(), dest.ip(), ip::UDP, packet)
}

/// An ICMP message in its packet.
fn icmp(source: &str, dest: &str, message: &IcmpMessage, data: &[u8]) -> TxPacket {
    let (source, dest) = (ip(source), ip(dest));
    let mut packet = body(data);
    let protocol = if dest.is_ipv4() {
        icmpv4::emit(message, &mut packet.head);
        ip::ICMP
    } else {
        icmpv6::emit(message, &mut packet.head);
        ip::ICMPV6
    };
    wrap(source, dest, protocol, packet)
}

/// A packet that has left, taken apart; its checksums have been verified.
#[derive(Debug)]
struct Seen {
    ip: IpHeader,
    payload: Bytes,
}

impl Seen {
    #[track_caller]
    fn new(packet: &TxPacket) -> Self {
        let bytes = bytes_of(packet);
        let ip = IpHeader::parse(&bytes, bytes.len()).unwrap();
        assert_eq!(ip.total_len(), bytes.len());
        let received = RxPacket::from_frame(bytes.clone());
        assert_eq!(transport::verify_checksum(&received, &ip), Ok(()));
        Self {
            ip,
            payload: bytes.freeze().slice(ip.header_len..),
        }
    }

    fn icmp(&self) -> IcmpMessage {
        match self.ip.dest {
            IpAddr::V4(_) => icmpv4::parse(&self.payload).unwrap(),
            IpAddr::V6(_) => icmpv6::parse(&self.payload).unwrap(),
        }
    }

    fn udp(&self) -> UdpHeader {
        UdpHeader::parse(&self.payload, self.payload.len()).unwrap()
    }

    /// What is behind the eight bytes of a UDP or ICMP header.
    fn data(&self) -> Bytes {
        self.payload.slice(8..)
    }
}

/// Sends a TCP header's worth of bytes under another protocol number.
fn unknown_protocol(source: &str, dest: &str) -> TxPacket {
    let mut packet = TxPacket {
        head: HeadBuf::new(),
        ..body(&[7; 40])
    };
    IpHeader::new(ip(source), ip(dest), 132, packet.len()).emit(&mut packet.head);
    packet
}
