//! Tables of several chains with sets, marks, limits and flows.

use crate::{Kernel, Ours, compare_table, flat, load, put_icmp, put_udp, v4, v6};
use net_core::Instant;
use net_core::buf::{RxBatch, TxBatch, TxPacket};
use net_core::seed::{Rng, Seed};
use net_core::tcp::SeqNum;
use net_core::wire::{IcmpMessage, IpHeader, TcpFlags, TcpHeader, ip, transport};
use tests::{netns, nft};

/// Each is tried alone.
const TABLES: &[&str] = &[
    // A chain that ends by itself, and one that a rule ends.
    "chain web { tcp dport 443 return; tcp dport { 80, 443 } drop; }
    chain c { type filter hook forward priority 0; jump web; tcp dport 443 ip ttl < 64 drop; }",
    // Behind the end of a chain that was gone to comes the policy, not the next rule.
    "chain web { tcp dport 80 accept; ip ttl 64 return; tcp sport 22 accept; }
    chain c { type filter hook forward priority 0; policy drop; tcp dport { 22, 80 } goto web; accept; }",
    "chain web { tcp dport 80 drop; ip ttl 64 return; tcp sport 22 drop; }
    chain c { type filter hook forward priority 0; tcp dport { 22, 80 } goto web; drop; }",
    "chain c { type filter hook forward priority 0; policy drop; udp dport 53 return; accept; }",
    // What goes on from a chain that was jumped to returns to behind the jump.
    "chain inner { ip ttl 64 drop; ip ttl 255 return; tcp sport 80 accept; }
    chain outer { ip saddr 10.7.0.0/29 goto inner; drop; }
    chain c { type filter hook forward priority 0; tcp dport { 22, 80 } jump outer; udp dport 53 drop;
        tcp sport 443 drop; }",
    "set hosts { type ipv4_addr; flags interval; elements = { 10.7.0.1, 10.7.0.4-10.7.0.6 }; }
    set hosts6 { type ipv6_addr; flags interval; elements = { fd07::4/126 }; }
    set ports { type inet_service; elements = { 22, 443 }; }
    set ends { type ipv4_addr . inet_service; elements = { 10.9.0.2 . 80, 10.9.0.3 . 53 }; }
    chain c { type filter hook forward priority 0; ip saddr @hosts tcp dport @ports drop
        ip daddr . th dport @ends drop; ip6 saddr @hosts6 drop; ip saddr != @hosts udp sport 53 drop; }",
    // Marks that one chain gives and another asks about.
    "chain m { type filter hook prerouting priority -150; udp dport 53 meta mark set 7
        tcp dport 80 meta mark set 0x17; ip ttl 64 meta mark set meta mark & 0xfffffff0 ^ 5; }
    chain c { type filter hook forward priority 0; meta mark 7 drop; meta mark & 0x10 == 0x10 drop
        meta mark 5 udp sport 53 drop; }",
    // As many as are saved up, of those alone that come as far.
    "chain c { type filter hook forward priority 0; tcp dport 80 limit rate 1/hour burst 5 packets drop; }",
    "chain c { type filter hook forward priority 0; ip saddr 10.7.0.0/29 limit rate over 1/day burst 7 packets drop; }",
];

#[test]
fn the_kernel_gives_the_same_verdicts_in_tables_of_chains_and_sets() {
    let name = "chains::the_kernel_gives_the_same_verdicts_in_tables_of_chains_and_sets";
    netns::run(name, || {
        if !nft::is_there(name) {
            return;
        }
        let (mut kernel, mut ours) = (Kernel::new(), Ours::new());
        let mut rng = Seed::from_u64(2027).rng("packets");
        for table in TABLES {
            let passed = compare_table(&mut kernel, &mut ours, table, false, &mut rng);
            assert!((1..crate::PACKETS as usize).contains(&passed), "{table}");
        }
    });
}

/// What may pass that comes from behind the router, and what answers it.
const STATEFUL: &str = "chain c { type filter hook forward priority 0; policy drop
    ct state established,related accept; iifname \"in0\" ct state new th dport != 22 accept
    iifname \"in0\" icmp type echo-request accept; iifname \"in0\" icmpv6 type echo-request accept; }";

#[test]
fn the_kernel_lets_the_same_answers_pass() {
    let name = "chains::the_kernel_lets_the_same_answers_pass";
    netns::run(name, || {
        if !nft::is_there(name) {
            return;
        }
        let (mut kernel, mut ours) = (Kernel::new(), Ours::new());
        load(&mut ours, STATEFUL);
        let mut rng = Seed::from_u64(2028).rng("packets");
        // How many pass and do not, out and back.
        let mut counts = [[0; 2]; 2];
        let (mut last, handshake) = (Vec::new(), handshake());
        let random = (0..PACKETS).map(|_| None);
        for (id, scripted) in (0..).zip(handshake.into_iter().map(Some).chain(random)) {
            let (back, packet) = scripted.unwrap_or_else(|| exchanged(id, &last, &mut rng));
            let theirs = kernel.carries(&packet, back);
            let passes = ours.carries(&packet, back);
            assert_eq!(passes, theirs, "back: {back}: {packet:02x?}");
            counts[usize::from(back)][usize::from(passes)] += 1;
            if !back {
                last = packet;
            }
        }
        let enough = counts.iter().flatten().all(|count| *count > PACKETS / 20);
        assert!(enough, "{counts:?}");
    });
}

