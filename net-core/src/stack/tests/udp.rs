//! UDP sockets: addresses, delivery, sending.

use super::*;
use crate::buf::{Chunk, Gso, GsoKind};
use crate::error::SocketError;
use crate::socket::{IpOption, Readiness};
use std::string::ToString;

impl Host {
    fn send(&mut self, id: SocketId, payload: &'static str, to: &str) -> Result<(), SocketError> {
        let to = Some(addr(to));
        self.stack.udp(id).unwrap().send(Bytes::from(payload), to)
    }

    /// The next datagram's payload and source, as text.
    fn recv(&mut self, id: SocketId) -> Option<(String, String)> {
        let datagram = self.stack.udp(id)?.recv()?;
        let payload = String::from_utf8(datagram.payload.to_vec()).unwrap();
        Some((payload, datagram.source.to_string()))
    }
}

fn got(payload: &str, source: &str) -> Option<(String, String)> {
    Some((payload.into(), source.into()))
}

#[test]
fn a_datagram_arrives_with_its_addresses_and_an_event() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b"hello"));
    let event = host.stack.poll_event().unwrap();
    assert_eq!(event.socket, id);
    assert_eq!(event.ready, Readiness::READABLE | Readiness::WRITABLE);
    let received = host.stack.udp(id).unwrap().recv().unwrap();
    assert_eq!(received.payload, "hello");
    assert_eq!(received.source, addr("10.7.0.1:5000"));
    assert_eq!(received.dest, addr("10.7.0.2:9"));
    assert_eq!(received.ttl, 64);
    assert_eq!(host.stack.poll_event(), None);
    assert_eq!(host.stack.readiness(id), Readiness::WRITABLE);
}

#[test]
fn a_datagram_leaves_with_correct_headers() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    for option in [IpOption::Tos(0x28), IpOption::Ttl(Some(3))] {
        host.stack.set_ip_option(id, option).unwrap();
    }
    host.send(id, "hello", "192.0.2.1:53").unwrap();
    let sent = Seen::new(&host.sent()[0]);
    assert_eq!((sent.ip.source, sent.ip.dest), (ip(OURS), ip("192.0.2.1")));
    assert_eq!((sent.ip.tos, sent.ip.ttl), (0x28, 3));
    assert_eq!((sent.udp().source_port, sent.udp().dest_port), (9, 53));
    assert_eq!(sent.data(), "hello");
    assert_ne!(sent.udp().checksum, 0);
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b""));
    assert_eq!(host.recv(id), got("", "10.7.0.1:5000"));
    host.send(id, "", "10.7.0.1:5000").unwrap();
    assert_eq!(Seen::new(&host.sent()[0]).data(), "");
}

#[test]
fn the_first_send_binds_to_an_ephemeral_port() {
    let mut host = Host::new();
    let id = host.stack.udp_open(Family::V4).unwrap();
    assert_eq!(host.stack.udp(id).unwrap().local_addr(), None);
    assert_eq!(host.stack.local_addr(id), Ok(addr("0.0.0.0:0")));
    host.send(id, "hello", "10.7.0.1:9").unwrap();
    let local = host.stack.local_addr(id).unwrap();
    assert!(local.ip().is_unspecified());
    assert!((32768..=60999).contains(&local.port()));
    host.inject(datagram(
        "10.7.0.1:9",
        &std::format!("10.7.0.2:{}", local.port()),
        b"back",
    ));
    assert_eq!(host.recv(id), got("back", "10.7.0.1:9"));
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let mut host = Host::new();
    let connected = host.stack.udp_open(Family::V4).unwrap();
    host.stack
        .change_udp(connected, |settings| settings.reuse_address = true)
        .unwrap();
    host.stack.bind(connected, addr("0.0.0.0:9")).unwrap();
    host.stack
        .connect(connected, addr("10.7.0.1:5000"), host.now)
        .unwrap();
    assert_eq!(host.stack.local_addr(connected), Ok(addr("10.7.0.2:9")));
    assert_eq!(host.stack.peer_addr(connected), Ok(addr("10.7.0.1:5000")));
    host.inject(datagram("10.7.0.1:5001", "10.7.0.2:9", b"stranger"));
    host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b"peer"));
    assert_eq!(host.recv(connected), got("peer", "10.7.0.1:5000"));
    assert_eq!(host.recv(connected), None);
    host.assert_dropped(DropReason::NoSocket, 1);

    let wildcard = host.stack.udp_open(Family::V4).unwrap();
    host.stack
        .change_udp(wildcard, |settings| settings.reuse_address = true)
        .unwrap();
    host.stack.bind(wildcard, addr("0.0.0.0:9")).unwrap();
    host.inject(datagram("10.7.0.1:5001", "10.7.0.2:9", b"stranger"));
    host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b"peer"));
    assert_eq!(host.recv(wildcard), got("stranger", "10.7.0.1:5001"));
    assert_eq!(host.recv(connected), got("peer", "10.7.0.1:5000"));
}

