//! What the application does to UDP sockets: bind, connect, send, close.

use super::Stack;
use crate::buf::{Gso, GsoKind, TxPacket};
use crate::error::SocketError;
use crate::ip::{Fragments, IpMeta, Path};
use crate::socket::{Claim, Family, FlowKey, PathMtuMode, SocketId, SocketKind, accept_addr};
use crate::udp::{Bound, Outgoing, Peer, Recent, SendMeta, UdpSocket};
use crate::wire::udp::HEADER_LEN;
use crate::wire::{UdpHeader, ip, ipv4, ipv6};
use core::net::{IpAddr, SocketAddr};

/// The longest payload of a datagram: 65,535 bytes less the headers that the length fields count.
const MAX_PAYLOAD_V4: usize = 65_507;
const MAX_PAYLOAD_V6: usize = 65_527;

impl Stack {
    /// See [`bind`](Self::bind).
    pub(super) fn udp_bind(&mut self, id: SocketId, addr: SocketAddr) -> Result<(), SocketError> {
        let socket = self.udp_socket(id)?;
        if socket.bound.is_some() {
            return Err(SocketError::InvalidInput("the socket is bound already"));
        }
        let addr = accept_addr(addr, socket.family, socket.settings.only_v6)?;
        if !self.addresses.is_broadcast(addr.ip()) {
            self.check_local(addr.ip())?;
        }
        self.udp_claim(id, addr)
    }

    /// Makes the socket the owner of `addr`.
    fn udp_claim(&mut self, id: SocketId, addr: SocketAddr) -> Result<(), SocketError> {
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let claim = Claim {
            addr,
            only_v6: socket.settings.only_v6,
            reuse_address: socket.settings.reuse_address,
            reuse_port: socket.settings.reuse_port,
            iface: socket.settings.ip.iface(),
        };
        let port = self.udp.ports.bind(claim, id, true)?;
        socket.bound = Some(Bound {
            addr: SocketAddr::new(addr.ip(), port),
            only_v6: claim.only_v6,
        });
        socket.recent = None;
        Ok(())
    }

    /// Gives a socket without a local address the wildcard and a free port.
    fn udp_autobind(&mut self, id: SocketId) -> Result<Bound, SocketError> {
        let socket = self.udp_socket(id)?;
        if let Some(bound) = socket.bound {
            return Ok(bound);
        }
        let wildcard = SocketAddr::new(socket.family.unspecified(), 0);
        self.udp_claim(id, wildcard).map_err(|error| match error {
            // The caller asked for no address, so the kernel says EAGAIN here.
            SocketError::AddressInUse => SocketError::WouldBlock,
            error => error,
        })?;
        self.udp_socket(id)?.bound.ok_or(SocketError::NoSuchSocket)
    }

    /// See [`connect`](Self::connect).
    pub(super) fn udp_connect(
        &mut self,
        id: SocketId,
        addr: SocketAddr,
    ) -> Result<(), SocketError> {
        let (remote, path) = self.udp_route(id, addr, None)?;
        let bound = self.udp_autobind(id)?;
        let local = SocketAddr::new(path.source, bound.addr.port());
        let key = FlowKey::new(local, remote);
        if self.udp.flows.get(&key).is_some_and(|&other| other != id) {
            return Err(SocketError::AddressInUse);
        }
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let peer = Peer {
            local,
            remote,
            path,
        };
        if let Some(old) = socket.peer.replace(peer) {
            self.udp.flows.remove(&FlowKey::new(old.local, old.remote));
        }
        self.udp.flows.insert(key, id);
        self.udp
            .ports
            .set_active(bound.addr, bound.only_v6, id, false)?;
        self.changed(id);
        Ok(())
    }

    /// See [`disconnect`](Self::disconnect).
    pub(super) fn udp_disconnect(&mut self, id: SocketId) -> Result<(), SocketError> {
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let peer = socket.peer.take().ok_or(SocketError::NotConnected)?;
        self.udp
            .flows
            .remove(&FlowKey::new(peer.local, peer.remote));
        match socket.bound {
            Some(bound) => self
                .udp
                .ports
                .set_active(bound.addr, bound.only_v6, id, true),
            None => Ok(()),
        }
    }

