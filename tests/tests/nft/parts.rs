//! Rules for options, extension headers and headers of other protocols, on packets that have them.
//!
//! They are asked at `prerouting`, before anybody changes an option. A rule counts and drops: what of that which
//! the kernel carries without rules comes out has to be what our rule did not count, and the kernel's rule
//! has to count as many.
//!
//! Not compared are options of IPv4 that the kernel reads as if this host sent them: a source route that has
//! been gone in part, and a router alert with a value, are none for its rules, and are some for ours; nor `tcp option 254 length` and the `nexthdr` of `ah` and `comp`, at
//! which `nft` 1.0.6 ends itself.

use crate::{Kernel, Ours};
use net_core::filter::Counter;
use net_core::wire::checksum::checksum;
use net_core::wire::ip;
use std::collections::BTreeSet;
use std::slice::from_ref;
use tests::{netns, nft};

const RULES: &[&str] = &[
    "tcp option maxseg exists",
    "tcp option maxseg missing",
    "tcp option maxseg size 1460",
    "tcp option maxseg size != 1460",
    "tcp option maxseg size { 1200, 1400-1459 }",
    "tcp option maxseg length 4",
    "tcp option window exists",
    "tcp option window missing",
    "tcp option window count 7",
    "tcp option window count != 7",
    "tcp option window count > 7",
    "tcp option sack-perm exists",
    "tcp option sack-perm length 2",
    "tcp option timestamp exists",
    "tcp option timestamp tsval 5",
    "tcp option timestamp tsval > 5",
    "tcp option timestamp tsecr != 9",
    "tcp option sack exists",
    "tcp option sack length 10",
    "tcp option sack left 100",
    "tcp option sack0 right 200",
    "tcp option sack1 left 300",
    "tcp option sack2 right 600",
    "tcp option sack3 left != 700",
    "tcp option fastopen exists",
    "tcp option fastopen length > 2",
    "tcp option md5sig missing",
    "tcp option md5sig length 18",
    "tcp option mptcp exists",
    "tcp option mptcp subtype 1",
    "tcp option eol exists",
    "tcp option nop exists",
    "tcp option nop missing",
    "tcp option 254 exists",
    "tcp option 254 missing",
    "tcp option @8,16,32 5",
    "tcp option @2,24,8 0xb4",
    "tcp option @2,20,9 0xb6",
    "tcp option @34,20,4 1",
    "ip option lsrr exists",
    "ip option lsrr missing",
    "ip option lsrr ptr 4",
    "ip option lsrr addr 0x09090909",
    "ip option ssrr exists",
    "ip option ssrr length 7",
    "ip option rr exists",
    "ip option rr missing",
    "ip option rr type 7",
    "ip option rr length != 7",
    "ip option rr ptr 4",
    "ip option rr ptr > 4",
    "ip option rr addr 0x01020304",
    "ip option ra exists",
    "ip option ra value 0",
    "ip option ra length 4",
    "hbh nexthdr 60",
    "hbh hdrlength 0",
    "hbh hdrlength != 0",
    "dst nexthdr tcp",
    "dst nexthdr != tcp",
    "dst hdrlength 1",
    "rt nexthdr tcp",
    "rt hdrlength { 2, 4 }",
    "rt type 4",
    "rt type != 4",
    "rt seg-left 1",
    "srh last-entry 1",
    "srh flags 2",
    "srh tag > 3",
    "srh sid[1] fd00::1",
    "rt0 addr[1] != fd00::1",
    "srh sid[1] { fd00::1, fd00::7 }",
    "frag nexthdr tcp",
    "frag reserved 3",
    "frag frag-off 0",
    "frag frag-off 2",
    "frag frag-off != 2",
    "frag reserved2 1",
    "frag more-fragments 0",
    "frag more-fragments 1",
    "frag id 9",
    "mh type binding-update",
    "mh type != binding-update",
    "mh nexthdr 59",
    "mh hdrlength 0",
    "mh reserved 3",
    "mh checksum 5",
    "icmp id 0",
    "icmp id != 0",
    "icmp sequence 7",
    "icmpv6 id 0",
    "icmpv6 sequence != 7",
    "exthdr hbh missing",
    "exthdr dst exists",
    "exthdr rt exists",
    "exthdr rt missing",
    "exthdr frag exists",
    "exthdr mh exists",
    "exthdr mh missing",
    "ah hdrlength 1",
    "ah reserved 1",
    "ah spi 5",
    "ah sequence != 6",
    "esp spi 5",
    "esp sequence > 6",
    "comp flags 0",
    "comp cpi 5",
    "sctp sport 22",
    "sctp vtag 7",
    "sctp checksum != 0",
    "dccp dport 80",
    "dccp type request",
    "dccp type { response, data }",
    "udplite sport 22",
    "udplite csumcov 8",
    "igmp type membership-query",
    "igmp mrt > 5",
    "igmp group 0xe0000001",
    "@th,67,4 2",
    "@nh,4,4 6",
    "@nh,76,5 12-13",
];

