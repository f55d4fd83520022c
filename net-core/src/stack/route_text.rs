//! Routes and rules changed and shown by the words of `ip route` and `ip rule`.

use super::Stack;
use crate::iface::IfaceId;
use crate::route::{Change, Kind, Line, Route, Rule, TableId, Verb, parse_rule};
use crate::text::{ParseError, Words};
use alloc::string::String;
use core::fmt::Write as _;

impl Stack {
    /// Changes a route by the words that `ip route` takes: `[add|append|replace|del]
    /// [local|blackhole|unreachable|prohibit] PREFIX [via ADDRESS] [dev NAME] [src ADDRESS] [metric N]
    /// [table N]`. Without `dev` the interface is the one that leads to the next hop. A
    /// [local](Self::add_local_route) route is in the local table unless another is named; the only device
    /// that it may name is the loopback, as it has no way on.
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
            let table = self.routes.table_mut(change.table);
            let is_meant = |decision: &_, metric| change.is_meant(decision, metric);
            return match table.remove_where(change.prefix, is_meant) {
                0 => Err(whole("there is no such route")),
                _ => Ok(()),
            };
        }
        if change.verb == Verb::Add && self.has_route(&change) {
            return Err(whole("there is such a route already; append or replace it"));
        }
        let added = match change.kind {
            Kind::Unicast => return self.change_way(&change),
            Kind::Local if !self.is_whole_local(&change) => {
                return Err(whole(
                    "a local route has no way on: no device but the loopback",
                ));
            }
            Kind::Local => self.add_local_route(change.table, change.prefix, change.metric),
            Kind::Reject(reject) => {
                let table = self.routes.table_mut(change.table);
                table.insert_reject(change.prefix, reject, change.metric)
            }
        };
        added.map_err(|error| ParseError::at(1, error))
    }

    /// Adds a route that leads on.
    fn change_way(&mut self, change: &Change) -> Result<(), ParseError> {
        let whole = |problem: &str| ParseError::at(1, problem);
        let iface = change.iface.or_else(|| {
            let next = self.routes.main().lookup(change.via?)?;
            Some(next.iface)
        });
        let route = Route {
            prefix: change.prefix,
            via: change.via,
            iface: iface
                .ok_or_else(|| whole("no interface leads to the next hop; name it (dev)"))?,
            source: change.source,
            metric: change.metric,
        };
        self.check_route(&route)
            .map_err(|error| ParseError::at(1, error))?;
        let table = self.routes.table_mut(change.table);
        let added = if change.verb == Verb::Append {
            table.insert_beside(route)
        } else {
            table.insert(route)
        };
        added.map_err(|error| ParseError::at(1, error))
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
        let entries = self
            .route_table(table)
            .into_iter()
            .flat_map(|t| t.entries());
        let mut text = String::new();
        for (prefix, metric, decision) in entries {
            let line = Line {
                table,
                prefix,
                metric,
                decision,
                iface: &name,
            };
            writeln!(text, "{line}").expect("strings take everything");
        }
        text
    }

    /// Whether nothing is said of a local route that it cannot have.
    fn is_whole_local(&self, change: &Change) -> bool {
        let device = change.iface;
        let leads_nowhere = change.via.is_none() && change.source.is_none();
        leads_nowhere && device.is_none_or(|iface| self.addresses.loopback() == Some(iface))
    }

    fn iface_named(&self, name: &str) -> Option<IfaceId> {
        let mut ifaces = self.ifaces();
        ifaces.find_map(|(id, config)| (config.name == name).then_some(id))
    }

    fn has_route(&self, change: &Change) -> bool {
        let mut entries = self
            .route_table(change.table)
            .into_iter()
            .flat_map(|t| t.entries());
        entries.any(|(prefix, metric, _)| (prefix, metric) == (change.prefix, change.metric))
    }
}
