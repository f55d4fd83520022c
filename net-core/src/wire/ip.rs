//! The IP header, of either version, as the stack uses it.

use super::{ipv4, ipv6};
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use core::net::IpAddr;

/// Protocol number of ICMP (for IPv4).
pub const ICMP: u8 = 1;
/// Protocol number of TCP.
pub const TCP: u8 = 6;
/// Protocol number of UDP.
pub const UDP: u8 = 17;
/// Protocol number of ICMPv6.
pub const ICMPV6: u8 = 58;

/// Where a fragment belongs in its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Position of its payload in that of the whole packet, in bytes.
    pub offset: u16,
    /// More of them follow.
    pub more: bool,
    /// Identification of the packet, the same in all its fragments: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
}

/// What an IPv4 or IPv6 header says.
///
/// ```
/// use net_core::buf::HeadBuf;
/// use net_core::wire::IpHeader;
/// let header = IpHeader::new("10.7.0.1".parse()?, "10.7.0.2".parse()?, 17, 0);
/// let mut head = HeadBuf::new();
/// header.emit(&mut head);
/// assert_eq!(IpHeader::parse(&head, head.len()), Ok(header));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpHeader {
    /// Source address; of the same family as `dest`.
    pub source: IpAddr,
    /// Destination address.
    pub dest: IpAddr,
    /// Protocol number of the payload. Behind an IPv6 header it may be that of an extension
    /// header, which is then part of the payload.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class: DSCP and ECN.
    pub tos: u8,
    /// Bytes of the header, options included.
    pub header_len: usize,
    /// Bytes behind the header that belong to the packet. What follows them is padding.
    pub payload_len: usize,
    /// The packet must not be fragmented on its way; always set for IPv6.
    pub dont_fragment: bool,
    /// Set on a fragment of IPv4, and of IPv6 once its chain of headers has been read.
    pub fragment: Option<Fragment>,
    /// Identification (IPv4), 0 for IPv6.
    pub id: u16,
}

impl IpHeader {
    /// A header for a packet of our own: hop limit 64, no service, not to be fragmented.
    #[must_use]
    pub const fn new(source: IpAddr, dest: IpAddr, protocol: u8, payload_len: usize) -> Self {
        Self {
            source,
            dest,
            protocol,
            ttl: 64,
            tos: 0,
            header_len: match dest {
                IpAddr::V4(_) => ipv4::MIN_HEADER_LEN,
                IpAddr::V6(_) => ipv6::HEADER_LEN,
            },
            payload_len,
            dont_fragment: true,
            fragment: None,
            id: 0,
        }
    }

    /// Reads the header at the front of `frame`.
    ///
    /// `total_len` is the length of the whole packet, pieces outside `frame` included. A length
    /// field of 0 is taken for a packet that is too long for it.
    ///
    /// # Errors
    /// The reason to drop the packet: another version, a header that is cut off or broken, a wrong
    /// IPv4 header checksum, or a length that exceeds `total_len`.
    #[inline]
    pub fn parse(frame: &[u8], total_len: usize) -> Result<Self, DropReason> {
        match version(frame) {
            Some(4) => ipv4::parse(frame, total_len),
            Some(6) => ipv6::parse(frame, total_len),
            Some(_) => Err(DropReason::IpVersion),
            None => Err(DropReason::Truncated),
        }
    }

    /// Reads the header of a packet that an ICMP error quotes (RFC 1122 §3.2.2, RFC 4443 §3).
    ///
    /// The quotation may end early, so `payload_len` is what the original claimed, and the header
    /// checksum, which routers may have left as it was, is not looked at.
    ///
    /// # Errors
    /// The reason to drop the message: another version, or a header that is cut off or broken.
    pub fn parse_quoted(quotation: &[u8]) -> Result<Self, DropReason> {
        match version(quotation) {
            Some(4) => ipv4::parse_quoted(quotation),
            Some(6) => ipv6::parse_quoted(quotation),
            Some(_) => Err(DropReason::IpVersion),
            None => Err(DropReason::Truncated),
        }
    }

    /// Prepends the header: 20 bytes with their checksum for IPv4, 40 for IPv6. `header_len` is not
    /// looked at: options are not emitted. A packet too long for the length field gets 0 there.
    #[inline]
    pub fn emit(&self, head: &mut HeadBuf) {
        match (self.source, self.dest) {
            (IpAddr::V4(source), IpAddr::V4(dest)) => ipv4::emit(self, source, dest, head),
            (source, dest) => ipv6::emit(self, to_v6(source), to_v6(dest), head),
        }
    }

    /// Bytes of header and payload.
    #[must_use]
    pub const fn total_len(&self) -> usize {
        self.header_len.saturating_add(self.payload_len)
    }
}

/// The protocol number of raw sockets that receive nothing (`IPPROTO_RAW`).
pub const RAW: u8 = 255;

/// The two bits of explicit congestion notification in a type of service or traffic class (RFC 3168).
pub const ECN_MASK: u8 = 3;
/// The other six, the differentiated services codepoint (RFC 2474 §3).
pub(crate) const DSCP_MASK: u8 = !ECN_MASK;
/// Both of them set: the packet has met congestion.
pub const ECN_CE: u8 = 3;

/// Marks the packet that begins with an IP header as one that has met congestion. The checksum of an
/// IPv4 header is left for the caller to bring in order.
pub(crate) fn mark_congestion(frame: &mut [u8]) {
    match frame {
        [first, second, ..] if *first >> 4 == 4 => *second |= ECN_CE,
        [first, second, ..] if *first >> 4 == 6 => *second |= ECN_CE << 4,
        _ => {}
    }
}

/// The IP version of a packet, `None` if it is empty.
#[inline]
#[must_use]
pub fn version(frame: &[u8]) -> Option<u8> {
    frame.first().map(|byte| byte >> 4)
}

/// Marks the packet that begins here as having met congestion, its checksum with it, if its flow knows
/// what that means (RFC 3168 §5); whether it does.
pub(crate) fn mark_if_capable(packet: &mut [u8]) -> bool {
    match version(packet) {
        Some(4) => ipv4::mark_if_capable(packet),
        Some(6) => ipv6::mark_if_capable(packet),
        _ => false,
    }
}

/// The differentiated services codepoint of the packet that begins here (RFC 2474); `None` where it is
/// no IP.
pub(crate) fn dscp(packet: &[u8]) -> Option<u8> {
    let (&first, &second) = (packet.first()?, packet.get(1)?);
    match version(packet)? {
        4 => Some(second >> 2),
        6 => Some((first & 0xf) << 2 | second >> 6),
        _ => None,
    }
}

/// Takes the codepoint out of the packet that begins here, its checksum with it; the bits of ECN stay.
pub(crate) fn clear_dscp(packet: &mut [u8]) {
    match version(packet) {
        Some(4) => ipv4::clear_dscp(packet),
        Some(6) => ipv6::clear_dscp(packet),
        _ => {}
    }
}

/// Takes one hop off the packet that begins here; it must have one (RFC 1812 §5.3.1, RFC 8200 §3).
pub(crate) fn decrement_hops(packet: &mut [u8]) {
    match version(packet) {
        Some(4) => ipv4::decrement_hops(packet),
        Some(6) => ipv6::decrement_hops(packet),
        _ => {}
    }
}

fn to_v6(address: IpAddr) -> core::net::Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