/// Those of them that hold for all packets, or for none, that the kernel carries without rules.
const HOLD_ALWAYS_OR_NEVER: &[&str] = &["ip option ssrr exists", "ip option ssrr length 7"];

#[test]
fn the_kernel_finds_the_same_in_options_and_extension_headers() {
    let name = "parts::the_kernel_finds_the_same_in_options_and_extension_headers";
    netns::run(name, || {
        if !nft::is_there(name) {
            return;
        }
        let mut kernel = Kernel::new();
        for who in ["all", "in0"] {
            let file = format!("/proc/sys/net/ipv4/conf/{who}/accept_source_route");
            std::fs::write(file, "1").expect("a namespace of our own");
        }
        let mut ours = Ours::new();
        let packets = packets();
        nft::load("");
        let carried = kernel.forward(&packets);
        let mut tells_nothing = Vec::new();
        for rule in RULES {
            let ruleset = format!(
                "table inet t {{ chain c {{\ntype filter hook prerouting priority 0\n{rule} counter drop\n}}\n}}\n"
            );
            nft::load(&ruleset);
            let parsed = ruleset.parse();
            let parsed = parsed.unwrap_or_else(|error| panic!("{rule}: {error}"));
            ours.stack.set_filter(parsed).expect("rules that can be");
            let (theirs, held) = (kernel.forward(&packets), ours.held(&packets));
            let passed: BTreeSet<u32> = carried.difference(&held).copied().collect();
            if let Some(&id) = theirs.symmetric_difference(&passed).next() {
                panic!(
                    "{rule}: the kernel passes: {}, we pass: {}: {:02x?}",
                    theirs.contains(&id),
                    passed.contains(&id),
                    packets[id as usize]
                );
            }
            assert_eq!(nft::counted(), [held.len() as u64], "{rule}: {held:?}");
            if passed.is_empty() || passed == carried {
                tells_nothing.push(*rule);
            }
        }
        assert_eq!(tells_nothing, HOLD_ALWAYS_OR_NEVER);
    });
}

impl Ours {
    /// For which packets the only rule holds.
    fn held(&mut self, packets: &[Vec<u8>]) -> BTreeSet<u32> {
        let mut counted = 0;
        let all = packets.iter().zip(0..);
        let held = all.filter(|(bytes, _)| {
            let before = counted;
            self.forward(from_ref(*bytes));
            let mut rules = self.stack.filter_counters();
            let Counter { packets, .. } = rules.next().expect("a rule").3;
            counted = packets;
            counted > before
        });
        held.map(|(_, id)| id).collect()
    }
}

/// Options of TCP.
const SEGMENTS: &[&[u8]] = &[
    &[],
    &[2, 4, 5, 0xb4],
    &[2, 4, 4, 0xb0, 1, 3, 3, 7],
    &[
        2, 4, 5, 0x80, 4, 2, 8, 10, 0, 0, 0, 5, 0, 0, 0, 0, 1, 3, 3, 9,
    ],
    &[1, 1, 8, 10, 0, 0, 0, 6, 0, 0, 0, 9],
    &[1, 1, 5, 10, 0, 0, 0, 100, 0, 0, 0, 200],
    &[
        1, 1, 5, 26, 0, 0, 0, 100, 0, 0, 0, 200, 0, 0, 1, 44, 0, 0, 1, 144, 0, 0, 1, 244, 0, 0, 2,
        88,
    ],
    &[
        1, 1, 5, 34, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0,
        0, 7, 0, 0, 0, 8,
    ],
    &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1],
    &[34, 2, 4, 2],
    &[
        19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 1,
    ],
    &[30, 4, 0x10, 0],
    &[30, 4, 0x20, 0],
    &[254, 4, 0x1a, 0],
    // What is behind an end, behind lengths that are none, and in the last byte.
    &[0, 2, 4, 5, 0xb4, 0, 0, 0],
    &[9, 0, 2, 4, 5, 0xb4, 3, 3],
    &[9, 1, 2, 4, 5, 0xb4, 3, 3],
    &[8, 40, 2, 4],
    &[2, 3, 5, 3, 3, 7, 5, 1],
    &[2, 3, 1, 2, 4, 5, 0xb4, 1],
    &[3, 3, 7, 1],
    &[3, 3, 7, 2],
    &[2, 4, 5, 0xb4, 2, 4, 4, 0xb0],
];

