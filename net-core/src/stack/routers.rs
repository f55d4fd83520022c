//! Routers that advertise themselves: addresses, default routes, prefixes of the link (RFC 4861 §6.3, RFC
//! 4862 §5.5, RFC 4191).

use super::Stack;
use super::addresses::LINK_LOCAL;
use crate::autoconf::{AddressState, NoRoom, OnLink, Origin, Router, end_of, prefix_of};
use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use crate::route::{Route, TableId};
use crate::time::{Duration, Instant};
use crate::wire::ethernet::ALL_ROUTERS;
use crate::wire::ndp::{Lifetime, NdpOptions, Preference, PrefixInformation, RouterAdvert};
use crate::wire::{NdpMessage, NdpOption};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::mem;
use core::net::{IpAddr, Ipv6Addr};

impl Stack {
    /// Begins to configure IPv6 on an interface of Ethernet: it gets a link-local address, and what
    /// routers advertise, addresses, routes and DNS servers. Addresses are used once it is known that
    /// nobody else has them (RFC 4862 §5.4), also those that the interface was made with, and are stable
    /// for [`Config::stable_secret`](crate::Config::stable_secret) (RFC 7217).
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface), or
    /// [`InvalidInput`](SocketError::InvalidInput) for an interface that is no Ethernet, whose MTU is below 1280,
    /// or that [advertises](Self::set_router_advertising).
    pub fn autoconfigure(&mut self, iface: IfaceId, now: Instant) -> Result<(), SocketError> {
        self.clock = now;
        let own = self.iface(iface).ok_or(SocketError::NoSuchInterface)?;
        if own.config.kind.mac().is_none() || own.config.mtu < 1280 {
            return Err(SocketError::InvalidInput(
                "IPv6 is configured on interfaces of Ethernet with an MTU of at least 1280",
            ));
        }
        if own.autoconf.on {
            return Ok(());
        }
        if own.advertiser.as_ref().is_some_and(|each| each.is_wanted()) {
            return Err(SocketError::InvalidInput(
                "an interface that advertises is a router's, and does not configure itself",
            ));
        }
        let has_link_local = self.has_link_local(iface);
        if let Some(own) = self.iface_mut(iface) {
            own.autoconf.on = true;
        }
        self.check_addresses(iface, now)?;
        let due = self.soon(now);
        let own = self.iface(iface);
        let in_use = own.is_some_and(|own| {
            let mut used = own.config.addresses.iter();
            used.any(|cidr| is_link_local(cidr.address))
        });
        if !has_link_local {
            let forever = (Instant::MAX, Instant::MAX);
            self.form_address(iface, LINK_LOCAL, forever, 0, due);
        } else if in_use {
            // It has been checked before, so that nothing else begins this.
            self.begin_soliciting(iface, due);
            self.autoconf_settle(iface, now);
        }
        Ok(())
    }

    /// Whether an interface has a link-local address, or may have one when it has been checked.
    fn has_link_local(&self, iface: IfaceId) -> bool {
        self.iface(iface).is_some_and(|own| {
            let mut used = own.config.addresses.iter();
            let mut formed = own.autoconf.formed.iter();
            let is_formed = formed.any(|each| {
                each.state != AddressState::Duplicate && is_link_local(each.address.into())
            });
            is_formed || used.any(|cidr| is_link_local(cidr.address))
        })
    }

    /// Forms a link-local address on an interface that has none (RFC 4862 §5.3), unless others had all that it could
    /// choose (RFC 7217 §6).
    pub(super) fn give_link_local(&mut self, iface: IfaceId, now: Instant) {
        let own = self.iface(iface).into_iter();
        let mut formed = own.flat_map(|own| &own.autoconf.formed);
        let has_given_up = formed.any(|each| {
            each.origin == Origin::Stable
                && each.state == AddressState::Duplicate
                && is_link_local(each.address.into())
        });
        if !has_given_up && !self.has_link_local(iface) {
            let due = self.soon(now);
            let forever = (Instant::MAX, Instant::MAX);
            self.form_address(iface, LINK_LOCAL, forever, 0, due);
        }
    }

    /// When something is said that many hosts may want to say at the same time: after a bit of time that
    /// differs from host to host (RFC 4861 §6.3.7, RFC 4862 §5.4.2).
    pub(super) fn soon(&mut self, now: Instant) -> Instant {
        now + Duration::from_nanos(self.rng.below(MAX_DELAY_NANOS))
    }

    /// Begins to ask for routers when that is due, if the interface configures itself and has none.
    pub(super) fn begin_soliciting(&mut self, iface: IfaceId, due: Instant) {
        if let Some(own) = self.iface_mut(iface)
            && own.autoconf.on
            && own.autoconf.routers.is_empty()
        {
            own.autoconf.solicitations.begin(due);
        }
    }

    /// Asks for routers, less and less often, until one has answered (RFC 4861 §6.3.7, RFC 7559).
    pub(super) fn solicit_routers(&mut self, iface: IfaceId, now: Instant) {
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let Some(own) = own else {
            return;
        };
        let Some(mac) = own.config.kind.mac() else {
            return;
        };
        if !own.autoconf.solicitations.take(&mut self.rng, now) {
            return;
        }
        if let Some(source) = self.source_on(iface, ALL_ROUTERS) {
            let option = [NdpOption::SourceLinkLayer(mac)];
            let message = NdpMessage::RouterSolicit;
            self.ndp_send(iface, source, ALL_ROUTERS, &message, &option, now);
        }
    }

    /// Does what a router says, on an interface that configures itself.
    pub(super) fn follow_router(
        &mut self,
        iface: IfaceId,
        source: Ipv6Addr,
        advert: &RouterAdvert,
        options: NdpOptions<'_>,
        now: Instant,
    ) {
        let Some(own) = self.iface_mut(iface).filter(|own| own.autoconf.on) else {
            return;
        };
        if advert.lifetime > 0 {
            // RFC 7559 §2.1: no more solicitations.
            own.autoconf.solicitations.end();
        }
        self.hop_limit_told(iface, advert.hop_limit);
        self.router_told(iface, source, default_route(advert, options), now);
        for option in options.into_iter().take(MAX_OPTIONS) {
            match option {
                NdpOption::Prefix(told) if is_of_hosts(told.prefix) => {
                    self.on_link_told(iface, &told, now);
                    self.prefix_told(iface, source, &told, now);
                }
                NdpOption::Route(told) if is_of_hosts(told.prefix) => {
                    self.route_told(iface, source, &told, now);
                }
                NdpOption::Mtu(mtu) => self.mtu_told(iface, mtu),
                NdpOption::DnsServers { lifetime, servers } => {
                    self.dns_told(iface, servers, lifetime, now);
                }
                NdpOption::DnsSearch { lifetime, domains } => {
                    self.search_told(iface, domains, lifetime, now);
                }
                _ => {}
            }
        }
        self.autoconf_settle(iface, now);
    }

    /// A router is a default router, or no longer (RFC 4861 §6.3.4).
    fn router_told(
        &mut self,
        iface: IfaceId,
        address: Ipv6Addr,
        (lifetime, preference): (Lifetime, Preference),
        now: Instant,
    ) {
        if lifetime.0 == 0 {
            let mut own = self.iface(iface).into_iter();
            if own.any(|own| own.autoconf.is_default_router(address)) {
                self.router_gone(iface, address);
            }
            return;
        }
        let told = Router {
            address,
            preference,
            until: end_of(lifetime, now),
            failures: 0,
        };
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let mut routers = own.autoconf.routers.iter_mut();
        if let Some(known) = routers.find(|router| router.address == address) {
            let is_same = known.rank() == told.rank();
            *known = told;
            if is_same {
                return;
            }
        } else if self.make_room_for_router(iface)
            && let Some(own) = self.iface_mut(iface)
        {
            own.autoconf.routers.push(told);
        }
        self.renew_default_routes(iface);
    }

    /// Forgets a router in favour of another if there is no room; whether there is now.
    fn make_room_for_router(&mut self, iface: IfaceId) -> bool {
        let Some(own) = self.iface(iface) else {
            return false;
        };
        let neighbors = &self.neighbors;
        let is_in_use = |address: Ipv6Addr| neighbors.is_in_use(iface, address.into());
        match own.autoconf.router_in_excess(is_in_use) {
            Ok(None) => true,
            Ok(Some(worst)) => {
                self.router_gone(iface, worst);
                true
            }
            Err(NoRoom) => false,
        }
    }

    /// A router is none any more, or to be forgotten, with what others have said about it (RFC 4861
    /// §7.3.3).
    pub(super) fn router_gone(&mut self, iface: IfaceId, address: Ipv6Addr) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let before = own.autoconf.routers.len();
        own.autoconf
            .routers
            .retain(|router| router.address != address);
        let was_one = own.autoconf.routers.len() < before;
        self.end_redirects(iface, |each| {
            each.target == IpAddr::V6(address) && each.target != each.dest
        });
        if was_one {
            self.renew_default_routes(iface);
        }
    }

    /// A neighbour does not answer. If it is a router, others go before it until it is heard again
    /// (RFC 4861 §6.3.6, RFC 4191 §3.2); if it was named by one, that is forgotten.
    pub(super) fn router_failed(&mut self, iface: IfaceId, address: IpAddr) {
        self.end_redirects(iface, |each| each.target == address);
        self.told_routes_failed(iface, address);
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let routers = &mut own.autoconf.routers;
        let is_only = routers.len() < 2;
        let router = routers
            .iter_mut()
            .find(|router| IpAddr::V6(router.address) == address);
        if let Some(router) = router.filter(|_| !is_only) {
            router.failures = router.failures.saturating_add(1);
            self.renew_default_routes(iface);
        }
        self.pass_over(iface, address);
    }

    /// A router that did not answer does again.
    pub(super) fn router_answers(&mut self, iface: IfaceId, address: Ipv6Addr) {
        self.told_routes_answer(iface, address);
        let own = self.iface_mut(iface).into_iter();
        let mut routers = own.flat_map(|own| &mut own.autoconf.routers);
        let router = routers.find(|router| router.address == address && router.failures > 0);
        if let Some(router) = router {
            router.failures = 0;
            self.renew_default_routes(iface);
        }
    }

    /// Makes the default routes over an interface those of its routers, the best first.
    fn renew_default_routes(&mut self, iface: IfaceId) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let mut routers = own.autoconf.routers.clone();
        routers.sort_by_key(|router| (router.failures, Reverse(router.preference)));
        let routers: Vec<_> = routers.iter().map(|router| router.address).collect();
        let before = mem::replace(&mut own.autoconf.default_routes, routers.clone());
        let first = METRIC_ROUTERS + u32::from(iface.0) * SPACING;
        let table = self.routes.table_mut(TableId::MAIN);
        // Those of the administrator stay, whatever their metric.
        table.remove_where(DEFAULT, |decision, metric| {
            let at = metric.checked_sub(first).map(|at| before.get(at as usize));
            let router = at.flatten().map(|&router| IpAddr::V6(router));
            let route = decision.route();
            router.is_some()
                && route.is_some_and(|route| (route.iface, route.via) == (iface, router))
        });
        for (metric, router) in (first..).zip(routers) {
            self.learn_route(Route {
                prefix: DEFAULT,
                via: Some(IpAddr::V6(router)),
                iface,
                source: None,
                metric,
            });
        }
    }

    /// A prefix is on the link (RFC 4861 §6.3.4, RFC 5942).
    fn on_link_told(&mut self, iface: IfaceId, told: &PrefixInformation, now: Instant) {
        if !told.on_link {
            return;
        }
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let prefix = IpCidr {
            address: IpAddr::V6(told.prefix),
            prefix_len: told.prefix_len,
        };
        let until = end_of(told.valid, now);
        let prefixes = &mut own.autoconf.prefixes;
        let known = prefixes.iter_mut().find(|known| known.prefix == prefix);
        match known {
            Some(known) if told.valid.0 > 0 => known.until = until,
            Some(_) => {
                prefixes.retain(|known| known.prefix != prefix);
                self.forget_prefix(iface, prefix);
            }
            None if told.valid.0 > 0 => {
                let excess = own.autoconf.pop_prefix_in_excess();
                own.autoconf.prefixes.push(OnLink { prefix, until });
                if let Some(excess) = excess {
                    self.forget_prefix(iface, excess);
                }
                self.learn_route(Route {
                    prefix,
                    via: None,
                    iface,
                    source: None,
                    metric: METRIC_PREFIXES + u32::from(iface.0),
                });
            }
            None => {}
        }
    }

    fn forget_prefix(&mut self, iface: IfaceId, prefix: IpCidr) {
        let own = METRIC_PREFIXES + u32::from(iface.0);
        let table = self.routes.table_mut(TableId::MAIN);
        table.remove_where(prefix, |decision, metric| {
            let route = decision.route();
            metric == own && route.is_some_and(|route| route.iface == iface)
        });
    }

    /// Addresses may be formed from a prefix (RFC 4862 §5.5.3).
    fn prefix_told(
        &mut self,
        iface: IfaceId,
        router: Ipv6Addr,
        told: &PrefixInformation,
        now: Instant,
    ) {
        let prefix = told.prefix;
        let usable =
            told.autonomous && told.prefix_len == PREFIX_LEN && told.preferred <= told.valid;
        let Some(own) = self.iface_mut(iface).filter(|_| usable) else {
            return;
        };
        let (preferred, valid) = (end_of(told.preferred, now), end_of(told.valid, now));
        if let Some(known) = own.autoconf.in_prefix(prefix_of(prefix)) {
            // Without authentication nobody may make an address end within two hours (§5.5.3(e)).
            let two_hours = now + TWO_HOURS;
            if valid > two_hours || valid > known.valid_until {
                known.valid_until = valid;
            } else if known.valid_until > two_hours {
                known.valid_until = two_hours;
            }
            known.prefer_until(preferred, now);
        } else if told.valid.0 > 0 {
            let neighbors = &self.neighbors;
            let is_in_use = |router: Ipv6Addr| neighbors.is_in_use(iface, router.into());
            let own = self.ifaces.get(iface.index()).and_then(Option::as_ref);
            let excess = own.and_then(|own| own.autoconf.address_in_excess(is_in_use));
            if let Some(excess) = excess {
                self.remove_address(iface, excess.into(), now);
            }
            // Many hosts have heard the advertisement.
            let due = self.soon(now);
            self.form_address(iface, prefix_of(prefix), (preferred, valid), 0, due);
        }
        self.note_teller(iface, prefix_of(prefix), router);
        self.temporary_told(iface, prefix_of(prefix), now);
    }

    /// Remembers which router has told of the prefix of an address, unless another one has that is in use:
    /// that one vouches for it when there is no room for all.
    fn note_teller(&mut self, iface: IfaceId, prefix: u64, router: Ipv6Addr) {
        let neighbors = &self.neighbors;
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let Some(formed) = own.and_then(|own| own.autoconf.in_prefix(prefix)) else {
            return;
        };
        let is_in_use = |router: Ipv6Addr| neighbors.is_in_use(iface, router.into());
        if !formed.told_by.is_some_and(is_in_use) {
            formed.told_by = Some(router);
        }
    }

    /// Forgets routers, prefixes, servers and redirects whose time is over (RFC 4861 §6.3.5).
    pub(super) fn expire_routers(&mut self, iface: IfaceId, now: Instant) {
        self.end_redirects(iface, |each| each.until <= now);
        self.end_told_routes(iface, |each| each.until <= now);
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let autoconf = &mut own.autoconf;
        autoconf.dns.retain(|&(_, until)| until > now);
        autoconf.search.retain(|&(_, until)| until > now);
        let gone = autoconf.routers.iter().filter(|known| known.until <= now);
        let gone: Vec<Ipv6Addr> = gone.map(|known| known.address).collect();
        let over = autoconf.prefixes.iter().filter(|known| known.until <= now);
        let over: Vec<IpCidr> = over.map(|known| known.prefix).collect();
        autoconf.prefixes.retain(|known| known.until > now);
        for prefix in over {
            self.forget_prefix(iface, prefix);
        }
        for router in gone {
            self.router_gone(iface, router);
        }
    }
}

