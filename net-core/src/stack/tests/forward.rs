//! Packets for others.

use super::*;
use crate::buf::{Checksum, Gso, GsoKind};
use crate::iface::ReversePath;
use crate::route::Reject;
use crate::tcp::SeqNum;
use crate::wire::{EcnCounters, EcnOrder, TcpFlags, TcpHeader, TcpOptions, ipv4};
use bytes::BytesMut;
use std::vec;

/// [`Host`] as a router between its wire and a link of 1,400 bytes, 10.9.0.1/24 and fd09::1/64.
pub(super) struct Router {
    pub(super) host: Host,
    far: IfaceId,
}

pub(super) const NEAR_HOST: &str = "10.7.0.9:5";
pub(super) const FAR_HOST: &str = "10.9.0.9:7";
pub(super) const NEAR_V6: &str = "[fd07::9]:5";
pub(super) const FAR_V6: &str = "[fd09::9]:7";

impl Router {
    pub(super) fn new() -> Self {
        Self::with(DeviceCaps::default())
    }

    fn with(caps: DeviceCaps) -> Self {
        let mut host = Host::new();
        let far = ["10.9.0.1/24", "fd09::1/64"];
        let far = iface("tun1", IfaceKind::PointToPoint, 1400, &far);
        let far = host.stack.add_iface(far, caps).unwrap();
        host.stack.set_forwarding(host.wire, true).unwrap();
        Self { host, far }
    }

    /// What leaves over the far link when `packet` comes in over the wire.
    pub(super) fn forward(&mut self, packet: impl Into<RxPacket>) -> Vec<TxPacket> {
        self.host.inject(packet);
        self.host.sent_over(self.far)
    }

    /// The one answer that goes back over the wire.
    #[track_caller]
    pub(super) fn answer(&mut self) -> Seen {
        let sent = self.host.sent();
        assert_eq!(sent.len(), 1);
        Seen::new(&sent[0])
    }
}

/// A datagram that has `ttl` hops left and may not be cut.
pub(super) fn with_ttl(ttl: u8, source: &str, dest: &str, payload: &[u8]) -> TxPacket {
    let mut packet = datagram(source, dest, payload);
    let bytes = bytes_of(&packet);
    let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
    packet.head.strip(header.header_len);
    let header = IpHeader {
        ttl,
        // RFC 3168 §12: a mark stays.
        tos: 3,
        dont_fragment: true,
        ..header
    };
    header.emit(&mut packet.head);
    packet
}

/// A TCP segment from near to far with this payload.
fn segment(payload: &[u8]) -> TxPacket {
    let mut packet = body(payload);
    let header = TcpHeader {
        source_port: 5,
        dest_port: 7,
        seq: SeqNum::new(1),
        ack: SeqNum::new(1),
        flags: TcpFlags::ACK | TcpFlags::PSH,
        window: 1000,
        urgent: 0,
        header_len: 20,
        options: TcpOptions::default(),
    };
    header.emit(&mut packet.head);
    wrap(ip("10.7.0.9"), ip("10.9.0.9"), ip::TCP, packet)
}

/// As for the rules of the kernel.
#[test]
fn rules_for_what_goes_on_see_it_with_one_hop_less() {
    let mut router = Router::new();
    router.host.filter(
        "table inet t { chain c { type filter hook forward priority 0; ip ttl 9 drop; ip6 hoplimit 9 drop; } }",
    );
    for (source, dest) in [(NEAR_HOST, FAR_HOST), (NEAR_V6, FAR_V6)] {
        assert_eq!(router.forward(with_ttl(9, source, dest, b"on")).len(), 1);
        assert_eq!(router.forward(with_ttl(10, source, dest, b"out")).len(), 0);
    }
    router.host.assert_dropped(DropReason::Filter, 2);
}

