//! Super-segments for others: they stay whole as far as the last device allows, and what is cut is what was
//! sent.

use super::*;
use crate::buf::{Checksum, Chunk, Gso, GsoKind};
use crate::offload::gso;
use crate::tcp::SeqNum;
use crate::wire::checksum::pseudo_header;
use crate::wire::{TcpFlags, TcpHeader, tcp, udp};

/// What the far link carries.
const MTU: u16 = 1400;

/// A stream of segments or datagrams from near to far that fill the far link, but for the last.
#[derive(Debug, Clone, Copy)]
struct Flow {
    v6: bool,
    kind: GsoKind,
}

impl Flow {
    const ALL: [Self; 4] = [
        Self::new(false, GsoKind::Tcp4),
        Self::new(true, GsoKind::Tcp6),
        Self::new(false, GsoKind::Udp),
        Self::new(true, GsoKind::Udp),
    ];
    /// Of those that fill the link.
    const FULL: usize = 20;
    /// Payload of the last one.
    const LAST: usize = 333;

    const fn new(v6: bool, kind: GsoKind) -> Self {
        Self { v6, kind }
    }

    const fn protocol(self) -> u8 {
        match self.kind {
            GsoKind::Tcp4 | GsoKind::Tcp6 => ip::TCP,
            GsoKind::Udp => ip::UDP,
        }
    }

    const fn ends(self) -> (IpAddr, IpAddr) {
        use core::net::{Ipv4Addr, Ipv6Addr};
        if self.v6 {
            let near = Ipv6Addr::new(0xfd08, 0, 0, 0, 0, 0, 0, 9);
            let far = Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 9);
            (IpAddr::V6(near), IpAddr::V6(far))
        } else {
            let (near, far) = (Ipv4Addr::new(10, 8, 0, 9), Ipv4Addr::new(10, 9, 0, 9));
            (IpAddr::V4(near), IpAddr::V4(far))
        }
    }

    const fn transport_len(self) -> usize {
        match self.kind {
            GsoKind::Tcp4 | GsoKind::Tcp6 => tcp::MIN_HEADER_LEN,
            GsoKind::Udp => udp::HEADER_LEN,
        }
    }

    const fn ip_len(self) -> usize {
        if self.v6 { 40 } else { 20 }
    }

    /// Payload of those that fill the link.
    fn size(self) -> u16 {
        MTU - u16::try_from(self.ip_len() + self.transport_len()).unwrap()
    }

    fn gso(self) -> Gso {
        Gso {
            kind: self.kind,
            size: self.size(),
            ecn: false,
        }
    }

    /// All that is sent; every place in it differs from those a segment before and behind.
    fn payload(self) -> Vec<u8> {
        let len = Self::FULL * usize::from(self.size()) + Self::LAST;
        (0..len)
            .map(|at| ((at * 31) >> 4).to_le_bytes()[0])
            .collect()
    }

    /// A packet with what is at `at` of the payload, and so many hops to go.
    fn packet(self, at: usize, payload: &[u8], ttl: u8, offload: bool) -> TxPacket {
        let mut packet = body(payload);
        let (source, dest) = self.ends();
        match self.kind {
            GsoKind::Udp => UdpHeader {
                source_port: 5,
                dest_port: 7,
                length: u16::try_from(8 + payload.len()).unwrap(),
                checksum: 0,
            }
            .emit(&mut packet.head),
            GsoKind::Tcp4 | GsoKind::Tcp6 => {
                let is_last = at + payload.len() == self.payload().len();
                let mut flags = TcpFlags::ACK;
                flags.set(TcpFlags::PSH, is_last);
                let header = TcpHeader {
                    source_port: 5,
                    dest_port: 7,
                    // The numbers wrap around on the way.
                    seq: SeqNum::new(u32::MAX - 5000) + u32::try_from(at).unwrap(),
                    ack: SeqNum::new(1),
                    flags,
                    window: 1000,
                    header_len: tcp::MIN_HEADER_LEN,
                    ..TcpHeader::default()
                };
                header.emit(&mut packet.head);
            }
        }
        transport::fill_checksum(&mut packet, source, dest, self.protocol(), offload);
        let index = u16::try_from(at / usize::from(self.size())).unwrap();
        let header = IpHeader {
            ttl,
            id: if self.v6 {
                0
            } else {
                0xfffa_u16.wrapping_add(index)
            },
            ..IpHeader::new(source, dest, self.protocol(), packet.len())
        };
        header.emit(&mut packet.head);
        packet
    }

    /// One by one, as they are without any offload.
    fn segments(self, ttl: u8) -> Vec<TxPacket> {
        let size = usize::from(self.size());
        let payload = self.payload();
        let parts = payload.chunks(size).enumerate();
        parts
            .map(|(index, part)| self.packet(index * size, part, ttl, false))
            .collect()
    }

    /// All in one, as a device hands them over that was to cut them: the sum is left to it.
    fn marked(self) -> RxPacket {
        let whole = self.packet(0, &self.payload(), 64, true);
        let mut bytes = bytes_of(&whole);
        let mut packet = RxPacket::default();
        // As much as the buffer for headers takes.
        let rest = bytes.split_off(2048).freeze();
        packet.frame = bytes;
        packet.frags.push(Chunk {
            bytes: rest,
            pins: 65_536,
        });
        packet.meta.checksum = whole.meta.checksum;
        packet.meta.gso = Some(self.gso());
        packet
    }
}

/// A router between two links whose devices have these abilities.
struct Router {
    host: Host,
    near: IfaceId,
    far: IfaceId,
}

