//! Rules on the way of packets through a stack.

use super::*;
use crate::filter::Ruleset;
use crate::hook::{Hook, HookPoint, PacketView, Verdict};
use crate::tcp::SeqNum;
use crate::wire::{TcpFlags, TcpHeader};
use std::boxed::Box;
use std::string::ToString;

impl Host {
    #[track_caller]
    pub(super) fn filter(&mut self, text: &str) {
        let ruleset: Ruleset = text.parse().unwrap_or_else(|error| panic!("{error}"));
        self.stack.set_filter(ruleset).unwrap();
    }
}

/// A router between the wire and another link.
pub(super) fn router() -> (Host, IfaceId) {
    let mut host = Host::new();
    let far = iface(
        "tun1",
        IfaceKind::PointToPoint,
        1500,
        &["10.9.0.1/24", "fd09::1/64"],
    );
    let far = host.stack.add_iface(far, DeviceCaps::default()).unwrap();
    host.stack.set_forwarding(host.wire, true).unwrap();
    (host, far)
}

pub(super) fn segment(source: &str, dest: &str, flags: TcpFlags, data: &[u8]) -> TxPacket {
    let header = TcpHeader {
        seq: SeqNum::new(1000),
        ack: SeqNum::new(2000),
        flags,
        ..TcpHeader::default()
    };
    segment_of(source, dest, header, data)
}

/// A segment with this header but for its ports.
pub(super) fn segment_of(source: &str, dest: &str, header: TcpHeader, data: &[u8]) -> TxPacket {
    let (source, dest) = (addr(source), addr(dest));
    let mut packet = body(data);
    let header = TcpHeader {
        source_port: source.port(),
        dest_port: dest.port(),
        ..header
    };
    header.emit(&mut packet.head);
    wrap(source.ip(), dest.ip(), ip::TCP, packet)
}

/// Has a segment without options acknowledge something else.
pub(super) fn set_ack(packet: &mut TxPacket, ack: u32) {
    let head = &mut packet.head;
    let old = [28, 30].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
    head[28..32].copy_from_slice(&ack.to_be_bytes());
    let mut sum = u16::from_be_bytes([head[36], head[37]]);
    for (at, old) in [28, 30].into_iter().zip(old) {
        let new = u16::from_be_bytes([head[at], head[at + 1]]);
        sum = crate::wire::checksum::checksum_after(sum, old, new);
    }
    head[36..38].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn a_rule_for_what_comes_in_does_not_stop_what_is_forwarded() {
    let (mut host, far) = router();
    host.filter(
        "table inet t { chain c { type filter hook input priority 0; udp dport 7 drop; } }",
    );
    let id = host.udp("10.7.0.2:7");
    host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", b"in"));
    assert!(host.stack.udp(id).unwrap().recv().is_none());
    host.assert_dropped(DropReason::Filter, 1);
    host.inject(datagram("10.7.0.9:5", "10.9.0.9:7", b"on"));
    assert_eq!(host.sent_over(far).len(), 1);
    assert!(host.sent().is_empty(), "a dropped packet is not answered");
    host.stack.clear_filter();
    host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", b"in"));
    assert!(host.stack.udp(id).unwrap().recv().is_some());
}

#[test]
fn interfaces_are_known_by_their_names_also_when_they_come_later() {
    let mut host = Host::new();
    host.filter(
        "table inet t { chain c { type filter hook forward priority 0; policy drop
            iifname tun0 oifname \"tun1\" accept; } }",
    );
    let (near, far) = (
        host.wire,
        iface("tun1", IfaceKind::PointToPoint, 1500, &["10.9.0.1/24"]),
    );
    let far = host.stack.add_iface(far, DeviceCaps::default()).unwrap();
    for iface in [near, far] {
        host.stack.set_forwarding(iface, true).unwrap();
    }
    host.inject(datagram("10.7.0.9:5", "10.9.0.9:7", b"on"));
    assert_eq!(host.sent_over(far).len(), 1);
    host.inject_at(far, datagram("10.9.0.9:7", "10.7.0.9:5", b"back"));
    assert!(host.sent().is_empty());
    host.assert_dropped(DropReason::Filter, 1);
}

#[test]
fn a_rejected_packet_is_answered_as_the_rule_says() {
    let (mut host, _) = router();
    host.filter(
        "table inet t {
            chain forward {
                type filter hook forward priority 0
                udp dport 1 reject
                udp dport 2 reject with icmpx host-unreachable
                udp dport 3 reject with icmp net-prohibited
            }
        }",
    );
    for (source, dest, code) in [
        ("10.7.0.9:5", "10.9.0.9:1", Some(3)),
        ("10.7.0.9:5", "10.9.0.9:2", Some(1)),
        ("10.7.0.9:5", "10.9.0.9:3", Some(9)),
        ("[fd07::9]:5", "[fd09::9]:1", Some(4)),
        ("[fd07::9]:5", "[fd09::9]:2", Some(3)),
        ("[fd07::9]:5", "[fd09::9]:3", None),
    ] {
        host.inject(datagram(source, dest, b"x"));
        let sent = host.sent();
        let answer = sent.first().map(|packet| Seen::new(packet).icmp());
        let expected = code.map(|code| IcmpMessage::Unreachable { code });
        assert_eq!(answer, expected, "{dest}");
    }
    host.assert_dropped(DropReason::Filter, 5);
}

