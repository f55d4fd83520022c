//! The packets that go through the router.

use Protocol::{Tcp, Udp};
use net_core::buf::TxPacket;
use net_core::tcp::SeqNum;
use net_core::wire::transport::fill_checksum;
use net_core::wire::{IpHeader, TcpFlags, TcpHeader, UdpHeader, ip};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

/// Where a packet comes from, and where it goes.
pub(crate) type Flow = (SocketAddrV4, SocketAddrV4);

/// The flow of a number.
pub(crate) fn flow(number: usize) -> Flow {
    let (host, port) = (number / PORTS, number % PORTS);
    let low = u32::try_from(number % 60_000).expect("small");
    let last = u8::try_from(host + 2).expect("at most 20 destinations");
    let port = 10_000 + u16::try_from(port).expect("below 50,000");
    (
        SocketAddrV4::new(Ipv4Addr::from_bits(0x0a00_0000 + low), port),
        SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, last), 53),
    )
}

/// Source ports that are used towards each destination.
const PORTS: usize = 50_000;

/// 64 bytes of UDP over IPv4.
pub(crate) fn datagram((from, to): Flow) -> Vec<u8> {
    let mut packet = TxPacket::default();
    packet.head.prepend(36).fill(0x5a);
    let header = UdpHeader {
        source_port: from.port(),
        dest_port: to.port(),
        length: 44,
        checksum: 0,
    };
    header.emit(&mut packet.head);
    over_ip(packet, (from, to), ip::UDP)
}

/// A segment of TCP with so many bytes, 40 without.
fn segment((from, to): Flow, flags: TcpFlags, numbers: [u32; 2], len: usize) -> Vec<u8> {
    let mut packet = TxPacket::default();
    packet.head.prepend(len).fill(0x5a);
    let [seq, ack] = numbers.map(SeqNum::new);
    let header = TcpHeader {
        source_port: from.port(),
        dest_port: to.port(),
        seq,
        ack,
        flags,
        window: 10_000,
        ..TcpHeader::default()
    };
    header.emit(&mut packet.head);
    over_ip(packet, (from, to), ip::TCP)
}

fn over_ip(mut packet: TxPacket, (from, to): Flow, protocol: u8) -> Vec<u8> {
    let [source, dest] = [from, to].map(|end| IpAddr::from(*end.ip()));
    fill_checksum(&mut packet, source, dest, protocol, false);
    let len = packet.len();
    IpHeader::new(source, dest, protocol, len).emit(&mut packet.head);
    packet.head.to_vec()
}

/// What flows are of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Udp,
    Tcp,
}

impl Protocol {
    /// The first packet of a flow.
    pub(crate) fn first(self, flow: Flow) -> Vec<u8> {
        match self {
            Udp => datagram(flow),
            Tcp => segment(flow, TcpFlags::SYN, [ISN, 0], 0),
        }
    }

    /// What answers the first packet, as it left the router.
    pub(crate) fn answer(self, first: &[u8]) -> Vec<u8> {
        let address = |at: usize| -> Ipv4Addr {
            let octets: [u8; 4] = first[at..at + 4].try_into().expect("four");
            octets.into()
        };
        let port = |at: usize| u16::from_be_bytes([first[at], first[at + 1]]);
        let from = SocketAddrV4::new(address(16), port(22));
        let to = SocketAddrV4::new(address(12), port(20));
        match self {
            Udp => datagram((from, to)),
            Tcp => segment((from, to), TcpFlags::SYN | TcpFlags::ACK, [ISN, ISN + 1], 0),
        }
    }

    /// Any other packet from where the flow began.
    pub(crate) fn later(self, flow: Flow) -> Vec<u8> {
        match self {
            Udp => datagram(flow),
            Tcp => segment(flow, TcpFlags::ACK, [ISN + 1, ISN + 1], 24),
        }
    }
}

/// The first number of either side.
const ISN: u32 = 1_000_000;
