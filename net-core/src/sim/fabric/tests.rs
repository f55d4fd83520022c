//! Switches and routers, packet by packet.

use super::*;
use crate::buf::TxPacket;
use crate::time::Duration;
use crate::wire::{IcmpMessage, IpHeader, UdpHeader, icmpv4, icmpv6, ip, transport};
use bytes::Bytes;
use core::net::{Ipv4Addr, Ipv6Addr};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const HERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1));
const THERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
const ROUTER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0xff, 1)),
];

fn datagram(source: IpAddr, dest: IpAddr, ttl: u8, payload: usize) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::from(alloc::vec![7; payload]));
    let header = UdpHeader {
        source_port: 1,
        dest_port: 2,
        length: u16::try_from(8 + payload).unwrap(),
        checksum: 0,
    };
    header.emit(&mut packet.head);
    transport::fill_checksum(&mut packet, source, dest, ip::UDP, false);
    let header = IpHeader {
        ttl,
        ..IpHeader::new(source, dest, ip::UDP, packet.len())
    };
    header.emit(&mut packet.head);
    packet
}

/// Two hosts with what lies between them; the hosts' ends.
struct World {
    fabric: Fabric,
    here: PortId,
    there: PortId,
    middle: NodeId,
}

impl World {
    fn new(middle: impl FnOnce(&mut Fabric) -> NodeId, mtu: u16) -> Self {
        let mut fabric = Fabric::new(Seed::from_u64(1));
        let [a, b] = ["a", "b"].map(|name| fabric.add_host(name));
        let middle = middle(&mut fabric);
        let wide = LinkConfig {
            delay: Duration::from_millis(1),
            ..LinkConfig::default()
        };
        let narrow = LinkConfig {
            mtu,
            ..wide.clone()
        };
        let [here, _] = fabric.connect(a, middle, wide.clone(), wide.clone());
        let [there, _] = fabric.connect(b, middle, wide, narrow);
        for (host, address) in [(a, HERE), (a, HERE_V6), (b, THERE), (b, THERE_V6)] {
            fabric.announce(host, address);
        }
        Self {
            fabric,
            here,
            there,
            middle,
        }
    }

    fn routed(mtu: u16) -> Self {
        Self::new(|fabric| fabric.add_router("router", &ROUTER), mtu)
    }

    /// Sends a packet from the first host; where something arrives, and what.
    fn send(&mut self, packet: TxPacket) -> Option<(PortId, RxPacket)> {
        let mut batch = TxBatch::default();
        batch.push(packet);
        assert!(self.fabric.transmit(self.here, &mut batch, Instant::ZERO));
        while let Some(at) = self.fabric.poll_timeout() {
            self.fabric.handle_timeout(at);
        }
        let port = self.fabric.poll_ready()?;
        let mut batch = RxBatch::default();
        assert_eq!(self.fabric.receive(port, &mut batch, 64), 1);
        batch.drain().next().map(|packet| (port, packet))
    }

    fn counters(&self) -> ForwardCounters {
        self.fabric.forwarded(self.middle).unwrap()
    }
}

fn header(packet: &RxPacket) -> IpHeader {
    let header = IpHeader::parse(&packet.frame, packet.len()).unwrap();
    transport::verify_checksum(packet, &header).unwrap();
    header
}

fn message(packet: &RxPacket) -> IcmpMessage {
    let header = header(packet);
    let rest = &packet.frame[header.header_len..];
    match header.dest {
        IpAddr::V4(_) => icmpv4::parse(rest).unwrap(),
        IpAddr::V6(_) => icmpv6::parse(rest).unwrap(),
    }
}

#[test]
fn a_router_counts_the_time_to_live_down_and_a_switch_does_not() {
    let mut routed = World::routed(1500);
    let mut switched = World::new(|fabric| fabric.add_switch("switch"), 1500);
    for (source, dest) in [(HERE, THERE), (HERE_V6, THERE_V6)] {
        let (port, packet) = routed.send(datagram(source, dest, 64, 100)).unwrap();
        assert_eq!((port, header(&packet).ttl), (routed.there, 63));
        let (port, packet) = switched.send(datagram(source, dest, 1, 100)).unwrap();
        assert_eq!((port, header(&packet).ttl), (switched.there, 1));
    }
}

#[test]
fn a_router_says_when_the_time_to_live_runs_out() {
    for (source, dest, own) in [(HERE, THERE, ROUTER[0]), (HERE_V6, THERE_V6, ROUTER[1])] {
        let mut world = World::routed(1500);
        let (port, packet) = world.send(datagram(source, dest, 1, 100)).unwrap();
        assert_eq!((port, header(&packet).source), (world.here, own));
        assert_eq!(message(&packet), IcmpMessage::TimeExceeded { code: 0 });
        assert_eq!(
            (world.counters().expired, world.counters().errors_sent),
            (1, 1)
        );
    }
}

