//! Fragments that come in: put together, refused, bounded, timed out.

use super::*;
use crate::config::ReassemblyConfig;
use crate::time::Duration;
use crate::wire::ip::Fragment;
use crate::wire::ipv6_ext::{FRAGMENT, fragment_header};
use core::ops::Range;
use proptest::prelude::*;
use std::collections::VecDeque;

/// A packet that is to arrive in fragments.
#[derive(Clone)]
struct Whole {
    ip: IpHeader,
    payload: Bytes,
    id: u32,
}

impl Whole {
    fn new(packet: &TxPacket) -> Self {
        let Seen { ip, payload } = Seen::new(packet);
        let id = 77;
        Self { ip, payload, id }
    }

    /// A datagram for port 9 with `len` bytes of payload.
    fn datagram(v6: bool, len: usize) -> Self {
        let data: Vec<u8> = (0..=255).cycle().take(len).collect();
        Self::new(&if v6 {
            datagram("[fd07::1]:5000", "[fd07::2]:9", &data)
        } else {
            datagram("10.7.0.1:5000", "10.7.0.2:9", &data)
        })
    }

    fn len(&self) -> usize {
        self.payload.len()
    }

    /// The fragment with these bytes of the payload; it is the last if it reaches the end.
    fn piece(&self, bytes: Range<usize>) -> TxPacket {
        let more = bytes.end < self.len();
        self.fragment(bytes.start, &self.payload[bytes], more)
    }

    fn fragment(&self, offset: usize, bytes: &[u8], more: bool) -> TxPacket {
        let place = Fragment {
            offset: offset.try_into().unwrap(),
            more,
            id: self.id,
        };
        let mut packet = body(bytes);
        let mut header = IpHeader {
            dont_fragment: false,
            ..self.ip
        };
        if self.ip.dest.is_ipv6() {
            let extension = fragment_header(self.ip.protocol, place);
            packet.head.prepend(8).copy_from_slice(&extension);
            header.protocol = FRAGMENT;
        } else {
            header.fragment = Some(place);
            header.id = self.id.try_into().unwrap();
        }
        header.payload_len = packet.len();
        header.emit(&mut packet.head);
        packet
    }

    /// All fragments of `size` bytes.
    fn pieces(&self, size: usize) -> Vec<TxPacket> {
        let starts = (0..self.len()).step_by(size);
        starts
            .map(|start| self.piece(start..self.len().min(start + size)))
            .collect()
    }
}

impl Host {
    fn inject_all<P: Into<RxPacket>>(&mut self, packets: impl IntoIterator<Item = P>) {
        for packet in packets {
            self.inject(packet);
        }
    }

    fn receive(&mut self, id: SocketId) -> Option<Bytes> {
        let datagram = self.stack.udp(id)?.recv()?;
        Some(datagram.payload)
    }

    fn with_reassembly(change: impl FnOnce(&mut ReassemblyConfig)) -> Self {
        let mut config = Config::default();
        change(&mut config.reassembly);
        Self::with(config)
    }
}

proptest! {
    #![proptest_config(crate::wire::tests::cases(64))]

    /// RFC 791 §3.2 and RFC 8200 §4.5.
    #[test]
    fn fragments_in_any_order_make_the_packet(
        v6 in any::<bool>(),
        len in 1_usize..9000,
        cuts in prop::collection::btree_set(3_usize..1100, 0..6),
        order in any::<u64>(),
        pieces in 1_usize..4,
    ) {
        let mut host = Host::new();
        let socket = host.udp("[::]:9");
        let whole = Whole::datagram(v6, len);
        let mut starts: Vec<usize> = cuts.iter().map(|cut| cut * 8).collect();
        starts.retain(|&start| start < whole.len());
        starts.insert(0, 0);
        let mut ends: Vec<usize> = starts[1..].to_vec();
        ends.push(whole.len());
        let mut left: VecDeque<_> = starts.into_iter().zip(ends).collect();
        let mut order = order;
        while let Some((start, end)) = left.pop_front() {
            order = order.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let at = usize::try_from(order % (left.len() as u64 + 1)).unwrap();
            let next = if at == 0 { (start, end) } else { left.remove(at - 1).unwrap() };
            if at > 0 {
                left.push_front((start, end));
            }
            let mut packet = linear(&whole.piece(next.0..next.1));
            let tail = packet.frame.split_off(48.min(packet.frame.len())).freeze();
            for piece in tail.chunks(tail.len().div_ceil(pieces).max(1)) {
                packet.frags.push(crate::buf::Chunk { bytes: tail.slice_ref(piece), pins: 2048 });
            }
            prop_assert_eq!(host.receive(socket), None);
            host.inject(packet);
        }
        prop_assert_eq!(host.receive(socket), Some(whole.payload.slice(8..)));
        prop_assert_eq!(host.stack.memory_used(), 0);
        let drops: Vec<_> = host.stack.stats().dropped().collect();
        prop_assert!(drops.is_empty(), "{drops:?}");
    }
}

