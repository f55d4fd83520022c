//! What all sockets share: names, readiness, options.

mod demux;
mod families;
mod ip_options;
mod multicast;
mod operations;
mod options;
mod place;
mod places;
mod policy;
mod port_share;
mod ports;
mod queue;
mod request;
mod summary;
mod table;

pub(crate) use demux::{Demux, FlowKey};
pub use families::{Entry, Factory, Families, Handler};
pub use ip_options::{IpOption, IpSettings, PathMtuMode};
pub use multicast::MulticastSettings;
pub use operations::{Shutdown, SocketOps};
pub use options::{TcpOption, TcpSettings, UdpSettings};
pub(crate) use place::{accept_addr, present};
pub use policy::{Established, Operation, Options, Policy};
pub use port_share::PortShare;
pub(crate) use ports::{Claim, PortTable, Sharing};
pub(crate) use queue::SocketQueue;
pub use request::{Domain, Protocol, Request, SocketType};
pub use summary::Summary;
pub(crate) use table::{SocketKind, SocketTable};

use bitflags::bitflags;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name of a socket: index, generation and shard in one word.
///
/// A closed socket's id never comes to mean another socket: the generation differs, and every call
/// with a stale id says [`NoSuchSocket`](crate::SocketError::NoSuchSocket).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    index: u32,
    generation: u32,
}

impl SocketId {
    /// Bits of the generation word that hold the generation; the rest is the shard.
    const GENERATION_BITS: u32 = 24;

    pub(crate) const fn new(index: u32, generation: u32, shard: u8) -> Self {
        let generation = generation & ((1 << Self::GENERATION_BITS) - 1);
        Self {
            index,
            generation: generation | (shard as u32) << Self::GENERATION_BITS,
        }
    }

    /// Whether it names what lives at its index in this generation, in this shard.
    #[inline]
    pub(crate) const fn is_of(self, generation: u32, shard: u8) -> bool {
        self.generation == Self::new(0, generation, shard).generation
    }

    /// The position in the socket table: small, reused after close, fit to index an array.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Which shard's stack the socket lives in.
    #[must_use]
    pub const fn shard(self) -> u8 {
        self.generation.to_be_bytes()[0]
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let generation = self.generation & ((1 << Self::GENERATION_BITS) - 1);
        write!(f, "{}.{}.{}", self.shard(), self.index, generation)
    }
}

/// Which addresses a socket speaks (RFC 3493).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 only (`AF_INET`).
    V4,
    /// IPv6 (`AF_INET6`), and IPv4 by IPv4-mapped addresses unless `OnlyV6` is set.
    V6,
}

impl Family {
    /// The wildcard address of the family.
    #[must_use]
    pub const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

bitflags! {
    /// What a socket is ready for; the bits of `poll(2)` under the field's names.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Readiness: u8 {
        /// Bytes, a datagram, an end of stream or an error can be read.
        const READABLE = 1;
        /// There is room to send, or sending would fail at once.
        const WRITABLE = 2;
        /// A listener has a connection to accept.
        const ACCEPTABLE = 4;
        /// The peer has sent FIN, or the reading side is shut down (`POLLRDHUP`).
        const PEER_CLOSED = 8;
        /// Both directions are finished (`POLLHUP`).
        const HANG_UP = 16;
        /// A pending error waits to be taken (`POLLERR`).
        const ERROR = 32;
        /// An active open has completed.
        const CONNECTED = 64;
        /// The peer has urgent data (`POLLPRI`).
        const URGENT = 128;
    }
}

/// Something changed at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Which socket.
    pub socket: SocketId,
    /// Its readiness now (level), not only what changed.
    pub ready: Readiness,
}
