//! Echo replies, errors sent and errors received.

use super::*;
use crate::buf::{Checksum, Chunk};
use crate::error::SocketError;
use crate::socket::Readiness;
use crate::time::Duration;

fn echo(data: &[u8]) -> TxPacket {
    let message = IcmpMessage::EchoRequest { ident: 77, seq: 3 };
    icmp(PEER, OURS, &message, data)
}

#[test]
fn an_echo_request_is_answered_with_its_data() {
    let mut host = Host::new();
    let message = IcmpMessage::EchoRequest { ident: 77, seq: 3 };
    host.inject(icmp(PEER, OURS, &message, b"ping of four"));
    host.inject(icmp(PEER_V6, OURS_V6, &message, b"ping of six"));
    let sent: Vec<Seen> = host.sent().iter().map(Seen::new).collect();
    let reply = IcmpMessage::EchoReply { ident: 77, seq: 3 };
    assert_eq!(sent.len(), 2);
    assert_eq!(
        (sent[0].icmp(), &sent[0].data()[..]),
        (reply, &b"ping of four"[..])
    );
    assert_eq!(
        (sent[1].icmp(), &sent[1].data()[..]),
        (reply, &b"ping of six"[..])
    );
    assert_eq!((sent[0].ip.source, sent[0].ip.dest), (ip(OURS), ip(PEER)));
    assert_eq!(
        (sent[1].ip.source, sent[1].ip.dest),
        (ip(OURS_V6), ip(PEER_V6))
    );
    assert_eq!(host.stack.stats().icmp_echo_replies, 2);
}

#[test]
fn an_echo_in_many_pieces_comes_back_whole_and_in_few() {
    let mut host = Host::new();
    let data: Vec<u8> = (0..=255).cycle().take(1200).collect();
    let mut packet = linear(&echo(&data));
    let tail = packet.frame.split_off(100).freeze();
    for piece in tail.chunks(90) {
        packet.frags.push(Chunk {
            bytes: tail.slice_ref(piece),
            pins: 90,
        });
    }
    host.inject(packet);
    let sent = host.sent();
    assert_eq!(sent[0].body.len(), 8);
    assert_eq!(Seen::new(&sent[0]).data(), data);
}

#[test]
fn an_echo_without_data_is_answered() {
    let mut host = Host::new();
    host.inject(echo(b""));
    assert_eq!(Seen::new(&host.sent()[0]).data(), "");
}

#[test]
fn the_largest_ping_is_answered_over_the_loopback() {
    let mut host = Host::new();
    let message = IcmpMessage::EchoRequest { ident: 1, seq: 1 };
    let data = std::vec![7; 65535 - 28];
    host.inject_at(
        host.loopback,
        icmp("127.0.0.1", "127.0.0.1", &message, &data),
    );
    let sent = host.sent_over(host.loopback);
    assert_eq!(Seen::new(&sent[0]).data(), data);
}

#[test]
fn an_echo_to_a_broadcast_address_is_ignored() {
    let mut host = Host::new();
    let message = IcmpMessage::EchoRequest { ident: 1, seq: 1 };
    host.inject(icmp(PEER, "10.7.0.255", &message, b"smurf"));
    host.inject(icmp(PEER, "255.255.255.255", &message, b"smurf"));
    host.assert_dropped(DropReason::IcmpIrrelevant, 2);
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn a_datagram_to_no_socket_is_answered_with_port_unreachable() {
    let mut host = Host::new();
    let v4 = datagram("10.7.0.1:5000", "10.7.0.2:9", &[1; 1000]);
    let v6 = datagram("[fd07::1]:5000", "[fd07::2]:9", &[1; 1400]);
    host.inject(v4.clone());
    host.inject(v6.clone());
    let sent: Vec<Seen> = host.sent().iter().map(Seen::new).collect();
    assert_eq!(sent[0].icmp(), IcmpMessage::Unreachable { code: 3 });
    assert_eq!(sent[1].icmp(), IcmpMessage::Unreachable { code: 4 });
    assert_eq!(sent[0].ip.total_len(), 576);
    assert_eq!(sent[1].ip.total_len(), 1280);
    assert_eq!(sent[0].data(), bytes_of(&v4)[..548]);
    assert_eq!(sent[1].data(), bytes_of(&v6)[..1232]);
    assert_eq!(host.stack.stats().icmp_errors_sent, 2);
    host.assert_dropped(DropReason::NoSocket, 2);
}

#[test]
fn a_quotation_has_the_checksum_that_was_left_to_the_device() {
    let mut host = Host::new();
    let whole = bytes_of(&datagram("10.7.0.1:5000", "10.7.0.2:9", b"hello"));
    let mut partial = TxPacket::default();
    partial.body.push(Bytes::copy_from_slice(&whole[20..]));
    let mut sum = crate::wire::checksum::pseudo_header(ip(PEER), ip(OURS), ip::UDP, 13);
    sum.add_u16(0);
    let mut packet = RxPacket::from_frame(whole.clone());
    packet.frame[26..28].copy_from_slice(&sum.partial().to_be_bytes());
    packet.meta.checksum = Checksum::Partial {
        start: 20,
        offset: 6,
    };
    host.inject(packet);
    assert_eq!(Seen::new(&host.sent()[0]).data(), whole);
}

#[test]
fn an_unknown_protocol_is_answered() {
    let mut host = Host::new();
    host.inject(unknown_protocol(PEER, OURS));
    host.inject(unknown_protocol(PEER_V6, OURS_V6));
    let sent: Vec<Seen> = host.sent().iter().map(Seen::new).collect();
    assert_eq!(sent[0].icmp(), IcmpMessage::Unreachable { code: 2 });
    let problem = IcmpMessage::ParameterProblem {
        code: 1,
        pointer: 6,
    };
    assert_eq!(sent[1].icmp(), problem);
}

#[test]
fn no_error_is_sent_about_errors_or_broadcasts() {
    let mut host = Host::new();
    let quoted = bytes_of(&datagram("10.7.0.9:1", "10.7.0.1:2", b"not ours"));
    let error = IcmpMessage::Unreachable { code: 3 };
    host.inject(icmp(PEER, OURS, &error, &quoted));
    host.inject(datagram("10.7.0.1:5000", "10.7.0.255:9", b"hello"));
    host.inject(datagram("10.7.0.1:5000", "255.255.255.255:9", b"hello"));
    host.inject(unknown_protocol(PEER, "10.7.0.255"));
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn errors_are_rate_limited() {
    let mut host = Host::new();
    for port in 0..500_u16 {
        let dest = SocketAddr::new(ip(OURS), 1000 + port);
        host.inject(datagram("10.7.0.1:5000", &std::format!("{dest}"), b"scan"));
    }
    assert_eq!(host.sent().len(), 100);
    host.assert_dropped(DropReason::RateLimited, 400);
    host.now += Duration::from_millis(7);
    for _ in 0..50 {
        host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b"scan"));
    }
    assert_eq!(host.sent().len(), 7);
}

