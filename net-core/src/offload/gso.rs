//! Segmentation in software: super-segments into packets, for devices that cannot do it.

use crate::DeviceCaps;
use crate::buf::{Checksum, Gso, GsoKind, HeadBuf, Rest, TxBatch, TxMeta, TxPacket};
use crate::stats::DropReason;
use crate::wire::checksum::{Sum, pseudo_header};
use crate::wire::{IpHeader, TcpFlags, ip, ipv4, ipv6, tcp, transport, udp};
use bytes::Bytes;
use smallvec::SmallVec;

/// Cuts a super-segment and appends the segments that it stands for to `out`. How many that were.
///
/// All headers, the link's among them, lie in `packet.head` and nothing else does; the payload is not
/// moved. Each segment gets its own sequence number, identification, lengths and checksums; FIN and PSH
/// go to the last, CWR to the first where [`Gso::ecn`] says so. What stood in those fields does not
/// matter. With `tx_checksum` the device completes the transport checksums, else they are complete. A
/// packet that is no super-segment passes as it is.
///
/// # Errors
/// [`DropReason::BadOffload`] if `packet.meta.gso` contradicts the headers; the packet is dropped.
pub fn segment(
    packet: &TxPacket,
    tx_checksum: bool,
    out: &mut TxBatch,
) -> Result<usize, DropReason> {
    let Some(gso) = packet.meta.gso else {
        out.push(packet.clone());
        return Ok(1);
    };
    let cutter = Cutter::new(packet, gso, tx_checksum)?;
    Ok(cutter.cut(&packet.body, out))
}

/// Makes any packet fit a device with `caps` and appends the result to `out`: cut if the device
/// cannot do that, with complete checksums if it does not do those. How many packets that were.
///
/// # Errors
/// As for [`segment`].
pub fn fit(mut packet: TxPacket, caps: DeviceCaps, out: &mut TxBatch) -> Result<usize, DropReason> {
    if packet.meta.gso.is_some_and(|gso| !caps.cuts(gso.kind)) {
        return segment(&packet, caps.tx_checksum, out);
    }
    if !caps.tx_checksum {
        transport::complete_checksum(&mut packet);
    }
    out.push(packet);
    Ok(1)
}

/// What is the same for all segments of one packet.
struct Cutter {
    /// The headers, with 0 in the fields that each segment fills in.
    template: HeadBuf,
    /// What the link has in front of that.
    link: SmallVec<[u8; 18]>,
    meta: TxMeta,
    ip_header_len: usize,
    transport: Transport,
    /// Sum of the IPv4 header's constant fields, and the first identification.
    ipv4: Option<(Sum, u16)>,
    /// Sum of the pseudo-header's constant fields.
    pseudo: Sum,
    /// Sum of the transport header's constant fields.
    header: Sum,
    size: usize,
    ecn: bool,
    offload: bool,
}

#[derive(Clone, Copy)]
enum Transport {
    Tcp { seq: u32, offset_flags: u16 },
    Udp,
}

/// What is special about one segment.
struct Segment {
    index: u16,
    /// Position of its payload in that of the whole packet.
    position: u32,
    payload_len: usize,
    last: bool,
}

impl Cutter {
    fn new(packet: &TxPacket, gso: Gso, offload: bool) -> Result<Self, DropReason> {
        let bad = DropReason::BadOffload;
        let link_len = usize::from(packet.meta.link_len);
        let (link, headers) = packet.head.split_at_checked(link_len).ok_or(bad)?;
        let header = IpHeader::parse_quoted(headers).map_err(|_| bad)?;
        let kind = match (ip::version(headers), header.protocol) {
            (Some(4), ip::TCP) => GsoKind::Tcp4,
            (Some(6), ip::TCP) => GsoKind::Tcp6,
            (_, ip::UDP) => GsoKind::Udp,
            _ => return Err(bad),
        };
        if kind != gso.kind || gso.size == 0 {
            return Err(bad);
        }
        let at = header.header_len;
        let mut template = packet.head.clone();
        template.strip(link_len);
        let transport = if header.protocol == ip::TCP {
            let bytes = template.get(at..).unwrap_or_default();
            if tcp::header_len(bytes) != Some(bytes.len()) {
                return Err(bad);
            }
            let seq = take(&mut template, at + tcp::SEQ_OFFSET).ok_or(bad)?;
            let offset_flags = take(&mut template, at + tcp::OFFSET_FLAGS_OFFSET).ok_or(bad)?;
            take::<2>(&mut template, at + tcp::CHECKSUM_OFFSET).ok_or(bad)?;
            Transport::Tcp {
                seq: u32::from_be_bytes(seq),
                offset_flags: u16::from_be_bytes(offset_flags),
            }
        } else {
            if template.len() != at + udp::HEADER_LEN {
                return Err(bad);
            }
            take::<2>(&mut template, at + udp::LENGTH_OFFSET).ok_or(bad)?;
            take::<2>(&mut template, at + udp::CHECKSUM_OFFSET).ok_or(bad)?;
            Transport::Udp
        };
        let ipv4 = if header.dest.is_ipv4() {
            take::<2>(&mut template, ipv4::LENGTH_OFFSET).ok_or(bad)?;
            take::<2>(&mut template, ipv4::ID_OFFSET).ok_or(bad)?;
            take::<2>(&mut template, ipv4::CHECKSUM_OFFSET).ok_or(bad)?;
            Some((sum_of(template.get(..at)), header.id))
        } else {
            None
        };
        let mut meta = packet.meta;
        meta.gso = None;
        Ok(Self {
            header: sum_of(template.get(at..)),
            pseudo: pseudo_header(header.source, header.dest, header.protocol, 0),
            template,
            link: SmallVec::from_slice(link),
            meta,
            ip_header_len: at,
            transport,
            ipv4,
            size: usize::from(gso.size),
            ecn: gso.ecn,
            offload,
        })
    }