#[test]
fn the_largest_packets_are_put_together() {
    for (v6, len) in [(false, 65507), (true, 65527)] {
        let mut host = Host::new();
        let socket = host.udp("[::]:9");
        let whole = Whole::datagram(v6, len);
        host.inject_all(whole.pieces(1448));
        assert_eq!(host.receive(socket), Some(whole.payload.slice(8..)));
        assert_eq!(host.stack.stats().ip_reassembled, 1);
    }
}

/// RFC 5722 §4: all of the packet is refused, with what of it is still to come.
#[test]
fn overlapping_fragments_refuse_their_packet_to_its_last_fragment() {
    for v6 in [false, true] {
        for overlap in [40..80, 80..120, 48..80, 0..56] {
            let mut host = Host::new();
            let socket = host.udp("[::]:9");
            let whole = Whole::datagram(v6, 192);
            host.inject(whole.piece(0..48));
            host.inject(whole.piece(72..112));
            host.inject(whole.piece(overlap));
            host.assert_dropped(DropReason::FragmentOverlap, 3);
            host.inject_all(whole.pieces(48));
            host.assert_dropped(DropReason::FragmentOverlap, 8);
            assert_eq!(host.receive(socket), None);
            assert_eq!(host.sent().len(), 0);
            // When its time is over the identification may be used again.
            host.now += Duration::from_secs(60);
            host.stack.handle_timeout(host.now);
            host.inject_all(whole.pieces(48));
            assert!(host.receive(socket).is_some());
        }
    }
}

#[test]
fn fragments_that_disagree_about_the_end_are_refused() {
    for v6 in [false, true] {
        let whole = Whole::datagram(v6, 192);
        let last = |at: usize| whole.fragment(at, &whole.payload[at..at + 8], false);
        let more = |at: usize| whole.fragment(at, &whole.payload[at..at + 8], true);
        for (first, second) in [
            (last(80), last(96)),
            (last(80), last(64)),
            (last(80), more(96)),
            (more(96), last(80)),
            (last(80), more(80)),
            (more(80), last(80)),
        ] {
            let mut host = Host::new();
            host.inject_all([first, second]);
            host.assert_dropped(DropReason::FragmentOverlap, 2);
        }
    }
}

/// RFC 8200 §4.5: a network may duplicate packets, which is no attack.
#[test]
fn a_fragment_that_comes_twice_is_no_overlap_unless_it_says_something_else() {
    for v6 in [false, true] {
        let mut host = Host::new();
        let socket = host.udp("[::]:9");
        let whole = Whole::datagram(v6, 192);
        host.inject_all([0..48, 48..96, 48..96, 0..48].map(|bytes| whole.piece(bytes)));
        host.assert_dropped(DropReason::FragmentDuplicate, 2);
        host.inject(whole.piece(96..200));
        assert!(host.receive(socket).is_some());

        host.inject_all([0..48, 48..96].map(|bytes| whole.piece(bytes)));
        host.inject(whole.fragment(48, &[0xee; 48], true));
        host.assert_dropped(DropReason::FragmentOverlap, 3);
    }
}

#[test]
fn fragments_of_different_packets_are_not_mixed() {
    let mut host = Host::new();
    let socket = host.udp("[::]:9");
    let v4 = Whole::datagram(false, 192);
    let other_id = Whole {
        id: 78,
        ..v4.clone()
    };
    let mut other_source = v4.clone();
    other_source.ip.source = ip("10.7.0.9");
    let mut other_protocol = v4.clone();
    other_protocol.ip.protocol = ip::ICMP;
    host.inject(v4.piece(0..96));
    for other in [other_id, other_source, other_protocol] {
        host.inject(other.piece(96..200));
    }
    assert_eq!(host.receive(socket), None);
    host.inject(v4.piece(96..200));
    assert_eq!(host.receive(socket), Some(v4.payload.slice(8..)));
}

