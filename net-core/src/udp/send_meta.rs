//! What a sender may say about one datagram.

use super::{Datagram, WantTimes};
use crate::iface::IfaceId;
use core::net::{IpAddr, SocketAddr};

/// How a datagram, or several at once, are to leave: the control data of `sendmsg`.
///
/// ```
/// use net_core::udp::SendMeta;
/// let meta = SendMeta {
///     segment: Some(1200),
///     ..SendMeta::to("10.7.0.1:443".parse().unwrap())
/// };
/// assert_eq!(meta.datagrams(3000), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendMeta {
    /// Where to; `None`: to the connected peer.
    pub to: Option<SocketAddr>,
    /// The payload is that of several datagrams of so many bytes each, but for the last, which may be
    /// shorter (`UDP_SEGMENT`). At most [`MAX_SEGMENTS`](Self::MAX_SEGMENTS).
    pub segment: Option<u16>,
    /// Type of service or traffic class, ECN bits included, instead of the socket's.
    pub tos: Option<u8>,
    /// Time to live or hop limit instead of the socket's, at least 1.
    pub ttl: Option<u8>,
    /// The local address to send from, instead of the socket's or the route's choice (`IP_PKTINFO`).
    pub source: Option<IpAddr>,
    /// The local port to send from, instead of the socket's: another is for
    /// [transparent](crate::socket::IpOption::Transparent) sockets, as are sources that are not this host's.
    pub source_port: Option<u16>,
    /// The interface to leave over (`ipi_ifindex` of `IP_PKTINFO`, `ipi6_ifindex` of RFC 3542 §6.2), instead
    /// of where routes lead: as for a socket that is bound to it, and for groups before the socket's
    /// multicast interface. A socket that is bound to an interface sends over no other, nor does what goes
    /// to an address with a scope.
    pub iface: Option<IfaceId>,
    /// When it leaves is wanted to be known (`SO_TIMESTAMPING`, `SCM_TS_OPT_ID`).
    pub times: Option<WantTimes>,
}

impl SendMeta {
    /// The most datagrams that one call may send.
    pub const MAX_SEGMENTS: usize = 64;

    /// One datagram to `to`.
    #[must_use]
    pub const fn to(to: SocketAddr) -> Self {
        Self {
            to: Some(to),
            segment: None,
            tos: None,
            ttl: None,
            source: None,
            source_port: None,
            iface: None,
            times: None,
        }
    }

    /// One datagram that answers another: to where that came from, from the address and port that it was
    /// sent to, which was a single host's.
    #[must_use]
    pub const fn answer(to: &Datagram) -> Self {
        Self {
            source: Some(to.dest.ip()),
            source_port: Some(to.dest.port()),
            ..Self::to(to.source)
        }
    }

    /// How many datagrams a payload of `len` bytes makes; none is made of a segment size of 0.
    #[must_use]
    pub fn datagrams(&self, len: usize) -> usize {
        match self.segment {
            Some(0) => 0,
            Some(size) => len.div_ceil(usize::from(size)).max(1),
            None => 1,
        }
    }
}

impl From<Option<SocketAddr>> for SendMeta {
    fn from(to: Option<SocketAddr>) -> Self {
        Self {
            to,
            ..Self::default()
        }
    }
}
