//! Finding the way to a destination.

use super::Stack;
use crate::error::SocketError;
use crate::iface::{Iface, IfaceId, IfaceKind, IpCidr};
use crate::ip::{Fitness, Path, Standing, is_martian_source, may_be_local};
use crate::must::must;
use crate::neighbor::NeighborHint;
use crate::route::{Decision, Query, Route};
use crate::socket::IpSettings;
use core::cmp::Reverse;
use core::hash::BuildHasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

impl Stack {
    /// A number that changes with every change of routes and addresses; a [`Path`] from an older
    /// one is to be looked up again.
    pub(crate) const fn route_generation(&self) -> u32 {
        self.routes.generation()
    }

    /// The way to `dest`, from `source` if the socket is bound to an address. The stack's own
    /// addresses are reached over the loopback interface, whichever interface they are on.
    pub(crate) fn route(&self, dest: IpAddr, source: Option<IpAddr>) -> Result<Path, SocketError> {
        self.route_for(&IpSettings::default(), dest, source)
    }

    /// As [`route`](Self::route), for a socket with these options: one that is bound to an interface
    /// knows no routes over others.
    pub(crate) fn route_for(
        &self,
        settings: &IpSettings,
        dest: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Path, SocketError> {
        if let Some(source) = source {
            self.check_source(settings, source)?;
        }
        if source.is_some_and(|source| source.is_ipv4() != dest.is_ipv4()) {
            return Err(SocketError::NetworkUnreachable);
        }
        if self.addresses.contains(dest) {
            return self.route_to_self(dest, source);
        }
        let to_many = dest.is_multicast() || self.addresses.is_broadcast(dest);
        let route = match self.decide(settings, dest, source, !to_many) {
            Some(Decision::Local) => return self.route_to_self(dest, source),
            Some(Decision::Route(route)) => Some(route),
            Some(Decision::Reject(reject)) => return Err(reject.into()),
            None => settings.iface().and_then(|iface| on_link(dest, iface)),
        };
        let route = route.ok_or(SocketError::NetworkUnreachable)?;
        let iface = self
            .iface(route.iface)
            .ok_or(SocketError::NetworkUnreachable)?;
        let source = match source.or(route.source) {
            Some(source) => source,
            None => {
                let toward = match dest {
                    IpAddr::V4(_) => route.via.unwrap_or(dest),
                    IpAddr::V6(_) => dest,
                };
                iface
                    .source_for(toward)
                    .or_else(|| self.source_elsewhere(dest))
                    .ok_or(SocketError::AddressNotAvailable)?
            }
        };
        if source.is_loopback() && iface.config.kind != IfaceKind::Loopback {
            return Err(SocketError::InvalidInput(
                "a loopback source address cannot leave this host",
            ));
        }
        let past_routers = to_many || is_of_one_link(dest) || is_of_one_link(source);
        let next_hop = route.via.filter(|_| !past_routers).unwrap_or(dest);
        Ok(self.path(route.iface, iface, source, next_hop))
    }

    /// As [`route_for`](Self::route_for), for who keeps the source from then on. Which of several next hops a flow
    /// takes depends on both of its ends, so that the look-up is made again with the source that the first one
    /// has chosen, as in Linux: every later one says the same.
    pub(crate) fn route_of_flow(
        &self,
        settings: &IpSettings,
        dest: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Path, SocketError> {
        let path = self.route_for(settings, dest, source)?;
        if source.is_some() {
            return Ok(path);
        }
        self.route_for(settings, dest, Some(path.source))
    }

    /// Puts the addresses of a host into the order in which to try them (RFC 6724 §6), by the sources that
    /// packets to them would have now: those that are reached before others, IPv6 before IPv4 where it is
    /// good for more than a site. What is as good as another keeps its place.
    pub fn sort_destinations(&self, dests: &mut [IpAddr]) {
        if !must("6724 MUST 6.1") {
            return;
        }
        dests.sort_by_cached_key(|&dest| {
            let path = self.route(dest.to_canonical(), None).ok();
            let from = path.and_then(|path| self.standing_of(path.source));
            Reverse(Fitness::new(dest, from))
        });
    }

    /// An address of the stack with its prefix, and what counts of it.
    fn standing_of(&self, address: IpAddr) -> Option<(IpCidr, Standing)> {
        self.ifaces.iter().flatten().find_map(|own| {
            let mut all = own.config.addresses.iter();
            let cidr = all.find(|cidr| cidr.address == address)?;
            Some((*cidr, own.autoconf.standing(address)))
        })
    }

    /// What the routes say about a destination; the pair of addresses chooses among ways that share.
    fn decide(
        &self,
        settings: &IpSettings,
        dest: IpAddr,
        source: Option<IpAddr>,
        to_host: bool,
    ) -> Option<Decision> {
        let query = Query {
            dest,
            source,
            mark: settings.mark,
            tos: settings.class_to(dest),
            over: self.addresses.loopback(),
            out: settings.iface(),
            owner: Some(settings.owner),
            to_host: to_host && may_be_local(dest),
        };
        let flow = || self.flow_key.hash_one((source, dest));
        self.routes.decide(&query, flow)
    }

    /// Whether an address is this host's: an interface has it, or it is one of a local route's.
    #[inline]
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        self.addresses.contains(address)
            || (self.routes.may_have_local() && self.is_of_local_route(address))
    }

    /// Whether a local route makes an address this host's for packets that nothing else is known of.
    #[inline(never)]
    fn is_of_local_route(&self, address: IpAddr) -> bool {
        self.is_marked_local(address, 0)
    }

    /// The same for packets with a mark.
    pub(super) fn is_marked_local(&self, address: IpAddr, mark: u32) -> bool {
        self.routes.ends_here(&Query {
            dest: address,
            source: None,
            mark,
            tos: 0,
            over: None,
            out: None,
            owner: None,
            to_host: may_be_local(address) && !self.addresses.is_broadcast(address),
        })
    }

    /// The destination that a socket means by `addr`: an unspecified address is this host
    /// (as in Linux), reached at `source` or, without one, at the loopback address.
    pub(crate) fn meant_dest(addr: SocketAddr, source: Option<IpAddr>) -> SocketAddr {
        if !addr.ip().is_unspecified() {
            return addr;
        }
        let ip = source.unwrap_or(match addr.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
        SocketAddr::new(ip, addr.port())
    }

    /// Checks that a socket may be bound to `address`: a wildcard, or one that it may send from.
    pub(crate) fn check_local(
        &self,
        settings: &IpSettings,
        address: IpAddr,
    ) -> Result<(), SocketError> {
        if address.is_unspecified() {
            return Ok(());
        }
        self.check_source(settings, address)
    }

    /// Checks that a socket may send from `address`: one of this host's, or, of a transparent socket, of
    /// any single host. A connection may send from the address that it was begun to, if that is this host's
    /// for packets with the mark of its SYN.
    pub(super) fn check_source(
        &self,
        settings: &IpSettings,
        address: IpAddr,
    ) -> Result<(), SocketError> {
        let by_mark =
            || settings.local_mark != 0 && self.is_marked_local(address, settings.local_mark);
        let foreign = || settings.transparent && self.may_be_foreign(address);
        if self.is_local(address) || foreign() || by_mark() {
            Ok(())
        } else {
            Err(SocketError::AddressNotAvailable)
        }
    }

    /// Whether an address can be that of a single host elsewhere.
    fn may_be_foreign(&self, address: IpAddr) -> bool {
        let is_reserved = match address {
            IpAddr::V4(v4) => v4.octets()[0] >= 240,
            IpAddr::V6(_) => false,
        };
        !is_reserved && !is_martian_source(address, false) && !self.addresses.is_broadcast(address)
    }

    fn route_to_self(&self, dest: IpAddr, source: Option<IpAddr>) -> Result<Path, SocketError> {
        let (id, iface) = self
            .addresses
            .loopback()
            .and_then(|id| Some((id, self.iface(id)?)))
            .ok_or(SocketError::NetworkUnreachable)?;
        let source = source
            .or_else(|| {
                // Linux answers 127.0.0.5 from 127.0.0.1, but each other address from itself.
                dest.is_loopback().then(|| iface.source_for(dest)).flatten()
            })
            .unwrap_or(dest);
        Ok(self.path(id, iface, source, dest))
    }

    /// The way over an interface to a neighbour there.
    pub(super) fn path(
        &self,
        id: IfaceId,
        iface: &Iface,
        source: IpAddr,
        next_hop: IpAddr,
    ) -> Path {
        Path {
            iface: id,
            source,
            next_hop,
            neighbor: NeighborHint::default(),
            mtu: iface.mtu_to(next_hop),
            hop_limit: iface.hop_limit_to(next_hop),
            caps: iface.caps,
            generation: self.route_generation(),
        }
    }

    /// An address of another interface, for one that has none of the family.
    fn source_elsewhere(&self, dest: IpAddr) -> Option<IpAddr> {
        self.ifaces
            .iter()
            .flatten()
            .filter(|iface| iface.config.kind != IfaceKind::Loopback)
            .find_map(|iface| iface.source_for(dest))
    }
}

/// Whether what has the address is sent to nobody but its receiver (RFC 3927 §2.6.2).
const fn is_of_one_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(_) => false,
    }
}

/// Where no route over the interface leads to an IPv4 address that a socket is bound to it for, the
/// kernel takes it to be on the link, as every link-local address of IPv6 is.
fn on_link(dest: IpAddr, iface: IfaceId) -> Option<Route> {
    let prefix = IpCidr {
        address: dest,
        prefix_len: IpCidr::max_prefix_len(dest),
    };
    let is_of_link = match dest {
        IpAddr::V4(_) => true,
        IpAddr::V6(dest) => dest.is_unicast_link_local(),
    };
    is_of_link.then_some(Route {
        prefix,
        via: None,
        iface,
        source: None,
        metric: 0,
    })
}
