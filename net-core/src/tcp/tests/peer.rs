//! The other end, in the hands of a test: it sends what the test says and looks at what comes,
//! under virtual time.

use super::segment::{ACK, FIN, RST, SYN, SYN_ACK, Seen, Seg, syn, tcp};
use crate::buf::{Checksum, Gso, GsoKind, RxBatch, RxPacket, TxBatch, TxPacket};
use crate::iface::{IfaceKind, IpCidr};
use crate::tcp::SeqNum;
use crate::time::Instant;
use crate::wire::{IcmpMessage, IpHeader, TcpHeader, icmpv4, icmpv6, ip, transport};
use crate::{Config, DeviceCaps, IfaceConfig, IfaceId, Seed, SocketId, Stack};
use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::string::ToString;
use std::vec::Vec;

/// The peer's initial sequence number: close to the end of the circle, so that it wraps.
const PEER_ISS: u32 = 0xffff_fc00;

/// A stack with one socket, and its peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) stack: Stack,
    pub(super) iface: IfaceId,
    pub(super) now: Instant,
    /// The stack's end.
    pub(super) local: SocketAddr,
    /// The peer's end.
    pub(super) remote: SocketAddr,
    pub(super) listener: Option<SocketId>,
    pub(super) socket: Option<SocketId>,
    /// The stack's ISS, once its SYN was seen.
    pub(super) iss: Option<SeqNum>,
    pub(super) peer_iss: SeqNum,
    /// The peer's SND.NXT and RCV.NXT, relative.
    pub(super) nxt: u32,
    pub(super) rcv: u32,
    /// The window that the peer's segments tell where the test does not say.
    pub(super) window: u16,
    /// The peer's timestamp clock, where it sends timestamps.
    pub(super) clock: Option<u32>,
    echo: u32,
    pub(super) sent: VecDeque<Seen>,
    /// ICMP messages and anything else that is no TCP.
    pub(super) others: usize,
    /// Bytes written and read by the application.
    pub(super) written: u32,
    pub(super) read: u32,
}

/// Byte at a relative sequence number, the same in both directions.
pub(super) fn pattern(seq: u32) -> u8 {
    u8::try_from((seq ^ seq >> 8) % 251).unwrap()
}

pub(super) fn bytes(from: u32, len: u32) -> Vec<u8> {
    (0..len).map(|at| pattern(from.wrapping_add(at))).collect()
}

