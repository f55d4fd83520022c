//! Packets against rules, without a stack.

use super::*;
use crate::buf::{Checksum, HeadBuf, TxPacket};
use crate::filter::matching::{Check, CheckKind};
use crate::filter::{Action, Field, FilterError, Numbers, Test};
use crate::iface::{IfaceId, IfaceKind};
use crate::seed::Seed;
use crate::time::Duration;
use crate::wire::{IpHeader, MacAddr, TcpFlags, TcpHeader, UdpHeader, ip};
use alloc::sync::Arc;
use bytes::BytesMut;
use core::net::IpAddr;
use std::string::{String, ToString};

#[path = "program_runs_tests.rs"]
mod runs;

#[path = "program_parts_tests.rs"]
mod parts;

fn filter(text: &str) -> Filter {
    let ruleset: Ruleset = text.parse().unwrap();
    Filter::compile(ruleset, Seed::from_u64(1).key("filter"), Instant::ZERO).unwrap()
}

/// A filter of one chain with these rules.
fn rules(rules: &str) -> Filter {
    filter(&std::format!(
        "table inet t {{ chain c {{ type filter hook input priority 0; {rules} }} }}"
    ))
}

struct Packet {
    ip: IpHeader,
    bytes: BytesMut,
    mark: u32,
}

impl Packet {
    fn of(source: &str, dest: &str, protocol: u8, transport: &[u8]) -> Self {
        let (source, dest): (IpAddr, IpAddr) = (source.parse().unwrap(), dest.parse().unwrap());
        let mut head = HeadBuf::new();
        let header = IpHeader {
            tos: 10 << 2,
            ..IpHeader::new(source, dest, protocol, transport.len())
        };
        header.emit(&mut head);
        let mut bytes = BytesMut::from(&head[..]);
        bytes.extend_from_slice(transport);
        let (ip, mark) = (IpHeader::parse(&bytes, bytes.len()).unwrap(), 0);
        Self { ip, bytes, mark }
    }

    fn udp(source: &str, source_port: u16, dest: &str, dest_port: u16) -> Self {
        let mut head = HeadBuf::new();
        let (length, checksum) = (8, 0);
        UdpHeader {
            source_port,
            dest_port,
            length,
            checksum,
        }
        .emit(&mut head);
        Self::of(source, dest, ip::UDP, &head)
    }

    fn tcp(flags: TcpFlags, dest_port: u16) -> Self {
        let mut packet = TxPacket::default();
        let header = TcpHeader {
            source_port: 4711,
            dest_port,
            flags,
            ..TcpHeader::default()
        };
        header.emit(&mut packet.head);
        Self::of("10.0.0.1", "10.0.0.2", ip::TCP, &packet.head)
    }

    fn ask(&mut self, filter: &mut Filter) -> Decision {
        self.ask_at(filter, Instant::ZERO)
    }

    /// Whether no rule can be about it, as the header alone tells.
    fn passes_unasked(&self, filter: &Filter) -> bool {
        let gate = filter.gate(core::iter::once(0), self.ip.dest.is_ipv4());
        gate.is_some_and(|gate| gate.is_open(&self.ip, &self.bytes))
    }

    /// What the first chain says; what passes it unasked must not have been worth the question.
    fn ask_at(&mut self, filter: &mut Filter, now: Instant) -> Decision {
        let unasked = self.passes_unasked(filter).then(|| filter.counters.clone());
        let decision = self.ask_chain(filter, now);
        if let Some(counters) = unasked {
            assert_eq!((decision, &filter.counters), (Decision::Accept, &counters));
        }
        decision
    }

    fn ask_chain(&mut self, filter: &mut Filter, now: Instant) -> Decision {
        let mut view = PacketView {
            ip: &mut self.ip,
            len: self.bytes.len(),
            bytes: &mut self.bytes,
            came_over: Some(IfaceId(1)),
            leaves_over: None,
            mark: &mut self.mark,
            tracked: &mut Tracked::default(),
            checksum: Checksum::Unknown,
            front: None,
            given_to: None,
            goes_anew: false,
        };
        filter.ask(
            0,
            HookPoint::LocalIn,
            &mut view,
            None,
            &mut Log::default(),
            now,
        )
    }
}

/// Whether the only rule holds for a packet.
fn holds(rule: &str, packet: &mut Packet) -> bool {
    let mut filter = rules(&std::format!("{rule} drop"));
    let ethernet = IfaceKind::Ethernet(MacAddr::local(7));
    filter.resolve(&[
        (IfaceId(0), "eth0", ethernet),
        (IfaceId(1), "tun1", IfaceKind::PointToPoint),
    ]);
    packet.ask(&mut filter) == Decision::Drop
}

