//! Flows of packets that come in fragments.

use super::flows::{firewall, passes};
use super::*;
use crate::time::Duration;
use crate::wire::ipv6_ext;

#[test]
fn fragments_are_followed_as_the_packet_that_they_make() {
    let (mut host, far) = firewall();
    let mut packet = datagram("10.7.0.9:5", "10.9.0.9:53", &[7; 2000]);
    packet.head.strip(20);
    let header = IpHeader {
        dont_fragment: false,
        id: 77,
        ..IpHeader::new(ip("10.7.0.9"), ip("10.9.0.9"), ip::UDP, packet.len())
    };
    header.emit(&mut packet.head);
    let whole = bytes_of(&packet);
    let fragment = |from: usize, to: usize| {
        let mut bytes = BytesMut::from(&whole[..20]);
        bytes.extend_from_slice(&whole[20 + from..20 + to]);
        let len = u16::try_from(bytes.len()).unwrap();
        let place = ip::Fragment {
            offset: u16::try_from(from).unwrap(),
            more: to < whole.len() - 20,
            id: 77,
        };
        crate::wire::ipv4::set_fragment(&mut bytes[..20], len, place);
        RxPacket::from_frame(bytes)
    };
    host.inject(fragment(1200, 2008));
    assert!(host.sent_over(far).is_empty());
    host.inject(fragment(0, 1200));
    let sent = host.sent_over(far);
    assert_eq!(sent.len(), 2, "cut again for the next link");
    assert_eq!(host.stack.track_stats().unwrap().begun, 1);
    host.inject(fragment(0, 1200));
    host.now += Duration::from_secs(61);
    host.stack.handle_timeout(host.now);
    host.assert_dropped(DropReason::ReassemblyTimeout, 1);
    assert!(host.sent().is_empty(), "a router says nothing about that");
}

/// The fragments of an IPv6 datagram of 2,008 bytes, each no larger than `size`.
fn fragments_v6(source: &str, dest: &str, size: u16) -> Vec<RxPacket> {
    let mut packet = datagram(source, dest, &[7; 2000]);
    let cut = crate::ip::Fragments::new(&mut packet, size, 9);
    let mut cut = cut.unwrap();
    let mut made = Vec::new();
    let mut fragment = TxPacket::default();
    while cut.next_into(&mut fragment) {
        made.push(core::mem::take(&mut fragment).into());
    }
    made
}

/// As by Linux: no router cuts a packet of IPv6, but what its sender has cut is cut again as it was.
#[test]
fn fragments_of_ipv6_are_followed_and_go_on_no_larger_than_they_came() {
    for rules in [
        "",
        "table ip6 n { chain c { type nat hook postrouting priority srcnat; oifname tun1 masquerade; } }",
    ] {
        let (mut host, far) = firewall();
        let near = host.wire;
        if !rules.is_empty() {
            host.filter(rules);
        }
        let mut came = fragments_v6("[fd07::9]:5", "[fd09::9]:53", 1296);
        assert_eq!(came.len(), 2);
        // In any order.
        came.reverse();
        let mut joined = Host::new();
        let wire = joined.wire;
        let us = if rules.is_empty() {
            "fd07::9"
        } else {
            "fd09::1"
        };
        for fragment in came {
            assert!(host.sent_over(far).is_empty());
            host.inject_at(near, fragment);
        }
        let sent = host.sent_over(far);
        let lens: Vec<usize> = sent.iter().map(TxPacket::len).collect();
        assert_eq!(lens, [1296, 40 + 8 + 2008 - 1248]);
        // The receiver puts it together, and its sum is right.
        let now = host.now;
        joined
            .stack
            .add_address(wire, cidr("fd09::9/64"), now)
            .unwrap();
        let id = joined.udp("[fd09::9]:53");
        for packet in sent {
            joined.inject(packet);
        }
        let mut udp = joined.stack.udp(id).unwrap();
        let got = udp.recv().unwrap();
        assert_eq!((got.payload.len(), got.source.ip()), (2000, ip(us)));
        assert_eq!(host.stack.track_stats().unwrap().begun, 1);
        assert_eq!(host.stack.track_stats().unwrap().invalid, 0);
        let answer = std::format!("[{us}]:5");
        let answers = fragments_v6("[fd09::9]:53", &answer, 1280);
        for fragment in answers {
            host.inject_at(far, fragment);
        }
        assert_eq!(host.sent_over(near).len(), 2);
    }
}

#[test]
fn fragments_of_ipv6_that_the_next_link_does_not_take_are_told_to_their_sender() {
    let mut router = forward::Router::new();
    router.host.filter(
        "table inet t { chain c { type filter hook forward priority 0; ct state invalid drop; } }",
    );
    for fragment in fragments_v6("[fd07::9]:5", "[fd09::9]:7", 1496) {
        assert!(router.forward(fragment).is_empty());
    }
    let answer = router.answer();
    assert_eq!(answer.icmp(), IcmpMessage::PacketTooBig { mtu: 1400 });
    let mut left = 0;
    for fragment in fragments_v6("[fd07::9]:5", "[fd09::9]:7", 1400) {
        left += router.forward(fragment).len();
    }
    assert_eq!(left, 2);
}

/// A router does not read other extension headers, so that nobody can tell what is behind them: invalid,
/// so that it passes no filter for flows and leaves no translation out.
#[test]
fn fragments_behind_other_headers_belong_to_no_flow() {
    let (mut host, far) = firewall();
    let fragment = |dest: &str, kind: u8| {
        let mut packet = body(&[0; 64]);
        let chain = [kind, 0, 0, 1, 0, 0, 0, 9];
        packet.head.prepend(8).copy_from_slice(&chain);
        wrap(ip("fd07::9"), ip(dest), ipv6_ext::FRAGMENT, packet)
    };
    let near = host.wire;
    let options = fragment("fd09::9", ipv6_ext::DESTINATION);
    assert!(!passes(&mut host, near, far, options));
    assert_eq!(host.stack.track_stats().unwrap().invalid, 1);
    assert_eq!(host.stack.track_stats().unwrap().flows, 0);
    // Those for this host are put together first.
    host.inject(fragment("fd07::2", ip::UDP));
    assert_eq!(host.stack.track_stats().unwrap().invalid, 1);
}
