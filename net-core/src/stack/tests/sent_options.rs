//! Options of IPv4 headers that sockets send, and those that they receive.

use super::clients::tcp;
use super::*;
use crate::error::SocketError;
use crate::tcp::SeqNum;
use crate::udp::SendMeta;
use crate::wire::TcpFlags;
use std::boxed::Box;

const ALERT: [u8; 4] = [148, 4, 0, 0];
/// Room for two addresses, and a byte that fills it up.
const ROUTE: [u8; 12] = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The options of a packet that has left, its checksums verified.
#[track_caller]
fn options_of(packet: &TxPacket) -> Vec<u8> {
    let header_len = Seen::new(packet).ip.header_len;
    bytes_of(packet)[20..header_len].to_vec()
}

fn send(host: &mut Host, id: SocketId, to: &str, payload: &[u8]) -> Result<(), SocketError> {
    let payload = Bytes::copy_from_slice(payload);
    host.stack.udp(id).unwrap().send(payload, Some(addr(to)))
}

impl Host {
    #[track_caller]
    fn options(&mut self, id: SocketId, options: &[u8]) {
        let now = self.now;
        self.stack.set_ipv4_options(id, options, now).unwrap();
    }
}

/// RFC 1122 §3.2.1.8(b), (d): who sends a timestamp or a recorded route is in it.
#[test]
fn datagrams_have_the_options_of_their_socket_with_the_sender_in_them() {
    let mut host = Host::new();
    host.now = Instant::from_millis(0x0102_0304);
    host.stack.handle_timeout(host.now);
    let id = host.udp("0.0.0.0:9");
    let times = [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let stamped = [68, 12, 13, 1, 10, 7, 0, 2, 0x81, 2, 3, 4];
    let recorded = [7, 11, 8, 10, 7, 0, 2, 0, 0, 0, 0, 0];
    for (options, sent) in [
        (&ALERT[..], &ALERT[..]),
        (&ROUTE[..11], &recorded),
        (&times, &stamped),
        (&[], &[]),
    ] {
        host.options(id, options);
        // They are as they were set, and filled up.
        let kept = host.stack.ipv4_options(id).unwrap();
        assert_eq!(kept[..options.len()], *options);
        assert_eq!(kept.len(), options.len().next_multiple_of(4));
        for _ in 0..2 {
            send(&mut host, id, "10.7.0.1:7", b"hello").unwrap();
            let packet = host.sent().remove(0);
            assert_eq!(options_of(&packet), sent);
            assert_eq!(Seen::new(&packet).udp().dest_port, 7);
        }
    }
    // IPv6 has none.
    let id = host.udp("[::]:10");
    host.options(id, &ALERT);
    send(&mut host, id, "[fd07::1]:7", b"hello").unwrap();
    assert_eq!(bytes_of(&host.sent()[0]).len(), 40 + 8 + 5);
    send(&mut host, id, "[::ffff:10.7.0.1]:7", b"hello").unwrap();
    assert_eq!(options_of(&host.sent()[0]), ALERT);
}

#[test]
fn pings_and_raw_packets_have_the_options_of_their_socket() {
    let mut host = Host::new();
    let ping = host.stack.ping_open(Family::V4).unwrap();
    let raw = host.stack.raw_open(Family::V4, 99).unwrap();
    let echo = [8, 0, 0, 0, 0, 0, 0, 1];
    for (id, payload) in [(ping, &echo[..]), (raw, b"whatever")] {
        host.options(id, &ROUTE);
        send(&mut host, id, "10.7.0.1:0", payload).unwrap();
        let recorded = [7, 11, 8, 10, 7, 0, 2, 0, 0, 0, 0, 0];
        assert_eq!(options_of(&host.sent()[0]), recorded);
    }
}

/// RFC 791 §3.1: the others are in the first fragment alone.
#[test]
fn fragments_have_the_options_that_are_to_be_copied() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.options(id, &[&ALERT[..], &ROUTE].concat());
    send(&mut host, id, "10.7.0.1:7", &[9; 1456]).unwrap();
    let sent = host.sent();
    assert_eq!(sent.len(), 1, "1,500 bytes with 16 of options");
    assert_eq!(bytes_of(&sent[0]).len(), 1500);
    send(&mut host, id, "10.7.0.1:7", &[9; 1457]).unwrap();
    let sent = host.sent();
    assert_eq!(sent.len(), 2);
    let options = |packet: &TxPacket| {
        let bytes = bytes_of(packet);
        let end = usize::from(bytes[0] & 0xf) * 4;
        bytes[20..end].to_vec()
    };
    assert_eq!(options(&sent[0])[4..8], [7, 11, 8, 10]);
    let later = options(&sent[1]);
    assert_eq!(later[..4], ALERT);
    assert!(later[4..].iter().all(|&byte| byte <= 1), "{later:?}");
}