#[test]
fn everything_in_the_headers_can_be_asked_for() {
    let mut syn = Packet::tcp(TcpFlags::SYN, 80);
    for (rule, expected) in [
        ("tcp dport 80", true),
        ("tcp dport 81", false),
        ("tcp dport != 81", true),
        ("udp dport != 81", false),
        ("th dport 80", true),
        ("tcp dport { 22, 79-81 }", true),
        ("tcp sport > 4710 tcp sport <= 4711", true),
        ("tcp flags syn", true),
        ("tcp flags syn,ack", true),
        ("tcp flags & (syn|ack) == syn", true),
        ("tcp flags & (syn|ack) == (syn|ack)", false),
        ("tcp flags syn / syn,rst", true),
        ("tcp flags != syn", false),
        ("tcp window 0", true),
        ("tcp doff 5", true),
        ("tcp doff > 5", false),
        ("tcp option maxseg size > 0", false),
        ("ip hdrlength 5", true),
        ("ip6 flowlabel 0", false),
        ("@th,16,16 80", true),
        ("ip saddr 10.0.0.0/8", true),
        ("ip saddr != 10.0.0.0/8", false),
        ("ip daddr 10.0.0.1-10.0.0.3", true),
        ("ip daddr { 192.0.2.1, 10.0.0.2 }", true),
        ("ip6 saddr != fd00::1", false),
        ("ip protocol tcp", true),
        ("meta l4proto { udp, icmp }", false),
        ("meta nfproto ipv6", false),
        ("ip ttl 64", true),
        ("ip ttl < 64", false),
        ("ip dscp af11", true),
        ("ip ecn not-ect", true),
        ("ip length 40", true),
        ("meta length 41-60", false),
        ("ip frag-off & 0x4000 == 0x4000", true),
        ("frag more-fragments 1", false),
        ("icmp type echo-request", false),
        ("iifname tun1", true),
        ("iifname \"tun*\"", true),
        ("iifname { eth0, eth1 }", false),
        ("iifname != eth0", true),
        ("oifname tun1", false),
        ("meta mark 0", true),
        (
            "ip saddr . tcp dport { 10.0.0.1 . 80, 10.0.0.9 . 81 }",
            true,
        ),
        ("ip saddr . tcp dport { 10.0.0.1 . 81 }", false),
        ("ip saddr . udp dport != { 10.0.0.1 . 81 }", false),
        ("exthdr frag missing", false),
        ("meta frag-off 0", true),
        ("@nh,4,4 5", true),
        ("@th,96,4 5", true),
        ("@th,103,9 2", true),
        ("@th,103,9 != 3", true),
        ("@th,160,1 != 0", false),
    ] {
        assert_eq!(holds(rule, &mut syn), expected, "{rule}");
    }
}

#[test]
fn the_largest_segment_and_the_flow_label_can_be_asked_for() {
    // A SYN with the option, and bytes in front of it that say nothing.
    let mut syn = [0; 28];
    syn[12..14].copy_from_slice(&[0x70, 0x02]);
    syn[20..28].copy_from_slice(&[1, 1, 1, 2, 4, 0x05, 0xb4, 0]);
    let mut syn = Packet::of("fd00::1", "fd00::2", ip::TCP, &syn);
    syn.bytes[1..4].copy_from_slice(&[0x0a, 0xbc, 0xde]);
    for (rule, expected) in [
        ("tcp option maxseg size 1460", true),
        ("tcp option maxseg size 1-1459", false),
        ("tcp option maxseg size != 1460", false),
        ("tcp doff 7", true),
        ("ip6 flowlabel 0xabcde", true),
        ("ip6 flowlabel { 1, 2 }", false),
        ("ip hdrlength 5", false),
    ] {
        assert_eq!(holds(rule, &mut syn), expected, "{rule}");
    }
}

#[test]
fn messages_of_icmp_are_known_by_type_and_code() {
    let mut echo = Packet::of("10.0.0.1", "10.0.0.2", ip::ICMP, &[8, 0, 0, 0, 0, 7, 0, 1]);
    assert!(holds(
        "icmp type echo-request icmp code 0 icmp id 7",
        &mut echo
    ));
    assert!(!holds("icmp type { echo-reply, redirect }", &mut echo));
    let mut echo = Packet::of(
        "fd00::1",
        "fd00::2",
        ip::ICMPV6,
        &[128, 0, 0, 0, 0, 7, 0, 1],
    );
    assert!(holds("icmpv6 type echo-request ip6 hoplimit 64", &mut echo));
    assert!(!holds("icmp type echo-request", &mut echo));
}