#[test]
fn a_packet_for_another_link_loses_one_hop_and_nothing_else() {
    let mut router = Router::new();
    for (source, dest) in [(NEAR_HOST, FAR_HOST), (NEAR_V6, FAR_V6)] {
        for len in [0, 10, 150, 1000] {
            let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
            let sent = router.forward(with_ttl(9, source, dest, &payload));
            let seen = Seen::new(&sent[0]);
            let expected = with_ttl(8, source, dest, &payload);
            assert_eq!(
                bytes_of(&sent[0]),
                bytes_of(&expected),
                "its checksum follows"
            );
            assert_eq!((seen.ip.ttl, &seen.data()[..]), (8, &payload[..]));
        }
    }
    assert_eq!(router.host.stack.stats().forwarded, 8);
}

/// RFC 9768 §3.3.2: neither the ECN field nor TCP's flags nor the option, on no kind of segment.
#[test]
fn accurate_ecn_feedback_passes_unchanged() {
    let mut router = Router::new();
    let told = TcpFlags::AE | TcpFlags::CWR | TcpFlags::ECE;
    for (kind, tos) in [(TcpFlags::SYN, 0), (TcpFlags::ACK, 1), (TcpFlags::ACK, 3)] {
        let mut packet = body(b"data");
        let header = TcpHeader {
            source_port: 5,
            dest_port: 7,
            flags: kind | told,
            options: TcpOptions {
                accurate_ecn: Some(EcnCounters::new(EcnOrder::Ect0First, &[1, 2, 3])),
                ..TcpOptions::default()
            },
            ..TcpHeader::default()
        };
        header.emit(&mut packet.head);
        let before = bytes_of(&packet).to_vec();
        assert!(before.contains(&172), "the option's kind");
        let header = IpHeader {
            tos,
            ..IpHeader::new(ip("10.7.0.9"), ip("10.9.0.9"), ip::TCP, packet.len())
        };
        header.emit(&mut packet.head);
        let sent = router.forward(packet);
        let sent = bytes_of(&sent[0]);
        assert_eq!(sent[1], tos);
        assert_eq!(sent[20..], before);
    }
}

/// RFC 6274 §3.13.2.3, RFC 7126 §4.3: a sender does not choose the way, neither through this host nor to it.
#[test]
fn source_routes_of_ipv4_are_dropped_and_other_options_are_not() {
    let mut router = Router::new();
    router.host.udp("10.7.0.2:7");
    let with_options = |dest: &str, options: [u8; 8]| {
        let mut bytes = bytes_of(&datagram(NEAR_HOST, dest, b"x")).to_vec();
        bytes.splice(20..20, options);
        bytes[0] += 2;
        let len = bytes.len();
        ipv4::complete(&mut bytes[..28], len, None, None);
        RxPacket::from_frame(BytesMut::from(&bytes[..]))
    };
    let dropped = |router: &Router| router.host.stack.stats().drops(DropReason::SourceRoute);
    for (number, kind) in [131, 137].into_iter().enumerate() {
        let route = [1, kind, 7, 4, 10, 9, 0, 1];
        assert!(router.forward(with_options(FAR_HOST, route)).is_empty());
        router.host.inject(with_options("10.7.0.2:7", route));
        assert_eq!(dropped(&router), 2 * (number as u64 + 1));
    }
    // Record Route, with room for one.
    let record = [1, 7, 7, 4, 0, 0, 0, 0];
    assert_eq!(router.forward(with_options(FAR_HOST, record)).len(), 1);
    assert_eq!(dropped(&router), 4);
}

#[test]
fn an_interface_that_does_not_forward_drops() {
    let mut router = Router::new();
    let (wire, far) = (router.host.wire, router.far);
    router.host.stack.set_forwarding(wire, false).unwrap();
    assert!(
        router
            .forward(datagram(NEAR_HOST, FAR_HOST, b"x"))
            .is_empty()
    );
    router
        .host
        .inject_at(far, datagram(FAR_HOST, NEAR_HOST, b"x"));
    router.host.assert_dropped(DropReason::NotForUs, 2);
    let gone = router.host.stack.set_forwarding(IfaceId(9), true);
    assert_eq!(gone, Err(crate::error::SocketError::NoSuchInterface));
}

