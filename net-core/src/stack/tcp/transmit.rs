//! Sockets hand their segments to an interface that has room.

use crate::buf::TxBatch;
use crate::ip::IpMeta;
use crate::offload::gso;
use crate::socket::{PathMtuMode, SocketId};
use crate::stack::{MAX_TX_BATCH, Stack};
use crate::tcp::connection::Context;
use crate::tcp::output::Ports;
use crate::tcp::segment::{ECN_CAPABLE, ECN_MASK};
use crate::tcp::socket::{Role, TcpSocket};
use crate::time::Instant;
use crate::wire::ip;

/// Super-segments that one socket sends before it is the next one's turn.
const TURN: usize = 4;

impl Stack {
    /// Lets a socket send a few packets into `out`; whether it has more. A super-segment that is
    /// cut here is not left half sent, so `out` may grow somewhat beyond its usual size.
    pub(crate) fn tcp_transmit(&mut self, id: SocketId, now: Instant, out: &mut TxBatch) -> bool {
        self.refresh_path(id);
        let mut more = true;
        for _ in 0..TURN {
            if out.len() >= MAX_TX_BATCH {
                break;
            }
            let Some(socket) = self.sockets.tcp_mut(id) else {
                return false;
            };
            let v6 = socket.is_v6();
            let TcpSocket {
                settings,
                role: Role::Connection(connection),
                local: Some(local),
                remote: Some(remote),
                path: Some(path),
                ..
            } = socket
            else {
                return false;
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
            let ports = Ports {
                local: local.port(),
                remote: remote.port(),
            };
            let Some(mut packet) = connection.poll_transmit(ports, &mut cx) else {
                more = false;
                break;
            };
            let meta = IpMeta {
                source: local.ip(),
                dest: remote.ip(),
                protocol: ip::TCP,
                tos: if connection.ecn.take_capable() {
                    settings.tos & !ECN_MASK | ECN_CAPABLE
                } else {
                    settings.tos & !ECN_MASK
                },
                ttl: settings.ttl.unwrap_or(self.config.ttl),
                dont_fragment: settings.path_mtu != PathMtuMode::Dont,
            };
            packet.meta.departure = now;
            let path = *path;
            self.ip_finish(&path, meta, &mut packet);
            if packet.meta.gso.is_some() && !path.caps.tso {
                gso::segment(packet, path.caps.tx_checksum, out).expect("the headers are our own");
            } else {
                out.push(packet);
            }
        }
        self.tcp_settle(id, now);
        more
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
        if let Ok(fresh) = self.route(remote.ip(), Some(local.ip()))
            && let Some(socket) = self.sockets.tcp_mut(id)
        {
            socket.path = Some(fresh);
        }
    }
}
