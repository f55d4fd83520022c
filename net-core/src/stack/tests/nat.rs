//! Flows whose packets get other addresses and ports.

use super::filter::{router, segment, set_ack};
use super::*;
use crate::buf::{Checksum, Gso, GsoKind};
use crate::conntrack::FlowStatus;
use crate::wire::checksum::pseudo_header;
use crate::wire::{TcpFlags, TcpHeader};
use std::string::ToString;

/// A router that gives what leaves over the far link its own address, and sends what comes for port 80
/// of that to port 8080 of a host on the near link.
pub(super) fn nat() -> (Host, IfaceId) {
    let (mut host, far) = router();
    host.stack.set_forwarding(far, true).unwrap();
    host.filter(
        "table inet nat {
            chain pre {
                type nat hook prerouting priority dstnat
                ip daddr 10.9.0.1 tcp dport 80 dnat to 10.7.0.9:8080
                ip daddr 10.9.0.1 udp dport 80 dnat to 10.7.0.9:8080
            }
            chain post {
                type nat hook postrouting priority srcnat
                oifname tun1 masquerade
                ip saddr 10.7.0.0/24 ip daddr 10.7.0.9 masquerade
            }
        }",
    );
    (host, far)
}

/// What leaves over an interface for a packet that comes over another: the ends of its flow.
#[track_caller]
fn ends(host: &mut Host, from: IfaceId, to: IfaceId, packet: TxPacket) -> (SocketAddr, SocketAddr) {
    host.inject_at(from, packet);
    let sent = host.sent_over(to);
    assert_eq!(
        sent.len(),
        1,
        "{:?}",
        host.stack.stats().dropped().collect::<Vec<_>>()
    );
    // All sums are verified.
    let seen = Seen::new(&sent[0]);
    let port = |at: usize| u16::from_be_bytes([seen.payload[at], seen.payload[at + 1]]);
    (
        SocketAddr::new(seen.ip.source, port(0)),
        SocketAddr::new(seen.ip.dest, port(2)),
    )
}

#[test]
fn what_leaves_has_the_routers_address_and_answers_come_back() {
    let (mut host, far) = nat();
    let near = host.wire;
    let (source, dest) = ends(
        &mut host,
        near,
        far,
        datagram("10.7.0.9:5000", "10.9.0.9:53", b"odd"),
    );
    assert_eq!((source, dest), (addr("10.9.0.1:5000"), addr("10.9.0.9:53")));
    let back = ends(
        &mut host,
        far,
        near,
        datagram("10.9.0.9:53", "10.9.0.1:5000", b"answer"),
    );
    assert_eq!(back, (addr("10.9.0.9:53"), addr("10.7.0.9:5000")));
    let flow = host.stack.flows().next().unwrap();
    assert!(
        flow.status
            .contains(FlowStatus::SNAT | FlowStatus::SEEN_REPLY)
    );
    assert_eq!(flow.reply.dest, ip("10.9.0.1"));
    let v6 = ends(
        &mut host,
        near,
        far,
        datagram("[fd07::9]:5000", "[fd09::9]:53", b"odd"),
    );
    assert_eq!(v6.0, addr("[fd09::1]:5000"));
    let v6 = ends(
        &mut host,
        far,
        near,
        datagram("[fd09::9]:53", "[fd09::1]:5000", b"x"),
    );
    assert_eq!(v6.1, addr("[fd07::9]:5000"));
}

