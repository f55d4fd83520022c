//! Which addresses a bound socket covers, and how addresses look to sockets of either family.

use super::Family;
use crate::error::SocketError;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;

/// The set of local addresses that a binding covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// One IPv4 address, or all of them if unspecified.
    V4(Ipv4Addr),
    /// One IPv6 address, or all of them if unspecified.
    V6(Ipv6Addr),
    /// Every address of both families.
    Any,
}

impl Place {
    /// What a socket bound to `address` covers.
    pub(crate) fn new(address: IpAddr, only_v6: bool) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) if v6.is_unspecified() && !only_v6 => Self::Any,
            IpAddr::V6(v6) => Self::V6(v6),
        }
    }

    /// Whether some address belongs to both.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::V4(a), Self::V4(b)) => a == b || a.is_unspecified() || b.is_unspecified(),
            (Self::V6(a), Self::V6(b)) => a == b || a.is_unspecified() || b.is_unspecified(),
            (Self::V4(_), Self::V6(_)) | (Self::V6(_), Self::V4(_)) => false,
        }
    }

    /// The places that have some address in common with this one.
    pub(crate) fn overlapping(self) -> [Option<RangeInclusive<Self>>; 3] {
        let one = |place| Some(place..=place);
        let all_v4 = Self::V4(Ipv4Addr::UNSPECIFIED)..=Self::V4(Ipv4Addr::BROADCAST);
        let all_v6 = Self::V6(Ipv6Addr::UNSPECIFIED)..=Self::V6(Ipv6Addr::from_bits(u128::MAX));
        match self {
            Self::Any => [Some(all_v4), Some(all_v6), one(Self::Any)],
            Self::V4(v4) if v4.is_unspecified() => [Some(all_v4), one(Self::Any), None],
            Self::V6(v6) if v6.is_unspecified() => [Some(all_v6), one(Self::Any), None],
            Self::V4(_) => [self, Self::V4(Ipv4Addr::UNSPECIFIED), Self::Any].map(one),
            Self::V6(_) => [self, Self::V6(Ipv6Addr::UNSPECIFIED), Self::Any].map(one),
        }
    }

    /// The places that cover `address`, the most specific first.
    pub(crate) fn candidates(address: IpAddr) -> [Self; 3] {
        match address.to_canonical() {
            IpAddr::V4(v4) => [Self::V4(v4), Self::V4(Ipv4Addr::UNSPECIFIED), Self::Any],
            IpAddr::V6(v6) => [Self::V6(v6), Self::V6(Ipv6Addr::UNSPECIFIED), Self::Any],
        }
    }
}

/// The address as the stack keeps it: an IPv4-mapped address is an IPv4 address, and flow label
/// and scope are left out.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// The address as an application with a socket of `family` sees it: an IPv6 socket sees IPv4
/// addresses as IPv4-mapped (RFC 3493 §3.7).
pub(crate) fn present(addr: SocketAddr, family: Family) -> SocketAddr {
    match (addr.ip(), family) {
        (IpAddr::V4(v4), Family::V6) => {
            SocketAddr::new(IpAddr::V6(v4.to_ipv6_mapped()), addr.port())
        }
        _ => addr,
    }
}

/// Checks that an application with a socket of `family` may name `addr`, and makes it canonical. That
/// an IPv6 socket may be given a plain IPv4 address is for datagram sockets to allow.
pub(crate) fn accept_addr(
    addr: SocketAddr,
    family: Family,
    only_v6: bool,
) -> Result<SocketAddr, SocketError> {
    let canonical = canonical(addr);
    match (family, addr, canonical) {
        (Family::V4, SocketAddr::V6(_), _) => Err(SocketError::AddressFamily),
        // The kernel finds it too short for an address of the family.
        (Family::V6, SocketAddr::V4(_), _) => Err(SocketError::InvalidInput(
            "an IPv6 socket needs an IPv6 address, such as an IPv4-mapped one",
        )),
        (Family::V6, SocketAddr::V6(_), SocketAddr::V4(_)) if only_v6 => {
            Err(SocketError::NetworkUnreachable)
        }
        _ => Ok(canonical),
    }
}
