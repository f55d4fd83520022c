//! Interfaces: a device as the stack sees it, and its addresses.

mod device_queue;
mod state;

pub(crate) use device_queue::DeviceQueue;
pub(crate) use state::Iface;

use crate::buf::GsoKind;
use crate::error::SocketError;
use crate::wire::MacAddr;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// The name of an interface within its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfaceId(pub(crate) u16);

impl IfaceId {
    /// Its position: the first interface added is 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its number in the scope of an IPv6 address (RFC 4007 §11): 1 for the first interface.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 as u32 + 1
    }

    /// The interface of that number; `None` for 0, which leaves it open.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        u16::try_from(number.checked_sub(1)?).ok().map(Self)
    }
}

/// An address with the length of its on-link prefix, `10.7.0.2/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpCidr {
    /// The address.
    pub address: IpAddr,
    /// Leading bits that name the network: at most 32 or 128.
    pub prefix_len: u8,
}

impl IpCidr {
    /// The widest prefix length of the address's family: 32 or 128.
    #[must_use]
    pub const fn max_prefix_len(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }

    /// The prefix that has one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self {
            address,
            prefix_len: Self::max_prefix_len(address),
        }
    }

    /// Whether `address` lies in the prefix.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        let common = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        common >= self.prefix_len as u32
    }

    /// Checks the prefix length.
    pub(crate) fn check(&self) -> Result<(), SocketError> {
        if self.prefix_len > Self::max_prefix_len(self.address) {
            return Err(SocketError::InvalidInput(
                "a prefix is at most 32 bits long for IPv4 and 128 for IPv6",
            ));
        }
        Ok(())
    }
}

/// How packets leave an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IfaceKind {
    /// IP packets to whatever is at the other end: TUN, an in-memory pair, a tunnel.
    #[default]
    PointToPoint,
    /// What is sent comes back: 127.0.0.0/8 and ::1, and the stack's own addresses.
    Loopback,
    /// Ethernet frames from a station with this address: TAP, a switch, a network card. Packets of
    /// its device begin at the Ethernet header.
    Ethernet(MacAddr),
}

impl IfaceKind {
    /// The address of the station, where the link has such.
    #[must_use]
    pub const fn mac(self) -> Option<MacAddr> {
        match self {
            Self::Ethernet(mac) => Some(mac),
            Self::PointToPoint | Self::Loopback => None,
        }
    }
}

/// An interface to add.
#[derive(Debug, Clone)]
pub struct IfaceConfig {
    /// A name for people: `tun0`.
    pub name: String,
    /// How packets leave it.
    pub kind: IfaceKind,
    /// Largest IP packet in bytes, 576–65535 (IPv6 needs 1280).
    pub mtu: u16,
    /// Its addresses; each brings the route to its prefix.
    pub addresses: Vec<IpCidr>,
}

impl IfaceConfig {
    /// Checks what the fields can say wrongly.
    pub(crate) fn check(&self) -> Result<(), SocketError> {
        if self.mtu < 576 {
            return Err(SocketError::InvalidInput(
                "the MTU of an interface is at least 576",
            ));
        }
        if self.kind.mac().is_some_and(|mac| !mac.is_unicast()) {
            return Err(SocketError::InvalidInput(
                "the address of a station is no group's and not zero",
            ));
        }
        for cidr in &self.addresses {
            cidr.check()?;
            let usable = match cidr.address {
                IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast()),
                IpAddr::V6(v6) => {
                    !(v6.is_unspecified() || v6.is_multicast() || v6.to_ipv4_mapped().is_some())
                }
            };
            if !usable {
                return Err(SocketError::InvalidInput(
                    "an interface has unicast addresses only",
                ));
            }
            if cidr.address.is_ipv6() && self.mtu < 1280 {
                return Err(SocketError::InvalidInput(
                    "IPv6 needs an MTU of at least 1280",
                ));
            }
        }
        Ok(())
    }
}

/// What a device can do for the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceCaps {
    /// It completes transport checksums ([`Checksum::Partial`](crate::buf::Checksum)).
    pub tx_checksum: bool,
    /// It cuts TCP super-segments.
    pub tso: bool,
    /// It cuts UDP super-packets.
    pub uso: bool,
    /// Merge what it receives in software; wanted where the device delivers single segments.
    pub software_gro: bool,
    /// It takes a packet in one piece only, as the kernel's devices without `NETIF_F_SG`: one that has a
    /// body gets all of it into one piece of that, and an empty head
    /// ([`TxPacket::put_together`](crate::buf::TxPacket::put_together)). Such a device cuts nothing,
    /// whatever it says.
    pub one_piece: bool,
}

/// Which sources may come in over an interface, by whether routes lead back to them (RFC 3704): those of all
/// tables, in the order that the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReversePath {
    /// All that are no martians.
    #[default]
    Off,
    /// Those that some route leads to (RFC 3704 §2.4).
    Loose,
    /// Those that the best route leads to over this interface (RFC 3704 §2.2).
    Strict,
}

impl DeviceCaps {
    /// Whether it cuts super-segments of this kind, and sums what it cuts.
    #[must_use]
    pub const fn cuts(&self, kind: GsoKind) -> bool {
        self.tx_checksum
            && match kind {
                GsoKind::Tcp4 | GsoKind::Tcp6 => self.tso,
                GsoKind::Udp => self.uso,
            }
    }
}
