//! Options, extension headers and headers of other protocols against rules.

use super::*;
use crate::filter::Part;
use crate::wire::checksum::checksum;
use std::vec;

/// A segment with these options.
fn segment(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    bytes[12] = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
    bytes.extend_from_slice(options);
    bytes
}

fn of_tcp(options: &[u8]) -> Packet {
    Packet::of("10.0.0.1", "10.0.0.2", ip::TCP, &segment(options))
}

/// Looks whether rules hold for a packet as they should.
fn assert_holds(packet: &mut Packet, rules: &[(&str, bool)]) {
    for (rule, expected) in rules {
        assert_eq!(holds(rule, packet), *expected, "{rule}");
    }
}

#[test]
fn every_option_of_tcp_can_be_asked_for() {
    let mut options = vec![2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9];
    options.extend([1, 3, 3, 8, 254, 4, 0xf0, 0x0d, 30, 4, 0x10, 0]);
    assert_holds(
        &mut of_tcp(&options),
        &[
            ("tcp option maxseg size 1460", true),
            ("tcp option mss size 1460", true),
            ("tcp option maxseg length 4", true),
            ("tcp option sack-perm exists", true),
            ("tcp option sack-permitted missing", false),
            (
                "tcp option timestamp tsval 7 tcp option timestamp tsecr 9",
                true,
            ),
            ("tcp option timestamp tsecr > 9", false),
            ("tcp option window count 8", true),
            ("tcp option window count != 8", false),
            ("tcp option nop exists", true),
            ("tcp option eol missing", true),
            ("tcp option sack exists", false),
            ("tcp option sack left != 1", false),
            ("tcp option md5sig missing", true),
            ("tcp option fastopen missing", true),
            ("tcp option mptcp subtype 1", true),
            ("tcp option 254 length 4", true),
            ("tcp option 253 exists", false),
            ("tcp option @254,16,16 0xf00d", true),
            ("tcp option @254,20,8 0", true),
            ("tcp option @254,28,4 0xd", true),
            ("tcp option @254,28,5 0-31", false),
            (
                "ip saddr . tcp option maxseg size { 10.0.0.1 . 1460 }",
                true,
            ),
        ],
    );
    let mut sack = vec![1, 1, 5, 34];
    (1..=8).for_each(|edge| sack.extend([0, 0, 0, edge]));
    assert_holds(
        &mut of_tcp(&sack),
        &[
            ("tcp option sack left 1 tcp option sack right 2", true),
            ("tcp option sack0 left 1", true),
            ("tcp option sack1 left 3 tcp option sack2 right 6", true),
            ("tcp option sack3 right 8", true),
            ("tcp option sack length 34", true),
        ],
    );
    let mut udp = Packet::udp("10.0.0.1", 9, "10.0.0.2", 1);
    assert_holds(
        &mut udp,
        &[
            ("tcp option window exists", false),
            ("tcp option window missing", true),
            ("tcp option window count != 1", false),
        ],
    );
}

/// As Linux looks for them, which the rules are compared with.
#[test]
fn lists_of_options_that_are_broken_end_somewhere() {
    let maxseg = "tcp option maxseg size 0-65535";
    for (options, expected) in [
        (&[0, 2, 4, 5][..], false),
        (&[0, 2, 4, 5, 0xb4, 0, 0, 0], true),
        (&[9, 0, 2, 4, 5, 0xb4, 0, 0], true),
        (&[9, 1, 2, 4, 5, 0xb4, 0, 0], true),
        (&[9, 40, 2, 4], false),
        (&[2, 3, 5, 1], false),
        (&[1, 1, 1, 2], false),
        (&[2, 3, 1, 2, 4, 5, 0xb4, 0], false),
    ] {
        let mut packet = of_tcp(options);
        assert_eq!(holds(maxseg, &mut packet), expected, "{options:?}");
    }
    for first in 0..=255 {
        for second in 0..=255 {
            let _ = holds("tcp option 77 exists", &mut of_tcp(&[first, second, 1, 1]));
        }
    }
    // A header longer than the packet, and one shorter than itself.
    for offset in [0xf0, 0x40] {
        let mut bytes = segment(&[2, 4, 5, 0xb4]);
        bytes[12] = offset;
        let mut packet = Packet::of("10.0.0.1", "10.0.0.2", ip::TCP, &bytes);
        assert!(!holds(maxseg, &mut packet));
        assert!(holds("tcp option maxseg missing", &mut packet));
    }
}

