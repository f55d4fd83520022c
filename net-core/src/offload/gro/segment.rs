//! Which packets may be merged, found out with as few looks at them as possible.

use crate::buf::{Checksum, RxPacket};
use crate::wire::checksum::Sum;
use crate::wire::{IpHeader, TcpFlags, ip, ipv4, ipv6, tcp};
use core::ops::Range;

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
    /// no fragment, TCP with data and no flag but ACK and PSH. `None` for any other. With it comes the
    /// sum of its pseudo-header.
    fn read(packet: &RxPacket, total_len: usize) -> Option<(Self, Sum)> {
        if !is_single(packet) {
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
        let segment = Self::of(tcp, ip_header_len..header_len, total_len, id)?;
        Some((segment, pseudo))
    }

    /// The segment of a packet of `total_len` bytes with this header of TCP, which lies at `place`; `None`
    /// without data.
    #[inline]
    fn of(tcp: &[u8; TCP], place: Range<usize>, total_len: usize, id: Option<u16>) -> Option<Self> {
        let flags = TcpFlags::from_bits_truncate(u16_at(tcp, tcp::OFFSET_FLAGS_OFFSET));
        Some(Self {
            ip_header_len: place.start,
            header_len: place.end,
            payload_len: total_len.checked_sub(place.end).filter(|&len| len > 0)?,
            seq: u32_at(tcp, tcp::SEQ_OFFSET),
            ports: [tcp[0], tcp[1], tcp[2], tcp[3]],
            push: flags.contains(TcpFlags::PSH),
            id,
        })
    }

    /// Whether the device or the sum says that the checksum of the packet that this was read from is
    /// right. `sum` has the pseudo-header and what comes before `from` of the transport header.
    #[inline]
    pub(super) fn is_intact(packet: &RxPacket, from: usize, mut sum: Sum) -> bool {
        if packet.meta.checksum == Checksum::Verified {
            return true;
        }
        match packet.frame.get(from..) {
            None => return false,
            Some([]) => {}
            Some(rest) => sum.add_bytes(rest),
        }
        for piece in &packet.frags {
            sum.add_bytes(&piece.bytes);
        }
        sum.fold() == 0
    }
}

/// What the headers of a run's packets have in common, and the sums of that.
pub(super) struct Common {
    pub(super) ip_header_len: usize,
    /// Bytes of all headers.
    pub(super) header_len: usize,
    /// The identification means something.
    counts: bool,
    ip: Sum,
    /// With the pseudo-header's addresses and protocol.
    transport: Sum,
}

impl Common {
    /// That of a run which `segment`, read from a packet with this frame, begins.
    pub(super) fn of(segment: &Segment, frame: &[u8]) -> Option<Self> {
        let (mut ip, mut transport) = (Sum::new(), Sum::new());
        if segment.ip_header_len == V4 {
            let header = masked(frame.first_chunk::<{ V4 + TCP }>()?, &SAME_V4);
            let (front, back) = header.split_first_chunk::<V4>()?;
            ip.add_header(front);
            transport.add_bytes(back);
            transport.add(pseudo(front.last_chunk::<8>()?, 0));
        } else {
            let header = masked(frame.first_chunk::<{ V6 + TCP }>()?, &SAME_V6);
            let (front, back) = header.split_first_chunk::<V6>()?;
            transport.add_bytes(back);
            transport.add(pseudo(front.last_chunk::<32>()?, 0));
        }
        transport.add_bytes(frame.get(segment.ip_header_len + TCP..segment.header_len)?);
        Some(Self {
            ip_header_len: segment.ip_header_len,
            header_len: segment.header_len,
            counts: segment.id.is_some(),
            ip,
            transport,
        })
    }

