//! Which packets may be merged, found out with as few looks at them as possible.

use crate::buf::{Checksum, RxPacket};
use crate::wire::checksum::Sum;
use crate::wire::{IpHeader, TcpFlags, ip, ipv4, ipv6, tcp};

const V4: usize = ipv4::MIN_HEADER_LEN;
const V6: usize = ipv6::HEADER_LEN;
const TCP: usize = tcp::MIN_HEADER_LEN;

/// A segment that may be merged.
pub(super) struct Segment {
    pub(super) ip_header_len: usize,
    /// Bytes of all headers.
    pub(super) header_len: usize,
    pub(super) payload_len: usize,
    pub(super) seq: u32,
    pub(super) ports: [u8; 4],
    pub(super) push: bool,
    /// The identification, where it means something: IPv4 without DF.
    pub(super) id: Option<u16>,
}

pub(super) enum Class {
    /// It may be merged, and its checksum is right.
    Data(Segment),
    /// TCP with these ports, but it stays as it is and later segments must not overtake it.
    Alone([u8; 4]),
    /// Not TCP, or not valid.
    Other,
}

impl Segment {
    pub(super) fn end_seq(&self) -> u32 {
        let len = u32::try_from(self.payload_len).unwrap_or(0);
        self.seq.wrapping_add(len)
    }

    /// Reads a packet with plain headers: IPv4 without options or IPv6 without extension headers,
    /// no fragment, TCP with data and no flag but ACK and PSH. `None` for any other.
    fn read(packet: &RxPacket, total_len: usize) -> Option<(Self, Sum)> {
        let partial = matches!(packet.meta.checksum, Checksum::Partial { .. });
        if partial || packet.meta.gso.is_some() {
            return None;
        }
        let frame = &packet.frame[..];
        let (ip_header_len, id, pseudo) = match ip::version(frame)? {
            4 => read_v4(frame, total_len)?,
            6 => read_v6(frame, total_len)?,
            _ => return None,
        };
        let tcp = frame.get(ip_header_len..)?.first_chunk::<TCP>()?;
        let offset_flags = u16_at(tcp, tcp::OFFSET_FLAGS_OFFSET);
        let header_len = ip_header_len + usize::from(offset_flags >> 12) * 4;
        let flags = TcpFlags::from_bits_truncate(offset_flags);
        let whole = header_len >= ip_header_len + TCP && header_len <= frame.len();
        if !whole || flags - TcpFlags::PSH != TcpFlags::ACK {
            return None;
        }
        let segment = Self {
            ip_header_len,
            header_len,
            payload_len: total_len.checked_sub(header_len).filter(|&len| len > 0)?,
            seq: u32_at(tcp, tcp::SEQ_OFFSET),
            ports: [tcp[0], tcp[1], tcp[2], tcp[3]],
            push: flags.contains(TcpFlags::PSH),
            id,
        };
        Some((segment, pseudo))
    }
}

/// Length of the header, identification if it matters, and the pseudo-header's sum.
#[inline]
fn read_v4(frame: &[u8], total_len: usize) -> Option<(usize, Option<u16>, Sum)> {
    let ip = frame.first_chunk::<V4>()?;
    let fragment = u16_at(ip, ipv4::FRAGMENT_OFFSET);
    let plain = ip[0] == 0x45
        && ip[ipv4::PROTOCOL_OFFSET] == ip::TCP
        && fragment & !ipv4::DONT_FRAGMENT == 0
        && usize::from(u16_at(ip, ipv4::LENGTH_OFFSET)) == total_len
        && ipv4::header_checksum(ip) == 0;
    let id = (fragment == 0).then(|| u16_at(ip, ipv4::ID_OFFSET));
    let addresses = ip.last_chunk::<8>()?;
    plain.then(|| (V4, id, pseudo(addresses, total_len - V4)))
}

#[inline]
fn read_v6(frame: &[u8], total_len: usize) -> Option<(usize, Option<u16>, Sum)> {
    let ip = frame.first_chunk::<V6>()?;
    let plain = ip[ipv6::NEXT_HEADER_OFFSET] == ip::TCP
        && usize::from(u16_at(ip, ipv6::LENGTH_OFFSET)) + V6 == total_len;
    let addresses = ip.last_chunk::<32>()?;
    plain.then(|| (V6, None, pseudo(addresses, total_len - V6)))
}

