//! What the application does to open connections: bind, listen, connect.

use super::path_mss;
use crate::SocketError;
use crate::must::must;
use crate::socket::{
    Claim, Family, FlowKey, SocketId, SocketKind, TcpOption, TcpSettings, accept_addr, present,
};
use crate::stack::Stack;
use crate::tcp::State;
use crate::tcp::connection::Connection;
use crate::tcp::socket::{Flow, Listener, Role, TcpSocket};
use crate::time::Instant;
use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

impl Stack {
    pub(crate) fn tcp_open_socket(&mut self, family: Family) -> Result<SocketId, SocketError> {
        let socket = TcpSocket::new(family, &self.config);
        self.sockets.insert(SocketKind::Tcp(Box::new(socket)))
    }

    /// Binds to a local address; port 0 takes a free one.
    pub(crate) fn tcp_bind(&mut self, id: SocketId, addr: SocketAddr) -> Result<(), SocketError> {
        let socket = self.sockets.tcp(id).ok_or(SocketError::NoSuchSocket)?;
        if socket.local.is_some() || !matches!(socket.role, Role::Idle) {
            return Err(SocketError::InvalidInput("the socket is bound already"));
        }
        let settings = &socket.settings;
        let mut local = accept_addr(addr, socket.family, settings.only_v6)?;
        self.check_local(&settings.ip, local.ip())?;
        let claim = Claim {
            addr: local,
            only_v6: settings.only_v6,
            reuse_address: settings.reuse_address,
            reuse_port: settings.reuse_port,
            iface: settings.ip.iface(),
        };
        if local.port() == 0 && settings.bind_address_no_port {
            // The address alone; what follows chooses the port.
            let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
            socket.local = Some(local);
            return Ok(());
        }
        local.set_port(self.tcp.ports.bind(claim, id, false)?);
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        socket.local = Some(local);
        socket.bound = true;
        Ok(())
    }

    /// Starts to listen, or changes the backlog of a listener.
    pub(crate) fn tcp_listen(&mut self, id: SocketId, backlog: u32) -> Result<(), SocketError> {
        let backlog = backlog.min(self.config.tcp.max_backlog);
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        match &mut socket.role {
            Role::Listener(listener) => {
                listener.backlog = backlog;
                return Ok(());
            }
            Role::Connection(_) => {
                return Err(SocketError::InvalidInput(
                    "a connected socket cannot listen",
                ));
            }
            Role::Idle => {}
        }
        if !socket.bound {
            self.tcp_choose_port(id)?;
        }
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let local = socket.local.ok_or(SocketError::AddressNotAvailable)?;
        self.tcp
            .ports
            .set_active(local, socket.settings.only_v6, id, true)?;
        self.tcp.listened += 1;
        let listener = Listener {
            backlog,
            generation: self.tcp.listened,
            ..Listener::default()
        };
        socket.role = Role::Listener(Box::new(listener));
        Ok(())
    }

    /// Binds a socket that is to listen and has no port yet to one of the stack's choice.
    fn tcp_choose_port(&mut self, id: SocketId) -> Result<(), SocketError> {
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let any = socket.local_addr();
        let local = socket.local.take();
        let late = core::mem::take(&mut socket.settings.bind_address_no_port);
        let bound = self.tcp_bind(id, any);
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        socket.settings.bind_address_no_port = late;
        if bound.is_err() {
            socket.local = local;
        }
        bound
    }

