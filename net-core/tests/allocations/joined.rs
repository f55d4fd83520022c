//! Two stacks joined in one process, without an allocation of the joint itself.

use bytes::BytesMut;
use net_core::buf::{Checksum, Chunk, RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::socket::{Event, Family};
use net_core::time::Duration;
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, SocketId, Stack};
use std::net::{IpAddr, SocketAddr};

/// How packets get to the other host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crossing {
    /// Super-segments whose payload is not copied, as over loopback.
    Shared,
    /// Packets copied into buffers of 2 KiB, as from a TUN.
    Copied,
}

/// One of the stacks.
pub(crate) struct Host {
    pub(crate) stack: Stack,
    iface: IfaceId,
    out: TxBatch,
    /// What has arrived for it.
    batch: RxBatch,
    frames: Frames,
}

/// When, at which host, what happened, and when it wants to be called again.
type Seen = (Instant, usize, Option<Event>, Option<Instant>);

/// Two hosts, 10.0.0.1 and 10.0.0.2.
pub(crate) struct Joined {
    pub(crate) hosts: [Host; 2],
    pub(crate) now: Instant,
    pub(crate) tracing: bool,
    pub(crate) trace: Vec<Seen>,
    crossing: Crossing,
}

/// Buffers that are used again once nobody holds a piece of them.
struct Frames {
    frames: Vec<BytesMut>,
    next: usize,
}

impl Joined {
    pub(crate) fn new(crossing: Crossing) -> Self {
        let host = |index: u8| {
            let mut config = Config {
                max_sockets: 200_000,
                ..Config::default()
            };
            config.tcp.max_half_open = 1 << 20;
            let mut stack = Stack::new(config, Seed::from_u64(index.into()), Instant::ZERO);
            let iface = IfaceConfig {
                name: "link".into(),
                kind: IfaceKind::PointToPoint,
                mtu: 1500,
                addresses: vec![IpCidr {
                    address: address(index),
                    prefix_len: 24,
                }],
            };
            let caps = DeviceCaps {
                tx_checksum: true,
                tso: crossing == Crossing::Shared,
                ..DeviceCaps::default()
            };
            let iface = stack.add_iface(iface, caps).expect("a good address");
            Host {
                stack,
                iface,
                out: TxBatch::with_capacity(256),
                batch: RxBatch::with_capacity(256),
                frames: Frames::new(),
            }
        };
        Self {
            hosts: [host(0), host(1)],
            now: Instant::ZERO,
            tracing: false,
            trace: Vec::with_capacity(100_000),
            crossing,
        }
    }

    /// Lets packets cross until neither host has one to send; 10 µs each way.
    pub(crate) fn cross(&mut self) {
        for _ in 0..1000 {
            let mut idle = true;
            self.now += Duration::from_micros(10);
            for index in 0..2 {
                let [first, second] = &mut self.hosts;
                let (from, to) = if index == 0 {
                    (first, second)
                } else {
                    (second, first)
                };
                from.stack
                    .poll_transmit(from.iface, &mut from.out, self.now);
                for packet in from.out.drain() {
                    idle = false;
                    to.batch.push(to.frames.receive(packet, self.crossing));
                }
                to.stack.handle_batch(to.iface, &mut to.batch, self.now);
            }
            for host in 0..2 {
                self.handle(host);
            }
            if idle {
                return;
            }
        }
        panic!("packets without end");
    }

    /// Lets time go by in which only timers happen.
    pub(crate) fn rest_until(&mut self, until: Instant) {
        for index in 0..2 {
            while let Some(at) = self.hosts[index]
                .stack
                .poll_timeout()
                .filter(|&at| at < until)
            {
                self.now = self.now.max(at);
                self.handle(index);
            }
        }
        self.now = until;
        self.cross();
    }

    fn handle(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.stack.handle_timeout(self.now);
        let deadline = host.stack.poll_timeout();
        while let Some(event) = host.stack.poll_event() {
            if self.tracing {
                self.trace.push((self.now, index, Some(event), deadline));
            }
        }
        if self.tracing {
            self.trace.push((self.now, index, None, deadline));
        }
    }

    /// Host 1 listens; the listener and where.
    pub(crate) fn listen(&mut self, port: u16) -> (SocketId, SocketAddr) {
        let stack = &mut self.hosts[1].stack;
        let listener = stack.tcp_open(Family::V4).expect("a socket");
        let addr = SocketAddr::new(address(1), port);
        stack.bind(listener, addr).expect("a free port");
        stack.listen(listener, 128).expect("a listener");
        (listener, addr)
    }

    /// Host 0 connects to a listener of host 1; both ends.
    pub(crate) fn connect_to(&mut self, (listener, addr): (SocketId, SocketAddr)) -> [SocketId; 2] {
        let client = self.hosts[0].stack.tcp_open(Family::V4).expect("a socket");
        let _ = self.hosts[0].stack.connect(client, addr, self.now);
        self.cross();
        let (server, _) = self.hosts[1].stack.accept(listener).expect("connected");
        [client, server]
    }

    /// A connection on a port of its own.
    pub(crate) fn connect(&mut self) -> [SocketId; 2] {
        let listener = self.listen(80);
        self.connect_to(listener)
    }
}

impl Frames {
    const LEN: usize = 2048;

    fn new() -> Self {
        let frame = || {
            let mut frame = BytesMut::with_capacity(Self::LEN);
            // Splitting once makes the buffer shared, so that later splits do not allocate.
            drop(frame.split_to(0));
            frame
        };
        Self {
            frames: (0..1024).map(|_| frame()).collect(),
            next: 0,
        }
    }

    fn take(&mut self) -> &mut BytesMut {
        for _ in 0..self.frames.len() {
            self.next = (self.next + 1) % self.frames.len();
            if self.frames[self.next].try_reclaim(Self::LEN) {
                return &mut self.frames[self.next];
            }
        }
        panic!("more than 1024 frames are held");
    }

    fn receive(&mut self, packet: TxPacket, crossing: Crossing) -> RxPacket {
        let parent = self.take();
        parent.extend_from_slice(&packet.head);
        let mut received = RxPacket::default();
        match crossing {
            Crossing::Shared => {
                received.meta.gso = packet.meta.gso;
                for bytes in packet.body {
                    let pins = u32::try_from(bytes.len()).expect("at most 64 KiB");
                    received.frags.push(Chunk { bytes, pins });
                }
            }
            Crossing::Copied => {
                for bytes in &packet.body {
                    parent.extend_from_slice(bytes);
                }
            }
        }
        received.frame = parent.split();
        received.meta.checksum = Checksum::Verified;
        received.meta.pins = 2048;
        received
    }
}

fn address(index: u8) -> IpAddr {
    [10, 0, 0, index + 1].into()
}
