//! Options of IPv4 headers, on the way through and at the end of it.

use super::forward::{FAR_HOST, NEAR_HOST, Router};
use super::*;
use crate::wire::ipv4;
use bytes::BytesMut;

/// Where a header without options ends.
const OPTIONS: usize = ipv4::MIN_HEADER_LEN;

/// The packet with these options, a multiple of four bytes.
fn with_options(packet: &TxPacket, options: &[u8]) -> RxPacket {
    let mut bytes = bytes_of(packet).to_vec();
    bytes.splice(OPTIONS..OPTIONS, options.iter().copied());
    bytes[0] += u8::try_from(options.len() / 4).unwrap();
    let len = bytes.len();
    ipv4::complete(&mut bytes[..OPTIONS + options.len()], len, None, None);
    RxPacket::from_frame(BytesMut::from(&bytes[..]))
}

/// The options of a packet that has left, its checksums verified.
#[track_caller]
fn options_of(packet: &TxPacket) -> Vec<u8> {
    let header_len = Seen::new(packet).ip.header_len;
    bytes_of(packet)[OPTIONS..header_len].to_vec()
}

fn echo_request() -> TxPacket {
    let message = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    icmp(PEER, OURS, &message, b"hello")
}

/// RFC 1812 §4.2.2.2, §5.2.4.2: the address of the interface that the packet leaves over.
#[test]
fn a_router_writes_itself_into_a_recorded_route_while_there_is_room() {
    let mut router = Router::new();
    let packet = datagram(NEAR_HOST, FAR_HOST, b"x");
    let mut options = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (pointer, recorded) in [(8, &[10, 9, 0, 1][..]), (12, &[10, 9, 0, 1, 10, 9, 0, 1])] {
        let sent = router.forward(with_options(&packet, &options));
        options = options_of(&sent[0]).try_into().unwrap();
        assert_eq!(options[2], pointer);
        assert_eq!(options[3..3 + recorded.len()], *recorded);
    }
    let sent = router.forward(with_options(&packet, &options));
    assert_eq!(options_of(&sent[0]), options, "it is full");
    // Between an operation that is none and the end, and one that nobody knows beside it.
    let odd = [1, 0x5e, 4, 9, 9, 7, 7, 4, 0, 0, 0, 0, 0, 7, 0, 0];
    let sent = router.forward(with_options(&packet, &odd));
    let expected = [1, 0x5e, 4, 9, 9, 7, 7, 8, 10, 9, 0, 1, 0, 7, 0, 0];
    assert_eq!(options_of(&sent[0]), expected);
}

