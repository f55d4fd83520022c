//! IPv6 extension headers of packets that arrive (RFC 8200 §4).

use super::*;
use crate::wire::NdpMessage;
use crate::wire::ipv6_ext::{
    Chain, DESTINATION, FRAGMENT, HOP_BY_HOP, NO_NEXT_HEADER, ROUTING, is_extension,
};
use proptest::prelude::*;

const ROUTER_ALERT: [u8; 4] = [5, 2, 0, 0];

/// A header of options, padded to a multiple of eight bytes.
fn options(options: &[u8]) -> Vec<u8> {
    let mut header = std::vec![0, 0];
    header.extend_from_slice(options);
    match header.len().next_multiple_of(8) - header.len() {
        0 => {}
        1 => header.push(0),
        len => {
            header.extend([1, u8::try_from(len - 2).unwrap()]);
            header.resize(header.len() + len - 2, 0);
        }
    }
    header[1] = u8::try_from(header.len() / 8 - 1).unwrap();
    header
}

fn routing(kind: u8, segments_left: u8) -> Vec<u8> {
    std::vec![0, 0, kind, segments_left, 0, 0, 0, 0]
}

/// A datagram for port 9 behind these headers.
fn behind(headers: &[(u8, Vec<u8>)], dest: &str) -> TxPacket {
    let dest = std::format!("[{dest}]:9");
    let seen = Seen::new(&datagram("[fd07::1]:5000", &dest, b"hello"));
    chain(headers, ip::UDP, &seen.payload, seen.ip)
}

fn chain(headers: &[(u8, Vec<u8>)], protocol: u8, payload: &[u8], ip: IpHeader) -> TxPacket {
    let mut bytes = payload.to_vec();
    let mut next = protocol;
    for (kind, header) in headers.iter().rev() {
        bytes.splice(..0, header.iter().copied());
        bytes[0] = next;
        next = *kind;
    }
    let mut packet = body(&bytes);
    let header = IpHeader {
        protocol: next,
        payload_len: packet.len(),
        ..ip
    };
    header.emit(&mut packet.head);
    packet
}

/// How many datagrams came through, and what was answered.
fn outcome(headers: &[(u8, Vec<u8>)]) -> (u64, Option<IcmpMessage>) {
    outcome_for(headers, None)
}

/// The same of a packet that is dropped for `reason`.
fn outcome_for(
    headers: &[(u8, Vec<u8>)],
    reason: Option<DropReason>,
) -> (u64, Option<IcmpMessage>) {
    let mut host = Host::new();
    host.udp("[::]:9");
    host.inject(behind(headers, OURS_V6));
    if let Some(reason) = reason {
        host.assert_dropped(reason, 1);
    }
    let sent = host.sent();
    let answer = sent.first().map(|packet| Seen::new(packet).icmp());
    (host.stack.stats().udp_in, answer)
}

fn problem(code: u8, pointer: u32) -> Option<IcmpMessage> {
    Some(IcmpMessage::ParameterProblem { code, pointer })
}

#[test]
fn what_is_behind_known_headers_is_delivered() {
    let known = [
        (HOP_BY_HOP, options(&ROUTER_ALERT)),
        (DESTINATION, options(&[])),
        (ROUTING, routing(0, 0)),
        (FRAGMENT, std::vec![0, 0, 0, 0, 1, 2, 3, 4]),
        (DESTINATION, options(&[0x1e, 3, 1, 2, 3])),
    ];
    for len in 0..=known.len() {
        assert_eq!(outcome(&known[..len]), (1, None), "{len} headers");
    }
}

/// RFC 6980 §5.
#[test]
fn neighbour_discovery_in_fragments_is_dropped_also_if_there_is_only_one() {
    let message = NdpMessage::NeighborSolicit {
        target: OURS_V6.parse().unwrap(),
    };
    let mut bytes = Vec::new();
    message.emit(&[], &mut bytes);
    let ip = IpHeader {
        ttl: 255,
        ..IpHeader::new(ip("fd07::1"), ip(OURS_V6), ip::ICMPV6, bytes.len())
    };
    let atomic = std::vec![0, 0, 0, 0, 1, 2, 3, 4];
    let first = std::vec![0, 0, 0, 1, 1, 2, 3, 4];
    let behind_options = [(FRAGMENT, first.clone()), (DESTINATION, options(&[]))];
    let each: [&[(u8, Vec<u8>)]; 3] =
        [&[(FRAGMENT, atomic)], &[(FRAGMENT, first)], &behind_options];
    for headers in each {
        let mut host = Host::new();
        host.inject(chain(headers, ip::ICMPV6, &bytes, ip));
        host.assert_dropped(DropReason::Ndp, 1);
    }
}

/// RFC 8200 §4.2: the two highest bits of an option's type.
#[test]
fn an_unknown_option_says_itself_what_is_to_become_of_its_packet() {
    let unknown = |high: u8| options(&[1, 0, high << 6 | 0x1e, 4, 1, 2, 3, 4]);
    for kind in [HOP_BY_HOP, DESTINATION] {
        assert_eq!(outcome(&[(kind, unknown(0))]), (1, None));
        for (high, answer) in [(1, None), (2, problem(2, 44)), (3, problem(2, 44))] {
            let headers = [(kind, unknown(high))];
            let outcome = outcome_for(&headers, Some(DropReason::UnknownOption));
            assert_eq!(outcome, (0, answer));
        }
    }
}

