//! What a router costs for each packet: alone, with a filter of a thousand rules, and following and
//! translating a million flows; each also between stations on the in-memory switch.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use net_core::buf::{HeadBuf, RxBatch, TxBatch};
use net_core::conntrack::TrackConfig;
use net_core::iface::{IfaceKind, IpCidr};
use net_core::wire::{EtherType, EthernetHeader, IpHeader, MacAddr, UdpHeader, ip};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, Stack};
use net_tokio::device::{Device, Switch, SwitchPort};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Packets of 64 bytes that one turn takes in.
const BATCH: usize = 64;

fn rules(c: &mut Criterion) {
    let mut group = c.benchmark_group("router, 64 packets of 64 bytes");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, mut router, packets) in filtering(Router::new) {
        group.bench_function(name, |b| b.iter(|| router.forward(packets.iter())));
    }
    for (name, router, packets) in filtering(Router::of_stations) {
        let mut network = Network::around(router);
        let name = format!("over a switch, {name}");
        group.bench_function(name, |b| b.iter(|| network.forward(&packets)));
    }
}

/// What rules take off the throughput. Turn and turn about, so that whatever else the machine does is done
/// to all alike; and the fastest turn of each, which nobody came between, and the one in the middle.
fn shares(_: &mut Criterion) {
    let mut bare = filtering(Router::new).map(|row| (row, Vec::new()));
    for _ in 0..TURNS {
        for ((_, router, packets), times) in &mut bare {
            times.push(time(|| router.forward(packets.iter())));
        }
    }
    report("alone", bare.map(|((name, ..), times)| (name, times)));
    let mut switched = filtering(Router::of_stations)
        .map(|(name, router, packets)| (name, Network::around(router), packets, Vec::new()));
    for _ in 0..TURNS {
        for (_, network, packets, times) in &mut switched {
            times.push(time(|| network.forward(packets)));
        }
    }
    report(
        "over a switch",
        switched.map(|(name, .., times)| (name, times)),
    );
}

fn time(turn: impl FnOnce()) -> Duration {
    let begin = std::time::Instant::now();
    turn();
    begin.elapsed()
}

/// Says how many packets a second that is, and how many fewer than in the first row.
fn report(place: &str, rows: [(&str, Vec<Duration>); ROWS]) {
    let mut first = None;
    for (name, mut times) in rows {
        times.sort();
        let times = [times[0], times[times.len() / 2]].map(|time| time.as_secs_f64());
        let first = *first.get_or_insert(times);
        let [fastest, middle] = times.map(|time| BATCH as f64 / time / 1e6);
        let lost = |at: usize| 100.0 - 100.0 * first[at] / times[at];
        println!(
            "turn and turn about, {place}, {name}: {fastest:.2} million packets a second in the fastest \
             turn, {:.1} % lost; {middle:.2} in the middle one, {:.1} % lost",
            lost(0),
            lost(1)
        );
    }
}

/// How often each is looked at.
const TURNS: usize = 5000;

