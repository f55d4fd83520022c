//! The flows of one tin: where each is, and how much it may send.

use super::super::flow::FlowKey;
use super::super::flow_queue::FlowQueue;
use super::CakeIsolation;
use super::cobalt::Cobalt;
use super::hosts::Hosts;
use super::ways::{Place, QUEUES, find};
use crate::seed::Key;
use alloc::vec::Vec;

/// A flow, or several that share a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    tag: u64,
    pub(super) state: State,
    pub(super) queue: FlowQueue,
    pub(super) cobalt: Cobalt,
    /// What it may still send in this turn, in 65,536ths of a byte.
    pub(super) deficit: i64,
    source: HostOf,
    dest: HostOf,
}

/// A host of a flow.
#[derive(Debug, Clone, Copy, Default)]
struct HostOf {
    tag: u64,
    /// Its place among the hosts, while the flow sends in bulk.
    place: u16,
}

/// Which turns a flow has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// None: nothing waits.
    #[default]
    Idle,
    /// Those of flows that send little, before others.
    Sparse,
    /// It has sent its quantum and nothing waits: it has to pass the others before it is new again.
    SparseWait,
    /// Those of flows that send what they get.
    Bulk,
}

/// All flows of a tin.
#[derive(Debug)]
pub(super) struct Flows {
    flows: Vec<Flow>,
    isolation: CakeIsolation,
    sources: Hosts,
    dests: Hosts,
    /// How often a flow was found beside its first place, got a place, and had to share one.
    pub(super) aside: u64,
    pub(super) missed: u64,
    pub(super) collided: u64,
}

impl Flows {
    pub(super) fn new(isolation: CakeIsolation) -> Self {
        Self {
            flows: alloc::vec![Flow::default(); usize::from(QUEUES)],
            isolation,
            sources: Hosts::new(),
            dests: Hosts::new(),
            aside: 0,
            missed: 0,
            collided: 0,
        }
    }

    /// Where the flow of a packet is; it gets a place if it had none.
    pub(super) fn place(&mut self, flow: &FlowKey, key: Key) -> u16 {
        let tag = match self.isolation {
            CakeIsolation::FlowBlind => return 0,
            CakeIsolation::SourceHost => flow.source(key),
            CakeIsolation::DestHost => flow.dest(key),
            CakeIsolation::Hosts => flow.source(key) ^ flow.dest(key),
            _ => flow.flow(key),
        };
        let flows = &self.flows;
        let place = find(tag, |index| {
            let flow = &flows[usize::from(index)];
            (flow.tag, flow.state != State::Idle)
        });
        let index = match place {
            Place::Own { index, aside } => {
                self.aside += u64::from(aside);
                if self.flows[usize::from(index)].state != State::Idle {
                    return index;
                }
                index
            }
            Place::Free(index) => {
                self.missed += 1;
                self.flows[usize::from(index)].cobalt = Cobalt::default();
                index
            }
            Place::Shared(index) => {
                self.collided += 1;
                index
            }
        };
        self.assign(index, tag, flow, key);
        index
    }

    /// Makes a place that of a flow, also if others are still there.
    fn assign(&mut self, index: u16, tag: u64, key_of: &FlowKey, key: Key) {
        let (by_source, by_dest) = (self.isolation.by_source(), self.isolation.by_dest());
        let bulk = self.flows[usize::from(index)].state == State::Bulk;
        if bulk {
            self.leave_hosts(index);
        }
        let flow = &mut self.flows[usize::from(index)];
        flow.tag = tag;
        flow.source.tag = if by_source { key_of.source(key) } else { 0 };
        flow.dest.tag = if by_dest { key_of.dest(key) } else { 0 };
        if bulk {
            self.join_hosts(index);
        }
    }

    pub(super) fn get(&self, index: u16) -> &Flow {
        &self.flows[usize::from(index)]
    }

    pub(super) fn get_mut(&mut self, index: u16) -> &mut Flow {
        &mut self.flows[usize::from(index)]
    }

    /// All of them, with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &Flow)> {
        (0..QUEUES).zip(&self.flows)
    }

    /// A flow turns out to send in bulk.
    pub(super) fn make_bulk(&mut self, index: u16) {
        self.get_mut(index).state = State::Bulk;
        self.join_hosts(index);
    }

    /// A flow has nothing to send any more.
    pub(super) fn make_idle(&mut self, index: u16) {
        if self.get(index).state == State::Bulk {
            self.leave_hosts(index);
        }
        self.get_mut(index).state = State::Idle;
    }

    /// Among how many flows in bulk the hosts of a flow divide what they get: the larger number.
    pub(super) fn load(&self, index: u16) -> u16 {
        let flow = self.get(index);
        let of = |counts: bool, hosts: &Hosts, host: HostOf| match (counts, flow.state) {
            (false, _) => 0,
            (true, State::Bulk) => hosts.at(host.place),
            (true, _) => hosts.bulk_flows(host.tag),
        };
        let source = of(self.isolation.by_source(), &self.sources, flow.source);
        let dest = of(self.isolation.by_dest(), &self.dests, flow.dest);
        source.max(dest).max(1)
    }

    fn join_hosts(&mut self, index: u16) {
        let flow = &mut self.flows[usize::from(index)];
        if self.isolation.by_source() {
            flow.source.place = self.sources.add(flow.source.tag);
        }
        if self.isolation.by_dest() {
            flow.dest.place = self.dests.add(flow.dest.tag);
        }
    }

    fn leave_hosts(&mut self, index: u16) {
        let flow = &self.flows[usize::from(index)];
        if self.isolation.by_source() {
            self.sources.remove(flow.source.place);
        }
        if self.isolation.by_dest() {
            self.dests.remove(flow.dest.place);
        }
    }
}
