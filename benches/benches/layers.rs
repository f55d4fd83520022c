//! The layers one by one: checksums, headers, segmentation and merging, routes, demultiplexing, timers,
//! queueing disciplines.

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use net_core::buf::{
    Checksum, Chunk, Gso, GsoKind, HeadBuf, RxBatch, RxMeta, RxPacket, TxBatch, TxPacket,
};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::offload::{gro, gso};
use net_core::qdisc::{
    Cake, CakeConfig, Dropped, Fq, FqCodel, FqCodelConfig, FqConfig, PfifoFast, Qdisc, Queued,
};
use net_core::route::{Route, RouteTable};
use net_core::socket::Family;
use net_core::stack::Wheel;
use net_core::tcp::SeqNum;
use net_core::time::Duration;
use net_core::wire::checksum::checksum;
use net_core::wire::transport::fill_checksum;
use net_core::wire::{IpHeader, TcpFlags, TcpHeader, TcpOptions, UdpHeader, ip};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, Stack};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn checksums(c: &mut Criterion) {
    let mut group = c.benchmark_group("checksum");
    for length in [20, 1480, 65_536] {
        let data = vec![0x5a; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_with_input(BenchmarkId::from_parameter(length), &data, |b, data| {
            b.iter(|| checksum(black_box(data)));
        });
    }
}

fn headers(c: &mut Criterion) {
    let packet = segment(1448);
    let mut bytes = BytesMut::new();
    packet.copy_to(&mut bytes);
    let mut group = c.benchmark_group("headers");
    group.bench_function("parse IPv4 and TCP", |b| {
        b.iter(|| {
            let ip = IpHeader::parse(black_box(&bytes), bytes.len()).expect("our own");
            TcpHeader::parse(&bytes[ip.header_len..]).expect("our own")
        });
    });
    group.bench_function("emit TCP and IPv4", |b| {
        let tcp = tcp_header();
        b.iter(|| {
            let mut head = HeadBuf::new();
            let length = black_box(&tcp).emit(&mut head);
            ip_header(ip::TCP, length).emit(&mut head);
            head
        });
    });
}

fn offloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("offload");
    group.throughput(Throughput::Bytes(SUPER as u64));
    for (name, tx_checksum) in [
        ("cut and sum 45 segments", false),
        ("cut 45 segments", true),
    ] {
        let packet = segment(SUPER);
        let mut out = TxBatch::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                gso::segment(&packet, tx_checksum, &mut out).expect("well formed");
                out.clear();
            });
        });
    }
    group.bench_function("verify and merge 45 segments", |b| {
        b.iter_batched_ref(arrived, gro::merge, BatchSize::SmallInput);
    });
}

fn routes(c: &mut Criterion) {
    let mut group = c.benchmark_group("route lookup");
    let mut rng = Seed::from_u64(1).rng("routes");
    for count in [2_u32, 1_000, 100_000] {
        let mut table = RouteTable::new();
        let mut addresses = Vec::new();
        for _ in 0..count {
            let address = IpAddr::from(Ipv4Addr::from_bits(rng.next_u32()));
            addresses.push(address);
            let prefix_len = u8::try_from(8 + rng.below(17)).expect("at most 24");
            let prefix = IpCidr {
                address,
                prefix_len,
            };
            table.insert(route(prefix)).expect("a small table");
        }
        let mut turn = addresses.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                table
                    .lookup(*turn.next().expect("endless"))
                    .map(|r| r.metric)
            });
        });
    }
}

/// Packets of 64 bytes from one interface to another, as a router sends them on.
fn forwarding(c: &mut Criterion) {
    let (mut stack, near) = stack();
    let config = IfaceConfig {
        name: "far".into(),
        kind: IfaceKind::PointToPoint,
        mtu: 1500,
        addresses: vec![IpCidr {
            address: Ipv4Addr::new(198, 51, 100, 1).into(),
            prefix_len: 24,
        }],
    };
    let far = stack
        .add_iface(config, DeviceCaps::default())
        .expect("a good address");
    stack.set_forwarding(near, true).expect("an interface");
    let packet = {
        let mut packet = datagram(9);
        let (source, dest) = (
            Ipv4Addr::new(192, 0, 2, 77),
            Ipv4Addr::new(198, 51, 100, 77),
        );
        packet.truncate(28 + 36);
        let mut head = HeadBuf::new();
        IpHeader::new(source.into(), dest.into(), 17, 44).emit(&mut head);
        packet[..20].copy_from_slice(&head);
        packet
    };
    let (mut inbox, mut out) = (RxBatch::default(), TxBatch::default());
    let mut group = c.benchmark_group("forwarding");
    group.throughput(Throughput::Elements(64));
    group.bench_function("64 packets of 64 bytes", |b| {
        b.iter(|| {
            for _ in 0..64 {
                let slot = inbox.slot();
                slot.frame.extend_from_slice(&packet);
            }
            stack.handle_batch(near, &mut inbox, Instant::ZERO);
            stack.poll_transmit(far, &mut out, Instant::ZERO);
            assert_eq!(out.len(), 64);
            out.clear();
        });
    });
}

