//! Anything may arrive, at any time, whatever the application does: no panic, no packet of ours
//! that breaks the rules, no memory beyond the budget, and nothing left when all is closed.
#![no_main]

use arbitrary::Arbitrary;
use bytes::BytesMut;
use fuzz::flows::{HOST, PEER, Segment};
use fuzz::host::{Host, LISTENER, SERVER, UDP};
use libfuzzer_sys::fuzz_target;
use net_core::buf::{Gso, GsoKind, RxPacket, TxPacket};
use net_core::tcp::{RecvFlags, SendFlags};
use net_core::time::Duration;
use net_core::wire::checksum::checksum;
use net_core::wire::ipv6_ext::HOP_BY_HOP;
use net_core::wire::transport::fill_checksum;
use net_core::wire::{IcmpMessage, IpHeader, UdpHeader, icmpv4, igmp, ip};
use std::net::IpAddr;

#[derive(Debug, Arbitrary)]
enum Step {
    Raw(Vec<u8>),
    Segment {
        flow: u8,
        segment: Segment,
        gso: Option<u16>,
        /// Into how many pieces the payload falls.
        pieces: u8,
    },
    Datagram {
        port: bool,
        len: u16,
    },
    /// An error about what the host sent last.
    Icmp {
        kind: u8,
        value: u16,
    },
    Wait(u16),
    WaitLong(u16),
    Accept,
    Send {
        socket: u8,
        len: u16,
        more: bool,
    },
    Recv {
        socket: u8,
        len: u16,
        peek: bool,
    },
    Finish(u8),
    ShutdownRead(u8),
    Abort(u8),
    Close(u8),
    /// A frame as it is, where the host is on an Ethernet.
    Frame(Vec<u8>),
    /// An ICMPv6 message, of neighbour discovery or about groups for instance.
    Icmpv6 {
        source: u8,
        dest: u8,
        hops: bool,
        alert: bool,
        message: Vec<u8>,
    },
    Igmp {
        alert: bool,
        message: Vec<u8>,
    },
    Membership {
        socket: u8,
        what: u8,
        group: u8,
    },
}

fuzz_target!(|input: (u8, Vec<Step>)| {
    let (seed, steps) = input;
    let mut host = Host::new(seed.into());
    for step in steps.iter().take(200) {
        run(&mut host, step);
    }
    host.end();
});

fn run(host: &mut Host, step: &Step) {
    match *step {
        Step::Raw(ref bytes) => {
            let mut bytes = bytes.clone();
            fuzz::repair_ipv4(&mut bytes);
            host.receive_bytes(&bytes);
        }
        Step::Segment {
            flow,
            ref segment,
            gso,
            pieces,
        } => receive_segment(host, flow, segment, gso, pieces),
        Step::Datagram { port, len } => {
            let len = usize::from(len) % 1400;
            let mut packet = TxPacket::default();
            let header = UdpHeader {
                source_port: 9,
                dest_port: if port { UDP } else { 7 },
                length: 8 + len as u16,
                checksum: 0,
            };
            header.emit(&mut packet.head);
            packet.body.push(vec![1; len].into());
            send(host, packet, ip::UDP);
        }
        Step::Icmp { kind, value } => {
            let code = value as u8;
            let message = match kind % 4 {
                0 => IcmpMessage::Unreachable { code },
                1 => IcmpMessage::PacketTooBig { mtu: value.into() },
                2 => IcmpMessage::TimeExceeded { code },
                _ => IcmpMessage::EchoRequest {
                    ident: value,
                    seq: 1,
                },
            };
            let mut packet = TxPacket::default();
            icmpv4::emit(&message, &mut packet.head);
            packet.body.push(host.last_sent.clone().into());
            send(host, packet, ip::ICMP);
        }
        Step::Wait(ms) => host.wait(Duration::from_millis(ms.into())),
        Step::WaitLong(seconds) => host.wait(Duration::from_secs(seconds.into())),
        Step::Accept => host.accept(),
        Step::Send { socket, len, more } => {
            let flags = if more {
                SendFlags::MORE
            } else {
                SendFlags::empty()
            };
            host.send(socket, len, flags);
        }
        Step::Recv { socket, len, peek } => {
            let flags = if peek {
                RecvFlags::PEEK
            } else {
                RecvFlags::empty()
            };
            host.recv(socket, len, flags);
        }
        Step::Finish(which) => {
            if let Some(mut tcp) = host.stack.tcp(host.pick(which), host.now) {
                tcp.finish();
            }
        }
        Step::ShutdownRead(which) => {
            if let Some(mut tcp) = host.stack.tcp(host.pick(which), host.now) {
                tcp.shutdown_read();
            }
        }
        Step::Abort(which) => {
            if let Some(mut tcp) = host.stack.tcp(host.pick(which), host.now) {
                tcp.abort();
            }
        }
        Step::Close(which) => close(host, which),
        Step::Frame(ref bytes) => {
            host.receive_frame(RxPacket::from_frame(BytesMut::from(&bytes[..])))
        }
        Step::Icmpv6 {
            source,
            dest,
            hops,
            alert,
            ref message,
        } => receive_icmpv6(host, [source, dest], hops, alert, message),
        Step::Igmp { alert, ref message } => receive_igmp(host, alert, message),
        Step::Membership {
            socket,
            what,
            group,
        } => host.change_membership(socket, what, group),
    }
    host.settle();
}

