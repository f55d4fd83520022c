//! Ethernet: frames in and out, ARP and neighbour discovery.

mod filter;
mod floods;
mod frames;
mod neighbors;
mod packet;
mod proxies;

use super::*;
use crate::SocketError;
use crate::neighbor::{NeighborConfig, NeighborState};
use crate::tcp::RecvFlags;
use crate::time::Duration;
use crate::wire::ethernet::{ALL_NODES, solicited_node};
use crate::wire::ndp::{HOP_LIMIT, NeighborAdvert};
use crate::wire::{
    ArpOperation, ArpPacket, EtherType, EthernetHeader, MacAddr, NdpMessage, NdpOption, TcpFlags,
    TcpHeader,
};
use core::net::{Ipv4Addr, Ipv6Addr};
use std::vec;

pub(super) const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);
pub(super) const PEER_MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const ROUTER: &str = "10.7.0.254";
const LINK_LOCAL: &str = "fe80::2";
const PEER_LINK_LOCAL: &str = "fe80::1";

fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(super) fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// 10.7.0.2/24, fd07::2/64 and fe80::2/64 on an Ethernet, default routes to .254.
fn station(config: Config, caps: DeviceCaps) -> Host {
    station_of(config, caps, &["10.7.0.2/24", "fd07::2/64", "fe80::2/64"])
}

/// A station with these addresses.
pub(super) fn station_with(addresses: &[&str]) -> Host {
    station_of(Config::default(), DeviceCaps::default(), addresses)
}

fn station_of(config: Config, caps: DeviceCaps, addresses: &[&str]) -> Host {
    let now = Instant::from_millis(1);
    let mut stack = Stack::new(config, Seed::from_u64(7), now);
    let wire = iface("eth0", IfaceKind::Ethernet(MAC), 1500, addresses);
    let wire = stack.add_iface(wire, caps).unwrap();
    let lo = iface(
        "lo",
        IfaceKind::Loopback,
        65535,
        &["127.0.0.1/8", "::1/128"],
    );
    let loopback = stack.add_iface(lo, DeviceCaps::default()).unwrap();
    let route = Route {
        prefix: cidr("0.0.0.0/0"),
        via: Some(ip(ROUTER)),
        iface: wire,
        source: None,
        metric: 0,
    };
    stack.add_route_onlink(route).unwrap();
    let mut host = Host {
        stack,
        wire,
        loopback,
        now,
    };
    // Routers are told of the groups in which its addresses are asked for.
    while let Some(at) = host.stack.poll_timeout() {
        host.now = at;
        host.stack.handle_timeout(at);
    }
    host.sent();
    host
}

pub(super) fn plain() -> Host {
    station(Config::default(), DeviceCaps::default())
}

/// A frame that has left: its header, and what it carries.
#[track_caller]
pub(super) fn unwrap(packet: &TxPacket) -> (EthernetHeader, BytesMut) {
    let mut bytes = bytes_of(packet);
    let header = EthernetHeader::parse(&bytes).unwrap();
    assert_eq!(header.source, MAC);
    assert_eq!(packet.meta.link_len, 14);
    (header, bytes.split_off(14))
}

pub(super) fn frame(dest: MacAddr, ethertype: EtherType, payload: &[u8]) -> RxPacket {
    let header = EthernetHeader {
        dest,
        source: PEER_MAC,
        ethertype,
    };
    let mut bytes = BytesMut::from(&header.to_bytes()[..]);
    bytes.extend_from_slice(payload);
    RxPacket::from_frame(bytes)
}

/// An IP packet in a frame to the host.
pub(super) fn framed(packet: &TxPacket) -> RxPacket {
    let bytes = bytes_of(packet);
    let ethertype = match bytes[0] >> 4 {
        4 => EtherType::IPV4,
        _ => EtherType::IPV6,
    };
    frame(MAC, ethertype, &bytes)
}

/// A message of neighbour discovery in its frame.
pub(super) fn ndp(
    source: &str,
    dest: Ipv6Addr,
    hops: u8,
    message: NdpMessage,
    options: &[NdpOption<'_>],
) -> RxPacket {
    let mut bytes = Vec::new();
    message.emit(options, &mut bytes);
    let mut packet = TxPacket::default();
    packet.head.prepend(bytes.len()).copy_from_slice(&bytes);
    let (source, dest) = (ip(source), IpAddr::V6(dest));
    transport::fill_checksum(&mut packet, source, dest, ip::ICMPV6, false);
    let header = IpHeader {
        ttl: hops,
        ..IpHeader::new(source, dest, ip::ICMPV6, packet.len())
    };
    header.emit(&mut packet.head);
    let mac = MacAddr::of_group(dest).unwrap_or(MAC);
    frame(mac, EtherType::IPV6, &bytes_of(&packet))
}

/// What the host says in neighbour discovery.
#[track_caller]
pub(super) fn read_ndp(
    packet: &TxPacket,
) -> (EthernetHeader, IpHeader, NdpMessage, Option<MacAddr>) {
    let (link, bytes) = unwrap(packet);
    assert_eq!(link.ethertype, EtherType::IPV6);
    let ip = IpHeader::parse(&bytes, bytes.len()).unwrap();
    let received = RxPacket::from_frame(bytes.clone());
    assert_eq!(transport::verify_checksum(&received, &ip), Ok(()));
    assert_eq!(ip.ttl, HOP_LIMIT);
    let (message, options) = NdpMessage::parse(&bytes[40..]).unwrap();
    let mac = options.source_link_layer().or(options.target_link_layer());
    (link, ip, message, mac)
}

#[track_caller]
pub(super) fn read_arp(packet: &TxPacket) -> (EthernetHeader, ArpPacket) {
    let (link, bytes) = unwrap(packet);
    assert_eq!(link.ethertype, EtherType::ARP);
    (link, ArpPacket::parse(&bytes).unwrap())
}

fn arp_reply(address: &str) -> RxPacket {
    let packet = ArpPacket {
        operation: ArpOperation::Reply,
        sender_mac: PEER_MAC,
        sender_ip: v4(address),
        target_mac: MAC,
        target_ip: v4(OURS),
    };
    frame(MAC, EtherType::ARP, &packet.to_bytes())
}

pub(super) fn arp_request(sender: &str, target: &str) -> RxPacket {
    let packet = ArpPacket::request(PEER_MAC, v4(sender), v4(target));
    frame(MacAddr::BROADCAST, EtherType::ARP, &packet.to_bytes())
}

fn advert(target: &str) -> NdpMessage {
    NdpMessage::NeighborAdvert(NeighborAdvert {
        router: false,
        solicited: true,
        overrides: true,
        target: v6(target),
    })
}

fn send(host: &mut Host, socket: SocketId, to: &str, byte: u8) -> Result<(), SocketError> {
    let mut udp = host.stack.udp(socket).unwrap();
    udp.send(Bytes::from(vec![byte; 10]), Some(addr(to)))
}

fn pass(host: &mut Host, time: Duration) {
    host.now += time;
    host.stack.handle_timeout(host.now);
}
