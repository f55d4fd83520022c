//! Interfaces, addresses and routes: setting them up, and finding the way to a destination.

use super::Stack;
use crate::error::SocketError;
use crate::iface::{DeviceCaps, Iface, IfaceConfig, IfaceId, IfaceKind, IpCidr};
use crate::ip::{Path, same_scope_source};
use crate::route::Route;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
            self.routes.insert(Route {
                prefix: cidr,
                via: None,
                iface: id,
                source: Some(cidr.address),
                metric: u32::from(id.0),
            });
        }
        self.ifaces
            .push(Some(Iface::new(config, caps, &mut self.rng)));
        Ok(id)
    }

    /// Removes an interface with its addresses, its routes and the packets that wait for it.
    /// Connections over it stay; they may find another way or time out.
    pub fn remove_iface(&mut self, iface: IfaceId) {
        if let Some(slot) = self.ifaces.get_mut(iface.index())
            && let Some(mut gone) = slot.take()
        {
            for queued in gone.queue {
                if let Some(owner) = queued.owner {
                    self.udp_sent(owner, queued.packet.len());
                }
            }
            while let Some(index) = gone.blocked.pop() {
                if let Some(socket) = self.sockets.id_at(index) {
                    self.udp_unblock(socket);
                }
            }
            self.addresses.remove_iface(iface);
            self.routes.remove_iface(iface);
        }
    }

    /// Adds a route; one to the same prefix with the same metric is replaced.
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput): a prefix that is too long, an interface that
    /// does not exist, a source that is not ours, or a next hop of the other family.
    pub fn add_route(&mut self, route: Route) -> Result<(), SocketError> {
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
        if route
            .source
            .is_some_and(|source| !self.addresses.contains(source))
        {
            return Err(SocketError::InvalidInput(
                "the route's source is not an address of this stack",
            ));
        }
        self.routes.insert(route);
        Ok(())
    }

    /// Removes every route to exactly this prefix; whether there was one.
    pub fn remove_route(&mut self, prefix: IpCidr) -> bool {
        self.routes.remove(prefix)
    }

    /// Every route.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.routes()
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

    /// A number that changes with every change of routes and addresses; a [`Path`] from an older
    /// one is to be looked up again.
    pub(crate) const fn route_generation(&self) -> u32 {
        self.routes.generation()
    }

    /// The way to `dest`, from `source` if the socket is bound to an address. The stack's own
    /// addresses are reached over the loopback interface, whichever interface they are on.
    pub(crate) fn route(&self, dest: IpAddr, source: Option<IpAddr>) -> Result<Path, SocketError> {
        if source.is_some_and(|source| !self.addresses.contains(source)) {
            return Err(SocketError::AddressNotAvailable);
        }
        if source.is_some_and(|source| source.is_ipv4() != dest.is_ipv4()) {
            return Err(SocketError::NetworkUnreachable);
        }
        if self.addresses.contains(dest) {
            return self.route_to_self(dest, source);
        }
        let route = self
            .routes
            .lookup(dest)
            .ok_or(SocketError::NetworkUnreachable)?;
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
                same_scope_source(&iface.config.addresses, toward)
                    .or_else(|| self.source_elsewhere(dest))
                    .ok_or(SocketError::AddressNotAvailable)?
            }
        };
        if source.is_loopback() && iface.config.kind != IfaceKind::Loopback {
            return Err(SocketError::InvalidInput(
                "a loopback source address cannot leave this host",
            ));
        }
        Ok(self.path(route.iface, iface, source))
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

    /// Checks that a socket may be bound to `address`: a wildcard or one of the stack's own.
    pub(crate) fn check_local(&self, address: IpAddr) -> Result<(), SocketError> {
        if address.is_unspecified() || self.addresses.contains(address) {
            Ok(())
        } else {
            Err(SocketError::AddressNotAvailable)
        }
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
                dest.is_loopback()
                    .then(|| same_scope_source(&iface.config.addresses, dest))
                    .flatten()
            })
            .unwrap_or(dest);
        Ok(self.path(id, iface, source))
    }

    fn path(&self, id: IfaceId, iface: &Iface, source: IpAddr) -> Path {
        Path {
            iface: id,
            source,
            mtu: iface.config.mtu,
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
            .find_map(|iface| same_scope_source(&iface.config.addresses, dest))
    }
}
