//! The calls that sockets of every kind have, by kind.

use super::Stack;
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::packet::PacketSocket;
use crate::socket::{
    Family, IpOption, IpSettings, Operation, Request, SocketId, SocketKind, SocketOps, TcpOption,
    TcpSettings, UdpSettings,
};
use crate::tcp::Tcp;
use crate::time::Instant;
use crate::udp::{Bound, DatagramSocket, Udp};
use core::net::SocketAddr;

/// Which protocol's half of the stack a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// TCP's.
    Tcp,
    /// UDP's.
    Udp,
    /// None: to the frames of interfaces.
    Packet,
    /// None: to a protocol that the embedder brought.
    Plugged,
}

const NO_ADDRESS: SocketError =
    SocketError::Unsupported("packet sockets have interfaces in place of addresses");
const NOT_A_STREAM: SocketError = SocketError::Unsupported("only TCP sockets listen and accept");

impl Stack {
    /// Opens a TCP socket.
    ///
    /// # Errors
    /// [`TooManySockets`](SocketError::TooManySockets), or another of [`socket`](Self::socket)'s.
    pub fn tcp_open(&mut self, family: Family) -> Result<SocketId, SocketError> {
        self.socket(Request::tcp(family))
    }

    /// Opens a UDP socket.
    ///
    /// # Errors
    /// [`TooManySockets`](SocketError::TooManySockets), or another of [`socket`](Self::socket)'s.
    pub fn udp_open(&mut self, family: Family) -> Result<SocketId, SocketError> {
        self.socket(Request::udp(family))
    }

    /// Opens a ping socket: it sends echo requests with an identifier that the stack sees to, and
    /// receives the replies to them. [`bind`](Self::bind) to a port chooses the identifier.
    ///
    /// What is sent is an ICMP message from its type on; identifier and checksum are filled in.
    ///
    /// # Errors
    /// [`TooManySockets`](SocketError::TooManySockets), or another of [`socket`](Self::socket)'s.
    pub fn ping_open(&mut self, family: Family) -> Result<SocketId, SocketError> {
        self.socket(Request::ping(family))
    }

    /// Opens a raw socket: it receives a copy of every packet of the IP protocol that came whole, and
    /// sends what is to follow the IP header, or with
    /// [`header_included`](UdpSettings::header_included) the header too. Of all checksums only that of
    /// ICMPv6 is filled in (RFC 3542 §3.1).
    ///
    /// Protocol 255 is for sending with a header alone.
    ///
    /// # Errors
    /// `ProtocolNotSupported` for protocol 0, or another of [`socket`](Self::socket)'s.
    pub fn raw_open(&mut self, family: Family, protocol: u8) -> Result<SocketId, SocketError> {
        self.socket(Request::raw(family, protocol))
    }

    /// Gives the socket a local address; port 0 picks a free one (RFC 6056).
    ///
    /// # Errors
    /// `AddressInUse`, `AddressNotAvailable` (not ours), `AddressFamily`, and `InvalidInput` if the
    /// socket is bound already.
    pub fn bind(&mut self, id: SocketId, addr: SocketAddr) -> Result<(), SocketError> {
        self.permit(&Operation::Bind { socket: id, addr })?;
        match self.kind(id)? {
            Kind::Tcp => self.tcp_bind(id, addr),
            Kind::Udp => self.udp_bind(id, addr),
            Kind::Packet => Err(NO_ADDRESS),
            Kind::Plugged => self.operations(id)?.bind(addr),
        }
    }

    /// Makes a TCP socket take connections; up to `backlog` of them wait to be accepted.
    ///
    /// # Errors
    /// `AddressInUse`, or `InvalidInput` if the socket is connected.
    pub fn listen(&mut self, id: SocketId, backlog: u32) -> Result<(), SocketError> {
        self.permit(&Operation::Listen {
            socket: id,
            backlog,
        })?;
        match self.kind(id)? {
            Kind::Tcp => self.tcp_listen(id, backlog),
            Kind::Udp | Kind::Packet => Err(NOT_A_STREAM),
            Kind::Plugged => self.operations(id)?.listen(backlog),
        }
    }

