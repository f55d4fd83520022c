//! A TCP socket: what the application holds, whatever state its connection is in.

use super::connection::Connection;
use super::{SeqNum, State};
use crate::config::Config;
use crate::ip::Path;
use crate::socket::{Family, FlowKey, IpSettings, Readiness, SocketId, TcpSettings};
use crate::stack::TimerId;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::SocketAddr;

/// A socket in the table.
#[derive(Debug)]
pub(crate) struct TcpSocket {
    pub(crate) family: Family,
    pub(crate) settings: TcpSettings,
    /// Canonical local address, once bound or connected.
    pub(crate) local: Option<SocketAddr>,
    /// Canonical remote address, once connecting.
    pub(crate) remote: Option<SocketAddr>,
    /// It owns its port in the port table (bind), which close gives back.
    pub(crate) bound: bool,
    /// It is in the flow map, and holds its local port.
    pub(crate) linked: bool,
    pub(crate) role: Role,
    pub(crate) timer: Option<TimerId>,
    /// When `timer` fires.
    pub(crate) armed_at: Instant,
    pub(crate) path: Option<Path>,
    /// Bytes charged to the stack's memory budget.
    pub(crate) charged: usize,
    /// SND.UNA when the neighbour on the way was last confirmed to be there.
    pub(crate) confirmed: Option<SeqNum>,
    /// Options of the IPv4 packets that it sends.
    pub(crate) options: Box<[u8]>,
    /// Bytes of its packets that wait in the queue in front of a device.
    pub(crate) queued: u32,
}

/// What the socket is used for.
#[derive(Debug)]
pub(crate) enum Role {
    /// Fresh or bound.
    Idle,
    /// Listening.
    Listener(Box<Listener>),
    /// Connecting, connected, or what is left of a connection.
    Connection(Box<Connection>),
}

/// The two queues of a listening socket.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    pub(crate) backlog: u32,
    /// Tells it from what the same socket was before and will be.
    pub(crate) generation: u64,
    /// Half-open connections: the SYN queue's length.
    pub(crate) half_open: u32,
    /// The accept queue.
    pub(crate) ready: VecDeque<SocketId>,
    /// Connections taken out whose places the application has not released.
    pub(crate) held: u32,
    /// SYN cookies that may still come back were sent by then.
    pub(crate) cookies_until: Instant,
    /// Connections that exist since a SYN with a fast open cookie, and whose handshake is not complete.
    pub(crate) early: u32,
    /// When those stop counting among them that the peer has reset.
    pub(crate) reset_early: VecDeque<Instant>,
}

/// Where a connection counts whose handshake is not complete: with its socket while that listens, and not
/// with what it becomes when it listens anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EarlyQueue {
    pub(crate) listener: SocketId,
    pub(crate) generation: u64,
}

impl Listener {
    /// Whether the accept queue has no place left.
    pub(crate) fn is_full(&self) -> bool {
        let used = u32::try_from(self.ready.len()).unwrap_or(u32::MAX);
        used.saturating_add(self.held) > self.backlog
    }

    /// Whether the SYN queue has no place left.
    pub(crate) fn is_flooded(&self) -> bool {
        self.half_open > self.backlog
    }
}

/// A half-open connection: SYN received, SYN-ACK sent.
#[derive(Debug)]
pub(crate) struct Embryo {
    pub(crate) key: FlowKey,
    pub(crate) listener: SocketId,
    pub(crate) facts: super::connection::Negotiated,
    pub(crate) retries: u8,
    /// The peer has acknowledged the SYN-ACK, and the listener waits for its data.
    pub(crate) deferred: bool,
    pub(crate) timer: TimerId,
    /// When the SYN-ACK left, for the first round-trip measurement; `None` once it was sent again
    /// (Karn).
    pub(crate) sent_at: Option<Instant>,
}

