//! Two of our stacks.

use super::{MTU, PIECE};
use bytes::BytesMut;
use net_core::buf::{Checksum, Chunk, RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::socket::Family;
use net_core::tcp::{RecvFlags, SendFlags};
use net_core::{
    Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, SocketError, SocketId, Stack,
};
use std::net::{Ipv4Addr, SocketAddr};

/// A connection between two stacks.
#[derive(Debug)]
pub struct Pair {
    sender: Host,
    receiver: Host,
    start: std::time::Instant,
    data: Vec<u8>,
    buf: Vec<u8>,
}

#[derive(Debug)]
struct Host {
    stack: Stack,
    iface: IfaceId,
    socket: SocketId,
    out: TxBatch,
    inbox: RxBatch,
}

impl Pair {
    /// Two stacks and an established connection with socket buffers of `buffer` bytes.
    ///
    /// # Panics
    /// When the stacks cannot connect.
    #[must_use]
    pub fn new(buffer: usize) -> Self {
        let mut sender = Host::new(1, buffer);
        let mut receiver = Host::new(2, buffer);
        let now = Instant::ZERO;
        let listener = receiver.socket;
        let server = SocketAddr::from((address(2), PORT));
        receiver.stack.bind(listener, server).expect("a free port");
        receiver.stack.listen(listener, 1).expect("a listener");
        let begun = sender.stack.connect(sender.socket, server, now);
        assert_eq!(begun, Err(SocketError::InProgress));
        let mut pair = Self {
            sender,
            receiver,
            start: std::time::Instant::now(),
            data: vec![b'.'; PIECE],
            buf: vec![0; PIECE],
        };
        for _ in 0..4 {
            pair.cross(now);
        }
        let (accepted, _) = pair.receiver.stack.accept(listener).expect("a connection");
        pair.receiver.socket = accepted;
        pair
    }

    /// Carries `bytes` bytes, from the sending application's buffer to the receiving one's.
    ///
    /// # Panics
    /// When the connection breaks or stands still.
    pub fn carry(&mut self, bytes: usize) {
        let (mut sent, mut received, mut idle) = (0, 0, 0);
        while received < bytes {
            let now = self.now();
            sent += self.send(bytes - sent, now);
            self.cross(now);
            let count = self.receive(now);
            received += count;
            idle = if count == 0 { idle + 1 } else { 0 };
            if idle > PATIENCE {
                self.sender.stack.handle_timeout(now);
                self.receiver.stack.handle_timeout(now);
            }
            assert!(idle < 1_000_000_000, "nothing moves any more");
        }
    }

    fn send(&mut self, limit: usize, now: Instant) -> usize {
        let host = &mut self.sender;
        let mut tcp = host.stack.tcp(host.socket, now).expect("a socket");
        let mut total = 0;
        while total < limit.min(BURST) {
            let piece = &self.data[..PIECE.min(limit - total)];
            match tcp.send(piece, SendFlags::empty()) {
                Ok(count) => total += count,
                Err(SocketError::WouldBlock) => break,
                Err(error) => panic!("{error}"),
            }
        }
        total
    }

    fn receive(&mut self, now: Instant) -> usize {
        let host = &mut self.receiver;
        let mut tcp = host.stack.tcp(host.socket, now).expect("a socket");
        let mut total = 0;
        loop {
            match tcp.recv(&mut self.buf, RecvFlags::empty()) {
                Ok(count) => total += count,
                Err(SocketError::WouldBlock) => return total,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Lets both sides send a round of packets.
    fn cross(&mut self, now: Instant) {
        let Self {
            sender, receiver, ..
        } = self;
        sender.send_to(receiver, now);
        receiver.send_to(sender, now);
    }

    fn now(&self) -> Instant {
        let nanos = self.start.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Host {
    fn new(number: u8, buffer: usize) -> Self {
        let seed = Seed::from_u64(u64::from(number));
        let mut settings = Config::default();
        settings.tcp.send_buffer = buffer;
        settings.tcp.recv_buffer = buffer;
        let mut stack = Stack::new(settings, seed, Instant::ZERO);
        let config = IfaceConfig {
            name: "link".into(),
            kind: IfaceKind::PointToPoint,
            mtu: MTU,
            addresses: vec![IpCidr {
                address: address(number).into(),
                prefix_len: 24,
            }],
        };
        let caps = DeviceCaps {
            software_gro: true,
            ..DeviceCaps::default()
        };
        let iface = stack.add_iface(config, caps).expect("a good address");
        let socket = stack.tcp_open(Family::V4).expect("a socket");
        Self {
            stack,
            iface,
            socket,
            out: TxBatch::default(),
            inbox: RxBatch::default(),
        }
    }

    fn send_to(&mut self, peer: &mut Self, now: Instant) {
        self.stack.poll_transmit(self.iface, &mut self.out, now);
        for packet in self.out.packets_mut() {
            assert!(packet.len() <= usize::from(MTU), "{} bytes", packet.len());
            assert_eq!(packet.meta.checksum, Checksum::Verified, "the sender sums");
            arrive(packet, peer.inbox.slot());
        }
        self.out.clear();
        if !peer.inbox.is_empty() {
            peer.stack.handle_batch(peer.iface, &mut peer.inbox, now);
        }
    }
}

/// The packet as it arrives: headers copied, payload where the sender has it, nothing said about
/// its checksum.
fn arrive(packet: &mut TxPacket, received: &mut RxPacket) {
    if received.frame.capacity() < HEADS && !received.frame.try_reclaim(HEADS) {
        received.frame = BytesMut::with_capacity(HEADS);
    }
    received.frame.extend_from_slice(&packet.head);
    received.meta.pins = u32::try_from(HEADS).unwrap_or(u32::MAX);
    for bytes in packet.body.drain(..) {
        received.frags.push(Chunk {
            pins: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            bytes,
        });
    }
}

const fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

const PORT: u16 = 9;
/// Bytes that the application writes before the stack has its turn.
const BURST: usize = 128 * 1024;
/// Room for the headers of a packet.
const HEADS: usize = 128;
/// Rounds without progress before timers are looked at.
const PATIENCE: u32 = 3;