#[test]
fn a_port_that_is_taken_gives_way_to_one_of_its_class_and_parity() {
    let (mut host, far) = nat();
    let near = host.wire;
    for (port, class) in [(5000, 1024..=65_535), (501, 1..=1023)] {
        let first = std::format!("10.7.0.8:{port}");
        let second = std::format!("10.7.0.9:{port}");
        let kept = ends(&mut host, near, far, datagram(&first, "10.9.0.9:53", b"x")).0;
        assert_eq!(kept.port(), port);
        let moved = ends(&mut host, near, far, datagram(&second, "10.9.0.9:53", b"x")).0;
        assert_ne!(moved.port(), port);
        // RFC 4787 REQ-3a and REQ-4.
        assert!(class.contains(&moved.port()), "{moved}");
        assert_eq!(moved.port() % 2, port % 2, "{moved}");
        let answer = datagram("10.9.0.9:53", &moved.to_string(), b"x");
        assert_eq!(ends(&mut host, far, near, answer).1, addr(&second));
        let elsewhere = ends(&mut host, near, far, datagram(&second, "10.9.0.8:53", b"x")).0;
        assert_eq!(elsewhere.port(), port, "free towards another destination");
    }
}

#[test]
fn what_comes_for_a_port_goes_to_another_host_and_port() {
    let (mut host, far) = nat();
    let near = host.wire;
    let syn = segment("10.9.0.9:4000", "10.9.0.1:80", TcpFlags::SYN, b"");
    assert_eq!(
        ends(&mut host, far, near, syn),
        (addr("10.9.0.9:4000"), addr("10.7.0.9:8080"))
    );
    let mut answer = segment(
        "10.7.0.9:8080",
        "10.9.0.9:4000",
        TcpFlags::SYN | TcpFlags::ACK,
        b"",
    );
    set_ack(&mut answer, 1001);
    assert_eq!(
        ends(&mut host, near, far, answer),
        (addr("10.9.0.1:80"), addr("10.9.0.9:4000"))
    );
}

#[test]
fn a_host_reaches_its_own_link_by_the_outer_address() {
    let (mut host, _) = nat();
    let near = host.wire;
    // Hairpinning (RFC 4787 §6): there and back through the router.
    let there = ends(
        &mut host,
        near,
        near,
        datagram("10.7.0.8:6000", "10.9.0.1:80", b"x"),
    );
    assert_eq!(there, (addr("10.7.0.2:6000"), addr("10.7.0.9:8080")));
    let back = ends(
        &mut host,
        near,
        near,
        datagram("10.7.0.9:8080", "10.7.0.2:6000", b"x"),
    );
    assert_eq!(back, (addr("10.9.0.1:80"), addr("10.7.0.8:6000")));
}

#[test]
fn echoes_are_told_apart_by_their_identifiers() {
    let (mut host, far) = nat();
    let request = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    let mut idents = Vec::new();
    for source in ["10.7.0.8", "10.7.0.9"] {
        host.inject(icmp(source, "10.9.0.9", &request, b"data"));
        let sent = host.sent_over(far);
        let seen = Seen::new(&sent[0]);
        assert_eq!(seen.ip.source, ip("10.9.0.1"));
        let IcmpMessage::EchoRequest { ident, seq: 1 } = seen.icmp() else {
            panic!("{:?}", seen.icmp());
        };
        idents.push(ident);
    }
    assert_eq!(idents[0], 7);
    assert_ne!(idents[1], 7);
    for (source, ident) in ["10.7.0.8", "10.7.0.9"].into_iter().zip(idents) {
        let reply = IcmpMessage::EchoReply { ident, seq: 1 };
        host.inject_at(far, icmp("10.9.0.9", "10.9.0.1", &reply, b"data"));
        let sent = host.sent();
        let seen = Seen::new(&sent[0]);
        assert_eq!(seen.ip.dest, ip(source));
        assert_eq!(seen.icmp(), IcmpMessage::EchoReply { ident: 7, seq: 1 });
    }
}

/// What an ICMP error quotes: its addresses and first eight bytes, with the checksum of the IPv4
/// header verified.
fn quotation(seen: &Seen) -> (IpHeader, Bytes) {
    let quoted = seen.data();
    let header = IpHeader::parse_quoted(&quoted).unwrap();
    if header.dest.is_ipv4() {
        assert_eq!(crate::wire::checksum::checksum(&quoted[..20]), 0);
    }
    (
        header,
        quoted.slice(header.header_len..header.header_len + 8),
    )
}

