//! The virtio-net header in front of packets of a TUN or TAP (virtio 1.2 §5.1.6), little-endian,
//! in its short form of ten bytes.

use crate::buf::{Checksum, Gso, GsoKind, TxMeta, TxPacket};
use crate::stats::DropReason;
use crate::wire::vlan::TAG_LEN;
use crate::wire::{EtherType, ip, ipv4, ipv6, transport};
use zerocopy::byteorder::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute};

/// Bytes of the header.
pub const LEN: usize = 10;

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// What the header says about a received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offload {
    /// State of the transport checksum.
    pub checksum: Checksum,
    /// Set on a super-segment.
    pub gso: Option<Gso>,
}

/// The header as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct Fixed {
    flags: u8,
    gso_type: u8,
    hdr_len: U16,
    gso_size: U16,
    csum_start: U16,
    csum_offset: U16,
}

/// Reads the header in front of `packet`, which must hold all headers of the packet.
///
/// No field is taken on trust: what is said about checksum and segmentation must agree with the
/// packet's own headers. `hdr_len`, which is only a hint, is not looked at.
///
/// # Errors
/// [`DropReason::BadOffload`] if it contradicts the packet or asks for what was not negotiated.
pub fn parse(header: [u8; LEN], packet: &[u8]) -> Result<Offload, DropReason> {
    parse_frame(header, packet, 0)
}

/// As [`parse`], for a frame with `link_len` bytes in front of its IP header, and a VLAN tag perhaps.
/// Where its checksum begins is told from the IP header on.
///
/// # Errors
/// As [`parse`]; [`DropReason::Truncated`] for a frame without anything behind the link's header.
pub fn parse_frame(
    header: [u8; LEN],
    frame: &[u8],
    link_len: usize,
) -> Result<Offload, DropReason> {
    let mut fixed: Fixed = transmute!(header);
    let link_len = link_len + tag_len(frame, link_len);
    let packet = frame.get(link_len..).ok_or(DropReason::Truncated)?;
    if fixed.flags & NEEDS_CSUM != 0 {
        let start = usize::from(fixed.csum_start.get()).checked_sub(link_len);
        let start = start.and_then(|start| u16::try_from(start).ok());
        fixed.csum_start = U16::new(start.ok_or(DropReason::BadOffload)?);
    }
    if header == [0; LEN] {
        return Ok(Offload::default());
    }
    let checksum = if fixed.flags & NEEDS_CSUM != 0 {
        partial(fixed.csum_start.get(), fixed.csum_offset.get(), packet)?
    } else if fixed.flags & DATA_VALID != 0 {
        Checksum::Verified
    } else {
        Checksum::Unknown
    };
    Ok(Offload {
        checksum,
        gso: gso(fixed, packet)?,
    })
}

/// Bytes of the VLAN tag at the end of a link's header.
fn tag_len(frame: &[u8], link_len: usize) -> usize {
    let ethertype = link_len
        .checked_sub(2)
        .and_then(|at| frame.get(at..link_len));
    if ethertype == Some(&EtherType::VLAN.0.to_be_bytes()[..]) {
        TAG_LEN
    } else {
        0
    }
}

/// The header to put in front of `packet`, from its `meta`.
#[must_use]
pub fn emit(packet: &TxPacket) -> [u8; LEN] {
    header(&packet.meta, packet.head.len())
}

/// The header for a packet with `meta`, which does not have to say how many bytes of headers it has.
#[inline]
pub(super) fn header(meta: &TxMeta, head_len: usize) -> [u8; LEN] {
    let mut fixed: Fixed = transmute!([0_u8; LEN]);
    if let Checksum::Partial { start, offset } = meta.checksum {
        fixed.flags = NEEDS_CSUM;
        fixed.csum_start = U16::new(start + u16::from(meta.link_len));
        fixed.csum_offset = U16::new(offset);
    }
    if let Some(gso) = meta.gso {
        fixed.gso_type = match gso.kind {
            GsoKind::Tcp4 => GSO_TCPV4,
            GsoKind::Tcp6 => GSO_TCPV6,
            GsoKind::Udp => GSO_UDP_L4,
        };
        if gso.ecn {
            fixed.gso_type |= GSO_ECN;
        }
        fixed.gso_size = U16::new(gso.size);
        let header_len = match meta.header_len {
            0 => u16::try_from(head_len).unwrap_or(0),
            len => len,
        };
        fixed.hdr_len = U16::new(header_len);
    }
    transmute!(fixed)
}

/// Checks that the checksum to complete is that of the packet's transport header.
fn partial(start: u16, offset: u16, packet: &[u8]) -> Result<Checksum, DropReason> {
    let (protocol, header_len) = transport_of(packet).ok_or(DropReason::BadOffload)?;
    let begins = usize::from(start);
    // Behind an IPv6 extension header only the order of things can be checked.
    let right = match transport::checksum_offset(protocol) {
        Some(field) => begins == header_len && usize::from(offset) == field,
        None => begins > header_len && packet.first().is_some_and(|byte| byte >> 4 == 6),
    };
    let end = begins + usize::from(offset) + 2;
    if right && end <= packet.len() {
        Ok(Checksum::Partial { start, offset })
    } else {
        Err(DropReason::BadOffload)
    }
}

fn gso(fixed: Fixed, packet: &[u8]) -> Result<Option<Gso>, DropReason> {
    let ecn = fixed.gso_type & GSO_ECN != 0;
    let kind = match fixed.gso_type & !GSO_ECN {
        GSO_NONE if !ecn => return Ok(None),
        GSO_TCPV4 => GsoKind::Tcp4,
        GSO_TCPV6 => GsoKind::Tcp6,
        GSO_UDP_L4 if !ecn => GsoKind::Udp,
        _ => return Err(DropReason::BadOffload),
    };
    let size = fixed.gso_size.get();
    let (protocol, _) = transport_of(packet).ok_or(DropReason::BadOffload)?;
    let agrees = match kind {
        GsoKind::Tcp4 => ip::version(packet) == Some(4) && protocol == ip::TCP,
        GsoKind::Tcp6 => ip::version(packet) == Some(6) && protocol == ip::TCP,
        GsoKind::Udp => protocol == ip::UDP,
    };
    if agrees && size > 0 {
        Ok(Some(Gso { kind, size, ecn }))
    } else {
        Err(DropReason::BadOffload)
    }
}

/// Protocol and length of the IP header, without a look at anything else in it.
fn transport_of(packet: &[u8]) -> Option<(u8, usize)> {
    match (ip::version(packet)?, packet) {
        (4, packet) => {
            let header_len = usize::from(packet.first()? & 0xf) * 4;
            (header_len >= ipv4::MIN_HEADER_LEN)
                .then_some((*packet.get(ipv4::PROTOCOL_OFFSET)?, header_len))
        }
        (6, packet) => Some((*packet.get(ipv6::NEXT_HEADER_OFFSET)?, ipv6::HEADER_LEN)),
        _ => None,
    }
}
