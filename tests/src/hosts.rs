//! Two cores joined by an impaired link, under virtual time.

use bytes::BytesMut;
use net_core::buf::{RxBatch, RxPacket, TxBatch};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::seed::Rng;
use net_core::socket::Family;
use net_core::tcp::{RecvFlags, SendFlags};
use net_core::time::Duration;
use net_core::{
    Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, SocketError, SocketId, Stack,
};
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};

/// One direction of a link.
#[derive(Debug, Clone, Copy)]
pub struct Impairment {
    /// One-way delay.
    pub delay: Duration,
    /// Packets lost, of a million.
    pub loss_ppm: u64,
    /// Packets held back by `reorder_by`, of a million.
    pub reorder_ppm: u64,
    /// How long; zero: another `delay`.
    pub reorder_by: Duration,
    /// Packets that arrive twice, of a million.
    pub duplicate_ppm: u64,
    /// ECN-capable IPv6 packets marked with Congestion Experienced, of a million.
    pub mark_ppm: u64,
    /// Bits a second; 0: no limit.
    pub rate: u64,
    /// Nothing gets through from one moment to the other.
    pub down: Option<(Instant, Instant)>,
}

impl Default for Impairment {
    fn default() -> Self {
        let delay = Duration::from_millis(10);
        Self {
            delay,
            loss_ppm: 0,
            reorder_ppm: 0,
            reorder_by: Duration::ZERO,
            duplicate_ppm: 0,
            mark_ppm: 0,
            rate: 0,
            down: None,
        }
    }
}

/// A stack with one interface and a default route.
#[derive(Debug)]
pub struct Host {
    /// The stack.
    pub stack: Stack,
    /// Its interface.
    pub iface: IfaceId,
    out: TxBatch,
    free_at: Instant,
}

/// A packet on the link: arrival (negated order), number, which host it goes to, its bytes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flying(std::cmp::Reverse<(Instant, u64)>, usize, Vec<u8>);

/// Two hosts and what is between them.
#[derive(Debug)]
pub struct Pair {
    /// Host 0 at 10.0.0.1 and fd00::1, host 1 at 10.0.0.2 and fd00::2.
    pub hosts: [Host; 2],
    /// The clock.
    pub now: Instant,
    /// From host 0 to host 1, and back.
    pub links: [Impairment; 2],
    /// Numbers (counted from 0 on each direction) of packets to lose.
    pub lose: [Vec<u64>; 2],
    /// Every packet that was sent: when, by which host, its bytes.
    pub trace: Vec<(Instant, usize, Vec<u8>)>,
    /// Whether `trace` is kept.
    pub tracing: bool,
    counts: [u64; 2],
    flying: BinaryHeap<Flying>,
    rng: Rng,
    number: u64,
}

/// The address of host `index` in a family.
#[must_use]
pub fn address(index: usize, v6: bool) -> IpAddr {
    let last = u8::try_from(index + 1).expect("two hosts");
    if v6 {
        IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)])
    } else {
        [10, 0, 0, last].into()
    }
}

impl Pair {
    /// Two hosts with the same configuration.
    #[must_use]
    pub fn new(seed: u64, mtu: u16, config: &Config, link: Impairment) -> Self {
        let host = |index: usize| {
            let seed = Seed::from_u64(seed * 2 + index as u64);
            let mut stack = Stack::new(config.clone(), seed, Instant::ZERO);
            let mut addresses = vec![IpCidr {
                address: address(index, false),
                prefix_len: 24,
            }];
            if mtu >= 1280 {
                addresses.push(IpCidr {
                    address: address(index, true),
                    prefix_len: 64,
                });
            }
            let kind = IfaceKind::PointToPoint;
            let iface = IfaceConfig {
                name: "link".into(),
                kind,
                mtu,
                addresses,
            };
            let iface = stack
                .add_iface(iface, DeviceCaps::default())
                .expect("good addresses");
            Host {
                stack,
                iface,
                out: TxBatch::with_capacity(128),
                free_at: Instant::ZERO,
            }
        };
        println!("seed {seed}");
        Self {
            hosts: [host(0), host(1)],
            now: Instant::ZERO,
            links: [link, link],
            lose: [Vec::new(), Vec::new()],
            trace: Vec::new(),
            tracing: false,
            counts: [0; 2],
            flying: BinaryHeap::new(),
            rng: Seed::from_u64(seed).rng("link"),
            number: 0,
        }
    }

