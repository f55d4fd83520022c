//! What is in a table: all of it, piece by piece, or of one prefix.

use super::hops::Way;
use super::table::cidr;
use super::{Decision, Multipath, Route, RouteTable};
use crate::iface::IpCidr;
use core::net::IpAddr;

impl RouteTable {
    /// Every route, those aside by which nothing leaves.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.entries()
            .filter_map(|(_, _, decision)| decision.route())
    }

    /// Every route that leads on, with all of its next hops.
    pub fn multipaths(&self) -> impl Iterator<Item = Multipath> {
        self.shared()
            .filter_map(|(prefix, ways)| Multipath::of(prefix, ways))
    }

    /// Every prefix with the metric and what is said about it.
    pub fn entries(&self) -> impl Iterator<Item = (IpCidr, u32, Decision)> {
        self.all().flat_map(|(prefix, ways)| {
            let ways = ways.iter();
            ways.map(move |way| (prefix, way.metric, way.decision(prefix)))
        })
    }

    /// The prefixes behind one, or all of them: to list a table in pieces between which it may change. The
    /// order depends on the prefixes alone, and the one to go on behind may be gone by then, so that a prefix
    /// which was there all along is listed once. To find the place takes a step for each level of the trie, of
    /// which a prefix of IPv4 has six at most.
    ///
    /// Where an interface has gone, there may be prefixes of which [nothing is said](Self::entries_to) any
    /// more; see [`remove_iface`](Self::remove_iface).
    ///
    /// ```
    /// use net_core::iface::IpCidr;
    /// use net_core::route::{Reject, RouteTable};
    /// let mut table = RouteTable::new();
    /// let prefix = |number| IpCidr { address: [10, number, 0, 0].into(), prefix_len: 16 };
    /// for number in 0..100 {
    ///     table.insert_reject(prefix(number), Reject::Blackhole, 0)?;
    /// }
    /// let (mut listed, mut last) = (Vec::new(), None);
    /// loop {
    ///     let piece: Vec<_> = table.prefixes_after(last).take(16).collect();
    ///     let Some(&behind) = piece.last() else { break };
    ///     // It may change before the next piece.
    ///     table.remove(behind);
    ///     last = Some(behind);
    ///     listed.extend(piece);
    /// }
    /// listed.sort_by_key(|prefix| prefix.address);
    /// assert_eq!(listed, (0..100).map(prefix).collect::<Vec<_>>());
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    pub fn prefixes_after(&self, last: Option<IpCidr>) -> impl Iterator<Item = IpCidr> {
        self.after(last).map(|(prefix, _)| prefix)
    }

    /// The metrics of one prefix, and what is said about it.
    pub fn entries_to(&self, prefix: IpCidr) -> impl Iterator<Item = (u32, Decision)> {
        let ways = self.ways_to(prefix).iter();
        ways.map(move |way| (way.metric, way.decision(prefix)))
    }

    /// The routes to exactly one prefix that lead on, with all of their next hops.
    pub fn multipaths_to(&self, prefix: IpCidr) -> impl Iterator<Item = Multipath> {
        let routes = self.shared_to(prefix);
        routes.filter_map(move |ways| Multipath::of(prefix, ways))
    }

    /// The ways of every route: those that are parts of one are together.
    pub(super) fn shared(&self) -> impl Iterator<Item = (IpCidr, &[Way])> {
        self.all().flat_map(|(prefix, ways)| {
            let routes = ways.chunk_by(Way::is_beside);
            routes.map(move |ways| (prefix, ways))
        })
    }

    /// The same of exactly one prefix.
    pub(super) fn shared_to(&self, prefix: IpCidr) -> impl Iterator<Item = &[Way]> {
        self.ways_to(prefix).chunk_by(Way::is_beside)
    }

    /// Every prefix with all of its ways.
    fn all(&self) -> impl Iterator<Item = (IpCidr, &[Way])> {
        self.after(None)
    }

    /// Those behind a prefix, or all; of some all ways have gone with an interface.
    pub(super) fn after(&self, last: Option<IpCidr>) -> impl Iterator<Item = (IpCidr, &[Way])> {
        let (v4, v6) = match last.map(|last| (last.address, last.prefix_len)) {
            None => (Some(self.v4.iter()), self.v6.iter()),
            Some((IpAddr::V4(v4), len)) => {
                (Some(self.v4.iter_after(v4.to_bits(), len)), self.v6.iter())
            }
            Some((IpAddr::V6(v6), len)) => (None, self.v6.iter_after(v6.to_bits(), len)),
        };
        let v4 = v4.into_iter().flatten();
        let v4 = v4.map(|(key, len, number)| (cidr(IpAddr::V4(key.into()), len), number));
        let v6 = v6.map(|(key, len, number)| (cidr(IpAddr::V6(key.into()), len), number));
        v4.chain(v6)
            .map(|(prefix, number)| (prefix, self.ways.get(number)))
    }
}
