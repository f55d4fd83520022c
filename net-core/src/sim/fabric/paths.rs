//! The shortest ways from everywhere to every host.

use super::{Fabric, NodeId, forward};
use crate::iface::IpCidr;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

impl Fabric {
    /// Gives every switch and router a route to every announced address: over the fewest links, and
    /// among equal ways over the link that was made first.
    pub(super) fn find_paths(&mut self) {
        if !core::mem::take(&mut self.stale) {
            return;
        }
        for node in &mut self.nodes {
            if let Some(forwarder) = &mut node.forwarder {
                forwarder.forget_found();
            }
        }
        for (host, address) in self.announced.clone() {
            let prefix = IpCidr {
                address,
                prefix_len: IpCidr::max_prefix_len(address),
            };
            for (node, place) in self.ways_to(host) {
                if let Some(forwarder) = &mut self.nodes[node.index()].forwarder {
                    forwarder.add_route(prefix, place, forward::FOUND);
                }
            }
        }
    }

    /// For every switch and router from which there is a way: which of its ports leads to the host.
    fn ways_to(&self, host: NodeId) -> Vec<(NodeId, usize)> {
        let mut ways = Vec::new();
        let mut seen = alloc::vec![false; self.nodes.len()];
        seen[host.index()] = true;
        let mut border = VecDeque::from([host]);
        while let Some(node) = border.pop_front() {
            for port in self.ports(node) {
                let neighbour = self.node(port.peer());
                let is_host = self.nodes[neighbour.index()].forwarder.is_none();
                if is_host || core::mem::replace(&mut seen[neighbour.index()], true) {
                    continue;
                }
                let place = self
                    .ports(neighbour)
                    .iter()
                    .position(|own| *own == port.peer());
                ways.extend(place.map(|place| (neighbour, place)));
                border.push_back(neighbour);
            }
        }
        ways
    }
}