    /// Starts an active open; `InProgress` when the SYN is on its way.
    pub(crate) fn tcp_connect(
        &mut self,
        id: SocketId,
        addr: SocketAddr,
        now: Instant,
    ) -> Result<(), SocketError> {
        let socket = self.sockets.tcp(id).ok_or(SocketError::NoSuchSocket)?;
        match &socket.role {
            Role::Idle => {}
            Role::Listener(_) => return Err(SocketError::AlreadyConnected),
            Role::Connection(connection) => {
                return Err(match connection.state {
                    State::SynSent | State::SynReceived => SocketError::AlreadyInProgress,
                    State::Closed => SocketError::ConnectionAborted,
                    _ => SocketError::AlreadyConnected,
                });
            }
        }
        let only_v6 = socket.settings.only_v6;
        let mut remote = accept_addr(addr, socket.family, only_v6)?;
        match remote.ip() {
            _ if !must("9293 MUST-46") => {}
            // As the kernel does: "this host" is reached over the loopback.
            IpAddr::V4(ip) if ip.is_unspecified() => remote.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => remote.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(ip) if ip.is_multicast() || ip.is_broadcast() => {
                return Err(SocketError::NetworkUnreachable);
            }
            IpAddr::V6(ip) if ip.is_multicast() => return Err(SocketError::NetworkUnreachable),
            ip if self.addresses.is_broadcast(ip) => return Err(SocketError::NetworkUnreachable),
            _ => {}
        }
        let wanted = socket
            .local
            .map(|local| local.ip())
            .filter(|ip| !ip.is_unspecified());
        let bound_port = socket
            .local
            .map(|local| local.port())
            .filter(|&port| port != 0);
        let reuse = socket.settings.reuse_address;
        let path = self.route_of_flow(&socket.settings.ip, remote.ip(), wanted)?;
        let flows = &self.tcp.flows;
        let port = match bound_port {
            Some(port) => port,
            None => self.tcp.ports.ephemeral(path.source, |port| {
                !flows.contains(&FlowKey::new(SocketAddr::new(path.source, port), remote))
            })?,
        };
        let local = SocketAddr::new(path.source, port);
        let key = FlowKey::new(local, remote);
        if self.tcp.flows.contains(&key) {
            return Err(SocketError::AddressNotAvailable);
        }
        let fast_open = match socket.settings.fast_open_connect {
            true => self.fast_open_to(path.source, remote, now),
            false => None,
        };
        let fallback = self.config.tcp.ecn_fallback;
        let without_ecn = fallback && self.tcp.ecn.is_held_off(remote.ip(), now);
        let iss = self.tcp.secrets.isn(&key, now);
        let ts_offset = self.tcp.secrets.timestamp_offset(&key, &self.config.tcp);
        self.tcp.ports.hold(local, reuse);
        self.tcp.flows.insert(key, Flow::Socket(id));

        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        if socket.bound
            && let Some(before) = socket.local
        {
            // The claim stays on the address that was bound; what is connected is narrower.
            if before != local {
                self.tcp.ports.release(before, only_v6, id);
                socket.bound = false;
            }
        }
        let limit = socket.settings.max_segment.unwrap_or(u16::MAX);
        let our_mss = path_mss(path.mtu, remote.ip()).min(limit);
        let mut connection = Connection::connect(
            iss,
            our_mss,
            ts_offset,
            &self.config.tcp,
            &socket.settings,
            now,
        );
        connection.fast_open = fast_open;
        connection.ecn.silent = without_ecn;
        socket.local = Some(local);
        socket.remote = Some(remote);
        socket.linked = true;
        socket.path = Some(path);
        socket.role = Role::Connection(Box::new(connection));
        self.tcp_settle(id, now);
        Err(SocketError::InProgress)
    }

    pub(crate) fn tcp_local_addr(&self, id: SocketId) -> Result<SocketAddr, SocketError> {
        let socket = self.sockets.tcp(id).ok_or(SocketError::NoSuchSocket)?;
        Ok(socket.local_addr())
    }

    pub(crate) fn tcp_peer_addr(&self, id: SocketId) -> Result<SocketAddr, SocketError> {
        let socket = self.sockets.tcp(id).ok_or(SocketError::NoSuchSocket)?;
        // As the kernel, which keeps no socket in TIME_WAIT.
        let state = socket.state();
        let connected = state.is_synchronised() && state != State::TimeWait;
        let remote = socket
            .remote
            .filter(|_| connected)
            .ok_or(SocketError::NotConnected)?;
        Ok(present(remote, socket.family))
    }

    pub(crate) fn tcp_settings_of(&self, id: SocketId) -> Result<&TcpSettings, SocketError> {
        Ok(&self
            .sockets
            .tcp(id)
            .ok_or(SocketError::NoSuchSocket)?
            .settings)
    }

    /// Sets an option; a connection acts on it at once.
    pub(crate) fn tcp_set_option(
        &mut self,
        id: SocketId,
        mut option: TcpOption,
        now: Instant,
    ) -> Result<(), SocketError> {
        match &mut option {
            TcpOption::FastOpenConnect(true) => self.may_fast_open()?,
            TcpOption::FastOpen(pending) if *pending > 0 => {
                self.may_take_early()?;
                *pending = (*pending).min(self.config.tcp.max_backlog);
            }
            _ => {}
        }
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let active = !matches!(socket.role, Role::Idle);
        if let (TcpOption::FastOpen(_), Role::Connection(_)) = (option, &socket.role) {
            return Err(SocketError::InvalidInput(
                "only listeners take data in SYNs",
            ));
        }
        let was_corked = socket.settings.cork;
        socket
            .settings
            .set(option, active, socket.local.is_some())?;
        self.with_connection(id, now, |connection, cx| {
            connection.apply(cx);
            if was_corked && !cx.settings.cork {
                connection.pull_cork(cx);
            }
        });
        self.tcp_settle(id, now);
        Ok(())
    }
}

impl TcpSocket {
    /// The local address as the application sees it.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        let unbound: SocketAddr = match self.family {
            Family::V4 => (Ipv4Addr::UNSPECIFIED, 0).into(),
            Family::V6 => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        self.local
            .map_or(unbound, |local| present(local, self.family))
    }

    /// Whether its packets are IPv6.
    pub(crate) fn is_v6(&self) -> bool {
        self.remote.is_some_and(|remote| remote.is_ipv6())
    }
}