/// What answers belongs to a flow that never comes to be, and goes back as from where the packet was sent to.
#[test]
fn answers_to_a_rejected_first_packet_are_related_and_translated_back() {
    let (mut host, far) = router();
    host.stack.set_forwarding(far, true).unwrap();
    host.filter(
        "table inet nat {
            chain pre {
                type nat hook prerouting priority dstnat
                ip daddr 10.9.0.1 tcp dport 80 dnat to 10.7.0.9:8080
                ip daddr 10.9.0.1 udp dport 80 dnat to 10.7.0.9:8080
            }
            chain forward {
                type filter hook forward priority 0
                tcp dport 8080 reject with tcp reset
                udp dport 8080 reject
            }
            chain output { type filter hook output priority 0; ct state != related drop; }
        }",
    );
    let syn = segment("10.9.0.9:4000", "10.9.0.1:80", TcpFlags::SYN, b"");
    host.inject_at(far, syn);
    let seen = Seen::new(&host.sent_over(far)[0]);
    let reset = TcpHeader::parse(&seen.payload).unwrap();
    assert_eq!(
        (seen.ip.source, seen.ip.dest),
        (ip("10.9.0.1"), ip("10.9.0.9"))
    );
    assert_eq!((reset.source_port, reset.dest_port), (80, 4000));
    assert_eq!(reset.flags, TcpFlags::RST | TcpFlags::ACK);

    host.inject_at(far, datagram("10.9.0.9:4000", "10.9.0.1:80", b"x"));
    let seen = Seen::new(&host.sent_over(far)[0]);
    assert_eq!(seen.icmp(), IcmpMessage::Unreachable { code: 3 });
    let quoted = &seen.payload[8..];
    assert_eq!(IpHeader::parse_quoted(quoted).unwrap().dest, ip("10.9.0.1"));
    assert_eq!(quoted[22..24], 80_u16.to_be_bytes());
    assert_eq!(host.stack.flows().count(), 0);
}