/// A datagram behind options of IPv4.
fn with_options(options: &[u8]) -> Packet {
    let mut packet = Packet::udp("10.0.0.1", 9, "10.0.0.2", 53);
    let mut bytes = packet.bytes[..20].to_vec();
    bytes[0] = 0x45 + u8::try_from(options.len() / 4).unwrap();
    bytes[3] += u8::try_from(options.len()).unwrap();
    bytes.extend_from_slice(options);
    bytes[10..12].fill(0);
    let sum = checksum(&bytes);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend_from_slice(&packet.bytes[20..]);
    packet.bytes = BytesMut::from(&bytes[..]);
    packet.ip = IpHeader::parse(&bytes, bytes.len()).unwrap();
    packet
}

#[test]
fn options_of_ipv4_can_be_asked_for() {
    let options = [1, 7, 7, 4, 0, 0, 0, 5, 148, 4, 0, 0, 68, 4, 5, 0];
    assert_holds(
        &mut with_options(&options),
        &[
            ("ip option rr exists", true),
            ("ip option rr missing", false),
            ("ip option rr type 7 ip option rr length 7", true),
            ("ip option rr ptr 4 ip option rr addr 5", true),
            ("ip option rr ptr != 4", false),
            ("ip option ra value 0", true),
            ("ip option ra length 4", true),
            ("ip option lsrr exists", false),
            ("ip option lsrr ptr != 4", false),
            ("ip option ssrr missing", true),
            ("ip option 68 exists", true),
            ("ip option @68,24,8 0", true),
            ("udp dport 53", true),
        ],
    );
    let mut routed = with_options(&[131, 7, 4, 9, 9, 9, 9, 0]);
    let exists = ("ip option lsrr exists ip option lsrr addr 0x09090909", true);
    assert_holds(&mut routed, &[exists, ("ip option ssrr exists", false)]);
    // A broken list has nothing.
    let mut broken = with_options(&[148, 4, 0, 0, 7, 2, 0, 0]);
    let lacks = [
        ("ip option ra exists", false),
        ("ip option ra missing", true),
    ];
    assert_holds(&mut broken, &lacks);
    let mut other = Packet::udp("fd00::1", 9, "fd00::2", 53);
    assert_holds(
        &mut other,
        &[
            ("ip option rr exists", false),
            ("ip option rr missing", false),
        ],
    );
}

