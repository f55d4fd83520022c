//! The ways that prefixes share.

use super::{Decision, NextHop, Reject, Route, Weight};
use crate::iface::{IfaceId, IpCidr};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use slab::Slab;
use smallvec::SmallVec;

/// Where one way leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Hop {
        via: Option<IpAddr>,
        iface: u16,
        source: Option<IpAddr>,
    },
    Local,
    Reject(Reject),
}

/// One way of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) metric: u32,
    pub(super) target: Target,
    /// Its share of flows, beside other ways of the metric.
    pub(super) weight: Weight,
    /// No route says that the next hop is on the link.
    pub(super) onlink: bool,
}

impl Way {
    pub(super) const fn of(route: &Route) -> Self {
        Self {
            metric: route.metric,
            target: Target::Hop {
                via: route.via,
                iface: route.iface.0,
                source: route.source,
            },
            weight: Weight::ONE,
            onlink: false,
        }
    }

    /// A way over one of several next hops.
    pub(super) const fn over(route: &Route, hop: &NextHop) -> Self {
        Self {
            weight: hop.weight,
            onlink: hop.onlink,
            ..Self::of(route)
        }
    }

    /// One that leads nowhere.
    pub(super) const fn end(metric: u32, target: Target) -> Self {
        Self {
            metric,
            target,
            weight: Weight::ONE,
            onlink: false,
        }
    }

    /// What it says about a prefix.
    #[inline]
    pub(super) const fn decision(&self, prefix: IpCidr) -> Decision {
        match self.target {
            Target::Local => Decision::Local,
            Target::Reject(reject) => Decision::Reject(reject),
            Target::Hop { via, iface, source } => Decision::Route(Route {
                prefix,
                via,
                iface: IfaceId(iface),
                source,
                metric: self.metric,
            }),
        }
    }

    /// Whether two lead to the same place, whatever their shares.
    pub(super) fn leads_as(&self, other: &Self) -> bool {
        (self.metric, self.target) == (other.metric, other.target)
    }

    /// Whether it leads to a next hop or a link.
    #[inline]
    pub(super) const fn leads_on(&self) -> bool {
        matches!(self.target, Target::Hop { .. })
    }

    /// Whether flows are divided between two.
    #[inline]
    pub(super) const fn shares_with(&self, other: &Self) -> bool {
        self.leads_on() && other.leads_on() && self.metric == other.metric
    }

    /// Whether two are parts of one route.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let sources = match (self.target, other.target) {
            (Target::Hop { source: a, .. }, Target::Hop { source: b, .. }) => a == b,
            _ => false,
        };
        sources && self.metric == other.metric
    }

    /// Whether the destinations are on the link that it leads over.
    pub(super) const fn is_direct(&self) -> bool {
        matches!(self.target, Target::Hop { via: None, .. })
    }

    pub(super) const fn is_reject(&self) -> bool {
        matches!(self.target, Target::Reject(_))
    }

    pub(super) fn is_over(&self, over: IfaceId) -> bool {
        matches!(self.target, Target::Hop { iface, .. } if iface == over.0)
    }
}

/// All ways of one prefix, the lowest metric first.
pub(super) type Ways = SmallVec<[Way; 1]>;

/// Every set of ways that some prefix has, once.
#[derive(Debug)]
pub(super) struct SharedWays {
    sets: Slab<(Ways, u32)>,
    known: BTreeMap<Ways, u32>,
    /// How many of the sets have a way that ends at this host.
    local: usize,
}

impl SharedWays {
    pub(super) const fn new() -> Self {
        Self {
            sets: Slab::new(),
            known: BTreeMap::new(),
            local: 0,
        }
    }

    /// Whether some prefix is this host's.
    pub(super) const fn has_local(&self) -> bool {
        self.local > 0
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> &[Way] {
        self.sets.get(number as usize).map_or(&[], |(ways, _)| ways)
    }

    /// The number of a set, which one more prefix has now.
    pub(super) fn share(&mut self, ways: Ways) -> u32 {
        if let Some(&number) = self.known.get(&ways) {
            self.sets[number as usize].1 += 1;
            return number;
        }
        self.local += usize::from(has_local(&ways));
        let number = self.sets.insert((ways.clone(), 1));
        let number = u32::try_from(number).expect("fewer sets than prefixes");
        self.known.insert(ways, number);
        number
    }

    /// One prefix fewer has this set.
    pub(super) fn release(&mut self, number: u32) {
        let Some((_, users)) = self.sets.get_mut(number as usize) else {
            return;
        };
        *users -= 1;
        if *users == 0 {
            let (ways, _) = self.sets.remove(number as usize);
            self.known.remove(&ways);
            self.local -= usize::from(has_local(&ways));
        }
    }

    /// The numbers of the sets in which a way leads over an interface.
    pub(super) fn over(&self, iface: IfaceId) -> Vec<u32> {
        self.known
            .iter()
            .filter(|(ways, _)| ways.iter().any(|way| way.is_over(iface)))
            .map(|(_, &number)| number)
            .collect()
    }

    /// Bytes of memory that it holds, about.
    pub(super) fn memory(&self) -> usize {
        self.sets.capacity() * size_of::<(Ways, u32)>()
            + self.known.len() * size_of::<(Ways, u32)>() * 2
    }
}

fn has_local(ways: &[Way]) -> bool {
    ways.iter().any(|way| way.target == Target::Local)
}
