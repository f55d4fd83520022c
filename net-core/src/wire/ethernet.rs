//! Ethernet frames (IEEE 802.3 §3, RFC 894, RFC 2464) and their addresses.

use crate::buf::HeadBuf;
use crate::stats::DropReason;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header, without a VLAN tag.
pub const HEADER_LEN: usize = 14;

/// An address of the link layer (EUI-48).
///
/// ```
/// use net_core::wire::MacAddr;
/// let mac: MacAddr = "02:00:5e:10:00:01".parse().unwrap();
/// assert!(mac.is_unicast() && mac.is_local());
/// assert_eq!(mac.to_string(), "02:00:5e:10:00:01");
/// ```
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// Every station on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No station: the unknown address of ARP requests.
    pub const ZERO: Self = Self([0; 6]);

    /// The address with these bytes, in the order of the wire.
    #[must_use]
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// A unicast address that nobody has registered, from 46 bits of `random`.
    #[must_use]
    pub const fn local(random: u64) -> Self {
        let [a, b, c, d, e, f, ..] = random.to_le_bytes();
        Self([a & 0xfc | LOCAL, b, c, d, e, f])
    }

    /// The bytes, in the order of the wire.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether frames to it are for several stations, broadcast included.
    #[inline]
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & GROUP != 0
    }

    /// Whether frames to it are for every station.
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether a single station may have it.
    #[must_use]
    pub fn is_unicast(self) -> bool {
        !self.is_group() && self != Self::ZERO
    }

    /// Whether it was assigned by the local administration rather than by a manufacturer.
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0[0] & LOCAL != 0
    }

    /// Where packets for a multicast group go (RFC 1112 §6.4, RFC 2464 §7); `None` for an address
    /// that is no group's.
    #[must_use]
    pub const fn of_group(group: IpAddr) -> Option<Self> {
        match group {
            IpAddr::V4(v4) if v4.is_multicast() => {
                let [_, b, c, d] = v4.octets();
                Some(Self([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
            }
            IpAddr::V6(v6) if v6.is_multicast() => {
                let [.., a, b, c, d] = v6.octets();
                Some(Self([0x33, 0x33, a, b, c, d]))
            }
            _ => None,
        }
    }

    /// The interface identifier that IPv6 makes of it (modified EUI-64, RFC 4291 appendix A).
    #[must_use]
    pub const fn to_eui64(self) -> [u8; 8] {
        let [a, b, c, d, e, f] = self.0;
        [a ^ LOCAL, b, c, 0xff, 0xfe, d, e, f]
    }
}

/// The bit of the first byte that says: several stations.
const GROUP: u8 = 0x01;
/// The bit of the first byte that says: assigned by the local administration.
const LOCAL: u8 = 0x02;

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no link-layer address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a link-layer address is six bytes in hexadecimal, such as 02:00:5e:10:00:01")]
pub struct ParseMacError;

/// Six bytes in hexadecimal, of one or two digits each, between colons.
impl FromStr for MacAddr {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().ok_or(ParseMacError)?;
            if part.len() > 2 || part.starts_with('+') {
                return Err(ParseMacError);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| ParseMacError)?;
        }
        if parts.next().is_some() {
            return Err(ParseMacError);
        }
        Ok(Self(octets))
    }
}

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// No type: what nothing carries.
    pub const NONE: Self = Self(0);
    /// Every type, for a socket that hears of all (`ETH_P_ALL`); no frame has it.
    pub const ALL: Self = Self(3);
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// ARP.
    pub const ARP: Self = Self(0x0806);
    /// A VLAN tag (IEEE 802.1Q).
    pub const VLAN: Self = Self(0x8100);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);

    /// Whether it is no type but the length of an IEEE 802.3 frame.
    #[must_use]
    pub const fn is_length(self) -> bool {
        self.0 < 0x600
    }

    /// That of an IP packet to or from `address`.
    #[must_use]
    pub const fn of_ip(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::IPV4,
            IpAddr::V6(_) => Self::IPV6,
        }
    }
}

impl fmt::Debug for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EtherType({:#06x})", self.0)
    }
}

/// What an Ethernet header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthernetHeader {
    /// The station or stations that it is for.
    pub dest: MacAddr,
    /// The station that sent it.
    pub source: MacAddr,
    /// What follows.
    pub ethertype: EtherType,
}

/// The header as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    dest: MacAddr,
    source: MacAddr,
    ethertype: U16,
}

impl EthernetHeader {
    /// Reads the header at the front of `frame`.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] below 14 bytes.
    #[inline]
    pub fn parse(frame: &[u8]) -> Result<Self, DropReason> {
        let (fixed, _) = Fixed::ref_from_prefix(frame).map_err(|_| DropReason::Truncated)?;
        Ok(Self {
            dest: fixed.dest,
            source: fixed.source,
            ethertype: EtherType(fixed.ethertype.get()),
        })
    }

    /// The header as it goes onto the wire.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        zerocopy::transmute!(Fixed {
            dest: self.dest,
            source: self.source,
            ethertype: U16::new(self.ethertype.0),
        })
    }

    /// Prepends the header.
    pub fn emit(&self, head: &mut HeadBuf) {
        head.prepend(HEADER_LEN).copy_from_slice(&self.to_bytes());
    }
}

/// The multicast address that every holder of `address` listens to (RFC 4291 §2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from_octets([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// 224.0.0.1: every host on the link (RFC 1112 §4).
pub const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// ff02::1: every node on the link (RFC 4291 §2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// ff02::2: every router on the link (RFC 4291 §2.7.1).
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
