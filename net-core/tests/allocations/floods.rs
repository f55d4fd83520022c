//! Floods of strangers leave memory at its cap: from there on it does not grow, however long they last.

use crate::counting;
use bytes::{Bytes, BytesMut};
use net_core::buf::{RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::socket::Family;
use net_core::stack::Transmit;
use net_core::stats::DropReason;
use net_core::time::Duration;
use net_core::wire::ethernet::solicited_node;
use net_core::wire::ndp::HOP_LIMIT;
use net_core::wire::{
    ArpOperation, ArpPacket, EtherType, EthernetHeader, Fragment, IpHeader, MacAddr, NdpMessage,
    NdpOption, UdpHeader, ip, ipv6_ext, transport,
};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, Stack};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OURS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const STRANGER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

/// Packets of a flood, and after how many of them memory is to have reached its cap.
const FLOOD: u32 = 100_000;
const FULL: u32 = 10_000;

/// Bytes by which what is held may differ: tables that are full grow once more while they put themselves in
/// order.
const BOUND: usize = 128 << 10;

/// A host, 10.0.0.1/8 and fd00::1/64, that is flooded.
struct Host {
    stack: Stack,
    iface: IfaceId,
    now: Instant,
    batch: RxBatch,
    out: TxBatch,
}

impl Host {
    fn new(kind: IfaceKind) -> Self {
        let now = Instant::from_millis(1);
        let mut stack = Stack::new(Config::default(), Seed::from_u64(7), now);
        let config = IfaceConfig {
            name: "link".into(),
            kind,
            mtu: 1500,
            addresses: vec![
                IpCidr {
                    address: OURS.into(),
                    prefix_len: 8,
                },
                IpCidr {
                    address: OURS_V6.into(),
                    prefix_len: 64,
                },
            ],
        };
        let iface = stack.add_iface(config, DeviceCaps::default());
        let mut host = Self {
            stack,
            iface: iface.expect("good addresses"),
            now,
            batch: RxBatch::default(),
            out: TxBatch::default(),
        };
        // Its addresses are checked first.
        for _ in 0..100 {
            host.pass(Duration::from_millis(100));
        }
        host
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.stack.handle_timeout(self.now);
        while self.stack.poll_event().is_some() {}
        while self
            .stack
            .poll_transmit(self.iface, &mut self.out, self.now)
            != Transmit::Idle
        {
            self.out.clear();
        }
        self.out.clear();
    }

    fn receive(&mut self, frame: &[u8]) {
        self.batch.push(RxPacket::from_frame(BytesMut::from(frame)));
        self.stack
            .handle_batch(self.iface, &mut self.batch, self.now);
        self.pass(Duration::from_micros(100));
    }

    fn drops(&self, reason: DropReason) -> u64 {
        self.stack.stats().drops(reason)
    }

    fn knows(&self, address: IpAddr) -> bool {
        self.stack
            .neighbors()
            .any(|neighbor| neighbor.address == address)
    }

    /// Floods it with what each number stands for; memory is the same after a tenth of that as after all.
    #[track_caller]
    fn flood(&mut self, mut with: impl FnMut(&mut Self, u32)) {
        for number in 0..FULL {
            with(self, number);
        }
        let full = counting::bytes_held();
        for number in FULL..FLOOD {
            with(self, number);
        }
        let held = counting::bytes_held();
        println!("{full} bytes are held, and then {held}");
        assert!(
            held.abs_diff(full) <= BOUND,
            "{full} bytes were held and now {held}"
        );
    }
}

/// The first fragment of a datagram from this source.
fn first_fragment(source: IpAddr, id: u32) -> BytesMut {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::from_static(&[7; 1000]));
    let header = UdpHeader {
        source_port: 5,
        dest_port: 7,
        length: 3008,
        checksum: 1,
    };
    header.emit(&mut packet.head);
    let place = Fragment {
        offset: 0,
        more: true,
        id,
    };
    let header = if source.is_ipv4() {
        IpHeader {
            dont_fragment: false,
            fragment: Some(place),
            ..IpHeader::new(source, OURS.into(), ip::UDP, packet.len())
        }
    } else {
        let [a, b, c, d] = id.to_be_bytes();
        let fragment = [ip::UDP, 0, 0, 1, a, b, c, d];
        packet.head.prepend(8).copy_from_slice(&fragment);
        IpHeader::new(source, OURS_V6.into(), ipv6_ext::FRAGMENT, packet.len())
    };
    header.emit(&mut packet.head);
    let mut bytes = BytesMut::new();
    packet.copy_to(&mut bytes);
    bytes
}

