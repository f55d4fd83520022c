//! Interfaces, addresses and routes: setting them up.

use super::{Stack, TimerKey};
use crate::error::SocketError;
use crate::iface::{DeviceCaps, Iface, IfaceConfig, IfaceId, IfaceKind, IpCidr};
use crate::ip::may_be_local;
use crate::route::{Decision, Query, Reject, Route, RouteQuery, RouteTable, Rule, TableId};
use crate::stats::DropReason;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::net::IpAddr;

impl Stack {
    /// Adds an interface over a device with these abilities. Each address brings the route to its
    /// prefix.
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput) with the reason: an MTU below 576 (1280 with an
    /// IPv6 address), an address or prefix that cannot be, a name that is taken, a second loopback.
    pub fn add_iface(
        &mut self,
        config: IfaceConfig,
        caps: DeviceCaps,
    ) -> Result<IfaceId, SocketError> {
        config.check()?;
        // What cuts packets names pieces of them.
        let caps = DeviceCaps {
            tso: caps.tso && !caps.one_piece,
            uso: caps.uso && !caps.one_piece,
            ..caps
        };
        if self.ifaces().any(|(_, other)| other.name == config.name) {
            return Err(SocketError::InvalidInput("another interface has the name"));
        }
        let id = u16::try_from(self.ifaces.len())
            .map(IfaceId)
            .map_err(|_| SocketError::InvalidInput("there are 65,536 interfaces already"))?;
        if config.kind == IfaceKind::Loopback {
            if self.addresses.loopback().is_some() {
                return Err(SocketError::InvalidInput(
                    "there is a loopback interface already",
                ));
            }
            self.addresses.set_loopback(Some(id));
        }
        for &cidr in &config.addresses {
            self.addresses.add(id, cidr);
            self.learn_route(Route {
                prefix: cidr,
                via: None,
                iface: id,
                source: Some(cidr.address),
                metric: u32::from(id.0),
            });
        }
        let addresses: Vec<_> = config.addresses.iter().map(|cidr| cidr.address).collect();
        self.ifaces
            .push(Some(Iface::new(config, caps, &mut self.rng)));
        for address in addresses {
            self.hold_solicited_node(id, address, true);
        }
        self.resolve_filter();
        Ok(id)
    }

    /// Removes an interface with its addresses and routes, and drops the packets that wait for it.
    /// Connections over it stay; they may find another way or time out.
    ///
    /// No packet finds a route over it from now on, however many there were. What room they took in tables is
    /// given back in turns, of 256 prefixes a millisecond; [`RouteTable::remove_iface`] tells more.
    pub fn remove_iface(&mut self, iface: IfaceId) {
        if let Some(slot) = self.ifaces.get_mut(iface.index())
            && let Some(mut gone) = slot.take()
        {
            while let Some(queued) = gone.queue.evict() {
                if let Some(owner) = queued.owner {
                    self.release(owner.lost());
                }
                self.stats.count_drop(DropReason::IfaceRemoved);
                self.recycle(queued.packet);
            }
            for timer in [gone.departure, gone.advertising_timer]
                .into_iter()
                .flatten()
            {
                self.wheel.cancel(timer);
            }
            while let Some(index) = gone.blocked.pop() {
                if let Some(socket) = self.sockets.id_at(index) {
                    self.unblock(socket);
                }
            }
            self.forget_memberships(iface, &mut gone);
            self.addresses.remove_iface(iface);
            self.routes.remove_iface(iface);
            self.clear_gone_routes(self.clock);
            let waiting = self.neighbors.remove_iface(iface, &mut self.wheel);
            self.neighbor_drop(waiting, DropReason::IfaceRemoved);
            self.resolve_filter();
        }
    }

    /// Takes some of the prefixes out of tables that have lost their routes with an interface, and comes back for
    /// the others.
    pub(super) fn clear_gone_routes(&mut self, now: Instant) {
        let more = self.routes.clear_gone(PREFIXES_A_TURN);
        if let Some(timer) = self.gone_routes_timer.take() {
            self.wheel.cancel(timer);
        }
        if more {
            let timer = self.wheel.insert(TimerKey::GoneRoutes, now + TURN);
            self.gone_routes_timer = Some(timer);
        }
    }

    /// Adds a route; one to the same prefix with the same metric is replaced.
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput): a prefix that is too long, an interface that
    /// does not exist, a source that is not ours, or a next hop of the other family or that is no single host.
    /// [`NetworkUnreachable`](SocketError::NetworkUnreachable), of IPv6
    /// [`HostUnreachable`](SocketError::HostUnreachable): no route leads to the next hop as a neighbour on the
    /// interface's link ([`add_multipath`](Self::add_multipath) takes the caller's word for it).
    /// [`NoBufferSpace`](SocketError::NoBufferSpace): the table is [full](RouteTable::insert).
    pub fn add_route(&mut self, route: Route) -> Result<(), SocketError> {
        self.add_route_to(TableId::MAIN, route)
    }

    /// As [`add_route`](Self::add_route), to any table.
    ///
    /// # Errors
    /// As for [`add_route`](Self::add_route).
    pub fn add_route_to(&mut self, table: TableId, route: Route) -> Result<(), SocketError> {
        self.check_route(table, &route)?;
        self.routes.table_mut(table).insert(route)
    }

    /// Adds a route of which nobody is there to hear that the table is full.
    pub(super) fn learn_route(&mut self, route: Route) {
        if self.routes.table_mut(TableId::MAIN).insert(route).is_err() {
            self.stats.count_drop(DropReason::NoMemory);
        }
    }

    /// A table of routes; `None` if nothing ever was in it.
    #[must_use]
    pub fn route_table(&self, table: TableId) -> Option<&RouteTable> {
        self.routes.table(table)
    }

    /// Adds a rule that says which table is asked about some packets. Connected sockets follow it
    /// with their next packet.
    pub fn add_rule(&mut self, rule: Rule) {
        self.routes.add_rule(rule);
    }

    /// Removes a rule; whether it was there.
    pub fn remove_rule(&mut self, rule: &Rule) -> bool {
        self.routes.remove_rule(|other| other == rule)
    }

    /// The rules that were added, in the order in which they are asked.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.routes.rules()
    }

    /// Adds a route beside those to the same prefix with the same metric: each takes its share of
    /// flows (RFC 2992).
    ///
    /// # Errors
    /// As for [`add_route`](Self::add_route).
    pub fn add_route_beside(&mut self, route: Route) -> Result<(), SocketError> {
        self.add_route_beside_in(TableId::MAIN, route)
    }

    /// As [`add_route_beside`](Self::add_route_beside), in any table.
    ///
    /// # Errors
    /// As for [`add_route`](Self::add_route).
    pub fn add_route_beside_in(&mut self, table: TableId, route: Route) -> Result<(), SocketError> {
        self.check_route(table, &route)?;
        self.routes.table_mut(table).insert_beside(route)
    }

    /// Has nothing go to a prefix, unless a route with a lower metric leads there.
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput): a prefix that is too long.
    /// [`NoBufferSpace`](SocketError::NoBufferSpace): the table is [full](RouteTable::insert).
    pub fn add_reject(
        &mut self,
        prefix: IpCidr,
        reject: Reject,
        metric: u32,
    ) -> Result<(), SocketError> {
        self.add_reject_to(TableId::MAIN, prefix, reject, metric)
    }

    /// As [`add_reject`](Self::add_reject), to any table.
    ///
    /// # Errors
    /// As for [`add_reject`](Self::add_reject).
    pub fn add_reject_to(
        &mut self,
        table: TableId,
        prefix: IpCidr,
        reject: Reject,
        metric: u32,
    ) -> Result<(), SocketError> {
        prefix.check()?;
        let table = self.routes.table_mut(table);
        table.insert_reject(prefix, reject, metric)
    }

    /// Makes a prefix this host's own (`ip route add local PREFIX dev lo`), in a table: the local one
    /// ([`TableId::LOCAL`]) is asked first of all.
    ///
    /// What comes for a single host of it, over whichever interface, is delivered here, unless a more
    /// specific route or an earlier table leads elsewhere: a socket on the wildcard address takes it, and
    /// has the address that was meant as its own. Where such routes are found for packets without a mark,
    /// sockets may bind to the addresses and send from them, too, and no packet may claim to come from
    /// one over a wire (RFC 1122 §3.2.1.3(g)). Broadcasts and groups are nobody's own, nor are link-local
    /// addresses of IPv6. Neighbours do not hear of them: packets have to be routed here.
    ///
    /// ```
    /// use net_core::iface::IpCidr;
    /// use net_core::route::TableId;
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// let prefix = IpCidr {
    ///     address: "192.0.2.0".parse()?,
    ///     prefix_len: 24,
    /// };
    /// stack.add_local_route(TableId::LOCAL, prefix, 0)?;
    /// assert_eq!(stack.show_routes(TableId::LOCAL), "local 192.0.2.0/24\n");
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`add_reject`](Self::add_reject).
    pub fn add_local_route(
        &mut self,
        table: TableId,
        prefix: IpCidr,
        metric: u32,
    ) -> Result<(), SocketError> {
        prefix.check()?;
        self.routes.insert_local(table, prefix, metric)
    }

    /// Takes back that exactly this prefix is this host's own; whether it was.
    pub fn remove_local_route(&mut self, table: TableId, prefix: IpCidr) -> bool {
        let is_local = |decision: &Decision, _| *decision == Decision::Local;
        self.routes.table_mut(table).remove_where(prefix, is_local) > 0
    }

    /// Removes every route of the main table to exactly this prefix; whether there was one.
    pub fn remove_route(&mut self, prefix: IpCidr) -> bool {
        self.remove_route_from(TableId::MAIN, prefix)
    }

    /// As [`remove_route`](Self::remove_route), from any table.
    pub fn remove_route_from(&mut self, table: TableId, prefix: IpCidr) -> bool {
        self.routes.table_mut(table).remove(prefix)
    }

    /// Removes exactly this route of the main table, and no other to its prefix; whether it was there.
    pub fn remove_exact_route(&mut self, route: &Route) -> bool {
        self.remove_exact_route_from(TableId::MAIN, route)
    }

    /// As [`remove_exact_route`](Self::remove_exact_route), from any table.
    pub fn remove_exact_route_from(&mut self, table: TableId, route: &Route) -> bool {
        let table = self.routes.table_mut(table);
        let is_meant = |decision: &Decision, metric| {
            metric == route.metric && decision.route().is_some_and(|other| other == *route)
        };
        table.remove_where(route.prefix, is_meant) > 0
    }

    /// What routes and rules say about a packet, as `ip route get`; `None` where none leads there. Of ways
    /// that share, the one of the flow with these addresses.
    ///
    /// ```
    /// use net_core::route::{Decision, Reject, RouteQuery};
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// stack.ip_route("add blackhole 203.0.113.0/24 table 100").unwrap();
    /// stack.ip_rule("add fwmark 1 lookup 100").unwrap();
    /// let plain = RouteQuery::to("203.0.113.1".parse()?);
    /// assert_eq!(stack.way_of(&plain), None);
    /// let marked = RouteQuery { mark: 1, ..plain };
    /// assert_eq!(stack.way_of(&marked), Some(Decision::Reject(Reject::Blackhole)));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn way_of(&self, query: &RouteQuery) -> Option<Decision> {
        let RouteQuery {
            dest,
            source,
            mark,
            tos,
            over,
            out,
            owner,
        } = *query;
        if self.addresses.contains(dest) {
            return Some(Decision::Local);
        }
        let to_many = dest.is_multicast() || self.addresses.is_broadcast(dest);
        let query = Query {
            dest,
            source,
            mark,
            tos,
            over: over.or(self.addresses.loopback()),
            out,
            owner,
            to_host: !to_many && may_be_local(dest),
        };
        (self.routes).decide(&query, || self.flow_key.hash_one((source, dest)))
    }

    /// Every route of the main table.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.routes.main().routes()
    }

    /// The interfaces with what they were added with.
    pub fn ifaces(&self) -> impl Iterator<Item = (IfaceId, &IfaceConfig)> {
        (0..=u16::MAX)
            .zip(&self.ifaces)
            .filter_map(|(index, iface)| Some((IfaceId(index), &iface.as_ref()?.config)))
    }

    /// Every address of every interface, in order.
    pub fn local_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter()
    }

    /// The interface, if it exists.
    pub(crate) fn iface(&self, id: IfaceId) -> Option<&Iface> {
        self.ifaces.get(id.index())?.as_ref()
    }

    /// The interface, if it exists, to change.
    pub(crate) fn iface_mut(&mut self, id: IfaceId) -> Option<&mut Iface> {
        self.ifaces.get_mut(id.index())?.as_mut()
    }
}

/// Prefixes that are looked at in a row where an interface has gone, and when to look at more.
const PREFIXES_A_TURN: usize = 256;
const TURN: Duration = Duration::from_millis(1);
