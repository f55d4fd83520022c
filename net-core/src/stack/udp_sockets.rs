//! What the application does to UDP sockets: bind, connect, send, close.

use super::Stack;
use super::udp_route::{OwnWay, scope};
use crate::buf::{Gso, GsoKind, TxPacket};
use crate::error::SocketError;
use crate::ip::{Fragments, IpMeta, Path};
use crate::qdisc::{Sender, Timed};
use crate::socket::{Claim, FlowKey, SocketId, SocketKind, accept_addr};
use crate::tcp::TransmitStages;
use crate::udp::{Bound, Outgoing, Peer, SendMeta, Speaks};
use crate::wire::udp::HEADER_LEN;
use crate::wire::{UdpHeader, ip};
use core::net::SocketAddr;

impl Stack {
    /// See [`bind`](Self::bind).
    pub(super) fn udp_bind(&mut self, id: SocketId, addr: SocketAddr) -> Result<(), SocketError> {
        let socket = self.udp_socket(id)?;
        if socket.bound.is_some() {
            return Err(SocketError::InvalidInput("the socket is bound already"));
        }
        let addr = accept_addr(addr, socket.family, socket.settings.only_v6)?;
        if !self.addresses.is_broadcast(addr.ip()) && !addr.ip().is_multicast() {
            self.check_local(&socket.settings.ip, addr.ip())?;
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
        let port = match self.udp.ports_of(socket.speaks) {
            Some(ports) => ports.bind(claim, id, true)?,
            None => 0,
        };
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
        let (remote, path) = self.udp_route(id, addr, OwnWay::default())?;
        if scope(addr).is_some() {
            // As in Linux, and so that the way is found again when routes change.
            self.bind_iface(id, Some(path.iface))?;
        }
        if self.udp_socket(id)?.speaks != Speaks::Udp {
            return self.raw_connect(id, remote, path);
        }
        let bound = self.udp_autobind(id)?;
        let local = SocketAddr::new(path.source, bound.addr.port());
        let key = FlowKey::new(local, remote);
        if self.udp.flows.get(&key).is_some_and(|&other| other != id) {
            return Err(SocketError::AddressInUse);
        }
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        // Looked up again with the source that it has now: which of several next hops a flow takes depends on it.
        let generation = path.generation.wrapping_sub(1);
        let peer = Peer {
            local,
            remote,
            path: Path { generation, ..path },
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
        if socket.speaks != Speaks::Udp {
            return Ok(());
        }
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
        let Some(SocketKind::Datagram(socket)) = self.remove_socket(id) else {
            return;
        };
        if let Some(peer) = socket.peer
            && socket.speaks == Speaks::Udp
        {
            self.udp
                .flows
                .remove(&FlowKey::new(peer.local, peer.remote));
        }
        if let Some(bound) = socket.bound
            && let Some(ports) = self.udp.ports_of(socket.speaks)
        {
            ports.release(bound.addr, bound.only_v6, id);
        }
        match socket.speaks {
            Speaks::Ip(protocol) => self.raw.remove(protocol, id),
            Speaks::EchoAnswers => self.echo_closed(socket.family, id),
            Speaks::Udp | Speaks::Echo => {}
        }
        self.memory.release(socket.charged());
        self.leave_groups(id, socket.memberships);
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
        let socket = self.udp_socket(id)?;
        let (speaks, settings) = (socket.speaks, socket.settings.ip);
        let multicast = socket.settings.multicast;
        let unsummed = socket.settings.no_checksum && remote.is_ipv4();
        let cost = len + socket.headers_to(remote.ip());
        // A train is cut when it leaves.
        let packets = match send.segment {
            Some(_) => 1,
            None => Fragments::at_most(cost, path.mtu),
        };
        self.udp_room(id, cost, packets, &path)?;
        if speaks != Speaks::Udp {
            return self.raw_send(id, payload, bound, remote.ip(), &path, send);
        }
        let mut meta = IpMeta::new(&settings, &path, remote.ip(), ip::UDP, self.config.ttl);
        meta.tos = send.tos.unwrap_or(meta.tos);
        meta.ttl = send.ttl.unwrap_or(meta.ttl);
        meta.has_checksum = unsummed;
        meta.dont_fragment &= !self.is_locked(&path, &settings, remote.ip());
        let options = self.options_to_send(id, &meta);
        let mut packet = self.new_packet();
        let train = send.segment.filter(|&size| usize::from(size) < len);
        let payload = match train {
            Some(_) => payload.shared(),
            None => payload,
        };
        let port = send.source_port.unwrap_or(bound.addr.port());
        emit(port, remote.port(), payload, &mut packet);
        packet.meta.gso = train.map(|size| Gso {
            kind: GsoKind::Udp,
            size,
            ecn: false,
        });
        self.stats.udp_out += send.datagrams(len) as u64;
        if remote.ip().is_multicast() {
            match self.send_to_group(&path, &multicast, &mut meta, &options, packet) {
                Some(left) => packet = left,
                None => return Ok(()),
            }
        }
        self.datagram_output(&path, meta, &options, packet, sender(id, send))
    }

    /// Checks that `cost` bytes fit the send buffer, and `packets` the queue of the interface; a socket
    /// that is told to wait hears when there is room.
    fn udp_room(
        &mut self,
        id: SocketId,
        cost: usize,
        packets: usize,
        path: &Path,
    ) -> Result<(), SocketError> {
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
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
        if !iface.queue.has_room(packets) {
            socket.blocked = true;
            iface.blocked.push(id);
            return Err(SocketError::WouldBlock);
        }
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
        if send.ttl == Some(0) {
            return Err(SocketError::InvalidInput("a time to live is at least 1"));
        }
        let acknowledged = TransmitStages::ACKNOWLEDGED;
        if send
            .times
            .is_some_and(|want| want.stages.intersects(acknowledged))
        {
            return Err(SocketError::InvalidInput("nobody acknowledges datagrams"));
        }
        let way = OwnWay::of(send);
        let has_own = way != OwnWay::default();
        let socket = self.udp_socket(id)?;
        if socket.settings.no_checksum && send.segment.is_some() {
            return Err(SocketError::InvalidInput("what is cut gets checksums"));
        }
        if !socket.options.is_empty() && send.segment.is_some() {
            return Err(SocketError::InvalidInput("what is cut has no options"));
        }
        let is_udp = socket.speaks == Speaks::Udp;
        if !is_udp && (send.segment.is_some() || send.source_port.is_some()) {
            return Err(SocketError::InvalidInput(
                "only UDP cuts a payload, or has ports",
            ));
        }
        if let Some(port) = send.source_port {
            socket.check_source_port(port)?;
        }
        let (remote, path) = match (send.to, socket.peer) {
            (Some(to), _) if to.port() == 0 && is_udp => {
                return Err(SocketError::InvalidInput("port 0 is no destination"));
            }
            (Some(to), _) if has_own => self.udp_once(id, to, way)?,
            (Some(to), _) => self.udp_recent(id, to)?,
            (None, Some(peer)) if has_own => {
                let source = way.source.or(Some(peer.local.ip()));
                self.udp_route(id, peer.remote, OwnWay { source, ..way })?
            }
            (None, Some(peer)) => (peer.remote, self.udp_path(id, &peer)?),
            (None, None) => return Err(SocketError::DestinationRequired),
        };
        let socket = self.udp_socket(id)?;
        socket.check_len(len, send.segment, remote.ip(), path.mtu)?;
        Ok((remote, path))
    }

    /// A packet that a socket sent has left, or is dropped; its sender may go on.
    pub(super) fn udp_sent(&mut self, id: SocketId, len: usize) {
        let Some(socket) = self.sockets.udp_mut(id) else {
            return;
        };
        socket.unsent = socket.unsent.saturating_sub(len);
        if socket.unsent <= socket.settings.send_buffer / 2 {
            self.unblock(id);
        }
    }

    /// There is room again for who waited for it.
    pub(super) fn unblock(&mut self, id: SocketId) {
        let blocked = match self.sockets.get_mut(id) {
            Some(SocketKind::Datagram(socket)) => &mut socket.blocked,
            Some(SocketKind::Packet(socket)) => &mut socket.blocked,
            _ => return,
        };
        if core::mem::take(blocked) {
            self.changed(id);
        }
    }
}

/// A socket that sends a datagram as `send` says.
pub(super) fn sender(socket: SocketId, send: &SendMeta) -> Sender {
    Sender {
        socket,
        timed: send.times.map(Timed::Datagram),
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