#[test]
fn options_that_cannot_be_are_refused_and_change_nothing() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.options(id, &ALERT);
    let now = host.now;
    let invalid = |error| matches!(error, SocketError::InvalidInput(_));
    for options in [&[1; 41][..], &[7, 11, 4], &[7, 6, 4, 0, 0, 0], &[148, 2]] {
        let error = host.stack.set_ipv4_options(id, options, now).unwrap_err();
        assert!(invalid(error), "{options:?}: {error}");
    }
    for kind in [131, 137] {
        let route = [kind, 7, 4, 192, 0, 2, 1];
        let error = host.stack.set_ipv4_options(id, &route, now).unwrap_err();
        assert!(matches!(error, SocketError::PermissionDenied(_)), "{error}");
    }
    assert_eq!(host.stack.ipv4_options(id).unwrap(), ALERT);
    let meta = SendMeta {
        segment: Some(2),
        ..SendMeta::to(addr("10.7.0.1:7"))
    };
    let train = Bytes::from_static(b"hello");
    let error = host
        .stack
        .udp(id)
        .unwrap()
        .send_with(train, &meta)
        .unwrap_err();
    assert!(invalid(error), "{error}");
    let stream = host.stack.tcp_open(Family::V6).unwrap();
    let error = host.stack.set_ipv4_options(stream, &ALERT, now);
    assert_eq!(error, Err(SocketError::NoSuchOption));
    host.stack.close(id, now);
    let error = host.stack.set_ipv4_options(id, &ALERT, now);
    assert_eq!(error, Err(SocketError::NoSuchSocket));
}

/// RFC 1122 §3.2.1.8, §4.1.3.2: what came, and where it came to.
#[test]
fn a_socket_that_asks_is_told_the_options_of_what_it_receives() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    let with_route = || {
        let mut packet = datagram("10.7.0.1:7", "10.7.0.2:9", b"hello");
        ipv4_insert(&mut packet, &[7, 11, 8, 10, 7, 0, 1, 0, 0, 0, 0, 0]);
        RxPacket::from_frame(bytes_of(&packet))
    };
    for asks in [false, true] {
        host.stack
            .change_udp(id, |settings| settings.recv_options = asks)
            .unwrap();
        host.inject(with_route());
        let got = host.stack.udp(id).unwrap().recv().unwrap();
        assert_eq!(got.payload, b"hello"[..]);
        let recorded: &[u8] = &[7, 11, 12, 10, 7, 0, 1, 10, 7, 0, 2, 0];
        let expected: Box<[u8]> = if asks {
            recorded.into()
        } else {
            Box::default()
        };
        assert_eq!(got.options, expected);
    }
}

fn ipv4_insert(packet: &mut TxPacket, options: &[u8]) {
    crate::wire::ipv4::insert_options(&mut packet.head, options);
}

/// The rest of a stream: `tcp/tests/ip_options.rs`.
#[test]
fn the_syn_of_a_stream_has_its_options_and_what_is_accepted_has_none() {
    let mut host = Host::new();
    let id = host.tcp("10.7.0.2:4000");
    host.options(id, &[&ALERT[..], &ROUTE].concat());
    let begun = host.stack.connect(id, addr("10.7.0.1:80"), host.now);
    assert_eq!(begun, Err(SocketError::InProgress));
    let recorded = [&ALERT[..], &[7, 11, 8, 10, 7, 0, 2, 0, 0, 0, 0, 0]].concat();
    assert_eq!(options_of(&host.sent()[0]), recorded);
    let listener = host.tcp("10.7.0.2:80");
    host.options(listener, &ALERT);
    host.stack.listen(listener, 5).unwrap();
    let (client, server) = (addr("10.7.0.1:5000"), addr("10.7.0.2:80"));
    let numbers = (100, SeqNum::default());
    host.inject(tcp(client, server, TcpFlags::SYN, numbers, &[]));
    assert_eq!(options_of(&host.sent()[0]), []);
}