impl Peer {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A stack with a changed configuration.
    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::build(false, change, DeviceCaps::default())
    }

    pub(super) fn v6() -> Self {
        Self::build(true, |_| {}, DeviceCaps::default())
    }

    pub(super) fn build(v6: bool, change: impl FnOnce(&mut Config), caps: DeviceCaps) -> Self {
        let mut config = Config::default();
        // Enough for what the tests write at once.
        config.tcp.notsent_lowat = 512 << 10;
        change(&mut config);
        let now = Instant::from_millis(1000);
        let mut stack = Stack::new(config, Seed::from_u64(7), now);
        let addresses: [(IpAddr, u8); 2] =
            [([10, 0, 0, 1].into(), 24), ("fd00::1".parse().unwrap(), 64)];
        let addresses = addresses.map(|(address, prefix_len)| IpCidr {
            address,
            prefix_len,
        });
        let config = IfaceConfig {
            name: "link".to_string(),
            kind: IfaceKind::PointToPoint,
            mtu: 1500,
            addresses: addresses.to_vec(),
        };
        let iface = stack.add_iface(config, caps).unwrap();
        let (local, remote) = if v6 {
            ("[fd00::1]:80", "[fd00::2]:4000")
        } else {
            ("10.0.0.1:80", "10.0.0.2:4000")
        };
        Self {
            stack,
            iface,
            now,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            listener: None,
            socket: None,
            iss: None,
            peer_iss: SeqNum::new(PEER_ISS),
            nxt: 0,
            rcv: 0,
            window: 65535,
            clock: None,
            echo: 0,
            sent: VecDeque::new(),
            others: 0,
            written: 0,
            read: 0,
        }
    }

    /// The application has accepted a connection of a peer without any option but MSS 1460.
    pub(super) fn established() -> Self {
        Self::established_with(syn(), |_| {})
    }

    /// The same with SACK.
    pub(super) fn established_sack() -> Self {
        Self::established_with(syn().sack_permitted(), |_| {})
    }

    /// The same with this SYN and configuration.
    pub(super) fn established_with(syn: Seg, change: impl FnOnce(&mut Config)) -> Self {
        let mut peer = Self::with(change);
        peer.handshake(syn);
        peer
    }

    /// A connection over a path with a round trip of 50 ms. The peer has sent `syn`, and the stack
    /// ten segments that are on their way.
    pub(super) fn with_ten_in_flight(syn: Seg, change: impl FnOnce(&mut Config)) -> Self {
        let mut peer = Self::with(change);
        peer.handshake_in(Duration::from_millis(50), syn);
        let size = peer.info().send_mss;
        peer.writes(10 * size);
        for index in 0..10 {
            peer.expects(tcp().seq(1 + size * index).data(size));
        }
        peer.expects_nothing();
        peer
    }

    /// The peer connects with `syn`, the application listens and accepts.
    pub(super) fn handshake(&mut self, syn: Seg) {
        self.handshake_in(Duration::ZERO, syn);
    }

    /// The same, and the peer's ACK takes so long.
    pub(super) fn handshake_in(&mut self, rtt: Duration, syn: Seg) {
        if self.listener.is_none() {
            self.listen(16);
        }
        self.sends(syn);
        self.expects(tcp().flags(SYN_ACK).seq(0).ack(1).bare());
        self.waits(rtt);
        self.sends(tcp().seq(1).ack(1));
        self.expects_nothing();
        self.accept();
    }

    /// The peer's segment arrives.
    pub(super) fn sends(&mut self, segment: Seg) {
        self.sends_batch(&[segment]);
    }

    /// The peer's segments arrive in one batch.
    pub(super) fn sends_batch(&mut self, segments: &[Seg]) {
        let mut batch = RxBatch::default();
        for segment in segments {
            batch.push(self.packet(segment));
        }
        self.stack.handle_batch(self.iface, &mut batch, self.now);
        self.flush();
    }

    pub(super) fn packet(&mut self, segment: &Seg) -> RxPacket {
        let len = segment.len.unwrap_or(0);
        let seq = segment.seq.unwrap_or(self.nxt);
        let syn = u32::from(segment.flags.contains(SYN));
        let controls = syn + u32::from(segment.flags.contains(FIN));
        let end = seq.wrapping_add(len + controls);
        if !segment.flags.contains(RST) && (end.wrapping_sub(self.nxt)).cast_signed() > 0 {
            self.nxt = end;
        }
        let base = self.iss.unwrap_or_default();
        let mut options = segment.options(base);
        if let Some(clock) = self.clock
            && options.timestamps.is_none()
        {
            options.timestamps = Some((clock, self.echo));
        }
        let has_ack = segment.flags.contains(ACK);
        let header = TcpHeader {
            source_port: self.remote.port(),
            dest_port: self.local.port(),
            seq: self.peer_iss + seq,
            ack: if has_ack {
                base + segment.ack.unwrap_or(self.rcv)
            } else {
                SeqNum::default()
            },
            flags: segment.flags,
            window: segment.window.unwrap_or(self.window),
            urgent: segment.urgent.unwrap_or(0),
            options,
            ..TcpHeader::default()
        };
        let mut out = TxPacket::default();
        header.emit(&mut out.head);
        out.body
            .push(Bytes::from(bytes(seq.wrapping_add(syn), len)));
        let mut packet = self.wrap(out, ip::TCP, segment.tos);
        if let Some(size) = segment.gso {
            let kind = if self.local.is_ipv6() {
                GsoKind::Tcp6
            } else {
                GsoKind::Tcp4
            };
            packet.meta.gso = Some(Gso {
                kind,
                size,
                ecn: false,
            });
            packet.meta.checksum = Checksum::Verified;
        }
        packet
    }

    fn wrap(&self, mut out: TxPacket, protocol: u8, tos: u8) -> RxPacket {
        let (source, dest) = (self.remote.ip(), self.local.ip());
        transport::fill_checksum(&mut out, source, dest, protocol, false);
        let header = IpHeader {
            tos,
            ..IpHeader::new(source, dest, protocol, out.len())
        };
        header.emit(&mut out.head);
        let mut frame = BytesMut::new();
        out.copy_to(&mut frame);
        RxPacket::from_frame(frame)
    }

    /// A router complains about the stack's segment at relative `seq`.
    pub(super) fn icmp(&mut self, message: IcmpMessage, seq: u32) {
        let mut out = self.quotes(seq);
        let protocol = if self.local.is_ipv6() {
            icmpv6::emit(&message, &mut out.head);
            ip::ICMPV6
        } else {
            icmpv4::emit(&message, &mut out.head);
            ip::ICMP
        };
        self.brings(out, protocol);
    }

    /// The front of the stack's segment at relative `seq`, as a router quotes it.
    pub(super) fn quotes(&self, seq: u32) -> TxPacket {
        let mut quoted = TxPacket::default();
        let header = TcpHeader {
            source_port: self.local.port(),
            dest_port: self.remote.port(),
            seq: self.iss.unwrap_or_default() + seq,
            ..TcpHeader::default()
        };
        header.emit(&mut quoted.head);
        IpHeader::new(self.local.ip(), self.remote.ip(), ip::TCP, 1480).emit(&mut quoted.head);
        let mut out = TxPacket::default();
        out.body.push(Bytes::copy_from_slice(&quoted.head));
        out
    }

    /// What lies behind an IP header arrives.
    pub(super) fn brings(&mut self, out: TxPacket, protocol: u8) {
        let mut batch = RxBatch::default();
        batch.push(self.wrap(out, protocol, 0));
        self.stack.handle_batch(self.iface, &mut batch, self.now);
        self.flush();
    }

    /// Takes everything that the stack has to send now.
    pub(super) fn flush(&mut self) {
        let mut out = TxBatch::default();
        loop {
            self.stack.poll_transmit(self.iface, &mut out, self.now);
            if out.is_empty() {
                return;
            }
            for packet in out.drain() {
                self.see(&packet);
            }
        }
    }

    fn see(&mut self, packet: &TxPacket) {
        let mut frame = BytesMut::new();
        packet.copy_to(&mut frame);
        let total = frame.len();
        let header = IpHeader::parse(&frame, total).expect("a good IP header");
        let rx = RxPacket::from_frame(frame);
        if packet.meta.checksum == Checksum::Verified {
            transport::verify_checksum(&rx, &header).expect("a good checksum");
        }
        if header.protocol != ip::TCP {
            self.others += 1;
            return;
        }
        let segment = &rx.frame[header.header_len..];
        let tcp = TcpHeader::parse(segment).expect("a good TCP header");
        if tcp.flags.contains(SYN) {
            self.iss = Some(tcp.seq);
        }
        // Of a RST that answers nothing of ours the numbers are the peer's own.
        let base = self.iss.unwrap_or_default();
        let seq = tcp.seq.get().wrapping_sub(base.get());
        let payload = segment[tcp.header_len..].to_vec();
        let len = u32::try_from(payload.len()).unwrap();
        let syn = u32::from(tcp.flags.contains(SYN));
        if len > 0 {
            let good = payload == bytes(seq.wrapping_add(syn), len);
            assert!(good, "the bytes at {seq} are wrong");
        }
        let controls = syn + u32::from(tcp.flags.contains(FIN));
        if !tcp.flags.contains(RST) && seq == self.rcv {
            self.rcv = self.rcv.wrapping_add(len + controls);
        }
        if let Some((value, _)) = tcp.options.timestamps {
            self.echo = value;
        }
        let relative = |number: SeqNum| number.get().wrapping_sub(self.peer_iss.get());
        let ack = if tcp.flags.contains(ACK) {
            relative(tcp.ack)
        } else {
            0
        };
        let sacks = tcp.options.sack.iter();
        let sacks = sacks
            .map(|(left, right)| (relative(left), relative(right)))
            .collect();
        let gso = packet.meta.gso.map(|gso| gso.size);
        self.sent.push_back(Seen {
            header: tcp,
            seq,
            ack,
            payload,
            gso,
            sacks,
            ecn: header.tos & 3,
        });
    }

    /// The next segment is as described.
    #[track_caller]
    pub(super) fn expects(&mut self, wanted: Seg) -> Seen {
        let Some(seen) = self.sent.pop_front() else {
            panic!("no segment at {:?}, wanted {wanted:?}", self.now);
        };
        if let Some(difference) = seen.differs(&wanted) {
            panic!("at {:?}: {difference}; wanted {wanted:?}", self.now);
        }
        seen
    }

    #[track_caller]
    pub(super) fn expects_nothing(&mut self) {
        let first = self.sent.front();
        assert!(first.is_none(), "unexpected at {:?}: {first:?}", self.now);
    }

    /// The next segment leaves after `time`, give or take a millisecond, and is as described.
    #[track_caller]
    pub(super) fn expects_after(&mut self, time: Duration, wanted: Seg) -> Seen {
        self.expects_nothing();
        let begin = self.now;
        let until = begin + time + Duration::from_millis(1);
        while self.sent.is_empty() && self.step(until) {}
        let waited = self.now.saturating_since(begin);
        assert!(
            waited + Duration::from_millis(1) >= time,
            "already after {waited:?}: {:?}",
            self.sent
        );
        self.expects(wanted)
    }

    /// Time passes.
    pub(super) fn waits(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// On to the next timer, if it fires by `until`.
    fn step(&mut self, until: Instant) -> bool {
        let Some(next) = self.stack.poll_timeout().filter(|&next| next <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        self.stack.handle_timeout(self.now);
        self.flush();
        true
    }

    /// What was sent since: where each segment begins and how long it is.
    pub(super) fn takes(&mut self) -> Vec<(u32, usize)> {
        self.sent
            .drain(..)
            .map(|seen| (seen.seq, seen.payload.len()))
            .collect()
    }

    /// Forgets what was sent and not looked at; how many segments.
    pub(super) fn skips(&mut self) -> usize {
        self.sent.drain(..).count()
    }

    /// Uses up the acknowledgements that a new connection sends at once.
    pub(super) fn past_quick_acks(&mut self) {
        for _ in 0..16 {
            self.sends(tcp().data(1));
            self.expects(tcp().bare());
        }
        self.reads(16);
    }
}
