//! Telling what sockets there are, and how they are doing.

use super::Stack;
use crate::error::SocketError;
use crate::socket::{SocketId, SocketKind, Summary, present};
use crate::tcp::State;
use crate::tcp::socket::{Role, TcpSocket};
use crate::udp::{DatagramSocket, Speaks};
use core::ops::Range;

impl Stack {
    /// How a socket is doing, in a line.
    ///
    /// # Errors
    /// `NoSuchSocket`.
    pub fn summary(&self, id: SocketId) -> Result<Summary, SocketError> {
        let blank = Summary {
            socket: id,
            protocol: "plugged",
            state: None,
            local: None,
            peer: None,
            unread: 0,
            unsent: 0,
            orphan: !self.sockets.is_owned(id),
        };
        Ok(
            match self.sockets.get(id).ok_or(SocketError::NoSuchSocket)? {
                SocketKind::Tcp(socket) => summary_of_tcp(socket, blank),
                SocketKind::Datagram(socket) => summary_of_udp(socket, blank),
                SocketKind::Packet(socket) => Summary {
                    protocol: "packet",
                    unread: socket.unread(),
                    unsent: socket.unsent,
                    ..blank
                },
                SocketKind::Plugged(socket) => Summary {
                    local: socket.local_addr().ok(),
                    peer: socket.peer_addr().ok(),
                    ..blank
                },
            },
        )
    }

    /// The same of every socket, also of those that only the protocol still needs.
    pub fn summaries(&self) -> impl Iterator<Item = Summary> + '_ {
        self.sockets.ids().filter_map(|id| self.summary(id).ok())
    }

    /// The same of the sockets in some of the places that there are, numbered from 0 as by
    /// [`SocketId::index`]; `None` behind the last place. A socket keeps its place, so that one that is there all
    /// the while is found once where places are asked about in pieces, whatever happens between two of them.
    ///
    /// ```
    /// use net_core::socket::Family;
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// let socket = stack.udp_open(Family::V4)?;
    /// let mut found = stack.summaries_in(0..1024).unwrap();
    /// assert_eq!(found.next().unwrap().socket, socket);
    /// assert!(stack.summaries_in(1024..2048).is_none());
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    pub fn summaries_in(&self, places: Range<usize>) -> Option<impl Iterator<Item = Summary> + '_> {
        let places = places.start..places.end.min(self.sockets.places());
        let places = Some(places).filter(|places| !places.is_empty())?;
        let ids = places.filter_map(|place| self.sockets.id_at(u32::try_from(place).ok()?));
        Some(ids.filter_map(|id| self.summary(id).ok()))
    }
}

fn summary_of_tcp(socket: &TcpSocket, blank: Summary) -> Summary {
    let waiting = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let (unread, unsent) = match &socket.role {
        Role::Idle => (0, 0),
        Role::Listener(listener) => {
            let unread = waiting(listener.ready.len()).saturating_add(listener.held);
            (unread as usize, listener.backlog as usize)
        }
        Role::Connection(connection) => (connection.receiver.unread(), connection.queue.len()),
    };
    Summary {
        protocol: "tcp",
        state: Some(socket.state()),
        local: Some(socket.local_addr()),
        peer: socket
            .remote
            .filter(|_| socket.state() != State::Closed)
            .map(|remote| present(remote, socket.family)),
        unread,
        unsent,
        ..blank
    }
}

fn summary_of_udp(socket: &DatagramSocket, blank: Summary) -> Summary {
    Summary {
        protocol: match socket.speaks {
            Speaks::Udp => "udp",
            Speaks::Echo | Speaks::EchoAnswers => "icmp",
            Speaks::Ip(_) => "raw",
        },
        local: Some(socket.local_addr()),
        peer: socket.peer_addr(),
        unread: socket.unread(),
        unsent: socket.unsent,
        ..blank
    }
}
