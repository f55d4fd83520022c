//! The IPv4 header (RFC 791 §3.1).

use super::checksum::{Sum, checksum, checksum_after};
use super::ip::{DSCP_MASK, ECN_CE, Fragment, IpHeader};
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use core::net::{IpAddr, Ipv4Addr};
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a header without options.
pub const MIN_HEADER_LEN: usize = 20;

/// Where in the header the total length is.
pub(crate) const LENGTH_OFFSET: usize = 2;
/// Where in the header the identification is.
pub(crate) const ID_OFFSET: usize = 4;
/// Where in the header the flags and the fragment offset are.
pub(crate) const FRAGMENT_OFFSET: usize = 6;
/// Where in the header the protocol number is.
pub(crate) const PROTOCOL_OFFSET: usize = 9;
/// Where in the header its checksum is.
pub(crate) const CHECKSUM_OFFSET: usize = 10;
/// Where in the header the source address is.
const SOURCE_OFFSET: usize = 12;

/// The option Router Alert (RFC 2113 §2.1).
const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

/// The flag DF among flags and fragment offset.
pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// The fixed part of the header as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    version_ihl: u8,
    tos: u8,
    total_len: U16,
    id: U16,
    fragment: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    source: [u8; 4],
    dest: [u8; 4],
}

impl Fixed {
    /// The header with its length in bytes, which is at least 20.
    #[inline]
    fn read(bytes: &[u8]) -> Result<(&Self, usize), DropReason> {
        let (fixed, _) = Self::ref_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
        let header_len = usize::from(fixed.version_ihl & 0xf) * 4;
        if header_len < MIN_HEADER_LEN {
            return Err(DropReason::IpHeader);
        }
        Ok((fixed, header_len))
    }

    #[inline]
    fn to_header(&self, header_len: usize, payload_len: usize) -> IpHeader {
        let fragment = self.fragment.get();
        IpHeader {
            source: IpAddr::V4(Ipv4Addr::from(self.source)),
            dest: IpAddr::V4(Ipv4Addr::from(self.dest)),
            protocol: self.protocol,
            ttl: self.ttl,
            tos: self.tos,
            header_len,
            payload_len,
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            fragment: (fragment & (MORE_FRAGMENTS | OFFSET_MASK) != 0).then_some(Fragment {
                offset: (fragment & OFFSET_MASK) << 3,
                more: fragment & MORE_FRAGMENTS != 0,
                id: self.id.get().into(),
            }),
            id: self.id.get(),
        }
    }
}

#[inline]
pub(super) fn parse(frame: &[u8], total_len: usize) -> Result<IpHeader, DropReason> {
    let (fixed, header_len) = Fixed::read(frame)?;
    let header = frame.get(..header_len).ok_or(DropReason::Truncated)?;
    let sum = match header.try_into() {
        Ok(plain) => header_checksum(plain),
        Err(_) => checksum(header),
    };
    if sum != 0 {
        return Err(DropReason::IpChecksum);
    }
    let length = match usize::from(fixed.total_len.get()) {
        0 if total_len > usize::from(u16::MAX) => total_len,
        length => length,
    };
    if length > total_len {
        return Err(DropReason::Truncated);
    }
    let payload_len = length.checked_sub(header_len).ok_or(DropReason::IpHeader)?;
    Ok(fixed.to_header(header_len, payload_len))
}

/// The checksum of a header without options.
#[inline]
pub(crate) fn header_checksum(header: &[u8; MIN_HEADER_LEN]) -> u16 {
    let mut sum = Sum::new();
    sum.add_header(header);
    sum.fold()
}

/// Makes a header that of a fragment with `total_len` bytes, or of a whole packet where `place` says
/// so, and sums it anew. DF is cleared: what is cut may be cut again.
pub(crate) fn set_fragment(header: &mut [u8], total_len: u16, place: Fragment) {
    let id = u16::try_from(place.id & 0xffff).unwrap_or(0);
    for (at, value) in [
        (LENGTH_OFFSET, total_len),
        (ID_OFFSET, id),
        (FRAGMENT_OFFSET, place_bits(place)),
    ] {
        put(header, at, value);
    }
    sum_anew(header);
}

/// Prepends a header with the option that asks routers to look at the packet (RFC 2113).
pub(crate) fn emit_with_router_alert(header: &IpHeader, head: &mut HeadBuf) {
    header.emit(head);
    insert_options(head, &ROUTER_ALERT);
}

