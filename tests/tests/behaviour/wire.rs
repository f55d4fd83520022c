//! The hosts at the other end of the link, played by a task.

use etherparse::{IpNumber, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use net_core::buf::{RxBatch, TxBatch, TxPacket};
use net_core::time::Instant;
use net_tokio::device::Device;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The link. What its hosts do depends on the last number of their addresses:
///
/// - 2 never answers;
/// - 3 is unreachable, 4's network is unreachable, 5 is forbidden by an administrator: so says a
///   router;
/// - 6 says that nobody has the port, by ICMP, and 7 by RST;
/// - 8 sends datagrams back.
pub(crate) struct Wire {
    seen: Arc<Seen>,
    hosts: JoinHandle<()>,
}

/// A packet that was sent to a host on the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) dest: IpAddr,
    pub(crate) source: IpAddr,
    pub(crate) protocol: u8,
    /// Time to live or hop limit.
    pub(crate) ttl: u8,
    /// Type of service or traffic class.
    pub(crate) tos: u8,
    /// Bytes from the IP header on.
    pub(crate) len: usize,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Seen {
    packets: Mutex<Vec<Packet>>,
    more: Notify,
}

impl Wire {
    pub(crate) fn new(device: impl Device) -> Self {
        let seen = Arc::new(Seen::default());
        let hosts = tokio::spawn(serve(device, seen.clone()));
        Self { seen, hosts }
    }

    /// Waits for a TCP or UDP packet to `dest`, and takes it.
    pub(crate) async fn next_to(&self, dest: IpAddr) -> Packet {
        loop {
            let more = self.seen.more.notified();
            if let Some(packet) = self.take(dest) {
                return packet;
            }
            more.await;
        }
    }

    fn take(&self, dest: IpAddr) -> Option<Packet> {
        let mut packets = self.seen.packets.lock().expect("no panic");
        let at = packets.iter().position(|packet| packet.dest == dest)?;
        Some(packets.remove(at))
    }

    /// How many TCP and UDP packets to `dest` were seen and not taken.
    pub(crate) fn count_to(&self, dest: IpAddr) -> usize {
        let packets = self.seen.packets.lock().expect("no panic");
        packets.iter().filter(|packet| packet.dest == dest).count()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.hosts.abort();
    }
}

async fn serve(mut device: impl Device, seen: Arc<Seen>) {
    let mut received = RxBatch::default();
    loop {
        if poll_fn(|cx| device.poll_recv(cx, &mut received, 64))
            .await
            .is_err()
        {
            return;
        }
        for packet in received.drain() {
            let mut bytes = packet.frame.to_vec();
            packet
                .frags
                .iter()
                .for_each(|piece| bytes.extend_from_slice(&piece.bytes));
            let Some(packet) = Packet::parse(bytes) else {
                continue;
            };
            if let Some(answer) = packet.answer() {
                let mut batch = TxBatch::default();
                batch.push(TxPacket {
                    body: [answer.into()].into_iter().collect(),
                    ..TxPacket::default()
                });
                let sent = poll_fn(|cx| device.poll_send(cx, &mut batch, Instant::ZERO)).await;
                sent.expect("the link holds");
            }
            seen.packets.lock().expect("no panic").push(packet);
            seen.more.notify_waiters();
        }
    }
}

impl Packet {
    /// A TCP or UDP packet; the kernel also sends others of its own accord.
    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let net = SlicedPacket::from_ip(&bytes).ok()?.net?;
        let (source, dest, protocol, ttl, tos): (IpAddr, IpAddr, IpNumber, u8, u8) = match net {
            NetSlice::Ipv4(ip) => {
                let header = ip.header();
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                    header.protocol(),
                    header.ttl(),
                    header.dcp().value() << 2 | header.ecn().value(),
                )
            }
            NetSlice::Ipv6(ip) => {
                let header = ip.header();
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                    header.next_header(),
                    header.hop_limit(),
                    header.traffic_class(),
                )
            }
            NetSlice::Arp(_) => return None,
        };
        matches!(protocol, IpNumber::TCP | IpNumber::UDP).then_some(Self {
            source,
            dest,
            protocol: protocol.0,
            ttl,
            tos,
            len: bytes.len(),
            bytes,
        })
    }

    /// The UDP payload.
    pub(crate) fn payload(&self) -> Vec<u8> {
        match self.transport() {
            Some(TransportSlice::Udp(udp)) => udp.payload().to_vec(),
            _ => Vec::new(),
        }
    }

    fn transport(&self) -> Option<TransportSlice<'_>> {
        SlicedPacket::from_ip(&self.bytes).ok()?.transport
    }

    /// What the host that it is for sends back.
    fn answer(&self) -> Option<Vec<u8>> {
        let number = match self.dest {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[15],
        };
        match (number, self.dest.is_ipv4()) {
            (3, true) => Some(self.icmp(3, 1)),
            (3, false) => Some(self.icmp(1, 3)),
            (4, true) => Some(self.icmp(3, 0)),
            (4, false) => Some(self.icmp(1, 0)),
            (5, true) => Some(self.icmp(3, 13)),
            (5, false) => Some(self.icmp(1, 1)),
            (6, true) => Some(self.icmp(3, 3)),
            (6, false) => Some(self.icmp(1, 4)),
            (7, _) => self.reset(),
            (8, _) => self.echo(),
            _ => None,
        }
    }

    /// An ICMP error that quotes it.
    fn icmp(&self, kind: u8, code: u8) -> Vec<u8> {
        let quote = &self.bytes[..self.bytes.len().min(500)];
        let mut out = Vec::new();
        match (self.dest, self.source) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let builder = PacketBuilder::ipv4(from.octets(), to.octets(), 64);
                builder
                    .icmpv4_raw(kind, code, [0; 4])
                    .write(&mut out, quote)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let builder = PacketBuilder::ipv6(from.octets(), to.octets(), 64);
                builder
                    .icmpv6_raw(kind, code, [0; 4])
                    .write(&mut out, quote)
            }
            _ => unreachable!("the addresses of a packet are of one family"),
        }
        .expect("it fits");
        out
    }

    fn reset(&self) -> Option<Vec<u8>> {
        let Some(TransportSlice::Tcp(tcp)) = self.transport() else {
            return None;
        };
        let builder = self.back();
        let mut out = Vec::new();
        builder
            .tcp(tcp.destination_port(), tcp.source_port(), 0, 0)
            .rst()
            .ack(tcp.sequence_number().wrapping_add(1))
            .write(&mut out, &[])
            .expect("it fits");
        Some(out)
    }

    fn echo(&self) -> Option<Vec<u8>> {
        let Some(TransportSlice::Udp(udp)) = self.transport() else {
            return None;
        };
        let mut out = Vec::new();
        self.back()
            .udp(udp.destination_port(), udp.source_port())
            .write(&mut out, udp.payload())
            .expect("it fits");
        Some(out)
    }

    fn back(&self) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        match (self.dest, self.source) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            }
            _ => unreachable!("the addresses of a packet are of one family"),
        }
    }
}
