//! The packet filter of a stack.

use super::Net;
use net_core::filter::{Counter, Rule, Ruleset};
use net_core::hook::Hook;
use std::io;

impl Net {
    /// Puts a set of rules in the place of the one before, at once and whole: packets meet either the
    /// old rules or the new ones. What they write down (`log`) appears as events of `tracing`, with the
    /// target `net_tokio::filter`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let net = net_tokio::Net::builder().build()?;
    /// net.set_filter("
    ///     table inet firewall {
    ///         chain input {
    ///             type filter hook input priority 0; policy accept;
    ///             tcp dport { 23, 512-514 } reject with tcp reset
    ///         }
    ///     }
    /// ".parse()?)?;
    /// assert!(net.show_filter().contains("tcp dport { 23, 512-514 }"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` with the reason why the rules cannot be used, and then those before stay; or that
    /// the stack has ended.
    pub fn set_filter(&self, rules: Ruleset) -> io::Result<()> {
        let engine = self.engine();
        let set = engine.control(|core, _| Ok(core.stack_mut().set_filter(rules)))?;
        set.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    /// Takes all rules away.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn clear_filter(&self) -> io::Result<()> {
        self.engine().control(|core, _| {
            core.stack_mut().clear_filter();
            Ok(())
        })
    }

    /// The rules as text, with how often each has held as comments; empty without rules.
    #[must_use]
    pub fn show_filter(&self) -> String {
        self.engine().look(|core| core.stack().show_filter())
    }

    /// Every rule with how often it has held: the names of its table and chain, the rule, the count. The stack
    /// stands still while they are collected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let net = net_tokio::Net::builder().build()?;
    /// net.set_filter(
    ///     "table ip t { chain c { type filter hook input priority 0; udp dport 9 accept; } }".parse()?,
    /// )?;
    /// let socket = net_tokio::UdpSocket::bind_on(&net, "127.0.0.1:9").await?;
    /// socket.send_to(b"four", "127.0.0.1:9").await?;
    /// socket.readable().await?;
    /// let counters = net.filter_counters();
    /// let (table, chain, _, count) = &counters[0];
    /// assert_eq!((table.as_str(), chain.as_str()), ("t", "c"));
    /// assert_eq!((count.packets, count.bytes), (1, 32));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn filter_counters(&self) -> Vec<(String, String, Rule, Counter)> {
        self.engine().look(|core| {
            let counters = core.stack().filter_counters();
            let owned = counters.map(|(table, chain, rule, count)| {
                (table.to_owned(), chain.to_owned(), rule.clone(), count)
            });
            owned.collect()
        })
    }

    /// Puts in whom rules with `queue num NUMBER` ask; the one before. It runs inside the stack, and
    /// must neither use sockets of the same stack nor wait.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_filter_queue(
        &self,
        number: u16,
        hook: impl Hook + 'static,
    ) -> io::Result<Option<Box<dyn Hook>>> {
        let engine = self.engine();
        engine.control(|core, _| Ok(core.stack_mut().set_filter_queue(number, Box::new(hook))))
    }
}