fn receive_icmpv6(
    host: &mut Host,
    [source, dest]: [u8; 2],
    hops: bool,
    alert: bool,
    message: &[u8],
) {
    const SOURCES: [&str; 4] = ["::", "fe80::2", "fd00::2", "fe80::9"];
    const DESTS: [&str; 6] = [
        "ff02::1",
        "fd00::1",
        "ff02::1:ff00:1",
        "ff02::2",
        "ff02::16",
        "ff15::1",
    ];
    let source: IpAddr = SOURCES[usize::from(source) % 4]
        .parse()
        .expect("an address");
    let dest: IpAddr = DESTS[usize::from(dest) % 6].parse().expect("an address");
    let mut packet = TxPacket::default();
    let message = &message[..message.len().min(180)];
    packet.head.prepend(message.len()).copy_from_slice(message);
    if let Some(sum) = packet.head.get_mut(2..4) {
        sum.fill(0);
    }
    fill_checksum(&mut packet, source, dest, ip::ICMPV6, false);
    let mut protocol = ip::ICMPV6;
    if alert {
        let header = [ip::ICMPV6, 0, 5, 2, 0, 0, 1, 0];
        packet.head.prepend(8).copy_from_slice(&header);
        protocol = HOP_BY_HOP;
    }
    let header = IpHeader {
        ttl: if hops { 255 } else { 1 },
        ..IpHeader::new(source, dest, protocol, packet.len())
    };
    header.emit(&mut packet.head);
    let mut bytes = BytesMut::new();
    packet.copy_to(&mut bytes);
    host.receive_bytes(&bytes);
}

fn receive_igmp(host: &mut Host, alert: bool, message: &[u8]) {
    let mut message = message.to_vec();
    if let Some(field) = message.get_mut(2..4) {
        field.fill(0);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    let options: &[u8] = if alert { &[0x94, 4, 0, 0] } else { &[] };
    let dest = IpAddr::from([224, 0, 0, 1]);
    let len = options.len() + message.len();
    let mut packet = TxPacket::default();
    IpHeader::new(PEER, dest, igmp::PROTOCOL, len).emit(&mut packet.head);
    let mut bytes = packet.head.to_vec();
    bytes[0] += (options.len() / 4) as u8;
    bytes.extend_from_slice(options);
    bytes.extend_from_slice(&message);
    fuzz::repair_ipv4(&mut bytes);
    host.receive_bytes(&bytes);
}

fn close(host: &mut Host, which: u8) {
    // The listener, the UDP socket and the client keep their places in the list.
    if host.sockets.len() > 3 {
        let at = 3 + usize::from(which) % (host.sockets.len() - 3);
        let socket = host.sockets.remove(at);
        host.stack.close(socket, host.now);
    }
}

fn receive_segment(host: &mut Host, flow: u8, segment: &Segment, gso: Option<u16>, pieces: u8) {
    let client = host.flows.keys().find(|flow| flow.1 == SERVER).copied();
    let (own, peer) = match (flow % 4, client) {
        (0 | 1, Some(flow)) => flow,
        (2, _) => (LISTENER, 2000 + u16::from(flow >> 2 & 7)),
        _ => (LISTENER + 1, 3000),
    };
    let numbers = host.flows.get(&(own, peer)).copied().unwrap_or_default();
    let seq = numbers.seq.wrapping_add_signed(segment.seq.into());
    let ack = numbers.ack.wrapping_add_signed(segment.ack.into());
    let payload = segment.payload();
    let bytes = segment.packet(peer, own, seq, ack, &payload);
    let mut packet = RxPacket::from_frame(BytesMut::from(&bytes[..]));
    packet.meta.gso = gso.map(|size| Gso {
        kind: GsoKind::Tcp4,
        size,
        ecn: false,
    });
    split(&mut packet, payload.len(), pieces);
    host.receive(packet);
}

/// Moves the payload into pieces of their own.
fn split(packet: &mut RxPacket, len: usize, pieces: u8) {
    let headers = packet.frame.len() - len;
    let pieces = usize::from(pieces % 5);
    if pieces == 0 || len == 0 {
        return;
    }
    let payload = packet.frame.split_off(headers).freeze();
    for piece in payload.chunks(len.div_ceil(pieces)) {
        let bytes = payload.slice_ref(piece);
        packet
            .frags
            .push(net_core::buf::Chunk { bytes, pins: 2048 });
    }
}

fn send(host: &mut Host, mut packet: TxPacket, protocol: u8) {
    let len = packet.len();
    fill_checksum(&mut packet, PEER, HOST, protocol, false);
    IpHeader::new(PEER, HOST, protocol, len).emit(&mut packet.head);
    let mut bytes = BytesMut::new();
    packet.copy_to(&mut bytes);
    host.receive_bytes(&bytes);
}