/// Puts options into a header that has none; they are a multiple of four bytes.
pub(crate) fn insert_options(head: &mut HeadBuf, options: &[u8]) {
    let len = options.len();
    head.prepend(len);
    let end = MIN_HEADER_LEN + len;
    let total_len = head
        .get(len + LENGTH_OFFSET..)
        .and_then(|field| field.first_chunk());
    let total_len = usize::from(u16::from_be_bytes(*total_len.unwrap_or(&[0; 2])));
    let Some(header) = head.get_mut(..end) else {
        return;
    };
    header.copy_within(len.., 0);
    let (fixed, behind) = header.split_at_mut(MIN_HEADER_LEN);
    behind.copy_from_slice(options);
    if let Some(version_ihl) = fixed.first_mut() {
        *version_ihl += u8::try_from(len / 4).unwrap_or(0);
    }
    complete(header, total_len + len, None, None);
}

/// Fills in what whoever wrote a header left to the stack: the length, `source` and `id` where they are
/// given, and the checksum.
pub(crate) fn complete(
    header: &mut [u8],
    total_len: usize,
    source: Option<Ipv4Addr>,
    id: Option<u32>,
) {
    put(header, LENGTH_OFFSET, u16::try_from(total_len).unwrap_or(0));
    if let Some(id) = id {
        put(header, ID_OFFSET, u16::try_from(id & 0xffff).unwrap_or(0));
    }
    if let Some(source) = source
        && let Some(field) = header.get_mut(SOURCE_OFFSET..SOURCE_OFFSET + 4)
    {
        field.copy_from_slice(&source.octets());
    }
    sum_anew(header);
}

/// Brings the checksum of a header in order that has been changed.
pub(crate) fn sum_anew(header: &mut [u8]) {
    put(header, CHECKSUM_OFFSET, 0);
    let sum = checksum(header);
    put(header, CHECKSUM_OFFSET, sum);
}

const fn place_bits(place: Fragment) -> u16 {
    let more = if place.more { MORE_FRAGMENTS } else { 0 };
    place.offset >> 3 | more
}

fn put(header: &mut [u8], at: usize, value: u16) {
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

pub(super) fn parse_quoted(quotation: &[u8]) -> Result<IpHeader, DropReason> {
    let (fixed, header_len) = Fixed::read(quotation)?;
    if quotation.len() < header_len {
        return Err(DropReason::Truncated);
    }
    let payload_len = usize::from(fixed.total_len.get()).saturating_sub(header_len);
    Ok(fixed.to_header(header_len, payload_len))
}

/// See [`ip::mark_if_capable`](super::ip::mark_if_capable).
pub(super) fn mark_if_capable(packet: &mut [u8]) -> bool {
    let Ok((fixed, _)) = Fixed::mut_from_prefix(packet) else {
        return false;
    };
    let capable = fixed.tos & ECN_CE != 0;
    if capable {
        let marked = fixed.tos | ECN_CE;
        let change = u16::from(marked - fixed.tos);
        fixed.tos = marked;
        fixed.checksum = U16::new(checksum_after(fixed.checksum.get(), 0, change));
    }
    capable
}

/// See [`ip::clear_dscp`](super::ip::clear_dscp).
pub(super) fn clear_dscp(packet: &mut [u8]) {
    if let Ok((fixed, _)) = Fixed::mut_from_prefix(packet) {
        let left = fixed.tos & !DSCP_MASK;
        let checksum = checksum_after(fixed.checksum.get(), fixed.tos.into(), left.into());
        fixed.checksum = U16::new(checksum);
        fixed.tos = left;
    }
}

/// See [`ip::decrement_hops`](super::ip::decrement_hops). The checksum follows (RFC 1141).
pub(super) fn decrement_hops(packet: &mut [u8]) {
    if let Ok((fixed, _)) = Fixed::mut_from_prefix(packet) {
        let word = |ttl| u16::from_be_bytes([ttl, fixed.protocol]);
        let ttl = fixed.ttl.saturating_sub(1);
        let checksum = checksum_after(fixed.checksum.get(), word(fixed.ttl), word(ttl));
        fixed.checksum = U16::new(checksum);
        fixed.ttl = ttl;
    }
}

#[inline]
pub(super) fn emit(header: &IpHeader, source: Ipv4Addr, dest: Ipv4Addr, head: &mut HeadBuf) {
    let mut fragment = if header.dont_fragment {
        DONT_FRAGMENT
    } else {
        0
    };
    if let Some(place) = header.fragment {
        fragment |= place_bits(place);
    }
    let length = header.payload_len.saturating_add(MIN_HEADER_LEN);
    let mut fixed = Fixed {
        version_ihl: 0x45,
        tos: header.tos,
        total_len: U16::new(u16::try_from(length).unwrap_or(0)),
        id: U16::new(header.id),
        fragment: U16::new(fragment),
        ttl: header.ttl,
        protocol: header.protocol,
        checksum: U16::ZERO,
        source: source.octets(),
        dest: dest.octets(),
    };
    let sum = fixed.as_bytes().try_into().map_or(0, header_checksum);
    fixed.checksum = U16::new(sum);
    head.prepend(MIN_HEADER_LEN)
        .copy_from_slice(fixed.as_bytes());
}