/// Options of IPv4.
const OPTIONS: &[&[u8]] = &[
    &[7, 7, 4, 0, 0, 0, 0, 0],
    &[1, 7, 11, 8, 1, 2, 3, 4, 0, 0, 0, 0],
    &[148, 4, 0, 0],
    &[148, 4, 0, 0, 7, 7, 4, 1, 2, 3, 4, 0],
    &[131, 7, 4, 9, 9, 9, 9, 0],
    &[131, 11, 4, 9, 9, 9, 8, 10, 9, 0, 2, 0],
    &[137, 7, 4, 10, 9, 0, 2, 0],
    &[68, 8, 5, 0, 0, 0, 0, 0],
    &[1, 1, 1, 0],
];

/// Packets that end with their numbers.
fn packets() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for (index, options) in SEGMENTS.iter().enumerate() {
        let segment = segment(options);
        if index % 2 == 0 {
            packets.push(v4(&[], 0, ip::TCP, &segment));
        } else {
            packets.push(v6(&[], ip::TCP, &segment));
        }
    }
    // A header that is longer than the segment, and one that is shorter than itself.
    for offset in [0xf0, 0x40] {
        let mut bytes = segment(&[2, 4, 5, 0xb4]);
        bytes[12] = offset;
        packets.push(v4(&[], 0, ip::TCP, &bytes));
    }
    // The first fragment of a segment, and a later one.
    packets.push(v4(&[], 0x2000, ip::TCP, &segment(&[2, 4, 5, 0xb4])));
    packets.push(v4(&[], 0x0010, ip::TCP, &segment(&[2, 4, 5, 0xb4])));
    for options in OPTIONS {
        packets.push(v4(options, 0, ip::UDP, &ports(53)));
    }
    packets.extend(chains());
    for (protocol, transport) in [
        (ip::UDP, ports(80)),
        (132, [ports(80), vec![0, 0, 0, 7, 1, 2, 3, 4]].concat()),
        (132, [ports(22), vec![0, 0, 0, 8, 0, 0, 0, 0]].concat()),
        (33, [ports(80), vec![4, 0, 0, 0, 1 << 1, 0, 0, 0]].concat()),
        (33, [ports(22), vec![4, 0, 0, 0, 1, 0, 0, 0]].concat()),
        (33, [ports(22), vec![4, 0, 0, 0, 2 << 1, 0, 0, 0]].concat()),
        (136, [ports(80), vec![0, 8, 0, 0]].concat()),
        (2, vec![0x11, 100, 0, 0, 224, 0, 0, 1]),
        (2, vec![0x16, 0, 0, 0, 224, 0, 0, 9]),
        (51, vec![59, 1, 0, 1, 0, 0, 0, 5, 0, 0, 0, 6]),
        (51, vec![59, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 7]),
        (1, vec![8, 0, 0, 0, 0, 0, 0, 7]),
        (1, vec![0, 0, 0, 0, 0, 5, 0, 0]),
        (1, vec![3, 1, 0, 0, 0, 0, 0, 0]),
        (1, vec![11, 0, 0, 0, 0, 0, 0, 7]),
        (58, vec![128, 0, 0, 0, 0, 0, 0, 7]),
        (58, vec![129, 0, 0, 0, 0, 5, 0, 0]),
        (58, vec![1, 0, 0, 0, 0, 0, 0, 0]),
        (58, vec![2, 0, 0, 0, 0, 0, 5, 0]),
        (58, vec![135, 0, 0, 0, 0, 0, 0, 0]),
        (50, vec![0, 0, 0, 5, 0, 0, 0, 6]),
        (50, vec![0, 0, 0, 7, 0, 0, 0, 7]),
        (108, vec![6, 0, 0, 5]),
        (108, vec![17, 1, 0, 6]),
    ] {
        packets.push(v4(&[], 0, protocol, &transport));
        if protocol == 58 {
            packets.pop();
        }
        if !matches!(protocol, 1 | 2) {
            packets.push(v6(&[], protocol, &transport));
        }
    }
    for (packet, id) in packets.iter_mut().zip(0_u32..) {
        let at = packet.len() - 4;
        packet[at..].copy_from_slice(&id.to_be_bytes());
    }
    packets
}

