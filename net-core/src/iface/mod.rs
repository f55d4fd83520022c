//! Interfaces: a device as the stack sees it, and its addresses.

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
}

/// An address with the length of its on-link prefix, `10.7.0.2/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpCidr {
    /// The address.
    pub address: IpAddr,
    /// Leading bits that name the network: at most 32 or 128.
    pub prefix_len: u8,
}

/// How packets leave an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IfaceKind {
    /// IP packets to whatever is at the other end: TUN, an in-memory pair, a tunnel.
    #[default]
    PointToPoint,
    /// What is sent comes back: 127.0.0.0/8 and ::1, and the stack's own addresses.
    Loopback,
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
}
