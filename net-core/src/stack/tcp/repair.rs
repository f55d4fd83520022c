//! Connections that move from one stack to another (`TCP_REPAIR`).

use crate::SocketError;
use crate::socket::{Family, FlowKey, SocketId, SocketKind};
use crate::stack::{Stack, TimerKey};
use crate::tcp::connection::Connection;
use crate::tcp::frozen::{Ends, Frozen};
use crate::tcp::socket::{Flow, FrozenPlace, Role, TcpSocket};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl Stack {
    /// Takes a connection out of this stack, as bytes for [`thaw_tcp`](Self::thaw_tcp) of another one
    /// with the same address: what is unacknowledged and unread, numbers, windows, urgent data and
    /// what the handshake settled. The socket is gone and the peer is told nothing.
    ///
    /// Its place is kept for [`frozen_time`](crate::config::TcpConfig::frozen_time), or until it is thawed in
    /// this stack: what the peer sends meanwhile is dropped in silence
    /// ([`DropReason::Frozen`](crate::stats::DropReason::Frozen)), as is a SYN between these ends, and no other
    /// connection is opened between them. Later such segments are answered with a RST.
    ///
    /// # Errors
    /// `NotConnected`; `InvalidInput` once our side is finished, where received bytes were
    /// [taken](crate::tcp::Tcp::take) and neither read nor [given back](crate::tcp::Tcp::give_back), which
    /// would be lost, and where the address is this host's for the connection only, by the mark of its packets or
    /// because its socket is transparent: nobody could go on with it. `NoBufferSpace` while
    /// [`max_frozen`](crate::config::TcpConfig::max_frozen) places are kept. The connection is then as it was.
    pub fn freeze_tcp(&mut self, id: SocketId, now: Instant) -> Result<Vec<u8>, SocketError> {
        let socket = self.sockets.tcp(id).ok_or(SocketError::NoSuchSocket)?;
        let (Some(local), Some(remote)) = (socket.local, socket.remote) else {
            return Err(SocketError::NotConnected);
        };
        let settings = socket.settings.ip;
        let is_borrowed = settings.transparent || settings.local_mark != 0;
        if is_borrowed && !self.is_local(local.ip()) {
            return Err(SocketError::InvalidInput(
                "a connection from an address that is not the host's own stays where it is",
            ));
        }
        let keeps = !self.config.tcp.frozen_time.is_zero();
        if keeps && self.tcp.frozen.len() >= self.config.tcp.max_frozen {
            return Err(SocketError::NoBufferSpace);
        }
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let reuse = socket.settings.reuse_address;
        let connection = socket.connection_mut().ok_or(SocketError::NotConnected)?;
        if connection.receiver.held > 0 {
            return Err(SocketError::InvalidInput(
                "read what was taken before freezing",
            ));
        }
        let bytes = connection.freeze(Ends { local, remote }, now);
        let bytes = bytes.ok_or(SocketError::InvalidInput(
            "only a connection that may send can be frozen",
        ))?;
        self.tcp_forget(id);
        if keeps {
            self.keep_place(FlowKey::new(local, remote), reuse, now);
        }
        Ok(bytes)
    }

    /// What the peer of a frozen connection sends is not answered from now on.
    fn keep_place(&mut self, key: FlowKey, reuse: bool, now: Instant) {
        let entry = self.tcp.frozen.vacant_entry();
        let index = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let until = now + self.config.tcp.frozen_time;
        let timer = self.wheel.insert(TimerKey::Frozen(index), until);
        entry.insert(FrozenPlace { key, reuse, timer });
        self.tcp.ports.hold(key.local(), reuse);
        self.tcp.flows.insert(key, Flow::Frozen(index));
    }

    /// The place of a frozen connection is given up: it has gone on here, or its time is over.
    pub(crate) fn end_frozen(&mut self, index: u32) {
        let Some(place) = self.tcp.frozen.try_remove(index as usize) else {
            return;
        };
        self.wheel.cancel(place.timer);
        self.tcp.flows.remove(&place.key);
        self.tcp.ports.unhold(place.key.local(), place.reuse);
    }

    /// Goes on with a connection that another stack has frozen. Stream offsets begin at 0 with what is
    /// unacknowledged and unread; options are those of a new socket.
    ///
    /// # Errors
    /// `InvalidInput` for bytes that are no connection, `AddressInUse` if there is one between these
    /// ends, what connecting to the peer would give, `TooManySockets`.
    pub fn thaw_tcp(&mut self, bytes: &[u8], now: Instant) -> Result<SocketId, SocketError> {
        let frozen =
            Frozen::read(bytes).ok_or(SocketError::InvalidInput("this is no frozen connection"))?;
        let Ends { local, remote } = frozen.ends;
        let key = FlowKey::new(local, remote);
        let kept = match self.tcp.flows.get(&key).copied() {
            None => None,
            Some(Flow::Frozen(index)) => Some(index),
            Some(_) => return Err(SocketError::AddressInUse),
        };
        let family = if local.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let mut socket = TcpSocket::new(family, &self.config);
        let path = self.route_for(&socket.settings.ip, remote.ip(), Some(local.ip()))?;
        let connection = Connection::thaw(frozen, &self.config.tcp, &socket.settings, now);
        socket.local = Some(local);
        socket.remote = Some(remote);
        socket.linked = true;
        socket.path = Some(path);
        socket.role = Role::Connection(Box::new(connection));
        let reuse = socket.settings.reuse_address;
        let id = self.sockets.insert(SocketKind::Tcp(Box::new(socket)))?;
        if let Some(index) = kept {
            self.end_frozen(index);
        }
        self.tcp.ports.hold(local, reuse);
        self.tcp.flows.insert(key, Flow::Socket(id));
        self.with_connection(id, now, |connection, cx| connection.resume(cx));
        self.tcp_settle(id, now);
        Ok(id)
    }
}
