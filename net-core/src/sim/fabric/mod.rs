//! Links, switches and routers between hosts, without the hosts.

mod forward;
mod paths;
#[cfg(test)]
mod tests;

pub use forward::ForwardCounters;

use super::agenda::Agenda;
use super::link::{Link, LinkConfig, Passing, Queue};
use super::record::{self, Tap};
use crate::buf::{RxBatch, RxPacket, TxBatch};
use crate::iface::IpCidr;
use crate::seed::Seed;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use forward::{Forwarder, Kind, Verdict};

/// A host, switch or router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("fewer nodes than 2^32"))
    }

    /// Its position: the first node added is 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An end of a link, at a node. It also names the direction in which that node sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u32);

impl PortId {
    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("fewer links than 2^31"))
    }

    /// Its position: ends of links are counted in the order in which they were made.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The other end of the link.
    #[must_use]
    pub const fn peer(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// What lies between hosts: any number of links, joined by switches and routers.
///
/// Hosts are not in here, only their ends of links. Whoever has them hands over what they send with
/// [`transmit`](Self::transmit), moves time on with [`handle_timeout`](Self::handle_timeout), and
/// asks [`poll_ready`](Self::poll_ready) at which ends something has arrived. Once it knows which
/// addresses a host has ([`announce`](Self::announce)), packets find the shortest way there;
/// [`add_route`](Self::add_route) sets others.
#[derive(Debug)]
pub struct Fabric {
    seed: Seed,
    nodes: Vec<Node>,
    ends: Vec<End>,
    agenda: Agenda,
    ready: VecDeque<PortId>,
    announced: Vec<(NodeId, IpAddr)>,
    /// Nodes, links or addresses were added since the shortest ways were looked for.
    stale: bool,
    /// Empty between calls; keeps its room.
    passing: RxBatch,
}

#[derive(Debug)]
struct Node {
    name: String,
    ports: Vec<PortId>,
    /// `None`: a host.
    forwarder: Option<Forwarder>,
}

/// One end of a link, with the direction that leads away from it.
#[derive(Debug)]
struct End {
    node: NodeId,
    link: Link,
    /// What has arrived here for a host.
    inbox: RxBatch,
    /// It is among those that are ready.
    listed: bool,
    /// Its host found the link full.
    blocked: bool,
}

impl Fabric {
    /// A fabric without nodes. All its chance comes from `seed`.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            nodes: Vec::new(),
            ends: Vec::new(),
            agenda: Agenda::default(),
            ready: VecDeque::new(),
            announced: Vec::new(),
            stale: false,
            passing: RxBatch::default(),
        }
    }

    /// Adds a place for a host.
    pub fn add_host(&mut self, name: impl Into<String>) -> NodeId {
        self.add_node(name.into(), None)
    }

    /// Adds a switch: it passes packets on unchanged.
    pub fn add_switch(&mut self, name: impl Into<String>) -> NodeId {
        self.add_node(name.into(), Some(Forwarder::new(Kind::Switch)))
    }

    /// Adds a router: it counts the time to live down, and says so by ICMP from its `addresses`
    /// where a packet may not go on, as far as it has one of the packet's family.
    pub fn add_router(&mut self, name: impl Into<String>, addresses: &[IpAddr]) -> NodeId {
        let kind = Kind::Router(addresses.to_vec());
        self.add_node(name.into(), Some(Forwarder::new(kind)))
    }

    fn add_node(&mut self, name: String, forwarder: Option<Forwarder>) -> NodeId {
        let id = NodeId::new(self.nodes.len());
        self.nodes.push(Node {
            name,
            ports: Vec::new(),
            forwarder,
        });
        self.stale = true;
        id
    }

    /// Joins two nodes: `there` is what becomes of packets from `a` to `b`, `back` the reverse. The
    /// ends at `a` and at `b`.
    ///
    /// # Panics
    /// If a node is not of this fabric.
    pub fn connect(
        &mut self,
        a: NodeId,
        b: NodeId,
        there: LinkConfig,
        back: LinkConfig,
    ) -> [PortId; 2] {
        [(a, there), (b, back)].map(|(node, config)| {
            let number = self.ends.len();
            let port = PortId::new(number);
            let seed = self.seed.part("links", number as u64);
            self.ends.push(End {
                node,
                link: Link::new(config, seed.rng("link")),
                inbox: RxBatch::default(),
                listed: false,
                blocked: false,
            });
            self.agenda.add();
            self.nodes[node.index()].ports.push(port);
            self.stale = true;
            port
        })
    }

    /// Tells at which host an address is, so that packets find their way there.
    pub fn announce(&mut self, host: NodeId, address: IpAddr) {
        self.announced.push((host, address));
        self.stale = true;
    }

    /// Sends what goes to `prefix` from a switch or router into `port`, one of its own. It goes
    /// before the shortest way to a prefix of the same length.
    pub fn add_route(&mut self, node: NodeId, prefix: IpCidr, port: PortId) {
        let node = &mut self.nodes[node.index()];
        let place = node.ports.iter().position(|own| *own == port);
        if let (Some(forwarder), Some(place)) = (&mut node.forwarder, place) {
            forwarder.add_route(prefix, place, forward::BY_HAND);
        }
    }

    /// The name of a node.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        &self.nodes[node.index()].name
    }

    /// The node at an end of a link.
    #[must_use]
    pub fn node(&self, port: PortId) -> NodeId {
        self.ends[port.index()].node
    }

    /// The ends of links at a node.
    #[must_use]
    pub fn ports(&self, node: NodeId) -> &[PortId] {
        &self.nodes[node.index()].ports
    }

    /// Every end of a link.
    pub fn all_ports(&self) -> impl Iterator<Item = PortId> + use<> {
        (0..self.ends.len()).map(PortId::new)
    }

    /// The direction in which the node at `port` sends.
    #[must_use]
    pub fn link(&self, port: PortId) -> &Link {
        &self.ends[port.index()].link
    }

    /// What a switch or router did; `None` for a host.
    #[must_use]
    pub fn forwarded(&self, node: NodeId) -> Option<ForwardCounters> {
        let forwarder = self.nodes[node.index()].forwarder.as_ref()?;
        Some(forwarder.counters)
    }

    /// See [`Link::change_at`].
    pub fn change_at(&mut self, port: PortId, at: Instant, config: LinkConfig) {
        self.ends[port.index()].link.change_at(at, config);
        self.rearm(port);
    }

    /// See [`Link::lose_if`].
    pub fn lose_if(
        &mut self,
        port: PortId,
        predicate: impl FnMut(&Passing<'_>) -> bool + Send + 'static,
    ) {
        self.ends[port.index()].link.lose_if(predicate);
    }

    /// See [`Link::set_queue`].
    pub fn set_queue(&mut self, port: PortId, queue: Box<dyn Queue>) {
        self.ends[port.index()].link.set_queue(queue);
    }

    /// Takes packets that a host sends over its end of a link, and empties `batch`; whether all of
    /// them found room. Where not, the end is [ready](Self::poll_ready) again when there is room.
    pub fn transmit(&mut self, port: PortId, batch: &mut TxBatch, now: Instant) -> bool {
        let end = &mut self.ends[port.index()];
        let mut taken = 0;
        for packet in batch.packets() {
            if end.link.is_full() {
                end.blocked = true;
                break;
            }
            end.link.send(packet, now);
            taken += 1;
        }
        batch.drop_front(taken);
        self.rearm(port);
        batch.is_empty()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.agenda.next().map(|(at, _)| at)
    }

    /// Moves everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.step(now).is_some() {}
    }

    /// Moves what is due on one link at `now`, and says over which; `None` where nothing is due.
    pub fn step(&mut self, now: Instant) -> Option<PortId> {
        let wire = self.agenda.pop(now)?;
        let port = PortId::new(wire);
        self.arrive(port, now);
        Some(port)
    }

    /// The next host's end of a link at which something has arrived, or room has come.
    pub fn poll_ready(&mut self) -> Option<PortId> {
        let port = self.ready.pop_front()?;
        self.ends[port.index()].listed = false;
        Some(port)
    }

    /// Moves up to `budget` packets that have arrived at a host's end of a link into `batch`; how
    /// many.
    pub fn receive(&mut self, port: PortId, batch: &mut RxBatch, budget: usize) -> usize {
        let inbox = &mut self.ends[port.index()].inbox;
        if batch.is_empty() && inbox.len() <= budget {
            core::mem::swap(batch, inbox);
            return batch.len();
        }
        let count = inbox.len().min(budget);
        let mut rest = RxBatch::default();
        for (number, packet) in inbox.drain().enumerate() {
            if number < count {
                batch.push(packet);
            } else {
                rest.push(packet);
            }
        }
        *inbox = rest;
        count
    }

    /// Nobody is at a host's end of a link any more: what is sent to it is dropped.
    pub fn close(&mut self, port: PortId) {
        drop(self.ends[port.peer().index()].link.close());
        self.ends[port.index()].inbox.clear();
        self.rearm(port.peer());
    }

    /// Keeps what goes through an end of a link for [`capture`](Self::capture): the last `limit`
    /// bytes each way.
    pub fn record(&mut self, port: PortId, limit: usize) {
        self.ends[port.index()].link.record_sent(limit);
        self.ends[port.peer().index()].link.record_received(limit);
    }

    /// What went through ends of links that are recorded, as a pcapng file. Each is an interface
    /// that is named after its node and the one it leads to; time begins in 1970.
    #[must_use]
    pub fn capture(&self, ports: &[PortId]) -> Vec<u8> {
        let tap = |port: &PortId| {
            let (sent, _) = self.link(*port).logs();
            let (_, received) = self.link(port.peer()).logs();
            let [own, other] = [*port, port.peer()].map(|end| self.name(self.node(end)));
            Tap {
                name: format!("{own} to {other}"),
                sent,
                received,
            }
        };
        record::capture(&ports.iter().map(tap).collect::<Vec<_>>())
    }

    /// Takes in what has arrived over the link that leads away from `port`.
    fn arrive(&mut self, port: PortId, now: Instant) {
        self.find_paths();
        let there = port.peer();
        let node = self.ends[there.index()].node;
        if self.nodes[node.index()].forwarder.is_none() {
            let mut inbox = core::mem::take(&mut self.ends[there.index()].inbox);
            let got = self.ends[port.index()]
                .link
                .receive(&mut inbox, usize::MAX, now);
            self.ends[there.index()].inbox = inbox;
            if got > 0 {
                self.list(there);
            }
        } else {
            let mut passing = core::mem::take(&mut self.passing);
            self.ends[port.index()]
                .link
                .receive(&mut passing, usize::MAX, now);
            for packet in passing.drain() {
                self.forward(node, packet, now);
            }
            self.passing = passing;
        }
        if core::mem::take(&mut self.ends[port.index()].blocked) {
            self.list(port);
        }
        self.rearm(port);
    }

    /// Sends a packet on from a switch or router.
    fn forward(&mut self, node: NodeId, mut packet: RxPacket, now: Instant) {
        let Node {
            ports,
            forwarder: Some(forwarder),
            ..
        } = &mut self.nodes[node.index()]
        else {
            return;
        };
        let mtu_of = |place: usize| {
            let port = ports.get(place)?;
            Some(self.ends.get(port.index())?.link.config().mtu)
        };
        match forwarder.decide(&mut packet, mtu_of) {
            Verdict::Forward(place) => {
                if let Some(&port) = ports.get(place) {
                    self.ends[port.index()].link.forward(packet, now);
                    self.rearm(port);
                }
            }
            Verdict::Refuse(why) => {
                if let Some((answer, place)) = forwarder.answer(packet, why)
                    && let Some(&port) = ports.get(place)
                {
                    self.ends[port.index()].link.send(&answer, now);
                    self.rearm(port);
                }
            }
            Verdict::Drop => {}
        }
    }

    fn list(&mut self, port: PortId) {
        let end = &mut self.ends[port.index()];
        if !end.listed {
            end.listed = true;
            self.ready.push_back(port);
        }
    }

    fn rearm(&mut self, port: PortId) {
        let at = self.ends[port.index()].link.poll_timeout();
        self.agenda.set(port.index(), at);
    }
}