#[test]
fn the_last_hop_is_told_to_the_sender() {
    let mut router = Router::new();
    for (source, dest, ours) in [(NEAR_HOST, FAR_HOST, OURS), (NEAR_V6, FAR_V6, OURS_V6)] {
        let sent = router.forward(with_ttl(1, source, dest, b"probe"));
        assert!(sent.is_empty());
        let answer = router.answer();
        assert_eq!(answer.icmp(), IcmpMessage::TimeExceeded { code: 0 });
        assert_eq!(
            (answer.ip.source, answer.ip.dest),
            (ip(ours), addr(source).ip())
        );
    }
    router.host.assert_dropped(DropReason::HopLimit, 2);
}

#[test]
fn what_the_next_link_does_not_carry_is_answered_with_its_mtu() {
    let mut router = Router::new();
    for (source, dest) in [(NEAR_HOST, FAR_HOST), (NEAR_V6, FAR_V6)] {
        let sent = router.forward(with_ttl(9, source, dest, &[0; 1400]));
        assert!(sent.is_empty());
        let answer = router.answer();
        assert_eq!(answer.icmp(), IcmpMessage::PacketTooBig { mtu: 1400 });
    }
    router.host.assert_dropped(DropReason::TooBig, 2);
}

#[test]
fn what_may_be_cut_goes_on_in_fragments() {
    let mut router = Router::new();
    let mut packet = datagram(NEAR_HOST, FAR_HOST, &[7; 1450]);
    packet.head.strip(20);
    let header = IpHeader {
        dont_fragment: false,
        id: 77,
        ..IpHeader::new(ip("10.7.0.9"), ip("10.9.0.9"), ip::UDP, packet.len())
    };
    header.emit(&mut packet.head);
    let sent = router.forward(packet);
    let lens: Vec<usize> = sent.iter().map(TxPacket::len).collect();
    assert_eq!(lens, [20 + 1376, 20 + 8 + 1450 - 1376]);
    for packet in &sent {
        let bytes = bytes_of(packet);
        let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
        assert_eq!((header.ttl, header.fragment.unwrap().id), (63, 77));
    }
}

#[test]
fn no_way_on_is_told_as_the_routes_say() {
    let mut router = Router::new();
    router.host.stack.remove_route(cidr("0.0.0.0/0"));
    router.host.stack.remove_route(cidr("::/0"));
    let rejects = [
        ("192.0.2.0/24", Reject::Unreachable),
        ("198.51.100.0/24", Reject::Prohibit),
        ("203.0.113.0/24", Reject::Blackhole),
        ("2001:db8:1::/48", Reject::Unreachable),
        ("2001:db8:2::/48", Reject::Prohibit),
    ];
    for (prefix, reject) in rejects {
        router
            .host
            .stack
            .add_reject(cidr(prefix), reject, 0)
            .unwrap();
    }
    let cases = [
        ("8.8.8.8:1", 0),
        ("192.0.2.1:1", 1),
        ("198.51.100.1:1", 13),
        ("[2001:db8::1]:1", 0),
        ("[2001:db8:1::1]:1", 3),
        ("[2001:db8:2::1]:1", 1),
    ];
    for (dest, code) in cases {
        let source = if dest.starts_with('[') {
            NEAR_V6
        } else {
            NEAR_HOST
        };
        router.host.inject(datagram(source, dest, b"x"));
        let answer = router.answer();
        assert_eq!(answer.icmp(), IcmpMessage::Unreachable { code }, "{dest}");
    }
    router.host.assert_dropped(DropReason::NoRoute, 6);
    router
        .host
        .inject(datagram(NEAR_HOST, "203.0.113.1:1", b"x"));
    assert!(router.host.sent().is_empty());
    router.host.assert_dropped(DropReason::Blackhole, 1);
}

