//! One stack among hostile neighbours, on a bare link or on an Ethernet, where it configures itself or is a
//! router that advertises itself, and is in groups.

use crate::flows::{HOST, PEER};
use bytes::{Bytes, BytesMut};
use net_core::advertising::{AdvPrefix, RouterAdvertising};
use net_core::buf::{RxBatch, RxPacket, TxBatch};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::multicast::MembershipChange;
use net_core::socket::{Family, TcpOption};
use net_core::tcp::{RecvFlags, SendFlags};
use net_core::time::Duration;
use net_core::wire::ipv6_ext::HOP_BY_HOP;
use net_core::wire::{
    ArpPacket, EtherType, EthernetHeader, IpHeader, MacAddr, TcpFlags, TcpHeader, ethernet, igmp,
    ip, mld, transport,
};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, SocketId, Stack};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Where the host listens.
pub const LISTENER: u16 = 80;
/// Where the host has a UDP socket.
pub const UDP: u16 = 53;
/// Where the peer of the host's own connection is.
pub const SERVER: u16 = 1000;

/// Groups that the host is in on an Ethernet.
pub const GROUPS: [&str; 2] = ["239.1.2.3", "ff15::1"];
/// The host's station.
const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
/// Everybody else's.
const PEER_MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

const MTU: u16 = 1500;
const MEMORY: usize = 256 << 10;
const MAX_SOCKETS: usize = 64;
/// What the last packet may add to a budget that still had room, and every socket to one that is
/// spent: something to send and something to read.
const SLACK: usize = (128 << 10) + MAX_SOCKETS * (20 << 10);

/// What a good peer would answer in a flow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbers {
    /// The next sequence number.
    pub seq: u32,
    /// The acknowledgement of all that the host sent.
    pub ack: u32,
}

/// A stack with a listener, a UDP socket and a connection that it opens itself.
#[derive(Debug)]
pub struct Host {
    /// The stack.
    pub stack: Stack,
    /// The clock.
    pub now: Instant,
    /// Sockets of the application, the listener first, then the UDP socket and the client.
    pub sockets: Vec<SocketId>,
    /// By the host's port and the peer's.
    pub flows: BTreeMap<(u16, u16), Numbers>,
    /// The last packet that the host sent.
    pub last_sent: Vec<u8>,
    iface: IfaceId,
    on_ethernet: bool,
    out: TxBatch,
}

