//! How connections live in a stack: the flow map, the queues of listeners, timers, and the one
//! place where a socket is settled after every touch.

mod accept;
mod close;
mod cookies;
mod ecn;
mod embryo;
mod fast_open;
mod open;
mod recent;
mod repair;
mod segments;
mod time_wait;
mod transmit;

use super::{Stack, TimerKey};
use crate::Config;
use crate::seed::Seed;
use crate::socket::{Demux, FlowKey, PortTable, Sharing, SocketId, SocketKind};
use crate::tcp::State;
use crate::tcp::connection::{Connection, Context};
use crate::tcp::isn::Secrets;
use crate::tcp::socket::{Embryo, Flow, FrozenPlace, Role, TcpSocket, TimeWait};
use crate::tcp::timers::R1;
use crate::time::Instant;
use core::net::IpAddr;
use ecn::EcnPeers;
use fast_open::FastOpenPeers;
use slab::Slab;

/// What TCP keeps beside its sockets.
#[derive(Debug)]
pub(crate) struct TcpTables {
    /// Where a segment belongs: one hash, one look-up.
    pub(crate) flows: Demux<Flow>,
    pub(crate) ports: PortTable,
    pub(crate) embryos: Slab<Embryo>,
    pub(crate) time_waits: Slab<TimeWait>,
    /// How many of them are of transparent sockets.
    pub(crate) transparent_waits: usize,
    /// Of connections that were frozen.
    pub(crate) frozen: Slab<FrozenPlace>,
    pub(crate) secrets: Secrets,
    /// Connections whose sockets are closed, and that deliver what is left.
    pub(crate) orphans: usize,
    /// Servers that are known to open connections fast, or not to.
    pub(crate) fast_open: FastOpenPeers,
    /// Destinations that do not answer SYNs which ask for explicit congestion notification.
    pub(crate) ecn: EcnPeers,
    /// How often sockets have begun to listen.
    pub(crate) listened: u64,
}

impl TcpTables {
    pub(crate) fn new(config: &Config, seed: Seed) -> Self {
        Self {
            flows: Demux::new(seed.key("tcp flows")),
            ports: PortTable::new(
                config.ephemeral_ports.clone(),
                seed.rng("tcp ports"),
                Sharing::WhileInactive,
            )
            .with_share(config.port_share),
            embryos: Slab::new(),
            time_waits: Slab::new(),
            transparent_waits: 0,
            frozen: Slab::new(),
            secrets: Secrets::new(seed),
            orphans: 0,
            fast_open: FastOpenPeers::new(&config.tcp.fast_open),
            ecn: EcnPeers::new(),
            listened: 0,
        }
    }
}

