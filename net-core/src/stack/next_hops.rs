//! Next hops of routes: which of them are on a link, and routes over several.

use super::Stack;
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::route::{Multipath, NextHop, Query, Route, TableId, Weight};
use alloc::vec;
use core::net::IpAddr;

impl Stack {
    /// Adds a route over several next hops; those to the same prefix with the same metric are replaced. Each
    /// next hop takes flows in proportion to its weight.
    ///
    /// ```
    /// use net_core::iface::{DeviceCaps, IfaceConfig, IfaceKind, IpCidr};
    /// use net_core::route::{Multipath, NextHop, TableId, Weight};
    /// use net_core::{Config, Instant, Seed, Stack};
    /// use core::net::Ipv4Addr;
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// let cidr = |address: Ipv4Addr, prefix_len| IpCidr { address: address.into(), prefix_len };
    /// let iface = stack.add_iface(
    ///     IfaceConfig {
    ///         name: "tun0".into(),
    ///         kind: IfaceKind::PointToPoint,
    ///         mtu: 1500,
    ///         addresses: vec![cidr(Ipv4Addr::new(10, 7, 0, 2), 24)],
    ///     },
    ///     DeviceCaps::default(),
    /// )?;
    /// let hop = |last, weight| NextHop {
    ///     via: Some(Ipv4Addr::new(10, 7, 0, last).into()),
    ///     iface,
    ///     weight: Weight::new(weight).expect("1 to 256"),
    ///     onlink: false,
    /// };
    /// let route = Multipath {
    ///     prefix: cidr(Ipv4Addr::UNSPECIFIED, 0),
    ///     source: None,
    ///     metric: 0,
    ///     hops: vec![hop(1, 3), hop(9, 1)],
    /// };
    /// stack.add_multipath(TableId::MAIN, &route)?;
    /// assert!(stack.show_routes(TableId::MAIN).starts_with(
    ///     "default nexthop via 10.7.0.1 dev tun0 weight 3 nexthop via 10.7.0.9 dev tun0 weight 1\n"
    /// ));
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`add_route`](Self::add_route), about any of the next hops. [`InvalidInput`] where there is none,
    /// and where one is [`onlink`](crate::route::NextHop::onlink) that is no other host, or, of IPv6, is on
    /// another link as routes say. [`AlreadyExists`](SocketError::AlreadyExists), of IPv6: a next hop is there
    /// twice.
    ///
    /// [`InvalidInput`]: SocketError::InvalidInput
    pub fn add_multipath(&mut self, table: TableId, route: &Multipath) -> Result<(), SocketError> {
        self.check_multipath(table, route)?;
        self.routes.table_mut(table).insert_multipath(route)
    }

    /// As [`add_multipath`](Self::add_multipath), beside those to the same prefix with the same metric.
    ///
    /// # Errors
    /// As for [`add_multipath`](Self::add_multipath).
    pub fn add_multipath_beside(
        &mut self,
        table: TableId,
        route: &Multipath,
    ) -> Result<(), SocketError> {
        self.check_multipath(table, route)?;
        self.routes.table_mut(table).insert_multipath_beside(route)
    }

    /// As [`add_route`](Self::add_route), but takes a next hop that no route knows for a neighbour on the
    /// interface's link (`onlink`), as one that a lease or the interface's own configuration names.
    ///
    /// # Errors
    /// As for [`add_multipath`](Self::add_multipath).
    pub fn add_route_onlink(&mut self, route: Route) -> Result<(), SocketError> {
        match self.add_route(route) {
            Err(SocketError::NetworkUnreachable | SocketError::HostUnreachable) => {}
            done => return done,
        }
        let hop = NextHop {
            via: route.via,
            iface: route.iface,
            weight: Weight::ONE,
            onlink: true,
        };
        let route = Multipath {
            prefix: route.prefix,
            source: route.source,
            metric: route.metric,
            hops: vec![hop],
        };
        self.add_multipath(TableId::MAIN, &route)
    }

    fn check_multipath(&self, table: TableId, route: &Multipath) -> Result<(), SocketError> {
        if route.hops.is_empty() {
            return Err(SocketError::InvalidInput("the route has no next hop"));
        }
        for (number, hop) in route.hops.iter().enumerate() {
            self.check_way(&route.over(hop))?;
            if let Some(via) = hop.via {
                self.link_of(table, via, Some(hop.iface), hop.onlink)?;
            }
            let mut before = route.hops.iter().take(number);
            let is_same = |other: &_| route.over(other) == route.over(hop);
            if route.prefix.address.is_ipv6() && before.any(is_same) {
                return Err(SocketError::AlreadyExists);
            }
        }
        Ok(())
    }

    /// What can be wrong with a route, but for where its next hop is.
    fn check_way(&self, route: &Route) -> Result<(), SocketError> {
        route.prefix.check()?;
        if self.iface(route.iface).is_none() {
            return Err(SocketError::InvalidInput(
                "the route's interface does not exist",
            ));
        }
        let family = route.prefix.address.is_ipv4();
        if [route.via, route.source]
            .into_iter()
            .flatten()
            .any(|address| address.is_ipv4() != family)
        {
            return Err(SocketError::InvalidInput(
                "the next hop and source of a route have the family of its prefix",
            ));
        }
        if route.source.is_some_and(|source| !self.is_local(source)) {
            return Err(SocketError::InvalidInput(
                "the route's source is not an address of this stack",
            ));
        }
        Ok(())
    }

    /// Checks a route that is to go into a table.
    pub(super) fn check_route(&self, table: TableId, route: &Route) -> Result<(), SocketError> {
        self.check_way(route)?;
        match route.via {
            Some(via) => self.link_of(table, via, Some(route.iface), false).map(drop),
            None => Ok(()),
        }
    }

    /// The interface on whose link a next hop is, of a route in a table; `over` may say which, and has to where
    /// only the caller knows that it is there (`onlink`). The rules are those of Linux.
    pub(super) fn link_of(
        &self,
        table: TableId,
        via: IpAddr,
        over: Option<IfaceId>,
        onlink: bool,
    ) -> Result<IfaceId, SocketError> {
        if via.is_unspecified() || via.is_multicast() || self.addresses.is_broadcast(via) {
            return Err(SocketError::InvalidInput(
                "the next hop is not the address of one host",
            ));
        }
        let own = self.addresses.iface_of(via);
        if own.is_some() && (onlink || via.is_ipv6()) {
            return Err(SocketError::InvalidInput(
                "the next hop is an address of this host",
            ));
        }
        if onlink {
            return self.named_link_of(table, via, over);
        }
        if own.is_some() && over.is_none_or(|over| own == Some(over)) {
            return own.ok_or(SocketError::NetworkUnreachable);
        }
        match via {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => over.ok_or(NO_DEVICE),
            IpAddr::V4(_) => self
                .routed_link_of(table, via, over)
                .ok_or(SocketError::NetworkUnreachable),
            IpAddr::V6(_) => self
                .routed_link_of(table, via, over)
                .ok_or(SocketError::HostUnreachable),
        }
    }

    /// Takes the caller's word for it, where no route says otherwise.
    fn named_link_of(
        &self,
        table: TableId,
        via: IpAddr,
        over: Option<IfaceId>,
    ) -> Result<IfaceId, SocketError> {
        let over = over.ok_or(NO_DEVICE)?;
        let known = self.route_table(table).and_then(|table| table.lookup(via));
        let is_elsewhere = |known: Route| known.prefix.prefix_len > 0 && known.iface != over;
        if via.is_ipv6() && known.is_some_and(is_elsewhere) {
            return Err(SocketError::InvalidInput(
                "routes say that the next hop is on another link",
            ));
        }
        Ok(over)
    }

    fn routed_link_of(
        &self,
        table: TableId,
        via: IpAddr,
        over: Option<IfaceId>,
    ) -> Option<IfaceId> {
        let query = Query {
            dest: via,
            source: None,
            mark: 0,
            tos: 0,
            over: self.addresses.loopback(),
            out: over,
            owner: None,
            to_host: false,
        };
        self.routes.link_of(table, &query)
    }
}

pub(super) const NO_DEVICE: SocketError =
    SocketError::InvalidInput("no interface leads to the next hop; name it (dev)");
