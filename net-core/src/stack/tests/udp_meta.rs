//! What a sender may say about one datagram, or about several at once.

use super::*;
use crate::buf::{Gso, GsoKind};
use crate::error::SocketError;
use crate::udp::SendMeta;

const TO: &str = "10.7.0.1:9";

fn send(host: &mut Host, id: SocketId, len: usize, meta: SendMeta) -> Result<(), SocketError> {
    let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
    host.stack.udp(id).unwrap().send_with(payload.into(), &meta)
}

fn in_pieces_of(size: u16) -> SendMeta {
    SendMeta {
        segment: Some(size),
        ..SendMeta::to(addr(TO))
    }
}

#[test]
fn one_payload_makes_several_datagrams() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:7");
    send(&mut host, id, 2500, in_pieces_of(1000)).unwrap();
    let sent: Vec<Seen> = host.sent().iter().map(Seen::new).collect();
    let sizes: Vec<usize> = sent.iter().map(|packet| packet.data().len()).collect();
    assert_eq!(sizes, [1000, 1000, 500]);
    assert_eq!(sent[1].data()[0], u8::try_from(1000 % 256).unwrap());
    assert!(sent.iter().all(|packet| packet.udp().dest_port == 9));
    assert_eq!(sent[2].ip.id, sent[0].ip.id.wrapping_add(2));
    assert_eq!(host.stack.stats().udp_out, 3);
    // What fits one is one.
    send(&mut host, id, 1000, in_pieces_of(1000)).unwrap();
    send(&mut host, id, 0, in_pieces_of(1000)).unwrap();
    assert_eq!(host.sent().len(), 2);
}

#[test]
fn a_device_that_cuts_datagrams_gets_them_in_one_packet() {
    let mut host = Host::new();
    let caps = DeviceCaps {
        uso: true,
        tx_checksum: true,
        ..DeviceCaps::default()
    };
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.8.0.2/24"]);
    let second = host.stack.add_iface(second, caps).unwrap();
    let id = host.udp("0.0.0.0:7");
    let meta = SendMeta {
        to: Some(addr("10.8.0.1:9")),
        ..in_pieces_of(1000)
    };
    send(&mut host, id, 60_000, meta).unwrap();
    let sent = host.sent_over(second);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body_len(), 60_000);
    assert_eq!(sent[0].meta.gso.map(|gso| gso.size), Some(1000));
}

#[test]
fn the_loopback_carries_them_as_one_and_they_arrive_one_by_one() {
    let mut host = Host::new();
    let (from, to) = (host.udp("127.0.0.1:7"), host.udp("127.0.0.1:9"));
    let meta = SendMeta {
        to: Some(addr("127.0.0.1:9")),
        ..in_pieces_of(700)
    };
    send(&mut host, from, 2000, meta).unwrap();
    host.loop_back();
    let mut udp = host.stack.udp(to).unwrap();
    let lens: Vec<usize> = core::iter::from_fn(|| udp.recv())
        .map(|datagram| datagram.payload.len())
        .collect();
    assert_eq!(lens, [700, 700, 600]);
}

#[test]
fn a_socket_that_asks_gets_what_was_joined_as_one_with_its_size() {
    let mut host = Host::new();
    let (plain, joined) = (host.udp("0.0.0.0:7"), host.udp("0.0.0.0:9"));
    host.stack
        .change_udp(joined, |settings| settings.gro = true)
        .unwrap();
    for (len, count) in [(2000, 3), (1400, 2), (700, 1), (0, 1)] {
        let whole = std::vec![7; len];
        for to in ["10.7.0.2:7", "10.7.0.2:9"] {
            let mut train = linear(&datagram("10.7.0.1:5", to, &whole));
            train.meta.gso = (len > 700).then_some(Gso {
                kind: GsoKind::Udp,
                size: 700,
                ecn: false,
            });
            host.inject(train);
        }
        let udp_in = host.stack.stats().udp_in;
        assert_eq!(udp_in % 2, 0, "each datagram counts, joined or not");
        let mut one_by_one = host.stack.udp(plain).unwrap();
        let parts: Vec<_> = core::iter::from_fn(|| one_by_one.recv()).collect();
        let mut udp = host.stack.udp(joined).unwrap();
        let train = udp.recv().unwrap();
        assert_eq!(udp.recv(), None);
        assert_eq!(train.segment, (count > 1).then_some(700));
        assert_eq!((train.payload.len(), train.count()), (len, count));
        assert!(parts.iter().all(|part| part.segment.is_none()));
        let parts = parts.into_iter().map(|part| part.payload);
        assert!(train.payloads().eq(parts), "they are those that others get");
    }
    assert_eq!(host.stack.stats().udp_in, 2 * 7);
}

