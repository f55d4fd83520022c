//! Chains of rules, tables of chains, and the whole set.

use super::Rule;
use crate::hook::HookPoint;
use alloc::string::String;
use alloc::vec::Vec;

/// All tables. [`Stack::set_filter`](crate::Stack::set_filter) puts it in the place of the one before,
/// whole or not at all.
///
/// It can be read from a text close to that of `nft`:
///
/// ```
/// use net_core::filter::Ruleset;
/// let ruleset: Ruleset = "
///     table inet firewall {
///         chain input {
///             type filter hook input priority 0; policy drop;
///             tcp dport { 22, 80, 8000-8099 } ip saddr 10.0.0.0/8 accept
///             icmp type echo-request limit rate 10/second accept
///         }
///     }
/// ".parse()?;
/// assert_eq!(ruleset.tables[0].chains[0].rules.len(), 2);
/// let error = "table ip t {\n  chain c {\n    tcp dport http accept\n  }\n}".parse::<Ruleset>();
/// assert_eq!(error.unwrap_err().to_string(), "line 3, column 15: \"http\" is no number");
/// # Ok::<(), net_core::filter::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// The tables.
    pub tables: Vec<Table>,
}

/// A name space for chains, and the packets that they see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Packets of other families pass it by.
    pub family: TableFamily,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// The packets that a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TableFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// ARP for IPv4 over Ethernet (RFC 826): what comes in, and what this host sends.
    Arp,
    /// Both.
    #[default]
    Inet,
}

/// Rules that are asked in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// Its name, in its table.
    pub name: String,
    /// Where packets enter it; without that they come from other chains only.
    pub base: Option<Base>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// Where packets enter a chain, and what becomes of those about which no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// Where on the packets' way.
    pub at: HookPoint,
    /// Lower ones are asked first, in one order with the hooks of
    /// [`Stack::add_hook`](crate::Stack::add_hook).
    pub priority: i32,
    /// What becomes of them.
    pub policy: ChainPolicy,
    /// Which packets are asked about.
    pub kind: ChainKind,
}

/// Which packets a chain is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChainKind {
    /// All of them.
    #[default]
    Filter,
    /// The first of each flow, to settle what the flow is translated to; together with the other
    /// chains of this kind, whatever the priorities of other chains.
    Nat,
    /// All of them, at `output` alone: one whose mark a rule changes leaves by the way that routes and rules
    /// say for the mark then, as it keeps its source (`type route`).
    Route,
}

/// What becomes of packets about which no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChainPolicy {
    /// They have passed.
    #[default]
    Accept,
    /// They vanish.
    Drop,
}

/// How often a rule has held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// Packets; a super-segment is one.
    pub packets: u64,
    /// Their bytes, IP headers included.
    pub bytes: u64,
}

impl Counter {
    pub(super) fn count(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }
}