/// A datagram to one of many sockets: parsing, demultiplexing, queueing, reading.
fn demultiplexing(c: &mut Criterion) {
    let mut group = c.benchmark_group("datagram to one of N sockets");
    for count in [1_u16, 1_000, 30_000] {
        let (mut stack, iface) = stack();
        let ids: Vec<_> = (0..count)
            .map(|number| {
                let id = stack.udp_open(Family::V4).expect("a socket");
                let address = SocketAddr::from((NEAR, 1_000 + number));
                stack.bind(id, address).expect("a free port");
                id
            })
            .collect();
        let mut batch = RxBatch::default();
        let mut number = 0;
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                number = (number + 7_919) % count;
                batch.push(RxPacket::from_frame(datagram(1_000 + number)));
                stack.handle_batch(iface, &mut batch, Instant::ZERO);
                let id = ids[usize::from(number)];
                stack.udp(id).expect("open").recv().expect("a datagram")
            });
        });
    }
}

/// The same where a local route makes the addresses of a prefix this host's (any-IP): one socket that takes
/// what is for any of them, and one for each of 10,000, all with the same port.
fn any_ip(c: &mut Criterion) {
    let mut group = c.benchmark_group("datagram to an address of a local route of /8");
    let address = |number: u32| Ipv4Addr::from_bits(0x0a01_0000 + number);
    for count in [1, 10_000] {
        let (mut stack, iface) = stack();
        stack.ip_route("add local 10.0.0.0/8").expect("a route");
        let ids: Vec<_> = (0..count)
            .map(|number| {
                let id = stack.udp_open(Family::V4).expect("a socket");
                let any = count == 1;
                let local = if any {
                    Ipv4Addr::UNSPECIFIED
                } else {
                    address(number)
                };
                let bound = stack.bind(id, SocketAddr::from((local, 53)));
                bound.expect("a free address");
                id
            })
            .collect();
        let mut batch = RxBatch::default();
        let mut number = 0;
        group.bench_function(format!("sockets of one port: {count}"), |b| {
            b.iter(|| {
                number = (number + 7_919) % 10_000;
                let frame = datagram_to(address(number), 53);
                batch.push(RxPacket::from_frame(frame));
                stack.handle_batch(iface, &mut batch, Instant::ZERO);
                let id = ids[number as usize % ids.len()];
                stack.udp(id).expect("open").recv().expect("a datagram")
            });
        });
    }
}

/// The timing wheel with so many timers of up to 4.3 s in it: one more is set and taken back, as an
/// acknowledgement does with that for retransmissions, and the next one fires and is set anew.
fn timers(c: &mut Criterion) {
    let mut group = c.benchmark_group("timing wheel");
    for count in [100_u32, 10_000, 1_000_000] {
        let mut rng = Seed::from_u64(1).rng("timers");
        let mut later = move || Duration::from_nanos(rng.next_u32().into());
        let mut wheel = Wheel::new(Instant::ZERO);
        let mut now = Instant::ZERO;
        for key in 0..count {
            wheel.insert(key, now + later());
        }
        group.bench_function(BenchmarkId::new("set and cancel", count), |b| {
            b.iter(|| {
                let timer = wheel.insert(count, now + later());
                wheel.cancel(timer)
            });
        });
        group.bench_function(BenchmarkId::new("fire and set anew", count), |b| {
            b.iter(|| {
                loop {
                    now = wheel.next().expect("it is never empty");
                    // None where the first one has been cancelled.
                    if let Some(key) = wheel.expire(now) {
                        break wheel.insert(key, now + later());
                    }
                }
            });
        });
    }
}

