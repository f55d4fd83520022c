//! Packets that are larger than their link, and what goes out instead.

use super::*;
use crate::buf::Checksum;
use crate::error::SocketError;
use crate::socket::{IpOption, PathMtuMode, Readiness};
use crate::wire::ipv6_ext::{Chain, FRAGMENT};

fn payload(len: usize) -> Bytes {
    (0..=255).cycle().take(len).collect()
}

/// Offset, length, whether more follow, and identification of a fragment.
fn place(packet: &TxPacket) -> (usize, usize, bool, u32) {
    let bytes = bytes_of(packet);
    let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
    let (fragment, headers) = if header.dest.is_ipv4() {
        (header.fragment.unwrap(), header.header_len)
    } else {
        let extension = Chain::new(&bytes).next().unwrap().unwrap();
        assert_eq!(extension.kind, FRAGMENT);
        (extension.fragment(), 48)
    };
    let len = bytes.len() - headers;
    (fragment.offset.into(), len, fragment.more, fragment.id)
}

impl Host {
    fn send_to(&mut self, id: SocketId, len: usize, to: &str) -> Result<(), SocketError> {
        let to = Some(addr(to));
        self.stack.udp(id).unwrap().send(payload(len), to)
    }
}

#[test]
fn a_datagram_of_3000_bytes_leaves_in_three_fragments() {
    let mut host = Host::new();
    let id = host.udp("[::]:9");
    host.send_to(id, 3000, "[::ffff:10.7.0.1]:53").unwrap();
    host.send_to(id, 3000, "[fd07::1]:53").unwrap();
    let sent = host.sent();
    let places: Vec<_> = sent.iter().map(place).collect();
    let [a, b] = [places[0].3, places[3].3];
    assert_eq!(
        places,
        [
            (0, 1480, true, a),
            (1480, 1480, true, a),
            (2960, 48, false, a),
            (0, 1448, true, b),
            (1448, 1448, true, b),
            (2896, 112, false, b),
        ]
    );
    for packet in &sent {
        assert!(packet.len() <= 1500);
        assert_eq!(packet.meta.checksum, Checksum::Verified);
    }
    assert_eq!(host.stack.stats().ip_fragmented, 2);
    assert_eq!(host.stack.stats().ip_fragments_sent, 6);
}

#[test]
fn what_was_cut_is_put_together_again() {
    for (len, to) in [
        (65507, "[::ffff:10.7.0.2]:9"),
        (65527, "[fd07::2]:9"),
        (1500, "[::ffff:10.7.0.2]:9"),
        (1453, "[fd07::2]:9"),
    ] {
        let mut sender = Host::new();
        let id = sender.udp("[::]:9");
        // It believes that the address is somebody else's, beyond a narrow link.
        sender.stack.remove_iface(sender.loopback);
        let wire = iface(
            "tun1",
            IfaceKind::PointToPoint,
            1500,
            &["10.7.0.1/32", "fd07::1/128"],
        );
        sender.stack.remove_iface(sender.wire);
        let wire = sender.stack.add_iface(wire, DeviceCaps::default()).unwrap();
        for prefix in ["10.7.0.2/32", "fd07::2/128"] {
            let route = Route {
                prefix: cidr(prefix),
                via: None,
                iface: wire,
                source: None,
                metric: 0,
            };
            sender.stack.add_route(route).unwrap();
        }
        sender.send_to(id, len, to).unwrap();
        let mut host = Host::new();
        let id = host.udp("[::]:9");
        for packet in sender.sent_over(wire) {
            host.inject(packet);
        }
        let datagram = host.stack.udp(id).unwrap().recv().unwrap();
        assert_eq!(datagram.payload, payload(len));
    }
}

#[test]
fn the_largest_datagram_crosses_the_loopback_in_two_fragments() {
    let mut host = Host::new();
    let id = host.udp("[::]:9");
    host.send_to(id, 65527, "[::1]:9").unwrap();
    host.loop_back();
    let datagram = host.stack.udp(id).unwrap().recv().unwrap();
    assert_eq!(datagram.payload, payload(65527));
    assert_eq!(host.stack.stats().ip_fragments_sent, 2);
}

#[test]
fn each_path_mtu_mode_keeps_its_word() {
    let mut host = Host::new();
    let id = host.udp("[::]:9");
    let (v4, v6) = ("[::ffff:10.7.0.1]:53", "[fd07::1]:53");
    let mut outcomes = |mode| {
        host.stack
            .set_ip_option(id, IpOption::PathMtu(mode))
            .unwrap();
        host.stack
            .set_ip_option(id, IpOption::PathMtuV6(mode))
            .unwrap();
        host.send_to(id, 1000, v4).unwrap();
        let forbidden = Seen::new(&host.sent()[0]).ip.dont_fragment;
        let long = [v4, v6].map(|to| host.send_to(id, 2000, to).is_ok());
        (forbidden, long, host.sent().len())
    };
    assert_eq!(outcomes(PathMtuMode::Dont), (false, [true, true], 4));
    assert_eq!(outcomes(PathMtuMode::Want), (true, [true, true], 4));
    assert_eq!(outcomes(PathMtuMode::Do), (true, [false, false], 0));
    assert_eq!(outcomes(PathMtuMode::Probe), (true, [false, false], 0));
    let outcome = host.send_to(id, 2000, v4);
    assert_eq!(outcome, Err(SocketError::MessageTooLong));
}

/// RFC 6864 §4.3, RFC 7739 §5.
#[test]
fn packets_that_may_be_cut_have_identifications_of_their_own() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    let dont = IpOption::PathMtu(PathMtuMode::Dont);
    host.stack.set_ip_option(id, dont).unwrap();
    for _ in 0..100 {
        host.send_to(id, 10, "10.7.0.1:53").unwrap();
    }
    let ids: std::collections::BTreeSet<u16> = host
        .sent()
        .iter()
        .map(|packet| Seen::new(packet).ip.id)
        .collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn all_fragments_of_a_packet_fit_the_queue_or_none_is_sent() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.stack
        .change_udp(id, |settings| settings.send_buffer = 16 << 20)
        .unwrap();
    let mut count = 0;
    while host.send_to(id, 65507, "10.7.0.1:53").is_ok() {
        count += 1;
    }
    assert!(!host.stack.readiness(id).contains(Readiness::WRITABLE));
    let sent = host.sent();
    assert_eq!(sent.len(), count * 45);
    assert!(sent.len() > 900 && sent.len() <= 1000);
    assert!(host.stack.readiness(id).contains(Readiness::WRITABLE));
    assert_eq!(host.send_to(id, 65507, "10.7.0.1:53"), Ok(()));
}

#[test]
fn fragments_count_against_the_send_buffer_until_they_have_left() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.stack
        .change_udp(id, |settings| settings.send_buffer = 7000)
        .unwrap();
    assert_eq!(host.send_to(id, 5000, "10.7.0.1:53"), Ok(()));
    let blocked = host.send_to(id, 5000, "10.7.0.1:53");
    assert_eq!(blocked, Err(SocketError::WouldBlock));
    assert_eq!(host.sent().len(), 4);
    assert_eq!(host.send_to(id, 5000, "10.7.0.1:53"), Ok(()));
}
