//! Rules for what is in front of packets, and for ARP, on an Ethernet: the kernel's is a TAP.

use crate::{flat, v4};
use net_core::buf::{RxBatch, TxBatch};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::wire::{ArpPacket, EtherType, EthernetHeader, IpHeader, MacAddr, ip};
use net_core::{Config, DeviceCaps, IfaceConfig, IfaceId, Instant, Seed, Stack};
use net_tokio::device::{Tap, Tun};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::Command;
use tests::{netns, nft};

const HOST: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0x64]);

/// Each is tried alone at `prerouting`.
const OF_PACKETS: &[&str] = &[
    "ether saddr 02:00:00:00:00:01",
    "ether saddr != 02:00:00:00:00:01",
    "ether saddr { 02:00:00:00:00:01, 02:00:00:00:00:03 }",
    "ether daddr ff:ff:ff:ff:ff:ff",
    "ether daddr != 02:00:00:00:00:64",
    "ether type ip",
    "ether type != ip",
    "ether type ip6",
    "ether type { ip6, arp }",
    "meta protocol ip6",
    "meta protocol != ip6",
    "meta iiftype ether",
    "meta iiftype != ether",
    "meta pkttype host",
    "meta pkttype broadcast",
    "meta pkttype != multicast",
    "ether saddr . ip saddr { 02:00:00:00:00:01 . 10.7.0.1, 02:00:00:00:00:02 . 10.7.0.9 }",
    "ether saddr . ip saddr != { 02:00:00:00:00:01 . 10.7.0.1 }",
    "iifname { \"in0\", \"other\" } ether saddr 02:00:00:00:00:02",
    "@nh,72,8 17 ether saddr 02:00:00:00:00:02",
];

/// Each is tried alone at `input` of a table of the family `arp`.
const OF_ARP: &[&str] = &[
    "arp htype 1",
    "arp htype != 1",
    "arp ptype ip",
    "arp hlen 6",
    "arp plen != 4",
    "arp operation request",
    "arp operation reply",
    "arp operation { reply, rrequest }",
    "arp saddr ip 10.7.0.1",
    "arp saddr ip != 10.7.0.0/31",
    "arp saddr ip { 10.7.0.1, 10.7.0.3-10.7.0.4 }",
    "arp daddr ip 10.7.0.100",
    "arp daddr ip != 10.7.0.100",
    "arp saddr ether 02:00:00:00:00:01",
    "arp saddr ether { 02:00:00:00:00:02, 02:00:00:00:00:03 }",
    "arp daddr ether != 00:00:00:00:00:00",
    "ether saddr 02:00:00:00:00:03",
    "meta pkttype broadcast",
    "iifname \"in0\" arp saddr ip 10.7.0.2",
    "iifname \"out0\"",
    "@nh,56,8 1",
];

/// The same at `output`.
const OF_ARP_SENT: &[&str] = &[
    "arp operation reply",
    "arp operation request",
    "arp daddr ip 10.7.0.1",
    "arp saddr ip 10.7.0.100",
    "arp saddr ether 02:00:00:00:00:64",
    "arp daddr ether != 02:00:00:00:00:02",
    "oifname \"in0\" arp daddr ip { 10.7.0.2, 10.7.0.3 }",
    "oifname != \"in0\"",
];

#[test]
fn the_kernel_finds_the_same_in_front_of_packets_and_in_arp() {
    let name = "frames::the_kernel_finds_the_same_in_front_of_packets_and_in_arp";
    netns::run(name, || {
        if !nft::is_there(name) {
            return;
        }
        let mut kernel = Kernel::new();
        let packets = datagrams();
        let questions = questions();
        let at = |family, hook, rules: &'static [&str]| {
            rules.iter().map(move |rule| (family, hook, *rule))
        };
        let all = at("inet", "prerouting", OF_PACKETS)
            .chain(at("arp", "input", OF_ARP))
            .chain(at("arp", "output", OF_ARP_SENT));
        for (family, hook, rule) in all {
            let ruleset = format!(
                "table {family} t {{ chain c {{\ntype filter hook {hook} priority 0\n{rule} counter drop\n}}\n}}\n"
            );
            nft::load(&ruleset);
            let mut ours = Ours::new(&ruleset);
            let frames = if family == "arp" {
                &questions
            } else {
                &packets
            };
            let answers: Vec<_> = frames.iter().map(|frame| kernel.answer(frame)).collect();
            let ours_say: Vec<_> = frames.iter().map(|frame| ours.answer(frame)).collect();
            assert_eq!(ours_say, answers, "{family} {hook}: {rule}");
            let mut counters = ours.stack.filter_counters();
            let counted = counters.next().expect("a rule").3.packets;
            assert_eq!(nft::counted(), [counted], "{family} {hook}: {rule}");
        }
    });
}

/// Datagrams of both families to a host behind the router, in frames from several stations and to several.
fn datagrams() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for station in 1..=3_u8 {
        for dest in [
            HOST,
            MacAddr::BROADCAST,
            MacAddr::new([1, 0, 0x5e, 0, 0, 1]),
        ] {
            let header = |ethertype| EthernetHeader {
                dest,
                source: MacAddr::new([2, 0, 0, 0, 0, station]),
                ethertype,
            };
            let (source, to) = (v4([10, 7, 0], station.into()), v4([10, 9, 0], 2));
            let packet = packet(source, to);
            frames.push([&header(EtherType::IPV4).to_bytes()[..], &packet].concat());
            let (source, to) = (crate::v6(0xfd07, station.into()), crate::v6(0xfd09, 2));
            let packet = self::packet(source, to);
            frames.push([&header(EtherType::IPV6).to_bytes()[..], &packet].concat());
        }
    }
    frames
}

