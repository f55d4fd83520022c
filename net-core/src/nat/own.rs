//! The addresses of this host that flows are translated to, and flows that have lost theirs.
//!
//! A flow that was masqueraded as an address of this host is forgotten once that is gone, as in Linux: nobody
//! would hear the answers. Which ones those are is looked up some hundred at a time; what has a packet before
//! it is found begins anew with that.

use crate::conntrack::{Flow, FlowStatus, Tracked, Tracker};
use crate::iface::IfaceId;
use crate::time::Instant;
use alloc::vec::Vec;
use core::net::IpAddr;

/// What flows are translated to that have no address chosen for them.
#[derive(Debug, Default)]
pub(crate) struct OwnAddresses {
    /// The first addresses of the interfaces, one of each family.
    of_ifaces: Vec<(IfaceId, IpAddr)>,
    /// The same addresses, in order.
    sorted: Vec<IpAddr>,
    /// Flows that have lost their address are being looked for.
    sweep: Option<Sweep>,
}

/// A search through the table of flows.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    since: Instant,
    /// The place in the table that is looked at next.
    next: u32,
}

impl OwnAddresses {
    /// Notes the addresses. If one is gone, it begins to be looked for flows that have lost theirs.
    pub(crate) fn set(&mut self, of_ifaces: Vec<(IfaceId, IpAddr)>, now: Instant) {
        self.of_ifaces = of_ifaces;
        let addresses = self.of_ifaces.iter().map(|(_, address)| *address);
        let mut sorted: Vec<_> = addresses.collect();
        sorted.sort_unstable();
        let before = core::mem::replace(&mut self.sorted, sorted);
        if before.iter().any(|address| !self.has(address)) {
            self.sweep = Some(Sweep {
                since: now,
                next: 0,
            });
        }
    }

    /// The address of an interface.
    pub(crate) fn of(&self, iface: IfaceId, is_v4: bool) -> Option<IpAddr> {
        let mut all = self.of_ifaces.iter();
        let found = all.find(|(other, address)| *other == iface && address.is_ipv4() == is_v4);
        found.map(|(_, address)| *address)
    }

    /// When the search for them is to go on.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.sweep.map(|sweep| sweep.since)
    }

    /// Forgets the flow of a packet if it has lost its address and has not been found yet; whether it has
    /// and the packet is to be tracked again.
    #[inline]
    pub(crate) fn forget_lost(&self, tracker: &mut Tracker, tracked: &mut Tracked) -> bool {
        self.sweep.is_some() && self.forget_found(tracker, tracked)
    }

    #[inline(never)]
    fn forget_found(&self, tracker: &mut Tracker, tracked: &mut Tracked) -> bool {
        let is_lost = tracker
            .flow(*tracked)
            .is_some_and(|flow| self.is_lost(flow));
        if is_lost {
            tracker.forget_flow_of(core::mem::take(tracked));
        }
        is_lost
    }

    /// Forgets those of the next few hundred flows that have lost their address.
    pub(crate) fn sweep(&mut self, tracker: &mut Tracker) {
        let Some(Sweep { since, next: first }) = self.sweep else {
            return;
        };
        let end = u32::try_from(tracker.table.slots()).unwrap_or(u32::MAX);
        let next = end.min(first.saturating_add(MAX_SWEPT));
        for index in first..next {
            let flow = tracker.table.get(index);
            if flow.is_some_and(|flow| self.is_lost(flow)) {
                tracker.forget(index);
            }
        }
        self.sweep = (next < end).then_some(Sweep { since, next });
    }

    fn is_lost(&self, flow: &Flow) -> bool {
        flow.status.contains(FlowStatus::MASQUERADED) && !self.has(&flow.reply.dest)
    }

    fn has(&self, address: &IpAddr) -> bool {
        self.sorted.binary_search(address).is_ok()
    }
}

/// Flows that are looked at in one turn.
const MAX_SWEPT: u32 = 512;
