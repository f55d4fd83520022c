//! Ping sockets and raw sockets.

use super::*;
use crate::error::SocketError;
use crate::socket::{IpOption, Readiness};
use crate::wire::checksum::checksum;

const TCP_SEGMENT: [u8; 20] = [
    0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
];

/// An echo request as an application makes it: identifier and checksum are not its business.
fn request(v6: bool, seq: u16, data: &[u8]) -> Bytes {
    let mut message = std::vec![if v6 { 128 } else { 8 }, 0, 0xba, 0xad, 0xde, 0xad];
    message.extend(seq.to_be_bytes());
    message.extend_from_slice(data);
    message.into()
}

impl Host {
    fn send_raw(
        &mut self,
        id: SocketId,
        payload: impl Into<Bytes>,
        to: &str,
    ) -> Result<(), SocketError> {
        let to = SocketAddr::new(ip(to), 0);
        self.stack.udp(id).unwrap().send(payload.into(), Some(to))
    }

    fn recv_raw(&mut self, id: SocketId) -> Option<(Bytes, IpAddr)> {
        let datagram = self.stack.udp(id).unwrap().recv()?;
        assert_eq!(datagram.source.port(), 0);
        Some((datagram.payload, datagram.source.ip()))
    }
}

#[test]
fn two_ping_sockets_each_get_only_their_own_replies() {
    for (v6, from, to) in [(false, OURS, PEER), (true, OURS_V6, PEER_V6)] {
        let mut host = Host::new();
        let family = if v6 { Family::V6 } else { Family::V4 };
        let sockets = [1, 2].map(|seq: u16| {
            let id = host.stack.ping_open(family).unwrap();
            host.send_raw(id, request(v6, seq, b"data"), to).unwrap();
            id
        });
        let sent: Vec<Seen> = host.sent().iter().map(Seen::new).collect();
        let idents: Vec<u16> = sent
            .iter()
            .map(|packet| match packet.icmp() {
                IcmpMessage::EchoRequest { ident, .. } => ident,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_ne!(idents[0], idents[1]);
        for at in [1, 0] {
            let local = host.stack.local_addr(sockets[at]).unwrap();
            assert_eq!(local.port(), idents[at]);
            assert_eq!(sent[at].data(), "data");
            let seq = u16::try_from(at + 1).unwrap();
            let reply = IcmpMessage::EchoReply {
                ident: idents[at],
                seq,
            };
            host.inject(icmp(to, from, &reply, b"data"));
            let (message, source) = host.recv_raw(sockets[at]).unwrap();
            assert_eq!((&message[8..], source), (&b"data"[..], ip(to)));
            assert_eq!(message[6..8], seq.to_be_bytes());
            assert_eq!(host.recv_raw(sockets[1 - at]), None);
        }
        let nobodys = IcmpMessage::EchoReply { ident: 0, seq: 1 };
        host.inject(icmp(to, from, &nobodys, b"data"));
        host.assert_dropped(DropReason::IcmpIrrelevant, 1);
    }
}

#[test]
fn a_ping_of_ourselves_is_answered() {
    let mut host = Host::new();
    for (family, to) in [(Family::V4, "127.0.0.1"), (Family::V6, "::1")] {
        let id = host.stack.ping_open(family).unwrap();
        let v6 = family == Family::V6;
        host.send_raw(id, request(v6, 7, &[5; 70_000 / 7]), to)
            .unwrap();
        host.loop_back();
        let (reply, source) = host.recv_raw(id).unwrap();
        assert_eq!((reply.len(), source), (10_008, ip(to)));
    }
}

#[test]
fn a_ping_socket_sends_echo_requests_only() {
    let mut host = Host::new();
    let id = host.stack.ping_open(Family::V4).unwrap();
    for message in [
        &b""[..],
        &[8, 0, 0, 0, 0, 0, 0],
        &[0; 8],
        &[8, 1, 0, 0, 0, 0, 0, 0],
    ] {
        let outcome = host.send_raw(id, message.to_vec(), PEER);
        assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
    }
    let outcome = host.send_raw(id, request(false, 1, b""), PEER_V6);
    assert!(outcome.is_err());
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn identifiers_are_chosen_by_bind_and_belong_to_one_socket() {
    let mut host = Host::new();
    let first = host.stack.ping_open(Family::V4).unwrap();
    let second = host.stack.ping_open(Family::V4).unwrap();
    host.stack.bind(first, addr("10.7.0.2:77")).unwrap();
    let outcome = host.stack.bind(second, addr("10.7.0.2:77"));
    assert_eq!(outcome, Err(SocketError::AddressInUse));
    host.stack.close(first, host.now);
    host.stack.bind(second, addr("0.0.0.0:77")).unwrap();
    host.send_raw(second, request(false, 1, b""), PEER).unwrap();
    let sent = Seen::new(&host.sent()[0]).icmp();
    assert_eq!(sent, IcmpMessage::EchoRequest { ident: 77, seq: 1 });
}

#[test]
fn a_connected_ping_socket_hears_its_peer_only() {
    let mut host = Host::new();
    let id = host.stack.ping_open(Family::V4).unwrap();
    host.stack.bind(id, addr("0.0.0.0:77")).unwrap();
    host.stack
        .connect(id, addr("10.7.0.1:0"), host.now)
        .unwrap();
    host.stack
        .udp(id)
        .unwrap()
        .send(request(false, 1, b""), None)
        .unwrap();
    let reply = IcmpMessage::EchoReply { ident: 77, seq: 1 };
    host.inject(icmp("10.7.0.9", OURS, &reply, b""));
    assert_eq!(host.recv_raw(id), None);
    host.inject(icmp(PEER, OURS, &reply, b""));
    assert!(host.recv_raw(id).is_some());
}

#[test]
fn a_raw_socket_gets_a_copy_of_the_whole_packet_which_still_reaches_tcp() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V4, ip::TCP).unwrap();
    let other = host.stack.raw_open(Family::V4, ip::UDP).unwrap();
    let packet = bytes_of(&wrap(
        ip(PEER),
        ip(OURS),
        ip::TCP,
        body_in_head(&TCP_SEGMENT),
    ));
    host.inject(RxPacket::from_frame(packet.clone()));
    assert!(host.stack.readiness(raw).contains(Readiness::READABLE));
    assert_eq!(host.recv_raw(raw), Some((packet.freeze(), ip(PEER))));
    assert_eq!(host.recv_raw(other), None);
    // The port is closed: a reset.
    assert_eq!(Seen::new(&host.sent()[0]).ip.protocol, ip::TCP);
    host.stack.close(raw, host.now);
    assert_eq!(host.stack.memory_used(), 0);
}

fn body_in_head(bytes: &[u8]) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.head.prepend(bytes.len()).copy_from_slice(bytes);
    packet
}