    /// Takes the socket out of every table.
    pub(super) fn udp_close(&mut self, id: SocketId) {
        let Some(SocketKind::Udp(socket)) = self.remove_socket(id) else {
            return;
        };
        if let Some(peer) = socket.peer {
            self.udp
                .flows
                .remove(&FlowKey::new(peer.local, peer.remote));
        }
        if let Some(bound) = socket.bound {
            self.udp.ports.release(bound.addr, bound.only_v6, id);
        }
        self.memory.release(socket.charged());
    }

    /// Where a socket's datagram to `addr` goes, from `source` if the sender says so, and how.
    fn udp_route(
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
        let path = self.route_for(&socket.settings.ip, remote.ip(), source)?;
        if self.addresses.is_broadcast(remote.ip()) && !socket.settings.broadcast {
            return Err(SocketError::PermissionDenied(
                "set the broadcast option to send to a broadcast address",
            ));
        }
        Ok((remote, path))
    }

    /// See [`Udp::send`](crate::udp::Udp::send).
    pub(crate) fn udp_send(
        &mut self,
        id: SocketId,
        payload: Outgoing<'_>,
        send: &SendMeta,
    ) -> Result<(), SocketError> {
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        if let Some(error) = socket.take_error() {
            return Err(error);
        }
        let len = payload.len();
        let (remote, path) = self.udp_check(id, len, send)?;
        let bound = self.udp_autobind(id)?;
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let cost = len + headers_to(remote.ip());
        let fits = socket.unsent == 0 || socket.unsent + cost <= socket.settings.send_buffer;
        if !fits {
            socket.blocked = true;
            return Err(SocketError::WouldBlock);
        }
        let Some(iface) = self
            .ifaces
            .get_mut(path.iface.index())
            .and_then(Option::as_mut)
        else {
            return Err(SocketError::NetworkUnreachable);
        };
        if !iface.queue.has_room(Fragments::at_most(len, path.mtu)) {
            socket.blocked = true;
            iface.blocked.push(id);
            return Err(SocketError::WouldBlock);
        }
        let settings = socket.settings.ip;
        let mut meta = IpMeta::new(&settings, &path, remote.ip(), ip::UDP, self.config.ttl);
        meta.tos = send.tos.unwrap_or(meta.tos);
        let mut packet = self.new_packet();
        let train = send.segment.filter(|&size| usize::from(size) < len);
        let payload = match train {
            Some(_) => payload.shared(),
            None => payload,
        };
        emit(bound.addr.port(), remote.port(), payload, &mut packet);
        packet.meta.gso = train.map(|size| Gso {
            kind: GsoKind::Udp,
            size,
            ecn: false,
        });
        self.ip_output(&path, meta, packet, Some(id), self.clock);
        self.stats.udp_out += send.datagrams(len) as u64;
        Ok(())
    }

    /// Where a payload of `len` bytes goes, and how, if it can go there at all.
    pub(crate) fn udp_check(
        &mut self,
        id: SocketId,
        len: usize,
        send: &SendMeta,
    ) -> Result<(SocketAddr, Path), SocketError> {
        if !(1..=SendMeta::MAX_SEGMENTS).contains(&send.datagrams(len)) {
            return Err(SocketError::InvalidInput(
                "a payload is cut into at most 64 datagrams of at least one byte",
            ));
        }
        let source = send.source.map(|source| source.to_canonical());
        let (remote, path) = match (send.to, self.udp_socket(id)?.peer) {
            (Some(to), _) if to.port() == 0 => {
                return Err(SocketError::InvalidInput("port 0 is no destination"));
            }
            (Some(to), _) if source.is_some() => self.udp_route(id, to, source)?,
            (Some(to), _) => self.udp_recent(id, to)?,
            (None, Some(peer)) if source.is_some() => self.udp_route(id, peer.remote, source)?,
            (None, Some(peer)) => (peer.remote, self.udp_path(id, &peer)?),
            (None, None) => return Err(SocketError::DestinationRequired),
        };
        let mode = self.udp_socket(id)?.settings.ip.path_mtu_to(remote.ip());
        check_len(len, send.segment, remote.ip(), path.mtu, mode)?;
        Ok((remote, path))
    }

