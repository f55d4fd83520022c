//! The packet filter of a stack: putting rules in place, and what they have counted and written down.

use super::Stack;
use crate::filter::{Counter, Filter, FilterError, LogEntry, Rule, Ruleset};
use crate::hook::Hook;
use crate::iface::IfaceId;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

impl Stack {
    /// Puts a set of rules in the place of the one before, at once and whole. Its counters begin at
    /// zero.
    ///
    /// ```
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// let rules = "table ip t { chain c { type filter hook input priority 0; tcp dport 23 drop; } }";
    /// stack.set_filter(rules.parse()?)?;
    /// assert_eq!(stack.filter_counters().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Why the rules cannot be used; those before stay then.
    pub fn set_filter(&mut self, ruleset: Ruleset) -> Result<(), FilterError> {
        let filter = Filter::compile(ruleset, self.filter_key, self.clock)?;
        self.hooks.set_filter(Some(filter));
        self.track_for_filter();
        self.resolve_filter();
        Ok(())
    }

    /// Takes all rules away.
    pub fn clear_filter(&mut self) {
        self.hooks.set_filter(None);
        self.track_for_filter();
    }

    /// Every rule with how often it has held: the names of its table and chain, the rule, the count.
    pub fn filter_counters(&self) -> impl Iterator<Item = (&str, &str, &Rule, Counter)> {
        let filter = self.hooks.filter().into_iter();
        filter.flat_map(Filter::counted)
    }

    /// The rules as text, with their counters as comments; empty without rules.
    #[must_use]
    pub fn show_filter(&self) -> String {
        self.hooks.filter().map(Filter::show).unwrap_or_default()
    }

    /// Puts in whom rules with [`Queue`](crate::filter::Action::Queue) of this number ask; the one
    /// before. It may change the packet.
    pub fn set_filter_queue(&mut self, number: u16, hook: Box<dyn Hook>) -> Option<Box<dyn Hook>> {
        self.hooks.set_queue(number, hook)
    }

    /// The oldest entry of the log that nobody has taken; up to 1,024 wait.
    pub fn poll_filter_log(&mut self) -> Option<LogEntry> {
        self.hooks.log().take()
    }

    /// Log entries that there was no room for.
    #[must_use]
    pub const fn filter_log_lost(&self) -> u64 {
        self.hooks.log_lost()
    }

    /// Looks up anew which interfaces rules name, and their addresses.
    pub(super) fn resolve_filter(&mut self) {
        self.note_own_addresses();
        let ifaces = (0..).zip(&self.ifaces).filter_map(|(index, iface)| {
            let config = &iface.as_ref()?.config;
            Some((IfaceId(index), config.name.as_str(), config.kind))
        });
        if let Some(filter) = self.hooks.filter_mut() {
            filter.resolve(&ifaces.collect::<Vec<_>>());
        }
    }
}