/// RFC 5095 §3.
#[test]
fn a_source_route_is_refused() {
    for kind in [0, 2, 4] {
        let headers = [(DESTINATION, options(&[])), (ROUTING, routing(kind, 1))];
        let outcome = outcome_for(&headers, Some(DropReason::SourceRoute));
        assert_eq!(outcome, (0, problem(0, 50)));
    }
}

/// RFC 8200 §4.1.
#[test]
fn hop_by_hop_options_come_first_or_not_at_all() {
    let headers = [
        (DESTINATION, options(&[])),
        (HOP_BY_HOP, options(&ROUTER_ALERT)),
    ];
    assert_eq!(outcome(&headers), (0, problem(1, 40)));
}

#[test]
fn an_unknown_protocol_behind_headers_is_named_by_the_last_of_them() {
    let mut host = Host::new();
    let ip = IpHeader::new(ip(PEER_V6), ip(OURS_V6), 0, 0);
    let headers = [(DESTINATION, options(&[])), (DESTINATION, options(&[]))];
    host.inject(chain(&headers, 132, &[7; 40], ip));
    let answer = Seen::new(&host.sent()[0]).icmp();
    assert_eq!(Some(answer), problem(1, 48));
}

/// RFC 8504 §5.3.
#[test]
fn chains_and_options_are_bounded() {
    let dropped = |headers: &[(u8, Vec<u8>)]| {
        let mut host = Host::new();
        host.udp("[::]:9");
        host.inject(behind(headers, OURS_V6));
        host.assert_dropped(DropReason::ExtensionHeader, 1);
        assert_eq!(host.sent().len(), 0);
    };
    let plain = (DESTINATION, options(&[]));
    assert_eq!(outcome(&std::vec![plain.clone(); 8]), (1, None));
    dropped(&std::vec![plain; 9]);
    let long = options(&[&[0x1e, 200][..], &[0; 200]].concat());
    assert_eq!(
        outcome(&std::vec![(DESTINATION, long.clone()); 4]),
        (1, None)
    );
    dropped(&std::vec![(DESTINATION, long); 5]);
    dropped(&[(DESTINATION, options(&[0x1e, 0].repeat(9)))]);
    dropped(&[(DESTINATION, options(&[0; 8]))]);
    dropped(&[(DESTINATION, options(&[1, 7, 0, 0, 0, 0, 0, 0, 0]))]);
    // An option that reaches beyond its header.
    dropped(&[(DESTINATION, std::vec![0, 0, 0x1e, 5, 0, 0, 0, 0])]);
}

#[test]
fn a_packet_that_says_that_it_has_no_content_is_dropped_in_silence() {
    let mut host = Host::new();
    let ip = IpHeader::new(ip(PEER_V6), ip(OURS_V6), 0, 0);
    let headers = [(DESTINATION, options(&[]))];
    host.inject(chain(&headers, NO_NEXT_HEADER, b"", ip));
    host.assert_dropped(DropReason::NoNextHeader, 1);
    assert_eq!(host.sent().len(), 0);
}

/// RFC 2675 is for links with larger MTUs than ours.
#[test]
fn a_jumbogram_is_dropped() {
    let mut host = Host::new();
    let jumbo = options(&[0xc2, 4, 0, 1, 0, 0]);
    let mut packet = linear(&behind(&[(HOP_BY_HOP, jumbo)], OURS_V6));
    packet.frame[4..6].fill(0);
    host.inject(packet);
    host.assert_dropped(DropReason::Jumbogram, 1);
}

#[test]
fn a_chain_that_is_cut_off_is_truncated() {
    let headers = [(DESTINATION, options(&[])), (DESTINATION, options(&[]))];
    let whole = bytes_of(&behind(&headers, OURS_V6));
    for len in 40..56 {
        let mut host = Host::new();
        let mut bytes = BytesMut::from(&whole[..len]);
        bytes[5] = u8::try_from(len - 40).unwrap();
        host.inject(RxPacket::from_frame(bytes));
        host.assert_dropped(DropReason::Truncated, 1);
    }
}

proptest! {
    #![proptest_config(crate::wire::tests::cases(256))]

    #[test]
    fn no_chain_makes_it_panic_or_answer_twice(
        mut frame in proptest::collection::vec(any::<u8>(), 40..300),
        kinds in proptest::collection::vec(prop_oneof![
            Just(HOP_BY_HOP), Just(ROUTING), Just(FRAGMENT), Just(DESTINATION),
            Just(NO_NEXT_HEADER), Just(ip::UDP), Just(ip::ICMPV6), any::<u8>(),
        ], 1..10),
        split in 40_usize..300,
    ) {
        let mut host = Host::new();
        host.udp("[::]:9");
        let header = IpHeader::new(ip(PEER_V6), ip(OURS_V6), kinds[0], frame.len() - 40);
        let mut head = HeadBuf::new();
        header.emit(&mut head);
        frame[..40].copy_from_slice(&head);
        let mut at = 40;
        for kind in &kinds[1..] {
            if let Some(place) = frame.get_mut(at..at + 2) {
                place[0] = *kind;
                place[1] %= 3;
                at += (usize::from(place[1]) + 1) * 8;
            }
        }
        let steps = Chain::new(&frame).take_while(Result::is_ok).count();
        prop_assert!(steps <= 8);
        prop_assert!(steps == 0 || is_extension(kinds[0]));
        let tail = frame.split_off(split.min(frame.len()));
        let mut packet = RxPacket::from_frame(BytesMut::from(&frame[..]));
        packet.frags.push(crate::buf::Chunk { pins: 64, bytes: Bytes::from(tail) });
        host.inject(packet);
        prop_assert!(host.sent().len() <= 1);
    }
}
