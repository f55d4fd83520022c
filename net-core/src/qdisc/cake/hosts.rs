//! How many flows of each host send in bulk.

use super::ways::{Place, QUEUES, find};
use alloc::vec::Vec;

/// Hosts of one side of a tin's flows.
#[derive(Debug)]
pub(super) struct Hosts {
    hosts: Vec<Host>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Host {
    tag: u64,
    bulk_flows: u16,
}

impl Hosts {
    pub(super) fn new() -> Self {
        Self {
            hosts: alloc::vec![Host::default(); usize::from(QUEUES)],
        }
    }

    /// How many flows of a host send in bulk.
    pub(super) fn bulk_flows(&self, tag: u64) -> u16 {
        match self.place(tag) {
            Place::Own { index, .. } => self.at(index),
            Place::Free(_) | Place::Shared(_) => 0,
        }
    }

    /// The same for one whose place is known.
    pub(super) fn at(&self, index: u16) -> u16 {
        let host = self.hosts.get(usize::from(index));
        host.map_or(0, |host| host.bulk_flows)
    }

    /// One more flow of a host sends in bulk; the host's place.
    pub(super) fn add(&mut self, tag: u64) -> u16 {
        let (Place::Own { index, .. } | Place::Free(index) | Place::Shared(index)) =
            self.place(tag);
        if let Some(host) = self.hosts.get_mut(usize::from(index)) {
            host.tag = tag;
            host.bulk_flows = host.bulk_flows.saturating_add(1);
        }
        index
    }

    /// One flow fewer does.
    pub(super) fn remove(&mut self, index: u16) {
        if let Some(host) = self.hosts.get_mut(usize::from(index)) {
            host.bulk_flows = host.bulk_flows.saturating_sub(1);
        }
    }

    fn place(&self, tag: u64) -> Place {
        find(tag, |index| {
            let host = self.hosts.get(usize::from(index));
            host.map_or((0, true), |host| (host.tag, host.bulk_flows > 0))
        })
    }
}
