//! What the stack keeps for each UDP socket.

use crate::config::UdpConfig;
use crate::error::SocketError;
use crate::ip::Path;
use crate::socket::{Family, Readiness, UdpSettings, present};
use alloc::collections::VecDeque;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// A received datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Its payload.
    pub payload: Bytes,
    /// Who sent it; an IPv6 socket sees IPv4 senders as IPv4-mapped addresses.
    pub source: SocketAddr,
    /// Which local address it was sent to.
    pub dest: SocketAddr,
    /// Type of service or traffic class of the packet.
    pub tos: u8,
    /// Time to live or hop limit of the packet.
    pub ttl: u8,
    /// Bytes of memory that keeping `payload` costs.
    pub pins: u32,
}

/// A UDP socket.
#[derive(Debug)]
pub(crate) struct UdpSocket {
    pub(crate) family: Family,
    pub(crate) settings: UdpSettings,
    pub(crate) bound: Option<Bound>,
    pub(crate) peer: Option<Peer>,
    /// Where it sent to last; forgotten when options change.
    pub(crate) recent: Option<Recent>,
    pub(crate) error: Option<SocketError>,
    /// Bytes of datagrams that wait for the device.
    pub(crate) unsent: usize,
    /// A send found no room, so the socket is not writable until there is some.
    pub(crate) blocked: bool,
    queue: VecDeque<Datagram>,
    charged: usize,
}

/// The local address that a socket owns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Canonical: an IPv4-mapped address is kept as IPv4.
    pub(crate) addr: SocketAddr,
    /// `OnlyV6` at the time.
    pub(crate) only_v6: bool,
}

/// The peer of a connected socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The local address of the association.
    pub(crate) local: SocketAddr,
    /// The peer's address.
    pub(crate) remote: SocketAddr,
    /// The way there, to be looked up again when routes change.
    pub(crate) path: Path,
}

/// A destination, and the way that was found to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recent {
    /// As the application named it.
    pub(crate) to: SocketAddr,
    /// What it meant.
    pub(crate) remote: SocketAddr,
    /// The way there, while routes do not change.
    pub(crate) path: Path,
}

impl UdpSocket {
    /// Memory that a waiting datagram costs beside its payload.
    const OVERHEAD: usize = 128;

    /// A socket without addresses.
    pub(crate) fn new(family: Family, config: &UdpConfig) -> Self {
        Self {
            family,
            settings: UdpSettings::new(config),
            bound: None,
            peer: None,
            recent: None,
            error: None,
            unsent: 0,
            blocked: false,
            queue: VecDeque::new(),
            charged: 0,
        }
    }

    /// The local address as the application sees it.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        match (self.peer, self.bound) {
            (Some(peer), _) => present(peer.local, self.family),
            (None, Some(bound)) => present(bound.addr, self.family),
            (None, None) => SocketAddr::new(self.family.unspecified(), 0),
        }
    }

    /// The peer's address as the application sees it.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        Some(present(self.peer?.remote, self.family))
    }

    /// The source address to send from, if the socket is bound to one.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        let ip = self.bound?.addr.ip();
        (!ip.is_unspecified()).then_some(ip)
    }

    /// What the socket is ready for.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(
            Readiness::READABLE,
            !self.queue.is_empty() || self.error.is_some(),
        );
        ready.set(Readiness::WRITABLE, !self.blocked);
        ready.set(Readiness::ERROR, self.error.is_some());
        ready
    }

    /// Takes the pending error.
    pub(crate) const fn take_error(&mut self) -> Option<SocketError> {
        self.error.take()
    }

    /// Memory that keeping a datagram costs.
    pub(crate) const fn cost(pins: u32) -> usize {
        pins as usize + Self::OVERHEAD
    }

    /// Whether the buffer takes another datagram: while it is not full, so that every socket can
    /// receive a datagram of any size.
    pub(crate) const fn has_room(&self) -> bool {
        self.charged < self.settings.recv_buffer
    }

    /// Puts a datagram behind the others.
    pub(crate) fn push(&mut self, datagram: Datagram) {
        self.charged += Self::cost(datagram.pins);
        self.queue.push_back(Datagram {
            source: present(datagram.source, self.family),
            dest: present(datagram.dest, self.family),
            ..datagram
        });
    }

    /// Takes the first datagram, and what it was charged.
    pub(crate) fn pop(&mut self) -> Option<(Datagram, usize)> {
        let datagram = self.queue.pop_front()?;
        let cost = Self::cost(datagram.pins);
        self.charged = self.charged.saturating_sub(cost);
        Some((datagram, cost))
    }

    /// How many datagrams wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Moves every datagram out; what they were charged.
    pub(crate) fn drain(&mut self, into: &mut VecDeque<Datagram>) -> usize {
        into.append(&mut self.queue);
        core::mem::take(&mut self.charged)
    }

    /// Memory that the waiting datagrams hold alive.
    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }
}
