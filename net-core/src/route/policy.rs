//! Several tables, and the rules that choose among them.

use super::rules::{MAIN_PRIORITY, Query};
use super::{Decision, Reject, Route, RouteTable, Rule, RuleAction, TableId};
use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// All routes of a stack.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    main: RouteTable,
    others: BTreeMap<TableId, RouteTable>,
    /// By priority, without those of the local, the main and the default table.
    rules: Vec<Rule>,
    generation: u32,
    /// Whether some table may have a local route: exact but for those that went with the last change.
    local: bool,
}

impl Policy {
    /// The main table, which is asked about everything where there are no rules.
    #[inline]
    pub(crate) const fn main(&self) -> &RouteTable {
        &self.main
    }

    pub(crate) fn table(&self, id: TableId) -> Option<&RouteTable> {
        match id {
            TableId::MAIN => Some(&self.main),
            id => self.others.get(&id),
        }
    }

    /// A table to be changed, made if it is not there; but for [local routes](Self::insert_local).
    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut RouteTable {
        self.generation = self.generation.wrapping_add(1);
        self.local = self.main.has_local() || self.others.values().any(RouteTable::has_local);
        match id {
            TableId::MAIN => &mut self.main,
            id => self.others.entry(id).or_default(),
        }
    }

    /// Makes a prefix this host's own in a table.
    pub(crate) fn insert_local(
        &mut self,
        id: TableId,
        prefix: IpCidr,
        metric: u32,
    ) -> Result<(), SocketError> {
        let added = self.table_mut(id).insert_local(prefix, metric);
        self.local |= added.is_ok();
        added
    }

    /// Whether a table may have a local route, so that it is worth a look whose a destination is.
    #[inline]
    pub(crate) const fn may_have_local(&self) -> bool {
        self.local
    }

    /// Whether tables and rules say that a packet is for this host.
    pub(crate) fn ends_here(&self, query: &Query) -> bool {
        self.local && query.to_host && self.decide(query, || 0) == Some(Decision::Local)
    }

    /// Removes every route over an interface; see [`RouteTable::remove_iface`] for what is left to clear.
    pub(crate) fn remove_iface(&mut self, iface: IfaceId) {
        self.generation = self.generation.wrapping_add(1);
        self.main.remove_iface(iface);
        for table in self.others.values_mut() {
            table.remove_iface(iface);
        }
    }

    /// Looks at so many prefixes of a table from which some have gone, and takes those out; whether there are
    /// more.
    pub(crate) fn clear_gone(&mut self, most: usize) -> bool {
        let mut all = core::iter::once(&mut self.main).chain(self.others.values_mut());
        let Some(first) = all.find(|table| table.has_gone()) else {
            return false;
        };
        first.clear_gone(most) || all.any(|table| table.has_gone())
    }

    /// Adds a rule behind those of the same priority.
    pub(crate) fn add_rule(&mut self, rule: Rule) {
        self.generation = self.generation.wrapping_add(1);
        let at = self
            .rules
            .partition_point(|other| other.priority <= rule.priority);
        self.rules.insert(at, rule);
    }

    /// The priority of a rule that is added without one: it goes before those that are there, as in Linux.
    pub(crate) fn next_priority(&self) -> u32 {
        let first = self.rules.first();
        let first = first.map_or(MAIN_PRIORITY, |rule| rule.priority.min(MAIN_PRIORITY));
        first.saturating_sub(1)
    }

    /// Removes the first rule that is meant; whether there was one.
    pub(crate) fn remove_rule(&mut self, is_meant: impl Fn(&Rule) -> bool) -> bool {
        self.generation = self.generation.wrapping_add(1);
        let at = self.rules.iter().position(is_meant);
        at.is_some_and(|at| {
            self.rules.remove(at);
            true
        })
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What tables and rules say about a packet. Where ways share, the hash that `flow` gives chooses.
    #[inline]
    pub(crate) fn decide(&self, query: &Query, flow: impl Fn() -> u64) -> Option<Decision> {
        if self.rules.is_empty() && self.others.is_empty() {
            return ask(&self.main, query, flow);
        }
        self.first(query, |table| ask(table, query, &flow), Decision::Reject)
    }

    /// Whether the way to where a packet goes leads over an interface, or one of those does that share it;
    /// `None`: whether there is one at all.
    pub(crate) fn leads_over(&self, query: &Query, over: Option<IfaceId>) -> bool {
        let is_over = |table: &RouteTable| {
            let best = ask(table, query, || 0)?.route();
            let same = |best: Route| {
                over.is_none_or(|over| {
                    let other = table.lookup_over(query.dest, over);
                    other.is_some_and(|other| {
                        (other.prefix, other.metric) == (best.prefix, best.metric)
                    })
                })
            };
            Some(best.is_some_and(same))
        };
        self.first(query, is_over, |_| false).unwrap_or(false)
    }

    /// The interface on whose link a next hop is, the destination of `query`, for a route in a table: that is
    /// asked before all others.
    pub(crate) fn link_of(&self, id: TableId, query: &Query) -> Option<IfaceId> {
        let ask = |table: &RouteTable| table.link_of(query.dest, query.out);
        let own = self.table(id).and_then(ask).flatten();
        own.or_else(|| self.first(query, ask, |_| None)?)
    }

    /// The answer of the first table that has one for a packet, in the order that the rules say.
    #[inline]
    fn first<T>(
        &self,
        query: &Query,
        ask: impl Fn(&RouteTable) -> Option<T>,
        reject: impl Fn(Reject) -> T,
    ) -> Option<T> {
        let late = self
            .rules
            .partition_point(|rule| rule.priority <= MAIN_PRIORITY);
        let (early, late) = self.rules.split_at(late);
        let by_rules = |rules: &[Rule]| {
            let mut meant = rules.iter().filter(|rule| rule.selector.selects(query));
            meant.find_map(|rule| match rule.action {
                RuleAction::Table(id) => ask(self.table(id)?),
                RuleAction::Reject(why) => Some(reject(why)),
            })
        };
        let known = |id| ask(self.table(id)?);
        known(TableId::LOCAL)
            .or_else(|| by_rules(early))
            .or_else(|| known(TableId::MAIN))
            .or_else(|| by_rules(late))
            .or_else(|| known(TableId::DEFAULT))
    }

    /// A number that changes with every change, for who keeps a looked-up route.
    #[inline]
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }
}

/// What a table says about a packet. What goes to many ends at no local route, and what may leave over one
/// interface only knows no other routes, but those by which nothing leaves.
#[inline]
fn ask(table: &RouteTable, query: &Query, flow: impl FnOnce() -> u64) -> Option<Decision> {
    if let Some(out) = query.out {
        return table.decide_over(query.dest, out);
    }
    let decision = table.decide(query.dest, flow);
    decision.filter(|decision| query.to_host || *decision != Decision::Local)
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
