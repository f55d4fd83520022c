//! Several tables, and the rules that choose among them.

use super::rules::{MAIN_PRIORITY, Query};
use super::{Decision, RouteTable, Rule, RuleAction, TableId};
use crate::iface::IfaceId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// All routes of a stack.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    main: RouteTable,
    others: BTreeMap<TableId, RouteTable>,
    /// By priority, without those of the main and the default table.
    rules: Vec<Rule>,
    generation: u32,
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

    /// A table to be changed, made if it is not there.
    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut RouteTable {
        self.generation = self.generation.wrapping_add(1);
        match id {
            TableId::MAIN => &mut self.main,
            id => self.others.entry(id).or_default(),
        }
    }

    /// Removes every route over an interface.
    pub(crate) fn remove_iface(&mut self, iface: IfaceId) {
        self.generation = self.generation.wrapping_add(1);
        self.main.remove_iface(iface);
        for table in self.others.values_mut() {
            table.remove_iface(iface);
        }
    }

    /// Adds a rule behind those of the same priority.
    pub(crate) fn add_rule(&mut self, rule: Rule) {
        self.generation = self.generation.wrapping_add(1);
        let at = self
            .rules
            .partition_point(|other| other.priority <= rule.priority);
        self.rules.insert(at, rule);
    }

    /// Removes the first rule that is exactly this; whether there was one.
    pub(crate) fn remove_rule(&mut self, rule: &Rule) -> bool {
        self.generation = self.generation.wrapping_add(1);
        let at = self.rules.iter().position(|other| other == rule);
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
            return self.main.decide(query.dest, flow);
        }
        let late = self
            .rules
            .partition_point(|rule| rule.priority <= MAIN_PRIORITY);
        let (early, late) = self.rules.split_at(late);
        let by_rules = |rules: &[Rule]| {
            let mut meant = rules.iter().filter(|rule| rule.selector.selects(query));
            meant.find_map(|rule| match rule.action {
                RuleAction::Table(id) => self.table(id)?.decide(query.dest, &flow),
                RuleAction::Reject(reject) => Some(Decision::Reject(reject)),
            })
        };
        let default = || {
            self.others
                .get(&TableId::DEFAULT)?
                .decide(query.dest, &flow)
        };
        by_rules(early)
            .or_else(|| self.main.decide(query.dest, &flow))
            .or_else(|| by_rules(late))
            .or_else(default)
    }

    /// A number that changes with every change, for who keeps a looked-up route.
    #[inline]
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