#[test]
fn extension_headers_do_not_hide_the_protocol() {
    // Hop-by-hop options, then the first fragment of a datagram.
    let chain = [44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9];
    let datagram = [0, 5, 0, 7, 0, 8, 0, 0];
    let mut bytes = chain.to_vec();
    bytes.extend_from_slice(&datagram);
    let mut first = Packet::of("fd00::1", "fd00::2", 0, &bytes);
    for rule in [
        "udp dport 7",
        "exthdr hbh exists",
        "exthdr frag exists",
        "exthdr rt missing",
        "frag more-fragments 1",
        "meta l4proto udp",
        "ip6 nexthdr 0",
    ] {
        assert!(holds(rule, &mut first), "{rule}");
    }
    bytes[11] = 8;
    let mut later = Packet::of("fd00::1", "fd00::2", 0, &bytes);
    assert!(holds("meta l4proto udp frag frag-off 1", &mut later));
    assert!(!holds("udp dport 7", &mut later), "it has no ports");
    assert!(!holds("udp dport != 7", &mut later));
    bytes.truncate(12);
    let mut cut = Packet::of("fd00::1", "fd00::2", 0, &bytes);
    assert!(!holds("udp dport 0-65535", &mut cut));
}

#[test]
fn an_address_is_not_its_mapped_one_in_a_run_either() {
    let mut text: String = (0..9)
        .map(|last| std::format!("ip daddr 10.0.0.{last} udp dport 7 drop\n"))
        .collect();
    text += "accept";
    let mut filter = rules(&text);
    let mut mapped = Packet::udp("fd00::1", 9, "::ffff:10.0.0.3", 7);
    assert_eq!(mapped.ask(&mut filter), Decision::Accept);
    let mut plain = Packet::udp("10.0.0.99", 9, "10.0.0.3", 7);
    assert_eq!(plain.ask(&mut filter), Decision::Drop);
}

/// What follows a jump is asked, and after it the next rule, however many there are.
#[test]
fn a_jump_before_a_verdict_comes_back_to_it() {
    let text: String = (0..9).map(|_| "udp dport 7 accept\n").collect();
    let text = std::format!(
        "table inet t {{
            chain c {{ type filter hook input priority 0; policy drop; {text} }}
            chain other {{ udp dport 7 meta mark set 5; }}
        }}"
    );
    let mut ruleset: Ruleset = text.parse().unwrap();
    let first = &mut ruleset.tables[0].chains[0].rules[0];
    first.actions.insert(0, Action::Jump("other".to_string()));
    let key = Seed::from_u64(1).key("filter");
    let mut filter = Filter::compile(ruleset, key, Instant::ZERO).unwrap();
    let mut packet = Packet::udp("10.0.0.1", 9, "10.0.0.2", 7);
    assert_eq!(packet.ask(&mut filter), Decision::Accept);
    assert_eq!(packet.mark, 5);
}

#[test]
fn chains_are_jumped_to_and_come_back() {
    let mut filter = filter(
        "table inet t {
            chain c {
                type filter hook input priority 0; policy drop;
                udp dport 1 goto last
                udp dport 2-3 jump other
                udp dport 3 accept
                udp dport 4 return
                udp dport 4 accept
            }
            chain other { udp dport 2 accept; udp dport 3 return; accept; }
            chain last { udp dport 2 accept; }
        }",
    );
    let mut decided = |port| Packet::udp("10.0.0.1", 9, "10.0.0.2", port).ask(&mut filter);
    assert_eq!(decided(1), Decision::Drop, "the policy behind a goto");
    assert_eq!(decided(2), Decision::Accept);
    assert_eq!(decided(3), Decision::Accept, "the rule behind the jump");
    assert_eq!(decided(4), Decision::Drop, "a return from a base chain");
    assert_eq!(decided(5), Decision::Drop);
    let counts: Vec<u64> = filter.counted().map(|(.., count)| count.packets).collect();
    assert_eq!(counts, [1, 2, 1, 1, 0, 1, 1, 0, 0]);
}

