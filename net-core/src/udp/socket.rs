//! What the stack keeps for each datagram socket.

use super::{DatagramTimes, Destinations, ErrorQueue};
use crate::config::UdpConfig;
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::ip::Path;
use crate::socket::{Family, Readiness, Request, UdpSettings, present};
use crate::time::Instant;
use crate::wire::{ip, ipv4, ipv6, udp};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// A received datagram: of UDP, or what a ping or raw socket takes for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Its payload. At a ping socket that is the ICMP message, at a raw socket what is behind the IP
    /// headers, and for IPv4 the header, too (as in Linux, and RFC 3542 §3 for IPv6).
    pub payload: Bytes,
    /// Who sent it, with port 0 if not over UDP; an IPv6 socket sees IPv4 senders as IPv4-mapped
    /// addresses.
    pub source: SocketAddr,
    /// Which local address it was sent to.
    pub dest: SocketAddr,
    /// Type of service or traffic class of the packet.
    pub tos: u8,
    /// Time to live or hop limit of the packet.
    pub ttl: u8,
    /// The interface that it came over.
    pub iface: IfaceId,
    /// When it came (`SO_TIMESTAMP`).
    pub at: Instant,
    /// The payload is that of several datagrams of so many bytes each, but for the last, which may be
    /// shorter (`UDP_GRO`); at sockets that ask for it only, see [`UdpSettings::gro`].
    pub segment: Option<u16>,
    /// Bytes of memory that keeping `payload` costs.
    pub pins: u32,
    /// The options of its IPv4 header, with what this host has recorded in them (`IP_RECVOPTS`); at sockets
    /// that ask for it only, see [`UdpSettings::recv_options`].
    pub options: Box<[u8]>,
}

impl Datagram {
    /// How many datagrams it stands for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.payload.len().div_ceil(self.stride()).max(1)
    }

    /// The payload of each datagram that it stands for, in order; none is copied.
    pub fn payloads(&self) -> impl Iterator<Item = Bytes> + '_ {
        let stride = self.stride();
        (0..self.count()).map(move |number| {
            let start = number * stride;
            let end = self.payload.len().min(start.saturating_add(stride));
            self.payload.slice(start..end)
        })
    }

    /// Bytes of all datagrams but the last, at least 1.
    fn stride(&self) -> usize {
        let whole = self.payload.len();
        self.segment.map_or(whole, usize::from).max(1)
    }
}

/// A UDP socket, or one that does the same with another protocol.
#[derive(Debug)]
pub(crate) struct DatagramSocket {
    pub(crate) speaks: Speaks,
    pub(crate) family: Family,
    pub(crate) settings: UdpSettings,
    pub(crate) bound: Option<Bound>,
    pub(crate) peer: Option<Peer>,
    /// Where it sent to last; forgotten when options change.
    pub(crate) recent: Option<Recent>,
    /// Where it sent to before that.
    pub(crate) before: Destinations,
    pub(crate) error: Option<SocketError>,
    /// Bytes of datagrams that wait for the device.
    pub(crate) unsent: usize,
    /// A send found no room, so the socket is not writable until there is some.
    pub(crate) blocked: bool,
    /// Options of the IPv4 packets that it sends.
    pub(crate) options: Box<[u8]>,
    /// The groups that it has joined, and on which interfaces.
    pub(crate) memberships: Vec<(IfaceId, IpAddr)>,
    queue: VecDeque<Datagram>,
    charged: usize,
    /// What ICMP errors said, while the socket wants to know.
    pub(crate) errors: ErrorQueue,
    /// When its datagrams left, where it has asked for that.
    pub(crate) times: DatagramTimes,
}

/// What a datagram socket puts between its payload and the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// UDP.
    Udp,
    /// Nothing: it sends echo requests of its own identifier, and receives the replies.
    Echo,
    /// Nothing: it receives echo requests for addresses that no interface has, and sends the answers.
    EchoAnswers,
    /// Nothing: the application speaks the protocol of that number.
    Ip(u8),
}

impl Speaks {
    /// The protocol number in the IP header.
    pub(crate) const fn protocol(self, family: Family) -> u8 {
        match (self, family) {
            (Self::Udp, _) => ip::UDP,
            (Self::Echo | Self::EchoAnswers, Family::V4) => ip::ICMP,
            (Self::Echo | Self::EchoAnswers, Family::V6) => ip::ICMPV6,
            (Self::Ip(protocol), _) => protocol,
        }
    }
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

impl DatagramSocket {
    /// Memory that a waiting datagram costs beside its payload.
    const OVERHEAD: usize = 128;

    /// A socket without addresses.
    pub(crate) fn new(family: Family, speaks: Speaks, config: &UdpConfig) -> Self {
        let mut settings = UdpSettings::new(config);
        // ICMP and most else is of one version.
        settings.only_v6 = speaks != Speaks::Udp;
        Self {
            speaks,
            family,
            settings,
            bound: None,
            peer: None,
            recent: None,
            before: Destinations::default(),
            error: None,
            unsent: 0,
            blocked: false,
            options: Box::default(),
            memberships: Vec::new(),
            queue: VecDeque::new(),
            charged: 0,
            errors: ErrorQueue::default(),
            times: DatagramTimes::default(),
        }
    }

