//! Rules in our filter and in the kernel's, verdict by verdict on the same packets.
//!
//! The kernel forwards from one TUN to another, with a ruleset that `nft` loads; our stack forwards
//! between two interfaces, with the same text. Which packets come out has to be the same, and what is answered
//! to those for either and through it, at every hook.
#![cfg(target_os = "linux")]

mod answers;
mod chains;
mod frames;
mod parts;

use net_core::buf::{RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::seed::Rng;
use net_core::wire::{IcmpMessage, checksum::checksum};
use net_core::wire::{
    IpHeader, TcpFlags, TcpHeader, TcpOptions, UdpHeader, icmpv4, icmpv6, ip, transport,
};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, Stack};
use net_tokio::device::Tun;
use std::collections::BTreeSet;
use std::net::IpAddr;
use tests::{netns, nft};

/// Each is tried alone, in front of `accept`; where it holds, the packet vanishes.
const RULES: &[&str] = &[
    "ip saddr 10.7.0.0/29",
    "ip saddr != 10.7.0.0/29",
    "ip saddr 10.7.0.3-10.7.0.6",
    "ip daddr { 10.9.0.2, 10.9.0.4-10.9.0.7 }",
    "ip6 saddr fd07::4/126",
    "ip6 daddr != fd09::2",
    "ip saddr . tcp dport { 10.7.0.2 . 80, 10.7.0.3 . 22, 10.7.0.4 . 443 }",
    "tcp dport 80",
    "tcp dport != 80",
    "tcp dport { 22, 80, 100-500 }",
    "tcp dport 20-100",
    "tcp sport > 3000",
    "udp dport 53",
    "udp length < 20",
    "th dport { 53, 80 }",
    "tcp flags syn",
    "tcp flags & (syn|ack) == syn",
    "tcp flags & (fin|syn|rst|ack) != syn",
    "tcp flags fin,rst",
    "tcp window 1000",
    "meta l4proto { tcp, icmp }",
    "meta l4proto != udp",
    "ip protocol icmp",
    "ip6 nexthdr udp",
    "meta nfproto ipv6",
    "icmp type echo-request",
    "icmp type { echo-reply, destination-unreachable }",
    "icmp code 1",
    "icmpv6 type { echo-request, packet-too-big }",
    "ip ttl < 32",
    "ip6 hoplimit 20-100",
    "ip dscp { cs1, af21, ef }",
    "ip dscp != cs0",
    "ip ecn ce",
    "ip length 0-60",
    "meta length > 60",
    "ip frag-off & 0x1fff != 0",
    "ip frag-off & 0x2000 != 0",
    "ip id 7",
    "iifname \"in0\" oifname \"out*\" udp sport 1000-2999",
    "iifname != \"in0\"",
    "exthdr hbh exists",
    "exthdr frag missing ip6 daddr fd09::/64",
    "@th,16,16 80",
    "tcp dport 80 ip saddr 10.7.0.4 ip ttl > 40",
    "ip saddr { 10.7.0.1, 10.7.0.3, 10.7.0.6-10.7.0.7, 10.8.0.0/16, 10.9.0.0/24, 192.0.2.0/24 }",
    "ip6 daddr != { fd09::1, fd09::3, fd09::4/127, fd0a::/16, 2001:db8::/32 }",
    "ip saddr . ip daddr . udp dport { 10.7.0.2 . 10.9.0.2 . 53, 10.7.0.3 . 10.9.0.1 . 80 }",
    "meta mark 0",
    "meta mark != 0",
    // Last, because what the kernel knows of flows stays when the rules go.
    "ct state new",
];

/// Rules that are one lookup where there are many of a kind: `N` stands for a number, `PORT` for a port.
const KINDS: &[&str] = &[
    "ip saddr 10.7.0.N",
    "ip6 daddr fd09::N",
    "ip daddr 10.9.0.N tcp dport PORT",
    "tcp dport PORT",
    "udp dport PORT",
    "ip6 saddr fd07::N udp sport PORT",
    "ip saddr 10.7.0.N ip daddr 10.9.0.N",
];

/// The same as `RULES` for fields of which every packet has another.
const FIELDS: &[&str] = &[
    "tcp option maxseg size 1460",
    "tcp option maxseg size != 1000-1400",
    "tcp doff 5",
    "tcp doff > 5",
    "ip hdrlength 5",
    "ip6 flowlabel 7",
    "ip6 flowlabel != { 7, 9 }",
];

