//! The IPv6 header (RFC 8200 §3), without extension headers.

use super::ip::{DSCP_MASK, ECN_CE, IpHeader};
use super::ipv6_ext::HOP_BY_HOP;
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use core::net::{IpAddr, Ipv6Addr};
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const HEADER_LEN: usize = 40;

/// Where in the header the payload length is.
pub(crate) const LENGTH_OFFSET: usize = 4;
/// Where in the header the protocol number is.
pub(crate) const NEXT_HEADER_OFFSET: usize = 6;

/// The header as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    version_class_flow: U32,
    payload_len: U16,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    dest: [u8; 16],
}

impl Fixed {
    #[inline]
    fn read(bytes: &[u8]) -> Result<&Self, DropReason> {
        let (fixed, _) = Self::ref_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
        Ok(fixed)
    }

    #[inline]
    fn to_header(&self, payload_len: usize) -> IpHeader {
        let [first, second, ..] = self.version_class_flow.to_bytes();
        IpHeader {
            source: IpAddr::V6(Ipv6Addr::from(self.source)),
            dest: IpAddr::V6(Ipv6Addr::from(self.dest)),
            protocol: self.next_header,
            ttl: self.hop_limit,
            tos: first << 4 | second >> 4,
            header_len: HEADER_LEN,
            payload_len,
            dont_fragment: true,
            fragment: None,
            id: 0,
        }
    }
}

#[inline]
pub(super) fn parse(frame: &[u8], total_len: usize) -> Result<IpHeader, DropReason> {
    let fixed = Fixed::read(frame)?;
    let room = total_len
        .checked_sub(HEADER_LEN)
        .ok_or(DropReason::Truncated)?;
    let payload_len = match usize::from(fixed.payload_len.get()) {
        0 if fixed.next_header == HOP_BY_HOP => return Err(DropReason::Jumbogram),
        0 if room > usize::from(u16::MAX) => room,
        length => length,
    };
    if payload_len > room {
        return Err(DropReason::Truncated);
    }
    Ok(fixed.to_header(payload_len))
}

/// Writes the payload length of a header; 0 where it is too long for the field.
pub(crate) fn set_payload_len(header: &mut [u8], payload_len: usize) {
    if let Some(field) = header.get_mut(LENGTH_OFFSET..LENGTH_OFFSET + 2) {
        let len = u16::try_from(payload_len).unwrap_or(0);
        field.copy_from_slice(&len.to_be_bytes());
    }
}

pub(super) fn parse_quoted(quotation: &[u8]) -> Result<IpHeader, DropReason> {
    let fixed = Fixed::read(quotation)?;
    Ok(fixed.to_header(usize::from(fixed.payload_len.get())))
}

/// See [`ip::mark_if_capable`](super::ip::mark_if_capable).
pub(super) fn mark_if_capable(packet: &mut [u8]) -> bool {
    let Ok((fixed, _)) = Fixed::mut_from_prefix(packet) else {
        return false;
    };
    let word = fixed.version_class_flow.get();
    let marked = word | u32::from(ECN_CE) << 20;
    let capable = word & u32::from(ECN_CE) << 20 != 0;
    if capable {
        fixed.version_class_flow = U32::new(marked);
    }
    capable
}

/// See [`ip::clear_dscp`](super::ip::clear_dscp).
pub(super) fn clear_dscp(packet: &mut [u8]) {
    if let Ok((fixed, _)) = Fixed::mut_from_prefix(packet) {
        let word = fixed.version_class_flow.get();
        fixed.version_class_flow = U32::new(word & !(u32::from(DSCP_MASK) << 20));
    }
}

/// See [`ip::decrement_hops`](super::ip::decrement_hops).
pub(super) fn decrement_hops(packet: &mut [u8]) {
    if let Ok((fixed, _)) = Fixed::mut_from_prefix(packet) {
        fixed.hop_limit = fixed.hop_limit.saturating_sub(1);
    }
}

#[inline]
pub(super) fn emit(header: &IpHeader, source: Ipv6Addr, dest: Ipv6Addr, head: &mut HeadBuf) {
    let fixed = Fixed {
        version_class_flow: U32::new(6 << 28 | u32::from(header.tos) << 20),
        payload_len: U16::new(u16::try_from(header.payload_len).unwrap_or(0)),
        next_header: header.protocol,
        hop_limit: header.ttl,
        source: source.octets(),
        dest: dest.octets(),
    };
    head.prepend(HEADER_LEN).copy_from_slice(fixed.as_bytes());
}