/// A connected UDP socket, and a datagram of its own to be quoted.
fn connected(host: &mut Host, local: &str, peer: &str) -> (SocketId, BytesMut) {
    let id = host.udp(local);
    host.stack.connect(id, addr(peer), host.now).unwrap();
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"anyone?"), None).unwrap();
    let sent = host.sent();
    while host.stack.poll_event().is_some() {}
    (id, bytes_of(&sent[0]))
}

#[test]
fn a_port_unreachable_reaches_the_connected_socket_that_it_quotes() {
    let mut host = Host::new();
    let (v4, quoted_v4) = connected(&mut host, "10.7.0.2:700", "10.7.0.1:9");
    let (v6, quoted_v6) = connected(&mut host, "[::]:701", "[fd07::1]:9");
    let (idle, _) = connected(&mut host, "10.7.0.2:702", "10.7.0.1:9");
    host.inject(icmp(
        PEER,
        OURS,
        &IcmpMessage::Unreachable { code: 3 },
        &quoted_v4[..28],
    ));
    host.inject(icmp(
        PEER_V6,
        OURS_V6,
        &IcmpMessage::Unreachable { code: 4 },
        &quoted_v6,
    ));
    for id in [v4, v6] {
        let event = host.stack.poll_event().unwrap();
        assert_eq!(event.socket, id);
        assert!(event.ready.contains(Readiness::ERROR | Readiness::READABLE));
        let refused = Some(SocketError::ConnectionRefused);
        assert_eq!(host.stack.udp(id).unwrap().error(), refused);
        let outcome = host.stack.udp(id).unwrap().send(Bytes::new(), None);
        assert_eq!(outcome, Err(SocketError::ConnectionRefused));
        assert_eq!(host.stack.take_error(id), None);
    }
    assert_eq!(host.stack.take_error(idle), None);
    assert_eq!(host.stack.poll_event(), None);
    assert_eq!(host.stack.stats().icmp_errors_received, 2);
}

#[test]
fn an_error_about_an_unconnected_socket_is_nobodys() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:700");
    let quoted = bytes_of(&datagram("10.7.0.2:700", "10.7.0.1:9", b"anyone?"));
    host.inject(icmp(
        PEER,
        OURS,
        &IcmpMessage::Unreachable { code: 3 },
        &quoted,
    ));
    host.assert_dropped(DropReason::IcmpIrrelevant, 1);
    assert_eq!(host.stack.take_error(id), None);
}

#[test]
fn a_soft_error_is_not_reported_to_a_udp_socket() {
    let mut host = Host::new();
    let (id, quoted) = connected(&mut host, "10.7.0.2:700", "10.7.0.1:9");
    host.inject(icmp(
        PEER,
        OURS,
        &IcmpMessage::TimeExceeded { code: 0 },
        &quoted,
    ));
    host.inject(icmp(
        PEER,
        OURS,
        &IcmpMessage::Unreachable { code: 1 },
        &quoted,
    ));
    assert_eq!(host.stack.take_error(id), None);
}

#[test]
fn a_quotation_that_is_cut_off_or_not_ours_is_ignored() {
    let mut host = Host::new();
    let (id, quoted) = connected(&mut host, "10.7.0.2:700", "10.7.0.1:9");
    let error = IcmpMessage::Unreachable { code: 3 };
    for len in [0, 1, 19, 20, 27] {
        host.inject(icmp(PEER, OURS, &error, &quoted[..len]));
    }
    let foreign = bytes_of(&datagram("10.7.0.9:700", "10.7.0.1:9", b"anyone?"));
    host.inject(icmp(PEER, OURS, &error, &foreign));
    host.assert_dropped(DropReason::IcmpIrrelevant, 6);
    assert_eq!(host.stack.take_error(id), None);
}

#[test]
fn a_quotation_may_lie_in_several_pieces() {
    let mut host = Host::new();
    let (id, quoted) = connected(&mut host, "10.7.0.2:700", "10.7.0.1:9");
    let mut packet = linear(&icmp(
        PEER,
        OURS,
        &IcmpMessage::Unreachable { code: 3 },
        &quoted,
    ));
    let tail = packet.frame.split_off(30).freeze();
    packet.frags.push(Chunk {
        pins: 64,
        bytes: tail,
    });
    host.inject(packet);
    assert_eq!(
        host.stack.take_error(id),
        Some(SocketError::ConnectionRefused)
    );
}
