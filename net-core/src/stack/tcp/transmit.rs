//! Sockets hand their segments to an interface that has room.

use crate::buf::TxBatch;
use crate::error::SocketError;
use crate::iface::{DeviceCaps, IfaceId};
use crate::ip::{IpMeta, Path};
use crate::neighbor::NeighborHint;
use crate::offload::gso;
use crate::qdisc::{Owner, Timed};
use crate::socket::SocketId;
use crate::stack::ip_output::Passage;
use crate::stack::{MAX_TX_BATCH, Stack};
use crate::stats::DropReason;
use crate::tcp::connection::Connection;
use crate::tcp::output::Ports;
use crate::tcp::segment::ECN_CAPABLE;
use crate::tcp::socket::TcpSocket;
use crate::tcp::transmit_times::TransmitTimes;
use crate::time::Instant;
use crate::wire::ip::{self, ECN_MASK};

/// Where what a socket sends goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To the device.
    Device,
    /// Into the queue in front of it.
    Queue,
}

/// What has become of the way of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refreshed {
    /// It leads over the interface that it led over before.
    Here,
    /// It leads over another interface now.
    Moved(IfaceId),
    /// There is none: the host has the address of its end no more.
    NoSource,
}

/// Super-segments that one socket sends before it is the next one's turn.
const TURN: usize = 4;

impl Stack {
    /// Lets a socket send a few packets into `out`; whether it has more. A super-segment that is
    /// cut here is not left half sent, so `out` may grow somewhat beyond its usual size.
    pub(crate) fn tcp_transmit(&mut self, id: SocketId, now: Instant, out: &mut TxBatch) -> bool {
        self.tcp_send(id, TURN, Way::Device, now, out)
    }

    /// As [`tcp_transmit`](Self::tcp_transmit), up to so many super-segments.
    #[inline]
    fn tcp_send(
        &mut self,
        id: SocketId,
        turn: usize,
        way: Way,
        now: Instant,
        out: &mut TxBatch,
    ) -> bool {
        let has_source = match self.refresh_path(id, now) {
            Refreshed::Moved(iface) => {
                // Not the one that asks: there it has its turn.
                self.want_transmit(iface, id);
                return false;
            }
            Refreshed::Here => true,
            Refreshed::NoSource => false,
        };
        let Some(socket) = self.sockets.tcp(id) else {
            return false;
        };
        let has_options = socket.settings.ip.option_bytes > 0;
        let ends = (socket.local, socket.remote, socket.path);
        let (Some(local), Some(remote), Some(mut path)) = ends else {
            return false;
        };
        let ports = Ports {
            local: local.port(),
            remote: remote.port(),
        };
        let ttl = self.config.ttl;
        if has_options {
            // No device sums or cuts behind options.
            path.caps = DeviceCaps::default();
        }
        let mut more = true;
        for _ in 0..turn {
            if !more || out.len() >= MAX_TX_BATCH {
                break;
            }
            let before = out.len();
            let packet = out.slot();
            let sent = self.with_connection(id, now, |connection, cx| {
                if !connection.poll_transmit(ports, cx, packet) {
                    return None;
                }
                let timed = match (way, &mut connection.transmit_times) {
                    (Way::Device, Some(times)) => times.take_made(),
                    _ => None,
                };
                let control = cx.settings.marks_control(cx.config);
                let ecn = if connection.ecn.take_capable(control) {
                    ECN_CAPABLE
                } else {
                    0
                };
                let meta = IpMeta::new(&cx.settings.ip, &path, remote.ip(), ip::TCP, ttl);
                let meta = IpMeta {
                    source: local.ip(),
                    tos: meta.tos & !ECN_MASK | ecn,
                    ..meta
                };
                Some((meta, connection.may_transmit(), timed))
            });
            let Some((meta, goes_on, timed)) = sent.flatten() else {
                out.truncate(before);
                more = false;
                break;
            };
            more = goes_on;
            if !has_source {
                // Lost here, so that the timers of the connection end it.
                self.stats.count_drop(DropReason::NoRoute);
                out.truncate(before);
                continue;
            }
            packet.meta.departure = now;
            self.ip_finish(&path, meta, packet);
            if has_options {
                self.put_stream_options(id, meta.source, packet);
            }
            if self.pass_out(path.iface, meta.origin, packet, None) != Passage::Leaves {
                out.truncate(before);
                continue;
            }
            if packet.meta.gso.is_some() && !path.caps.tso {
                core::mem::swap(&mut self.uncut, packet);
                out.truncate(before);
                gso::segment(&self.uncut, path.caps.tx_checksum, out)
                    .expect("the headers are our own");
                self.uncut.reset();
            }
            self.link_transmit(&mut path, out, before, now);
            if let Some(number) = timed
                && out.len() > before
                && let Some(connection) =
                    self.sockets.tcp_mut(id).and_then(TcpSocket::connection_mut)
            {
                connection.note_handed_over(number, now);
            }
        }
        self.remember_neighbor(id, &path, now);
        self.tcp_settle_sent(id, now);
        more
    }