/// Those of them that hold for each of the packets, or for none: all come over one link without a mark, and few
/// have three fields as wanted.
const HOLD_ALWAYS_OR_NEVER: &[&str] = &[
    "iifname != \"in0\"",
    "ip saddr . ip daddr . udp dport { 10.7.0.2 . 10.9.0.2 . 53, 10.7.0.3 . 10.9.0.1 . 80 }",
    "meta mark 0",
    "meta mark != 0",
];

/// Packets for each rule.
const PACKETS: u32 = 150;

#[test]
fn the_kernel_gives_the_same_verdicts() {
    netns::run("the_kernel_gives_the_same_verdicts", || {
        if !nft::is_there("the_kernel_gives_the_same_verdicts") {
            return;
        }
        let mut kernel = Kernel::new();
        let mut ours = Ours::new();
        let mut rng = Seed::from_u64(2026).rng("packets");
        let mut tells = Tells::default();
        for rule in RULES {
            // Of later fragments the kernel takes payload for ports in some rules, and we never do.
            let by_ports = ["tcp", "udp", "th", "icmp"]
                .iter()
                .any(|one| rule.contains(one));
            let passed = compare(
                &mut kernel,
                &mut ours,
                &format!("{rule} drop"),
                !by_ports,
                &mut rng,
            );
            tells.note(rule, passed);
        }
        for field in FIELDS {
            let rule = format!("{field} drop");
            let passed = compare(&mut kernel, &mut ours, &rule, false, &mut rng);
            tells.note(field, passed);
        }
        assert_eq!(tells.nothing, HOLD_ALWAYS_OR_NEVER);
        let mut all = String::new();
        for kind in KINDS {
            let rules = rules_of(kind);
            compare(&mut kernel, &mut ours, &rules, false, &mut rng);
            all += &rules;
        }
        for policy in ["accept", "drop"] {
            let rules = format!("policy {policy}\n{all}");
            compare(&mut kernel, &mut ours, &rules, false, &mut rng);
        }
    });
}

/// The rules by which one cannot see whether they are asked: all packets pass, or none.
#[derive(Default)]
struct Tells<'a> {
    nothing: Vec<&'a str>,
}

impl<'a> Tells<'a> {
    fn note(&mut self, rule: &'a str, passed: usize) {
        if passed == 0 || passed == PACKETS as usize {
            self.nothing.push(rule);
        }
    }
}

/// Has both forward packets through a chain, and compares which come out; how many do.
fn compare(
    kernel: &mut Kernel,
    ours: &mut Ours,
    rules: &str,
    may_be_later: bool,
    rng: &mut Rng,
) -> usize {
    let chain = format!("chain c {{\ntype filter hook forward priority 0\n{rules}\n}}");
    compare_table(kernel, ours, &chain, may_be_later, rng)
}

/// Has both load a table of these sets and chains.
fn load(ours: &mut Ours, content: &str) {
    let ruleset = format!("table inet t {{\n{content}\n}}\n");
    nft::load(&ruleset);
    let parsed = ruleset.parse();
    let parsed = parsed.unwrap_or_else(|error| panic!("{content}: {error}"));
    ours.stack.set_filter(parsed).expect("rules that can be");
}

/// Has both forward packets through a table, and compares which come out; how many do.
fn compare_table(
    kernel: &mut Kernel,
    ours: &mut Ours,
    content: &str,
    may_be_later: bool,
    rng: &mut Rng,
) -> usize {
    load(ours, content);
    let packets = (0..PACKETS).map(|id| packet(id, may_be_later, rng));
    let packets: Vec<_> = packets.collect();
    let (theirs, passed) = (kernel.forward(&packets), ours.forward(&packets));
    let different = theirs.symmetric_difference(&passed).next();
    if let Some(&id) = different {
        let bytes = &packets[id as usize];
        panic!(
            "{content}: kernel passes: {}, we pass: {}: {bytes:02x?}",
            theirs.contains(&id),
            passed.contains(&id)
        );
    }
    passed.len()
}

/// Rules of a kind in a row, of which some hold for some packets.
fn rules_of(kind: &str) -> String {
    let ports = [22, 80, 443, 4000, 1, 2, 3, 53, 5];
    let rules = ports.iter().zip(3..).map(|(port, number): (&u16, u8)| {
        let verdict = if number % 3 == 0 { "accept" } else { "drop" };
        let rule = kind.replace('N', &number.to_string());
        let rule = rule.replace("PORT", &port.to_string());
        format!("{rule} {verdict}\n")
    });
    rules.collect()
}

