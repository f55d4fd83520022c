//! Timers: which exist, and what happens when they fire.

use super::Stack;
use crate::iface::IfaceId;
use crate::socket::SocketId;
use crate::time::Instant;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerKey {
    /// The earliest of a TCP connection's timers.
    Tcp(SocketId),
    /// A half-open connection, by its slab index.
    Embryo(u32),
    /// A connection in TIME_WAIT, by its slab index.
    TimeWait(u32),
    /// The place of a connection that was frozen, by its slab index.
    Frozen(u32),
    /// The state of a neighbour, by its place in the cache.
    Neighbor(u32),
    /// The first answer for an address of somebody else.
    Proxies,
    /// The next packet that waits at an interface may leave.
    Departure(IfaceId),
    /// Something is due about addresses and routers of an interface.
    Autoconf(IfaceId),
    /// A router advertisement is due on an interface.
    Advertising(IfaceId),
    /// Something is to be said about the groups that an interface is in.
    Membership(IfaceId),
    /// The oldest packet of which fragments are there.
    Reassembly,
    /// What was told first of the MTUs of paths.
    PathMtu,
    /// Prefixes that have lost their routes with an interface are to be taken out.
    GoneRoutes,
}

impl Stack {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; `None`: not before
    /// something else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.wheel.next(), self.hooks.next_timeout()) {
            (Some(first), Some(second)) => Some(first.min(second)),
            (first, second) => first.or(second),
        }
    }

    /// Fires every timer that is due at `now`, each once.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clock = now;
        self.hooks.expire_flows(now);
        for _ in 0..self.wheel.len() {
            let Some(key) = self.wheel.expire(now) else {
                return;
            };
            match key {
                TimerKey::Tcp(id) => self.tcp_timeout(id, now),
                TimerKey::Embryo(index) => self.embryo_timeout(index, now),
                TimerKey::TimeWait(index) => self.end_time_wait(index),
                TimerKey::Frozen(index) => self.end_frozen(index),
                // What is due leaves when the device is served next.
                TimerKey::Departure(iface) => {
                    if let Some(iface) = self.iface_mut(iface) {
                        iface.departure = None;
                    }
                }
                TimerKey::Reassembly => self.reassembly_timeout(now),
                TimerKey::PathMtu => self.path_mtu_timeout(now),
                TimerKey::GoneRoutes => self.clear_gone_routes(now),
                TimerKey::Autoconf(iface) => self.autoconf_timeout(iface, now),
                TimerKey::Advertising(iface) => self.advertising_timeout(iface, now),
                TimerKey::Membership(iface) => self.membership_timeout(iface, now),
                TimerKey::Proxies => self.proxy_timeout(now),
                TimerKey::Neighbor(index) => self.neighbor_timeout(index, now),
            }
        }
    }
}