/// The sum of the pseudo-header with these addresses, one behind the other.
#[inline]
fn pseudo<const N: usize>(addresses: &[u8; N], len: usize) -> Sum {
    let mut sum = Sum::new();
    sum.add_header(addresses);
    sum.add_u16(u16::from(ip::TCP));
    sum.add_u32(u32::try_from(len).unwrap_or(u32::MAX));
    sum
}

#[inline]
pub(super) fn classify(packet: &RxPacket) -> Class {
    let total_len = packet.len();
    if let Some((segment, sum)) = Segment::read(packet, total_len) {
        return if is_intact(packet, &segment, sum) {
            Class::Data(segment)
        } else {
            Class::Other
        };
    }
    let ports = IpHeader::parse(&packet.frame, total_len)
        .ok()
        .filter(|header| header.protocol == ip::TCP)
        .and_then(|header| packet.frame.get(header.header_len..)?.first_chunk());
    ports.map_or(Class::Other, |&ports| Class::Alone(ports))
}

/// Whether the device or the sum, which begins with the pseudo-header's, says that the checksum is
/// right.
#[inline]
fn is_intact(packet: &RxPacket, segment: &Segment, mut sum: Sum) -> bool {
    if packet.meta.checksum == Checksum::Verified {
        return true;
    }
    let transport = packet.frame.get(segment.ip_header_len..);
    let Some((tcp, rest)) = transport.and_then(|bytes| bytes.split_first_chunk::<TCP>()) else {
        return false;
    };
    sum.add_header(tcp);
    sum.add_bytes(rest);
    for piece in &packet.frags {
        sum.add_bytes(&piece.bytes);
    }
    sum.fold() == 0
}

/// Whether two frames agree in all that a merged packet keeps of only one. That both have plain
/// headers is known.
#[inline]
pub(super) fn same_headers(first: &[u8], next: &[u8], segment: &Segment) -> bool {
    let at = segment.ip_header_len;
    let same_ip = if at == V4 {
        same_v4(first, next)
    } else {
        same_v6(first, next)
    };
    let tcp = |frame: &[u8]| frame.get(at..)?.first_chunk::<TCP>().copied();
    let (Some(a), Some(b)) = (tcp(first), tcp(next)) else {
        return false;
    };
    // Data offset, flags but for PSH, and window.
    let psh = u32::from(TcpFlags::PSH.bits()) << 16;
    let word = tcp::OFFSET_FLAGS_OFFSET;
    let same_tcp = u32_at(&a, 0) == u32_at(&b, 0)
        && u32_at(&a, tcp::ACK_OFFSET) == u32_at(&b, tcp::ACK_OFFSET)
        && (u32_at(&a, word) ^ u32_at(&b, word)) & !psh == 0
        && u16_at(&a, TCP - 2) == u16_at(&b, TCP - 2);
    let options = at + TCP..segment.header_len;
    let same_options = match (first.get(options.clone()), next.get(options)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    };
    same_ip && same_tcp && same_options
}

/// All but length, identification and checksum.
#[inline]
fn same_v4(first: &[u8], next: &[u8]) -> bool {
    let (Some(a), Some(b)) = (first.first_chunk::<V4>(), next.first_chunk::<V4>()) else {
        return false;
    };
    u16_at(a, 0) == u16_at(b, 0)
        && u32_at(a, ipv4::FRAGMENT_OFFSET) == u32_at(b, ipv4::FRAGMENT_OFFSET)
        && a[V4 - 8..] == b[V4 - 8..]
}

/// All but the length.
#[inline]
fn same_v6(first: &[u8], next: &[u8]) -> bool {
    let (Some(a), Some(b)) = (first.first_chunk::<V6>(), next.first_chunk::<V6>()) else {
        return false;
    };
    u32_at(a, 0) == u32_at(b, 0) && a[ipv6::NEXT_HEADER_OFFSET..] == b[ipv6::NEXT_HEADER_OFFSET..]
}

/// The number at a place that is known to lie in the header.
#[inline]
fn u16_at<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

#[inline]
fn u32_at<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}