/// A packet goes into a queue and one leaves it, while 1,000 of 64 flows wait.
fn disciplines(c: &mut Criterion) {
    const FLOWS: u16 = 64;
    const WAITING: u16 = 1000;
    let seed = Seed::from_u64(1);
    let now = Instant::ZERO;
    let disciplines: [Box<dyn Qdisc>; 4] = [
        Box::new(PfifoFast::new(10_000)),
        Box::new(Fq::new(FqConfig::default(), seed)),
        Box::new(FqCodel::new(FqCodelConfig::default(), seed)),
        Box::new(Cake::new(CakeConfig::default(), seed)),
    ];
    let mut group = c.benchmark_group("queueing discipline, in and out");
    for mut qdisc in disciplines {
        let mut dropped = Dropped::default();
        for number in 0..WAITING {
            let packet = Box::new(segment_from(50_000 + number % FLOWS, MSS));
            qdisc.enqueue(Queued::new(packet, now), &mut dropped, now);
        }
        group.bench_function(qdisc.kind(), |b| {
            b.iter(|| {
                let first = qdisc.dequeue(&mut dropped, now).expect("it is never empty");
                qdisc.enqueue(Queued::new(first.packet, now), &mut dropped, now);
            });
        });
        assert!(dropped.is_empty() && qdisc.len() == usize::from(WAITING));
    }
}

fn stack() -> (Stack, IfaceId) {
    let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
    let config = IfaceConfig {
        name: "link".into(),
        kind: IfaceKind::PointToPoint,
        mtu: 1500,
        addresses: vec![IpCidr {
            address: NEAR.into(),
            prefix_len: 24,
        }],
    };
    let iface = stack
        .add_iface(config, DeviceCaps::default())
        .expect("a good address");
    (stack, iface)
}

fn route(prefix: IpCidr) -> Route {
    let (stack, iface) = stack();
    drop(stack);
    Route {
        prefix,
        via: None,
        iface,
        source: None,
        metric: 0,
    }
}

fn datagram(port: u16) -> BytesMut {
    datagram_to(NEAR, port)
}

fn datagram_to(dest: Ipv4Addr, port: u16) -> BytesMut {
    let payload = [0x5a; 64];
    let mut head = HeadBuf::new();
    UdpHeader {
        source_port: 9,
        dest_port: port,
        length: 72,
        checksum: 0,
    }
    .emit(&mut head);
    let header = IpHeader {
        dest: dest.into(),
        ..ip_header(ip::UDP, 72)
    };
    header.emit(&mut head);
    let mut frame = BytesMut::with_capacity(100);
    frame.extend_from_slice(&head);
    frame.extend_from_slice(&payload);
    frame
}

/// A segment with `length` bytes of payload, a super-segment if that is more than fits a packet.
fn segment(length: usize) -> TxPacket {
    segment_from(50_000, length)
}

fn segment_from(source_port: u16, length: usize) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::from(vec![0x5a; length]));
    let header = TcpHeader {
        source_port,
        ..tcp_header()
    };
    let tcp_len = header.emit(&mut packet.head);
    let whole = length <= MSS;
    fill_checksum(&mut packet, NEAR.into(), FAR.into(), ip::TCP, !whole);
    ip_header(ip::TCP, tcp_len + length).emit(&mut packet.head);
    packet.meta.header_len = u16::try_from(packet.head.len()).expect("at most 128");
    if !whole {
        packet.meta.gso = Some(Gso {
            kind: GsoKind::Tcp4,
            size: u16::try_from(MSS).expect("below 1500"),
            ecn: false,
        });
    }
    packet
}

/// The segments of a super-segment as a device without offloads delivers them.
fn arrived() -> RxBatch {
    let mut cut = TxBatch::default();
    gso::segment(&segment(SUPER), false, &mut cut).expect("well formed");
    let mut batch = RxBatch::with_capacity(cut.len());
    for packet in cut.drain() {
        batch.push(RxPacket {
            frame: BytesMut::from(&packet.head[..]),
            frags: packet
                .body
                .into_iter()
                .map(|bytes| Chunk { bytes, pins: 2048 })
                .collect(),
            meta: RxMeta {
                checksum: Checksum::Unknown,
                ..RxMeta::default()
            },
        });
    }
    batch
}

fn ip_header(protocol: u8, length: usize) -> IpHeader {
    let (source, dest) = match protocol {
        ip::UDP => (FAR, NEAR),
        _ => (NEAR, FAR),
    };
    IpHeader::new(source.into(), dest.into(), protocol, length)
}

fn tcp_header() -> TcpHeader {
    TcpHeader {
        source_port: 50_000,
        dest_port: 9,
        seq: SeqNum::new(1),
        ack: SeqNum::new(1),
        flags: TcpFlags::ACK,
        window: 1000,
        urgent: 0,
        header_len: 32,
        options: TcpOptions {
            timestamps: Some((1, 1)),
            ..TcpOptions::default()
        },
    }
}

const MSS: usize = 1448;
/// What fits 45 packets.
const SUPER: usize = 45 * MSS;

criterion_group!(
    benches,
    checksums,
    headers,
    offloads,
    routes,
    forwarding,
    demultiplexing,
    any_ip,
    timers,
    disciplines
);
criterion_main!(benches);