#[test]
fn a_raw_socket_of_ipv6_gets_what_is_behind_the_headers() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V6, ip::ICMPV6).unwrap();
    let reply = IcmpMessage::EchoReply { ident: 1, seq: 2 };
    let packet = icmp(PEER_V6, OURS_V6, &reply, b"x");
    let message = Seen::new(&packet).payload;
    host.inject(packet);
    assert_eq!(host.recv_raw(raw), Some((message, ip(PEER_V6))));
}

/// RFC 1122 §3.2.2.1 asks for the error where nobody takes the packet.
#[test]
fn a_protocol_that_a_raw_socket_takes_is_not_unknown() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V4, 132).unwrap();
    host.inject(unknown_protocol(PEER, OURS));
    assert_eq!(host.sent().len(), 0);
    assert!(host.recv_raw(raw).is_some());
    host.stack
        .connect(raw, addr("10.7.0.9:0"), host.now)
        .unwrap();
    host.inject(unknown_protocol(PEER, OURS));
    assert_eq!(host.sent().len(), 1);
    host.assert_dropped(DropReason::UnknownProtocol, 1);
}

#[test]
fn a_raw_socket_sends_what_follows_the_ip_header_as_it_is() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V4, ip::TCP).unwrap();
    host.stack
        .set_ip_option(raw, IpOption::Ttl(Some(9)))
        .unwrap();
    host.send_raw(raw, TCP_SEGMENT.to_vec(), PEER).unwrap();
    let sent = bytes_of(&host.sent()[0]);
    let header = IpHeader::parse(&sent, sent.len()).unwrap();
    assert_eq!((header.protocol, header.ttl), (ip::TCP, 9));
    assert_eq!(sent[20..], TCP_SEGMENT);
    host.send_raw(raw, std::vec![7; 4000], PEER).unwrap();
    assert_eq!(host.sent().len(), 3);
}