/// What goes on has its extension headers still.
#[test]
fn a_segment_behind_extension_headers_is_reset_too() {
    let (mut host, _) = router();
    host.filter(
        "table inet t {
            chain forward {
                type filter hook forward priority 0
                tcp dport 80 reject with tcp reset
            }
        }",
    );
    let mut packet = segment("[fd07::9]:5", "[fd09::9]:80", TcpFlags::SYN, b"");
    packet.head.strip(40);
    // Destination options: padding alone.
    let options = [ip::TCP, 0, 1, 4, 0, 0, 0, 0];
    packet.head.prepend(8).copy_from_slice(&options);
    let kind = crate::wire::ipv6_ext::DESTINATION;
    let header = IpHeader::new(ip("fd07::9"), ip("fd09::9"), kind, packet.len());
    header.emit(&mut packet.head);
    host.inject(packet);
    let seen = Seen::new(&host.sent()[0]);
    let reset = TcpHeader::parse(&seen.payload).unwrap();
    assert_eq!(
        (seen.ip.source, seen.ip.dest),
        (ip("fd09::9"), ip("fd07::9"))
    );
    assert_eq!((reset.source_port, reset.dest_port), (80, 5));
    assert_eq!(
        (reset.flags, reset.ack.get()),
        (TcpFlags::RST | TcpFlags::ACK, 1001)
    );
}

#[test]
fn a_segment_for_another_host_is_reset_in_its_name() {
    let (mut host, far) = router();
    host.filter(
        "table inet t { chain c { type filter hook forward priority 0
            tcp dport 113 reject with tcp reset; reject with tcp reset; } }",
    );
    let reset = |host: &mut Host, flags, data: &[u8]| {
        host.inject(segment("10.7.0.9:5", "10.9.0.9:113", flags, data));
        let sent = host.sent();
        let seen = Seen::new(sent.first()?);
        assert_eq!(
            (seen.ip.source, seen.ip.dest),
            (ip("10.9.0.9"), ip("10.7.0.9"))
        );
        let header = TcpHeader::parse(&seen.payload).unwrap();
        assert_eq!((header.source_port, header.dest_port), (113, 5));
        Some((header.flags, header.seq.get(), header.ack.get()))
    };
    // RFC 9293 §3.10.7.1: for a SYN with data <SEQ=0><ACK=SEG.SEQ+SEG.LEN>, else <SEQ=SEG.ACK>.
    let both = TcpFlags::RST | TcpFlags::ACK;
    assert_eq!(
        reset(&mut host, TcpFlags::SYN, b"abc"),
        Some((both, 0, 1004))
    );
    assert_eq!(
        reset(&mut host, TcpFlags::ACK, b""),
        Some((TcpFlags::RST, 2000, 0))
    );
    assert_eq!(reset(&mut host, TcpFlags::RST, b""), None);
    host.inject(datagram("10.7.0.9:5", "10.9.0.9:7", b"not TCP"));
    assert_eq!(host.sent_over(far).len(), 1);
    host.assert_dropped(DropReason::Filter, 3);
}

#[test]
fn a_chain_and_a_hook_are_asked_in_the_order_of_their_priorities() {
    /// Marks every packet.
    #[derive(Debug)]
    struct Marker;
    impl Hook for Marker {
        fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
            *packet.mark = 9;
            Verdict::Accept
        }
    }
    let mut host = Host::new();
    host.filter(
        "table ip t {
            chain early { type filter hook input priority -10; meta mark 9 drop; }
            chain late { type filter hook input priority 10; meta mark 9 drop; }
        }",
    );
    host.stack.add_hook(HookPoint::LocalIn, 0, Box::new(Marker));
    host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", b"x"));
    host.assert_dropped(DropReason::Filter, 1);
    let counts = host.stack.filter_counters();
    let counts: Vec<_> = counts
        .map(|(_, chain, _, count)| (chain, count.packets))
        .collect();
    assert_eq!(counts, [("early", 0), ("late", 1)]);
}

