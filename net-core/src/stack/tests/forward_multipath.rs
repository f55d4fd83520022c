//! Packets for others where several next hops lead on.

use super::*;
use crate::tcp::SeqNum;
use crate::wire::{TcpFlags, TcpHeader};

/// A router between the wire and two links; three in four flows are to go over the second.
struct Router {
    host: Host,
    ways: [IfaceId; 2],
}

/// How many flows go over each link.
type Shares = [usize; 2];

const FLOWS: u16 = 1000;

impl Router {
    fn new() -> Self {
        let mut host = Host::new();
        let mut add = |name, addresses: [&str; 2]| {
            let iface = iface(name, IfaceKind::PointToPoint, 1500, &addresses);
            host.stack.add_iface(iface, DeviceCaps::default()).unwrap()
        };
        let ways = [
            add("tun1", ["10.8.0.1/24", "fd08::1/64"]),
            add("tun2", ["10.9.0.1/24", "fd09::1/64"]),
        ];
        for route in [
            "add 192.0.2.0/24 nexthop via 10.8.0.9 dev tun1 weight 1 \
             nexthop via 10.9.0.9 dev tun2 weight 3",
            "add 2001:db8::/64 nexthop via fd08::9 dev tun1 weight 1 \
             nexthop via fd09::9 dev tun2 weight 3",
        ] {
            host.stack.ip_route(route).unwrap();
        }
        host.stack.set_forwarding(host.wire, true).unwrap();
        Self { host, ways }
    }

    /// Over which of the links a packet goes on.
    #[track_caller]
    fn way(&mut self, packet: TxPacket) -> usize {
        self.host.inject(packet);
        let sent = self.ways.map(|way| self.host.sent_over(way).len());
        match sent {
            [1, 0] => 0,
            [0, 1] => 1,
            _ => panic!("{sent:?} packets"),
        }
    }

    /// How many flows go over each link, of which each keeps to it.
    #[track_caller]
    fn shares(&mut self, packet: impl Fn(u16, u8) -> TxPacket) -> Shares {
        let mut shares = [0; 2];
        let ways: Vec<usize> = (0..FLOWS).map(|flow| self.way(packet(flow, 0))).collect();
        for number in 1..4 {
            for (flow, way) in (0..FLOWS).zip(&ways) {
                assert_eq!(self.way(packet(flow, number)), *way, "flow {flow}");
            }
        }
        for way in ways {
            shares[way] += 1;
        }
        shares
    }
}

#[track_caller]
fn assert_by_weight(shares: Shares) {
    assert_eq!(shares[0] + shares[1], usize::from(FLOWS));
    // Of 1,000 flows 750 are expected, give or take four standard deviations of 14.
    assert!((694..=806).contains(&shares[1]), "{shares:?}");
}

/// The ends of a flow, told from others by a port alone.
fn ends(v6: bool, flow: u16) -> (SocketAddr, SocketAddr) {
    let [source, dest] = if v6 {
        ["fd07::9", "2001:db8::9"]
    } else {
        ["10.7.0.9", "192.0.2.9"]
    };
    (
        SocketAddr::new(ip(source), 5000 + flow),
        SocketAddr::new(ip(dest), 7),
    )
}

/// One of many hosts on the near link.
fn neighbour(v6: bool, number: u16) -> IpAddr {
    if v6 {
        IpAddr::from([0xfd07, 0, 0, 0, 0, 0, 1, number])
    } else {
        let [high, low] = number.to_be_bytes();
        IpAddr::from([10, 7, high + 1, low])
    }
}

fn of_udp(v6: bool, flow: u16, number: u8) -> TxPacket {
    let (source, dest) = ends(v6, flow);
    // Neither length nor contents count.
    let payload = std::vec![number; usize::from(number) * 300];
    datagram(&std::format!("{source}"), &std::format!("{dest}"), &payload)
}

fn of_tcp(v6: bool, flow: u16, number: u8) -> TxPacket {
    let (source, dest) = ends(v6, flow);
    let mut packet = body(&[7; 20]);
    let flags = [
        TcpFlags::SYN,
        TcpFlags::ACK,
        TcpFlags::ACK | TcpFlags::PSH,
        TcpFlags::FIN | TcpFlags::ACK,
    ];
    let header = TcpHeader {
        source_port: source.port(),
        dest_port: dest.port(),
        seq: SeqNum::new(1000 * u32::from(number)),
        flags: flags[usize::from(number)],
        ..TcpHeader::default()
    };
    header.emit(&mut packet.head);
    wrap(source.ip(), dest.ip(), ip::TCP, packet)
}

#[test]
fn forwarded_flows_are_shared_by_weight_and_each_keeps_its_next_hop() {
    for v6 in [false, true] {
        for of in [of_udp, of_tcp] {
            let mut router = Router::new();
            let shares = router.shares(|flow, number| of(v6, flow, number));
            assert_by_weight(shares);
        }
    }
}

/// Only the first has the ports.
#[test]
fn fragments_of_a_packet_take_one_way() {
    let mut router = Router::new();
    for v6 in [false, true] {
        let shares = router.shares(|flow, number| {
            let (source, dest) = (neighbour(v6, flow), ends(v6, flow).1);
            let (mut packet, mut protocol) = (body(&[number; 68]), ip::UDP);
            let [high, low] = flow.to_be_bytes();
            let front = match number {
                0 => [high, low, 0, 7],
                _ => [number; 4],
            };
            packet.head.prepend(4).copy_from_slice(&front);
            let place = ip::Fragment {
                offset: 72 * u16::from(number),
                more: number < 3,
                id: flow.into(),
            };
            if v6 {
                protocol = crate::wire::ipv6_ext::FRAGMENT;
                let [high, low] = (place.offset | u16::from(place.more)).to_be_bytes();
                let [_, _, id_high, id_low] = place.id.to_be_bytes();
                let header = [ip::UDP, 0, high, low, 0, 0, id_high, id_low];
                packet.head.prepend(8).copy_from_slice(&header);
            }
            let header = IpHeader {
                dont_fragment: false,
                fragment: Some(place).filter(|_| !v6),
                id: flow,
                ..IpHeader::new(source, dest.ip(), protocol, packet.len())
            };
            header.emit(&mut packet.head);
            packet
        });
        assert_by_weight(shares);
    }
}

/// They have no ports of their own, and go by who tells whom.
#[test]
fn errors_of_one_host_to_another_take_one_way_whatever_they_quote() {
    for v6 in [false, true] {
        let mut router = Router::new();
        let shares = router.shares(|from, number| {
            let (_, away) = ends(v6, from);
            let quoted = bytes_of(&of_udp(v6, u16::from(number) * 100, number));
            let source = neighbour(v6, from);
            let message = IcmpMessage::Unreachable { code: 1 };
            let dest = std::format!("{}", away.ip());
            icmp(&std::format!("{source}"), &dest, &message, &quoted)
        });
        assert_by_weight(shares);
    }
}