    /// Reads the packet that may come next in the run that `first` has begun. `None` unless its headers
    /// agree with those in all that a merged packet keeps of only one, so that they are plain too. With
    /// it comes the sum of its headers, the pseudo-header's among them.
    #[inline]
    pub(super) fn read_next(&self, first: &RxPacket, packet: &RxPacket) -> Option<(Segment, Sum)> {
        if !is_single(packet) {
            return None;
        }
        let total_len = packet.len();
        let (first, frame) = (&first.frame[..], &packet.frame[..]);
        let mut id = None;
        let agree = if self.ip_header_len == V4 {
            let ip = frame.first_chunk::<V4>()?;
            let number = u16_at(ip, ipv4::ID_OFFSET);
            id = self.counts.then_some(number);
            let length = u16_at(ip, ipv4::LENGTH_OFFSET);
            let mut sum = self.ip;
            sum.add_u16(length);
            sum.add_u16(number);
            sum.add_u16(u16_at(ip, ipv4::CHECKSUM_OFFSET));
            agree(first.first_chunk()?, frame.first_chunk()?, &SAME_V4)
                && usize::from(length) == total_len
                && sum.fold() == 0
        } else {
            let ip = frame.first_chunk::<V6>()?;
            agree(first.first_chunk()?, frame.first_chunk()?, &SAME_V6)
                && usize::from(u16_at(ip, ipv6::LENGTH_OFFSET)) + V6 == total_len
        };
        let options = self.ip_header_len + TCP..self.header_len;
        if !agree || !same_options(first.get(options.clone())?, frame.get(options)?) {
            return None;
        }
        let tcp = frame.get(self.ip_header_len..)?.first_chunk::<TCP>()?;
        let segment = Segment::of(tcp, self.ip_header_len..self.header_len, total_len, id)?;
        let mut sum = self.transport;
        let transport_len = total_len - self.ip_header_len;
        sum.add_u32(u32::try_from(transport_len).unwrap_or(u32::MAX));
        sum.add_u32(segment.seq);
        sum.add_u16(u16_at(tcp, tcp::OFFSET_FLAGS_OFFSET) & TcpFlags::PSH.bits());
        sum.add_u16(u16_at(tcp, tcp::CHECKSUM_OFFSET));
        Some((segment, sum))
    }
}

/// Whether the packet is no super-segment and has its whole checksum, right or wrong.
#[inline]
fn is_single(packet: &RxPacket) -> bool {
    let partial = matches!(packet.meta.checksum, Checksum::Partial { .. });
    !partial && packet.meta.gso.is_none()
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
        return if Segment::is_intact(packet, segment.ip_header_len, sum) {
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

/// Whether two headers are the same in the bits of `mask`.
#[inline]
fn agree<const N: usize>(a: &[u8; N], b: &[u8; N], mask: &[u8; N]) -> bool {
    // No way out before the end: that would cost more than the few words behind it.
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let (mask, mask_rest) = mask.as_chunks::<8>();
    let words = a.iter().zip(b).zip(mask);
    let differ = words.fold(0, |before, ((&a, &b), &mask)| {
        before | (u64::from_ne_bytes(a) ^ u64::from_ne_bytes(b)) & u64::from_ne_bytes(mask)
    });
    let bytes = a_rest.iter().zip(b_rest).zip(mask_rest);
    let rest = bytes.fold(0, |before, ((a, b), mask)| before | (a ^ b) & mask);
    differ == 0 && rest == 0
}

/// What of a header `mask` lets through.
fn masked<const N: usize>(header: &[u8; N], mask: &[u8; N]) -> [u8; N] {
    core::array::from_fn(|at| header[at] & mask[at])
}

/// Whether options, whose length is known to be the same, are; they are few.
#[inline]
fn same_options(a: &[u8], b: &[u8]) -> bool {
    let words = a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0);
    words.fold(true, |same, (a, b)| same & (a == b))
}

/// The bits in which the headers of a run agree: all but 16-bit words at some places, and PSH.
const fn mask<const N: usize>(tcp: usize, words: &[usize]) -> [u8; N] {
    let mut mask = [0xff; N];
    let mut index = 0;
    while index < words.len() {
        mask[words[index]] = 0;
        mask[words[index] + 1] = 0;
        index += 1;
    }
    let [high, low] = (!TcpFlags::PSH.bits()).to_be_bytes();
    mask[tcp + tcp::OFFSET_FLAGS_OFFSET] &= high;
    mask[tcp + tcp::OFFSET_FLAGS_OFFSET + 1] &= low;
    mask
}

const SAME_V4: [u8; V4 + TCP] = mask(
    V4,
    &[
        ipv4::LENGTH_OFFSET,
        ipv4::ID_OFFSET,
        ipv4::CHECKSUM_OFFSET,
        V4 + tcp::SEQ_OFFSET,
        V4 + tcp::SEQ_OFFSET + 2,
        V4 + tcp::CHECKSUM_OFFSET,
    ],
);
const SAME_V6: [u8; V6 + TCP] = mask(
    V6,
    &[
        ipv6::LENGTH_OFFSET,
        V6 + tcp::SEQ_OFFSET,
        V6 + tcp::SEQ_OFFSET + 2,
        V6 + tcp::CHECKSUM_OFFSET,
    ],
);

/// The number at a place that is known to lie in the header.
#[inline]
fn u16_at<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

#[inline]
fn u32_at<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}