/// RFC 6946 §4: nothing that others send under its identification can harm it.
#[test]
fn an_atomic_fragment_is_taken_by_itself() {
    let mut host = Host::new();
    let socket = host.udp("[::]:9");
    let whole = Whole::datagram(true, 192);
    host.inject(whole.piece(0..48));
    host.inject(whole.piece(0..200));
    assert_eq!(host.receive(socket), Some(whole.payload.slice(8..)));
    host.inject(whole.piece(48..200));
    assert_eq!(host.receive(socket), Some(whole.payload.slice(8..)));
}

/// RFC 1122 §3.3.2 and §3.2.2.4, RFC 8200 §4.5.
#[test]
fn a_packet_that_stays_incomplete_for_a_minute_is_dropped_and_its_sender_told() {
    for v6 in [false, true] {
        let mut host = Host::new();
        let whole = Whole::datagram(v6, 2000);
        host.inject(whole.piece(1448..2008));
        host.now += Duration::from_secs(30);
        host.inject(whole.piece(0..744));
        assert!(host.stack.memory_used() > 1200);
        host.now += Duration::from_millis(29_999);
        host.stack.handle_timeout(host.now);
        assert_eq!(host.sent().len(), 0);
        host.now += Duration::from_millis(2);
        assert!(host.stack.poll_timeout().is_some_and(|at| at <= host.now));
        host.stack.handle_timeout(host.now);
        let sent: Vec<Seen> = host.sent().iter().map(Seen::new).collect();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].icmp(), IcmpMessage::TimeExceeded { code: 1 });
        let first = bytes_of(&whole.piece(0..744));
        let room = if v6 { 1232 } else { 548 };
        assert_eq!(sent[0].data(), first[..room.min(first.len())]);
        host.assert_dropped(DropReason::ReassemblyTimeout, 2);
        assert_eq!(host.stack.memory_used(), 0);
        assert_eq!(host.stack.poll_timeout(), None);
    }
}

#[test]
fn nobody_is_told_of_a_timeout_if_the_first_fragment_is_missing() {
    let mut host = Host::new();
    host.inject(Whole::datagram(false, 2000).piece(1448..2008));
    host.now += Duration::from_secs(61);
    host.stack.handle_timeout(host.now);
    assert_eq!(host.sent().len(), 0);
    host.assert_dropped(DropReason::ReassemblyTimeout, 1);
}

#[test]
fn a_flood_of_fragments_leaves_memory_at_its_cap_and_the_newest_get_through() {
    let mut host = Host::with_reassembly(|config| config.memory = 100_000);
    let socket = host.udp("[::]:9");
    let mut whole = Whole::datagram(false, 1992);
    for number in 0..2000_u16 {
        let [high, low] = number.to_be_bytes();
        whole.ip.source = IpAddr::from([198, 18, high, low]);
        whole.id = number.into();
        host.inject(whole.piece(0..1000));
        assert!(host.stack.memory_used() <= 100_000);
    }
    let full = host.stack.stats().drops(DropReason::ReassemblyFull);
    assert!((1900..2000).contains(&full), "{full}");
    let newest = Whole::datagram(false, 1992);
    host.inject_all(newest.pieces(1000));
    assert_eq!(host.receive(socket), Some(newest.payload.slice(8..)));
}

#[test]
fn a_source_that_floods_has_its_share_and_no_more() {
    for v6 in [false, true] {
        let mut host = Host::with_reassembly(|config| config.per_source = 50_000);
        let socket = host.udp("[::]:9");
        let honest = Whole::datagram(v6, 1992);
        host.inject(honest.piece(0..1000));
        let mut flood = Whole::datagram(v6, 1992);
        for number in 0..1000_u16 {
            // A host may have every IPv6 address of its prefix.
            flood.ip.source = match honest.ip.source {
                IpAddr::V4(_) => ip("198.18.0.1"),
                IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 1, 2, 3, number]),
            };
            flood.id = number.into();
            host.inject(flood.piece(0..1000));
        }
        assert!(host.stack.memory_used() < 55_000);
        host.inject(honest.piece(1000..2000));
        assert_eq!(host.receive(socket), Some(honest.payload.slice(8..)));
    }
}

#[test]
fn small_fragments_do_not_pin_large_buffers_and_a_packet_has_a_limited_number() {
    let mut host = Host::new();
    let whole = Whole::datagram(false, 8000);
    for start in (0..256 * 16).step_by(16) {
        let mut packet = linear(&whole.piece(start..start + 8));
        packet.meta.pins = 65_536;
        host.inject(packet);
    }
    assert!(host.stack.memory_used() < 256 * 400);
    host.assert_dropped(DropReason::ReassemblyFull, 0);
    host.inject(whole.piece(7000..7008));
    host.assert_dropped(DropReason::ReassemblyFull, 257);
    assert!(host.stack.memory_used() < 1000);
}

