//! The ways of datagrams: where they go, and what is remembered of that.

use super::Stack;
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::ip::Path;
use crate::socket::{Family, IpSettings, MulticastSettings, PathMtuMode, SocketId, accept_addr};
use crate::udp::{DatagramSocket, Peer, Recent, SendMeta, Speaks};
use core::net::{IpAddr, SocketAddr};

impl Stack {
    /// Where a socket's datagram to `addr` goes, and how, as far as its sender does not say that.
    pub(super) fn udp_route(
        &self,
        id: SocketId,
        addr: SocketAddr,
        way: OwnWay,
    ) -> Result<(SocketAddr, Path), SocketError> {
        let socket = self.udp_socket(id)?;
        let remote = destination(addr, socket)?;
        // Who answers pings for others says which of them answers; errors are the stack's own.
        let own = socket
            .source()
            .filter(|_| socket.speaks != Speaks::EchoAnswers);
        let source = (way.source)
            .or(own)
            .filter(|&source| !self.addresses.is_broadcast(source));
        let remote = Self::meant_dest(remote, source);
        let settings = &socket.settings;
        if way.iface.is_some_and(|iface| self.iface(iface).is_none()) {
            return Err(SocketError::NoSuchInterface);
        }
        let mut ip = settings.ip;
        ip.iface = agreed([way.iface, scope(addr), ip.iface])?;
        let path = self.udp_way(&ip, &settings.multicast, remote.ip(), source)?;
        if self.addresses.is_broadcast(remote.ip()) && !socket.settings.broadcast {
            return Err(SocketError::PermissionDenied(
                "set the broadcast option to send to a broadcast address",
            ));
        }
        Ok((remote, self.narrowed(path, &ip, remote.ip())))
    }

    /// The way to a host or a group.
    fn udp_way(
        &self,
        ip: &IpSettings,
        multicast: &MulticastSettings,
        dest: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Path, SocketError> {
        if dest.is_multicast() {
            self.route_to_group(ip, multicast, dest, source)
        } else {
            self.route_for(ip, dest, source)
        }
    }

    /// The way to a destination, with what routers have said that it takes: it holds until they say
    /// something else, or that is forgotten, as routes change then.
    pub(super) fn narrowed(&self, mut path: Path, settings: &IpSettings, dest: IpAddr) -> Path {
        if settings.path_mtu_to(dest) != PathMtuMode::Probe {
            path.mtu = self.path_mtus.limit(dest, path.mtu, self.clock);
        }
        path
    }

    /// Whether routers have to fragment what goes by a path that is narrowed already, and may, as in Linux.
    pub(super) fn is_locked(&self, path: &Path, settings: &IpSettings, dest: IpAddr) -> bool {
        settings.path_mtu_to(dest) == PathMtuMode::Want
            && self.path_mtus.is_locked(dest, path.mtu, self.clock)
    }

    /// See [`path_mtu`](Self::path_mtu).
    pub(super) fn udp_path_mtu(&self, id: SocketId) -> Result<u16, SocketError> {
        let socket = self.udp_socket(id)?;
        let peer = socket.peer.ok_or(SocketError::NotConnected)?;
        let dest = peer.remote.ip();
        let path = self.route_for(&socket.settings.ip, dest, Some(peer.local.ip()))?;
        Ok(self.narrowed(path, &socket.settings.ip, dest).mtu)
    }

    /// The way to `to`, looked up again only if it is not where the socket sent to last, or routes
    /// have changed.
    pub(super) fn udp_recent(
        &mut self,
        id: SocketId,
        to: SocketAddr,
    ) -> Result<(SocketAddr, Path), SocketError> {
        if let Some(recent) = self.udp_socket(id)?.recent
            && recent.to == to
            && recent.path.generation == self.route_generation()
        {
            return Ok((recent.remote, recent.path));
        }
        let (remote, path) = self.udp_route(id, to, OwnWay::default())?;
        if let Some(socket) = self.sockets.udp_mut(id) {
            socket.note_sent(Recent { to, remote, path });
        }
        Ok((remote, path))
    }

    /// The way to `to` that the application chooses for this once.
    pub(super) fn udp_once(
        &mut self,
        id: SocketId,
        to: SocketAddr,
        way: OwnWay,
    ) -> Result<(SocketAddr, Path), SocketError> {
        let (remote, path) = self.udp_route(id, to, way)?;
        if let Some(socket) = self.sockets.udp_mut(id) {
            // That it was sent to is remembered, but not for the next time the way there.
            let generation = path.generation.wrapping_sub(1);
            let path = Path { generation, ..path };
            socket.note_sent(Recent { to, remote, path });
        }
        Ok((remote, path))
    }

    /// The way to a connected peer, looked up again only if routes have changed.
    pub(super) fn udp_path(&mut self, id: SocketId, peer: &Peer) -> Result<Path, SocketError> {
        if peer.path.generation == self.route_generation() {
            return Ok(peer.path);
        }
        let (settings, dest) = (&self.udp_socket(id)?.settings, peer.remote.ip());
        let path = self.udp_way(
            &settings.ip,
            &settings.multicast,
            dest,
            Some(peer.local.ip()),
        )?;
        let path = self.narrowed(path, &settings.ip, dest);
        if let Some(peer) = self
            .sockets
            .udp_mut(id)
            .and_then(|socket| socket.peer.as_mut())
        {
            peer.path = path;
        }
        Ok(path)
    }
}

/// What the sender of a datagram says of its way (`IP_PKTINFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct OwnWay {
    /// The address to send from.
    pub(super) source: Option<IpAddr>,
    /// The interface to leave over.
    pub(super) iface: Option<IfaceId>,
}

impl OwnWay {
    pub(super) fn of(send: &SendMeta) -> Self {
        Self {
            source: send.source.map(|source| source.to_canonical()),
            iface: send.iface,
        }
    }
}

/// The interface on which all agree that name one.
fn agreed(named: [Option<IfaceId>; 3]) -> Result<Option<IfaceId>, SocketError> {
    let mut named = named.into_iter().flatten();
    let first = named.next();
    if named.all(|other| Some(other) == first) {
        Ok(first)
    } else {
        Err(SocketError::InvalidInput(
            "the socket is bound to another interface, or the address is of another link",
        ))
    }
}

/// The interface that the scope of an address names, where it is of one link (RFC 4007 §6).
pub(super) fn scope(addr: SocketAddr) -> Option<IfaceId> {
    let SocketAddr::V6(addr) = addr else {
        return None;
    };
    let ip = addr.ip();
    let is_of_link =
        ip.is_unicast_link_local() || ip.is_multicast() && matches!(ip.octets()[1] & 0xf, 1 | 2);
    IfaceId::from_number(addr.scope_id()).filter(|_| is_of_link)
}

/// The address that the application means by `addr`. Unlike streams, an IPv6 socket may be given an
/// IPv4 address as it is.
fn destination(addr: SocketAddr, socket: &DatagramSocket) -> Result<SocketAddr, SocketError> {
    let only_v6 = socket.settings.only_v6;
    match (socket.family, addr) {
        (Family::V6, SocketAddr::V4(_)) if only_v6 => Err(SocketError::NetworkUnreachable),
        (Family::V6, SocketAddr::V4(_)) => Ok(addr),
        _ => accept_addr(addr, socket.family, only_v6),
    }
}
