//! Routes: which interface leads to an address.
//!
//! A [`RouteTable`] finds the longest prefix of an address by a level-compressed trie; ways that many
//! prefixes share are kept once. A stack has several tables, and rules that choose among them by more
//! than the destination.

mod arena;
mod batch;
mod gone;
mod hops;
mod key;
mod listing;
mod multipath;
mod node;
mod policy;
mod prefixes;
mod rules;
mod shortcut;
mod show;
mod table;
mod text;
mod trie;

pub use multipath::{Multipath, NextHop, Weight};
pub(crate) use policy::Policy;
pub(crate) use rules::Query;
pub use rules::{RouteQuery, Rule, RuleAction, Selector, TableId};
pub use table::{Decision, RouteTable};
pub(crate) use text::{Change, Hop, Kind, Verb, parse_rule};
pub(crate) use trie::{Full, Trie};

use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use core::net::IpAddr;

/// The way to a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Destinations that it is for; `0.0.0.0/0` or `::/0` is the default route.
    pub prefix: IpCidr,
    /// The next hop; `None` if the destinations are on the link.
    pub via: Option<IpAddr>,
    /// The interface that leads there.
    pub iface: IfaceId,
    /// Source address to prefer; `None` leaves the choice to the interface.
    pub source: Option<IpAddr>,
    /// Among routes to the same prefix the lowest wins.
    pub metric: u32,
}

/// Why nothing goes to a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// Packets vanish without a word; sockets are told `InvalidInput` (`EINVAL`), as in Linux.
    Blackhole,
    /// The sender is told that the host cannot be reached.
    Unreachable,
    /// The sender is told that it may not (RFC 1812 §5.2.7.1, code 13; RFC 4443 §3.1, code 1).
    Prohibit,
}

impl From<Reject> for SocketError {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::Blackhole => Self::InvalidInput("packets to the destination vanish in a route"),
            Reject::Unreachable => Self::HostUnreachable,
            Reject::Prohibit => Self::PermissionDenied("a route prohibits the destination"),
        }
    }
}
