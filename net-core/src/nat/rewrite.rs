//! Packets get the addresses and ports of their flow's translation.

use super::edit::{Delta, put, put_address, word};
use super::quoted::translate_quoted;
use crate::buf::Checksum;
use crate::conntrack::{Direction, Flow, FlowState, FlowStatus, Tracked, Transport, Tuple};
use crate::filter::End;
use crate::hook::PacketView;
use crate::wire::{icmp, ip, ipv4, tcp, udp};
use core::net::IpAddr;

/// Whether a flow asks for another end of its packets that go that way.
#[inline]
pub(crate) fn changes(flow: &Flow, end: End, tracked: Tracked) -> bool {
    let changed = match (end, tracked.direction()) {
        (_, None) => return false,
        (End::Source, Some(Direction::Original)) | (End::Dest, Some(Direction::Reply)) => {
            FlowStatus::SNAT
        }
        (End::Dest, Some(Direction::Original)) | (End::Source, Some(Direction::Reply)) => {
            FlowStatus::DNAT
        }
    };
    flow.status.contains(changed)
}

/// Whether what is to be changed of a transport header lies in the part of the packet that can be.
#[inline]
pub(crate) fn reaches(packet: &PacketView<'_>, transport: &Transport) -> bool {
    let len = match transport.protocol {
        ip::TCP => tcp::CHECKSUM_OFFSET + 2,
        ip::UDP => udp::HEADER_LEN,
        ip::ICMP | ip::ICMPV6 => icmp::HEADER_LEN,
        _ => 0,
    };
    packet.bytes.len() >= transport.at + len
}

/// Translates one end of a packet as its flow asks for, which [`changes`] tells.
#[inline]
pub(crate) fn translate(
    packet: &mut PacketView<'_>,
    transport: Transport,
    end: End,
    flow: &Flow,
    tracked: Tracked,
) {
    let Some(direction) = tracked.direction() else {
        return;
    };
    // What the flow's packets that go this way are to be when they leave.
    let target = flow.tuple(direction.opposite()).inverse();
    let is_icmp = matches!(transport.protocol, ip::ICMP | ip::ICMPV6);
    if is_icmp && tracked.state() == Some(FlowState::Related) {
        translate_quoted(packet, transport, end, &target);
        return;
    }
    set_end(packet, transport, end, &target);
}

/// Gives a packet back the ends that it had before it was translated.
pub(crate) fn translate_back(packet: &mut PacketView<'_>, transport: Transport, before: &Tuple) {
    if reaches(packet, &transport) {
        set_end(packet, transport, End::Source, before);
        set_end(packet, transport, End::Dest, before);
    }
}

#[inline]
fn set_end(packet: &mut PacketView<'_>, transport: Transport, end: End, target: &Tuple) {
    let address = set_address(packet, end, part(target, end).0);
    let header = packet.bytes.get_mut(transport.at..).unwrap_or_default();
    let port = set_port(header, transport.protocol, end, target);
    fix(header, transport.protocol, address, port, packet.checksum);
}

/// An address and port of a tuple.
pub(super) const fn part(tuple: &Tuple, end: End) -> (IpAddr, u16) {
    match end {
        End::Source => (tuple.source, tuple.source_port),
        End::Dest => (tuple.dest, tuple.dest_port),
    }
}

/// Changes the port, or what stands for it, in a transport header to that of `tuple`.
pub(super) fn set_port(header: &mut [u8], protocol: u8, end: End, tuple: &Tuple) -> Delta {
    let (at, port) = match (protocol, end) {
        (ip::TCP | ip::UDP, End::Source) => (0, tuple.source_port),
        (ip::TCP | ip::UDP, End::Dest) => (2, tuple.dest_port),
        // The identifier of an echo is one for both ends.
        (ip::ICMP | ip::ICMPV6, _) => (4, tuple.source_port),
        _ => return Delta::default(),
    };
    let mut delta = Delta::default();
    if let Some(old) = word(header, at).filter(|old| *old != port) {
        put(header, at, port);
        delta.word(old, port);
    }
    delta
}

/// Brings the checksum of a transport header in order, after an address of the pseudo-header (RFC 9293
/// §3.1, RFC 8200 §8.1) and the rest of what it covers have changed; by how much itself has.
pub(super) fn fix(
    header: &mut [u8],
    protocol: u8,
    address: Delta,
    rest: Delta,
    state: Checksum,
) -> Delta {
    let at = match protocol {
        ip::TCP => tcp::CHECKSUM_OFFSET,
        ip::UDP => udp::CHECKSUM_OFFSET,
        ip::ICMP | ip::ICMPV6 => icmp::CHECKSUM_OFFSET,
        _ => return Delta::default(),
    };
    let mut delta = Delta::default();
    if protocol != ip::ICMP {
        delta.add(address);
    }
    if let Checksum::Partial { .. } = state {
        // The field holds the sum of the pseudo-header alone.
        delta.fix_sum(header, at);
        return Delta::default();
    }
    delta.add(rest);
    delta.fix_checksum(header, at, protocol == ip::UDP)
}

/// Changes an address of a packet, and the checksum of its IP header.
pub(super) fn set_address(packet: &mut PacketView<'_>, end: End, new: IpAddr) -> Delta {
    let old = match end {
        End::Source => core::mem::replace(&mut packet.ip.source, new),
        End::Dest => core::mem::replace(&mut packet.ip.dest, new),
    };
    set_header_address(packet.bytes, end, old, new).0
}

/// Changes an address in the IP header at the front of `bytes`: by how much the sum of what has the
/// address changes, and that of what has the header's checksum.
pub(super) fn set_header_address(
    bytes: &mut [u8],
    end: End,
    old: IpAddr,
    new: IpAddr,
) -> (Delta, Delta) {
    let mut address = Delta::default();
    if old == new {
        return (address, address);
    }
    let at = match (end, old) {
        (End::Source, IpAddr::V4(_)) => 12,
        (End::Dest, IpAddr::V4(_)) => 16,
        (End::Source, IpAddr::V6(_)) => 8,
        (End::Dest, IpAddr::V6(_)) => 24,
    };
    put_address(bytes, at, new);
    address.address(old, new);
    let header = if old.is_ipv4() {
        address.fix_checksum(bytes, ipv4::CHECKSUM_OFFSET, false)
    } else {
        Delta::default()
    };
    (address, header)
}