#[test]
fn an_error_from_outside_quotes_what_its_receiver_sent() {
    let (mut host, far) = nat();
    let unreachable = IcmpMessage::Unreachable { code: 3 };
    for (client, server, router) in [
        ("10.7.0.9:5000", "10.9.0.9:53", "10.9.0.7"),
        ("[fd07::9]:5000", "[fd09::9]:53", "fd09::7"),
    ] {
        // The port is taken, so that it changes too.
        let other = client.replace("9:5000", "8:5000").replace("::9]", "::8]");
        let original = datagram(client, server, b"question");
        let original_bytes = bytes_of(&original);
        host.inject(datagram(&other, server, b"x"));
        host.inject(original);
        let sent = host.sent_over(far);
        let outer = bytes_of(&sent[1]);
        let outer_source = Seen::new(&sent[1]).ip.source.to_string();
        host.inject_at(far, icmp(router, &outer_source, &unreachable, &outer));
        let sent = host.sent();
        // The sum of the error itself is verified.
        let seen = Seen::new(&sent[0]);
        assert_eq!(
            (seen.ip.source, seen.ip.dest),
            (ip(router), addr(client).ip())
        );
        let (header, ports) = quotation(&seen);
        assert_eq!(
            (header.source, header.dest),
            (addr(client).ip(), addr(server).ip())
        );
        let at = header.header_len;
        assert_eq!(
            ports,
            original_bytes[at..at + 8],
            "ports, length and checksum"
        );
    }
}

#[test]
fn an_error_from_inside_quotes_what_its_receiver_sent() {
    let (mut host, far) = nat();
    let near = host.wire;
    let original = datagram("10.9.0.9:4000", "10.9.0.1:80", b"request");
    let original_bytes = bytes_of(&original);
    host.inject_at(far, original);
    let sent = host.sent_over(near);
    let inner = bytes_of(&sent[0]);
    let unreachable = IcmpMessage::Unreachable { code: 3 };
    host.inject_at(near, icmp("10.7.0.9", "10.9.0.9", &unreachable, &inner));
    let sent = host.sent_over(far);
    let seen = Seen::new(&sent[0]);
    assert_eq!(
        (seen.ip.source, seen.ip.dest),
        (ip("10.9.0.1"), ip("10.9.0.9"))
    );
    let (header, ports) = quotation(&seen);
    assert_eq!(
        (header.source, header.dest),
        (ip("10.9.0.9"), ip("10.9.0.1"))
    );
    assert_eq!(ports, original_bytes[20..28]);
}

#[test]
fn the_routers_own_error_quotes_what_its_receiver_sent() {
    let (mut host, far) = nat();
    // The near link has become too narrow for what comes to the server behind it.
    let mut packet = datagram("10.9.0.9:4000", "10.9.0.1:80", &[7; 600]);
    let original_bytes = bytes_of(&packet);
    packet.head[8] = 1;
    let header = &mut packet.head[..20];
    header[10..12].fill(0);
    let sum = crate::wire::checksum::checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    // The flow has to be known first: what is dropped on its way leaves none.
    host.inject_at(far, datagram("10.9.0.9:4000", "10.9.0.1:80", b"x"));
    host.sent();
    host.inject_at(far, packet);
    let sent = host.sent_over(far);
    let seen = Seen::new(&sent[0]);
    assert_eq!(seen.icmp(), IcmpMessage::TimeExceeded { code: 0 });
    let (header, ports) = quotation(&seen);
    assert_eq!(
        (header.source, header.dest),
        (ip("10.9.0.9"), ip("10.9.0.1"))
    );
    assert_eq!(ports, original_bytes[20..28]);
}