#[test]
fn what_is_in_extension_headers_can_be_asked_for() {
    let segments: Vec<u8> = (1..=2_u8)
        .flat_map(|last| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
        .collect();
    // Options for every hop, two segments to go to, the first fragment, authentication, options, mobility.
    let mut bytes = vec![43, 0, 1, 4, 0, 0, 0, 0];
    bytes.extend([44, 4, 4, 1, 1, 0x80, 0, 7]);
    bytes.extend(segments);
    bytes.extend([51, 3, 0, 1, 0, 0, 0, 9]);
    bytes.extend([60, 1, 0, 0, 0, 0, 0, 5, 0, 0, 0, 6]);
    bytes.extend([135, 0, 1, 4, 0, 0, 0, 0]);
    bytes.extend([59, 0, 5, 3, 0, 1, 0, 0]);
    let mut packet = Packet::of("fd00::1", "fd00::2", 0, &bytes);
    assert_holds(
        &mut packet,
        &[
            ("hbh nexthdr 43 hbh hdrlength 0", true),
            ("hbh hdrlength != 0", false),
            ("rt nexthdr 44 rt hdrlength 4 rt type 4 rt seg-left 1", true),
            ("srh last-entry 1 srh flags 0x80 srh tag 7", true),
            ("srh sid[1] fd00::1", true),
            ("srh sid[1] != fd00::1", false),
            ("rt0 addr[2] { fd00::2, fd01::/16 }", true),
            ("srh sid[9] != fd00::9", false),
            ("frag nexthdr ah frag reserved 3", true),
            (
                "frag frag-off 0 frag reserved2 0 frag more-fragments 1 frag id 9",
                true,
            ),
            ("exthdr frag exists", true),
            ("ah spi 5", true),
            ("dst nexthdr 135 dst hdrlength 0", true),
            ("mh type binding-update mh reserved 3 mh checksum 1", true),
            ("mh type binding-error", false),
            ("exthdr mh exists", true),
            ("exthdr 51 exists", true),
            ("exthdr @43,44,4 0", true),
        ],
    );
    let mut plain = Packet::udp("fd00::1", 9, "fd00::2", 53);
    let mut other = Packet::udp("10.0.0.1", 9, "10.0.0.2", 53);
    for rule in [
        "dst nexthdr != 1",
        "frag id != 1",
        "mh type != 0",
        "srh sid[1] != fd00::9",
    ] {
        assert!(!holds(rule, &mut plain), "{rule}");
        assert!(!holds(rule, &mut other), "{rule}");
    }
    assert_holds(&mut plain, &[("exthdr mh missing", true)]);
    assert_holds(&mut other, &[("exthdr mh missing", false)]);
    // Behind the header of a later fragment there is nothing.
    let mut later = Packet::of(
        "fd00::1",
        "fd00::2",
        44,
        &[60, 0, 0, 8, 0, 0, 0, 9, 17, 0, 1, 4, 0, 0, 0, 0],
    );
    assert_holds(
        &mut later,
        &[("frag frag-off 1", true), ("exthdr dst exists", false)],
    );
    for end in 8..bytes.len() {
        let mut cut = Packet::of("fd00::1", "fd00::2", 0, &bytes[..end]);
        for rule in ["exthdr mh exists", "srh sid[2] fd00::2", "dst hdrlength 0"] {
            let _ = holds(rule, &mut cut);
        }
    }
}

/// Hosts refuse such chains; who forwards them asks the rules alone.
#[test]
fn headers_in_front_of_a_header_do_not_hide_it() {
    let segment = segment(&[]);
    for padding in [8, 200, 3000] {
        let mut bytes = [60, 0, 1, 4, 0, 0, 0, 0].repeat(padding);
        let last = bytes.len() - 8;
        bytes[last] = 43;
        bytes.extend([6, 0, 2, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&segment);
        let mut packet = Packet::of("fd00::1", "fd00::2", 60, &bytes);
        assert_holds(
            &mut packet,
            &[
                ("exthdr rt exists", true),
                ("exthdr rt missing", false),
                ("rt type 2", true),
                ("exthdr dst exists", true),
                ("exthdr hbh missing", true),
                ("meta l4proto tcp", true),
                ("tcp dport 0", true),
            ],
        );
    }
}

/// As in Linux, which takes a header for there once it sees what follows it.
#[test]
fn a_header_that_is_cut_off_is_there_as_far_as_it_goes() {
    let mut cut = Packet::of("fd00::1", "fd00::2", 43, &[6, 9, 2, 1, 0, 0, 0, 0]);
    assert_holds(
        &mut cut,
        &[
            ("exthdr rt exists", true),
            ("rt hdrlength 9", true),
            ("rt seg-left 1", true),
            ("srh sid[1] != fd00::9", false),
            ("meta l4proto tcp", true),
            ("tcp dport != 5", false),
        ],
    );
    for (kind, bytes, is_there) in [
        (43, &[6, 0, 2][..], false),
        (43, &[6, 0, 2, 1], true),
        (60, &[6], false),
        (60, &[6, 0], true),
        (44, &[6, 0, 0], false),
        (44, &[6, 0, 0, 1], true),
        (51, &[6], false),
        (51, &[6, 4], true),
    ] {
        let mut packet = Packet::of("fd00::1", "fd00::2", kind, bytes);
        let exists = std::format!("exthdr {kind} exists");
        let missing = std::format!("exthdr {kind} missing");
        assert_eq!(holds(&exists, &mut packet), is_there, "{bytes:?}");
        assert_eq!(holds(&missing, &mut packet), !is_there, "{bytes:?}");
    }
}

#[test]
fn echoes_alone_have_an_identifier() {
    let of = |protocol, kind| {
        let (source, dest) = match protocol {
            ip::ICMP => ("10.0.0.1", "10.0.0.2"),
            _ => ("fd00::1", "fd00::2"),
        };
        Packet::of(source, dest, protocol, &[kind, 0, 0, 0, 0, 0, 0, 0])
    };
    for (protocol, kind, is_echo) in [
        (ip::ICMP, 0, true),
        (ip::ICMP, 8, true),
        (ip::ICMP, 3, false),
        (ip::ICMP, 11, false),
        (ip::ICMPV6, 128, true),
        (ip::ICMPV6, 129, true),
        (ip::ICMPV6, 2, false),
        (ip::ICMPV6, 135, false),
    ] {
        let word = if protocol == ip::ICMP {
            "icmp"
        } else {
            "icmpv6"
        };
        for field in ["id", "sequence"] {
            let rule = std::format!("{word} {field} 0");
            assert_eq!(holds(&rule, &mut of(protocol, kind)), is_echo, "{rule}");
            let rule = std::format!("{word} {field} != 1");
            assert_eq!(holds(&rule, &mut of(protocol, kind)), is_echo, "{rule}");
        }
    }
}

#[test]
fn what_is_no_field_is_refused() {
    let (part, at) = (Part::Transport, 0);
    let any = Numbers::from(0..=u32::MAX);
    let number = |field| Test::Number(field, any.clone());
    for test in [
        Test::Has(Part::Network),
        Test::Has(Part::Transport),
        Test::RoutingAddress(
            0,
            ["fd00::1".parse::<IpAddr>().unwrap()]
                .map(crate::iface::IpCidr::host)
                .into_iter()
                .collect(),
        ),
        number(Field::Bits { part, at, len: 0 }),
        number(Field::Bits { part, at, len: 33 }),
        number(Field::Network { at: 0, len: 0 }),
        number(Field::Transport { at: 0, len: 5 }),
    ] {
        let mut ruleset: Ruleset = "table inet t { chain c { accept; } }".parse().unwrap();
        ruleset.tables[0].chains[0].rules[0] = Rule::new().when(test.clone());
        let key = Seed::from_u64(1).key("filter");
        let error = Filter::compile(ruleset, key, Instant::ZERO).unwrap_err();
        assert_eq!(error, FilterError::Field("c".into()), "{test:?}");
    }
}

#[test]
fn bits_with_several_names_are_kept_as_they_are_read() {
    for (part, at, len, text) in [
        (Part::Transport, 0, 8, "@th,0,8 5"),
        (Part::Network, 16, 32, "@nh,16,32 5"),
        (Part::Network, 3, 8, "@nh,3,8 5"),
        (Part::Transport, 2040, 8, "@th,2040,8 5"),
        (Part::Transport, 2048, 8, "@th,2048,8 5"),
    ] {
        let mut ruleset: Ruleset = "table inet t { chain c { accept; } }".parse().unwrap();
        let field = Field::Bits { part, at, len };
        ruleset.tables[0].chains[0].rules[0] =
            Rule::new().when(Test::Number(field, Numbers::from(5)));
        let key = Seed::from_u64(1).key("filter");
        let filter = Filter::compile(ruleset, key, Instant::ZERO).unwrap();
        let kept = filter.counted().next().unwrap().2;
        assert_eq!(kept.to_string(), text);
        let again: Ruleset = std::format!("table inet t {{ chain c {{ {text}; }} }}")
            .parse()
            .unwrap();
        assert_eq!(&again.tables[0].chains[0].rules[0], kept);
    }
}

#[test]
fn fields_of_other_protocols_can_be_asked_for() {
    let of = |protocol, transport: &[u8], rules: &[(&str, bool)]| {
        let mut packet = Packet::of("10.0.0.1", "10.0.0.2", protocol, transport);
        assert_holds(&mut packet, rules);
    };
    let counting: Vec<u8> = (0..32).collect();
    of(
        132,
        &counting,
        &[
            ("sctp sport 1 sctp dport 0x203", true),
            ("sctp vtag 0x04050607 sctp checksum 0x08090a0b", true),
            ("dccp sport 1", false),
        ],
    );
    of(
        33,
        &counting,
        &[
            ("dccp type dataack dccp dport 0x203", true),
            ("dccp type request", false),
        ],
    );
    of(
        136,
        &counting,
        &[("udplite csumcov 0x405 udplite checksum 0x607", true)],
    );
    of(
        50,
        &counting,
        &[("esp spi 0x10203 esp sequence 0x04050607", true)],
    );
    of(
        51,
        &counting,
        &[("ah hdrlength 1 ah sequence 0x08090a0b", true)],
    );
    of(108, &counting, &[("comp flags 1 comp cpi 0x203", true)]);
    of(
        2,
        &[0x11, 100, 0, 0, 224, 0, 0, 1],
        &[
            ("igmp type membership-query igmp mrt 100", true),
            ("igmp group 0xe0000001 igmp group 224.0.0.1", true),
            ("igmp group 224.0.0.0/24", true),
            ("igmp group { 224.0.0.2-224.0.0.9, 225.0.0.1 }", false),
            ("igmp type leave-group", false),
        ],
    );
}

#[test]
fn bits_that_no_packet_has_do_no_harm() {
    let mut packet = of_tcp(&[2, 4, 5, 0xb4]);
    for (at, len) in [
        (u16::MAX, 32),
        (u16::MAX, u8::MAX),
        (0, 0),
        (0, 33),
        (31, 2),
    ] {
        for part in [
            Part::TcpOption(2),
            Part::Network,
            Part::Transport,
            Part::Extension(0),
        ] {
            let field = Field::Bits { part, at, len };
            let rule = Rule::new()
                .when(Test::Number(field, Numbers::from(0..=u32::MAX)))
                .then(Action::Drop);
            let mut filter = rules("accept");
            filter.rules[0].checks = [Check {
                kind: CheckKind::Plain(rule.matches[0].test.clone()),
                negated: false,
            }]
            .into();
            filter.rules[0].actions = [Op::End(Decision::Drop)].into();
            let is_there = (at, len) == (31, 2) && matches!(part, Part::Network | Part::Transport);
            let expected = if is_there {
                Decision::Drop
            } else {
                Decision::Accept
            };
            assert_eq!(packet.ask(&mut filter), expected, "{field:?}");
        }
    }
}
