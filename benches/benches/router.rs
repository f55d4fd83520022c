//! What a router costs for each packet: alone, with a filter of a thousand rules, and following and
//! translating a million flows.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use net_core::buf::{HeadBuf, RxBatch, TxBatch};
use net_core::conntrack::TrackConfig;
use net_core::iface::{IfaceKind, IpCidr};
use net_core::wire::{IpHeader, UdpHeader, ip};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, Stack};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Packets of 64 bytes that one turn takes in.
const BATCH: usize = 64;

fn rules(c: &mut Criterion) {
    let mut group = c.benchmark_group("router, 64 packets of 64 bytes");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, mut router) in filtering() {
        let packets: Vec<_> = (0..BATCH).map(|n| packet(flow(n * 7919))).collect();
        group.bench_function(name, |b| b.iter(|| router.forward(packets.iter())));
    }
}

/// What rules take off the throughput. Turn and turn about, so that whatever else the machine does is done
/// to all alike; and the fastest turn of each, which nobody came between.
fn shares(_: &mut Criterion) {
    let mut routers = filtering().map(|(name, router)| (name, router, Duration::MAX));
    let packets: Vec<_> = (0..BATCH).map(|n| packet(flow(n * 7919))).collect();
    for _ in 0..TURNS {
        for (_, router, fastest) in &mut routers {
            let begin = std::time::Instant::now();
            router.forward(packets.iter());
            *fastest = begin.elapsed().min(*fastest);
        }
    }
    let empty = routers[0].2;
    for (name, _, fastest) in &routers {
        let rate = BATCH as f64 / fastest.as_secs_f64() / 1e6;
        let lost = 100.0 - 100.0 * empty.as_secs_f64() / fastest.as_secs_f64();
        println!(
            "turn and turn about, {name}: {rate:.2} million packets a second, {lost:.1} % lost"
        );
    }
}

/// How often each is looked at.
const TURNS: usize = 2000;

/// Routers without a filter and with one of a thousand rules.
fn filtering() -> [(&'static str, Router); 3] {
    // What holds always keeps rules from being one lookup.
    let [sets, singly] = ["", "meta length >= 0"].map(thousand_rules);
    [
        ("empty hooks", None),
        ("1,000 rules as sets", Some(sets)),
        ("1,000 rules one by one", Some(singly)),
    ]
    .map(|(name, filter)| {
        let mut router = Router::new();
        if let Some(filter) = filter {
            let ruleset = filter.parse().expect("rules of our own");
            router.stack.set_filter(ruleset).expect("rules of our own");
        }
        (name, router)
    })
}

fn flows(c: &mut Criterion) {
    let mut group = c.benchmark_group("router, following and translating");
    group.throughput(Throughput::Elements(BATCH as u64));
    for count in [1_000, 1_000_000] {
        let mut router = Router::new();
        router.stack.set_tracking(Some(TrackConfig {
            max_flows: 1 << 20,
            ..TrackConfig::default()
        }));
        let rules = "table ip nat { chain post { type nat hook postrouting priority srcnat
                     oifname far masquerade; } }";
        let ruleset = rules.parse().expect("rules of our own");
        router.stack.set_filter(ruleset).expect("rules of our own");
        for first in (0..count).step_by(BATCH) {
            let last = (first + BATCH).min(count);
            let packets: Vec<_> = (first..last).map(|n| packet(flow(n))).collect();
            router.forward(packets.iter());
        }
        assert_eq!(router.stack.flows().count(), count);
        // Flows by chance, so that nothing of them lies in the caches.
        let mut rng = Seed::from_u64(5).rng("flows");
        let mut chosen = || usize::try_from(rng.below(count as u64)).expect("small");
        let packets: Vec<_> = (0..64 * BATCH).map(|_| packet(flow(chosen()))).collect();
        let mut turns = packets.chunks(BATCH).cycle();
        group.bench_function(format!("{count} flows, masqueraded"), |b| {
            b.iter(|| router.forward(turns.next().expect("endless").iter()));
        });
    }
}

/// A stack between two links.
struct Router {
    stack: Stack,
    near: IfaceId,
    far: IfaceId,
    inbox: RxBatch,
    out: TxBatch,
}

impl Router {
    fn new() -> Self {
        let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
        let mut link = |name: &str, address: [u8; 4]| {
            let config = IfaceConfig {
                name: name.into(),
                kind: IfaceKind::PointToPoint,
                mtu: 1500,
                addresses: vec![IpCidr {
                    address: Ipv4Addr::from(address).into(),
                    prefix_len: 24,
                }],
            };
            let added = stack.add_iface(config, DeviceCaps::default());
            added.expect("a good address")
        };
        let (near, far) = (link("near", [192, 0, 2, 1]), link("far", [198, 51, 100, 1]));
        stack.set_forwarding(near, true).expect("an interface");
        Self {
            stack,
            near,
            far,
            inbox: RxBatch::default(),
            out: TxBatch::default(),
        }
    }

    fn forward<'a>(&mut self, packets: impl ExactSizeIterator<Item = &'a Vec<u8>>) {
        let count = packets.len();
        for packet in packets {
            self.inbox.slot().frame.extend_from_slice(packet);
        }
        self.stack
            .handle_batch(self.near, &mut self.inbox, Instant::ZERO);
        self.stack
            .poll_transmit(self.far, &mut self.out, Instant::ZERO);
        assert_eq!(self.out.len(), count);
        self.out.clear();
    }
}

/// The flow of a number: source, its port, destination.
fn flow(number: usize) -> (Ipv4Addr, u16, Ipv4Addr) {
    let (host, port) = (number / PORTS, number % PORTS);
    let low = u32::try_from(number % 60_000).expect("small");
    let last = u8::try_from(host + 2).expect("at most 200 destinations");
    let port = 10_000 + u16::try_from(port).expect("below 50,000");
    (
        Ipv4Addr::from_bits(0x0a00_0000 + low),
        port,
        Ipv4Addr::new(198, 51, 100, last),
    )
}

/// Source ports that are used towards each destination.
const PORTS: usize = 50_000;

fn packet((source, source_port, dest): (Ipv4Addr, u16, Ipv4Addr)) -> Vec<u8> {
    let mut head = HeadBuf::new();
    head.prepend(36).fill(0x5a);
    UdpHeader {
        source_port,
        dest_port: 53,
        length: 44,
        checksum: 0,
    }
    .emit(&mut head);
    IpHeader::new(source.into(), dest.into(), ip::UDP, 44).emit(&mut head);
    head.to_vec()
}

/// A thousand rules of the usual kinds, of which none holds for the packets of the bench.
fn thousand_rules(extra: &str) -> String {
    let mut text = String::from("table ip t { chain c { type filter hook forward priority 0\n");
    let mut rng = Seed::from_u64(9).rng("rules");
    for _ in 0..600 {
        let address = Ipv4Addr::from_bits(0xac10_0000 + (rng.next_u32() >> 12));
        let len = 24 + rng.below(9);
        writeln!(text, "ip saddr {address}/{len} {extra} drop").expect("strings take everything");
    }
    for port in 0..200 {
        writeln!(text, "udp dport {} {extra} drop", 1000 + port).expect("strings take everything");
    }
    for number in 0..200 {
        let dest = Ipv4Addr::from_bits(0xc633_6402 + number);
        writeln!(text, "ip daddr {dest} tcp dport 22 {extra} accept")
            .expect("strings take everything");
    }
    text + "} }"
}

criterion_group!(benches, shares, rules, flows);
criterion_main!(benches);