#[test]
fn a_datagram_without_a_checksum_gets_none() {
    let (mut host, far) = nat();
    let mut packet = datagram("10.7.0.9:5000", "10.9.0.9:53", b"x");
    packet.head[26..28].fill(0);
    host.inject(packet);
    let sent = host.sent_over(far);
    assert_eq!(Seen::new(&sent[0]).udp().checksum, 0);
}

#[test]
fn a_sum_that_is_left_to_a_device_stays_one() {
    let (mut host, far) = nat();
    let complete = segment("10.7.0.9:5000", "10.9.0.9:80", TcpFlags::SYN, &[7; 500]);
    let mut packet = linear(&complete);
    let sum = pseudo_header(ip("10.7.0.9"), ip("10.9.0.9"), ip::TCP, 520);
    packet.frame[36..38].copy_from_slice(&sum.partial().to_be_bytes());
    let partial = Checksum::Partial {
        start: 20,
        offset: 16,
    };
    packet.meta.checksum = partial;
    host.inject(packet);
    let sent = host.sent_over(far);
    // Its sum has been completed for a device that does not do that, and is verified.
    let seen = Seen::new(&sent[0]);
    assert_eq!(seen.ip.source, ip("10.9.0.1"));
}

#[test]
fn a_super_segment_is_translated_whole_and_cut_right() {
    let (mut host, far) = nat();
    let (client, server) = ("10.7.0.9:5000", "10.9.0.9:80");
    host.inject(segment(client, server, TcpFlags::SYN, b""));
    let mut answer = segment(server, "10.9.0.1:5000", TcpFlags::SYN | TcpFlags::ACK, b"");
    set_ack(&mut answer, 1001);
    host.inject_at(far, answer);
    host.sent_over(far);
    host.sent();
    let mut data = segment(client, server, TcpFlags::ACK, &[0x5a; 3000]);
    set_ack(&mut data, 1001);
    let mut packet = linear(&data);
    packet.frame[24..28].copy_from_slice(&1001_u32.to_be_bytes());
    packet.frame[34..36].copy_from_slice(&60_000_u16.to_be_bytes());
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Tcp4,
        size: 1000,
        ecn: false,
    });
    packet.meta.checksum = Checksum::Verified;
    host.stack.set_tracking(None);
    host.stack
        .set_tracking(Some(crate::conntrack::TrackConfig::default()));
    host.inject(packet);
    let sent = host.sent_over(far);
    assert_eq!(sent.len(), 3);
    for packet in &sent {
        let seen = Seen::new(packet);
        assert_eq!(seen.ip.source, ip("10.9.0.1"));
        assert_eq!(TcpHeader::parse(&seen.payload).unwrap().source_port, 5000);
    }
}

#[test]
fn an_inner_port_looks_alike_to_every_destination_where_that_is_asked_for() {
    let (mut host, far) = router();
    let near = host.wire;
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            oifname tun1 masquerade to :20000-30000 endpoint-independent; } }",
    );
    let outer = |host: &mut Host, client: &str, server: &str| {
        ends(host, near, far, datagram(client, server, b"x")).0
    };
    let first = outer(&mut host, "10.7.0.9:5000", "10.9.0.9:53");
    assert!((20_000..=30_000).contains(&first.port()));
    // RFC 4787 REQ-1.
    assert_eq!(outer(&mut host, "10.7.0.9:5000", "10.9.0.8:53"), first);
    assert_eq!(outer(&mut host, "10.7.0.9:5000", "10.9.0.8:54"), first);
    let other = outer(&mut host, "10.7.0.8:5000", "10.9.0.7:53");
    // RFC 4787 REQ-3.
    assert_ne!(other, first);
    host.now += crate::time::Duration::from_secs(200);
    host.stack.handle_timeout(host.now);
    assert_eq!(host.stack.flows().count(), 0);
}

