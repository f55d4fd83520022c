//! The routing table: longest-prefix match over both families.

use super::hops::{SharedWays, Target, Way, Ways};
use super::trie::{Full, Trie, TrieKey};
use super::{Multipath, Reject, Route};
use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Routes by prefix; the longest match wins, and among its routes the lowest metric. Routes of one
/// metric share what goes there by flow (RFC 2992).
#[derive(Debug)]
pub struct RouteTable {
    pub(super) v4: Trie<u32>,
    pub(super) v6: Trie<u128>,
    pub(super) ways: SharedWays,
    /// Up to where prefixes without routes have been looked for.
    pub(super) cleared: Option<IpCidr>,
    generation: u32,
}

/// What a table says about a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Take this way.
    Route(Route),
    /// It is this host's, although no interface has the address.
    Local,
    /// Nothing goes there.
    Reject(Reject),
}

impl Decision {
    /// The way, if there is one.
    #[must_use]
    pub const fn route(self) -> Option<Route> {
        match self {
            Self::Route(route) => Some(route),
            Self::Local | Self::Reject(_) => None,
        }
    }
}

impl RouteTable {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v4: Trie::new(),
            v6: Trie::new(),
            ways: SharedWays::new(),
            cleared: None,
            generation: 0,
        }
    }

    /// Adds a route; those to the same prefix with the same metric are replaced.
    ///
    /// # Errors
    /// [`NoBufferSpace`](SocketError::NoBufferSpace): the table is full, at 2^27 nodes of its trie (4 GiB);
    /// it is as it was.
    pub fn insert(&mut self, route: Route) -> Result<(), SocketError> {
        self.add(route.prefix, &[Way::of(&route)], true)
    }

    /// Adds a route beside those to the same prefix with the same metric, of which each takes the
    /// same share of flows.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert).
    pub fn insert_beside(&mut self, route: Route) -> Result<(), SocketError> {
        self.add(route.prefix, &[Way::of(&route)], false)
    }

    /// Adds a route over several next hops in the place of those to the same prefix with the same metric.
    /// One without next hops changes nothing.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert).
    pub fn insert_multipath(&mut self, route: &Multipath) -> Result<(), SocketError> {
        self.add(route.prefix, &ways_of(route), true)
    }

    /// The same, beside those to the same prefix with the same metric.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert).
    pub fn insert_multipath_beside(&mut self, route: &Multipath) -> Result<(), SocketError> {
        self.add(route.prefix, &ways_of(route), false)
    }

    /// Has nothing go to a prefix.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert).
    pub fn insert_reject(
        &mut self,
        prefix: IpCidr,
        reject: Reject,
        metric: u32,
    ) -> Result<(), SocketError> {
        self.add(prefix, &[Way::end(metric, Target::Reject(reject))], true)
    }

    /// Makes a prefix this host's own.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert).
    pub fn insert_local(&mut self, prefix: IpCidr, metric: u32) -> Result<(), SocketError> {
        self.add(prefix, &[Way::end(metric, Target::Local)], true)
    }

    /// Whether any prefix is this host's own.
    #[must_use]
    pub const fn has_local(&self) -> bool {
        self.ways.has_local()
    }

    /// Removes every route to exactly this prefix; whether there was one.
    pub fn remove(&mut self, prefix: IpCidr) -> bool {
        let removed = match prefix.address {
            IpAddr::V4(address) => self.v4.remove(address.to_bits(), prefix.prefix_len),
            IpAddr::V6(address) => self.v6.remove(address.to_bits(), prefix.prefix_len),
        };
        removed.is_some_and(|number| {
            let was_there = !self.ways.get(number).is_empty();
            self.ways.release(number);
            self.changed();
            was_there
        })
    }

    /// Removes those routes to exactly this prefix that `is_meant` is true for; how many.
    pub(crate) fn remove_where(
        &mut self,
        prefix: IpCidr,
        mut is_meant: impl FnMut(&Decision, u32) -> bool,
    ) -> usize {
        let (before, mut kept) = (self.ways_to(prefix).len(), Ways::new());
        for way in self.ways_to(prefix) {
            if !is_meant(&way.decision(prefix), way.metric) {
                kept.push(*way);
            }
        }
        let removed = before - kept.len();
        if removed > 0 && kept.is_empty() {
            self.remove(prefix);
        } else if removed > 0 {
            self.set(prefix, kept)
                .expect("a prefix that is there has room");
        }
        removed
    }

    /// The route to an address; `None` where there is none, or nothing leaves for there.
    #[must_use]
    pub fn lookup(&self, dest: IpAddr) -> Option<Route> {
        self.decide(dest, || 0)?.route()
    }

    /// What the table says about an address. Where ways share, the flow's hash, which `flow` gives,
    /// chooses.
    #[inline]
    #[must_use]
    pub fn decide(&self, dest: IpAddr, flow: impl FnOnce() -> u64) -> Option<Decision> {
        let (len, number) = match dest {
            IpAddr::V4(address) => self.v4.longest(address.to_bits()),
            IpAddr::V6(address) => self.v6.longest(address.to_bits()),
        }?;
        let ways = self.ways.get(number);
        if ways.is_empty() {
            return self.decide_past_gone(dest, flow());
        }
        Some(choose(ways, flow)?.decision(masked(dest, len)))
    }

    /// The same where the longest prefix has lost its routes with an interface: a shorter one says it.
    #[cold]
    #[inline(never)]
    fn decide_past_gone(&self, dest: IpAddr, flow: u64) -> Option<Decision> {
        self.last_of(dest, |ways| choose(ways, || flow))
    }

    /// What the table says about each of these IPv4 addresses, into `found`; faster than one by one
    /// where the table is larger than the caches, because all loads go on at the same time. Of ways
    /// that share it names the first.
    pub fn decide_each(&self, dests: &[u32], found: &mut Vec<Option<Decision>>) {
        self.each(&self.v4, dests, |dest| Ipv4Addr::from(dest).into(), found);
    }

    /// As [`decide_each`](Self::decide_each), of IPv6 addresses.
    pub fn decide_each_v6(&self, dests: &[u128], found: &mut Vec<Option<Decision>>) {
        self.each(&self.v6, dests, |dest| Ipv6Addr::from(dest).into(), found);
    }

    #[inline]
    fn each<K: TrieKey>(
        &self,
        trie: &Trie<K>,
        dests: &[K],
        address: impl Fn(K) -> IpAddr,
        found: &mut Vec<Option<Decision>>,
    ) {
        let mut numbers = [None; 64];
        for dests in dests.chunks(numbers.len()) {
            trie.longest_of(dests, &mut numbers);
            found.extend(dests.iter().zip(numbers).map(|(&dest, number)| {
                let (len, number) = number?;
                let (dest, ways) = (address(dest), self.ways.get(number));
                if ways.is_empty() {
                    return self.decide_past_gone(dest, 0);
                }
                Some(choose(ways, || 0)?.decision(masked(dest, len)))
            }));
        }
    }

    /// The route to an address over one interface.
    #[must_use]
    pub fn lookup_over(&self, dest: IpAddr, iface: IfaceId) -> Option<Route> {
        self.last_way(dest, |way| way.is_over(iface))?.route()
    }

    /// The way with the longest prefix of an address, of those that are meant.
    fn last_way(&self, dest: IpAddr, is_meant: impl Fn(&Way) -> bool) -> Option<Decision> {
        self.last_of(dest, |ways| ways.iter().find(|way| is_meant(way)))
    }

    /// The way with the longest prefix of an address, of those of whose ways one is chosen.
    fn last_of(&self, dest: IpAddr, choose: impl Fn(&[Way]) -> Option<&Way>) -> Option<Decision> {
        let meant = |(len, number)| {
            let way = choose(self.ways.get(number))?;
            Some(way.decision(masked(dest, len)))
        };
        // The shortest prefix comes first.
        match dest {
            IpAddr::V4(address) => self.v4.matches(address.to_bits()).filter_map(meant).last(),
            IpAddr::V6(address) => self.v6.matches(address.to_bits()).filter_map(meant).last(),
        }
    }

    /// The interface on whose link a next hop is, or whether it is on that of `over`. `None`: the table does
    /// not know; `Some(None)`: it says that the next hop is on no link.
    ///
    /// As in Linux, IPv4 looks at routes without a next hop alone, and IPv6 at the longest prefix.
    pub(super) fn link_of(&self, via: IpAddr, over: Option<IfaceId>) -> Option<Option<IfaceId>> {
        let is_over = |way: &Way| over.is_none_or(|over| way.is_over(over));
        let found = self.last_way(via, |way| match via {
            IpAddr::V4(_) => way.is_direct() && is_over(way),
            IpAddr::V6(_) => way.is_reject() || is_over(way),
        })?;
        let direct = found.route().filter(|route| route.via.is_none());
        Some(direct.map(|route| route.iface))
    }

    /// What the table says about an address where a packet may leave over one interface only: the route over
    /// that, or that nothing leaves, whichever has the longer prefix.
    pub(crate) fn decide_over(&self, dest: IpAddr, iface: IfaceId) -> Option<Decision> {
        self.last_way(dest, |way| way.is_over(iface) || way.is_reject())
    }

    /// How many prefixes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.v4.len() + self.v6.len() - self.ways.gone()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that it holds: nodes, ways, and what changes need.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.v4.memory() + self.v6.memory() + self.ways.memory()
    }

    /// A number that changes with every change of the table, for who keeps a looked-up route.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    fn add(&mut self, prefix: IpCidr, added: &[Way], replace: bool) -> Result<(), SocketError> {
        let mut ways = Ways::from_slice(self.ways_to(prefix));
        if replace {
            ways.retain(|old| added.iter().all(|new| old.metric != new.metric));
        }
        for &way in added {
            // In its place, lest the flows of all the others change theirs.
            let same = ways.iter_mut().find(|old| old.leads_as(&way));
            if let Some(old) = same.filter(|_| !replace) {
                *old = way;
                continue;
            }
            let at = ways.partition_point(|other| other.metric <= way.metric);
            ways.insert(at, way);
        }
        if ways.is_empty() {
            return Ok(());
        }
        self.set(prefix, ways)
            .map_err(|Full| SocketError::NoBufferSpace)
    }

    /// The ways of exactly this prefix.
    pub(super) fn ways_to(&self, prefix: IpCidr) -> &[Way] {
        let number = match prefix.address {
            IpAddr::V4(address) => self.v4.get(address.to_bits(), prefix.prefix_len),
            IpAddr::V6(address) => self.v6.get(address.to_bits(), prefix.prefix_len),
        };
        number.map_or(&[], |number| self.ways.get(number))
    }

    /// Sets the ways of a prefix. There is room, if it is there.
    fn set(&mut self, prefix: IpCidr, ways: Ways) -> Result<(), Full> {
        let (len, number) = (prefix.prefix_len, self.ways.share(ways));
        let old = match prefix.address {
            IpAddr::V4(address) => self.v4.insert(address.to_bits(), len, number),
            IpAddr::V6(address) => self.v6.insert(address.to_bits(), len, number),
        };
        // Where there is no room, the set that was shared just now is not needed.
        if let Some(unused) = old.unwrap_or(Some(number)) {
            self.ways.release(unused);
        }
        self.changed();
        old.map(drop)
    }

    /// Has everybody who keeps a looked-up route look again.
    pub(crate) const fn changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }
}

