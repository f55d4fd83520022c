//! A route over several next hops, each with its share of the flows.

use super::Route;
use super::hops::{Target, Way};
use crate::iface::{IfaceId, IpCidr};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// A way to a prefix over several next hops, of which each takes flows in proportion to its weight.
///
/// A flow keeps its next hop: the hash of its addresses falls into the region of one of them, and regions
/// are as large as weights say (hash-threshold, RFC 2992 §2, with unequal regions as in Linux).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipath {
    /// Destinations that it is for.
    pub prefix: IpCidr,
    /// Source address to prefer; `None` leaves the choice to the interface.
    pub source: Option<IpAddr>,
    /// Among routes to the same prefix the lowest wins.
    pub metric: u32,
    /// Where it leads, in the order of their regions.
    pub hops: Vec<NextHop>,
}

/// One of the next hops of a route (`nexthop via ADDRESS dev NAME weight N`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    /// Its address; `None` if the destinations are on the link.
    pub via: Option<IpAddr>,
    /// The interface that leads there.
    pub iface: IfaceId,
    /// Its share of the flows, beside those of the others.
    pub weight: Weight,
    /// It is a neighbour on the interface's link, although no route says so (`onlink`).
    pub onlink: bool,
}

/// The share of a next hop: 1 to 256, as in Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(
    /// Less one.
    u8,
);

impl Weight {
    /// That of a next hop of which nothing is said.
    pub const ONE: Self = Self(0);

    /// A weight; `None` but for 1 to 256.
    ///
    /// ```
    /// use net_core::route::Weight;
    /// assert_eq!(Weight::new(256).map(Weight::number), Some(256));
    /// assert_eq!((Weight::new(0), Weight::new(257)), (None, None));
    /// ```
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        let less_one = number.checked_sub(1)?;
        u8::try_from(less_one).ok().map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0 as u16 + 1
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl Multipath {
    /// Several ways of a prefix as one route; `None` where they lead nowhere.
    pub(super) fn of(prefix: IpCidr, ways: &[Way]) -> Option<Self> {
        let mut hops = Vec::with_capacity(ways.len());
        let mut first = None;
        for way in ways {
            let Target::Hop { via, iface, source } = way.target else {
                return None;
            };
            first.get_or_insert((source, way.metric));
            hops.push(NextHop {
                via,
                iface: IfaceId(iface),
                weight: way.weight,
                onlink: way.onlink,
            });
        }
        let (source, metric) = first?;
        Some(Self {
            prefix,
            source,
            metric,
            hops,
        })
    }

    /// The route over one of the next hops alone.
    pub(crate) const fn over(&self, hop: &NextHop) -> Route {
        Route {
            prefix: self.prefix,
            via: hop.via,
            iface: hop.iface,
            source: self.source,
            metric: self.metric,
        }
    }
}
