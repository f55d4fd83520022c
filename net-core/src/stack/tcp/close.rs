//! The application is done with a socket; the connection may outlive it.

use crate::SocketError;
use crate::socket::{Readiness, SocketId};
use crate::stack::Stack;
use crate::tcp::State;
use crate::tcp::socket::{Role, TcpSocket};
use crate::time::Instant;
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};

impl Stack {
    /// CLOSE (RFC 9293 §3.10.4) by an application that keeps no handle: what is queued is still
    /// delivered, unless data was left unread or linger is zero; then RST (RFC 2525 §2.17).
    pub(crate) fn tcp_close(&mut self, id: SocketId, now: Instant) {
        self.sockets.orphan(id);
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        let linger = socket.settings.linger;
        match &mut socket.role {
            Role::Idle => self.tcp_forget(id),
            Role::Listener(_) => {
                self.end_listening(id, now);
                self.tcp_forget(id);
            }
            Role::Connection(connection) => {
                let over = matches!(connection.state, State::Closed | State::TimeWait);
                let unread = connection.receiver.unread() > 0;
                if over || matches!(connection.state, State::SynSent) {
                    self.tcp_forget(id);
                    return;
                }
                let crowded = self.tcp.orphans >= self.config.tcp.max_orphans;
                if unread || crowded || linger.is_some_and(|time| time.is_zero()) {
                    self.stats.tcp_orphans_reset += u64::from(crowded);
                    self.tcp_abort(id, now);
                    return;
                }
                self.tcp.orphans += 1;
                connection.orphan = true;
                connection.finish();
                if connection.state == State::FinWait2 {
                    connection.give_up_at = now + self.config.tcp.fin_wait_2;
                }
                self.tcp_settle(id, now);
            }
        }
    }

    /// Makes a fresh socket of it again, at the address that it was bound to.
    pub(crate) fn tcp_disconnect(&mut self, id: SocketId, now: Instant) -> Result<(), SocketError> {
        self.end_listening(id, now);
        self.tcp_reset(id, now);
        self.tcp_unlink(id);
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let listened = matches!(socket.role, Role::Listener(_));
        socket.role = Role::Idle;
        socket.remote = None;
        socket.path = None;
        if !socket.bound {
            socket.local = None;
        }
        let (only_v6, local) = (socket.settings.only_v6, socket.local);
        if let Some(timer) = socket.timer.take() {
            socket.armed_at = Instant::MAX;
            self.wheel.cancel(timer);
        }
        let charged = core::mem::take(&mut socket.charged);
        self.memory.release(charged);
        match local.filter(|_| listened) {
            Some(local) => self.tcp.ports.set_active(local, only_v6, id, false),
            None => Ok(()),
        }
    }

    /// Both queues of a listener end with it, as its TCBs do (RFC 9293 §3.10.4, §3.10.5): who waits to be
    /// accepted gets a RST, half-open connections are forgotten.
    fn end_listening(&mut self, id: SocketId, now: Instant) {
        let Some(listener) = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut) else {
            return;
        };
        let half_open = listener.half_open;
        for child in core::mem::take(&mut listener.ready) {
            self.tcp_abort(child, now);
        }
        self.drop_embryos_of(id, half_open);
    }

    /// ABORT (RFC 9293 §3.10.5): RST at once, everything is dropped.
    pub(crate) fn tcp_abort(&mut self, id: SocketId, now: Instant) {
        self.sockets.orphan(id);
        self.end_listening(id, now);
        self.tcp_reset(id, now);
        self.tcp_forget(id);
    }

    /// Sends RST for a synchronised connection and ends it; the handle stays.
    pub(crate) fn tcp_reset(&mut self, id: SocketId, now: Instant) {
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        let (local, remote, mut settings) = (socket.local, socket.remote, socket.settings.ip);
        let capable = socket.settings.marks_control(&self.config.tcp);
        let ends = local.zip(remote);
        let Some(connection) = socket.connection_mut() else {
            return;
        };
        if capable && connection.ecn.on {
            settings.make_capable();
        }
        let (nxt, ack) = (connection.nxt, connection.receiver.nxt);
        let recent = connection.ts_recent;
        let timestamps = recent.map(|recent| (connection.timestamp(now), recent));
        let told = connection.state.is_synchronised() || connection.state == State::SynReceived;
        let told = told && connection.state != State::TimeWait;
        connection.terminate(Some(SocketError::ConnectionAborted));
        if told && let Some((local, remote)) = ends {
            self.stats.tcp_resets_sent += 1;
            let flags = TcpFlags::RST | TcpFlags::ACK;
            let header = TcpHeader {
                seq: nxt,
                ack,
                flags,
                options: TcpOptions {
                    timestamps,
                    ..TcpOptions::default()
                },
                ..TcpHeader::default()
            };
            self.send_bare(header, local, remote, &settings, now);
        }
        self.tcp_unlink_if_closed(id, now);
    }

    pub(crate) fn tcp_take_error(&mut self, id: SocketId) -> Option<SocketError> {
        self.sockets.tcp_mut(id)?.connection_mut()?.error.take()
    }

    pub(crate) fn tcp_readiness(&self, id: SocketId) -> Readiness {
        self.sockets
            .tcp(id)
            .map_or(Readiness::empty(), |socket| socket.readiness())
    }
}