/// For how long the router is a default router, and how much it is preferred: what it says of ::/0 goes
/// before what it says of itself (RFC 4191 §3.1).
fn default_route(advert: &RouterAdvert, options: NdpOptions<'_>) -> (Lifetime, Preference) {
    let all = options.into_iter().take(MAX_OPTIONS);
    let told = all.filter_map(|option| match option {
        NdpOption::Route(told) if told.prefix_len == 0 => Some((told.lifetime, told.preference)),
        _ => None,
    });
    let of_itself = (Lifetime(advert.lifetime.into()), advert.preference);
    told.last().unwrap_or(of_itself)
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Whether addresses in a prefix may be those of hosts; the bits behind a prefix are 0, so that ::/0 is
/// none.
fn is_of_hosts(prefix: Ipv6Addr) -> bool {
    !(prefix.is_unspecified()
        || prefix.is_loopback()
        || prefix.is_unicast_link_local()
        || prefix.is_multicast())
}

/// ::/0.
const DEFAULT: IpCidr = IpCidr {
    address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    prefix_len: 0,
};
/// Routes to prefixes of the link come behind those of the administrator.
const METRIC_PREFIXES: u32 = 1 << 17;
/// Default routes of routers come behind all others.
const METRIC_ROUTERS: u32 = 1 << 20;
/// Room for the metrics of the routers of one interface.
const SPACING: u32 = 16;
/// Bits of the prefixes that addresses are formed from: 128 less those of the identifier.
const PREFIX_LEN: u8 = 64;
/// MAX_RTR_SOLICITATION_DELAY (RFC 4861 §10).
const MAX_DELAY_NANOS: u64 = 1_000_000_000;
const TWO_HOURS: Duration = Duration::from_secs(7200);
/// Options of an advertisement that are looked at.
const MAX_OPTIONS: usize = 64;
