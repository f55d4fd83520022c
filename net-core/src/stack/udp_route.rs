//! The ways of datagrams: where they go, and what is remembered of that.

use super::Stack;
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::ip::Path;
use crate::socket::{Family, IpSettings, PathMtuMode, SocketId, accept_addr};
use crate::udp::{DatagramSocket, Peer, Recent};
use core::net::{IpAddr, SocketAddr};

impl Stack {
    /// Where a socket's datagram to `addr` goes, from `source` if the sender says so, and how.
    pub(super) fn udp_route(
        &self,
        id: SocketId,
        addr: SocketAddr,
        source: Option<IpAddr>,
    ) -> Result<(SocketAddr, Path), SocketError> {
        let socket = self.udp_socket(id)?;
        let remote = destination(addr, socket)?;
        let source = source
            .or(socket.source())
            .filter(|&source| !self.addresses.is_broadcast(source));
        let remote = Self::meant_dest(remote, source);
        let settings = &socket.settings;
        let mut ip = settings.ip;
        match (scope(addr), ip.iface) {
            (None, _) => {}
            (Some(scope), Some(bound)) if scope != bound => {
                return Err(SocketError::InvalidInput(
                    "the socket is bound to another interface",
                ));
            }
            (scope, _) => ip.iface = scope,
        }
        let path = if remote.ip().is_multicast() {
            self.route_to_group(&ip, &settings.multicast, remote.ip(), source)?
        } else {
            self.route_for(&ip, remote.ip(), source)?
        };
        if self.addresses.is_broadcast(remote.ip()) && !socket.settings.broadcast {
            return Err(SocketError::PermissionDenied(
                "set the broadcast option to send to a broadcast address",
            ));
        }
        Ok((remote, self.narrowed(path, &ip, remote.ip())))
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
        let (remote, path) = self.udp_route(id, to, None)?;
        if let Some(socket) = self.sockets.udp_mut(id) {
            socket.note_sent(Recent { to, remote, path });
        }
        Ok((remote, path))
    }

    /// The way to `to` from an address that the application names for this once.
    pub(super) fn udp_from(
        &mut self,
        id: SocketId,
        to: SocketAddr,
        source: Option<IpAddr>,
    ) -> Result<(SocketAddr, Path), SocketError> {
        let (remote, path) = self.udp_route(id, to, source)?;
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
        let settings = self.udp_socket(id)?.settings.ip;
        let path = self.route_for(&settings, peer.remote.ip(), Some(peer.local.ip()))?;
        let path = self.narrowed(path, &settings, peer.remote.ip());
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