impl Default for RouteTable {
    fn default() -> Self {
        Self::new()
    }
}

/// The way of a flow among those of the lowest metric: the space of hashes is divided into regions as large as
/// the weights (RFC 2992 §2). One that leads nowhere shares with none: whichever was there first holds for all.
#[inline]
fn choose(ways: &[Way], flow: impl FnOnce() -> u64) -> Option<&Way> {
    let (first, rest) = ways.split_first()?;
    if rest
        .first()
        .is_none_or(|second| second.metric != first.metric)
    {
        return Some(first);
    }
    if !first.leads_on() {
        return Some(first);
    }
    share(ways, flow())
}

/// The way in whose region a hash falls, of those that share with the first.
fn share(ways: &[Way], flow: u64) -> Option<&Way> {
    let first = ways.first()?;
    let equal = || ways.iter().filter(|way| way.shares_with(first));
    let total: u64 = equal().map(|way| u64::from(way.weight.number())).sum();
    let scaled = (u128::from(flow) * u128::from(total)) >> 64;
    let mut rest = u64::try_from(scaled).unwrap_or(0);
    equal().find(|way| {
        let weight = u64::from(way.weight.number());
        let is_in = rest < weight;
        rest = rest.saturating_sub(weight);
        is_in
    })
}

fn ways_of(route: &Multipath) -> Ways {
    let hops = route.hops.iter();
    hops.map(|hop| Way::over(&route.over(hop), hop)).collect()
}

pub(super) const fn cidr(address: IpAddr, prefix_len: u8) -> IpCidr {
    IpCidr {
        address,
        prefix_len,
    }
}

/// The prefix of an address with so many bits.
#[inline]
pub(super) fn masked(address: IpAddr, len: u8) -> IpCidr {
    let address = match address {
        IpAddr::V4(v4) => IpAddr::V4(v4.to_bits().masked(len).into()),
        IpAddr::V6(v6) => IpAddr::V6(v6.to_bits().masked(len).into()),
    };
    cidr(address, len)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