    /// Puts what both hosts have to send on the link.
    pub fn flush(&mut self) {
        for index in 0..2 {
            loop {
                let host = &mut self.hosts[index];
                host.stack
                    .poll_transmit(host.iface, &mut host.out, self.now);
                if host.out.is_empty() {
                    break;
                }
                let packets: Vec<_> = host.out.drain().collect();
                for packet in packets {
                    let mut bytes = BytesMut::new();
                    packet.copy_to(&mut bytes);
                    self.launch(index, bytes.to_vec());
                }
            }
        }
    }

    fn launch(&mut self, from: usize, mut bytes: Vec<u8>) {
        let count = self.counts[from];
        self.counts[from] += 1;
        if self.tracing {
            self.trace.push((self.now, from, bytes.clone()));
        }
        let link = self.links[from];
        let mut chance = |ppm: u64| ppm > 0 && self.rng.below(1_000_000) < ppm;
        let down = link
            .down
            .is_some_and(|(from, until)| (from..until).contains(&self.now));
        if down || self.lose[from].contains(&count) || chance(link.loss_ppm) {
            return;
        }
        if let [0x60, second, ..] = &mut bytes[..]
            && *second & 0x30 != 0
            && chance(link.mark_ppm)
        {
            *second |= 0x30;
        }
        let late = chance(link.reorder_ppm);
        let copies = 1 + usize::from(chance(link.duplicate_ppm));
        let host = &mut self.hosts[from];
        let mut start = self.now;
        let work = bytes.len() as u64 * 8_000_000_000;
        if let Some(nanos) = work.checked_div(link.rate) {
            host.free_at = host.free_at.max(self.now) + Duration::from_nanos(nanos);
            start = host.free_at;
        }
        let mut at = start + link.delay;
        if late {
            at += if link.reorder_by.is_zero() {
                link.delay
            } else {
                link.reorder_by
            };
        }
        for _ in 0..copies {
            self.number += 1;
            let key = std::cmp::Reverse((at, self.number));
            self.flying.push(Flying(key, 1 - from, bytes.clone()));
        }
    }

    /// Goes on to the next thing that happens; `false` when nothing will, or not by `until`.
    pub fn step(&mut self, until: Instant) -> bool {
        self.flush();
        let arrival = self.flying.peek().map(|flying| flying.0.0.0);
        let timers = self
            .hosts
            .iter()
            .filter_map(|host| host.stack.poll_timeout())
            .min();
        let Some(next) = arrival.into_iter().chain(timers).min() else {
            return false;
        };
        if next > until {
            self.now = until;
            return false;
        }
        self.now = self.now.max(next);
        while let Some(flying) = self.flying.peek()
            && flying.0.0.0 <= self.now
        {
            let Some(Flying(_, to, bytes)) = self.flying.pop() else {
                break;
            };
            let mut batch = RxBatch::default();
            batch.push(RxPacket::from_frame(BytesMut::from(&bytes[..])));
            let host = &mut self.hosts[to];
            host.stack.handle_batch(host.iface, &mut batch, self.now);
        }
        for host in &mut self.hosts {
            host.stack.handle_timeout(self.now);
        }
        self.flush();
        true
    }

    /// Runs for `time`.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// Brings one packet from outside to a host.
    pub fn inject(&mut self, to: usize, bytes: &[u8]) {
        let mut batch = RxBatch::default();
        batch.push(RxPacket::from_frame(BytesMut::from(bytes)));
        let host = &mut self.hosts[to];
        host.stack.handle_batch(host.iface, &mut batch, self.now);
        self.flush();
    }