/// Packets of IPv6 with extension headers.
fn chains() -> Vec<Vec<u8>> {
    let routing = |kind: u8, left: u8, hosts: &[u8]| {
        let len = u8::try_from(hosts.len()).expect("few");
        let mut header = vec![0, len * 2, kind, left];
        header.extend([len.saturating_sub(1), 2, 0, len * 3]);
        for host in hosts {
            header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, *host]);
        }
        (43, header)
    };
    let options = |kind, words: u8| {
        let len = usize::from(words) * 8 + 8;
        let mut header = vec![0; len];
        header[1] = words;
        // An option that nobody knows and that may be skipped: so much padding would be refused.
        header[2..4].copy_from_slice(&[0x1e, words * 8 + 4]);
        (kind, header)
    };
    let fragment = |reserved, field: u16| {
        let [high, low] = field.to_be_bytes();
        (44, vec![0, reserved, high, low, 0, 0, 0, 9])
    };
    let authentication = (51, vec![0, 1, 0, 1, 0, 0, 0, 5, 0, 0, 0, 6]);
    let (hop, dest, long) = (options(0, 0), options(60, 0), options(60, 1));
    let plain = segment(&[2, 4, 5, 0xb4]);
    let with = |chain: &[(u8, Vec<u8>)]| v6(chain, ip::TCP, &plain);
    let mobility = |chain: &[(u8, Vec<u8>)], kind| {
        let header = vec![59, 0, kind, 3, 0, kind, 0, 0];
        v6(chain, 135, &[header, vec![0; 8]].concat())
    };
    vec![
        with(&[]),
        with(from_ref(&hop)),
        with(&[options(0, 1)]),
        with(&[hop.clone(), dest.clone()]),
        with(from_ref(&long)),
        with(&[dest.clone(), long.clone()]),
        with(&[routing(4, 1, &[1, 2])]),
        with(&[routing(4, 0, &[7])]),
        with(&[routing(0, 1, &[3])]),
        with(&[routing(2, 1, &[1]), dest.clone()]),
        with(&[fragment(0, 1)]),
        with(&[fragment(3, 0)]),
        with(&[fragment(0, 2 << 3 | 1)]),
        with(&[fragment(0, 2 << 3 | 2)]),
        with(&[
            hop.clone(),
            routing(4, 1, &[1]),
            fragment(3, 3),
            dest.clone(),
        ]),
        with(&[hop.clone(), fragment(0, 2 << 3), dest.clone()]),
        with(from_ref(&authentication)),
        with(&[authentication.clone(), dest.clone()]),
        // More headers than hosts take, in front of others, and one that the packet ends within.
        with(&[&vec![dest.clone(); 8][..], &[routing(2, 0, &[])]].concat()),
        with(&[&vec![options(60, 15); 9][..], &[fragment(3, 1)]].concat()),
        with(&[(43, vec![0, 200, 2, 1, 0, 0, 0, 0])]),
        with(&[(60, vec![0, 100, 0, 0, 0, 0, 0, 0])]),
        mobility(&vec![dest; 9], 5),
        mobility(&[], 5),
        mobility(from_ref(&hop), 6),
        mobility(&[hop, authentication, long], 5),
    ]
}

/// A segment with these options.
fn segment(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0, 22, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x10, 1, 0, 0, 0, 0, 0,
    ];
    bytes[12] = u8::try_from((20 + options.len()) / 4).expect("short") << 4;
    bytes.extend_from_slice(options);
    bytes
}

/// A source and this destination port, and where UDP has its length something that may be one.
fn ports(dest: u8) -> Vec<u8> {
    vec![0, 22, 0, dest]
}

/// A packet of IPv4, with room for a number at its end.
fn v4(options: &[u8], fragment: u16, protocol: u8, transport: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let len = u16::try_from(header_len + transport.len() + PADDING).expect("short");
    let mut bytes = vec![0x40 + u8::try_from(header_len / 4).expect("short"), 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 7]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0, 10, 7, 0, 2, 10, 9, 0, 2]);
    bytes.extend_from_slice(options);
    let sum = checksum(&bytes);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend_from_slice(transport);
    bytes.extend([0; PADDING]);
    bytes
}

/// A packet of IPv6 with these extension headers, each in front of the next.
fn v6(chain: &[(u8, Vec<u8>)], protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (index, (_, header)) in chain.iter().enumerate() {
        let next = chain.get(index + 1).map_or(protocol, |(kind, _)| *kind);
        rest.push(next);
        rest.extend_from_slice(&header[1..]);
    }
    rest.extend_from_slice(transport);
    rest.extend([0; PADDING]);
    let first = chain.first().map_or(protocol, |(kind, _)| *kind);
    let len = u16::try_from(rest.len()).expect("short").to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, len[0], len[1], first, 64];
    for net in [7, 9] {
        bytes.extend([0xfd, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    }
    bytes.extend(rest);
    bytes
}

/// Bytes behind the headers.
const PADDING: usize = 24;
