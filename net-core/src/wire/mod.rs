//! Wire formats: bytes to meaning and back.
//!
//! Parsers take what came from outside: they check every length once, never panic, and name the
//! [`DropReason`](crate::stats::DropReason) where they refuse. Emitters prepend to a
//! [`HeadBuf`](crate::buf::HeadBuf), the innermost header first.

pub mod arp;
pub mod checksum;
mod ecn_counters;
pub mod ethernet;
mod fast_open;
pub mod icmp;
pub mod icmpv4;
pub mod icmpv6;
pub mod igmp;
pub mod ip;
pub mod ipv4;
pub(crate) mod ipv4_options;
pub mod ipv6;
pub mod ipv6_ext;
pub mod membership;
pub mod mld;
pub mod ndp;
pub mod tcp;
pub mod tcp_options;
pub mod transport;
pub mod udp;
pub mod vlan;

#[cfg(test)]
pub(crate) mod tests;

pub use arp::{ArpOperation, ArpPacket};
pub use checksum::Sum;
pub use ecn_counters::{EcnCounters, EcnOrder};
pub use ethernet::{EtherType, EthernetHeader, MacAddr};
pub use fast_open::FastOpenCookie;
pub use icmp::IcmpMessage;
pub use ip::{Fragment, IpHeader};
pub use membership::Membership;
pub use ndp::{NdpMessage, NdpOption};
pub use tcp::{TcpFlags, TcpHeader};
pub use tcp_options::{SackBlocks, TcpOptions, UserTimeout};
pub use udp::UdpHeader;
pub use vlan::{VlanId, VlanTag};
