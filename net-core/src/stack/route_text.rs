//! Routes and rules changed and shown by the words of `ip route` and `ip rule`.

use super::Stack;
use super::next_hops::NO_DEVICE;
use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use crate::route::{Change, Hop, Kind, Multipath, NextHop, Rule, TableId, Verb, parse_rule};
use crate::text::{ParseError, Words};
use alloc::string::String;
use alloc::vec::Vec;

impl Stack {
    /// Changes a route by the words that `ip route` takes: `[add|append|replace|del]
    /// [local|blackhole|unreachable|prohibit] PREFIX [via ADDRESS] [dev NAME] [src ADDRESS] [metric N]
    /// [table N] [onlink]`. Without `dev` the interface is the one that leads to the next hop, which has to be a
    /// neighbour as routes say, or as the word `onlink` does. Flows are shared by several next hops, as their
    /// weights (1 to 256) say: `nexthop [via ADDRESS] [dev NAME] [weight N] [onlink]` for each, behind all else.
    ///
    /// What is appended shares with the routes of the same metric, as in the kernel's IPv6; to delete a next hop
    /// leaves the others. A [local](Self::add_local_route) route is in the local table unless another is named;
    /// the only device that it may name is the loopback, as it has no way on.
    ///
    /// ```
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// stack.ip_route("add blackhole 203.0.113.0/24").unwrap();
    /// let error = stack.ip_route("add 192.0.2.0/24 dev tun9").unwrap_err();
    /// assert_eq!(error.to_string(), "column 22: there is no interface \"tun9\"");
    /// ```
    ///
    /// # Errors
    /// What is wrong with the text, or cannot be done, and at which column.
    pub fn ip_route(&mut self, words: &str) -> Result<(), ParseError> {
        let change = Change::parse(words, |name| self.iface_named(name))?;
        let whole = |problem: &str| ParseError::at(1, problem);
        if change.verb == Verb::Delete {
            return self.delete_ways(&change);
        }
        if change.verb == Verb::Add && self.has_route(&change) {
            return Err(whole("there is such a route already; append or replace it"));
        }
        let added = match change.kind {
            Kind::Unicast => return self.change_ways(&change),
            Kind::Local | Kind::Reject(_) if !self.is_whole(&change) => {
                return Err(whole(
                    "such a route has no way on: no device but the loopback",
                ));
            }
            Kind::Local => self.add_local_route(change.table, change.prefix, change.metric),
            Kind::Reject(reject) => {
                self.add_reject_to(change.table, change.prefix, reject, change.metric)
            }
        };
        added.map_err(of_route)
    }

    /// Adds a route that leads on.
    fn change_ways(&mut self, change: &Change) -> Result<(), ParseError> {
        let hops = change.hops.iter().map(|hop| self.next_hop(change, hop));
        let route = Multipath {
            prefix: change.prefix,
            source: change.source,
            metric: change.metric,
            hops: hops.collect::<Result<Vec<_>, _>>().map_err(of_route)?,
        };
        let added = if change.verb == Verb::Append {
            self.add_multipath_beside(change.table, &route)
        } else {
            self.add_multipath(change.table, &route)
        };
        added.map_err(of_route)
    }

    /// A next hop with the interface that leads there.
    fn next_hop(&self, change: &Change, hop: &Hop) -> Result<NextHop, SocketError> {
        let Hop {
            via,
            iface,
            weight,
            onlink,
        } = *hop;
        let iface = match (iface, via) {
            (Some(iface), _) => iface,
            (None, Some(via)) => self.link_of(change.table, via, None, onlink)?,
            (None, None) => return Err(NO_DEVICE),
        };
        if onlink && via.is_none() {
            return Err(SocketError::InvalidInput(
                "what has no next hop is on the link without a word (onlink)",
            ));
        }
        Ok(NextHop {
            via,
            iface,
            weight,
            onlink,
        })
    }

    /// Deletes the ways over all of the next hops, or none.
    fn delete_ways(&mut self, change: &Change) -> Result<(), ParseError> {
        let table = self.routes.table_mut(change.table);
        let is_there = |hop: &Hop| {
            let mut entries = table.entries_to(change.prefix);
            entries.any(|(metric, decision)| change.is_over(hop, &decision, metric))
        };
        if !change.hops.iter().all(is_there) {
            return Err(ParseError::at(1, "there is no such route"));
        }
        let is_meant = |decision: &_, metric| change.is_meant(decision, metric);
        table.remove_where(change.prefix, is_meant);
        Ok(())
    }

