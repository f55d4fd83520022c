//! A packet as the link that carries it sees it.

use crate::buf::{Checksum, RxPacket, TxPacket, crossing};
use crate::time::Instant;
use crate::wire::{IpHeader, TcpFlags, TcpHeader, ip, ipv4};
use bytes::{Bytes, BytesMut};

/// A packet that is about to leave for the other end, for a test to decide on its fate.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Its number, counted from 0 in the order in which packets leave.
    pub number: u64,
    /// When it leaves.
    pub at: Instant,
    /// The packet itself.
    pub packet: &'a RxPacket,
}

impl Passing<'_> {
    /// Its IP header; `None` if it is no IP packet.
    #[must_use]
    pub fn ip(&self) -> Option<IpHeader> {
        IpHeader::parse_quoted(&self.packet.frame).ok()
    }

    /// Its TCP header and how many bytes of payload it carries; `None` if it is no TCP segment.
    #[must_use]
    pub fn tcp(&self) -> Option<(TcpHeader, usize)> {
        let ip = self.ip()?;
        if ip.protocol != ip::TCP {
            return None;
        }
        let tcp = TcpHeader::parse(self.packet.frame.get(ip.header_len..)?).ok()?;
        let payload = ip.payload_len.checked_sub(tcp.header_len)?;
        Some((tcp, payload))
    }

    /// Whether it is a TCP segment that does nothing but acknowledge.
    #[must_use]
    pub fn is_ack(&self) -> bool {
        self.tcp().is_some_and(|(tcp, payload)| {
            let control = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
            payload == 0 && tcp.flags.contains(TcpFlags::ACK) && !tcp.flags.intersects(control)
        })
    }
}

/// Marks a packet that is ECN-capable as having met congestion (RFC 3168 §5); whether it is.
pub(super) fn mark(frame: &mut [u8]) -> bool {
    match ip::version(frame) {
        Some(4) => mark_v4(frame),
        Some(6) => mark_v6(frame),
        _ => false,
    }
}

fn mark_v4(frame: &mut [u8]) -> bool {
    let Some(header) = frame.first_chunk_mut::<{ ipv4::MIN_HEADER_LEN }>() else {
        return false;
    };
    let old = u16::from_be_bytes([header[0], header[1]]);
    if old & EXPERIENCED == 0 {
        return false;
    }
    let new = old | EXPERIENCED;
    header[1] |= 3;
    let at = ipv4::CHECKSUM_OFFSET;
    let field = u16::from_be_bytes([header[at], header[at + 1]]);
    header[at..at + 2].copy_from_slice(&replace(field, old, new).to_be_bytes());
    true
}

/// The checksum field of a header in which one word has changed (RFC 1624 §3, equation 3).
pub(in crate::sim) fn replace(field: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!field) + u32::from(!old) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

fn mark_v6(frame: &mut [u8]) -> bool {
    // Four bits of version, eight of traffic class, of which the last two are ECN.
    match frame.get_mut(1) {
        Some(class) if *class & 0x30 != 0 => {
            *class |= 0x30;
            true
        }
        _ => false,
    }
}

/// Makes one piece of a packet and completes its checksum, as a wire would carry it.
pub(super) fn flatten(packet: &mut RxPacket) {
    if !packet.frags.is_empty() || packet.meta.checksum != Checksum::Unknown {
        let mut frame = BytesMut::with_capacity(packet.len());
        frame.extend_from_slice(&packet.frame);
        for chunk in packet.frags.drain(..) {
            frame.extend_from_slice(&chunk.bytes);
        }
        crossing::complete(packet.meta.checksum, &mut frame);
        packet.meta.checksum = Checksum::Unknown;
        packet.meta.pins = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        packet.frame = frame;
    }
}

/// Flips one bit of a packet that lies in one piece.
pub(super) fn flip_bit(frame: &mut [u8], random: u64) {
    let bits = frame.len() as u64 * 8;
    if bits == 0 {
        return;
    }
    let bit = random % bits;
    if let Some(byte) = usize::try_from(bit / 8)
        .ok()
        .and_then(|index| frame.get_mut(index))
    {
        *byte ^= 1 << (bit % 8);
    }
}

/// A packet on its way through, as a queueing discipline takes it: headers apart from the payload.
pub(super) fn to_send(packet: RxPacket) -> TxPacket {
    let header_len = headers_of(&packet.frame);
    let RxPacket {
        mut frame,
        frags,
        meta,
    } = packet;
    let mut out = TxPacket::default();
    let headers = frame.split_to(header_len);
    out.head.prepend(headers.len()).copy_from_slice(&headers);
    out.body.extend((!frame.is_empty()).then(|| frame.freeze()));
    out.body
        .extend(frags.into_iter().map(|chunk| Bytes::clone(&chunk.bytes)));
    out.meta.checksum = meta.checksum;
    out.meta.gso = meta.gso;
    out.meta.header_len = u16::try_from(header_len).unwrap_or(u16::MAX);
    out
}

/// Bytes of IP and transport header at the front of a packet, so far as they are known and fit.
fn headers_of(frame: &[u8]) -> usize {
    let Ok(ip) = IpHeader::parse_quoted(frame) else {
        return 0;
    };
    let rest = frame.get(ip.header_len..).unwrap_or_default();
    let transport = match ip.protocol {
        ip::TCP => TcpHeader::parse(rest).map_or(0, |tcp| tcp.header_len),
        ip::UDP => crate::wire::udp::HEADER_LEN.min(rest.len()),
        _ => 0,
    };
    match ip.header_len + transport {
        len if len <= MAX_HEADERS => len,
        _ => 0,
    }
}

/// ECN in the first word of an IPv4 header: congestion experienced.
const EXPERIENCED: u16 = 3;
/// What a [`HeadBuf`](crate::buf::HeadBuf) holds.
const MAX_HEADERS: usize = 128;