impl Router {
    fn new(near: DeviceCaps, far: DeviceCaps) -> Self {
        let mut host = Host::new();
        let mut add = |name, caps, addresses: [&str; 2]| {
            let iface = iface(name, IfaceKind::PointToPoint, MTU, &addresses);
            host.stack.add_iface(iface, caps).unwrap()
        };
        let near = add("tun1", near, ["10.8.0.1/24", "fd08::1/64"]);
        let far = add("tun2", far, ["10.9.0.1/24", "fd09::1/64"]);
        host.stack.set_forwarding(near, true).unwrap();
        Self { host, near, far }
    }

    /// What leaves over the far link when these come in as one batch.
    fn forward(&mut self, packets: impl IntoIterator<Item = RxPacket>) -> Vec<TxPacket> {
        let mut batch = RxBatch::default();
        for packet in packets {
            batch.push(packet);
        }
        let Self { host, near, far } = self;
        host.stack.handle_batch(*near, &mut batch, host.now);
        host.sent_over(*far)
    }
}

const MERGES: DeviceCaps = DeviceCaps {
    tx_checksum: false,
    tso: false,
    uso: false,
    software_gro: true,
    one_piece: false,
};
const CUTS: DeviceCaps = DeviceCaps {
    tx_checksum: true,
    tso: true,
    uso: true,
    software_gro: false,
    one_piece: false,
};
const SUMS: DeviceCaps = DeviceCaps {
    tso: false,
    uso: false,
    ..CUTS
};

/// Asserts that one super-segment has left that stands for what was sent.
#[track_caller]
fn assert_whole(flow: Flow, sent: &[TxPacket]) {
    let [packet] = sent else {
        panic!("{flow:?}: {} packets", sent.len());
    };
    assert_eq!(packet.meta.gso, Some(flow.gso()));
    assert_eq!(usize::from(packet.meta.header_len), packet.head.len());
    assert_eq!(packet.head.len(), flow.ip_len() + flow.transport_len());
    let bytes = bytes_of(packet);
    let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
    assert_eq!((header.total_len(), header.ttl), (bytes.len(), 63));
    // What the device needs to sum it.
    let Checksum::Partial { start, offset } = packet.meta.checksum else {
        panic!("{flow:?}: {:?}", packet.meta.checksum);
    };
    assert_eq!(usize::from(start), flow.ip_len());
    let at = usize::from(start + offset);
    let len = u32::try_from(header.payload_len).unwrap();
    let pseudo = pseudo_header(header.source, header.dest, header.protocol, len);
    assert_eq!(bytes[at..at + 2], pseudo.partial().to_be_bytes());
    let mut cut = TxBatch::default();
    gso::segment(packet, false, &mut cut).unwrap();
    let cut: Vec<TxPacket> = cut.drain().collect();
    assert_single(flow, &cut);
}

/// Asserts that segments have left one by one, byte for byte as they were sent but for the hop.
#[track_caller]
fn assert_single(flow: Flow, sent: &[TxPacket]) {
    assert_eq!(sent.len(), Flow::FULL + 1);
    for (sent, expected) in sent.iter().zip(flow.segments(63)) {
        assert!(sent.meta.gso.is_none() && sent.len() <= usize::from(MTU));
        // Its sums are right.
        Seen::new(sent);
        assert_eq!(bytes_of(sent), bytes_of(&expected), "{flow:?}");
    }
}

#[test]
fn what_a_device_has_marked_goes_on_whole_or_is_cut_into_what_was_sent() {
    for flow in Flow::ALL {
        let mut router = Router::new(DeviceCaps::default(), CUTS);
        assert_whole(flow, &router.forward([flow.marked()]));
        let mut router = Router::new(DeviceCaps::default(), DeviceCaps::default());
        assert_single(flow, &router.forward([flow.marked()]));
        assert_eq!(router.host.stack.stats().forwarded, 1);
    }
}

#[test]
fn what_was_merged_goes_on_whole_or_is_cut_into_what_was_sent() {
    for flow in [Flow::ALL[0], Flow::ALL[1]] {
        let came = || flow.segments(64).into_iter().map(RxPacket::from);
        let mut router = Router::new(MERGES, CUTS);
        assert_whole(flow, &router.forward(came()));
        let mut router = Router::new(MERGES, DeviceCaps::default());
        assert_single(flow, &router.forward(came()));
        assert_eq!(router.host.stack.stats().forwarded, 1);
    }
}

#[test]
fn datagrams_that_nobody_has_joined_go_on_one_by_one() {
    for flow in [Flow::ALL[2], Flow::ALL[3]] {
        let came = flow.segments(64).into_iter().map(RxPacket::from);
        let mut router = Router::new(MERGES, CUTS);
        assert_single(flow, &router.forward(came));
    }
}

#[test]
fn a_device_that_sums_and_does_not_cut_gets_segments_to_sum() {
    for flow in Flow::ALL {
        let mut router = Router::new(DeviceCaps::default(), SUMS);
        let mut sent = router.forward([flow.marked()]);
        for packet in &mut sent {
            assert!(matches!(packet.meta.checksum, Checksum::Partial { .. }));
            transport::complete_checksum(packet);
        }
        assert_single(flow, &sent);
    }
}

#[test]
fn a_super_segment_whose_segments_do_not_fit_is_told_to_its_sender() {
    for flow in Flow::ALL {
        let mut router = Router::new(DeviceCaps::default(), CUTS);
        let mut packet = flow.marked();
        packet.meta.gso.as_mut().unwrap().size += 1;
        assert!(router.forward([packet]).is_empty());
        router.host.assert_dropped(DropReason::TooBig, 1);
        let told = router.host.sent_over(router.near);
        let answer = Seen::new(&told[0]);
        assert_eq!(answer.ip.dest, flow.ends().0);
        let expected = IcmpMessage::PacketTooBig { mtu: MTU.into() };
        assert_eq!(answer.icmp(), expected);
    }
}