#[test]
fn a_connected_socket_sends_to_its_peer_or_where_it_is_told() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    let nowhere = host.stack.udp(id).unwrap().send(Bytes::new(), None);
    assert_eq!(nowhere, Err(SocketError::DestinationRequired));
    host.stack
        .connect(id, addr("10.7.0.1:1"), host.now)
        .unwrap();
    host.stack
        .udp(id)
        .unwrap()
        .send(Bytes::new(), None)
        .unwrap();
    host.send(id, "", "10.7.0.1:2").unwrap();
    host.stack
        .connect(id, addr("10.7.0.1:3"), host.now)
        .unwrap();
    host.stack
        .udp(id)
        .unwrap()
        .send(Bytes::new(), None)
        .unwrap();
    let ports: Vec<u16> = host
        .sent()
        .iter()
        .map(|p| Seen::new(p).udp().dest_port)
        .collect();
    assert_eq!(ports, [1, 2, 3]);
}

#[test]
fn disconnecting_opens_a_socket_to_everybody_again() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    assert_eq!(
        host.stack.disconnect(id, host.now),
        Err(SocketError::NotConnected)
    );
    host.stack
        .connect(id, addr("10.7.0.1:5000"), host.now)
        .unwrap();
    host.stack.disconnect(id, host.now).unwrap();
    assert_eq!(host.stack.peer_addr(id), Err(SocketError::NotConnected));
    assert_eq!(host.stack.local_addr(id), Ok(addr("0.0.0.0:9")));
    host.inject(datagram("10.7.0.1:5001", "10.7.0.2:9", b"stranger"));
    assert_eq!(host.recv(id), got("stranger", "10.7.0.1:5001"));
}

#[test]
fn a_dual_stack_socket_sees_ipv4_peers_as_mapped_addresses() {
    let mut host = Host::new();
    let id = host.udp("[::]:9");
    host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b"four"));
    host.inject(datagram("[fd07::1]:5000", "[fd07::2]:9", b"six"));
    assert_eq!(host.recv(id), got("four", "[::ffff:10.7.0.1]:5000"));
    assert_eq!(host.recv(id), got("six", "[fd07::1]:5000"));
    host.send(id, "four", "[::ffff:10.7.0.1]:5000").unwrap();
    host.send(id, "six", "[fd07::1]:5000").unwrap();
    let sent = host.sent();
    assert_eq!(Seen::new(&sent[0]).ip.dest, ip(PEER));
    assert_eq!(Seen::new(&sent[1]).ip.dest, ip(PEER_V6));
    host.stack
        .connect(id, addr("[::ffff:10.7.0.1]:5000"), host.now)
        .unwrap();
    assert_eq!(host.stack.local_addr(id), Ok(addr("[::ffff:10.7.0.2]:9")));
    host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b"again"));
    assert_eq!(host.recv(id), got("again", "[::ffff:10.7.0.1]:5000"));
}

#[test]
fn families_do_not_mix() {
    let mut host = Host::new();
    let v4 = host.udp("0.0.0.0:9");
    let v6 = host.udp("[fd07::2]:9");
    let only_v6 = host.stack.udp_open(Family::V6).unwrap();
    host.stack
        .change_udp(only_v6, |settings| settings.only_v6 = true)
        .unwrap();
    let unreachable = Err(SocketError::NetworkUnreachable);
    assert_eq!(
        host.send(v4, "", "[fd07::1]:1"),
        Err(SocketError::AddressFamily)
    );
    assert_eq!(host.send(v6, "", "10.7.0.1:1"), unreachable);
    assert_eq!(host.send(only_v6, "", "10.7.0.1:1"), unreachable);
    let any = host.udp("[::]:10");
    host.send(any, "", "10.7.0.1:1").unwrap();
    assert_eq!(host.send(v6, "", "[::ffff:10.7.0.1]:1"), unreachable);
    assert_eq!(host.send(only_v6, "", "[::ffff:10.7.0.1]:1"), unreachable);
}

#[test]
fn binding_needs_an_address_of_ours_and_happens_once() {
    let mut host = Host::new();
    let id = host.stack.udp_open(Family::V4).unwrap();
    let outcome = host.stack.bind(id, addr("10.7.0.9:9"));
    assert_eq!(outcome, Err(SocketError::AddressNotAvailable));
    host.stack.bind(id, addr("127.4.4.4:9")).unwrap();
    let again = host.stack.bind(id, addr("127.4.4.4:10"));
    assert!(matches!(again, Err(SocketError::InvalidInput(_))));
    let other = host.stack.udp_open(Family::V4).unwrap();
    let outcome = host.stack.bind(other, addr("0.0.0.0:9"));
    assert_eq!(outcome, Err(SocketError::AddressInUse));
    host.stack.close(id, host.now);
    assert_eq!(host.stack.bind(other, addr("0.0.0.0:9")), Ok(()));
}

