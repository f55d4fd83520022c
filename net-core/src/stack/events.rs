//! Telling the application which sockets changed.

use super::Stack;
use crate::socket::{Event, Readiness, SocketId, SocketKind};

impl Stack {
    /// The next socket that changed, with its readiness now; each once, until it changes again.
    pub fn poll_event(&mut self) -> Option<Event> {
        while let Some(index) = self.events.pop() {
            if let Some(socket) = self.sockets.id_at(index)
                && self.sockets.is_owned(socket)
                && self.sockets.take_changed(socket)
            {
                let ready = self.readiness(socket);
                return Some(Event { socket, ready });
            }
        }
        None
    }

    /// What the socket is ready for now; nothing for a stale id.
    #[must_use]
    pub fn readiness(&self, id: SocketId) -> Readiness {
        if !self.sockets.is_owned(id) {
            return Readiness::empty();
        }
        match self.sockets.get(id) {
            Some(SocketKind::Tcp(_)) => self.tcp_readiness(id),
            Some(SocketKind::Datagram(socket)) => socket.readiness(),
            Some(SocketKind::Packet(socket)) => socket.readiness(),
            // A plugged protocol wakes its tasks itself.
            Some(SocketKind::Plugged(_)) | None => Readiness::empty(),
        }
    }

    /// Notes that a socket changed, so that [`poll_event`](Self::poll_event) will name it.
    pub(crate) fn changed(&mut self, id: SocketId) {
        self.sockets.set_changed(id);
        self.events.push(id);
    }

    /// Takes a socket out of the table for good.
    pub(crate) fn remove_socket(&mut self, id: SocketId) -> Option<SocketKind> {
        self.sockets.remove(id)
    }
}