    /// Changes a rule by the words that `ip rule` takes: `add|del [not] [from PREFIX] [to PREFIX] [fwmark
    /// N[/MASK]] [tos N] [iif NAME] [oif NAME] [uidrange N-N] lookup TABLE|blackhole|unreachable|prohibit
    /// [priority N]`. As in Linux, a rule that is added without a priority goes before all that are there: it
    /// gets the next lower number (of both families, which are one list here). One that is deleted without a
    /// priority may have any.
    ///
    /// ```
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// stack.ip_rule("add fwmark 1 lookup 100").unwrap();
    /// stack.ip_rule("add not from 10.0.0.0/8 lookup 101").unwrap();
    /// let priorities = stack.rules().iter().map(|rule| rule.priority);
    /// assert_eq!(priorities.collect::<Vec<_>>(), [32764, 32765]);
    /// ```
    ///
    /// # Errors
    /// What is wrong with the text, or that there is no such rule, and at which column.
    pub fn ip_rule(&mut self, text: &str) -> Result<(), ParseError> {
        let mut words = Words::new(text);
        let adds = words.take("add");
        if !adds && !words.take("del") {
            return Err(ParseError::at(1, "add or del goes here"));
        }
        let priority = self.routes.next_priority();
        let (rule, is_placed) = parse_rule(&mut words, priority, |name| self.iface_named(name))?;
        let is_meant = |other: &Rule| {
            (other.selector, other.action) == (rule.selector, rule.action)
                && (!is_placed || other.priority == rule.priority)
        };
        if adds {
            self.add_rule(rule);
        } else if !self.routes.remove_rule(is_meant) {
            return Err(ParseError::at(1, "there is no such rule"));
        }
        Ok(())
    }

    /// A table as `ip route` prints it, a line for each route: the words that add it again.
    #[must_use]
    pub fn show_routes(&self, table: TableId) -> String {
        let name = |id: IfaceId| Some(self.iface(id)?.config.name.as_str());
        let table_of = self.route_table(table);
        table_of.map_or_else(String::new, |routes| routes.show(table, &name))
    }

    /// The lines of exactly one prefix, as `ip route show exact PREFIX` prints them; with
    /// [`RouteTable::prefixes_after`](crate::route::RouteTable::prefixes_after) a table can be shown piece by
    /// piece.
    ///
    /// ```
    /// use net_core::route::TableId;
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// stack.ip_route("add blackhole 203.0.113.0/24").unwrap();
    /// stack.ip_route("add prohibit 203.0.113.0/24 metric 9").unwrap();
    /// let table = stack.route_table(TableId::MAIN).unwrap();
    /// let first = table.prefixes_after(None).next().unwrap();
    /// let shown = stack.show_routes_to(TableId::MAIN, first);
    /// assert_eq!(shown, "blackhole 203.0.113.0/24\nprohibit 203.0.113.0/24 metric 9\n");
    /// ```
    #[must_use]
    pub fn show_routes_to(&self, table: TableId, prefix: IpCidr) -> String {
        let name = |id: IfaceId| Some(self.iface(id)?.config.name.as_str());
        let table_of = self.route_table(table);
        table_of.map_or_else(String::new, |routes| routes.show_to(table, prefix, &name))
    }

    /// Whether nothing is said of a route that one without a way on cannot have.
    fn is_whole(&self, change: &Change) -> bool {
        let loopback = self.addresses.loopback();
        let leads_nowhere = |hop: &Hop| {
            let device = hop.iface.is_none() || hop.iface == loopback;
            device
                && *hop
                    == (Hop {
                        iface: hop.iface,
                        ..Hop::default()
                    })
        };
        change.source.is_none() && change.hops.iter().all(leads_nowhere)
    }

    fn iface_named(&self, name: &str) -> Option<IfaceId> {
        let mut ifaces = self.ifaces();
        ifaces.find_map(|(id, config)| (config.name == name).then_some(id))
    }

    fn has_route(&self, change: &Change) -> bool {
        self.route_table(change.table).is_some_and(|table| {
            let mut entries = table.entries_to(change.prefix);
            entries.any(|(metric, _)| metric == change.metric)
        })
    }
}

/// What is said about a text whose route cannot be.
fn of_route(error: SocketError) -> ParseError {
    let no_neighbour = "nexthop has invalid gateway: routes lead to it over no link; name that (dev) and say onlink, \
                        if it is a neighbour there";
    let said = match error {
        SocketError::NetworkUnreachable | SocketError::HostUnreachable => {
            ParseError::at(1, no_neighbour)
        }
        SocketError::InvalidInput(problem) => ParseError::at(1, problem),
        error => ParseError::at(1, error),
    };
    let cause = Some(error).filter(|error| !matches!(error, SocketError::InvalidInput(_)));
    ParseError { cause, ..said }
}