/// RFC 791 §3.1, RFC 1812 §5.2.4.3. The stack knows no time of day, so the highest bit is set.
#[test]
fn a_router_stamps_the_time_alone_or_with_its_address_or_where_it_is_named() {
    let mut router = Router::new();
    router.host.now = Instant::from_millis(0x0102_0304);
    let packet = datagram(NEAR_HOST, FAR_HOST, b"x");
    let time = [0x81, 2, 3, 4];
    let mut forward =
        |options: &[u8]| options_of(&router.forward(with_options(&packet, options))[0]);
    let times = forward(&[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(times[..4], [68, 12, 9, 0]);
    assert_eq!((&times[4..8], &times[8..]), (&time[..], &[0; 4][..]));
    let with_address = forward(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(with_address[..8], [68, 12, 13, 1, 10, 9, 0, 1]);
    assert_eq!(with_address[8..], time);
    // Any address of ours will do, and another's waits for its turn.
    let named = forward(&[68, 12, 5, 3, 10, 7, 0, 2, 0, 0, 0, 0]);
    assert_eq!(named[..8], [68, 12, 13, 3, 10, 7, 0, 2]);
    assert_eq!(named[8..], time);
    let other = [68, 12, 5, 3, 10, 9, 0, 9, 0, 0, 0, 0];
    assert_eq!(forward(&other), other);
    // Who finds no room is counted, beside the kind.
    assert_eq!(forward(&[68, 8, 9, 0x21, 1, 2, 3, 4])[3], 0x31);
    assert_eq!(forward(&[68, 8, 9, 0xe0, 1, 2, 3, 4])[3], 0xf0);
}

/// RFC 1122 §3.2.2.6, and we are in them twice, as with Linux: where the request ended, and where the
/// answer began.
#[test]
fn the_answer_to_an_echo_takes_back_what_was_recorded() {
    let mut host = Host::new();
    host.now = Instant::from_millis(5);
    let record = [7, 15, 8, 10, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0];
    let times = [68, 8, 5, 0, 0, 0, 0, 0];
    let asked = [&[0x5e, 3, 9, 1][..], &record, &times, &[0]].concat();
    assert_eq!(asked.len(), 28);
    host.inject(with_options(&echo_request(), &asked));
    let sent = host.sent();
    let seen = Seen::new(&sent[0]);
    assert_eq!(seen.icmp(), IcmpMessage::EchoReply { ident: 7, seq: 1 });
    assert_eq!(seen.data(), "hello");
    let recorded = [7, 15, 16, 10, 9, 9, 9, 10, 7, 0, 2, 10, 7, 0, 2];
    let stamped = [68, 8, 9, 0, 0x80, 0, 0, 5];
    // What is not to be recorded in does not go back.
    assert_eq!(
        options_of(&sent[0]),
        [&recorded[..], &stamped, &[0]].concat()
    );
    // Without such options the answer has none.
    host.inject(with_options(&echo_request(), &[0x5e, 4, 9, 9]));
    assert_eq!(options_of(&host.sent()[0]), []);
}

/// RFC 1122 §3.2.1.8(a), (b), RFC 1812 §5.3.13.2, §5.3.13.3: security and stream identifiers.
#[test]
fn options_that_nobody_uses_any_more_change_nothing() {
    let old = [130, 11, 0, 0, 1, 2, 3, 4, 5, 6, 7, 136, 4, 9, 9, 0];
    let mut router = Router::new();
    let packet = datagram(NEAR_HOST, FAR_HOST, b"x");
    let sent = router.forward(with_options(&packet, &old));
    assert_eq!(options_of(&sent[0]), old);
    let mut host = Host::new();
    host.inject(with_options(&echo_request(), &old));
    let sent = host.sent();
    let seen = Seen::new(&sent[0]);
    assert_eq!(seen.icmp(), IcmpMessage::EchoReply { ident: 7, seq: 1 });
    assert_eq!(options_of(&sent[0]), [], "they are not sent");
}

/// RFC 791 §3.1: some room, but not for a whole address or time, is an error of the packet. As with Linux
/// nobody is told, since the request was as it should be.
#[test]
fn an_echo_whose_options_have_no_whole_room_for_the_answer_is_not_answered() {
    let mut host = Host::new();
    for options in [
        &[7, 9, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[68, 10, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // Ours at the end of the request fits, and so does that of the answer, but nobody's behind it.
        &[7, 13, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        host.inject(with_options(&echo_request(), options));
        assert_eq!(host.sent().len(), 0, "{options:?}");
    }
    host.assert_dropped(DropReason::IpOption, 3);
}

/// A long answer is cut, and only its first part has what is not to be copied.
#[test]
fn a_recorded_route_is_in_the_first_fragment_alone() {
    let mut host = Host::new();
    let message = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    let request = icmp(PEER, OURS, &message, &[7; 2000]);
    host.inject(with_options(&request, &[7, 7, 4, 0, 0, 0, 0, 0]));
    let sent = host.sent();
    let bytes: Vec<_> = sent.iter().map(bytes_of).collect();
    assert_eq!(bytes.len(), 2);
    assert!(bytes.iter().all(|bytes| bytes[0] == 0x47));
    assert_eq!(bytes[0][OPTIONS..OPTIONS + 8], [7, 7, 8, 10, 7, 0, 2, 0]);
    assert_eq!(bytes[1][OPTIONS..OPTIONS + 8], [1, 1, 1, 1, 1, 1, 1, 0]);
}

/// RFC 791 §3.1: the bit of the type says which.
#[test]
fn options_to_be_copied_are_in_every_fragment_that_a_router_cuts() {
    let mut router = Router::new();
    let mut packet = datagram(NEAR_HOST, FAR_HOST, &[7; 1450]);
    packet.head[6] = 0;
    let alert = [0x94, 4, 0, 0];
    let options = [&[0x5e, 3, 9][..], &alert, &[1]].concat();
    let sent = router.forward(with_options(&packet, &options));
    assert_eq!(sent.len(), 2);
    let [first, second] = [0, 1].map(|at| bytes_of(&sent[at])[OPTIONS..OPTIONS + 8].to_vec());
    assert_eq!(first, options);
    assert_eq!(second, [&[1, 1, 1][..], &alert, &[1]].concat());
}

/// RFC 1122 §3.2.2.5, RFC 1812 §4.3.3.5: the pointer is at the byte that cannot be.
#[test]
fn a_broken_option_is_told_to_its_sender_by_its_place() {
    for (options, at) in [
        // No length, too short a one, one beyond the header.
        (&[1, 1, 1, 7][..], 3),
        (&[0x5e, 1, 1, 1], 0),
        (&[1, 0x5e, 4, 0], 1),
        // No room for a pointer, a pointer into the option's own head, and one with too little behind it.
        (&[7, 2, 1, 1], 1),
        (&[7, 7, 3, 0, 0, 0, 0, 0], 2),
        (&[7, 6, 4, 0, 0, 0, 0, 0], 2),
        (&[1, 7, 3, 4, 7, 3, 4, 0], 4),
        (&[68, 3, 5, 0], 1),
        (&[68, 8, 4, 0, 0, 0, 0, 0], 2),
        (&[68, 8, 5, 1, 0, 0, 0, 0], 2),
        (&[68, 4, 5, 0xf0], 3),
        (&[68, 4, 5, 0, 68, 4, 5, 0], 4),
        // Two source routes, however complete.
        (&[131, 3, 4, 137, 3, 4, 0, 0], 3),
        (&[0x94, 2, 0, 0], 1),
    ] {
        let mut router = Router::new();
        let past = datagram(NEAR_HOST, FAR_HOST, b"x");
        assert!(router.forward(with_options(&past, options)).is_empty());
        router.host.inject(with_options(&echo_request(), options));
        router.host.assert_dropped(DropReason::IpOption, 2);
        let sent = router.host.sent();
        assert_eq!(sent.len(), 2, "{options:?}");
        for error in &sent {
            let pointer = 20 + at;
            let problem = IcmpMessage::ParameterProblem { code: 0, pointer };
            assert_eq!(Seen::new(error).icmp(), problem, "{options:?}");
        }
    }
    // Behind the end there is nothing.
    let mut router = Router::new();
    let packet = datagram(NEAR_HOST, FAR_HOST, b"x");
    let ended = [0, 7, 1, 9];
    assert_eq!(router.forward(with_options(&packet, &ended)).len(), 1);
}

/// As every error (RFC 1812 §4.3.2.8).
#[test]
fn broken_options_are_told_at_a_bounded_rate() {
    let mut host = Host::new();
    for _ in 0..1000 {
        host.inject(with_options(&echo_request(), &[7, 2, 1, 1]));
    }
    host.assert_dropped(DropReason::IpOption, 1000);
    let told = host.sent().len();
    assert!((1..1000).contains(&told), "{told}");
}