/// A row: its name, a router without a filter or with one of a thousand rules, and what goes through it.
type Row = (&'static str, Router, Vec<Vec<u8>>);

/// The packet of a number.
type Numbered<'a> = &'a dyn Fn(usize) -> Vec<u8>;

const ROWS: usize = 4;

fn filtering(make: fn() -> Router) -> [Row; ROWS] {
    // What holds always keeps rules from being one lookup.
    let [sets, singly] = ["", "meta length >= 0"].map(thousand_rules);
    let elsewhere = |number| packet(flow(number * 7919));
    let among_them = |number: usize| {
        let (_, port, dest) = flow(number * 7919);
        let source = SOURCES + u32::try_from(number * 7919).expect("small");
        packet((Ipv4Addr::from_bits(source), port, dest))
    };
    let rows: [(_, Option<&str>, Numbered<'_>); ROWS] = [
        ("empty hooks", None, &elsewhere),
        ("1,000 rules as sets", Some(&sets), &elsewhere),
        (
            "1,000 rules as sets, sources among theirs",
            Some(&sets),
            &among_them,
        ),
        ("1,000 rules one by one", Some(&singly), &elsewhere),
    ];
    rows.map(|(name, filter, packets)| {
        let (mut router, mut chooser) = (make(), Router::new());
        for router in [&mut router, &mut chooser] {
            if let Some(filter) = filter {
                let ruleset = filter.parse().expect("rules of our own");
                router.stack.set_filter(ruleset).expect("rules of our own");
            }
        }
        // None that a rule holds for.
        let all = (0..100).map(packets);
        let passing = all.filter(|packet| chooser.passes(packet));
        let packets: Vec<_> = passing.take(BATCH).collect();
        assert_eq!(packets.len(), BATCH);
        (name, router, packets)
    })
}

fn flows(c: &mut Criterion) {
    let mut group = c.benchmark_group("router, following and translating");
    group.throughput(Throughput::Elements(BATCH as u64));
    for count in [1_000_usize, 1_000_000] {
        // Flows by chance, and as many packets as there are flows before they begin anew: what a million of them need
        // is kept by no cache.
        let mut rng = Seed::from_u64(5).rng("flows");
        let mut chosen = || usize::try_from(rng.below(count as u64)).expect("small");
        let packets = (0..count.next_multiple_of(BATCH)).map(|_| packet(flow(chosen())));
        let packets: Vec<[u8; 64]> = packets
            .map(|packet| packet.try_into().expect("64"))
            .collect();
        let mut turns = packets.chunks(BATCH).cycle();
        let mut router = Router::new();
        translate(&mut router.stack);
        in_batches(count, |packets| router.forward(packets.iter()));
        assert_eq!(router.stack.flows().count(), count);
        group.bench_function(format!("{count} flows, masqueraded"), |b| {
            b.iter(|| router.forward(turns.next().expect("endless").iter()));
        });
        drop(router);
        let mut router = Router::of_stations();
        translate(&mut router.stack);
        let mut network = Network::around(router);
        in_batches(count, |packets| network.forward(packets));
        assert_eq!(network.router.stack.flows().count(), count);
        let name = format!("over a switch, {count} flows, masqueraded");
        group.bench_function(name, |b| {
            b.iter(|| network.forward(turns.next().expect("endless")));
        });
    }
}

/// Has a router follow flows and give all of them its own address.
fn translate(router: &mut Stack) {
    router.set_tracking(Some(TrackConfig {
        max_flows: 1 << 20,
        ..TrackConfig::default()
    }));
    let rules = "table ip nat { chain post { type nat hook postrouting priority srcnat
                 oifname far masquerade; } }";
    let ruleset = rules.parse().expect("rules of our own");
    router.set_filter(ruleset).expect("rules of our own");
}

/// The first packets of so many flows.
fn in_batches(count: usize, mut forward: impl FnMut(&[Vec<u8>])) {
    for first in (0..count).step_by(BATCH) {
        let last = (first + BATCH).min(count);
        let packets: Vec<_> = (first..last).map(|n| packet(flow(n))).collect();
        forward(&packets);
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
        Self::over([IfaceKind::PointToPoint; 2], DeviceCaps::default())
    }

    /// One for two ports of a switch.
    fn of_stations() -> Self {
        let kinds = [NEAR, FAR].map(IfaceKind::Ethernet);
        let mut router = Self::over(kinds, Switch::new().port().caps());
        for last in 2..22 {
            let host = Ipv4Addr::new(198, 51, 100, last).into();
            let known = router.stack.set_neighbor(router.far, host, RECEIVER);
            known.expect("a host on the link");
        }
        router
    }

    fn over(kinds: [IfaceKind; 2], caps: DeviceCaps) -> Self {
        let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
        let mut link = |name: &str, kind, address: [u8; 4]| {
            let config = IfaceConfig {
                name: name.into(),
                kind,
                mtu: 1500,
                addresses: vec![IpCidr {
                    address: Ipv4Addr::from(address).into(),
                    prefix_len: 24,
                }],
            };
            let added = stack.add_iface(config, caps);
            added.expect("a good address")
        };
        let near = link("near", kinds[0], [192, 0, 2, 1]);
        let far = link("far", kinds[1], [198, 51, 100, 1]);
        stack.set_forwarding(near, true).expect("an interface");
        Self {
            stack,
            near,
            far,
            inbox: RxBatch::default(),
            out: TxBatch::default(),
        }
    }

    /// Whether it lets a packet through.
    fn passes(&mut self, packet: &[u8]) -> bool {
        self.inbox.slot().frame.extend_from_slice(packet);
        self.stack
            .handle_batch(self.near, &mut self.inbox, Instant::ZERO);
        self.stack
            .poll_transmit(self.far, &mut self.out, Instant::ZERO);
        let passed = self.out.len() == 1;
        self.out.clear();
        passed
    }

    fn forward<'a, P: AsRef<[u8]> + 'a>(&mut self, packets: impl ExactSizeIterator<Item = &'a P>) {
        let count = packets.len();
        for packet in packets {
            self.inbox.slot().frame.extend_from_slice(packet.as_ref());
        }
        self.stack
            .handle_batch(self.near, &mut self.inbox, Instant::ZERO);
        self.stack
            .poll_transmit(self.far, &mut self.out, Instant::ZERO);
        assert_eq!(self.out.len(), count);
        self.out.clear();
    }
}

