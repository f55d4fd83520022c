//! Neighbour discovery messages (RFC 4861 §4): ICMPv6 types 133 to 137.

mod option;

pub(crate) use option::MAX_OPTION_LEN;
pub use option::{
    Lifetime, NdpOption, NdpOptions, Preference, PrefixInformation, RouteInformation,
};

use crate::stats::DropReason;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// The hop limit of every message: one that a router has touched has another (RFC 4861 §3.1).
pub const HOP_LIMIT: u8 = 255;

/// What a message says in front of its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NdpMessage {
    /// Asks routers to advertise themselves.
    RouterSolicit,
    /// A router says that it is there, and how the link is to be used.
    RouterAdvert(RouterAdvert),
    /// Asks for the holder of an address.
    NeighborSolicit {
        /// The address; never a group's.
        target: Ipv6Addr,
    },
    /// The holder of an address says so.
    NeighborAdvert(NeighborAdvert),
    /// A router knows a better first hop to a destination.
    Redirect {
        /// The better first hop; the destination itself if that is on the link.
        target: Ipv6Addr,
        /// The destination; never a group's.
        dest: Ipv6Addr,
    },
}

/// What a router advertises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterAdvert {
    /// The hop limit to use; 0 leaves it open.
    pub hop_limit: u8,
    /// Addresses are to be had by DHCPv6.
    pub managed: bool,
    /// Other settings are to be had by DHCPv6.
    pub other: bool,
    /// How much the router is to be preferred to others as a default router (RFC 4191 §2.2).
    pub preference: Preference,
    /// For how many seconds it is a default router; 0: it is none.
    pub lifetime: u16,
    /// For how many milliseconds a neighbour counts as reachable; 0 leaves it open.
    pub reachable_time: u32,
    /// Milliseconds between two solicitations; 0 leaves it open.
    pub retrans_timer: u32,
}

/// What the holder of an address says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighborAdvert {
    /// It is a router.
    pub router: bool,
    /// It answers a solicitation that came to it alone.
    pub solicited: bool,
    /// It replaces a link-layer address that was known before.
    pub overrides: bool,
    /// The address; never a group's.
    pub target: Ipv6Addr,
}

impl NdpMessage {
    /// Reads a message, which begins at its ICMPv6 type, with its options.
    ///
    /// What concerns the IPv6 header around it, above all the hop limit, and the checksum is checked
    /// elsewhere.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] if it is cut off; [`DropReason::Ndp`] for another type, a code, an
    /// option of length 0 or that exceeds the message (RFC 4861 §4.6), a target that is a group.
    pub fn parse(bytes: &[u8]) -> Result<(Self, NdpOptions<'_>), DropReason> {
        let (&[kind, code, _, _, a, b, c, d], body) = bytes
            .split_first_chunk::<FIRST>()
            .ok_or(DropReason::Truncated)?;
        if code != 0 {
            return Err(DropReason::Ndp);
        }
        let (message, options) = match kind {
            ROUTER_SOLICIT => (Self::RouterSolicit, body),
            ROUTER_ADVERT => {
                let (timers, options) = body.split_first_chunk().ok_or(DropReason::Truncated)?;
                let lifetime = u16::from_be_bytes([c, d]);
                (
                    Self::RouterAdvert(RouterAdvert::read(a, b, lifetime, timers)),
                    options,
                )
            }
            NEIGHBOR_SOLICIT => {
                let (target, options) = unicast(body)?;
                (Self::NeighborSolicit { target }, options)
            }
            NEIGHBOR_ADVERT => {
                let (target, options) = unicast(body)?;
                let advert = NeighborAdvert {
                    router: a & ROUTER != 0,
                    solicited: a & SOLICITED != 0,
                    overrides: a & OVERRIDE != 0,
                    target,
                };
                (Self::NeighborAdvert(advert), options)
            }
            REDIRECT => {
                let (target, rest) = unicast(body)?;
                let (dest, options) = unicast(rest)?;
                (Self::Redirect { target, dest }, options)
            }
            _ => return Err(DropReason::Ndp),
        };
        Ok((message, NdpOptions::parse(options)?))
    }