#[test]
fn marks_are_set_and_read_by_later_rules() {
    let mut filter =
        rules("meta mark set 0xf0; meta mark set meta mark & 0xff ^ 0x0f; meta mark 0xff drop");
    let mut packet = Packet::udp("10.0.0.1", 9, "10.0.0.2", 1);
    assert_eq!(packet.ask(&mut filter), Decision::Drop);
    assert_eq!(packet.mark, 0xff);
}

#[test]
fn a_limit_lets_its_burst_pass_and_then_its_rate() {
    let mut filter = rules("limit rate 10/second burst 3 packets accept; drop");
    let mut passed = |now| {
        let mut packets = (0..9).map(|_| Packet::udp("10.0.0.1", 9, "10.0.0.2", 1));
        let decided = |mut packet: Packet| packet.ask_at(&mut filter, now);
        packets
            .by_ref()
            .map(decided)
            .filter(|one| *one == Decision::Accept)
            .count()
    };
    assert_eq!(passed(Instant::ZERO), 3);
    assert_eq!(passed(Instant::ZERO + Duration::from_millis(200)), 2);
}

#[test]
fn sets_that_cannot_be_are_refused() {
    let key = Seed::from_u64(1).key("filter");
    let chain = |name: &str, target: &str| crate::filter::Chain {
        name: name.into(),
        base: None,
        rules: [Rule::new().then(Action::Jump(target.into()))].into(),
    };
    let compile = |chains: Vec<crate::filter::Chain>| {
        let table = crate::filter::Table {
            name: "t".into(),
            family: TableFamily::Inet,
            chains,
        };
        let tables = [table].into();
        Filter::compile(Ruleset { tables }, key, Instant::ZERO).unwrap_err()
    };
    assert_eq!(
        compile([chain("a", "b")].into()),
        FilterError::NoSuchChain("b".into())
    );
    assert_eq!(
        compile([chain("a", "b"), chain("b", "a")].into()),
        FilterError::Loop("a".into())
    );
    assert_eq!(
        compile([chain("a", "b"), chain("a", "b")].into()),
        FilterError::Duplicate("a".into())
    );
    let name = |number: usize| std::format!("c{number}");
    let mut line: Vec<_> = (0..40).map(|n| chain(&name(n), &name(n + 1))).collect();
    line.push(crate::filter::Chain {
        name: name(40),
        ..Default::default()
    });
    assert!(matches!(compile(line), FilterError::TooDeep(_)));
}

#[test]
fn a_chain_may_lead_through_sixteen_others() {
    let mut text =
        String::from("table inet t { chain c0 { type filter hook input priority 0; jump c1; }\n");
    for number in 1..16 {
        text += &std::format!("chain c{number} {{ jump c{} ; }}\n", number + 1);
    }
    text += "chain c16 { drop; } }";
    let mut packet = Packet::udp("10.0.0.1", 9, "10.0.0.2", 1);
    assert_eq!(packet.ask(&mut filter(&text)), Decision::Drop);
}

#[test]
fn numbers_outside_of_a_field_do_no_harm() {
    let always = Numbers::from(0..=u32::MAX);
    let rule = Rule::new()
        .when(Test::Number(
            Field::Network { at: 250, len: 4 },
            always.clone(),
        ))
        .then(Action::Drop);
    assert_eq!(rule.to_string(), "@nh,2000,32 0-4294967295 drop");
    let mut filter = rules("accept");
    filter.rules[0].checks = [Check {
        kind: CheckKind::Plain(rule.matches[0].test.clone()),
        negated: true,
    }]
    .into();
    let mut packet = Packet::udp("10.0.0.1", 9, "10.0.0.2", 1);
    assert_eq!(packet.ask(&mut filter), Decision::Accept);
}

#[test]
fn rules_that_name_one_set_of_tuples_share_it() {
    let filter = filter(
        "table ip t {
            set s { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 1, 10.0.0.2 . 2 } }
            chain c {
                type filter hook input priority 0
                ip saddr . tcp dport @s drop
                ip saddr . tcp dport != @s accept
                ip daddr . tcp dport @s drop
            }
        }",
    );
    let checks = filter.rules.iter().flat_map(|rule| &rule.checks);
    let maps: Vec<_> = checks
        .filter_map(|check| match &check.kind {
            CheckKind::Tuple(map) => Some(map),
            _ => None,
        })
        .collect();
    assert_eq!(maps.len(), 3);
    assert!(Arc::ptr_eq(maps[0], maps[1]), "the same set");
    assert!(!Arc::ptr_eq(maps[0], maps[2]), "of other fields");
}
