//! What a router costs for each packet: alone, with a filter of a thousand rules, and following and
//! translating a million flows; each also between stations on the in-memory switch.

mod packets;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use net_core::buf::{HeadBuf, RxBatch, TxBatch};
use net_core::conntrack::{FlowStatus, TrackConfig};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::route::Route;
use net_core::wire::{EtherType, EthernetHeader, MacAddr, ethernet};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, Stack};
use net_tokio::device::{Device, Switch, SwitchPort};
use packets::Protocol::{self, Tcp, Udp};
use packets::{datagram, flow};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Packets of 64 bytes that one turn takes in.
const BATCH: usize = 64;
/// What one turn is of the stack's time: a packet each microsecond.
const TURN: Duration = Duration::from_micros(64);

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
    let elsewhere = |number| datagram(flow(number * 7919));
    let among_them = |number: usize| {
        let (from, to) = flow(number * 7919);
        let source = SOURCES + u32::try_from(number * 7919).expect("small");
        datagram((
            SocketAddrV4::new(Ipv4Addr::from_bits(source), from.port()),
            to,
        ))
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
    // Where nothing is measured, enough for every way to be gone.
    let is_trial = std::env::args().any(|argument| argument == "--test");
    let many = if is_trial { 10_000 } else { 1_000_000 };
    for (count, protocol) in [(1_000_usize, Udp), (many, Udp), (many, Tcp)] {
        // Flows by chance, and as many packets as there are flows before they begin anew: what a million of them need
        // is kept by no cache.
        let mut rng = Seed::from_u64(5).rng("flows");
        let mut chosen = || usize::try_from(rng.below(count as u64)).expect("small");
        let packets = (0..count.next_multiple_of(BATCH)).map(|_| protocol.later(flow(chosen())));
        let packets: Vec<[u8; 64]> = packets
            .map(|packet| packet.try_into().expect("64"))
            .collect();
        let mut turns = packets.chunks(BATCH).cycle();
        let mut router = Router::new();
        router.open(count, protocol);
        group.bench_function(format!("{count} flows of {protocol:?}, masqueraded"), |b| {
            b.iter(|| router.forward(turns.next().expect("endless").iter()));
        });
        drop(router);
        let mut router = Router::of_stations();
        router.open(count, protocol);
        let mut network = Network::around(router);
        let name = format!("over a switch, {count} flows of {protocol:?}, masqueraded");
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

/// A stack between two links.
struct Router {
    stack: Stack,
    near: IfaceId,
    far: IfaceId,
    inbox: RxBatch,
    out: TxBatch,
    now: Instant,
    /// Bytes that a link puts in front of a packet.
    link_header: usize,
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
        let known = router
            .stack
            .set_neighbor(router.near, INSIDE.into(), SENDER);
        known.expect("a host on the link");
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
        for link in [near, far] {
            stack.set_forwarding(link, true).expect("an interface");
        }
        let inner = Route {
            prefix: IpCidr {
                address: Ipv4Addr::new(10, 0, 0, 0).into(),
                prefix_len: 8,
            },
            via: Some(INSIDE.into()),
            iface: near,
            source: None,
            metric: 0,
        };
        stack.add_route(inner).expect("a neighbour");
        Self {
            stack,
            near,
            far,
            inbox: RxBatch::default(),
            out: TxBatch::default(),
            now: Instant::ZERO,
            link_header: match kinds[0] {
                IfaceKind::Ethernet(_) => ethernet::HEADER_LEN,
                _ => 0,
            },
        }
    }

    /// Translates, and so many flows begin and are answered.
    fn open(&mut self, count: usize, protocol: Protocol) {
        translate(&mut self.stack);
        for first in (0..count).step_by(BATCH) {
            let numbers = first..(first + BATCH).min(count);
            let begin: Vec<_> = numbers.clone().map(|n| protocol.first(flow(n))).collect();
            let went = self.pass([self.near, self.far], &begin);
            let answers: Vec<_> = went.iter().map(|first| protocol.answer(first)).collect();
            self.pass([self.far, self.near], &answers);
            let then: Vec<_> = numbers.map(|n| protocol.later(flow(n))).collect();
            self.pass([self.near, self.far], &then);
        }
        let flows = self.stack.flows();
        let settled = flows.filter(|flow| flow.status.contains(FlowStatus::ASSURED));
        assert_eq!(settled.count(), count);
    }

    /// What packets that come in over one link are when they leave over the other, without what the links need.
    fn pass(&mut self, [from, to]: [IfaceId; 2], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let header = EthernetHeader {
            dest: if from == self.near { NEAR } else { FAR },
            source: if from == self.near { SENDER } else { RECEIVER },
            ethertype: EtherType::IPV4,
        };
        for packet in packets {
            let mut head = HeadBuf::new();
            head.prepend(packet.len()).copy_from_slice(packet);
            if self.link_header > 0 {
                header.emit(&mut head);
            }
            self.inbox.slot().frame.extend_from_slice(&head);
        }
        self.turn([from, to]);
        let mut left = Vec::new();
        // The router has groups and neighbours to speak of, too, so that some packets may have to wait.
        while !self.out.packets().is_empty() {
            let out = self.out.packets().iter();
            let out = out.map(|packet| packet.head[self.link_header..].to_vec());
            left.extend(out.filter(|out| out[0] == 0x45 && out[9] == packets[0][9]));
            self.out.clear();
            self.stack.poll_transmit(to, &mut self.out, self.now);
        }
        assert_eq!(left.len(), packets.len());
        left
    }

    /// What has come in over one link leaves over the other.
    fn turn(&mut self, [from, to]: [IfaceId; 2]) {
        self.now += TURN;
        if self.stack.poll_timeout().is_some_and(|due| due <= self.now) {
            self.stack.handle_timeout(self.now);
        }
        self.stack.handle_batch(from, &mut self.inbox, self.now);
        self.stack.poll_transmit(to, &mut self.out, self.now);
    }

    /// Whether it lets a packet through.
    fn passes(&mut self, packet: &[u8]) -> bool {
        self.inbox.slot().frame.extend_from_slice(packet);
        self.turn([self.near, self.far]);
        let passed = self.out.len() == 1;
        self.out.clear();
        passed
    }

    fn forward<'a, P: AsRef<[u8]> + 'a>(&mut self, packets: impl ExactSizeIterator<Item = &'a P>) {
        let count = packets.len();
        for packet in packets {
            self.inbox.slot().frame.extend_from_slice(packet.as_ref());
        }
        self.turn([self.near, self.far]);
        assert!(self.out.len() >= count);
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
        let router = &mut self.router;
        receive(&mut self.near, &mut router.inbox);
        router.turn([router.near, router.far]);
        send(&mut self.far, &mut router.out);
        receive(&mut self.receiver, &mut self.received);
        assert!(self.received.len() >= packets.len());
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

/// Which router the sender is to the one that is measured.
const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

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
