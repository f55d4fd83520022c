//! The core alone, driven from outside: no device, no runtime, no clock but the harness's own.
//!
//! This is the worked example for whoever embeds [`net_core`] in a harness of their own, be it a
//! simulator, a fuzzer or a packet script. `Machine` below is all the glue that is needed; the
//! tests then tell the life of a connection, step by step.

use bytes::BytesMut;
use net_core::buf::{RxBatch, RxPacket, TxBatch};
use net_core::config::CongestionAlgorithm;
use net_core::iface::{IfaceKind, IpCidr};
use net_core::route::Route;
use net_core::socket::{Family, IpOption, Readiness, Shutdown, TcpOption};
use net_core::stats::DropReason;
use net_core::tcp::{RecvFlags, SendFlags, State};
use net_core::time::Duration;
use net_core::wire::{IpHeader, TcpFlags, TcpHeader};
use net_core::{
    Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, SocketError, SocketId, Stack,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A stack with one point-to-point interface and a default route through it.
struct Machine {
    stack: Stack,
    iface: IfaceId,
}

impl Machine {
    /// All randomness (ports, sequence numbers, hash keys) comes from `seed`.
    fn new(seed: u64, address: IpAddr, mtu: u16) -> Self {
        let mut config = Config::default();
        // Settings of the stack; each has a documented default.
        config.tcp.timestamps = true;
        config.tcp.sack = true;
        config.tcp.initial_window = 10;
        config.tcp.congestion = CongestionAlgorithm::Cubic;
        let mut stack = Stack::new(config, Seed::from_u64(seed), Instant::ZERO);
        // No offloads: what goes out is what a wire would carry, checksums complete.
        let caps = DeviceCaps::default();
        let iface = IfaceConfig {
            name: "wire".into(),
            kind: IfaceKind::PointToPoint,
            mtu,
            addresses: vec![IpCidr {
                address,
                prefix_len: 32,
            }],
        };
        let iface = stack.add_iface(iface, caps).expect("a good interface");
        let default = Route {
            prefix: IpCidr {
                address: Ipv4Addr::UNSPECIFIED.into(),
                prefix_len: 0,
            },
            via: None,
            iface,
            source: None,
            metric: 0,
        };
        stack.add_route(default).expect("a good route");
        Self { stack, iface }
    }

    /// Injects one raw packet, now. It begins with the IP header.
    fn inject(&mut self, packet: &[u8], now: Instant) {
        let mut batch = RxBatch::default();
        batch.push(RxPacket::from_frame(BytesMut::from(packet)));
        self.stack.handle_batch(self.iface, &mut batch, now);
    }

    /// Takes every packet out that is to leave, each with its departure time.
    fn take(&mut self, now: Instant) -> Vec<(Instant, Vec<u8>)> {
        let mut taken = Vec::new();
        let mut batch = TxBatch::default();
        loop {
            self.stack.poll_transmit(self.iface, &mut batch, now);
            if batch.is_empty() {
                return taken;
            }
            for packet in batch.drain() {
                let mut bytes = BytesMut::new();
                packet.copy_to(&mut bytes);
                taken.push((packet.meta.departure, bytes.to_vec()));
            }
        }
    }

    /// When [`run_timers`](Self::run_timers) has something to do next.
    fn next_deadline(&self) -> Option<Instant> {
        self.stack.poll_timeout()
    }

    /// Fires what is due up to `now`.
    fn run_timers(&mut self, now: Instant) {
        self.stack.handle_timeout(now);
    }

    /// What changed since the last call: sockets with their readiness.
    fn events(&mut self) -> Vec<(SocketId, Readiness)> {
        let mut events = Vec::new();
        while let Some(event) = self.stack.poll_event() {
            events.push((event.socket, event.ready));
        }
        events
    }
}

/// Two machines and a wire between them on which a packet takes 10 ms.
struct World {
    a: Machine,
    b: Machine,
    now: Instant,
    /// By arrival and number: whether it goes to `b`, and its bytes.
    flying: BTreeMap<(Instant, u64), (bool, Vec<u8>)>,
    sent: u64,
}

impl World {
    fn new() -> Self {
        Self {
            a: Machine::new(1, A.into(), 1500),
            b: Machine::new(2, B.into(), 1500),
            now: Instant::ZERO,
            flying: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Puts on the wire what both machines have to send.
    fn collect(&mut self) {
        for (to_b, machine) in [(true, &mut self.a), (false, &mut self.b)] {
            for (departure, packet) in machine.take(self.now) {
                self.sent += 1;
                let arrival = departure + Duration::from_millis(10);
                self.flying.insert((arrival, self.sent), (to_b, packet));
            }
        }
    }

    /// Lets time pass, from one arrival or deadline to the next.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.collect();
            let arrival = self.flying.first_key_value().map(|(key, _)| key.0);
            let deadlines = [self.a.next_deadline(), self.b.next_deadline()];
            let next = deadlines.into_iter().chain([arrival]).flatten().min();
            let Some(next) = next.filter(|&next| next <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            if arrival.is_some_and(|arrival| arrival <= self.now)
                && let Some((_, (to_b, packet))) = self.flying.pop_first()
            {
                let machine = if to_b { &mut self.b } else { &mut self.a };
                machine.inject(&packet, self.now);
            }
            self.a.run_timers(self.now);
            self.b.run_timers(self.now);
        }
    }

    /// A connection from `a` to a listener on `b`: the ends at `a` and `b`, and the listener.
    fn connect(&mut self) -> (SocketId, SocketId, SocketId) {
        let listener = listen(&mut self.b);
        let client = self.a.stack.tcp_open(Family::V4).expect("a socket");
        let begun = self.a.stack.connect(client, SERVER, self.now);
        assert_eq!(begun, Err(SocketError::InProgress));
        self.run(Duration::from_millis(100));
        let (server, _) = self.b.stack.accept(listener).expect("a connection");
        (client, server, listener)
    }
}

fn listen(machine: &mut Machine) -> SocketId {
    let listener = machine.stack.tcp_open(Family::V4).expect("a socket");
    machine.stack.bind(listener, SERVER).expect("a free port");
    machine.stack.listen(listener, 8).expect("a listener");
    listener
}

/// The TCP header and the payload of a packet.
fn tcp(packet: &[u8]) -> (TcpHeader, &[u8]) {
    let ip = IpHeader::parse(packet, packet.len()).expect("an IP packet");
    let segment = &packet[ip.header_len..];
    let header = TcpHeader::parse(segment).expect("a TCP segment");
    let payload = &segment[header.header_len..];
    (header, payload)
}

#[test]
fn a_handshake_packet_by_packet() {
    let World { mut a, mut b, .. } = World::new();
    let listener = listen(&mut b);

    // A non-blocking connect begins, and the SYN is there to be taken.
    let client = a.stack.tcp_open(Family::V4).expect("a socket");
    let start = Instant::from_millis(5);
    let begun = a.stack.connect(client, SERVER, start);
    assert_eq!(begun, Err(SocketError::InProgress));
    let syn = a.take(start);
    assert_eq!(syn.len(), 1);
    assert_eq!(syn[0].0, start, "it may leave at once");
    assert_eq!(tcp(&syn[0].1).0.flags, TcpFlags::SYN);

    // The harness loses it. Nothing happens before the deadline; then the SYN comes again.
    let deadline = a.next_deadline().expect("the retransmission timer");
    let due = start + Duration::from_secs(1);
    assert!(deadline <= due && deadline > due - Duration::from_millis(50));
    a.run_timers(start + Duration::from_millis(900));
    assert!(a.take(start + Duration::from_millis(900)).is_empty());
    let now = due + Duration::from_millis(1);
    a.run_timers(now);
    let again = a.take(now);
    assert_eq!(tcp(&again[0].1).0.seq, tcp(&syn[0].1).0.seq);

    // This one arrives. Whether anything is to be accepted is not known yet.
    b.inject(&again[0].1, now);
    let not_yet = b.stack.accept(listener).expect_err("half open");
    assert_eq!(not_yet, SocketError::WouldBlock);
    let syn_ack = b.take(now);
    assert_eq!(tcp(&syn_ack[0].1).0.flags, TcpFlags::SYN | TcpFlags::ACK);

    // The client is connected, which is an event and a level that can be asked for.
    a.inject(&syn_ack[0].1, now);
    let connected = Readiness::CONNECTED | Readiness::WRITABLE;
    assert_eq!(a.events(), [(client, connected)]);
    assert!(a.events().is_empty(), "each change is told once");
    assert_eq!(a.stack.readiness(client), connected);

    // Its ACK makes the listener ready.
    for (_, packet) in a.take(now) {
        b.inject(&packet, now);
    }
    let acceptable = Readiness::READABLE | Readiness::ACCEPTABLE;
    assert!(b.events().contains(&(listener, acceptable)));
    let (server, from) = b.stack.accept(listener).expect("a connection");
    assert_eq!(from, a.stack.local_addr(client).expect("bound by connect"));
    assert_eq!(a.stack.peer_addr(client), b.stack.local_addr(server));
}

#[test]
fn a_transfer_with_its_flags() {
    let mut world = World::new();
    let (client, server, _) = world.connect();
    let now = world.now;

    // More is to follow: a partial segment waits for it, but not for ever.
    let mut socket = world.a.stack.tcp(client, now).expect("a TCP socket");
    assert_eq!(socket.send(b"one ", SendFlags::MORE), Ok(4));
    drop(socket);
    assert!(world.a.take(now).is_empty());
    let deadline = world.a.next_deadline().expect("the cork's timer");
    assert!(deadline <= now + Duration::from_millis(200));
    let mut socket = world.a.stack.tcp(client, now).expect("a TCP socket");
    assert_eq!(socket.send(b"segment", SendFlags::empty()), Ok(7));
    drop(socket);
    let sent = world.a.take(now);
    assert_eq!(sent.len(), 1);
    assert_eq!(tcp(&sent[0].1).1, b"one segment");
    world.b.inject(&sent[0].1, now);

    // The receiver sees how much there is, peeks, reads, and finds no more.
    assert!(
        world
            .b
            .stack
            .readiness(server)
            .contains(Readiness::READABLE)
    );
    let mut socket = world.b.stack.tcp(server, now).expect("a TCP socket");
    assert_eq!(socket.unread(), 11);
    let mut buf = [0; 64];
    assert_eq!(socket.recv(&mut buf[..3], RecvFlags::PEEK), Ok(3));
    assert_eq!(socket.recv(&mut buf, RecvFlags::empty()), Ok(11));
    assert_eq!(buf[..11], *b"one segment");
    let empty = socket.recv(&mut buf, RecvFlags::empty());
    assert_eq!(empty, Err(SocketError::WouldBlock));
    drop(socket);

    // A megabyte: send until there is no room, let time pass, receive, repeat.
    let data: Vec<u8> = (0..1 << 20).map(tests::hosts::pattern).collect();
    let (mut sent, mut received) = (0, Vec::new());
    while received.len() < data.len() {
        let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
        while let Ok(count) = socket.send(&data[sent..], SendFlags::empty())
            && count > 0
        {
            sent += count;
        }
        drop(socket);
        world.run(Duration::from_millis(10));
        let mut socket = world.b.stack.tcp(server, world.now).expect("a TCP socket");
        let mut buf = [0; 4096];
        while let Ok(count) = socket.recv(&mut buf, RecvFlags::empty()) {
            received.extend_from_slice(&buf[..count]);
        }
        assert!(world.now < Instant::from_millis(10_000), "{sent} sent");
    }
    assert!(received == data);

    // What is known about the connection.
    world.run(Duration::from_millis(100));
    let socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
    let info = socket.info().expect("a connection");
    assert_eq!(info.state, State::Established);
    assert_eq!((info.in_flight, info.send_queue), (0, 0));
    // The segment that was brought over by hand had only the way back to take.
    assert_eq!(info.rtt_min, Some(Duration::from_millis(10)));
    assert_eq!(
        (info.retransmits, info.sack, info.timestamps),
        (0, true, true)
    );
    assert_eq!(info.send_mss, 1500 - 20 - 20 - 12);
}

#[test]
fn a_close_one_direction_after_the_other() {
    let mut world = World::new();
    let (client, server, listener) = world.connect();

    // shutdown(SHUT_WR): no more from here, and writing fails from now on.
    let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
    socket
        .send(b"a last word", SendFlags::empty())
        .expect("room");
    socket.finish();
    let late = socket.send(b"too late", SendFlags::empty());
    assert_eq!(late, Err(SocketError::BrokenPipe));
    drop(socket);
    world.run(Duration::from_millis(100));

    // The peer reads what was sent, then the end of the stream, and may still answer.
    let ready = world.b.stack.readiness(server);
    assert!(ready.contains(Readiness::READABLE | Readiness::PEER_CLOSED | Readiness::WRITABLE));
    assert!(!ready.contains(Readiness::HANG_UP));
    let mut socket = world.b.stack.tcp(server, world.now).expect("a TCP socket");
    assert_eq!(socket.state(), State::CloseWait);
    let mut buf = [0; 64];
    assert_eq!(socket.recv(&mut buf, RecvFlags::empty()), Ok(11));
    assert_eq!(socket.recv(&mut buf, RecvFlags::empty()), Ok(0));
    socket.send(b"an answer", SendFlags::empty()).expect("room");
    drop(socket);

    // close: the id is stale at once, the protocol carries on without it.
    world.b.stack.close(server, world.now);
    assert!(world.b.stack.tcp(server, world.now).is_none());
    world.run(Duration::from_millis(100));
    assert!(world.a.stack.readiness(client).contains(Readiness::HANG_UP));
    let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
    assert_eq!(socket.recv(&mut buf, RecvFlags::empty()), Ok(9));
    assert_eq!(socket.recv(&mut buf, RecvFlags::empty()), Ok(0));
    drop(socket);
    world.a.stack.close(client, world.now);
    world.b.stack.close(listener, world.now);

    // After TIME_WAIT nothing is left, and nothing is due.
    world.run(Duration::from_secs(61));
    for machine in [&world.a, &world.b] {
        assert_eq!(machine.stack.sockets(), 0);
        assert_eq!(machine.next_deadline(), None);
    }
}

#[test]
fn what_the_network_did_is_a_pending_error() {
    let mut world = World::new();
    // Nobody listens: the RST becomes the socket's pending error, which is told once.
    let client = world.a.stack.tcp_open(Family::V4).expect("a socket");
    let begun = world.a.stack.connect(client, SERVER, world.now);
    assert_eq!(begun, Err(SocketError::InProgress));
    world.run(Duration::from_millis(100));
    assert!(world.a.stack.readiness(client).contains(Readiness::ERROR));
    let error = world.a.stack.take_error(client);
    assert_eq!(error, Some(SocketError::ConnectionRefused));
    assert_eq!(world.a.stack.take_error(client), None);

    // Unread data at close, or linger 0, cut the connection: the peer is reset.
    let (client, server, _) = world.connect();
    let linger = TcpOption::Linger(Some(Duration::ZERO));
    let set = world.b.stack.set_tcp_option(server, linger, world.now);
    assert_eq!(set, Ok(()));
    world.b.stack.close(server, world.now);
    world.run(Duration::from_millis(100));
    let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
    let reset = socket.recv(&mut [0; 9], RecvFlags::empty());
    assert_eq!(reset, Err(SocketError::ConnectionReset));
}

#[test]
fn options_of_a_connection_show_in_its_packets() {
    let mut world = World::new();
    let (client, ..) = world.connect();
    for option in [IpOption::Tos(0x10), IpOption::Ttl(Some(9))] {
        let set = world.a.stack.set_ip_option(client, option);
        assert_eq!(set, Ok(()), "{option:?}");
    }
    let settings = world.a.stack.tcp_settings(client).expect("a TCP socket");
    assert_eq!((settings.ip.tos, settings.ip.ttl), (0x10, Some(9)));
    // A value out of range is refused with the reason.
    let bad = IpOption::Ttl(Some(0));
    let set = world.a.stack.set_ip_option(client, bad);
    assert!(matches!(set, Err(SocketError::InvalidInput(_))));
    let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
    socket.send(b"hello", SendFlags::empty()).expect("room");
    drop(socket);
    let (_, packet) = world.a.take(world.now).remove(0);
    let ip = IpHeader::parse(&packet, packet.len()).expect("an IP packet");
    assert_eq!((ip.tos, ip.ttl), (0x10, 9));
}

#[test]
fn an_urgent_byte_comes_apart_from_the_stream() {
    let mut world = World::new();
    let (client, server, _) = world.connect();
    let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
    assert_eq!(socket.send(b"before!", SendFlags::URGENT), Ok(7));
    assert_eq!(socket.send(b"behind", SendFlags::empty()), Ok(6));
    drop(socket);
    world.run(Duration::from_millis(100));

    let ready = world.b.stack.readiness(server);
    assert!(ready.contains(Readiness::URGENT | Readiness::READABLE));
    let mut socket = world.b.stack.tcp(server, world.now).expect("a TCP socket");
    let mut buf = [0; 64];
    assert_eq!(socket.recv(&mut buf, RecvFlags::URGENT), Ok(1));
    assert_eq!(buf[0], b'!');
    // A read ends at the mark, and the next one goes on behind it.
    assert_eq!(socket.recv(&mut buf, RecvFlags::empty()), Ok(6));
    assert_eq!(&buf[..6], b"before");
    assert!(socket.is_at_mark());
    assert_eq!(socket.recv(&mut buf, RecvFlags::empty()), Ok(6));
    assert_eq!(&buf[..6], b"behind");
    drop(socket);
    assert!(!world.b.stack.readiness(server).contains(Readiness::URGENT));
}

#[test]
fn each_direction_is_shut_down_on_its_own_or_both_at_once() {
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        let mut world = World::new();
        let (client, server, _) = world.connect();
        assert_eq!(world.a.stack.shutdown(client, how, world.now), Ok(()));
        world.run(Duration::from_millis(100));
        let (ends_writing, ends_reading) = (how != Shutdown::Read, how != Shutdown::Write);

        // Who has shut down writing cannot write, and the peer sees the end of the stream.
        let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
        let written = socket.send(b"one", SendFlags::empty());
        drop(socket);
        let ended = world.b.stack.readiness(server);
        let refused = Err(SocketError::BrokenPipe);
        assert_eq!(
            written,
            if ends_writing { refused } else { Ok(3) },
            "{how:?}"
        );
        assert_eq!(
            ended.contains(Readiness::PEER_CLOSED),
            ends_writing,
            "{how:?}"
        );

        // Who has shut down reading reads the end at once, and what comes is acknowledged all the same.
        let mut socket = world.b.stack.tcp(server, world.now).expect("a TCP socket");
        assert_eq!(socket.send(b"answer", SendFlags::empty()), Ok(6));
        drop(socket);
        world.run(Duration::from_millis(100));
        let socket = world.b.stack.tcp(server, world.now).expect("a TCP socket");
        assert_eq!(socket.info().expect("a connection").in_flight, 0, "{how:?}");
        drop(socket);
        let mut socket = world.a.stack.tcp(client, world.now).expect("a TCP socket");
        let got = socket.recv(&mut [0; 64], RecvFlags::empty());
        assert_eq!(got, Ok(if ends_reading { 0 } else { 6 }), "{how:?}");
    }
}

#[test]
fn garbage_is_dropped_for_a_counted_reason() {
    let mut world = World::new();
    world.a.inject(&[], world.now);
    world.a.inject(&[0x45; 10], world.now);
    world.a.inject(&[0xff; 100], world.now);
    let stats = world.a.stack.stats();
    assert_eq!(stats.drops(DropReason::Truncated), 2);
    assert_eq!(stats.drops(DropReason::IpVersion), 1);
    assert!(world.a.take(world.now).is_empty());
}

const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const B: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(B), 80);
