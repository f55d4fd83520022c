//! The packet that an ICMP error quotes: making the quotation, and reading it.

use crate::buf::{Checksum, RxPacket};
use crate::ip::read_chain;
use crate::wire::checksum::Sum;
use crate::wire::ipv6_ext::is_extension;
use crate::wire::transport::QuotedPorts;
use crate::wire::{IpHeader, icmp, ipv4, ipv6};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use smallvec::SmallVec;

/// What a quotation tells about the packet that we sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted {
    /// Its IP header.
    pub(crate) ip: IpHeader,
    /// Its ports and sequence number.
    pub(crate) ports: QuotedPorts,
}

/// Enough of a message to read the quoted headers: both may have options.
const QUOTED_HEADERS: usize = icmp::HEADER_LEN + 60 + 8;

impl Quoted {
    /// Reads the quotation in an ICMP message; `None` if it is cut off, or of a later fragment,
    /// which has no ports.
    pub(crate) fn parse(packet: &RxPacket, ip_header_len: usize) -> Option<Self> {
        let rest = packet.frame.get(ip_header_len..)?;
        if rest.len() >= QUOTED_HEADERS || packet.frags.is_empty() {
            return Self::read(rest.get(icmp::HEADER_LEN..)?);
        }
        let joined: SmallVec<[u8; QUOTED_HEADERS]> = core::iter::once(rest)
            .chain(packet.frags.iter().map(|piece| &piece.bytes[..]))
            .flatten()
            .copied()
            .take(QUOTED_HEADERS)
            .collect();
        Self::read(joined.get(icmp::HEADER_LEN..)?)
    }

    /// Reads a quotation.
    pub(crate) fn read(quotation: &[u8]) -> Option<Self> {
        let mut ip = IpHeader::parse_quoted(quotation).ok()?;
        if ip.dest.is_ipv6() && is_extension(ip.protocol) {
            ip = read_chain(quotation, &ip).ok()?.moved(&ip)?;
        }
        if ip.fragment.is_some_and(|fragment| fragment.offset != 0) {
            return None;
        }
        let ports = QuotedPorts::parse(quotation.get(ip.header_len..)?)?;
        Some(Self { ip, ports })
    }

    /// The local end of the flow that the quoted packet belonged to.
    pub(crate) const fn local(&self) -> SocketAddr {
        SocketAddr::new(self.ip.source, self.ports.source_port)
    }

    /// The remote end.
    pub(crate) const fn remote(&self) -> SocketAddr {
        SocketAddr::new(self.ip.dest, self.ports.dest_port)
    }
}

/// How many bytes an error about a packet to `dest` quotes of it, headers included.
pub(crate) const fn longest_quotation(dest: IpAddr) -> usize {
    match dest {
        IpAddr::V4(_) => MAX_ERROR_V4 - ipv4::MIN_HEADER_LEN - icmp::HEADER_LEN,
        IpAddr::V6(_) => MAX_ERROR_V6 - ipv6::HEADER_LEN - icmp::HEADER_LEN,
    }
}

/// Bytes of an ICMPv4 error, IP header included (RFC 1812 §4.3.2.3).
const MAX_ERROR_V4: usize = 576;

/// Bytes of an ICMPv6 error, IP header included (RFC 4443 §2.4(c)).
const MAX_ERROR_V6: usize = 1280;

/// The first `max` bytes of a received packet, to be quoted: slices of its buffers.
pub(crate) fn quote(packet: &mut RxPacket, max: usize) -> SmallVec<[Bytes; 8]> {
    complete_checksum(packet);
    let mut left = max;
    let first = core::mem::take(&mut packet.frame).freeze();
    core::iter::once(first)
        .chain(packet.frags.drain(..).map(|piece| piece.bytes))
        .take(8)
        .map_while(|mut bytes| {
            bytes.truncate(left);
            left -= bytes.len();
            (!bytes.is_empty()).then_some(bytes)
        })
        .collect()
}

/// Fills in a transport checksum that the sender left to a device: the one who reads the quotation
/// knows nothing of that.
pub(crate) fn complete_checksum(packet: &mut RxPacket) {
    let Checksum::Partial { start, offset } = packet.meta.checksum else {
        return;
    };
    let Some(transport) = packet.frame.get(usize::from(start)..) else {
        return;
    };
    let mut sum = Sum::new();
    sum.add_bytes(transport);
    for piece in &packet.frags {
        sum.add_bytes(&piece.bytes);
    }
    let field = usize::from(start) + usize::from(offset);
    if let Some(place) = packet.frame.get_mut(field..field + 2) {
        place.copy_from_slice(&sum.fold().to_be_bytes());
        packet.meta.checksum = Checksum::Verified;
    }
}