/// RFC 3542 §3.1.
#[test]
fn the_checksum_of_icmpv6_is_filled_in() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V6, ip::ICMPV6).unwrap();
    host.send_raw(raw, request(true, 1, b"odd"), PEER_V6)
        .unwrap();
    let sent = Seen::new(&host.sent()[0]);
    let ident = 0xdead;
    assert_eq!(sent.icmp(), IcmpMessage::EchoRequest { ident, seq: 1 });
    let outcome = host.send_raw(raw, std::vec![1; 3], PEER_V6);
    assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
}

#[test]
fn a_header_of_ones_own_leaves_untouched_but_for_length_sum_and_what_is_0() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V4, ip::RAW).unwrap();
    host.stack
        .set_ip_option(raw, IpOption::Ttl(Some(9)))
        .unwrap();
    let mut packet = bytes_of(&datagram("10.99.0.1:5", "192.0.2.1:6", b"spoofed"));
    packet[1] = 0x28;
    packet[2..6].fill(0);
    packet[8] = 3;
    packet[10..12].fill(0);
    host.send_raw(raw, packet.clone(), PEER).unwrap();
    let sent = Seen::new(&host.sent()[0]);
    assert_eq!((sent.ip.ttl, sent.ip.tos), (3, 0x28));
    let ends = (ip("10.99.0.1"), ip("192.0.2.1"));
    assert_eq!((sent.ip.source, sent.ip.dest), ends);
    assert_ne!(sent.ip.id, 0);
    assert_eq!(sent.data(), "spoofed");

    packet[12..16].fill(0);
    host.send_raw(raw, packet.clone(), PEER).unwrap();
    let bytes = bytes_of(&host.sent()[0]);
    assert_eq!(
        IpHeader::parse(&bytes, bytes.len()).unwrap().source,
        ip(OURS)
    );
    assert_eq!(checksum(&bytes[..20]), 0);

    let outcome = host.send_raw(raw, packet.split_to(19), PEER);
    assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
    let outcome = host.send_raw(raw, std::vec![0x45; 1501], PEER);
    assert_eq!(outcome, Err(SocketError::MessageTooLong));
    // It receives nothing.
    let mut unknown = body(&[7; 40]);
    IpHeader::new(ip(PEER), ip(OURS), ip::RAW, 40).emit(&mut unknown.head);
    host.inject(unknown);
    assert_eq!(host.recv_raw(raw), None);
}

/// As with Linux nothing of it is touched, an address that is not ours and a length of 0 included.
#[test]
fn a_header_of_ipv6_of_ones_own_leaves_as_it_is() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V6, ip::RAW).unwrap();
    let mut packet = bytes_of(&datagram("[fd99::1]:5", "[fd09::1]:6", b"spoofed"));
    packet[..4].copy_from_slice(&[0x62, 0x81, 0x23, 0x45]);
    packet[7] = 3;
    host.send_raw(raw, packet.clone(), PEER_V6).unwrap();
    assert_eq!(bytes_of(&host.sent()[0]), packet);
    packet[4..6].fill(0);
    host.send_raw(raw, packet.clone(), PEER_V6).unwrap();
    assert_eq!(bytes_of(&host.sent()[0]), packet);
    for wrong in [&packet[..39], &[0x45; 60]] {
        let outcome = host.send_raw(raw, wrong.to_vec(), PEER_V6);
        assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
    }
    let outcome = host.send_raw(raw, std::vec![0x60; 1501], PEER_V6);
    assert_eq!(outcome, Err(SocketError::MessageTooLong));
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn what_raw_sockets_do_not_read_is_bounded() {
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V4, 132).unwrap();
    host.stack
        .change_udp(raw, |settings| settings.recv_buffer = 5000)
        .unwrap();
    for _ in 0..100 {
        host.inject(unknown_protocol(PEER, OURS));
    }
    assert!(host.stack.memory_used() < 5300);
    assert!(host.stack.stats().drops(DropReason::RecvBufferFull) > 70);
}
