//! The ways that prefixes share.

use super::{Reject, Route};
use crate::iface::IfaceId;
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
        }
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
