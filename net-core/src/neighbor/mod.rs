//! Neighbours: which station of the link has an address, and whether it is still there.
//!
//! One cache serves ARP (RFC 826) and neighbour discovery (RFC 4861 §7.3, RFC 7048): the two differ
//! in the packets that ask and answer, not in what is done with the answers.

mod cache;
mod entry;
mod sighting;

#[cfg(test)]
mod tests;

pub(crate) use cache::{Context, Lookup, NeighborCache, NeighborHint};
pub(crate) use entry::{Ask, Expiry, Waiting};
pub(crate) use sighting::Sighting;

use crate::iface::IfaceId;
use crate::time::Duration;
use crate::wire::MacAddr;
use core::net::IpAddr;

/// Settings of the neighbour cache; RFC 4861 §10 has the names and most of the values.
#[derive(Debug, Clone)]
pub struct NeighborConfig {
    /// Entries of all interfaces together; those of the administrator do not count. The oldest that
    /// is not known to be reachable makes room for a new one. 1024.
    pub max_entries: usize,
    /// Packets that wait for one neighbour's answer; one more replaces the oldest (RFC 4861
    /// §7.2.2). 64.
    pub queue_packets: usize,
    /// Bytes that wait for one neighbour's answer. 256 KiB.
    pub queue_bytes: usize,
    /// Packets that wait for all neighbours together. 1024.
    pub waiting_packets: usize,
    /// How long a neighbour counts as reachable after it has shown that it is, on average
    /// (REACHABLE_TIME). 30 s.
    pub reachable_time: Duration,
    /// Time between two solicitations (RETRANS_TIMER). 1 s.
    pub retrans_timer: Duration,
    /// How long something else may show that a neighbour is reachable before it is asked
    /// (DELAY_FIRST_PROBE_TIME). 5 s.
    pub delay_first_probe: Duration,
    /// Solicitations to all before a neighbour that was never known counts as not there
    /// (MAX_MULTICAST_SOLICIT), or one that was and to which nothing is sent any more is forgotten. One of IPv6
    /// that packets are still sent to goes on being asked (RFC 7048 §3), and their senders hear of no failure. 3.
    pub multicast_solicitations: u8,
    /// Solicitations to a known station before others are asked for it (MAX_UNICAST_SOLICIT). 3.
    pub unicast_solicitations: u8,
    /// The longest time between two solicitations of a neighbour that has stopped answering, which
    /// triples each time (RFC 7048's MAX_RETRANS_TIMER). 60 s.
    pub retrans_max: Duration,
    /// After how long an entry that nothing uses is forgotten. 10 min.
    pub unused_time: Duration,
    /// The longest time that an answer for an address of somebody else waits, where all were asked: a random part
    /// of it, so that not all proxies answer at once (RFC 4861 §7.2.8, which has a second,
    /// MAX_ANYCAST_DELAY_TIME; Linux's `proxy_delay`). 800 ms, as in Linux; zero for a link of one proxy.
    pub proxy_delay: Duration,
    /// Such answers that wait; a question that comes when there are so many gets none (Linux's `proxy_qlen`). 64.
    pub proxy_queue: usize,
}

impl Default for NeighborConfig {
    fn default() -> Self {
        Self {
            max_entries: 1024,
            queue_packets: 64,
            queue_bytes: 256 << 10,
            waiting_packets: 1024,
            reachable_time: Duration::from_secs(30),
            retrans_timer: Duration::from_secs(1),
            delay_first_probe: Duration::from_secs(5),
            multicast_solicitations: 3,
            unicast_solicitations: 3,
            retrans_max: Duration::from_secs(60),
            unused_time: Duration::from_secs(600),
            proxy_delay: Duration::from_millis(800),
            proxy_queue: 64,
        }
    }
}

/// What is known of a neighbour's reachability (RFC 4861 §7.3.2, RFC 7048 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NeighborState {
    /// Its station is being asked for.
    Incomplete,
    /// It was there a short time ago.
    Reachable,
    /// It may still be there; nobody wants to know.
    Stale,
    /// A packet has been sent to it, and something may show that it arrived.
    Delay,
    /// It is being asked whether it is still there.
    Probe,
    /// It does not answer; packets still go to the station that it had, and everybody is asked.
    Unreachable,
    /// The administrator has said where it is.
    Permanent,
}

/// A neighbour as the cache knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbor {
    /// The link.
    pub iface: IfaceId,
    /// Its address.
    pub address: IpAddr,
    /// Its station; `None` while that is not known.
    pub mac: Option<MacAddr>,
    /// What is known of its reachability.
    pub state: NeighborState,
    /// It has said that it is a router (IPv6).
    pub router: bool,
}