impl Stack {
    /// Runs `touch` on a socket's connection with what it needs of its surroundings.
    pub(super) fn with_connection<T>(
        &mut self,
        id: SocketId,
        now: Instant,
        touch: impl FnOnce(&mut Connection, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let socket = self.sockets.tcp_mut(id)?;
        let v6 = socket.is_v6();
        let TcpSocket {
            settings,
            role: Role::Connection(connection),
            ..
        } = socket
        else {
            return None;
        };
        let mut cx = Context {
            config: &self.config.tcp,
            settings,
            stats: &mut self.stats,
            memory_spent: self.memory.is_spent(),
            memory_tight: self.memory.is_tight(),
            v6,
            now,
        };
        Some(touch(connection, &mut cx))
    }

    /// Compares what a socket wants now with what is arranged for it: its place among those that
    /// want to transmit, its timer, its memory charge, its event. After every touch, once.
    pub(crate) fn tcp_settle(&mut self, id: SocketId, now: Instant) {
        self.tcp_want_transmit(id);
        self.tcp_settle_sent(id, now);
    }

    /// The same for a socket that has only been given something to send: its timers are looked at when
    /// it has had its turn.
    pub(crate) fn tcp_settle_given(&mut self, id: SocketId, now: Instant) {
        if self.tcp_want_transmit(id) {
            self.tcp_settle_taken(id);
        } else {
            self.tcp_settle_sent(id, now);
        }
    }

    /// Gives a socket that may have something to send its place among those that want to; whether it
    /// may.
    fn tcp_want_transmit(&mut self, id: SocketId) -> bool {
        let iface = self.sockets.tcp(id).and_then(|socket| {
            let may = socket.connection()?.may_transmit();
            socket.path.as_ref().filter(|_| may).map(|path| path.iface)
        });
        let Some(iface) = iface else {
            return false;
        };
        self.want_transmit(iface, id)
    }

    /// The same for a socket that has just had its turn to transmit.
    fn tcp_settle_sent(&mut self, id: SocketId, now: Instant) {
        let wanted = self.with_connection(id, now, |connection, cx| {
            connection.update_timers(cx);
            let over = matches!(connection.state, State::Closed | State::TimeWait);
            Wanted {
                deadline: connection.deadline(),
                event: core::mem::take(&mut connection.notify),
                charge: connection.charge(),
                end: over && connection.orphan,
            }
        });
        let (Some(wanted), Some(socket)) = (wanted, self.sockets.tcp_mut(id)) else {
            return;
        };
        let Wanted {
            deadline,
            event,
            charge,
            end,
        } = wanted;
        self.memory.recharge(&mut socket.charged, charge);
        if deadline < socket.armed_at {
            if let Some(timer) = socket.timer.take() {
                self.wheel.cancel(timer);
            }
            socket.timer = Some(self.wheel.insert(TimerKey::Tcp(id), deadline));
            socket.armed_at = deadline;
        }
        if event {
            self.changed(id);
        }
        if end {
            self.tcp_forget(id);
        }
    }

    /// The same for a socket whose queues alone changed, by what the application took or read.
    pub(crate) fn tcp_settle_taken(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.tcp_mut(id)
            && let Some(charge) = socket.connection().map(Connection::charge)
        {
            self.memory.recharge(&mut socket.charged, charge);
        }
    }

    /// The timer of a connection fired.
    pub(crate) fn tcp_timeout(&mut self, id: SocketId, now: Instant) {
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        socket.timer = None;
        socket.armed_at = Instant::MAX;
        let doubtful = self.with_connection(id, now, |connection, cx| {
            let before = connection.retries;
            connection.handle_timeout(cx);
            before < R1 && connection.retries >= R1
        });
        if doubtful == Some(true) {
            self.avoid_black_hole(id, now);
        }
        if doubtful == Some(true)
            && let Some(path) = self.sockets.tcp(id).and_then(|socket| socket.path)
        {
            // Negative advice (RFC 9293 MUST-20 (b)): perhaps it is the neighbour that is gone.
            self.neighbor_doubt(&path, now);
        }
        self.tcp_unlink_if_closed(id, now);
        self.tcp_settle(id, now);
    }

    /// Takes a socket that is over out of the flow map and gives its local port back.
    fn tcp_unlink_if_closed(&mut self, id: SocketId, now: Instant) {
        if self
            .sockets
            .tcp(id)
            .is_some_and(|socket| socket.state() == State::Closed)
        {
            self.end_fast_open(id, None, now);
            self.tcp_unlink(id);
        }
    }

    fn tcp_unlink(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        if let (true, Some(local), Some(remote)) = (socket.linked, socket.local, socket.remote) {
            socket.linked = false;
            self.tcp.flows.remove(&FlowKey::new(local, remote));
            self.tcp.ports.unhold(local, socket.settings.reuse_address);
        }
    }

    /// Removes a socket and everything that is arranged for it.
    pub(crate) fn tcp_forget(&mut self, id: SocketId) {
        self.tcp_unlink(id);
        let Some(SocketKind::Tcp(mut socket)) = self.remove_socket(id) else {
            return;
        };
        if let Some(queue) = socket.connection_mut().and_then(Connection::end_early) {
            self.early_is_over(queue, None);
        }
        if let Some(timer) = socket.timer {
            self.wheel.cancel(timer);
        }
        self.memory.release(socket.charged);
        let orphan = socket
            .connection()
            .is_some_and(|connection| connection.orphan);
        self.tcp.orphans -= usize::from(orphan);
        if socket.bound
            && let Some(local) = socket.local
        {
            self.tcp.ports.release(local, socket.settings.only_v6, id);
        }
    }
}

/// What a connection wants to have arranged for it.
struct Wanted {
    deadline: Instant,
    event: bool,
    charge: usize,
    /// Nothing holds it any more.
    end: bool,
}

/// Payload of a full segment on a path with this MTU behind bare headers (RFC 9293 §3.7.1).
pub(super) fn path_mss(mtu: u16, address: IpAddr) -> u16 {
    let headers = if address.is_ipv6() { 60 } else { 40 };
    mtu.saturating_sub(headers).max(1)
}
