//! What `socket()` is asked for: a family, a type, a protocol.

use super::Family;
use crate::error::SocketError;
use crate::packet::PacketKind;
use crate::wire::EtherType;
use core::fmt;

/// The number of an address family, as Linux counts them (`AF_INET` …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Domain(pub i32);

impl Domain {
    /// No family (`AF_UNSPEC`).
    pub const UNSPEC: Self = Self(0);
    /// Sockets of the same host (`AF_UNIX`); no such family is built in.
    pub const UNIX: Self = Self(1);
    /// IPv4 (`AF_INET`).
    pub const INET: Self = Self(2);
    /// IPv6, and IPv4 by IPv4-mapped addresses (`AF_INET6`).
    pub const INET6: Self = Self(10);
    /// Frames of devices (`AF_PACKET`).
    pub const PACKET: Self = Self(17);

    /// How many numbers there are (`AF_MAX`).
    pub const COUNT: usize = 46;

    /// The place in a table of all families, if it is the number of one.
    pub(crate) fn index(self) -> Option<usize> {
        usize::try_from(self.0)
            .ok()
            .filter(|&index| index < Self::COUNT)
    }
}

impl From<Family> for Domain {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::INET,
            Family::V6 => Self::INET6,
        }
    }
}

/// The number of a type of sockets (`SOCK_STREAM` …), without flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketType(pub i32);

impl SocketType {
    /// A stream of bytes (`SOCK_STREAM`).
    pub const STREAM: Self = Self(1);
    /// Datagrams (`SOCK_DGRAM`).
    pub const DGRAM: Self = Self(2);
    /// Packets of a protocol as they are (`SOCK_RAW`).
    pub const RAW: Self = Self(3);
    /// Frames of devices, in the way before `AF_PACKET` (`SOCK_PACKET`).
    pub const PACKET: Self = Self(10);

    /// How many numbers there are (`SOCK_MAX`).
    pub const COUNT: i32 = 11;
}

/// The number of a protocol within a family (`IPPROTO_TCP` …). Zero asks for the usual one of the
/// type; as an entry of a family, it stands for every protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Protocol(pub i32);

impl Protocol {
    /// The usual one, or any (`IPPROTO_IP`).
    pub const ANY: Self = Self(0);
    /// ICMP (`IPPROTO_ICMP`).
    pub const ICMP: Self = Self(1);
    /// TCP (`IPPROTO_TCP`).
    pub const TCP: Self = Self(6);
    /// UDP (`IPPROTO_UDP`).
    pub const UDP: Self = Self(17);
    /// ICMPv6 (`IPPROTO_ICMPV6`).
    pub const ICMPV6: Self = Self(58);

    /// How many numbers the families of IP have (`IPPROTO_MAX`).
    pub const COUNT: i32 = 263;
}

/// What a socket is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// Its address family.
    pub domain: Domain,
    /// Its type.
    pub socket_type: SocketType,
    /// Its protocol.
    pub protocol: Protocol,
}

impl Request {
    /// A TCP socket.
    #[must_use]
    pub fn tcp(family: Family) -> Self {
        Self {
            domain: family.into(),
            socket_type: SocketType::STREAM,
            protocol: Protocol::TCP,
        }
    }

    /// A UDP socket.
    #[must_use]
    pub fn udp(family: Family) -> Self {
        Self {
            domain: family.into(),
            socket_type: SocketType::DGRAM,
            protocol: Protocol::UDP,
        }
    }

    /// A ping socket.
    #[must_use]
    pub fn ping(family: Family) -> Self {
        Self {
            domain: family.into(),
            socket_type: SocketType::DGRAM,
            protocol: match family {
                Family::V4 => Protocol::ICMP,
                Family::V6 => Protocol::ICMPV6,
            },
        }
    }

    /// A raw socket for an IP protocol.
    #[must_use]
    pub fn raw(family: Family, protocol: u8) -> Self {
        Self {
            domain: family.into(),
            socket_type: SocketType::RAW,
            protocol: Protocol(protocol.into()),
        }
    }

    /// A packet socket; the numbers of its protocols are EtherTypes in network byte order.
    #[must_use]
    pub fn packet(kind: PacketKind, ethertype: EtherType) -> Self {
        Self {
            domain: Domain::PACKET,
            socket_type: match kind {
                PacketKind::Raw => SocketType::RAW,
                PacketKind::Cooked => SocketType::DGRAM,
            },
            protocol: Protocol(ethertype.0.to_be().into()),
        }
    }

    /// The EtherType that the protocol of a packet socket stands for; as in the kernel, the low 16 bits
    /// count.
    pub(crate) const fn ethertype(self) -> EtherType {
        let [a, b, ..] = self.protocol.0.to_le_bytes();
        EtherType(u16::from_be(u16::from_le_bytes([a, b])))
    }

    /// Checks the ranges, the family's before the type's, and sends `SOCK_PACKET` of IPv4, which is
    /// older than `AF_PACKET`, to the family that serves it.
    pub(crate) fn checked(mut self) -> Result<Self, SocketError> {
        if self.domain.index().is_none() {
            return Err(SocketError::AddressFamily);
        }
        if !(0..SocketType::COUNT).contains(&self.socket_type.0) {
            return Err(SocketError::InvalidInput("there is no such socket type"));
        }
        if (self.domain, self.socket_type) == (Domain::INET, SocketType::PACKET) {
            self.domain = Domain::PACKET;
        }
        Ok(self)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain: Domain(domain),
            socket_type: SocketType(socket_type),
            protocol: Protocol(protocol),
        } = self;
        write!(
            f,
            "family {domain}, type {socket_type}, protocol {protocol}"
        )
    }
}