fn packet(source: std::net::IpAddr, dest: std::net::IpAddr) -> Vec<u8> {
    let mut head = net_core::buf::HeadBuf::new();
    let datagram = [0, 9, 0, 7, 0, 8, 0, 0];
    head.prepend(8).copy_from_slice(&datagram);
    IpHeader::new(source, dest, ip::UDP, 8).emit(&mut head);
    head.to_vec()
}

/// Who has the router's address, and who has another? Asked by several stations.
fn questions() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for station in 1..=4_u8 {
        let source = MacAddr::new([2, 0, 0, 0, 0, station]);
        for (target, dest) in [
            (100, MacAddr::BROADCAST),
            (100, HOST),
            (99, MacAddr::BROADCAST),
        ] {
            let header = EthernetHeader {
                dest,
                source,
                ethertype: EtherType::ARP,
            };
            let sender = Ipv4Addr::new(10, 7, 0, station);
            let question = ArpPacket::request(source, sender, Ipv4Addr::new(10, 7, 0, target));
            frames.push([&header.to_bytes()[..], &question.to_bytes()].concat());
        }
    }
    frames
}

/// What of a frame that comes back says that a question was answered, or that a packet has gone on.
fn answer_in(bytes: &[u8]) -> Option<String> {
    let header = EthernetHeader::parse(bytes).ok()?;
    (header.ethertype == EtherType::ARP)
        .then(|| format!("to {}: {:02x?}", header.dest, bytes.get(14..42)))
}

/// A router of the kernel between a TAP and a TUN.
struct Kernel {
    frames: File,
    output: Tun,
    _tap: Tap,
}

impl Kernel {
    fn new() -> Self {
        let [inner, outer] = [100, 100].map(|last| (v4([10, 7, 0], last), v4([10, 9, 0], last)));
        let tap = Tap::builder("in0").offload(false).host_address(inner.0, 24);
        let tap = tap.host_address(crate::v6(0xfd07, 0x100), 64);
        let tap = tap.build().expect("a TAP");
        let output = Tun::builder("out0").offload(false);
        let output = output.host_address(outer.1, 24);
        let output = output.host_address(crate::v6(0xfd09, 0x100), 64);
        let output = output.build().expect("a TUN");
        let address = HOST.to_string();
        let mut set = Command::new("ip");
        set.args(["link", "set", "in0", "address", &address]);
        assert!(set.status().expect("ip is there").success());
        for (key, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/in0/rp_filter", "0"),
            ("ipv6/conf/all/forwarding", "1"),
        ] {
            let file = format!("/proc/sys/net/{key}");
            std::fs::write(file, value).expect("a namespace of our own");
        }
        let frames = tap.as_fd().try_clone_to_owned().expect("a descriptor");
        Self {
            frames: frames.into(),
            output,
            _tap: tap,
        }
    }

    /// What comes back for a frame, and how many packets go on. The kernel does that while it takes it in.
    fn answer(&mut self, frame: &[u8]) -> (Vec<String>, usize) {
        let mut bytes = [0; 2048];
        while self.frames.read(&mut bytes).is_ok() {}
        let mut received = RxBatch::default();
        while self.output.try_recv(&mut received, 64).is_ok() {}
        received.clear();
        self.frames.write_all(frame).expect("room");
        let mut answers = Vec::new();
        while let Ok(len) = self.frames.read(&mut bytes) {
            answers.extend(answer_in(&bytes[..len]));
        }
        while self.output.try_recv(&mut received, 64).is_ok() {}
        let whole = received.packets().iter().map(flat);
        let passed = whole.filter(|bytes| crate::is_between(bytes)).count();
        (answers, passed)
    }
}

/// Ours.
struct Ours {
    stack: Stack,
    input: IfaceId,
    output: IfaceId,
}

impl Ours {
    fn new(ruleset: &str) -> Self {
        let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
        let mut link = |name: &str, kind, v4: &str, v6: &str| {
            let cidr = |text: &str, prefix_len| IpCidr {
                address: text.parse().expect("an address"),
                prefix_len,
            };
            let config = IfaceConfig {
                name: name.into(),
                kind,
                mtu: 1500,
                addresses: vec![cidr(v4, 24), cidr(v6, 64)],
            };
            let added = stack.add_iface(config, DeviceCaps::default());
            added.expect("good addresses")
        };
        let input = link("in0", IfaceKind::Ethernet(HOST), "10.7.0.100", "fd07::100");
        let output = link("out0", IfaceKind::PointToPoint, "10.9.0.100", "fd09::100");
        stack.set_forwarding(input, true).expect("it is there");
        let parsed = ruleset.parse();
        let parsed = parsed.unwrap_or_else(|error| panic!("{ruleset}: {error}"));
        stack.set_filter(parsed).expect("rules that can be");
        Self {
            stack,
            input,
            output,
        }
    }

    /// What comes back for a frame, and how many packets go on.
    fn answer(&mut self, frame: &[u8]) -> (Vec<String>, usize) {
        let mut batch = RxBatch::default();
        batch.slot().frame.extend_from_slice(frame);
        self.stack
            .handle_batch(self.input, &mut batch, Instant::ZERO);
        let mut sent = |iface| {
            let mut out = TxBatch::default();
            self.stack.poll_transmit(iface, &mut out, Instant::ZERO);
            let whole = out.packets().iter().map(|packet| {
                let mut bytes = bytes::BytesMut::new();
                packet.copy_to(&mut bytes);
                bytes
            });
            whole.collect::<Vec<_>>()
        };
        let answers = sent(self.input);
        let answers = answers.iter().filter_map(|bytes| answer_in(bytes));
        let passed = sent(self.output);
        let passed = passed.iter().filter(|bytes| crate::is_between(bytes));
        (answers.collect(), passed.count())
    }
}