    /// Host 1 listens, host 0 connects; both ends of the established connection.
    ///
    /// # Panics
    /// If they do not get connected within a minute.
    pub fn connect(&mut self, v6: bool) -> (SocketId, SocketId) {
        let (listener, server) = self.listen(v6, 128);
        let client = self.open(0, server);
        let until = self.now + Duration::from_secs(60);
        loop {
            if let Ok((accepted, _)) = self.hosts[1].stack.accept(listener) {
                self.hosts[1].stack.close(listener, self.now);
                return (client, accepted);
            }
            assert!(self.step(until), "not connected after a minute");
        }
    }

    /// Host 1 listens on a free port.
    pub fn listen(&mut self, v6: bool, backlog: u32) -> (SocketId, SocketAddr) {
        let stack = &mut self.hosts[1].stack;
        let family = if v6 { Family::V6 } else { Family::V4 };
        let listener = stack.tcp_open(family).expect("a socket");
        stack
            .bind(listener, SocketAddr::new(address(1, v6), 0))
            .expect("a port");
        stack.listen(listener, backlog).expect("a listener");
        (listener, stack.local_addr(listener).expect("bound"))
    }

    /// Begins a connection from a host.
    pub fn open(&mut self, host: usize, to: SocketAddr) -> SocketId {
        let stack = &mut self.hosts[host].stack;
        let family = if to.is_ipv6() { Family::V6 } else { Family::V4 };
        let client = stack.tcp_open(family).expect("a socket");
        assert_eq!(
            stack.connect(client, to, self.now),
            Err(SocketError::InProgress)
        );
        client
    }

    /// Sends as much of `data` as there is room for.
    pub fn send(&mut self, host: usize, id: SocketId, data: &[u8]) -> Result<usize, SocketError> {
        let mut tcp = self.hosts[host]
            .stack
            .tcp(id, self.now)
            .ok_or(SocketError::NoSuchSocket)?;
        tcp.send(data, SendFlags::empty())
    }

    /// Receives what is there.
    pub fn recv(
        &mut self,
        host: usize,
        id: SocketId,
        buf: &mut [u8],
    ) -> Result<usize, SocketError> {
        let mut tcp = self.hosts[host]
            .stack
            .tcp(id, self.now)
            .ok_or(SocketError::NoSuchSocket)?;
        tcp.recv(buf, RecvFlags::empty())
    }

    /// Closes the sending side.
    pub fn finish(&mut self, host: usize, id: SocketId) {
        if let Some(mut tcp) = self.hosts[host].stack.tcp(id, self.now) {
            tcp.finish();
        }
    }

    /// Sends `len` bytes of a pattern from one host and checks that the other receives just them
    /// and then the end of the stream; how long it took.
    ///
    /// # Panics
    /// If a byte is wrong or it takes longer than `limit`.
    pub fn transfer(
        &mut self,
        from: usize,
        ids: (SocketId, SocketId),
        len: usize,
        limit: Duration,
    ) -> Duration {
        let ends = [ids.0, ids.1];
        let (begin, until) = (self.now, self.now + limit);
        let (mut sent, mut received) = (0, 0);
        let mut buf = vec![0; 65536];
        let mut unsent = Vec::new();
        loop {
            while sent < len {
                if unsent.is_empty() {
                    unsent.extend((sent..len.min(sent + 32768)).map(pattern));
                }
                match self.send(from, ends[from], &unsent) {
                    Ok(count) => {
                        unsent.drain(..count);
                        sent += count;
                    }
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("send: {error}"),
                }
                if sent == len {
                    self.finish(from, ends[from]);
                }
            }
            loop {
                match self.recv(1 - from, ends[1 - from], &mut buf) {
                    Ok(0) => {
                        assert_eq!(received, len, "the stream ended early");
                        return self.now.saturating_since(begin);
                    }
                    Ok(count) => {
                        let expected: Vec<u8> = (received..received + count).map(pattern).collect();
                        assert!(buf[..count] == expected, "from byte {received} on");
                        received += count;
                    }
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("recv: {error}"),
                }
            }
            assert!(
                self.step(until),
                "{received} of {len} bytes after {:?}",
                self.now
            );
        }
    }
}

/// Byte `index` of the test pattern.
#[must_use]
pub fn pattern(index: usize) -> u8 {
    let [low, middle, high, ..] = index.to_le_bytes();
    low ^ middle ^ high
}