/// A packet that ends with its number; it may be a later fragment if that is wanted.
fn packet(id: u32, may_be_later: bool, rng: &mut Rng) -> Vec<u8> {
    let mut below = |bound: u64| u32::try_from(rng.below(bound)).expect("small");
    let is_v4 = below(3) > 0;
    let (from, to) = (below(8) + 1, below(8) + 1);
    let ends: (IpAddr, IpAddr) = if is_v4 {
        (v4([10, 7, 0], from), v4([10, 9, 0], to))
    } else {
        (v6(0xfd07, from), v6(0xfd09, to))
    };
    let mut packet = TxPacket::default();
    let padding = below(40) as usize;
    packet.head.prepend(4).copy_from_slice(&id.to_be_bytes());
    packet.head.prepend(padding).fill(0);
    let mut port = || [22, 53, 80, 443, 1500, 4000][below(6) as usize];
    let (source_port, dest_port) = (port(), port());
    let protocol = match below(4) {
        0 | 1 => {
            let header = TcpHeader {
                source_port,
                dest_port,
                flags: TcpFlags::from_bits_truncate(u16::try_from(below(32)).expect("small")),
                window: [1000, 2000][below(2) as usize],
                options: TcpOptions {
                    mss: [None, Some(1200), Some(1460)][id as usize % 3],
                    ..TcpOptions::default()
                },
                ..TcpHeader::default()
            };
            header.emit(&mut packet.head);
            ip::TCP
        }
        2 => put_udp(&mut packet, source_port, dest_port),
        _ => {
            let message = match below(3) {
                0 => IcmpMessage::EchoRequest { ident: 1, seq: 2 },
                1 => IcmpMessage::EchoReply { ident: 1, seq: 2 },
                _ => IcmpMessage::Unreachable { code: 1 },
            };
            put_icmp(&mut packet, &message, is_v4)
        }
    };
    transport::fill_checksum(&mut packet, ends.0, ends.1, protocol, false);
    let mut next = protocol;
    if !is_v4 && below(5) == 0 {
        // Hop-by-hop options: padding alone.
        let options = [protocol, 0, 1, 4, 0, 0, 0, 0];
        packet.head.prepend(8).copy_from_slice(&options);
        next = 0;
    }
    let header = IpHeader {
        ttl: [2, 31, 64, 255][below(4) as usize],
        tos: [0, 8 << 2, 18 << 2, 46 << 2][below(4) as usize]
            + u8::try_from(below(4)).expect("small"),
        dont_fragment: !is_v4 || below(2) == 0,
        id: u16::try_from(below(9)).expect("small"),
        ..IpHeader::new(ends.0, ends.1, next, packet.head.len())
    };
    header.emit(&mut packet.head);
    let mut bytes = packet.head.to_vec();
    if !is_v4 {
        bytes[3] = [0, 7, 9][id as usize % 3];
    }
    if is_v4 && !header.dont_fragment && below(2) == 0 {
        make_fragment(&mut bytes, !may_be_later || below(2) == 0);
    }
    bytes
}

/// Puts a header of UDP in front of what is in a packet; the protocol.
fn put_udp(packet: &mut TxPacket, source_port: u16, dest_port: u16) -> u8 {
    let header = UdpHeader {
        source_port,
        dest_port,
        length: u16::try_from(packet.head.len() + 8).expect("small"),
        checksum: 0,
    };
    header.emit(&mut packet.head);
    ip::UDP
}

/// Puts a message of ICMP in front of what is in a packet; the protocol.
fn put_icmp(packet: &mut TxPacket, message: &IcmpMessage, is_v4: bool) -> u8 {
    if is_v4 {
        icmpv4::emit(message, &mut packet.head);
        ip::ICMP
    } else {
        icmpv6::emit(message, &mut packet.head);
        ip::ICMPV6
    }
}

/// Makes an IPv4 packet a fragment: the first of its packet, or a later one.
fn make_fragment(bytes: &mut [u8], is_first: bool) {
    let field: u16 = if is_first { 0x2000 } else { 0x0010 };
    bytes[6..8].copy_from_slice(&field.to_be_bytes());
    bytes[10..12].fill(0);
    let sum = checksum(&bytes[..20]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
}

fn v4([a, b, c]: [u8; 3], last: u32) -> IpAddr {
    [a, b, c, u8::try_from(last).expect("small")].into()
}

fn v6(first: u16, last: u32) -> IpAddr {
    let last = u16::try_from(last).expect("small");
    [first, 0, 0, 0, 0, 0, 0, last].into()
}

/// The numbers at the ends of packets.
fn numbers<'a>(packets: impl Iterator<Item = &'a [u8]>) -> BTreeSet<u32> {
    let last = packets.filter_map(|bytes| bytes.last_chunk());
    last.map(|number| u32::from_be_bytes(*number)).collect()
}