#[test]
fn a_hook_hears_of_packets_that_no_rule_is_about() {
    /// Drops every packet.
    #[derive(Debug)]
    struct Wall;
    impl Hook for Wall {
        fn apply(&mut self, _: HookPoint, _: &mut PacketView<'_>, _: Instant) -> Verdict {
            Verdict::Drop
        }
    }
    let (mut host, far) = router();
    let drops: String = (0..9)
        .map(|n| std::format!("udp dport 5{n} drop\n"))
        .collect();
    let filter =
        |host: &mut Host, chains: &str| host.filter(&std::format!("table inet t {{ {chains} }}"));
    let rules = std::format!("chain c {{ type filter hook forward priority 0; {drops} }}");
    let passes = |host: &mut Host, port: u16| {
        host.inject(datagram(
            "10.7.0.9:5",
            &std::format!("10.9.0.9:{port}"),
            b"x",
        ));
        host.sent_over(far).len() == 1
    };
    filter(&mut host, &rules);
    assert!(passes(&mut host, 7) && !passes(&mut host, 54));
    let wall = host.stack.add_hook(HookPoint::Forward, 1, Box::new(Wall));
    assert!(!passes(&mut host, 7));
    host.stack.remove_hook(wall);
    assert!(passes(&mut host, 7) && !passes(&mut host, 54));
    let closed =
        "chain d { type filter hook forward priority 1; policy drop; udp dport 9 accept; }";
    filter(&mut host, &(rules.clone() + closed));
    assert!(passes(&mut host, 9) && !passes(&mut host, 7));
    // What was known of the rules before says nothing about these.
    filter(&mut host, &rules);
    assert!(passes(&mut host, 7) && !passes(&mut host, 54));
    filter(&mut host, closed);
    assert!(passes(&mut host, 9) && !passes(&mut host, 7));
    host.stack.clear_filter();
    assert!(passes(&mut host, 7) && passes(&mut host, 54));
}

#[test]
fn a_queue_decides_in_the_place_of_the_rule() {
    /// Lets short datagrams pass.
    #[derive(Debug)]
    struct Short;
    impl Hook for Short {
        fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
            if packet.len < 40 {
                Verdict::Accept
            } else {
                Verdict::Drop
            }
        }
    }
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:7");
    host.filter(
        "table ip t { chain c { type filter hook input priority 0; udp dport 7 queue num 5; } }",
    );
    let arrives = |host: &mut Host, data: &[u8]| {
        host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", data));
        host.stack.udp(id).unwrap().recv().is_some()
    };
    assert!(!arrives(&mut host, b"x"), "nobody is there to ask");
    assert!(host.stack.set_filter_queue(5, Box::new(Short)).is_none());
    assert!(arrives(&mut host, b"x"));
    assert!(!arrives(&mut host, &[0; 100]));
    host.filter(
        "table ip t { chain c { type filter hook input priority 0; queue num 6 bypass; } }",
    );
    assert!(arrives(&mut host, &[0; 100]));
}

#[test]
fn what_rules_write_down_waits_in_a_bounded_log() {
    let mut host = Host::new();
    host.filter(
        "table ip t { chain c { type filter hook input priority 0; log prefix \"in: \" drop; } }",
    );
    for port in 0..1100 {
        host.inject(datagram(
            "10.7.0.9:5",
            &std::format!("10.7.0.2:{port}"),
            b"x",
        ));
    }
    let first = host.stack.poll_filter_log().unwrap();
    assert_eq!(
        (first.prefix.as_str(), first.at),
        ("in: ", HookPoint::LocalIn)
    );
    assert_eq!(
        (first.ports, first.came_over),
        (Some((5, 0)), Some(host.wire))
    );
    let waiting = core::iter::from_fn(|| host.stack.poll_filter_log()).count();
    assert_eq!((waiting, host.stack.filter_log_lost()), (1023, 76));
}

#[test]
fn a_set_of_rules_is_replaced_whole_or_not_at_all() {
    let mut host = Host::new();
    let rules = "table ip t { chain c { type filter hook input priority 0; udp dport 7 drop; } }";
    host.filter(rules);
    let looping = "table ip t { chain a { jump b; }; chain b { jump a; } }";
    let error = host.stack.set_filter(looping.parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "chain \"a\" leads back to itself");
    host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", b"x"));
    host.assert_dropped(DropReason::Filter, 1);
    let shown = host.stack.show_filter();
    assert!(
        shown.contains("udp dport 7 drop # packets 1 bytes 29"),
        "{shown}"
    );
    host.filter(&shown);
    let counts = host.stack.filter_counters();
    assert_eq!(counts.map(|(.., count)| count.packets).sum::<u64>(), 0);
}
