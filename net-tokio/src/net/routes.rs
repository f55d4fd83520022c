//! The routes of a stack, changed while it runs.

use super::Net;
use crate::driver::Engine;
use crate::error::to_io;
use net_core::ParseError;
use net_core::SocketError;
use net_core::iface::IpCidr;
use net_core::route::{Decision, Multipath, Reject, Route, RouteQuery, Rule, TableId};
use std::io;
use std::net::IpAddr;

/// The routes and rules of a stack, to look at and to change while it runs. A handle, cheap to clone.
///
/// A change is a call on the stack between two rounds: every packet is sent by the table before it or by the
/// one after it. Packets look routes up in the round that moves them and wait for nobody. Connected sockets
/// follow a change with their next packet. What the table itself takes to change, of a million routes, is
/// measured by the bench `lpm` ("taking a prefix out and putting it in again").
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_core::route::{Route, TableId};
/// use net_tokio::Net;
/// use net_tokio::device::Switch;
/// let switch = Switch::new();
/// let net = Net::builder().device("eth0", switch.port()).address("10.7.0.2/24").build()?;
/// let routes = net.routes();
/// routes.ip_route("add default via 10.7.0.1")?;
/// let way = routes.lookup([192, 0, 2, 1].into()).expect("by the default route");
/// assert_eq!(way.via, Some([10, 7, 0, 1].into()));
/// // The same as a value.
/// let better = Route { via: Some([10, 7, 0, 9].into()), ..way };
/// routes.add(better)?;
/// assert_eq!(routes.show(TableId::MAIN).lines().next(), Some("default via 10.7.0.9 dev eth0"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Routes {
    net: Net,
}

impl Net {
    /// The routes, to change while the stack runs.
    #[must_use]
    pub fn routes(&self) -> Routes {
        Routes { net: self.clone() }
    }
}

impl Routes {
    /// Adds a route; one to the same prefix with the same metric is replaced.
    ///
    /// # Errors
    /// `InvalidInput`: a prefix that is too long, an interface that does not exist
    /// ([`Net::interface_id`]), a source that is not ours, or a next hop of the other family or that is no single
    /// host. `NetworkUnreachable`, of IPv6 `HostUnreachable`: routes do not lead to the next hop as a neighbour
    /// on the interface's link ([`add_multipath`](Self::add_multipath) can say that it is one). The kernel's
    /// ENOBUFS where the table is full. Or that the stack has ended.
    pub fn add(&self, route: Route) -> io::Result<()> {
        self.add_to(TableId::MAIN, route)
    }