#[test]
fn first_fragments_from_ever_new_sources_leave_memory_at_its_cap() {
    // Each IPv6 source has a prefix of its own.
    let sources: [fn(u32) -> IpAddr; 2] = [
        |number| Ipv4Addr::from_bits(0x0b00_0000 + number).into(),
        |number| Ipv6Addr::from_bits((0x2001_0db8_0000_0000 + u128::from(number)) << 64).into(),
    ];
    for source in sources {
        let mut host = Host::new(IfaceKind::PointToPoint);
        let mut dropped = 0;
        host.flood(|host, number| {
            host.receive(&first_fragment(source(number), number));
            if number + 1 == FULL {
                dropped = host.drops(DropReason::ReassemblyFull);
            }
        });
        let cap = Config::default().reassembly.memory;
        assert!((cap / 2..=cap).contains(&host.stack.memory_used()));
        // For each that came another went.
        let more = host.drops(DropReason::ReassemblyFull) - dropped;
        assert_eq!((dropped > 0, more), (true, u64::from(FLOOD - FULL)));
    }
}

fn frame(dest: MacAddr, ethertype: EtherType, payload: &[u8]) -> Vec<u8> {
    let header = EthernetHeader {
        dest,
        source: STRANGER,
        ethertype,
    };
    [&header.to_bytes()[..], payload].concat()
}

/// Sends a datagram to ever new hosts on the link, of which none is there.
fn scan(host: &mut Host, target: impl Fn(u32) -> IpAddr) {
    let family = if target(0).is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    let socket = host.stack.udp_open(family).expect("a socket");
    // Neighbours that were answered before, and are not there, are given up.
    for _ in 0..100 {
        host.pass(Duration::from_millis(200));
    }
    let mut last = target(0);
    host.flood(|host, number| {
        last = target(number);
        let to = SocketAddr::new(last, 7);
        let mut udp = host.stack.udp(socket).expect("it is open");
        let sent = udp.send(Bytes::from_static(&[7; 500]), Some(to));
        sent.expect("there is room");
        host.pass(Duration::from_micros(100));
    });
    assert!(host.knows(last), "it is asked for");
    assert!(host.drops(DropReason::NeighborQueueFull) > u64::from(FLOOD - FULL) * 9 / 10);
}

#[test]
fn arp_with_ever_new_hosts_leaves_memory_at_its_cap() {
    let stranger = |number: u32| Ipv4Addr::from_bits(u32::from(OURS) + 0x1_0000 + number);
    let mut host = Host::new(IfaceKind::Ethernet(MAC));
    host.flood(|host, number| {
        let mut packet = ArpPacket::request(STRANGER, stranger(number), OURS);
        if number % 2 == 1 {
            packet.operation = ArpOperation::Reply;
            packet.target_mac = MAC;
        }
        host.receive(&frame(MAC, EtherType::ARP, &packet.to_bytes()));
    });
    let table = Config::default().neighbor.max_entries;
    assert_eq!(host.stack.neighbors().count(), table);
    assert!(
        host.knows(stranger(FLOOD - 2).into()),
        "the newest who asked"
    );
    scan(&mut host, |number| {
        let strangers = u32::from(OURS) + 0x80_0000;
        Ipv4Addr::from_bits(strangers + number).into()
    });
    assert_eq!(host.stack.neighbors().count(), table);
}

/// Who has our address, asked by this host.
fn solicitation(source: Ipv6Addr) -> Vec<u8> {
    let mut message = Vec::new();
    let solicit = NdpMessage::NeighborSolicit { target: OURS_V6 };
    solicit.emit(&[NdpOption::SourceLinkLayer(STRANGER)], &mut message);
    let mut packet = TxPacket::default();
    packet.head.prepend(message.len()).copy_from_slice(&message);
    let (source, dest) = (source.into(), solicited_node(OURS_V6).into());
    transport::fill_checksum(&mut packet, source, dest, ip::ICMPV6, false);
    let header = IpHeader {
        ttl: HOP_LIMIT,
        ..IpHeader::new(source, dest, ip::ICMPV6, packet.len())
    };
    header.emit(&mut packet.head);
    let mut bytes = BytesMut::new();
    packet.copy_to(&mut bytes);
    let mac = MacAddr::of_group(dest).expect("a group");
    frame(mac, EtherType::IPV6, &bytes)
}

#[test]
fn neighbour_discovery_with_ever_new_hosts_leaves_memory_at_its_cap() {
    let stranger =
        |number: u32| Ipv6Addr::from_bits(OURS_V6.to_bits() + 0x1_0000 + u128::from(number));
    let mut host = Host::new(IfaceKind::Ethernet(MAC));
    host.flood(|host, number| host.receive(&solicitation(stranger(number))));
    let table = Config::default().neighbor.max_entries;
    assert_eq!(host.stack.neighbors().count(), table);
    // Those who have been answered stay until it shows that nobody is there.
    let newest = IpAddr::from(stranger(FLOOD / 2));
    let is_newer = |address: IpAddr| address > newest;
    assert!(host.stack.neighbors().any(|known| is_newer(known.address)));
    scan(&mut host, |number| {
        let strangers = OURS_V6.to_bits() + 0x8000_0000;
        Ipv6Addr::from_bits(strangers + u128::from(number)).into()
    });
    // Who is asked for has half of it.
    assert!((table / 2..=table).contains(&host.stack.neighbors().count()));
}