    /// Takes the next connection of a listener: its socket and the peer's address.
    ///
    /// # Errors
    /// `WouldBlock` while there is none, `InvalidInput` if the socket does not listen.
    pub fn accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr), SocketError> {
        self.permit(&Operation::Accept { socket: id })?;
        match self.kind(id)? {
            Kind::Tcp => self.tcp_accept(id, false),
            Kind::Udp | Kind::Packet => Err(NOT_A_STREAM),
            Kind::Plugged => {
                if self.sockets.is_full() {
                    return Err(SocketError::TooManySockets);
                }
                let (socket, peer) = self.operations(id)?.accept()?;
                let socket = self.sockets.insert(SocketKind::Plugged(socket))?;
                Ok((socket, peer))
            }
        }
    }

    /// Like [`accept`](Self::accept) of a TCP listener, but the connection keeps its place in the
    /// backlog until [`release_backlog`](Self::release_backlog), for who takes connections ahead of the
    /// application; the policy is not asked.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_held(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr), SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.tcp_accept(id, true),
            _ => Err(NOT_A_STREAM),
        }
    }

    /// Frees `count` places in a listener's backlog that [`accept_held`](Self::accept_held) kept.
    pub fn release_backlog(&mut self, id: SocketId, count: u32) {
        if self.kind(id) == Ok(Kind::Tcp) {
            self.tcp_release_backlog(id, count);
        }
    }

    /// Connects the socket. TCP only begins to, and says so; an event tells the outcome. UDP fixes
    /// the peer and is done.
    ///
    /// # Errors
    /// [`InProgress`](SocketError::InProgress) for TCP that has begun; what keeps it from beginning
    /// otherwise.
    pub fn connect(
        &mut self,
        id: SocketId,
        addr: SocketAddr,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.clock = now;
        self.permit(&Operation::Connect { socket: id, addr })?;
        match self.kind(id)? {
            Kind::Tcp => self.tcp_connect(id, addr, now),
            Kind::Udp => self.udp_connect(id, addr),
            Kind::Packet => Err(NO_ADDRESS),
            Kind::Plugged => self.operations(id)?.connect(addr, now),
        }
    }

    /// Dissolves the socket's association (`connect` to `AF_UNSPEC`). A UDP socket takes datagrams from
    /// everybody again. A TCP connection is reset, a listener stops; the socket can connect or listen
    /// anew, and keeps the address that it was bound to.
    ///
    /// # Errors
    /// `NotConnected` for UDP; `Unsupported` for a plugged protocol.
    pub fn disconnect(&mut self, id: SocketId, now: Instant) -> Result<(), SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.tcp_disconnect(id, now),
            Kind::Udp => self.udp_disconnect(id),
            Kind::Packet => Err(NO_ADDRESS),
            Kind::Plugged => Err(SocketError::Unsupported("plugged sockets stay connected")),
        }
    }

    /// The application is done with the socket; the id is stale from now on. A TCP connection still
    /// delivers what was written, unless unread data or `Linger(Some(0))` make it reset.
    pub fn close(&mut self, id: SocketId, now: Instant) {
        self.clock = now;
        match self.kind(id) {
            Ok(Kind::Tcp) => self.tcp_close(id, now),
            Ok(Kind::Udp) => self.udp_close(id),
            Ok(Kind::Packet) => self.packet_close(id),
            Ok(Kind::Plugged) => drop(self.remove_socket(id)),
            Err(_) => {}
        }
    }

    /// Ends the socket at once; a TCP peer gets a RST. The id is stale from now on.
    pub fn abort(&mut self, id: SocketId, now: Instant) {
        self.clock = now;
        match self.kind(id) {
            Ok(Kind::Tcp) => self.tcp_abort(id, now),
            Ok(Kind::Udp) => self.udp_close(id),
            Ok(Kind::Packet) => self.packet_close(id),
            Ok(Kind::Plugged) => drop(self.remove_socket(id)),
            Err(_) => {}
        }
    }

    /// The local address, unspecified where there is none yet.
    ///
    /// # Errors
    /// `NoSuchSocket`.
    pub fn local_addr(&self, id: SocketId) -> Result<SocketAddr, SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.tcp_local_addr(id),
            Kind::Udp => self.udp_socket(id).map(DatagramSocket::local_addr),
            Kind::Packet => Err(NO_ADDRESS),
            Kind::Plugged => self.operations_of(id)?.local_addr(),
        }
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected`, `NoSuchSocket`.
    pub fn peer_addr(&self, id: SocketId) -> Result<SocketAddr, SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.tcp_peer_addr(id),
            Kind::Udp => self
                .udp_socket(id)?
                .peer_addr()
                // As the kernel, to which port 0 is none.
                .filter(|peer| peer.port() != 0)
                .ok_or(SocketError::NotConnected),
            Kind::Packet => Err(NO_ADDRESS),
            Kind::Plugged => self.operations_of(id)?.peer_addr(),
        }
    }

    /// Bytes that packets to the peer may have now, IP header included (`IP_MTU`, `IPV6_MTU`): what the
    /// link takes, or less where a router has said so.
    ///
    /// # Errors
    /// `NotConnected`, `NoSuchSocket`; `NoSuchOption` for a packet socket, or one of a plugged protocol.
    pub fn path_mtu(&self, id: SocketId) -> Result<u16, SocketError> {
        match self.kind(id)? {
            Kind::Tcp => {
                let socket = self.sockets.tcp(id).ok_or(SocketError::NoSuchSocket)?;
                socket.path_mtu().ok_or(SocketError::NotConnected)
            }
            Kind::Udp => self.udp_path_mtu(id),
            Kind::Packet | Kind::Plugged => Err(SocketError::NoSuchOption),
        }
    }

    /// Takes the pending error (`SO_ERROR`).
    pub fn take_error(&mut self, id: SocketId) -> Option<SocketError> {
        match self.kind(id).ok()? {
            Kind::Tcp => self.tcp_take_error(id),
            Kind::Udp => self.sockets.udp_mut(id)?.take_error(),
            Kind::Packet => None,
            Kind::Plugged => self.operations(id).ok()?.take_error(),
        }
    }

    /// The options of a TCP socket.
    ///
    /// # Errors
    /// `NoSuchSocket`, also for a socket of another kind.
    pub fn tcp_settings(&self, id: SocketId) -> Result<&TcpSettings, SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.tcp_settings_of(id),
            _ => Err(SocketError::NoSuchSocket),
        }
    }

    /// Sets an option of a TCP socket.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of range, `NoSuchSocket`, also for a socket of another kind.
    pub fn set_tcp_option(
        &mut self,
        id: SocketId,
        option: TcpOption,
        now: Instant,
    ) -> Result<(), SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.tcp_set_option(id, option, now),
            _ => Err(SocketError::NoSuchSocket),
        }
    }

    /// The options of a UDP socket.
    ///
    /// # Errors
    /// `NoSuchSocket`, also for a socket of another kind.
    pub fn udp_settings(&self, id: SocketId) -> Result<&UdpSettings, SocketError> {
        Ok(&self.udp_socket(id)?.settings)
    }

    /// Changes options of a UDP socket, or all of them. Those that concern binding count when it is bound.
    /// What has an operation of its own stays as it is, whatever `change` does: whether the socket is
    /// [transparent](IpOption::Transparent), which it needs leave for, and its
    /// [interface](Self::bind_iface).
    ///
    /// # Errors
    /// `NoSuchSocket`, also for a socket of another kind.
    pub fn change_udp<T>(
        &mut self,
        id: SocketId,
        change: impl FnOnce(&mut UdpSettings) -> T,
    ) -> Result<T, SocketError> {
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        socket.recent = None;
        Ok(socket.settings.change(change))
    }

    /// The family of a socket.
    ///
    /// # Errors
    /// `NoSuchSocket`, also for a socket of a plugged protocol.
    pub fn family(&self, id: SocketId) -> Result<Family, SocketError> {
        let family = match self.kind(id)? {
            Kind::Tcp => self.sockets.tcp(id).map(|socket| socket.family),
            Kind::Udp => self.sockets.udp(id).map(|socket| socket.family),
            Kind::Packet | Kind::Plugged => None,
        };
        family.ok_or(SocketError::NoSuchSocket)
    }

    /// The options of a socket's IP layer.
    ///
    /// # Errors
    /// `NoSuchSocket`; `NoSuchOption` for a packet socket, or one of a plugged protocol.
    pub fn ip_settings(&self, id: SocketId) -> Result<&IpSettings, SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.tcp_settings_of(id).map(|settings| &settings.ip),
            Kind::Udp => self.udp_socket(id).map(|socket| &socket.settings.ip),
            Kind::Packet | Kind::Plugged => Err(SocketError::NoSuchOption),
        }
    }

    /// Sets an option of a socket's IP layer; it holds from the next packet on.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of range, `NoSuchSocket`; `NoSuchOption` for a socket of a
    /// plugged protocol; the policy's for [`Transparent`](IpOption::Transparent).
    pub fn set_ip_option(&mut self, id: SocketId, option: IpOption) -> Result<(), SocketError> {
        if option == IpOption::Transparent(true) {
            self.permit(&Operation::SetTransparent { socket: id })?;
        }
        let stale = self.route_generation().wrapping_sub(1);
        match self.kind(id)? {
            Kind::Tcp => {
                let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
                if let Some(path) = &mut socket.path {
                    path.generation = stale;
                }
                socket.settings.ip.set(option, true)?;
            }
            Kind::Udp => {
                let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
                socket.recent = None;
                if let Some(peer) = &mut socket.peer {
                    peer.path.generation = stale;
                }
                socket.settings.ip.set(option, false)?;
            }
            Kind::Packet | Kind::Plugged => return Err(SocketError::NoSuchOption),
        }
        if let IpOption::Transparent(transparent) = option {
            self.sockets.note_transparent(id, transparent);
        }
        Ok(())
    }

    /// Binds a socket to an interface (`SO_BINDTODEVICE`), or to none: it sends by the routes over
    /// that interface only, takes only what comes over it, and shares no port with sockets of other
    /// interfaces. What the stack sends to itself comes over the loopback interface.
    ///
    /// # Errors
    /// `NoSuchInterface`, `NoSuchSocket`; `NoSuchOption` for a packet socket, or one of a plugged protocol.
    pub fn bind_iface(&mut self, id: SocketId, iface: Option<IfaceId>) -> Result<(), SocketError> {
        if iface.is_some_and(|iface| self.iface(iface).is_none()) {
            return Err(SocketError::NoSuchInterface);
        }
        let stale = self.route_generation().wrapping_sub(1);
        match self.kind(id)? {
            Kind::Tcp => {
                let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
                socket.settings.ip.iface = iface;
                if let Some(path) = &mut socket.path {
                    path.generation = stale;
                }
                let only_v6 = socket.settings.only_v6;
                if let Some(local) = socket.local.filter(|_| socket.bound) {
                    self.tcp.ports.set_iface(local, only_v6, id, iface);
                }
            }
            Kind::Udp => {
                let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
                socket.settings.ip.iface = iface;
                socket.recent = None;
                if let Some(peer) = &mut socket.peer {
                    peer.path.generation = stale;
                }
                if let Some(Bound { addr, only_v6 }) = socket.bound
                    && let Some(ports) = self.udp.ports_of(socket.speaks)
                {
                    ports.set_iface(addr, only_v6, id, iface);
                }
            }
            Kind::Packet | Kind::Plugged => return Err(SocketError::NoSuchOption),
        }
        Ok(())
    }

    /// A TCP socket to send and receive with; `None` for a stale id or another kind of socket.
    /// Dropping it settles what follows: transmission, timer, events.
    pub fn tcp(&mut self, id: SocketId, now: Instant) -> Option<Tcp<'_>> {
        self.clock = now;
        Tcp::new(self, id, now)
    }

    /// A UDP, ping or raw socket to send and receive with; `None` for a stale id or another kind of socket.
    pub fn udp(&mut self, id: SocketId) -> Option<Udp<'_>> {
        self.sockets.udp(id)?;
        Some(Udp::new(self, id))
    }

    /// The kind of a socket that the application holds.
    ///
    /// # Errors
    /// `NoSuchSocket`.
    pub fn kind(&self, id: SocketId) -> Result<Kind, SocketError> {
        match self.sockets.get(id) {
            Some(SocketKind::Tcp(_)) if self.sockets.is_owned(id) => Ok(Kind::Tcp),
            Some(SocketKind::Datagram(_)) => Ok(Kind::Udp),
            Some(SocketKind::Packet(_)) => Ok(Kind::Packet),
            Some(SocketKind::Plugged(_)) => Ok(Kind::Plugged),
            _ => Err(SocketError::NoSuchSocket),
        }
    }

    /// What a socket like this one is asked for by (`SO_DOMAIN`, `SO_TYPE`, `SO_PROTOCOL`).
    ///
    /// # Errors
    /// `NoSuchSocket`; `NoSuchOption` for a packet socket, or one of a plugged protocol.
    pub fn request_of(&self, id: SocketId) -> Result<Request, SocketError> {
        match self.kind(id)? {
            Kind::Tcp => self.family(id).map(Request::tcp),
            Kind::Udp => self.udp_socket(id).map(DatagramSocket::request),
            Kind::Packet => self
                .sockets
                .packet(id)
                .map(PacketSocket::request)
                .ok_or(SocketError::NoSuchSocket),
            Kind::Plugged => Err(SocketError::NoSuchOption),
        }
    }

    fn operations(&mut self, id: SocketId) -> Result<&mut (dyn SocketOps + 'static), SocketError> {
        self.plugged(id).ok_or(SocketError::NoSuchSocket)
    }

    fn operations_of(&self, id: SocketId) -> Result<&dyn SocketOps, SocketError> {
        match self.sockets.get(id) {
            Some(SocketKind::Plugged(socket)) => Ok(&**socket),
            _ => Err(SocketError::NoSuchSocket),
        }
    }

    pub(crate) fn udp_socket(&self, id: SocketId) -> Result<&DatagramSocket, SocketError> {
        self.sockets.udp(id).ok_or(SocketError::NoSuchSocket)
    }
}