    /// As [`add`](Self::add), to any table: rules ([`add_rule`](Self::add_rule)) say who asks it.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_to(&self, table: TableId, route: Route) -> io::Result<()> {
        self.change(|stack| stack.add_route_to(table, route))
    }

    /// Adds a route beside those to the same prefix with the same metric: each takes its share of flows
    /// (RFC 2992).
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_beside(&self, route: Route) -> io::Result<()> {
        self.add_beside_in(TableId::MAIN, route)
    }

    /// As [`add_beside`](Self::add_beside), in any table.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_beside_in(&self, table: TableId, route: Route) -> io::Result<()> {
        self.change(|stack| stack.add_route_beside_in(table, route))
    }

    /// Adds a route over several next hops to a table, each of which takes flows in proportion to its weight;
    /// those to the same prefix with the same metric are replaced.
    ///
    /// # Errors
    /// As for [`add`](Self::add), about any of the next hops.
    /// [`Stack::add_multipath`](net_core::Stack::add_multipath) tells more.
    pub fn add_multipath(&self, table: TableId, route: &Multipath) -> io::Result<()> {
        self.change(|stack| stack.add_multipath(table, route))
    }

    /// As [`add_multipath`](Self::add_multipath), beside those to the same prefix with the same metric.
    ///
    /// # Errors
    /// As for [`add_multipath`](Self::add_multipath).
    pub fn add_multipath_beside(&self, table: TableId, route: &Multipath) -> io::Result<()> {
        self.change(|stack| stack.add_multipath_beside(table, route))
    }

    /// Every route of a table that leads on, with all of its next hops; [`entries`](Self::entries) says what a
    /// listing is while routes change.
    #[must_use]
    pub fn multipaths(&self, table: TableId) -> Vec<Multipath> {
        let pieces = self.pieces(table, |_, table, prefix, found| {
            found.extend(table.multipaths_to(prefix));
        });
        pieces.flatten().collect()
    }

    /// Has nothing go to a prefix, unless a route with a lower metric leads there.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn reject(&self, prefix: IpCidr, reject: Reject, metric: u32) -> io::Result<()> {
        self.reject_in(TableId::MAIN, prefix, reject, metric)
    }

    /// As [`reject`](Self::reject), in any table.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn reject_in(
        &self,
        table: TableId,
        prefix: IpCidr,
        reject: Reject,
        metric: u32,
    ) -> io::Result<()> {
        self.change(|stack| stack.add_reject_to(table, prefix, reject, metric))
    }

    /// Makes a prefix the stack's own (`ip route add local PREFIX dev lo`): what comes for any address of it
    /// is for this host, and sockets may be bound to each.
    /// [`Stack::add_local_route`](net_core::Stack::add_local_route) tells more.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_local(&self, prefix: IpCidr) -> io::Result<()> {
        self.change(|stack| stack.add_local_route(TableId::LOCAL, prefix, 0))
    }

    /// Takes back that exactly this prefix is the stack's own; whether it was.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn remove_local(&self, prefix: IpCidr) -> io::Result<bool> {
        self.change(|stack| Ok(stack.remove_local_route(TableId::LOCAL, prefix)))
    }

    /// Removes every route of the main table to exactly this prefix; whether there was one.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn remove(&self, prefix: IpCidr) -> io::Result<bool> {
        self.remove_from(TableId::MAIN, prefix)
    }

    /// As [`remove`](Self::remove), from any table.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn remove_from(&self, table: TableId, prefix: IpCidr) -> io::Result<bool> {
        self.change(|stack| Ok(stack.remove_route_from(table, prefix)))
    }

    /// Removes exactly this route of the main table, and no other to its prefix; whether it was there.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn remove_exact(&self, route: &Route) -> io::Result<bool> {
        self.remove_exact_from(TableId::MAIN, route)
    }

    /// As [`remove_exact`](Self::remove_exact), from any table.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn remove_exact_from(&self, table: TableId, route: &Route) -> io::Result<bool> {
        self.change(|stack| Ok(stack.remove_exact_route_from(table, route)))
    }

    /// Adds a rule that says which table is asked about some packets.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn add_rule(&self, rule: Rule) -> io::Result<()> {
        self.change(|stack| {
            stack.add_rule(rule);
            Ok(())
        })
    }

    /// Removes a rule; whether it was there.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn remove_rule(&self, rule: &Rule) -> io::Result<bool> {
        self.change(|stack| Ok(stack.remove_rule(rule)))
    }

    /// The rules that were added, in the order in which they are asked.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let engine = self.net.engine();
        engine.look(|core| core.stack().rules().to_vec())
    }

    /// The route of the main table that leads to a destination.
    #[must_use]
    pub fn lookup(&self, dest: IpAddr) -> Option<Route> {
        let engine = self.net.engine();
        engine.look(|core| core.stack().route_table(TableId::MAIN)?.lookup(dest))
    }

    /// What routes and rules say about a packet, as `ip route get`; `None` where none leads there.
    #[must_use]
    pub fn way_of(&self, query: &RouteQuery) -> Option<Decision> {
        let engine = self.net.engine();
        engine.look(|core| core.stack().way_of(query))
    }

    /// Every prefix of a table, with its metric and what is said about it: also those that are this host's, and
    /// those that nothing goes to.
    ///
    /// A large table is collected in pieces, between which packets pass and routes may change: a prefix that was
    /// there all along is listed once, with all of its routes as they were at one time; one that came or went
    /// meanwhile may be listed or not.
    #[must_use]
    pub fn entries(&self, table: TableId) -> Vec<(IpCidr, u32, Decision)> {
        let pieces = self.pieces(table, |_, table, prefix, found| {
            let entries = table.entries_to(prefix);
            found.extend(entries.map(|(metric, decision)| (prefix, metric, decision)));
        });
        pieces.flatten().collect()
    }

    /// Every route of the main table that leads on; [`entries`](Self::entries) says what a listing is while
    /// routes change.
    #[must_use]
    pub fn list(&self) -> Vec<Route> {
        let pieces = self.pieces(TableId::MAIN, |_, table, prefix, found| {
            let entries = table.entries_to(prefix);
            found.extend(entries.filter_map(|(_, decision)| decision.route()));
        });
        pieces.flatten().collect()
    }

    /// Changes a route by the words that `ip route` takes:
    /// [`Stack::ip_route`](net_core::Stack::ip_route) tells which.
    ///
    /// # Errors
    /// `InvalidInput` with what is wrong with the text, or cannot be done, and at which column; of a next hop
    /// that is no neighbour `NetworkUnreachable`, of IPv6 `HostUnreachable`; or that the stack has ended.
    pub fn ip_route(&self, words: &str) -> io::Result<()> {
        let changed = self.change(|stack| Ok(stack.ip_route(words)))?;
        changed.map_err(of_words)
    }

    /// Changes a rule by the words that `ip rule` takes:
    /// [`Stack::ip_rule`](net_core::Stack::ip_rule) tells which.
    ///
    /// # Errors
    /// As for [`ip_route`](Self::ip_route).
    pub fn ip_rule(&self, words: &str) -> io::Result<()> {
        let changed = self.change(|stack| Ok(stack.ip_rule(words)))?;
        changed.map_err(of_words)
    }

    /// A table as `ip route` prints it, a line for each route: the words that add it again.
    /// [`entries`](Self::entries) says what a listing is while routes change.
    #[must_use]
    pub fn show(&self, table: TableId) -> String {
        let pieces = self.pieces(table, |stack, _, prefix, found| {
            let lines = stack.show_routes_to(table, prefix);
            found.extend(lines.split_inclusive('\n').map(str::to_owned));
        });
        pieces.flatten().collect()
    }

    pub(super) fn engine(&self) -> &Engine {
        self.net.engine()
    }

    fn change<R>(
        &self,
        change: impl FnOnce(&mut net_core::Stack) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        let engine = self.net.engine();
        engine.control(|core, _| change(core.stack_mut()))
    }
}

fn of_words(error: ParseError) -> io::Error {
    let kind = error
        .cause
        .map_or(io::ErrorKind::InvalidInput, |cause| to_io(cause).kind());
    io::Error::new(kind, error)
}
