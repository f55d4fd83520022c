//! The ways that prefixes share.

use super::{Decision, NextHop, Reject, Route, Weight};
use crate::iface::{IfaceId, IpCidr};
use alloc::collections::{BTreeMap, BTreeSet};
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
    /// The interfaces that sets lead over, each with the number of the set.
    over: BTreeSet<(u16, u32)>,
    /// How many prefixes have a set whose ways have all gone with an interface.
    gone: usize,
}

impl SharedWays {
    pub(super) const fn new() -> Self {
        Self {
            sets: Slab::new(),
            known: BTreeMap::new(),
            local: 0,
            over: BTreeSet::new(),
            gone: 0,
        }
    }

    /// Whether some prefix is this host's.
    pub(super) const fn has_local(&self) -> bool {
        self.local > 0
    }

    /// How many prefixes have lost all of their ways with an interface.
    pub(super) const fn gone(&self) -> usize {
        self.gone
    }

    /// The ways of a set: none, if they have gone with an interface.
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
        self.over.extend(ifaces(&ways).map(|iface| (iface, number)));
        self.known.insert(ways, number);
        number
    }

    /// One prefix fewer has this set.
    pub(super) fn release(&mut self, number: u32) {
        let Some((ways, users)) = self.sets.get_mut(number as usize) else {
            return;
        };
        *users -= 1;
        self.gone -= usize::from(ways.is_empty());
        if *users == 0 {
            let (ways, _) = self.sets.remove(number as usize);
            self.forget(&ways, number);
            self.local -= usize::from(has_local(&ways));
            for iface in ifaces(&ways) {
                self.over.remove(&(iface, number));
            }
        }
    }

    /// Takes the ways over an interface out of all sets, and so from all prefixes that have them; whether there
    /// were any. That costs what there are of such sets, however many prefixes have each.
    pub(super) fn remove_iface(&mut self, iface: IfaceId) -> bool {
        let over = self.over.range((iface.0, 0)..=(iface.0, u32::MAX));
        let numbers: Vec<u32> = over.map(|&(_, number)| number).collect();
        for &number in &numbers {
            self.over.remove(&(iface.0, number));
            let Some((ways, users)) = self.sets.get_mut(number as usize) else {
                continue;
            };
            let before = ways.clone();
            ways.retain(|way| !way.is_over(iface));
            if ways.is_empty() {
                self.gone += *users as usize;
            } else if !self.known.contains_key(ways) {
                self.known.insert(ways.clone(), number);
            }
            self.forget(&before, number);
        }
        !numbers.is_empty()
    }

    /// Forgets that a set has these ways. Since an interface has gone, another may be known by the same.
    fn forget(&mut self, ways: &Ways, number: u32) {
        if self.known.get(ways) == Some(&number) {
            self.known.remove(ways);
        }
    }

    /// Bytes of memory that it holds, about.
    pub(super) fn memory(&self) -> usize {
        self.sets.capacity() * size_of::<(Ways, u32)>()
            + self.known.len() * size_of::<(Ways, u32)>() * 2
            + self.over.len() * size_of::<(u16, u32)>() * 2
    }
}

fn has_local(ways: &[Way]) -> bool {
    ways.iter().any(|way| way.target == Target::Local)
}

/// The interfaces that ways lead over, some more than once.
fn ifaces(ways: &[Way]) -> impl Iterator<Item = u16> {
    ways.iter().filter_map(|way| match way.target {
        Target::Hop { iface, .. } => Some(iface),
        Target::Local | Target::Reject(_) => None,
    })
}