#[test]
fn a_source_that_the_routes_do_not_lead_back_to_is_dropped() {
    let mut router = Router::new();
    let (wire, far) = (router.host.wire, router.far);
    let mut is_dropped = |check, source: &str| {
        router.host.stack.set_reverse_path(wire, check).unwrap();
        let before = router.host.stack.stats().drops(DropReason::ReversePath);
        router.host.inject(datagram(source, "10.9.0.9:7", b"x"));
        router.host.sent_over(far);
        router.host.stack.stats().drops(DropReason::ReversePath) > before
    };
    // From the far link's prefix over the near one.
    assert!(is_dropped(ReversePath::Strict, "10.9.0.8:1"));
    assert!(!is_dropped(ReversePath::Loose, "10.9.0.8:1"));
    assert!(!is_dropped(ReversePath::Off, "10.9.0.8:1"));
    assert!(!is_dropped(ReversePath::Strict, NEAR_HOST));
    // The default route leads everywhere else over the wire.
    assert!(!is_dropped(ReversePath::Strict, "192.0.2.1:1"));
    router.host.stack.remove_route(cidr("0.0.0.0/0"));
    let check = ReversePath::Loose;
    router.host.stack.set_reverse_path(wire, check).unwrap();
    router.host.inject(datagram("192.0.2.1:1", FAR_HOST, b"x"));
    router.host.assert_dropped(DropReason::ReversePath, 2);
}

#[test]
fn what_is_of_one_link_or_a_group_stays_there() {
    let mut router = Router::new();
    let cases = [
        ("169.254.1.1:1", FAR_HOST),
        (NEAR_HOST, "224.0.0.9:1"),
        (NEAR_HOST, "240.0.0.1:1"),
        ("[fe80::1]:1", FAR_V6),
        (NEAR_V6, "[ff0e::1]:1"),
        (NEAR_V6, "[fe80::9]:1"),
    ];
    for (source, dest) in cases {
        assert!(router.forward(datagram(source, dest, b"x")).is_empty());
    }
    router.host.assert_dropped(DropReason::NotForUs, 6);
}

/// Three segments that a device or GRO has merged.
fn merged() -> RxPacket {
    let mut packet = linear(&segment(&[0x5a; 3000]));
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Tcp4,
        size: 1000,
        ecn: false,
    });
    packet.meta.checksum = Checksum::Verified;
    packet
}

#[test]
fn a_super_segment_goes_on_whole_where_the_device_cuts_it() {
    let mut router = Router::with(DeviceCaps {
        tso: true,
        tx_checksum: true,
        ..DeviceCaps::default()
    });
    let sent = router.forward(merged());
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].meta.gso.unwrap().size, 1000);
    let partial = Checksum::Partial {
        start: 20,
        offset: 16,
    };
    assert_eq!(
        sent[0].meta.checksum, partial,
        "its segments are summed when it is cut"
    );
    assert_eq!(usize::from(sent[0].meta.header_len), sent[0].head.len());
}

#[test]
fn a_super_segment_is_cut_where_the_device_cannot() {
    let mut router = Router::new();
    let sent = router.forward(merged());
    assert_eq!(sent.len(), 3);
    for packet in &sent {
        assert_eq!(Seen::new(packet).ip.ttl, 63, "all checksums are right");
    }
}

#[test]
fn a_checksum_left_to_a_device_is_completed_for_one_that_does_not_sum() {
    let mut router = Router::new();
    let complete = segment(&[7; 500]);
    let mut packet = linear(&complete);
    let sum = crate::wire::checksum::pseudo_header(ip("10.7.0.9"), ip("10.9.0.9"), ip::TCP, 520);
    packet.frame[36..38].copy_from_slice(&sum.partial().to_be_bytes());
    packet.meta.checksum = Checksum::Partial {
        start: 20,
        offset: 16,
    };
    let sent = router.forward(packet);
    let seen = Seen::new(&sent[0]);
    assert_eq!(seen.payload, bytes_of(&complete).freeze().slice(20..));
}