    /// Remembers where it sends to, and the way there.
    pub(crate) fn note_sent(&mut self, recent: Recent) {
        let before = self.recent.replace(recent);
        if let Some(before) = before.filter(|before| before.remote != recent.remote) {
            self.before.note(self.whom(before.remote));
        }
    }

    /// A destination as errors quote it: ports are UDP's alone.
    pub(crate) fn whom(&self, remote: SocketAddr) -> SocketAddr {
        match self.speaks {
            Speaks::Udp => SocketAddr::new(remote.ip(), remote.port()),
            Speaks::Echo | Speaks::EchoAnswers | Speaks::Ip(_) => SocketAddr::new(remote.ip(), 0),
        }
    }

    /// What such a socket is asked for by.
    pub(crate) fn request(&self) -> Request {
        match self.speaks {
            Speaks::Udp => Request::udp(self.family),
            Speaks::Echo => Request::ping(self.family),
            Speaks::EchoAnswers => Request::raw(self.family, self.speaks.protocol(self.family)),
            Speaks::Ip(protocol) => Request::raw(self.family, protocol),
        }
    }

    /// The local address as the application sees it. The port of a raw socket is its protocol, as in
    /// the kernel.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        let mut addr = match (self.peer, self.bound) {
            (Some(peer), _) => present(peer.local, self.family),
            (None, Some(bound)) => present(bound.addr, self.family),
            (None, None) => SocketAddr::new(self.family.unspecified(), 0),
        };
        if let Speaks::Ip(protocol) = self.speaks {
            addr.set_port(protocol.into());
        }
        addr
    }

    /// The peer's address as the application sees it.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        Some(present(self.peer?.remote, self.family))
    }

    /// The source address to send from, if the socket is bound to one; nobody sends from a group.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        let ip = self.bound?.addr.ip();
        (!ip.is_unspecified() && !ip.is_multicast()).then_some(ip)
    }

    /// Checks that the socket may send from a port: its own, or, being transparent, any.
    pub(crate) fn check_source_port(&self, port: u16) -> Result<(), SocketError> {
        if port == 0 {
            return Err(SocketError::InvalidInput("port 0 is no source"));
        }
        let is_own = self.bound.is_some_and(|bound| bound.addr.port() == port);
        if is_own || self.settings.ip.transparent {
            Ok(())
        } else {
            Err(SocketError::PermissionDenied(
                "set the transparent option to send from another port",
            ))
        }
    }

    /// Bytes of the headers in front of a payload that the socket sends.
    pub(crate) const fn headers_to(&self, dest: IpAddr) -> usize {
        let transport = match self.speaks {
            Speaks::Udp => udp::HEADER_LEN,
            Speaks::Ip(_) if self.settings.header_included => return 0,
            Speaks::Echo | Speaks::EchoAnswers | Speaks::Ip(_) => 0,
        };
        match dest {
            IpAddr::V4(_) => ipv4::MIN_HEADER_LEN + self.options.len() + transport,
            IpAddr::V6(_) => ipv6::HEADER_LEN + transport,
        }
    }

    /// Checks the length of a payload against the protocol, and that of each of its datagrams against
    /// the MTU if there may be no fragments, as of a train there may not. The length field of IPv4 counts
    /// the header, that of IPv6 does not.
    pub(crate) fn check_len(
        &self,
        len: usize,
        segment: Option<u16>,
        dest: IpAddr,
        mtu: u16,
    ) -> Result<(), SocketError> {
        let included = self.settings.header_included && matches!(self.speaks, Speaks::Ip(_));
        let mode = self.settings.ip.path_mtu_to(dest);
        let may_fragment = mode.may_fragment() && !included && segment.is_none();
        let headers = self.headers_to(dest);
        let total = len + headers;
        let each = headers + segment.map_or(len, |size| len.min(size.into()));
        let max = match dest {
            IpAddr::V4(_) => usize::from(u16::MAX),
            IpAddr::V6(_) => usize::from(u16::MAX) + ipv6::HEADER_LEN,
        };
        if total > max || !may_fragment && each > usize::from(mtu) {
            return Err(SocketError::MessageTooLong);
        }
        Ok(())
    }

    /// What the socket is ready for.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(
            Readiness::READABLE,
            !self.queue.is_empty() || self.error.is_some() || !self.errors.is_empty(),
        );
        ready.set(Readiness::WRITABLE, !self.blocked);
        let has_error = self.error.is_some() || !self.errors.is_empty();
        ready.set(Readiness::ERROR, has_error);
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

    /// Bytes of payload that wait.
    pub(crate) fn unread(&self) -> usize {
        self.queue
            .iter()
            .map(|datagram| datagram.payload.len())
            .sum()
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

    /// Memory that the waiting datagrams and errors hold alive.
    pub(crate) const fn charged(&self) -> usize {
        self.charged + self.errors.charged()
    }
}
