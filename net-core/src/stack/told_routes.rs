//! Routes that routers advertise (RFC 4191): a host of type C.

use super::Stack;
use crate::autoconf::{MAX_ROUTES, ToldRoute, end_of};
use crate::iface::{IfaceId, IpCidr};
use crate::route::{Route, TableId};
use crate::time::Instant;
use crate::wire::ndp::RouteInformation;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};

impl Stack {
    /// A router leads to a prefix, or does no longer (RFC 4191 §2.3, §3.1).
    pub(super) fn route_told(
        &mut self,
        iface: IfaceId,
        router: Ipv6Addr,
        told: &RouteInformation,
        now: Instant,
    ) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let route = ToldRoute {
            prefix: IpCidr {
                address: IpAddr::V6(told.prefix),
                prefix_len: told.prefix_len,
            },
            router,
            preference: told.preference,
            until: end_of(told.lifetime, now),
            failures: 0,
        };
        let is_it = |each: &ToldRoute| (each.prefix, each.router) == (route.prefix, router);
        let known = own.autoconf.routes.iter_mut().find(|each| is_it(each));
        match known {
            Some(_) if told.lifetime.0 == 0 => own.autoconf.routes.retain(|each| !is_it(each)),
            Some(known) => {
                let is_same = (known.preference, known.failures) == (route.preference, 0);
                *known = route;
                if is_same {
                    return;
                }
            }
            None if told.lifetime.0 == 0 => return,
            None => {
                let excess = own.autoconf.pop_route_in_excess();
                own.autoconf.routes.push(route);
                if let Some(excess) = excess {
                    self.renew_told_routes(iface, excess);
                }
            }
        }
        self.renew_told_routes(iface, route.prefix);
    }

    /// A router does not answer: others that lead to the same prefixes go before it (RFC 4191 §3.2).
    pub(super) fn told_routes_failed(&mut self, iface: IfaceId, router: IpAddr) {
        self.change_told_routes(iface, router, |route| {
            route.failures = route.failures.saturating_add(1);
            true
        });
    }

    /// It answers again.
    pub(super) fn told_routes_answer(&mut self, iface: IfaceId, router: Ipv6Addr) {
        self.change_told_routes(iface, router.into(), |route| {
            core::mem::take(&mut route.failures) > 0
        });
    }

    /// What was a router is none any more.
    pub(super) fn forget_told_routes(&mut self, iface: IfaceId, router: Ipv6Addr) {
        self.end_told_routes(iface, |each| each.router == router);
    }

    /// Forgets routes.
    pub(super) fn end_told_routes(&mut self, iface: IfaceId, is_over: impl Fn(&ToldRoute) -> bool) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let over = own.autoconf.routes.iter().filter(|each| is_over(each));
        let over: Vec<IpCidr> = over.map(|each| each.prefix).collect();
        own.autoconf.routes.retain(|each| !is_over(each));
        for prefix in over {
            self.renew_told_routes(iface, prefix);
        }
    }

    /// Changes what is known of a router's routes, and chooses anew where that says it has to be.
    fn change_told_routes(
        &mut self,
        iface: IfaceId,
        router: IpAddr,
        change: impl Fn(&mut ToldRoute) -> bool,
    ) {
        let own = self.iface_mut(iface).into_iter();
        let all = own.flat_map(|own| &mut own.autoconf.routes);
        let its = all.filter(|each| IpAddr::V6(each.router) == router);
        let changed = its.filter_map(|each| change(each).then_some(each.prefix));
        let changed: Vec<IpCidr> = changed.collect();
        for prefix in changed {
            self.renew_told_routes(iface, prefix);
        }
    }

    /// Makes the routes to a prefix over an interface those that its routers have told, the best first.
    fn renew_told_routes(&mut self, iface: IfaceId, prefix: IpCidr) {
        let Some(own) = self.iface(iface) else {
            return;
        };
        let mut routes = own.autoconf.routes.clone();
        routes.retain(|each| each.prefix == prefix);
        routes.sort_by_key(|each| (each.failures, Reverse(each.preference)));
        let first = METRIC + u32::from(iface.0) * SPACING;
        let table = self.routes.table_mut(TableId::MAIN);
        table.remove_where(prefix, |decision, metric| {
            let route = decision.route();
            let is_by_router = route.is_some_and(|route| {
                route.iface == iface && route.via.is_some_and(is_router_address)
            });
            is_by_router && (first..first + SPACING).contains(&metric)
        });
        for (metric, route) in (first..).zip(routes) {
            self.learn_route(Route {
                prefix,
                via: Some(IpAddr::V6(route.router)),
                iface,
                source: None,
                metric,
            });
        }
    }
}

/// Routers advertise themselves by their addresses on the link.
const fn is_router_address(via: IpAddr) -> bool {
    match via {
        IpAddr::V6(via) => via.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

/// Routes of routers come behind those of the administrator and redirects.
const METRIC: u32 = 1 << 21;
/// Room for the metrics of the routes of one interface.
const SPACING: u32 = 16;
const _: () = assert!(MAX_ROUTES <= SPACING as usize);