#[test]
fn a_router_says_how_narrow_the_next_link_is() {
    for (source, dest) in [(HERE, THERE), (HERE_V6, THERE_V6)] {
        let mut world = World::routed(1280);
        assert!(world.send(datagram(source, dest, 64, 1200)).is_some());
        let (port, packet) = world.send(datagram(source, dest, 64, 1300)).unwrap();
        assert_eq!(port, world.here);
        assert_eq!(message(&packet), IcmpMessage::PacketTooBig { mtu: 1280 });
        assert_eq!(world.counters().too_big, 1);
    }
}

#[test]
fn a_router_without_a_route_says_so_but_not_about_an_error() {
    let mut world = World::routed(1500);
    let nowhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let (_, packet) = world.send(datagram(HERE, nowhere, 64, 100)).unwrap();
    assert_eq!(message(&packet), IcmpMessage::Unreachable { code: 0 });

    let mut error = TxPacket::default();
    error.body.push(Bytes::from_static(&[7; 28]));
    icmpv4::emit(&IcmpMessage::TimeExceeded { code: 0 }, &mut error.head);
    transport::fill_checksum(&mut error, HERE, nowhere, ip::ICMP, false);
    IpHeader::new(HERE, nowhere, ip::ICMP, error.len()).emit(&mut error.head);
    assert!(world.send(error).is_none());
    assert_eq!(
        (world.counters().no_route, world.counters().errors_sent),
        (2, 1)
    );
}

#[test]
fn what_is_no_ip_goes_nowhere() {
    let mut world = World::routed(1500);
    let mut garbage = TxPacket::default();
    garbage.body.push(Bytes::from_static(&[0; 40]));
    assert!(world.send(garbage).is_none());
    assert_eq!(world.counters().malformed, 1);
}

#[test]
fn packets_take_the_shortest_way_unless_a_route_says_otherwise() {
    let mut fabric = Fabric::new(Seed::from_u64(1));
    let [a, b] = ["a", "b"].map(|name| fabric.add_host(name));
    let [near, far, other] = ["near", "far", "other"].map(|name| fabric.add_switch(name));
    let perfect = LinkConfig::default;
    let [here, _] = fabric.connect(a, near, perfect(), perfect());
    let [detour, _] = fabric.connect(near, other, perfect(), perfect());
    fabric.connect(other, far, perfect(), perfect());
    let [direct, _] = fabric.connect(near, far, perfect(), perfect());
    fabric.connect(far, b, perfect(), perfect());
    fabric.announce(b, THERE);
    let send = |fabric: &mut Fabric| {
        let mut batch = TxBatch::default();
        batch.push(datagram(HERE, THERE, 64, 10));
        fabric.transmit(here, &mut batch, Instant::ZERO);
        while let Some(at) = fabric.poll_timeout() {
            fabric.handle_timeout(at);
        }
        [direct, detour].map(|port| fabric.link(port).counters().sent)
    };
    assert_eq!(send(&mut fabric), [1, 0]);
    let prefix = IpCidr {
        address: THERE,
        prefix_len: 32,
    };
    fabric.add_route(near, prefix, detour);
    assert_eq!(send(&mut fabric), [1, 1]);
}

#[test]
fn a_host_that_finds_a_link_full_hears_of_room() {
    let mut fabric = Fabric::new(Seed::from_u64(1));
    let [a, b] = ["a", "b"].map(|name| fabric.add_host(name));
    let [here, there] = fabric.connect(a, b, LinkConfig::default(), LinkConfig::default());
    let mut batch = TxBatch::default();
    for _ in 0..4000 {
        batch.push(datagram(HERE, THERE, 64, 1400));
    }
    assert!(!fabric.transmit(here, &mut batch, Instant::ZERO));
    let left = batch.len();
    assert!(left > 0 && left < 4000);
    fabric.handle_timeout(Instant::ZERO);
    let ready = [
        fabric.poll_ready(),
        fabric.poll_ready(),
        fabric.poll_ready(),
    ];
    assert_eq!(ready, [Some(there), Some(here), None]);
    assert!(fabric.transmit(here, &mut batch, Instant::ZERO));
    fabric.handle_timeout(Instant::ZERO);
    let mut got = RxBatch::default();
    while fabric.receive(there, &mut got, 100) > 0 {}
    assert_eq!(got.len(), 4000);
}

#[test]
fn what_is_sent_to_a_closed_end_is_counted() {
    let mut world = World::routed(1500);
    world.fabric.close(world.there);
    assert!(world.send(datagram(HERE, THERE, 64, 10)).is_none());
    let inward = world.fabric.link(world.there.peer());
    assert_eq!(inward.counters().closed, 1);
}

#[test]
fn a_capture_has_an_interface_for_each_end() {
    let mut world = World::routed(1500);
    for port in [world.here, world.there] {
        world.fabric.record(port, 1 << 20);
    }
    world.send(datagram(HERE, THERE, 64, 50)).unwrap();
    let file = world.fabric.capture(&[world.here, world.there]);
    for name in ["a to router", "b to router"] {
        assert!(
            file.windows(name.len())
                .any(|window| window == name.as_bytes())
        );
    }
    let copies = file.windows(50).filter(|window| *window == [7; 50]).count();
    assert_eq!(copies, 2);
}
