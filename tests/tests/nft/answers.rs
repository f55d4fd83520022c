//! What is answered to packets that rules reject, and rules for the answers themselves.

use crate::{Kernel, Ours, flat, put_icmp, put_udp, v4, v6};
use net_core::Instant;
use net_core::buf::{RxBatch, TxBatch, TxPacket};
use net_core::tcp::SeqNum;
use net_core::wire::{IcmpMessage, IpHeader, TcpFlags, TcpHeader, ip, transport};
use tests::{netns, nft};

/// Each is tried alone at each of these hooks, on packets for the router and for others.
const REJECTING: &[&str] = &[
    "udp dport 53 drop",
    "udp dport 53 reject",
    "udp dport 53 reject with icmpx admin-prohibited",
    "udp dport 53 reject with icmpx host-unreachable",
    "udp dport 53 reject with icmpx no-route",
    "tcp dport 80 reject",
    "tcp dport 80 reject with tcp reset",
    "tcp flags & (syn|ack) == syn reject with tcp reset",
    "icmp type echo-request reject with icmp net-prohibited",
    "icmpv6 type echo-request reject",
    "ip daddr 10.7.0.100 reject",
    "ip6 daddr fd09::2 reject with icmpv6 addr-unreachable",
];

/// Each is tried alone on what the router itself sends: answers to pings, resets, errors.
const AT_OUTPUT: &[&str] = &[
    "icmp type echo-reply drop",
    "icmpv6 type echo-reply drop",
    "icmp type destination-unreachable drop",
    "icmpv6 type destination-unreachable drop",
    "tcp flags & rst == rst drop",
    "tcp sport 80 drop",
    "ip daddr 10.7.0.2 drop",
    "ip6 saddr fd07::100 drop",
    "oifname \"in0\" meta nfproto ipv4 drop",
    "oifname \"out0\" drop",
    "meta l4proto { tcp, udp } drop",
    "ip ttl 64 drop",
    "ip length > 40 drop",
];

#[test]
fn the_kernel_answers_the_same_at_other_hooks() {
    let name = "answers::the_kernel_answers_the_same_at_other_hooks";
    netns::run(name, || {
        if !nft::is_there(name) {
            return;
        }
        let mut kernel = Kernel::new();
        for key in ["ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"] {
            let file = format!("/proc/sys/net/{key}");
            std::fs::write(file, "0").expect("a namespace of our own");
        }
        let at = |hooks: &'static [&str], rules: &'static [&str]| {
            let each = hooks.iter();
            each.flat_map(move |hook| rules.iter().map(move |rule| (*hook, *rule)))
        };
        let rejecting = at(&["prerouting", "input", "forward"], REJECTING);
        for (hook, rule) in rejecting.chain(at(&["output", "postrouting"], AT_OUTPUT)) {
            let ruleset = format!(
                "table inet t {{ chain c {{\ntype filter hook {hook} priority 0\n{rule}\n}}\n}}\n"
            );
            nft::load(&ruleset);
            // Each with all the errors that it may send.
            let mut ours = Ours::new();
            let parsed = ruleset.parse();
            let parsed = parsed.unwrap_or_else(|error| panic!("{rule}: {error}"));
            ours.stack.set_filter(parsed).expect("rules that can be");
            for probe in probes() {
                let (theirs, said) = (kernel.answers(&probe), ours.answers(&probe));
                assert_eq!(said, theirs, "{hook}: {rule}: about {probe:02x?}");
            }
        }
    });
}

/// A datagram, segments and a ping of each family, to the router and to a host behind it.
fn probes() -> Vec<Vec<u8>> {
    let ends = [
        (v4([10, 7, 0], 2), v4([10, 7, 0], 100)),
        (v4([10, 7, 0], 2), v4([10, 9, 0], 2)),
        (v6(0xfd07, 2), v6(0xfd07, 0x100)),
        (v6(0xfd07, 2), v6(0xfd09, 2)),
    ];
    let each = ends.into_iter().flat_map(|(source, dest)| {
        (0..4).map(move |kind| {
            let mut packet = TxPacket::default();
            let protocol = match kind {
                0 => {
                    packet.head.prepend(4).fill(7);
                    put_udp(&mut packet, 4000, 53)
                }
                1 | 2 => {
                    let header = TcpHeader {
                        source_port: 4000,
                        dest_port: 80,
                        seq: SeqNum::new(1000),
                        ack: SeqNum::new(if kind == 2 { 2000 } else { 0 }),
                        flags: [TcpFlags::SYN, TcpFlags::ACK][kind - 1],
                        window: 1000,
                        ..TcpHeader::default()
                    };
                    header.emit(&mut packet.head);
                    ip::TCP
                }
                _ => {
                    packet.head.prepend(4).fill(7);
                    let message = IcmpMessage::EchoRequest { ident: 1, seq: 2 };
                    put_icmp(&mut packet, &message, source.is_ipv4())
                }
            };
            transport::fill_checksum(&mut packet, source, dest, protocol, false);
            IpHeader::new(source, dest, protocol, packet.head.len()).emit(&mut packet.head);
            packet.head.to_vec()
        })
    });
    each.collect()
}

/// What a packet is that has come back, as far as it has to be the same; `None` for what a host says by itself.
fn answer(bytes: &[u8]) -> Option<String> {
    let header = IpHeader::parse(bytes, bytes.len()).ok()?;
    let payload = bytes.get(header.header_len..)?;
    let what = match header.protocol {
        ip::TCP => {
            let segment = TcpHeader::parse(payload).ok()?;
            let (seq, ack) = (segment.seq.get(), segment.ack.get());
            format!("{:?} seq {seq} ack {ack}", segment.flags)
        }
        ip::ICMP | ip::ICMPV6 => format!("ICMP {:?}", payload.get(..2)?),
        other => format!("protocol {other}"),
    };
    let to_us = [v4([10, 7, 0], 2), v6(0xfd07, 2)].contains(&header.dest);
    to_us.then(|| format!("{} to {}: {what}", header.source, header.dest))
}

impl Kernel {
    /// What comes back for a packet. The kernel answers while it takes it in.
    fn answers(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut out = TxBatch::default();
        out.slot().body.push(bytes.to_vec().into());
        self.input.try_send(&mut out).expect("room");
        let mut received = RxBatch::default();
        while self.input.try_recv(&mut received, 64).is_ok() {}
        let whole = received.packets().iter().map(flat);
        let answers: Vec<_> = whole.filter_map(|bytes| answer(&bytes)).collect();
        // What goes on is not to fill the queue.
        received.clear();
        while self.output.try_recv(&mut received, 64).is_ok() {}
        answers
    }
}

impl Ours {
    /// What comes back for a packet.
    fn answers(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut batch = RxBatch::default();
        batch.slot().frame.extend_from_slice(bytes);
        self.stack
            .handle_batch(self.input, &mut batch, Instant::ZERO);
        let mut out = TxBatch::default();
        self.stack
            .poll_transmit(self.input, &mut out, Instant::ZERO);
        let whole = out.packets().iter().map(|packet| {
            let mut bytes = bytes::BytesMut::new();
            packet.copy_to(&mut bytes);
            bytes
        });
        whole.filter_map(|bytes| answer(&bytes)).collect()
    }
}