impl Host {
    /// A fresh host that has sent its SYN: with the lowest bit of `seed` it merges what it receives, with
    /// the second it is on an Ethernet, and with the third a router there.
    ///
    /// # Panics
    /// If the stack refuses what it must not.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut config = Config {
            max_sockets: MAX_SOCKETS,
            memory: MEMORY,
            ..Config::default()
        };
        config.tcp.max_half_open = 8;
        config.tcp.max_time_wait = 8;
        config.tcp.fast_open.server = true;
        config.tcp.fast_open.client = true;
        let now = Instant::ZERO;
        let mut stack = Stack::new(config, Seed::from_u64(seed), now);
        let on_ethernet = seed & 2 == 2;
        let addresses = vec![
            IpCidr {
                address: HOST,
                prefix_len: 24,
            },
            IpCidr {
                address: "fd00::1".parse().expect("an address"),
                prefix_len: 64,
            },
        ];
        let iface = IfaceConfig {
            name: "tun0".into(),
            kind: if on_ethernet {
                IfaceKind::Ethernet(MAC)
            } else {
                IfaceKind::PointToPoint
            },
            mtu: MTU,
            addresses,
        };
        let caps = DeviceCaps {
            software_gro: seed & 1 == 1,
            ..DeviceCaps::default()
        };
        let iface = stack.add_iface(iface, caps).expect("an interface");
        let any = |port| SocketAddr::new(Family::V6.unspecified(), port);
        let listener = stack.tcp_open(Family::V6).expect("a socket");
        stack.bind(listener, any(LISTENER)).expect("a free port");
        stack.listen(listener, 4).expect("a listener");
        let fast = TcpOption::FastOpen(4);
        stack
            .set_tcp_option(listener, fast, now)
            .expect("leave to open fast");
        let udp = stack.udp_open(Family::V6).expect("a socket");
        stack.bind(udp, any(UDP)).expect("a free port");
        if on_ethernet {
            stack
                .set_neighbor(iface, PEER, PEER_MAC)
                .expect("a station");
            if seed & 4 == 4 {
                advertise(&mut stack, iface, now);
            } else {
                stack.autoconfigure(iface, now).expect("an Ethernet");
            }
            for group in GROUPS {
                let group = group.parse().expect("a group");
                let join = MembershipChange::Join;
                let joined = stack.change_membership(udp, group, Some(iface), join, now);
                joined.expect("room for a group");
            }
        }
        let client = stack.tcp_open(Family::V4).expect("a socket");
        let fast = TcpOption::FastOpenConnect(true);
        stack
            .set_tcp_option(client, fast, now)
            .expect("leave to open fast");
        let _ = stack.connect(client, SocketAddr::new(PEER, SERVER), now);
        let mut host = Self {
            stack,
            now,
            sockets: vec![listener, udp, client],
            flows: BTreeMap::new(),
            last_sent: Vec::new(),
            iface,
            on_ethernet,
            out: TxBatch::default(),
        };
        host.settle();
        host
    }

    /// Brings in one IP packet, in a frame where the host is on an Ethernet.
    pub fn receive(&mut self, mut packet: RxPacket) {
        if self.on_ethernet {
            let dest = IpHeader::parse(&packet.frame, packet.len());
            let group = dest.ok().and_then(|header| MacAddr::of_group(header.dest));
            let header = EthernetHeader {
                dest: group.unwrap_or(MAC),
                source: PEER_MAC,
                ethertype: match ip::version(&packet.frame) {
                    Some(6) => EtherType::IPV6,
                    _ => EtherType::IPV4,
                },
            };
            let mut frame = BytesMut::from(&header.to_bytes()[..]);
            frame.extend_from_slice(&packet.frame);
            packet.frame = frame;
        }
        self.receive_frame(packet);
    }

    /// Brings in what the device has received.
    pub fn receive_frame(&mut self, packet: RxPacket) {
        let mut batch = RxBatch::default();
        batch.push(packet);
        self.stack.handle_batch(self.iface, &mut batch, self.now);
        assert!(batch.is_empty());
        self.settle();
    }

    /// Brings in bytes, with nothing known about them.
    pub fn receive_bytes(&mut self, bytes: &[u8]) {
        self.receive(RxPacket::from_frame(BytesMut::from(bytes)));
    }

    /// Lets time go by, with every timer at its own moment.
    ///
    /// # Panics
    /// If timers never end.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..100_000 {
            match self.stack.poll_timeout() {
                Some(at) if at <= until => self.now = self.now.max(at),
                _ => {
                    self.now = until;
                    return;
                }
            }
            self.stack.handle_timeout(self.now);
            self.settle();
        }
        panic!("timers without end");
    }

    /// Takes what is to be sent and what happened, and checks what must always hold.
    pub fn settle(&mut self) {
        loop {
            self.stack
                .poll_transmit(self.iface, &mut self.out, self.now);
            if self.out.is_empty() {
                break;
            }
            let packets: Vec<_> = self.out.drain().collect();
            for packet in packets {
                let mut bytes = BytesMut::new();
                packet.copy_to(&mut bytes);
                self.check_sent(&bytes);
            }
        }
        while let Some(event) = self.stack.poll_event() {
            assert!(self.sockets.contains(&event.socket) || self.knows_not(event.socket));
        }
        assert!(self.stack.memory_used() <= MEMORY + SLACK);
        assert!(self.stack.sockets() <= MAX_SOCKETS);
    }

    /// A connection that waits to be accepted may have an event too.
    fn knows_not(&self, socket: SocketId) -> bool {
        self.stack.peer_addr(socket).is_ok() || self.stack.local_addr(socket).is_ok()
    }

    fn check_sent(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.on_ethernet {
            let header = EthernetHeader::parse(bytes).expect("our own frame");
            assert_eq!(header.source, MAC);
            bytes = &bytes[ethernet::HEADER_LEN..];
            if header.ethertype == EtherType::ARP {
                ArpPacket::parse(bytes).expect("our own question");
                return;
            }
        }
        assert!(bytes.len() <= usize::from(MTU));
        let header = IpHeader::parse(bytes, bytes.len()).expect("our own header");
        assert_eq!(header.total_len(), bytes.len());
        if header.fragment.is_some() {
            // The checksum is over all of them.
            return;
        }
        let packet = RxPacket::from_frame(BytesMut::from(bytes));
        transport::verify_checksum(&packet, &header).expect("our own checksum");
        match header.protocol {
            igmp::PROTOCOL => drop(igmp::parse(&bytes[header.header_len..]).expect("our own")),
            HOP_BY_HOP => drop(mld::parse(&bytes[header.header_len + 8..]).expect("our own")),
            _ => {}
        }
        if header.protocol == ip::TCP {
            let tcp = TcpHeader::parse(&bytes[header.header_len..]).expect("our own segment");
            let len = header.payload_len - tcp.header_len;
            let control = (tcp.flags & (TcpFlags::SYN | TcpFlags::FIN))
                .bits()
                .count_ones();
            let end = tcp.seq.get().wrapping_add(len as u32 + control);
            let flow = self
                .flows
                .entry((tcp.source_port, tcp.dest_port))
                .or_default();
            flow.ack = end;
            if tcp.flags.contains(TcpFlags::ACK) {
                flow.seq = tcp.ack.get();
            }
        }
        self.last_sent = bytes.to_vec();
    }

    /// Takes a connection from the listener.
    pub fn accept(&mut self) {
        if let Ok((socket, _)) = self.stack.accept(self.sockets[0]) {
            self.sockets.push(socket);
        }
    }

    /// Sends up to `len` bytes on a socket of either kind.
    pub fn send(&mut self, which: u8, len: u16, flags: SendFlags) {
        let socket = self.pick(which);
        let data = vec![7; len.into()];
        if let Some(mut tcp) = self.stack.tcp(socket, self.now) {
            let _ = tcp.send(&data, flags);
        } else if let Some(mut udp) = self.stack.udp(socket) {
            let _ = udp.send(Bytes::from(data), Some(SocketAddr::new(PEER, 9)));
        }
        self.settle();
    }

    /// Receives up to `len` bytes on a socket of either kind.
    pub fn recv(&mut self, which: u8, len: u16, flags: RecvFlags) {
        let socket = self.pick(which);
        let mut buf = vec![0; len.into()];
        if let Some(mut tcp) = self.stack.tcp(socket, self.now) {
            let _ = tcp.recv(&mut buf, flags);
        } else if let Some(mut udp) = self.stack.udp(socket) {
            let _ = udp.recv();
        }
        self.settle();
    }

    /// One of the sockets.
    #[must_use]
    pub fn pick(&self, which: u8) -> SocketId {
        self.sockets[usize::from(which) % self.sockets.len()]
    }

    /// Has a socket join, leave or choose among the groups of the host, or others.
    pub fn change_membership(&mut self, which: u8, what: u8, group: u8) {
        let socket = self.pick(which);
        let number = group >> 2;
        let (group, source): (IpAddr, IpAddr) = match group & 3 {
            0 => ([239, 1, 2, number].into(), [10, 0, 0, 2].into()),
            1 => ([224, 0, 0, number].into(), [10, 0, 0, 3].into()),
            2 => (
                [0xff15, 0, 0, 0, 0, 0, 0, number.into()].into(),
                [0xfe80, 0, 0, 0, 0, 0, 0, 2].into(),
            ),
            _ => (
                [0xff02, 0, 0, 0, 0, 0, 0, number.into()].into(),
                [0xfd00, 0, 0, 0, 0, 0, 0, 2].into(),
            ),
        };
        let change = match what % 6 {
            0 => MembershipChange::Join,
            1 => MembershipChange::Leave,
            2 => MembershipChange::JoinSource(source),
            3 => MembershipChange::LeaveSource(source),
            4 => MembershipChange::BlockSource(source),
            _ => MembershipChange::UnblockSource(source),
        };
        let over = Some(self.iface);
        let _ = self
            .stack
            .change_membership(socket, group, over, change, self.now);
        self.settle();
    }

    /// Closes everything and checks that nothing stays behind.
    pub fn end(mut self) {
        for socket in std::mem::take(&mut self.sockets) {
            self.stack.close(socket, self.now);
        }
        self.sockets.clear();
        self.settle();
        if self.on_ethernet {
            // What routers have told may last for ever.
            self.stack.remove_iface(self.iface);
        }
        self.wait(Duration::from_secs(24 * 3600));
        assert_eq!(self.stack.sockets(), 0);
        assert_eq!(self.stack.memory_used(), 0);
        assert_eq!(self.stack.poll_timeout(), None);
    }
}

/// Makes the stack a router that tells of a prefix.
fn advertise(stack: &mut Stack, iface: IfaceId, now: Instant) {
    stack.set_forwarding(iface, true).expect("it is there");
    let config = RouterAdvertising {
        adv_send_advertisements: true,
        adv_prefix_list: vec![AdvPrefix::new("fd00::".parse().expect("a prefix"), 64)],
        ..RouterAdvertising::default()
    };
    let set = stack.set_router_advertising(iface, config, now);
    set.expect("an Ethernet");
}