    /// Keeps the place of the neighbour for the next time, and tells the cache that the peer, and so
    /// the neighbour, has been reached since the last time.
    fn remember_neighbor(&mut self, id: SocketId, path: &Path, now: Instant) {
        if path.neighbor == NeighborHint::default() {
            return;
        }
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        if let Some(kept) = &mut socket.path {
            kept.neighbor = path.neighbor;
        }
        let Some(una) = socket.connection().map(|connection| connection.una) else {
            return;
        };
        let acknowledged = socket.confirmed.replace(una);
        if acknowledged.is_some_and(|before| before != una) {
            self.neighbor_confirm(path, now);
        }
    }

    /// Lets a socket put a few packets into the queue in front of its device, up to its share;
    /// whether it may go on at once. One that has its share there goes on when some have left.
    pub(crate) fn tcp_enqueue(&mut self, id: SocketId, now: Instant) -> bool {
        let mut batch = core::mem::take(&mut self.turn);
        let mut more = true;
        for _ in 0..TURN {
            let Some(limit) = self.tcp_queue_limit(id) else {
                more = false;
                break;
            };
            self.limit_burst(id, limit / 2);
            more = self.tcp_send(id, 1, Way::Queue, now, &mut batch);
            self.limit_burst(id, u32::MAX);
            self.tcp_queue(id, &mut batch);
            if !more {
                break;
            }
        }
        self.turn = batch;
        more
    }

    /// Queues what a socket has just sent, at its expense.
    fn tcp_queue(&mut self, id: SocketId, batch: &mut TxBatch) {
        let path = self.sockets.tcp(id).and_then(|socket| socket.path);
        let Some(iface) = path.map(|path| path.iface) else {
            batch.clear();
            return;
        };
        let times = self
            .sockets
            .tcp_mut(id)
            .and_then(TcpSocket::connection_mut)
            .and_then(|connection| connection.transmit_times.as_deref_mut());
        let timed = times.and_then(TransmitTimes::take_made);
        let mut left = batch.len();
        for sent in batch.packets_mut() {
            let mut packet = self.new_packet();
            core::mem::swap(&mut packet, sent);
            left -= 1;
            // Of a super-segment that was cut the last part counts.
            let timed = timed.filter(|_| left == 0).map(Timed::Segment);
            let owner = Owner {
                timed,
                ..Owner::new(id, &packet)
            };
            self.hold(owner);
            self.device_queue(iface, packet, Some(owner));
        }
        batch.clear();
    }

    /// A packet has left the queue in front of the device: its socket may put others there.
    pub(crate) fn tcp_left_queue(&mut self, owner: Owner) {
        let Some(socket) = self.sockets.tcp_mut(owner.socket) else {
            return;
        };
        socket.queued = socket.queued.saturating_sub(owner.bytes);
        let now = self.clock;
        let mut news = false;
        if let Some(Timed::Segment(number)) = owner.timed
            && let Some(connection) = socket.connection_mut()
        {
            connection.note_handed_over(number, now);
            news = core::mem::take(&mut connection.notify);
        }
        if let Some(path) = socket.path
            && socket.connection().is_some_and(Connection::may_transmit)
        {
            self.want_transmit(path.iface, owner.socket);
        }
        if news {
            self.changed(owner.socket);
        }
    }

    /// How much a socket may have in the queue in front of its device; `None` if it has that there.
    fn tcp_queue_limit(&self, id: SocketId) -> Option<u32> {
        let socket = self.sockets.tcp(id)?;
        let time = self.config.tcp.device_queue_time;
        let limit = socket.connection()?.queue_limit(time);
        (socket.queued < limit).then_some(limit)
    }

    fn limit_burst(&mut self, id: SocketId, payload: u32) {
        let socket = self.sockets.tcp_mut(id);
        if let Some(connection) = socket.and_then(TcpSocket::connection_mut) {
            connection.max_burst = payload;
        }
    }

    /// Looks the route up again where the tables have changed since. A connection whose own address is not the
    /// host's any more has no way (RFC 5227 §2.4(b), RFC 2131 §4.4.5); without a route to the other end it keeps
    /// the way that it had. Where less fits the new one, segments get smaller.
    fn refresh_path(&mut self, id: SocketId, now: Instant) -> Refreshed {
        let generation = self.routes.generation();
        let Some(socket) = self.sockets.tcp(id) else {
            return Refreshed::Here;
        };
        let ends = (socket.path, socket.local, socket.remote);
        let (Some(path), Some(local), Some(remote)) = ends else {
            return Refreshed::Here;
        };
        if path.generation == generation {
            return Refreshed::Here;
        }
        let settings = socket.settings.ip;
        match self.route_for(&settings, remote.ip(), Some(local.ip())) {
            Ok(fresh) => {
                if let Some(socket) = self.sockets.tcp_mut(id) {
                    socket.path = Some(fresh);
                }
                if fresh.mtu < path.mtu {
                    self.path_is_narrower(id, fresh.mtu, fresh.mtu, fresh.source, now);
                }
                if fresh.iface == path.iface {
                    Refreshed::Here
                } else {
                    Refreshed::Moved(fresh.iface)
                }
            }
            Err(SocketError::AddressNotAvailable) => Refreshed::NoSource,
            Err(_) => Refreshed::Here,
        }
    }
}
