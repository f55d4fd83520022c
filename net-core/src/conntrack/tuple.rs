//! What tells one flow from another: addresses, protocol, and ports or what stands for them.

use crate::seed::Key;
use crate::wire::{IpHeader, icmp, ip};
use core::hash::{BuildHasher, Hasher};
use core::net::IpAddr;

/// One direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Where its packets come from.
    pub source: IpAddr,
    /// Where they go.
    pub dest: IpAddr,
    /// Protocol number.
    pub protocol: u8,
    /// Source port of TCP and UDP, identifier of an ICMP query; 0 elsewhere.
    pub source_port: u16,
    /// Destination port of TCP and UDP, type of an ICMP message; 0 elsewhere.
    pub dest_port: u16,
}

/// A keyed hash of a tuple: enough to find it by, and to tell it from nearly every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    #[inline]
    pub(super) fn of(tuple: &Tuple, key: Key) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
        Self(tuple.hash(key) as u32)
    }

    /// For a hash table, which looks at the lowest bits and at the highest.
    #[inline]
    pub(super) const fn hash(self) -> u64 {
        (self.0 as u64) << 32 | self.0 as u64
    }
}

/// Where the transport header of a packet is, and of which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) protocol: u8,
    /// Bytes in front of it.
    pub(crate) at: usize,
}

/// What a packet is to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Part of the flow with this tuple.
    Of(Tuple),
    /// An ICMP error, which belongs to the flow of what it quotes.
    Error,
    /// Of those that make a link work, and belong to no flow.
    Untracked,
    /// Nobody can say.
    Unknown,
}

impl Tuple {
    /// What the packet with these addresses and this transport header belongs to.
    pub(crate) fn of(source: IpAddr, dest: IpAddr, protocol: u8, header: &[u8]) -> Kind {
        let (source_port, dest_port) = match protocol {
            ip::TCP | ip::UDP => match header.first_chunk() {
                Some(&[a, b, c, d]) => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
                None => return Kind::Unknown,
            },
            ip::ICMP | ip::ICMPV6 => match (header, protocol) {
                (&[kind, _, _, _, a, b, _, _, ..], _) if partner(protocol, kind).is_some() => {
                    (u16::from_be_bytes([a, b]), kind.into())
                }
                ([3 | 4 | 5 | 11 | 12, ..], ip::ICMP) | ([1..=4, ..], ip::ICMPV6) => {
                    return Kind::Error;
                }
                // Listener and neighbour discovery (RFC 2710, RFC 4861, RFC 3810).
                ([130..=137 | 143, ..], ip::ICMPV6) => return Kind::Untracked,
                _ => return Kind::Unknown,
            },
            _ => (0, 0),
        };
        Kind::Of(Self {
            source,
            dest,
            protocol,
            source_port,
            dest_port,
        })
    }

    /// That of the packet which begins with these bytes, if nothing has to be done before it can be told.
    #[inline]
    pub(super) fn read_off(packet: &[u8]) -> Option<Self> {
        let ip = IpHeader::parse_quoted(packet).ok()?;
        Self::of_packet(&ip, packet)
    }

    /// That of a packet with this header at its front; fragments have none.
    #[inline]
    pub(super) fn of_packet(ip: &IpHeader, packet: &[u8]) -> Option<Self> {
        let transport = packet.get(ip.header_len..)?;
        match Self::of(ip.source, ip.dest, ip.protocol, transport) {
            Kind::Of(tuple) if ip.fragment.is_none() => Some(tuple),
            _ => None,
        }
    }

    /// That of the packets that answer.
    pub(crate) fn inverse(&self) -> Self {
        let (source_port, dest_port) = if self.is_query() {
            let kind = u8::try_from(self.dest_port).unwrap_or_default();
            let answer = partner(self.protocol, kind).unwrap_or(kind);
            (self.source_port, answer.into())
        } else {
            (self.dest_port, self.source_port)
        };
        Self {
            source: self.dest,
            dest: self.source,
            protocol: self.protocol,
            source_port,
            dest_port,
        }
    }

    /// Whether an identifier stands in the place of ports.
    pub(crate) const fn is_query(&self) -> bool {
        matches!(self.protocol, ip::ICMP | ip::ICMPV6)
    }

    /// Whether its first packet may begin a flow: an answer may not.
    pub(crate) const fn may_begin(&self) -> bool {
        !self.is_query()
            || matches!(
                self.dest_port,
                ECHO_V6 | ECHO | TIMESTAMP | INFORMATION | MASK
            )
    }

    /// Its keyed hash.
    #[inline]
    fn hash(&self, key: Key) -> u64 {
        let mut hasher = key.build_hasher();
        let ports = [self.source_port.to_be_bytes(), self.dest_port.to_be_bytes()];
        let [[a, b], [c, d]] = ports;
        match (self.source, self.dest) {
            (IpAddr::V4(source), IpAddr::V4(dest)) => {
                let addresses = [source.octets(), dest.octets()];
                let mut bytes = [0; 13];
                let (front, rest) = bytes.split_at_mut(8);
                front.copy_from_slice(addresses.as_flattened());
                rest.copy_from_slice(&[a, b, c, d, self.protocol]);
                hasher.write(&bytes);
            }
            (source, dest) => {
                for address in [source, dest] {
                    match address {
                        IpAddr::V4(address) => hasher.write(&address.octets()),
                        IpAddr::V6(address) => hasher.write(&address.octets()),
                    }
                }
                hasher.write(&[a, b, c, d, self.protocol]);
            }
        }
        hasher.finish()
    }
}

/// The type of the message that answers one of this type, or that it answers: of the queries of RFC 792
/// and RFC 950, and of RFC 4443.
const fn partner(protocol: u8, kind: u8) -> Option<u8> {
    Some(match (protocol, kind) {
        (ip::ICMP, 8) => 0,
        (ip::ICMP, 0) => 8,
        (ip::ICMP, 13 | 15 | 17) => kind + 1,
        (ip::ICMP, 14 | 16 | 18) => kind - 1,
        (ip::ICMPV6, 128) => 129,
        (ip::ICMPV6, 129) => 128,
        _ => return None,
    })
}

// The types of what asks.
const ECHO: u16 = 8;
const TIMESTAMP: u16 = 13;
const INFORMATION: u16 = 15;
const MASK: u16 = 17;
const ECHO_V6: u16 = 128;

/// Bytes in front of what an ICMP error quotes.
pub(crate) const QUOTED_AT: usize = icmp::HEADER_LEN;