#[test]
fn fragments_have_a_quarter_of_the_memory_of_the_stack_at_most() {
    let mut host = Host::with(Config {
        memory: 40_000,
        ..Config::default()
    });
    for id in 0..100 {
        let whole = Whole {
            id,
            ..Whole::datagram(false, 2000)
        };
        host.inject(whole.piece(0..1000));
        assert!(host.stack.memory_used() <= 10_000);
    }
}

/// RFC 1858 §3, RFC 3128: what a filter has to see is in the first fragment.
#[test]
fn a_transport_header_in_pieces_is_refused() {
    let mut host = Host::new();
    let mut tcp = Whole::datagram(false, 192);
    tcp.ip.protocol = ip::TCP;
    host.inject(tcp.piece(0..16));
    host.inject(tcp.piece(8..24));
    host.assert_dropped(DropReason::TinyFragment, 2);
    host.inject(tcp.piece(0..24));
    host.assert_dropped(DropReason::TinyFragment, 2);
}

/// RFC 7112 §5, RFC 8200 §4.5.
#[test]
fn a_first_fragment_without_all_headers_is_answered() {
    let mut host = Host::new();
    let mut tcp = Whole::datagram(true, 192);
    tcp.ip.protocol = ip::TCP;
    host.inject(tcp.piece(0..16));
    host.assert_dropped(DropReason::TinyFragment, 1);
    let problem = IcmpMessage::ParameterProblem {
        code: 3,
        pointer: 0,
    };
    assert_eq!(Seen::new(&host.sent()[0]).icmp(), problem);
}

/// RFC 8200 §4.5.
#[test]
fn a_length_that_no_fragment_has_is_answered() {
    let mut host = Host::new();
    for v6 in [false, true] {
        let whole = Whole::datagram(v6, 192);
        host.inject(whole.fragment(0, &whole.payload[..45], true));
        host.inject(whole.fragment(65528, &whole.payload[..16], false));
        host.inject(whole.fragment(96, &[], false));
    }
    host.assert_dropped(DropReason::BadFragment, 6);
    let sent: Vec<_> = host
        .sent()
        .iter()
        .map(|packet| Seen::new(packet).icmp())
        .collect();
    let problem = |pointer| IcmpMessage::ParameterProblem { code: 0, pointer };
    // The second one is about a later fragment.
    assert_eq!(sent, [problem(4)]);
}

/// RFC 3168 §5.3.
#[test]
fn congestion_marks_of_fragments_are_those_of_the_packet() {
    for v6 in [false, true] {
        let marks = |marks: [u8; 2]| {
            let mut host = Host::new();
            let socket = host.udp("[::]:9");
            let mut whole = Whole::datagram(v6, 192);
            for (bytes, mark) in [0..96, 96..200].into_iter().zip(marks) {
                whole.ip.tos = 0x28 | mark;
                host.inject(whole.piece(bytes));
            }
            let datagram = host.stack.udp(socket).unwrap().recv();
            datagram.map(|datagram| datagram.tos)
        };
        assert_eq!(marks([2, 2]), Some(0x2a));
        assert_eq!(marks([2, 3]), Some(0x2b));
        assert_eq!(marks([3, 1]), Some(0x2b));
        assert_eq!(marks([0, 3]), None);
        assert_eq!(marks([3, 0]), None);
    }
}

#[test]
fn an_echo_in_fragments_is_answered_in_fragments() {
    for v6 in [false, true] {
        let mut host = Host::new();
        let (from, to) = if v6 { (PEER_V6, OURS_V6) } else { (PEER, OURS) };
        let message = IcmpMessage::EchoRequest { ident: 1, seq: 1 };
        let whole = Whole::new(&icmp(from, to, &message, &[7; 3000]));
        host.inject_all(whole.pieces(1448));
        assert_eq!(host.sent().len(), 3);
        assert_eq!(host.stack.stats().icmp_echo_replies, 1);
    }
}

#[test]
fn an_error_about_a_packet_that_came_in_fragments_quotes_the_packet() {
    let mut host = Host::new();
    let whole = Whole::datagram(true, 3000);
    host.inject_all(whole.pieces(1448));
    let sent = host.sent();
    let seen = Seen::new(&sent[0]);
    assert_eq!(seen.icmp(), IcmpMessage::Unreachable { code: 4 });
    assert_eq!(seen.data()[40..], whole.payload[..1192]);
}
