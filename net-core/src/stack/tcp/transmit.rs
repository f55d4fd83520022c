//! Sockets hand their segments to an interface that has room.

use crate::buf::TxBatch;
use crate::ip::{IpMeta, Path};
use crate::neighbor::NeighborHint;
use crate::offload::gso;
use crate::socket::SocketId;
use crate::stack::{MAX_TX_BATCH, Stack};
use crate::tcp::output::Ports;
use crate::tcp::segment::ECN_CAPABLE;
use crate::time::Instant;
use crate::wire::ip::{self, ECN_MASK};

/// Super-segments that one socket sends before it is the next one's turn.
const TURN: usize = 4;

impl Stack {
    /// Lets a socket send a few packets into `out`; whether it has more. A super-segment that is
    /// cut here is not left half sent, so `out` may grow somewhat beyond its usual size.
    pub(crate) fn tcp_transmit(&mut self, id: SocketId, now: Instant, out: &mut TxBatch) -> bool {
        self.refresh_path(id);
        let ends = self.sockets.tcp(id).map(|s| (s.local, s.remote, s.path));
        let Some((Some(local), Some(remote), Some(mut path))) = ends else {
            return false;
        };
        let ports = Ports {
            local: local.port(),
            remote: remote.port(),
        };
        let ttl = self.config.ttl;
        let mut more = true;
        for _ in 0..TURN {
            if out.len() >= MAX_TX_BATCH {
                break;
            }
            let before = out.len();
            let packet = out.slot();
            let meta = self.with_connection(id, now, |connection, cx| {
                if !connection.poll_transmit(ports, cx, packet) {
                    return None;
                }
                let ecn = if connection.ecn.take_capable() {
                    ECN_CAPABLE
                } else {
                    0
                };
                let meta = IpMeta::new(&cx.settings.ip, &path, remote.ip(), ip::TCP, ttl);
                Some(IpMeta {
                    source: local.ip(),
                    tos: meta.tos & !ECN_MASK | ecn,
                    ..meta
                })
            });
            let Some(meta) = meta.flatten() else {
                out.truncate(before);
                more = false;
                break;
            };
            packet.meta.departure = now;
            self.ip_finish(&path, meta, packet);
            if packet.meta.gso.is_some() && !path.caps.tso {
                core::mem::swap(&mut self.uncut, packet);
                out.truncate(before);
                gso::segment(&self.uncut, path.caps.tx_checksum, out)
                    .expect("the headers are our own");
                self.uncut.reset();
            }
            self.link_transmit(&mut path, out, before, now);
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

    /// Looks the route up again where the tables have changed since.
    fn refresh_path(&mut self, id: SocketId) {
        let generation = self.routes.generation();
        let Some(socket) = self.sockets.tcp(id) else {
            return;
        };
        let (Some(path), Some(local), Some(remote)) = (socket.path, socket.local, socket.remote)
        else {
            return;
        };
        if path.generation == generation {
            return;
        }
        let settings = socket.settings.ip;
        if let Ok(fresh) = self.route_for(&settings, remote.ip(), Some(local.ip()))
            && let Some(socket) = self.sockets.tcp_mut(id)
        {
            socket.path = Some(fresh);
        }
    }
}
