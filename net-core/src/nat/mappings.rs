//! Sources that are translated alike for every destination (RFC 4787 §4.1).

use super::crowd::Crowds;
use crate::conntrack::{Flow, FlowStatus, Tuple};
use crate::seed::Key;
use core::net::IpAddr;
use hashbrown::HashMap;

/// An address with a port or what stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) protocol: u8,
}

impl Endpoint {
    pub(crate) const fn source_of(tuple: &Tuple) -> Self {
        Self {
            address: tuple.source,
            port: tuple.source_port,
            protocol: tuple.protocol,
        }
    }
}

/// Inner endpoints and the outer ones that stand for them, one of each outer address; as many as flows use
/// them, at most.
#[derive(Debug)]
pub(crate) struct Mappings {
    by_inner: HashMap<(Endpoint, IpAddr), Mapping, Key>,
    /// The inner one by the outer: no two have the same (RFC 4787 REQ-3).
    by_outer: HashMap<Endpoint, Endpoint, Key>,
    pub(super) crowds: Crowds,
}

#[derive(Debug)]
struct Mapping {
    /// With the outer address it stands for the inner endpoint.
    port: u16,
    flows: usize,
}

impl Mappings {
    pub(crate) fn new(key: Key) -> Self {
        Self {
            by_inner: HashMap::with_hasher(key),
            by_outer: HashMap::with_hasher(key),
            crowds: Crowds::new(key),
        }
    }

    /// The port of an outer address that stands for an inner endpoint.
    pub(crate) fn port(&self, inner: Endpoint, outer: IpAddr) -> Option<u16> {
        let mapping = self.by_inner.get(&(inner, outer));
        mapping.map(|mapping| mapping.port)
    }

    /// Whether an outer endpoint stands for another than this.
    pub(crate) fn is_taken(&self, outer: &Endpoint, by_other_than: &Endpoint) -> bool {
        (self.by_outer.get(outer)).is_some_and(|inner| inner != by_other_than)
    }

    /// A flow is remembered: what stands for its source is in use.
    pub(crate) fn keep(&mut self, flow: &Flow) {
        self.crowds.keep(flow);
        let Some((inner, outer)) = ends(flow) else {
            return;
        };
        let (mapping, port) = (self.by_inner.entry((inner, outer.address)), outer.port);
        mapping.or_insert(Mapping { port, flows: 0 }).flows += 1;
        self.by_outer.insert(outer, inner);
    }

    /// A flow is forgotten.
    pub(crate) fn release(&mut self, flow: &Flow) {
        self.crowds.release(flow);
        let Some((inner, outer)) = ends(flow) else {
            return;
        };
        let place = (inner, outer.address);
        let Some(mapping) = self.by_inner.get_mut(&place) else {
            return;
        };
        mapping.flows = mapping.flows.saturating_sub(1);
        if mapping.flows == 0 {
            self.by_inner.remove(&place);
            self.by_outer.remove(&outer);
        }
    }
}

/// The inner and outer endpoint of a flow whose source is translated alike for every destination.
fn ends(flow: &Flow) -> Option<(Endpoint, Endpoint)> {
    let independent = flow.status.contains(FlowStatus::ENDPOINT_INDEPENDENT);
    let outer = Endpoint::source_of(&flow.reply.inverse());
    independent.then(|| (Endpoint::source_of(&flow.original), outer))
}