/// The kernel's way from one TUN to another.
struct Kernel {
    input: Tun,
    output: Tun,
}

impl Kernel {
    fn new() -> Self {
        let tun = |name: &str, v4: &str, v6: &str| {
            let tun = Tun::builder(name).offload(false);
            let tun = tun.host_address(v4.parse().expect("an address"), 24);
            let tun = tun.host_address(v6.parse().expect("an address"), 64);
            tun.build().expect("a TUN")
        };
        let kernel = Self {
            input: tun("in0", "10.7.0.100", "fd07::100"),
            output: tun("out0", "10.9.0.100", "fd09::100"),
        };
        for (key, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/in0/rp_filter", "0"),
            ("ipv6/conf/all/forwarding", "1"),
        ] {
            let file = format!("/proc/sys/net/{key}");
            std::fs::write(file, value).expect("a namespace of our own");
        }
        kernel
    }

    /// Which packets come out. The kernel forwards while it takes a packet in.
    fn forward(&mut self, packets: &[Vec<u8>]) -> BTreeSet<u32> {
        let (mut passed, mut received) = (BTreeSet::new(), RxBatch::default());
        for bytes in packets {
            let mut out = TxBatch::default();
            out.slot().body.push(bytes.clone().into());
            self.input.try_send(&mut out).expect("room");
            received.clear();
            while self.output.try_recv(&mut received, 64).is_ok() {}
            let whole: Vec<Vec<u8>> = received.packets().iter().map(flat).collect();
            // Beside ours there is what the kernel says for itself on the link.
            let ours = whole.iter().filter(|bytes| is_between(bytes));
            passed.extend(numbers(ours.map(Vec::as_slice)));
        }
        passed
    }
}

/// Whether a packet is from the near link to the far one.
fn is_between(bytes: &[u8]) -> bool {
    IpHeader::parse(bytes, bytes.len()).is_ok_and(|header| match (header.source, header.dest) {
        (IpAddr::V4(source), IpAddr::V4(dest)) => {
            source.octets()[..2] == [10, 7] && dest.octets()[..2] == [10, 9]
        }
        (IpAddr::V6(source), IpAddr::V6(dest)) => {
            (source.segments()[0], dest.segments()[0]) == (0xfd07, 0xfd09)
        }
        _ => false,
    })
}

fn flat(packet: &RxPacket) -> Vec<u8> {
    let mut bytes = packet.frame.to_vec();
    for piece in &packet.frags {
        bytes.extend_from_slice(&piece.bytes);
    }
    bytes
}

/// Our stack between two links.
struct Ours {
    stack: Stack,
    input: IfaceId,
    output: IfaceId,
}

impl Ours {
    fn new() -> Self {
        let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
        let mut link = |name: &str, v4: &str, v6: &str| {
            let cidr = |text: &str, prefix_len| IpCidr {
                address: text.parse().expect("an address"),
                prefix_len,
            };
            let config = IfaceConfig {
                name: name.into(),
                kind: IfaceKind::PointToPoint,
                mtu: 1500,
                addresses: vec![cidr(v4, 24), cidr(v6, 64)],
            };
            let added = stack.add_iface(config, DeviceCaps::default());
            added.expect("good addresses")
        };
        let input = link("in0", "10.7.0.100", "fd07::100");
        let output = link("out0", "10.9.0.100", "fd09::100");
        for link in [input, output] {
            stack.set_forwarding(link, true).expect("it is there");
        }
        Self {
            stack,
            input,
            output,
        }
    }

    fn forward(&mut self, packets: &[Vec<u8>]) -> BTreeSet<u32> {
        let mut passed = BTreeSet::new();
        for bytes in packets {
            let mut batch = RxBatch::default();
            batch.slot().frame.extend_from_slice(bytes);
            self.stack
                .handle_batch(self.input, &mut batch, Instant::ZERO);
            let mut out = TxBatch::default();
            self.stack
                .poll_transmit(self.output, &mut out, Instant::ZERO);
            let whole = out.packets().iter().map(|packet| {
                let mut bytes = bytes::BytesMut::new();
                packet.copy_to(&mut bytes);
                bytes
            });
            let whole: Vec<_> = whole.collect();
            passed.extend(numbers(whole.iter().map(|bytes| &bytes[..])));
        }
        passed
    }
}
