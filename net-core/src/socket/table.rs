//! Where sockets live: a slab with generations, so that a stale id never names a new socket.

use super::{SocketId, SocketOps};
use crate::error::SocketError;
use crate::packet::PacketSocket;
use crate::tcp::TcpSocket;
use crate::udp::DatagramSocket;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A socket of any kind.
#[derive(Debug)]
pub(crate) enum SocketKind {
    /// A TCP listener or connection.
    Tcp(Box<TcpSocket>),
    /// A UDP, ping or raw socket.
    Datagram(Box<DatagramSocket>),
    /// A packet socket.
    Packet(Box<PacketSocket>),
    /// One of a protocol that the embedder brought.
    Plugged(Box<dyn SocketOps>),
}

/// The sockets of a stack by id.
///
/// A closed TCP connection lives on as an *orphan*: the protocol reaches it by its id, the
/// application no longer does.
#[derive(Debug)]
pub(crate) struct SocketTable {
    entries: Vec<Entry>,
    free: Option<u32>,
    live: usize,
    /// How many may have addresses that are not this host's.
    transparent: usize,
    max: usize,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    orphan: bool,
    /// Something happened that the application was not told yet.
    changed: bool,
    /// It counts as transparent.
    transparent: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Free { next: Option<u32> },
    Live(SocketKind),
}

impl SocketTable {
    /// A table for at most `max` sockets.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            entries: Vec::new(),
            free: None,
            live: 0,
            transparent: 0,
            max: max.min(u32::MAX as usize),
        }
    }

    /// How many sockets there are, orphans included.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Whether there is no room for another.
    pub(crate) fn is_full(&self) -> bool {
        self.live >= self.max
    }

    /// Adds a socket.
    pub(crate) fn insert(&mut self, kind: SocketKind) -> Result<SocketId, SocketError> {
        self.insert_with(|_| kind)
    }

    /// Adds a socket that is made from its own id.
    pub(crate) fn insert_with(
        &mut self,
        make: impl FnOnce(SocketId) -> SocketKind,
    ) -> Result<SocketId, SocketError> {
        if self.is_full() {
            return Err(SocketError::TooManySockets);
        }
        let index = match self.free {
            Some(index) => index,
            None => {
                let index =
                    u32::try_from(self.entries.len()).map_err(|_| SocketError::TooManySockets)?;
                self.entries.push(Entry {
                    generation: 0,
                    orphan: false,
                    changed: false,
                    transparent: false,
                    state: State::Free { next: None },
                });
                index
            }
        };
        let entry = self
            .entries
            .get_mut(index as usize)
            .ok_or(SocketError::TooManySockets)?;
        if let State::Free { next } = entry.state {
            self.free = next;
        }
        let id = SocketId::new(index, entry.generation, 0);
        (entry.orphan, entry.changed) = (false, false);
        entry.state = State::Live(make(id));
        self.live += 1;
        Ok(id)
    }

    /// How many sockets may have addresses that are not this host's.
    #[inline]
    pub(crate) const fn transparent(&self) -> usize {
        self.transparent
    }

    /// Notes whether the socket may have addresses that are not this host's.
    pub(crate) fn note_transparent(&mut self, id: SocketId, transparent: bool) {
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        let before = core::mem::replace(&mut entry.transparent, transparent);
        self.transparent += usize::from(transparent);
        self.transparent -= usize::from(before);
    }

    /// Takes a socket out; its id is stale from now on.
    pub(crate) fn remove(&mut self, id: SocketId) -> Option<SocketKind> {
        self.note_transparent(id, false);
        let free = self.free;
        let entry = self.entry_mut(id)?;
        let State::Live(kind) = core::mem::replace(&mut entry.state, State::Free { next: free })
        else {
            return None;
        };
        entry.generation = entry.generation.wrapping_add(1);
        self.free = u32::try_from(id.index()).ok();
        self.live -= 1;
        Some(kind)
    }

    /// The socket, also if it is an orphan.
    pub(crate) fn get(&self, id: SocketId) -> Option<&SocketKind> {
        match &self.entry(id)?.state {
            State::Live(kind) => Some(kind),
            State::Free { .. } => None,
        }
    }

    /// The socket, also if it is an orphan.
    pub(crate) fn get_mut(&mut self, id: SocketId) -> Option<&mut SocketKind> {
        match &mut self.entry_mut(id)?.state {
            State::Live(kind) => Some(kind),
            State::Free { .. } => None,
        }
    }

    /// The TCP socket, also if it is an orphan.
    pub(crate) fn tcp(&self, id: SocketId) -> Option<&TcpSocket> {
        match self.get(id)? {
            SocketKind::Tcp(socket) => Some(socket),
            _ => None,
        }
    }

    /// The TCP socket, also if it is an orphan.
    pub(crate) fn tcp_mut(&mut self, id: SocketId) -> Option<&mut TcpSocket> {
        match self.get_mut(id)? {
            SocketKind::Tcp(socket) => Some(socket),
            _ => None,
        }
    }

    /// The UDP, ping or raw socket.
    pub(crate) fn udp(&self, id: SocketId) -> Option<&DatagramSocket> {
        match self.get(id)? {
            SocketKind::Datagram(socket) => Some(socket),
            _ => None,
        }
    }

    /// The UDP, ping or raw socket.
    pub(crate) fn udp_mut(&mut self, id: SocketId) -> Option<&mut DatagramSocket> {
        match self.get_mut(id)? {
            SocketKind::Datagram(socket) => Some(socket),
            _ => None,
        }
    }

    /// The packet socket.
    pub(crate) fn packet(&self, id: SocketId) -> Option<&PacketSocket> {
        match self.get(id)? {
            SocketKind::Packet(socket) => Some(socket),
            _ => None,
        }
    }

    /// The packet socket.
    pub(crate) fn packet_mut(&mut self, id: SocketId) -> Option<&mut PacketSocket> {
        match self.get_mut(id)? {
            SocketKind::Packet(socket) => Some(socket),
            _ => None,
        }
    }

    /// The application has let go of the socket; the protocol still needs it.
    pub(crate) fn orphan(&mut self, id: SocketId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.orphan = true;
        }
    }

    /// Whether the application still holds the socket.
    pub(crate) fn is_owned(&self, id: SocketId) -> bool {
        self.entry(id).is_some_and(|entry| !entry.orphan)
    }

    /// Notes that there is news about the socket.
    pub(crate) fn set_changed(&mut self, id: SocketId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.changed = true;
        }
    }

    /// Whether there is news about the socket; once.
    pub(crate) fn take_changed(&mut self, id: SocketId) -> bool {
        self.entry_mut(id)
            .is_some_and(|entry| core::mem::take(&mut entry.changed))
    }

    /// The ids of all sockets.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        (0..count).filter_map(|index| self.id_at(index))
    }

    /// How many places there are for sockets. Each keeps its own.
    pub(crate) fn places(&self) -> usize {
        self.entries.len()
    }

    /// The id of the socket that now lives at `index`.
    pub(crate) fn id_at(&self, index: u32) -> Option<SocketId> {
        let entry = self.entries.get(index as usize)?;
        matches!(entry.state, State::Live(_)).then(|| SocketId::new(index, entry.generation, 0))
    }

    #[inline]
    fn entry(&self, id: SocketId) -> Option<&Entry> {
        let entry = self.entries.get(id.index())?;
        id.is_of(entry.generation, 0).then_some(entry)
    }

    #[inline]
    fn entry_mut(&mut self, id: SocketId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.index())?;
        id.is_of(entry.generation, 0).then_some(entry)
    }
}
