//! Routes: which interface leads to an address.

mod table;
mod trie;

pub use table::RouteTable;

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