#[test]
fn a_closed_sockets_id_is_stale() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.inject(datagram("10.7.0.1:5000", "10.7.0.2:9", b"unread"));
    assert!(host.stack.memory_used() > 0);
    host.stack.close(id, host.now);
    let next = host.stack.udp_open(Family::V4).unwrap();
    assert_eq!(next.index(), id.index());
    assert_eq!(host.stack.poll_event(), None);
    assert!(host.stack.udp(id).is_none());
    assert_eq!(host.stack.local_addr(id), Err(SocketError::NoSuchSocket));
    assert_eq!(
        host.stack.bind(id, addr("0.0.0.0:9")),
        Err(SocketError::NoSuchSocket)
    );
    assert_eq!(host.stack.readiness(id), Readiness::empty());
    assert_eq!(host.stack.memory_used(), 0);
    assert_eq!(host.stack.sockets(), 1);
}

#[test]
fn sockets_on_one_stack_talk_over_the_loopback() {
    let mut host = Host::new();
    let server = host.udp("0.0.0.0:9");
    let client = host.stack.udp_open(Family::V4).unwrap();
    for dest in ["127.0.0.1:9", "10.7.0.2:9", "0.0.0.0:9"] {
        host.send(client, "hello", dest).unwrap();
        assert_eq!(host.sent().len(), 0, "{dest} does not leave by the wire");
        host.loop_back();
        let (payload, source) = host.recv(server).unwrap();
        assert_eq!(payload, "hello");
        let expected = if dest.starts_with("10") {
            OURS
        } else {
            "127.0.0.1"
        };
        assert_eq!(addr(&source).ip(), ip(expected));
    }
}

#[test]
fn broadcasting_needs_the_option() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    for dest in ["10.7.0.255:9", "255.255.255.255:9"] {
        let outcome = host.send(id, "all", dest);
        assert!(matches!(outcome, Err(SocketError::PermissionDenied(_))));
        host.stack
            .change_udp(id, |settings| settings.broadcast = true)
            .unwrap();
        host.send(id, "all", dest).unwrap();
        host.stack
            .change_udp(id, |settings| settings.broadcast = false)
            .unwrap();
        assert_eq!(Seen::new(&host.sent()[0]).ip.dest, addr(dest).ip());
    }
    host.inject(datagram("10.7.0.1:5000", "10.7.0.255:9", b"all"));
    assert_eq!(host.recv(id), got("all", "10.7.0.1:5000"));
}

#[test]
fn a_missing_checksum_is_legal_over_ipv4_only() {
    let mut host = Host::new();
    let id = host.udp("[::]:9");
    for (packet, field) in [
        (datagram("10.7.0.1:1", "10.7.0.2:9", b"four"), 26),
        (datagram("[fd07::1]:1", "[fd07::2]:9", b"six"), 46),
    ] {
        let mut packet = linear(&packet);
        packet.frame[field..field + 2].fill(0);
        host.inject(packet);
    }
    assert_eq!(host.recv(id), got("four", "[::ffff:10.7.0.1]:1"));
    assert_eq!(host.recv(id), None);
    host.assert_dropped(DropReason::TransportChecksum, 1);
}

#[test]
fn a_super_packet_is_cut_into_its_datagrams() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    let mut packet = linear(&datagram("10.7.0.1:1", "10.7.0.2:9", b"onetwothree"));
    let tail = packet.frame.split_off(28 + 4).freeze();
    packet.frags.push(Chunk {
        bytes: tail,
        pins: 64,
    });
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 3,
        ecn: false,
    });
    host.inject(packet);
    let received: Vec<String> = std::iter::from_fn(|| host.recv(id))
        .map(|(p, _)| p)
        .collect();
    assert_eq!(received, ["one", "two", "thr", "ee"]);
    assert_eq!(host.stack.stats().udp_in, 4);
}

#[test]
fn bytes_behind_the_udp_length_are_nobodys() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::from_static(b"hello"));
    let header = UdpHeader {
        source_port: 1,
        dest_port: 9,
        length: 13,
        checksum: 0,
    };
    header.emit(&mut packet.head);
    transport::fill_checksum(&mut packet, ip(PEER), ip(OURS), ip::UDP, false);
    packet.body.push(Bytes::from_static(b"trailer"));
    IpHeader::new(ip(PEER), ip(OURS), ip::UDP, packet.len()).emit(&mut packet.head);
    host.inject(packet);
    assert_eq!(host.recv(id), got("hello", "10.7.0.1:1"));
}

#[test]
fn routes_that_change_are_noticed_by_connected_sockets() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.stack
        .connect(id, addr("192.0.2.1:1"), host.now)
        .unwrap();
    host.stack.remove_route(cidr("0.0.0.0/0"));
    let outcome = host.stack.udp(id).unwrap().send(Bytes::new(), None);
    assert_eq!(outcome, Err(SocketError::NetworkUnreachable));
}