/// What is remembered of a connection in TIME_WAIT (RFC 9293 §3.3.2).
#[derive(Debug)]
pub(crate) struct TimeWait {
    pub(crate) key: FlowKey,
    /// SND.NXT.
    pub(crate) snd_nxt: SeqNum,
    /// RCV.NXT.
    pub(crate) rcv_nxt: SeqNum,
    pub(crate) ts_recent: Option<u32>,
    pub(crate) ts_offset: u32,
    /// The window field of our last acknowledgement.
    pub(crate) window: u16,
    /// The local port may be bound anew by sockets that ask for it.
    pub(crate) reuse: bool,
    /// How its acknowledgements go out, and whether from an address that is not this host's.
    pub(crate) ip: IpSettings,
    pub(crate) timer: TimerId,
}

/// The place of a connection that was frozen.
#[derive(Debug)]
pub(crate) struct FrozenPlace {
    pub(crate) key: FlowKey,
    /// The local port may be bound anew by sockets that ask for it.
    pub(crate) reuse: bool,
    pub(crate) timer: TimerId,
}

/// What the flow map leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Socket(SocketId),
    Embryo(u32),
    TimeWait(u32),
    Frozen(u32),
}

impl TcpSocket {
    pub(crate) fn new(family: Family, config: &Config) -> Self {
        Self {
            family,
            settings: TcpSettings::new(&config.tcp),
            local: None,
            remote: None,
            bound: false,
            linked: false,
            role: Role::Idle,
            timer: None,
            armed_at: Instant::MAX,
            path: None,
            charged: 0,
            confirmed: None,
            options: Box::default(),
            queued: 0,
        }
    }

    pub(crate) fn connection(&self) -> Option<&Connection> {
        match &self.role {
            Role::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.role {
            Role::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    /// Bytes of the largest packet that its path is known to carry.
    pub(crate) fn path_mtu(&self) -> Option<u16> {
        let mtu = self.path?.mtu;
        let connection = self.connection();
        Some(connection.map_or(mtu, |connection| connection.mtu.path_mtu(mtu)))
    }

    pub(crate) fn listener_mut(&mut self) -> Option<&mut Listener> {
        match &mut self.role {
            Role::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    pub(crate) fn state(&self) -> State {
        match &self.role {
            Role::Idle => State::Closed,
            Role::Listener(_) => State::Listen,
            Role::Connection(connection) => connection.state,
        }
    }

    /// Level readiness, as `poll(2)` would tell it.
    pub(crate) fn readiness(&self) -> Readiness {
        match &self.role {
            Role::Idle => Readiness::WRITABLE | Readiness::HANG_UP,
            Role::Listener(listener) if listener.ready.is_empty() => Readiness::empty(),
            Role::Listener(_) => Readiness::ACCEPTABLE | Readiness::READABLE,
            Role::Connection(connection) => connection.readiness(&self.settings),
        }
    }
}

impl Connection {
    fn readiness(&self, settings: &TcpSettings) -> Readiness {
        let mut ready = Readiness::empty();
        let established = self.state.is_synchronised();
        let over = self.state == State::Closed;
        let peer_closed = self.receiver.finished || self.read_closed || over;
        ready.set(Readiness::CONNECTED, established);
        ready.set(Readiness::PEER_CLOSED, peer_closed);
        ready.set(
            Readiness::READABLE,
            !self.receiver.queue.is_empty() || peer_closed,
        );
        let room = self.queue.len() < self.send_buffer(settings)
            && self.unsent_len() < settings.notsent_lowat;
        let closed = self.send_closed() || over;
        ready.set(
            Readiness::WRITABLE,
            (established && room)
                || (closed && !matches!(self.state, State::SynSent | State::SynReceived)),
        );
        ready.set(Readiness::HANG_UP, over || (peer_closed && self.fin_queued));
        ready.set(Readiness::ERROR, self.error.is_some());
        ready.set(Readiness::URGENT, self.urgent.is_pending());
        ready
    }
}