#[test]
fn the_type_of_service_of_what_is_forwarded_chooses_its_band() {
    let mut router = Router::new();
    let (far, now) = (router.far, router.host.now);
    let bands = crate::qdisc::PfifoFast::default();
    router.host.stack.set_qdisc(far, bands, now).unwrap();
    for (tos, payload) in [(0x08, b"bulk"), (0x10, b"fast")] {
        let mut packet = datagram(NEAR_HOST, FAR_HOST, payload);
        packet.head.strip(20);
        let header = IpHeader {
            tos,
            ..IpHeader::new(ip("10.7.0.9"), ip("10.9.0.9"), ip::UDP, packet.len())
        };
        header.emit(&mut packet.head);
        router.host.inject(packet);
    }
    let sent = router.host.sent_over(far);
    assert_eq!(Seen::new(&sent[0]).data(), "fast");
}

#[test]
fn the_sender_hears_of_a_neighbour_that_does_not_answer() {
    let mut router = Router::new();
    let own = ["10.8.0.1/24", "fd08::1/64", "fe80::1/64"];
    let kind = IfaceKind::Ethernet(crate::wire::MacAddr::local(1));
    let link = iface("eth0", kind, 1500, &own);
    router
        .host
        .stack
        .add_iface(link, DeviceCaps::default())
        .unwrap();
    for (source, dest, code) in [
        (NEAR_HOST, "10.8.0.9:7", icmpv4::HOST_UNREACHABLE),
        (NEAR_V6, "[fd08::9]:7", icmpv6::ADDRESS_UNREACHABLE),
    ] {
        router.host.inject(datagram(source, dest, b"lost"));
        for _ in 0..3 {
            assert_eq!(router.host.sent().len(), 0);
            router.host.now += crate::time::Duration::from_secs(1);
            router.host.stack.handle_timeout(router.host.now);
        }
        let answer = router.answer();
        assert_eq!(answer.icmp(), IcmpMessage::Unreachable { code });
        assert_eq!(answer.ip.dest, addr(source).ip());
        let quoted = IpHeader::parse_quoted(&answer.data()).unwrap();
        assert_eq!(quoted.dest, addr(dest).ip());
    }
    router.host.assert_dropped(DropReason::NeighborFailed, 2);
}

#[test]
fn who_is_masqueraded_hears_of_a_silent_neighbour_with_what_it_sent() {
    let mut router = Router::new();
    let kind = IfaceKind::Ethernet(crate::wire::MacAddr::local(1));
    let link = iface("eth0", kind, 1500, &["10.8.0.1/24", "fd08::1/64"]);
    let stack = &mut router.host.stack;
    stack.add_iface(link, DeviceCaps::default()).unwrap();
    router.host.filter(
        "table inet nat { chain post { type nat hook postrouting priority srcnat
            oifname eth0 masquerade; } }",
    );
    for (source, other, dest, len) in [
        (NEAR_HOST, "10.7.0.8:5", "10.8.0.9:7", 576),
        (NEAR_V6, "[fd07::8]:5", "[fd08::9]:7", 1280),
    ] {
        // Of two with one port, one gets another.
        let packet = datagram(source, dest, &[7; 1400]);
        let original = bytes_of(&packet);
        router.host.inject(datagram(other, dest, b"first"));
        router.host.inject(packet);
        for _ in 0..3 {
            assert_eq!(router.host.sent().len(), 0);
            router.host.now += crate::time::Duration::from_secs(1);
            router.host.stack.handle_timeout(router.host.now);
        }
        let sent = router.host.sent();
        assert_eq!(sent.len(), 2);
        let answer = Seen::new(&sent[1]);
        assert_eq!(answer.ip.dest, addr(source).ip());
        // As much as fits (RFC 1812 §4.3.2.3, RFC 4443 §2.4(c)), and but for the hop it took as it was.
        assert_eq!(answer.ip.total_len(), len);
        let (mut quoted, mut original) = (answer.data().to_vec(), original.to_vec());
        original.truncate(quoted.len());
        let changed = if answer.ip.dest.is_ipv4() {
            vec![8, 10, 11]
        } else {
            vec![7]
        };
        for at in changed {
            (quoted[at], original[at]) = (0, 0);
        }
        assert_eq!(quoted, original);
    }
}