    fn cut(&self, body: &[Bytes], out: &mut TxBatch) -> usize {
        let mut left: usize = body.iter().map(Bytes::len).sum();
        let count = left.div_ceil(self.size).max(1);
        let mut rest = Rest::new(body);
        let mut position = 0_u32;
        let mut index = 0_u16;
        loop {
            let payload_len = left.min(self.size);
            left -= payload_len;
            let segment = Segment {
                index,
                position,
                payload_len,
                last: left == 0,
            };
            let packet = out.slot();
            packet.head.clone_from(&self.template);
            packet.meta = self.meta;
            let payload = rest.take(payload_len, &mut packet.body, !self.offload);
            self.fill(&segment, payload, packet);
            if !self.link.is_empty() {
                let front = packet.head.prepend(self.link.len());
                front.copy_from_slice(&self.link);
            }
            if segment.last {
                return count;
            }
            position = position.wrapping_add(u32::try_from(payload_len).unwrap_or(0));
            index = index.wrapping_add(1);
        }
    }

    /// Fills in the fields that the template leaves open.
    #[inline]
    fn fill(&self, segment: &Segment, payload: Sum, packet: &mut TxPacket) {
        let at = self.ip_header_len;
        let transport_len = packet.head.len() - at + segment.payload_len;
        let length = u16::try_from(transport_len).unwrap_or(0);
        // `new` has made sure that the head has both headers.
        let Some((ip, transport)) = packet.head.split_at_mut_checked(at) else {
            return;
        };

        let mut pseudo = self.pseudo;
        pseudo.add_u16(length);
        let mut sum = self.header;
        let (protocol, checksum_offset) = match self.transport {
            Transport::Tcp { seq, offset_flags } => {
                let seq = seq.wrapping_add(segment.position);
                let offset_flags = self.flags(offset_flags, segment);
                sum.add_u32(seq);
                sum.add_u16(offset_flags);
                put(transport, tcp::SEQ_OFFSET, seq.to_be_bytes());
                let flags = offset_flags.to_be_bytes();
                put(transport, tcp::OFFSET_FLAGS_OFFSET, flags);
                (ip::TCP, tcp::CHECKSUM_OFFSET)
            }
            Transport::Udp => {
                sum.add_u16(length);
                put(transport, udp::LENGTH_OFFSET, length.to_be_bytes());
                (ip::UDP, udp::CHECKSUM_OFFSET)
            }
        };
        let field = if self.offload {
            packet.meta.checksum = Checksum::Partial {
                start: u16::try_from(at).unwrap_or(0),
                offset: u16::try_from(checksum_offset).unwrap_or(0),
            };
            pseudo.partial()
        } else {
            packet.meta.checksum = Checksum::Verified;
            sum.add(pseudo);
            sum.add(payload);
            transport::finish(sum, protocol)
        };
        put(transport, checksum_offset, field.to_be_bytes());

        if let Some((mut sum, id)) = self.ipv4 {
            let length = u16::try_from(at + transport_len).unwrap_or(0);
            let id = id.wrapping_add(segment.index);
            sum.add_u16(length);
            sum.add_u16(id);
            put(ip, ipv4::LENGTH_OFFSET, length.to_be_bytes());
            put(ip, ipv4::ID_OFFSET, id.to_be_bytes());
            put(ip, ipv4::CHECKSUM_OFFSET, sum.fold().to_be_bytes());
        } else {
            put(ip, ipv6::LENGTH_OFFSET, length.to_be_bytes());
        }
    }

    #[inline]
    fn flags(&self, offset_flags: u16, segment: &Segment) -> u16 {
        let mut gone = TcpFlags::empty();
        if !segment.last {
            gone |= TcpFlags::FIN | TcpFlags::PSH;
        }
        if self.ecn && segment.index > 0 {
            gone |= TcpFlags::CWR;
        }
        offset_flags & !gone.bits()
    }
}

fn sum_of(bytes: Option<&[u8]>) -> Sum {
    let mut sum = Sum::new();
    sum.add_bytes(bytes.unwrap_or_default());
    sum
}

/// The bytes at `at`, which become 0; `None` if the head ends before.
fn take<const N: usize>(head: &mut HeadBuf, at: usize) -> Option<[u8; N]> {
    let place = head.get_mut(at..)?.first_chunk_mut::<N>()?;
    Some(core::mem::replace(place, [0; N]))
}

/// Writes a field of a header that is known to have it.
#[inline]
pub(super) fn put<const N: usize>(header: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = header
        .get_mut(at..)
        .and_then(|bytes| bytes.first_chunk_mut::<N>())
    {
        *place = value;
    }
}