/// The segments of a connection, and some that are of none.
fn handshake() -> Vec<(bool, Vec<u8>)> {
    let (syn, ack, fin) = (TcpFlags::SYN, TcpFlags::ACK, TcpFlags::FIN);
    let steps = [
        (true, 80, syn | ack, 2000, 1001),
        (false, 80, syn, 1000, 0),
        (true, 81, syn | ack, 2000, 1001),
        (true, 80, syn | ack, 2000, 1001),
        (false, 80, ack, 1001, 2001),
        (true, 80, ack, 2001, 1001),
        (true, 80, ack, 2001, 900_001),
        (true, 80, fin | ack, 2001, 1001),
        (false, 80, fin | ack, 1001, 2002),
        (true, 80, ack, 2002, 1002),
        (false, 22, syn, 1000, 0),
        (true, 22, syn | ack, 2000, 1001),
    ];
    let segments = steps.into_iter().map(|(back, server, flags, seq, ack)| {
        let (source_port, dest_port) = if back { (server, 4000) } else { (4000, server) };
        let header = TcpHeader {
            source_port,
            dest_port,
            seq: SeqNum::new(seq),
            ack: SeqNum::new(ack),
            flags,
            window: 1000,
            ..TcpHeader::default()
        };
        let mut packet = TxPacket::default();
        header.emit(&mut packet.head);
        (back, finish(packet, true, back, (2, 2), ip::TCP))
    });
    segments.collect()
}

/// A datagram, an echo or an error between few hosts, and whether it comes back; it ends with its number.
fn exchanged(id: u32, last: &[u8], rng: &mut Rng) -> (bool, Vec<u8>) {
    let mut below = |bound: u64| u32::try_from(rng.below(bound)).expect("small");
    let (back, is_v4) = (below(2) == 0, below(3) > 0);
    let hosts = (below(2) + 1, below(2) + 1);
    let mut packet = TxPacket::default();
    packet.head.prepend(4).copy_from_slice(&id.to_be_bytes());
    let protocol = match below(5) {
        0..=2 => {
            let (client, server) = ([4000, 4001][below(2) as usize], [22, 53][below(2) as usize]);
            let (source, dest) = if back {
                (server, client)
            } else {
                (client, server)
            };
            put_udp(&mut packet, source, dest)
        }
        3 => {
            let ident = u16::try_from(below(2)).expect("small");
            let message = if back {
                IcmpMessage::EchoReply { ident, seq: 1 }
            } else {
                IcmpMessage::EchoRequest { ident, seq: 1 }
            };
            put_icmp(&mut packet, &message, is_v4)
        }
        _ => {
            // About what was sent last, or about nothing.
            let is_v4 = last.first().is_none_or(|first| first >> 4 == 4);
            let quoted = if below(4) == 0 { &[0x45; 28][..] } else { last };
            packet.head.prepend(quoted.len()).copy_from_slice(quoted);
            let protocol = put_icmp(&mut packet, &IcmpMessage::Unreachable { code: 1 }, is_v4);
            return (true, finish(packet, is_v4, true, hosts, protocol));
        }
    };
    (back, finish(packet, is_v4, back, hosts, protocol))
}

/// Puts the header of IP in front of a packet from or to one of the near hosts.
fn finish(
    mut packet: TxPacket,
    is_v4: bool,
    back: bool,
    (near, far): (u32, u32),
    protocol: u8,
) -> Vec<u8> {
    let (near, far) = if is_v4 {
        (v4([10, 7, 0], near), v4([10, 9, 0], far))
    } else {
        (v6(0xfd07, near), v6(0xfd09, far))
    };
    let (source, dest) = if back { (far, near) } else { (near, far) };
    transport::fill_checksum(&mut packet, source, dest, protocol, false);
    IpHeader::new(source, dest, protocol, packet.head.len()).emit(&mut packet.head);
    packet.head.to_vec()
}

/// Whether one of these is the packet, which has made a hop.
fn is_among(mut packets: impl Iterator<Item = Vec<u8>>, sent: &[u8]) -> bool {
    let rest = |bytes: &[u8]| bytes.get(12..).map(<[u8]>::to_vec);
    packets.any(|bytes| rest(&bytes) == rest(sent))
}

impl Kernel {
    /// Whether a packet comes out at the other side.
    fn carries(&mut self, bytes: &[u8], back: bool) -> bool {
        let (from, to) = if back {
            (&mut self.output, &mut self.input)
        } else {
            (&mut self.input, &mut self.output)
        };
        let mut out = TxBatch::default();
        out.slot().body.push(bytes.to_vec().into());
        from.try_send(&mut out).expect("room");
        let mut received = RxBatch::default();
        while to.try_recv(&mut received, 64).is_ok() {}
        is_among(received.packets().iter().map(flat), bytes)
    }
}

impl Ours {
    /// Whether a packet comes out at the other side.
    fn carries(&mut self, bytes: &[u8], back: bool) -> bool {
        let (from, to) = if back {
            (self.output, self.input)
        } else {
            (self.input, self.output)
        };
        let mut batch = RxBatch::default();
        batch.slot().frame.extend_from_slice(bytes);
        self.stack.handle_batch(from, &mut batch, Instant::ZERO);
        let mut out = TxBatch::default();
        self.stack.poll_transmit(to, &mut out, Instant::ZERO);
        let whole = out.packets().iter().map(|packet| {
            let mut bytes = bytes::BytesMut::new();
            packet.copy_to(&mut bytes);
            bytes.to_vec()
        });
        is_among(whole, bytes)
    }
}

/// Packets by chance.
const PACKETS: u32 = 600;