#[test]
fn of_what_was_joined_and_finds_no_room_each_datagram_is_counted() {
    let mut host = Host::new();
    let joined = host.udp("0.0.0.0:9");
    host.stack
        .change_udp(joined, |settings| settings.gro = true)
        .unwrap();
    let whole = std::vec![7; 2000];
    for _ in 0..1000 {
        let mut train = linear(&datagram("10.7.0.1:5", "10.7.0.2:9", &whole));
        train.meta.gso = Some(Gso {
            kind: GsoKind::Udp,
            size: 700,
            ecn: false,
        });
        host.inject(train);
    }
    let stats = host.stack.stats();
    let dropped = stats.drops(DropReason::RecvBufferFull);
    assert!(dropped > 0, "its buffer is full");
    assert_eq!(stats.udp_in + dropped, 3 * 1000);
}

#[test]
fn each_datagram_must_fit_and_all_together_too() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:7");
    let cases = [
        (3000, 1472, Ok(())),
        (3000, 1473, Err(SocketError::MessageTooLong)),
        (65_507, 1400, Ok(())),
        (65_508, 1400, Err(SocketError::MessageTooLong)),
        (64, 1, Ok(())),
    ];
    for (len, size, outcome) in cases {
        assert_eq!(send(&mut host, id, len, in_pieces_of(size)), outcome);
        host.sent();
    }
    for (len, size) in [(65, 1), (10, 0)] {
        let outcome = send(&mut host, id, len, in_pieces_of(size));
        assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
    }
}

#[test]
fn a_datagram_has_the_class_and_the_source_that_its_sender_says() {
    let mut host = Host::new();
    let second = iface(
        "tun1",
        IfaceKind::PointToPoint,
        1500,
        &["10.8.0.2/24", "10.9.0.2/24"],
    );
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let id = host.udp("0.0.0.0:7");
    let meta = SendMeta {
        tos: Some(2),
        source: Some(ip("10.9.0.2")),
        ..SendMeta::to(addr("10.8.0.1:9"))
    };
    send(&mut host, id, 5, meta).unwrap();
    let sent = Seen::new(&host.sent_over(second)[0]);
    assert_eq!((sent.ip.source, sent.ip.tos), (ip("10.9.0.2"), 2));
    let connected = SendMeta { to: None, ..meta };
    host.stack
        .connect(id, addr("10.8.0.1:9"), host.now)
        .unwrap();
    send(&mut host, id, 5, connected).unwrap();
    let sent = Seen::new(&host.sent_over(second)[0]);
    assert_eq!(sent.ip.source, ip("10.9.0.2"));
    let foreign = SendMeta {
        source: Some(ip("10.9.0.3")),
        ..meta
    };
    let outcome = send(&mut host, id, 5, foreign);
    assert_eq!(outcome, Err(SocketError::AddressNotAvailable));
}

/// RFC 1122 §4.1.4: the time to live of each datagram, in both directions; and where and when it came.
#[test]
fn each_datagram_has_its_own_time_to_live_interface_and_time() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:7");
    let short = SendMeta {
        ttl: Some(3),
        ..SendMeta::to(addr(TO))
    };
    for (meta, ttl) in [(short, 3), (SendMeta::to(addr(TO)), 64)] {
        send(&mut host, id, 10, meta).unwrap();
        assert_eq!(Seen::new(&host.sent()[0]).ip.ttl, ttl);
    }
    let none = SendMeta {
        ttl: Some(0),
        ..short
    };
    let refused = send(&mut host, id, 10, none);
    assert!(matches!(refused, Err(SocketError::InvalidInput(_))));
    host.now += crate::time::Duration::from_millis(5);
    host.inject(datagram("10.7.0.1:9", "10.7.0.2:7", b"x"));
    let received = host.stack.udp(id).unwrap().recv().unwrap();
    assert_eq!((received.iface, received.at), (host.wire, host.now));
    let raw = host.stack.raw_open(Family::V4, 200).unwrap();
    send(&mut host, raw, 10, short).unwrap();
    assert_eq!(Seen::new(&host.sent()[0]).ip.ttl, 3);
}

/// RFC 768: over IPv4 a datagram may go without; RFC 8200 §8.1: over IPv6 it MUST NOT.
#[test]
fn checksums_may_be_left_out_over_ipv4_alone() {
    let mut host = Host::new();
    for (local, to, left_out) in [
        ("10.7.0.2:7", "10.7.0.1:9", true),
        ("[fd07::2]:7", "[fd07::1]:9", false),
    ] {
        let id = host.udp(local);
        host.stack
            .change_udp(id, |settings| settings.no_checksum = true)
            .unwrap();
        send(&mut host, id, 200, SendMeta::to(addr(to))).unwrap();
        let sent = host.sent();
        assert_eq!(Seen::new(&sent[0]).udp().checksum == 0, left_out);
        let cut = SendMeta {
            segment: Some(100),
            ..SendMeta::to(addr(to))
        };
        let refused = send(&mut host, id, 200, cut);
        assert!(matches!(refused, Err(SocketError::InvalidInput(_))));
    }
}