#[test]
fn sources_share_a_range_of_addresses_each_with_one_of_its_own() {
    let (mut host, far) = router();
    let near = host.wire;
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            snat to 192.0.2.4-192.0.2.7; } }",
    );
    let outer = |host: &mut Host, client: &str, server: &str| {
        ends(host, near, far, datagram(client, server, b"x")).0.ip()
    };
    let mut used: Vec<IpAddr> = Vec::new();
    for client in 10..14 {
        let client = std::format!("10.7.0.{client}:5000");
        let one = outer(&mut host, &client, "10.9.0.9:53");
        assert_eq!(
            outer(&mut host, &client, "10.9.0.8:53"),
            one,
            "paired (RFC 4787 REQ-2)"
        );
        assert!(cidr("192.0.2.4/30").contains(one));
        used.push(one);
    }
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 4);
}

#[test]
fn no_port_left_is_a_counted_drop() {
    let (mut host, far) = router();
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            snat to 192.0.2.4:4000-4001; } }",
    );
    for client in 10..13 {
        let client = std::format!("10.7.0.{client}:5000");
        host.inject(datagram(&client, "10.9.0.9:53", b"x"));
    }
    assert_eq!(host.sent_over(far).len(), 2);
    host.assert_dropped(DropReason::NatExhausted, 1);
    assert_eq!(host.stack.flows().count(), 2);
}

#[test]
fn a_redirect_leads_to_a_socket_of_this_host() {
    let (mut host, _) = router();
    let id = host.udp("10.7.0.2:3128");
    host.filter(
        "table ip nat { chain pre { type nat hook prerouting priority dstnat
            udp dport 80 redirect to :3128; } }",
    );
    host.inject(datagram("10.7.0.9:5000", "10.9.0.9:80", b"request"));
    let received = host.stack.udp(id).unwrap().recv().unwrap();
    assert_eq!(received.source, addr("10.7.0.9:5000"));
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"answer"), Some(addr("10.7.0.9:5000")))
        .unwrap();
    let sent = host.sent();
    let seen = Seen::new(&sent[0]);
    assert_eq!(
        (seen.ip.source, seen.udp().source_port),
        (ip("10.9.0.9"), 80)
    );
}

#[test]
fn what_this_host_sends_can_be_sent_elsewhere() {
    let (mut host, far) = router();
    host.filter(
        "table ip nat { chain out { type nat hook output priority dstnat
            udp dport 53 dnat to 10.9.0.9:5353; } }",
    );
    let id = host.udp("10.7.0.2:4000");
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"question"), Some(addr("10.7.0.1:53")))
        .unwrap();
    assert!(host.sent().is_empty());
    let sent = host.sent_over(far);
    let seen = Seen::new(&sent[0]);
    assert_eq!((seen.ip.dest, seen.udp().dest_port), (ip("10.9.0.9"), 5353));
    host.inject_at(far, datagram("10.9.0.9:5353", "10.7.0.2:4000", b"answer"));
    let received = host.stack.udp(id).unwrap().recv().unwrap();
    assert_eq!(received.source, addr("10.7.0.1:53"));
}

#[test]
fn translations_stand_where_they_have_an_effect() {
    for (text, column) in [
        (
            "table ip t { chain c { type nat hook prerouting priority 0; masquerade; } }",
            61,
        ),
        (
            "table ip t { chain c { type filter hook postrouting priority 0; masquerade; } }",
            65,
        ),
        (
            "table ip t { chain c { type nat hook postrouting priority 0; dnat to 10.0.0.1; } }",
            62,
        ),
        (
            "table ip t { chain c { type nat hook postrouting priority 0; snat; } }",
            66,
        ),
    ] {
        let error = text.parse::<crate::filter::Ruleset>().unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
    }
    let mut host = Host::new();
    let text = "table ip t { chain c { type nat hook prerouting priority 0; jump d; }
        chain d { masquerade; } }";
    let error = host.stack.set_filter(text.parse().unwrap()).unwrap_err();
    assert!(matches!(error, crate::filter::FilterError::Translation(_)));
}
