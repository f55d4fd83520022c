//! Transport checksums over packets that lie in several pieces.

use super::checksum::{Sum, pseudo_header};
use super::{IpHeader, icmp, ip, ipv4, ipv6, tcp, udp};
use crate::buf::{Checksum, RxPacket, TxPacket};
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use core::net::IpAddr;

/// Fills in the checksum of the transport header that begins `packet.head`; call it before the IP
/// header is prepended, with the field still 0.
///
/// With `offload` the field gets the sum of the pseudo-header only and the packet is marked
/// [`Checksum::Partial`]: for a device that completes it, and for super-segments, whose segments are
/// summed when they are cut ([`gso::segment`](crate::offload::gso::segment)). Protocols without a
/// checksum that is known here are left alone.
#[inline]
pub fn fill_checksum(
    packet: &mut TxPacket,
    source: IpAddr,
    dest: IpAddr,
    protocol: u8,
    offload: bool,
) {
    packet.meta.checksum = Checksum::Verified;
    let Some(offset) = checksum_offset(protocol) else {
        return;
    };
    let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    let mut sum = if protocol == ip::ICMP {
        Sum::new()
    } else {
        pseudo_header(source, dest, protocol, len)
    };
    let field = if offload {
        let start = match dest {
            IpAddr::V4(_) => ipv4::MIN_HEADER_LEN,
            IpAddr::V6(_) => ipv6::HEADER_LEN,
        };
        packet.meta.checksum = Checksum::Partial {
            start: u16::try_from(start).unwrap_or(0),
            offset: u16::try_from(offset).unwrap_or(0),
        };
        sum.partial()
    } else {
        sum.add_bytes(&packet.head);
        for piece in &packet.body {
            sum.add_bytes(piece);
        }
        finish(sum, protocol)
    };
    if let Some(place) = packet.head.get_mut(offset..offset + 2) {
        place.copy_from_slice(&field.to_be_bytes());
    }
}

/// Says of a packet of our own that comes in again before it is summed that its checksum is not
/// computed: the field gets the sum of the pseudo-header.
pub(crate) fn leave_checksum(packet: &mut RxPacket, header: &IpHeader) {
    let Some(offset) = checksum_offset(header.protocol) else {
        return;
    };
    let len = u32::try_from(header.payload_len).unwrap_or(u32::MAX);
    let sum = match header.protocol {
        ip::ICMP => Sum::new(),
        protocol => pseudo_header(header.source, header.dest, protocol, len),
    };
    let at = header.header_len + offset;
    if let Some(field) = packet.frame.get_mut(at..at + 2) {
        field.copy_from_slice(&sum.partial().to_be_bytes());
        packet.meta.checksum = Checksum::Partial {
            start: u16::try_from(header.header_len).unwrap_or(0),
            offset: u16::try_from(offset).unwrap_or(0),
        };
    }
}

/// Completes a [`Checksum::Partial`], for a device that does not do it, a capture or a quotation.
///
/// The IP header must be in place; a packet in another state is left as it is. A super-segment gets
/// the sum over the whole of it.
pub fn complete_checksum(packet: &mut TxPacket) {
    let Checksum::Partial { start, offset } = packet.meta.checksum else {
        return;
    };
    let start = usize::from(start) + usize::from(packet.meta.link_len);
    let offset = usize::from(offset);
    let Some(transport) = packet.head.get(start..) else {
        return;
    };
    let mut sum = Sum::new();
    sum.add_bytes(transport);
    for piece in &packet.body {
        sum.add_bytes(piece);
    }
    // 0 means "no checksum" in UDP and is as good as 0xffff everywhere else (RFC 768).
    let field = nonzero(sum.fold());
    if let Some(place) = packet.head.get_mut(start + offset..start + offset + 2) {
        place.copy_from_slice(&field.to_be_bytes());
        packet.meta.checksum = Checksum::Verified;
    }
}

/// Verifies the transport checksum of a received packet whose header is `header`, unless the device
/// has said that it is right or not needed.
///
/// # Errors
/// [`DropReason::TransportChecksum`] if it is wrong, or missing from UDP over IPv6 (RFC 8200 §8.1);
/// [`DropReason::Truncated`] if the packet is too short to have one.
#[inline]
pub fn verify_checksum(packet: &RxPacket, header: &IpHeader) -> Result<(), DropReason> {
    if packet.meta.checksum != Checksum::Unknown {
        return Ok(());
    }
    let Some(offset) = checksum_offset(header.protocol) else {
        return Ok(());
    };
    let rest = packet
        .frame
        .get(header.header_len..)
        .ok_or(DropReason::Truncated)?;
    let field = rest
        .get(offset..)
        .and_then(|bytes| bytes.first_chunk::<2>())
        .ok_or(DropReason::Truncated)?;
    if header.protocol == ip::UDP && *field == [0, 0] {
        return match header.dest {
            IpAddr::V4(_) => Ok(()),
            IpAddr::V6(_) => Err(DropReason::TransportChecksum),
        };
    }
    let mut left = header.payload_len;
    let mut sum = if header.protocol == ip::ICMP {
        Sum::new()
    } else {
        let len = u32::try_from(left).unwrap_or(u32::MAX);
        pseudo_header(header.source, header.dest, header.protocol, len)
    };
    for piece in core::iter::once(rest).chain(packet.frags.iter().map(|chunk| &chunk.bytes[..])) {
        let piece = piece.get(..left).unwrap_or(piece);
        sum.add_bytes(piece);
        left -= piece.len();
    }
    if left > 0 {
        return Err(DropReason::Truncated);
    }
    if sum.fold() == 0 {
        Ok(())
    } else {
        Err(DropReason::TransportChecksum)
    }
}

/// What an ICMP error lets one know of the transport header that it quotes: eight bytes at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotedPorts {
    /// Source port: ours, as we sent the packet.
    pub source_port: u16,
    /// Destination port: the peer's.
    pub dest_port: u16,
    /// The sequence number, if it is TCP.
    pub seq: SeqNum,
}

impl QuotedPorts {
    /// Reads the quoted bytes behind the quoted IP header; `None` if there are fewer than eight.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, h] = bytes.first_chunk::<8>()?;
        Some(Self {
            source_port: u16::from_be_bytes([a, b]),
            dest_port: u16::from_be_bytes([c, d]),
            seq: SeqNum::new(u32::from_be_bytes([e, f, g, h])),
        })
    }
}

/// Where in its header a protocol has its checksum.
#[inline]
#[must_use]
pub const fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        ip::TCP => Some(tcp::CHECKSUM_OFFSET),
        ip::UDP => Some(udp::CHECKSUM_OFFSET),
        ip::ICMP | ip::ICMPV6 => Some(icmp::CHECKSUM_OFFSET),
        _ => None,
    }
}

/// The value of the checksum field: UDP sends 0 as 0xffff, since 0 there means none (RFC 768).
#[inline]
#[must_use]
pub(crate) const fn finish(sum: Sum, protocol: u8) -> u16 {
    let field = sum.fold();
    if protocol == ip::UDP {
        nonzero(field)
    } else {
        field
    }
}

const fn nonzero(field: u16) -> u16 {
    if field == 0 { 0xffff } else { field }
}
