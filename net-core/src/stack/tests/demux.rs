//! Finding the flow of a packet among very many.

use super::*;
use crate::socket::FlowKey;
use crate::tcp::SeqNum;
use crate::wire::{TcpFlags, TcpHeader};

/// Ports of each family that have a flow: 100,000 together.
const PORTS: core::ops::RangeInclusive<u16> = 1..=50_000;

/// Comparisons of keys that a packet may cost: a hash table has few keys where one belongs.
const FEW: u64 = 8;

const FAMILIES: [(&str, &str, Family); 2] =
    [(OURS, PEER, Family::V4), (OURS_V6, PEER_V6, Family::V6)];

fn host() -> Host {
    Host::with(Config {
        max_sockets: 200_000,
        ..Config::default()
    })
}

/// The ends of a flow of this host.
#[derive(Clone, Copy)]
struct Flow {
    local: SocketAddr,
    remote: SocketAddr,
    /// What the peer has acknowledged.
    ack: SeqNum,
}

impl Flow {
    /// A segment from the peer.
    fn segment(self, seq: u32, flags: TcpFlags) -> TxPacket {
        let mut packet = TxPacket::default();
        let header = TcpHeader {
            source_port: self.remote.port(),
            dest_port: self.local.port(),
            seq: SeqNum::new(seq),
            ack: self.ack,
            flags,
            window: 1000,
            ..TcpHeader::default()
        };
        header.emit(&mut packet.head);
        wrap(self.remote.ip(), self.local.ip(), ip::TCP, packet)
    }

    /// The flow that a SYN of this host begins.
    #[track_caller]
    fn begun_by(packet: &TxPacket) -> Self {
        let seen = Seen::new(packet);
        let syn = TcpHeader::parse(&seen.payload).unwrap();
        assert_eq!(syn.flags, TcpFlags::SYN);
        Self {
            local: SocketAddr::new(seen.ip.source, syn.source_port),
            remote: SocketAddr::new(seen.ip.dest, syn.dest_port),
            ack: syn.seq + 1,
        }
    }
}

/// The most comparisons that one of the packets costs, and the fewest.
fn comparisons(host: &mut Host, packets: impl Iterator<Item = TxPacket>) -> (u64, u64) {
    let counts = packets.map(|packet| {
        let before = FlowKey::comparisons();
        host.inject(packet);
        FlowKey::comparisons() - before
    });
    counts.fold((0, u64::MAX), |(most, fewest), count| {
        (most.max(count), fewest.min(count))
    })
}

#[test]
fn a_segment_finds_its_connection_among_a_hundred_thousand_by_few_comparisons() {
    let mut host = host();
    let mut flows = Vec::new();
    for (ours, peer, family) in FAMILIES {
        for port in PORTS {
            let id = host.stack.tcp_open(family).unwrap();
            host.stack
                .bind(id, SocketAddr::new(ip(ours), port))
                .unwrap();
            let connecting = host
                .stack
                .connect(id, SocketAddr::new(ip(peer), 7), host.now);
            assert_eq!(connecting, Err(crate::error::SocketError::InProgress));
            if port % 500 == 0 {
                let begun: Vec<Flow> = host.sent().iter().map(Flow::begun_by).collect();
                for flow in &begun {
                    host.inject(flow.segment(1000, TcpFlags::SYN | TcpFlags::ACK));
                }
                // Each has been answered, and so is connected.
                assert_eq!((begun.len(), host.sent().len()), (500, 500));
                flows.extend(begun);
            }
        }
    }
    assert_eq!(
        (flows.len(), host.stack.tcp.flows.len()),
        (100_000, 100_000)
    );
    let known = flows.iter().map(|flow| flow.segment(1001, TcpFlags::ACK));
    let (most, fewest) = comparisons(&mut host, known);
    assert!((1..=FEW).contains(&fewest) && most <= FEW, "{most}");
    host.assert_dropped(DropReason::NoSocket, 0);
    let unknown = flows.iter().map(|flow| {
        let remote = SocketAddr::new(flow.remote.ip(), 8);
        Flow { remote, ..*flow }.segment(1001, TcpFlags::ACK)
    });
    let (most, _) = comparisons(&mut host, unknown);
    assert!(most <= FEW, "{most}");
    host.assert_dropped(DropReason::NoSocket, 100_000);
}

#[test]
fn a_datagram_finds_its_socket_among_a_hundred_thousand_by_few_comparisons() {
    let mut host = host();
    let mut ends = Vec::new();
    for (ours, peer, family) in FAMILIES {
        for port in PORTS {
            let (local, remote) = (
                SocketAddr::new(ip(ours), port),
                SocketAddr::new(ip(peer), 7),
            );
            let id = host.stack.udp_open(family).unwrap();
            host.stack.bind(id, local).unwrap();
            host.stack.connect(id, remote, host.now).unwrap();
            ends.push((local, remote));
        }
    }
    assert_eq!(host.stack.udp.flows.len(), 100_000);
    let from = |port: u16| {
        ends.iter().map(move |(local, remote)| {
            let source = SocketAddr::new(remote.ip(), port);
            datagram(&std::format!("{source}"), &std::format!("{local}"), b"x")
        })
    };
    let (most, fewest) = comparisons(&mut host, from(7));
    assert!((1..=FEW).contains(&fewest) && most <= FEW, "{most}");
    host.assert_dropped(DropReason::NoSocket, 0);
    let (most, _) = comparisons(&mut host, from(8));
    assert!(most <= FEW, "{most}");
    host.assert_dropped(DropReason::NoSocket, 100_000);
}
