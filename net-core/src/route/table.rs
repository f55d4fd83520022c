//! The routing table: longest-prefix match over both families.

use super::Route;
use super::trie::Trie;
use crate::iface::{IfaceId, IpCidr};
use alloc::vec::Vec;
use core::net::IpAddr;
use smallvec::SmallVec;

/// Routes by prefix; the longest match wins, and among its routes the lowest metric.
#[derive(Debug)]
pub struct RouteTable {
    v4: Trie<u32, Candidates>,
    v6: Trie<u128, Candidates>,
    generation: u32,
}

/// The routes to one prefix, the lowest metric first.
type Candidates = SmallVec<[Route; 1]>;

impl RouteTable {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v4: Trie::new(),
            v6: Trie::new(),
            generation: 0,
        }
    }

    /// Adds a route; one to the same prefix with the same metric is replaced.
    pub fn insert(&mut self, route: Route) {
        let IpCidr {
            address,
            prefix_len,
        } = route.prefix;
        let candidates = match address {
            IpAddr::V4(address) => self.v4.entry(address.to_bits(), prefix_len, SmallVec::new),
            IpAddr::V6(address) => self.v6.entry(address.to_bits(), prefix_len, SmallVec::new),
        };
        let at = candidates.partition_point(|other| other.metric < route.metric);
        match candidates.get_mut(at) {
            Some(other) if other.metric == route.metric => *other = route,
            _ => candidates.insert(at, route),
        }
        self.generation = self.generation.wrapping_add(1);
    }

    /// Removes every route to exactly this prefix; whether there was one.
    pub fn remove(&mut self, prefix: IpCidr) -> bool {
        let removed = match prefix.address {
            IpAddr::V4(address) => self.v4.remove(address.to_bits(), prefix.prefix_len),
            IpAddr::V6(address) => self.v6.remove(address.to_bits(), prefix.prefix_len),
        };
        self.generation = self.generation.wrapping_add(1);
        removed.is_some()
    }

    /// Removes every route over an interface.
    pub fn remove_iface(&mut self, iface: IfaceId) {
        self.generation = self.generation.wrapping_add(1);
        let routes: Vec<Route> = self.routes().copied().collect();
        for route in routes.iter().filter(|route| route.iface == iface) {
            self.remove(route.prefix);
        }
        for route in routes.into_iter().filter(|route| route.iface != iface) {
            self.insert(route);
        }
    }

    /// The route to an address.
    #[must_use]
    pub fn lookup(&self, dest: IpAddr) -> Option<&Route> {
        let (_, candidates) = match dest {
            IpAddr::V4(address) => self.v4.longest(address.to_bits()),
            IpAddr::V6(address) => self.v6.longest(address.to_bits()),
        }?;
        candidates.first()
    }

    /// The route to an address over one interface.
    #[must_use]
    pub fn lookup_over(&self, dest: IpAddr, iface: IfaceId) -> Option<&Route> {
        match dest {
            IpAddr::V4(address) => last_over(self.v4.matches(address.to_bits()), iface),
            IpAddr::V6(address) => last_over(self.v6.matches(address.to_bits()), iface),
        }
    }

    /// Every route.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.v4.values().chain(self.v6.values()).flatten()
    }

    /// A number that changes with every change of the table, for who keeps a looked-up route.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }
}

/// The last of the matches, which come the shortest prefix first, that has a route over `iface`.
fn last_over<'a>(
    matches: impl Iterator<Item = (u8, &'a Candidates)>,
    iface: IfaceId,
) -> Option<&'a Route> {
    let over = |candidates: &'a Candidates| candidates.iter().find(|route| route.iface == iface);
    matches
        .filter_map(|(_, candidates)| over(candidates))
        .last()
}

impl Default for RouteTable {
    fn default() -> Self {
        Self::new()
    }
}
