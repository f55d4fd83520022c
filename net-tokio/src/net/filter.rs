//! The packet filter of a stack.

use super::Net;
use net_core::filter::Ruleset;
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