    /// Appends the message with `options`, its checksum left 0.
    pub fn emit(&self, options: &[NdpOption<'_>], out: &mut Vec<u8>) {
        let (kind, rest) = match self {
            Self::RouterSolicit => (ROUTER_SOLICIT, [0; 4]),
            Self::RouterAdvert(advert) => (ROUTER_ADVERT, advert.first_word()),
            Self::NeighborSolicit { .. } => (NEIGHBOR_SOLICIT, [0; 4]),
            Self::NeighborAdvert(advert) => (NEIGHBOR_ADVERT, [advert.flags(), 0, 0, 0]),
            Self::Redirect { .. } => (REDIRECT, [0; 4]),
        };
        out.extend_from_slice(&[kind, 0, 0, 0]);
        out.extend_from_slice(&rest);
        match self {
            Self::RouterSolicit => {}
            Self::RouterAdvert(advert) => {
                out.extend_from_slice(&advert.reachable_time.to_be_bytes());
                out.extend_from_slice(&advert.retrans_timer.to_be_bytes());
            }
            Self::NeighborSolicit { target }
            | Self::NeighborAdvert(NeighborAdvert { target, .. }) => {
                out.extend_from_slice(&target.octets());
            }
            Self::Redirect { target, dest } => {
                out.extend_from_slice(&target.octets());
                out.extend_from_slice(&dest.octets());
            }
        }
        for option in options {
            option.emit(out);
        }
    }
}

impl RouterAdvert {
    fn read(hop_limit: u8, flags: u8, lifetime: u16, timers: &[u8; 8]) -> Self {
        let &[a, b, c, d, e, f, g, h] = timers;
        // A router that is no default router has no preference, and the reserved value means medium
        // (RFC 4191 §2.2).
        let preference = if lifetime == 0 {
            Preference::Medium
        } else {
            Preference::from_flags(flags).unwrap_or_default()
        };
        Self {
            hop_limit,
            managed: flags & MANAGED != 0,
            other: flags & OTHER != 0,
            preference,
            lifetime,
            reachable_time: u32::from_be_bytes([a, b, c, d]),
            retrans_timer: u32::from_be_bytes([e, f, g, h]),
        }
    }

    /// The second four bytes of the message.
    fn first_word(&self) -> [u8; 4] {
        let mut flags = if self.managed { MANAGED } else { 0 };
        if self.other {
            flags |= OTHER;
        }
        if self.lifetime > 0 {
            flags |= self.preference.to_flags();
        }
        let [c, d] = self.lifetime.to_be_bytes();
        [self.hop_limit, flags, c, d]
    }
}

impl NeighborAdvert {
    fn flags(&self) -> u8 {
        let flag = |on, bit| if on { bit } else { 0 };
        flag(self.router, ROUTER) | flag(self.solicited, SOLICITED) | flag(self.overrides, OVERRIDE)
    }
}

/// The address at the front of `bytes`, which must not be a group's, and what follows it.
fn unicast(bytes: &[u8]) -> Result<(Ipv6Addr, &[u8]), DropReason> {
    let (octets, rest) = bytes
        .split_first_chunk::<16>()
        .ok_or(DropReason::Truncated)?;
    let address = Ipv6Addr::from(*octets);
    if address.is_multicast() {
        return Err(DropReason::Ndp);
    }
    Ok((address, rest))
}

/// Whether an ICMPv6 message of this type is one of neighbour discovery.
#[must_use]
pub const fn is_ndp(kind: u8) -> bool {
    matches!(kind, ROUTER_SOLICIT..=REDIRECT)
}

const ROUTER_SOLICIT: u8 = 133;
const ROUTER_ADVERT: u8 = 134;
/// Type of a question for a neighbour.
pub(crate) const NEIGHBOR_SOLICIT: u8 = 135;
const NEIGHBOR_ADVERT: u8 = 136;
const REDIRECT: u8 = 137;

/// Bytes in front of what depends on the type.
const FIRST: usize = 8;

const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