    /// The way to `to`, looked up again only if it is not where the socket sent to last, or routes
    /// have changed.
    fn udp_recent(
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
            socket.recent = Some(Recent { to, remote, path });
        }
        Ok((remote, path))
    }

    /// The way to a connected peer, looked up again only if routes have changed.
    fn udp_path(&mut self, id: SocketId, peer: &Peer) -> Result<Path, SocketError> {
        if peer.path.generation == self.route_generation() {
            return Ok(peer.path);
        }
        let settings = self.udp_socket(id)?.settings.ip;
        let path = self.route_for(&settings, peer.remote.ip(), Some(peer.local.ip()))?;
        if let Some(peer) = self
            .sockets
            .udp_mut(id)
            .and_then(|socket| socket.peer.as_mut())
        {
            peer.path = path;
        }
        Ok(path)
    }

    /// A packet of `len` bytes that a socket sent waits for the device.
    pub(super) fn udp_queued(&mut self, id: SocketId, len: usize) {
        if let Some(socket) = self.sockets.udp_mut(id) {
            socket.unsent += len;
        }
    }

    /// Such a packet has left, or is dropped; its sender may go on.
    pub(super) fn udp_sent(&mut self, id: SocketId, len: usize) {
        let Some(socket) = self.sockets.udp_mut(id) else {
            return;
        };
        socket.unsent = socket.unsent.saturating_sub(len);
        if socket.unsent <= socket.settings.send_buffer / 2 {
            self.udp_unblock(id);
        }
    }

    /// There is room again for who waited for it.
    pub(super) fn udp_unblock(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.udp_mut(id)
            && core::mem::take(&mut socket.blocked)
        {
            self.changed(id);
        }
    }
}

/// The address that the application means by `addr`. Unlike streams, an IPv6 socket may be given an
/// IPv4 address as it is.
fn destination(addr: SocketAddr, socket: &UdpSocket) -> Result<SocketAddr, SocketError> {
    let only_v6 = socket.settings.only_v6;
    match (socket.family, addr) {
        (Family::V6, SocketAddr::V4(_)) if only_v6 => Err(SocketError::NetworkUnreachable),
        (Family::V6, SocketAddr::V4(_)) => Ok(addr),
        _ => accept_addr(addr, socket.family, only_v6),
    }
}

/// Checks the length of a payload against the protocol, and that of each of its datagrams against the
/// MTU if there may be no fragments, as of a train there may not.
fn check_len(
    len: usize,
    segment: Option<u16>,
    dest: IpAddr,
    mtu: u16,
    mode: PathMtuMode,
) -> Result<(), SocketError> {
    let max = match dest {
        IpAddr::V4(_) => MAX_PAYLOAD_V4,
        IpAddr::V6(_) => MAX_PAYLOAD_V6,
    };
    let each = segment.map_or(len, |size| len.min(size.into()));
    let fits =
        (segment.is_none() && mode.may_fragment()) || each + headers_to(dest) <= usize::from(mtu);
    if len > max || !fits {
        return Err(SocketError::MessageTooLong);
    }
    Ok(())
}

/// Bytes of the headers in front of a payload.
const fn headers_to(dest: IpAddr) -> usize {
    match dest {
        IpAddr::V4(_) => ipv4::MIN_HEADER_LEN + HEADER_LEN,
        IpAddr::V6(_) => ipv6::HEADER_LEN + HEADER_LEN,
    }
}

/// Makes `packet` a datagram without its IP header.
fn emit(source_port: u16, dest_port: u16, payload: Outgoing<'_>, packet: &mut TxPacket) {
    let length = payload.len() + HEADER_LEN;
    payload.put(packet);
    let header = UdpHeader {
        source_port,
        dest_port,
        length: u16::try_from(length).unwrap_or(u16::MAX),
        checksum: 0,
    };
    header.emit(&mut packet.head);
}