/// Four ports of one switch: whoever sends, the router's two, and whoever receives.
struct Network {
    sender: SwitchPort,
    router: Router,
    near: SwitchPort,
    far: SwitchPort,
    receiver: SwitchPort,
    sent: TxBatch,
    received: RxBatch,
}

impl Network {
    fn around(router: Router) -> Self {
        let switch = Switch::new();
        let port = |mac| switch.port_for(mac);
        let mut network = Self {
            sender: port(SENDER),
            router,
            near: port(NEAR),
            far: port(FAR),
            receiver: port(RECEIVER),
            sent: TxBatch::default(),
            received: RxBatch::default(),
        };
        // The switch learns where everybody is.
        let ends = [(RECEIVER, FAR), (FAR, RECEIVER), (NEAR, SENDER)];
        for (source, dest) in ends {
            let header = EthernetHeader {
                dest,
                source,
                ethertype: EtherType::NONE,
            };
            header.emit(&mut network.sent.slot().head);
            let from = match source {
                RECEIVER => &mut network.receiver,
                FAR => &mut network.far,
                _ => &mut network.near,
            };
            send(from, &mut network.sent);
        }
        for port in [&mut network.sender, &mut network.near, &mut network.far] {
            receive(port, &mut network.received);
        }
        receive(&mut network.receiver, &mut network.received);
        network.received.clear();
        network
    }

    /// Has packets go from the sender to the receiver, who counts them.
    fn forward(&mut self, packets: &[impl AsRef<[u8]>]) {
        let header = EthernetHeader {
            dest: NEAR,
            source: SENDER,
            ethertype: EtherType::IPV4,
        };
        for packet in packets.iter().map(AsRef::as_ref) {
            let head = &mut self.sent.slot().head;
            head.prepend(packet.len()).copy_from_slice(packet);
            header.emit(head);
        }
        send(&mut self.sender, &mut self.sent);
        let Router {
            stack,
            near,
            far,
            inbox,
            out,
        } = &mut self.router;
        receive(&mut self.near, inbox);
        stack.handle_batch(*near, inbox, Instant::ZERO);
        stack.poll_transmit(*far, out, Instant::ZERO);
        send(&mut self.far, out);
        receive(&mut self.receiver, &mut self.received);
        assert_eq!(self.received.len(), packets.len());
        self.received.clear();
    }
}

/// A port takes everything at once.
fn send(port: &mut SwitchPort, batch: &mut TxBatch) {
    let mut cx = Context::from_waker(Waker::noop());
    let sent = port.poll_send(&mut cx, batch, Instant::ZERO);
    assert!(matches!(sent, Poll::Ready(Ok(()))));
}

/// What waits at a port.
fn receive(port: &mut SwitchPort, batch: &mut RxBatch) {
    let mut cx = Context::from_waker(Waker::noop());
    if let Poll::Ready(received) = port.poll_recv(&mut cx, batch, BATCH) {
        received.expect("the switch is there");
    }
}

const SENDER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const NEAR: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);
const FAR: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 3]);
const RECEIVER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 4]);

/// The flow of a number: source, its port, destination.
fn flow(number: usize) -> (Ipv4Addr, u16, Ipv4Addr) {
    let (host, port) = (number / PORTS, number % PORTS);
    let low = u32::try_from(number % 60_000).expect("small");
    let last = u8::try_from(host + 2).expect("at most 20 destinations");
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

/// 172.16.0.0/12, where the rules' sources are.
const SOURCES: u32 = 0xac10_0000;

/// A thousand rules of the usual kinds, of which none holds for the packets of the bench.
fn thousand_rules(extra: &str) -> String {
    let mut text = String::from("table ip t { chain c { type filter hook forward priority 0\n");
    let mut rng = Seed::from_u64(9).rng("rules");
    for _ in 0..600 {
        let address = Ipv4Addr::from_bits(SOURCES + (rng.next_u32() >> 12));
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
