//! What a router cuts, and of what it tells the sender.

use super::forward::{FAR_HOST, FAR_V6, NEAR_HOST, NEAR_V6, Router, with_ttl};
use super::*;
use crate::wire::ipv6_ext;
use std::vec;

/// A fragment of IPv4 with this place in its packet.
fn fragment(payload: &[u8], offset: u16, more: bool, dont_fragment: bool) -> TxPacket {
    let mut packet = body(payload);
    let header = IpHeader {
        dont_fragment,
        id: 77,
        fragment: Some(ip::Fragment {
            offset,
            more,
            id: 77,
        }),
        ..IpHeader::new(ip("10.7.0.9"), ip("10.9.0.9"), ip::UDP, payload.len())
    };
    header.emit(&mut packet.head);
    packet
}

#[test]
fn fragments_that_may_be_cut_go_on_in_smaller_ones_of_the_same_packet() {
    let mut router = Router::new();
    let whole: Vec<u8> = (0..=255).cycle().take(2960).collect();
    let mut joined = vec![0; whole.len()];
    let mut places = Vec::new();
    for (offset, more) in [(0, true), (1480, false)] {
        let part = &whole[usize::from(offset)..][..1480];
        for packet in router.forward(fragment(part, offset, more, false)) {
            assert!(packet.len() <= 1400);
            let bytes = bytes_of(&packet);
            let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
            let place = header.fragment.unwrap();
            assert_eq!((place.id, header.dont_fragment), (77, false));
            let at = usize::from(place.offset);
            joined[at..at + header.payload_len].copy_from_slice(&bytes[header.header_len..]);
            places.push((place.offset, header.payload_len, place.more));
        }
    }
    assert!(joined == whole, "a receiver puts the packet together");
    assert_eq!(
        places,
        [
            (0, 1376, true),
            (1376, 104, true),
            (1480, 1376, true),
            (2856, 104, false)
        ]
    );
    assert!(router.host.sent().is_empty(), "nobody hears of an error");
    // What would end behind the longest packet is none.
    let beyond = fragment(&[0; 1480], 65_528, false, false);
    assert!(router.forward(beyond).is_empty());
    router.host.assert_dropped(DropReason::BadFragment, 1);
    assert_eq!(router.host.stack.stats().forwarded, 2);
}

#[test]
fn of_fragments_that_may_not_be_cut_the_first_one_is_answered() {
    let mut router = Router::new();
    assert!(
        router
            .forward(fragment(&[0; 1480], 1480, true, true))
            .is_empty()
    );
    assert!(router.host.sent().is_empty(), "RFC 1122 §3.2.2");
    assert!(
        router
            .forward(fragment(&[0; 1480], 0, true, true))
            .is_empty()
    );
    let answer = router.answer();
    assert_eq!(answer.icmp(), IcmpMessage::PacketTooBig { mtu: 1400 });
}

#[test]
fn how_much_fits_is_told_though_many_other_errors_were() {
    let mut router = Router::new();
    for (source, dest) in [(NEAR_HOST, FAR_HOST), (NEAR_V6, FAR_V6)] {
        let before = router.host.stack.stats().drops(DropReason::RateLimited);
        for _ in 0..=Config::default().answer_burst {
            router.host.inject(with_ttl(1, source, dest, b"trace"));
        }
        let limited = router.host.stack.stats().drops(DropReason::RateLimited);
        assert!(limited > before, "there are no errors left");
        router.host.sent();
        router.host.inject(with_ttl(9, source, dest, &[0; 1400]));
        let answer = router.answer();
        assert_eq!(answer.icmp(), IcmpMessage::PacketTooBig { mtu: 1400 });
    }
}

/// RFC 4443 §2.4(e.1) and (e.2).
#[test]
fn an_error_or_redirect_behind_other_headers_is_answered_with_no_error() {
    let mut router = Router::new();
    let mut answers = |kind: u8| {
        let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        message.resize(56, 0x60);
        let mut packet = body(&message);
        // Destination options: padding alone.
        let options = [ip::ICMPV6, 0, 1, 4, 0, 0, 0, 0];
        packet.head.prepend(8).copy_from_slice(&options);
        let header = IpHeader {
            ttl: 1,
            ..IpHeader::new(ip("fd07::9"), ip("fd09::9"), ipv6_ext::DESTINATION, 64)
        };
        header.emit(&mut packet.head);
        router.host.inject(packet);
        router.host.sent().len()
    };
    assert_eq!([1, 3, 100, 137].map(&mut answers), [0; 4]);
    assert_eq!(answers(128), 1, "an echo request is no error");
}

/// RFC 1812 §4.3.2.7 names errors alone.
#[test]
fn the_last_hop_of_any_query_is_told_to_the_sender() {
    let mut router = Router::new();
    let mut answers = |kind: u8| {
        let mut packet = body(&[kind, 0, 0, 0, 0, 7, 0, 1, 0, 0, 0, 0]);
        let header = IpHeader {
            ttl: 1,
            ..IpHeader::new(ip("10.7.0.9"), ip("10.9.0.9"), ip::ICMP, 12)
        };
        header.emit(&mut packet.head);
        router.host.inject(packet);
        router.host.sent().len()
    };
    assert_eq!([8, 13, 14, 15, 16, 17, 18].map(&mut answers), [1; 7]);
    assert_eq!([3, 4, 5, 11, 12, 40].map(&mut answers), [0; 6]);
}
