//! Which sockets there are to be had: the table of address families, and for each its types and
//! protocols, with what makes a socket of them.

use super::{Domain, Family, Protocol, Request, SocketOps, SocketType};
use crate::error::SocketError;
use crate::packet::PacketKind;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// The address families of a stack.
///
/// IPv4, IPv6 and packet sockets are there from the beginning. More can be registered, and any can be
/// taken out, at any time; sockets that exist stay as they are.
///
/// ```
/// use net_core::socket::{Domain, Entry, Family, Handler, Protocol, Request, SocketType};
/// use net_core::{Config, Instant, Seed, SocketError, Stack};
///
/// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
/// let request = Request {
///     domain: Domain(40),
///     socket_type: SocketType::STREAM,
///     protocol: Protocol::ANY,
/// };
/// assert_eq!(stack.socket(request), Err(SocketError::AddressFamily));
///
/// stack.families_mut().register(Domain(40))?;
/// let tcp = Entry::new(SocketType::STREAM, Protocol::TCP, Handler::Tcp(Family::V6));
/// stack.families_mut().add(Domain(40), tcp)?;
/// assert!(stack.socket(request).is_ok());
/// # Ok::<(), SocketError>(())
/// ```
#[derive(Debug)]
pub struct Families {
    table: [Option<Table>; Domain::COUNT],
}

/// The entries of a family, in the order in which they are tried.
#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
}

/// A type and a protocol of a family, and what makes such sockets.
#[derive(Debug)]
pub struct Entry {
    socket_type: SocketType,
    protocol: Protocol,
    /// It cannot be overridden.
    permanent: bool,
    handler: Handler,
}

/// What makes the sockets of an entry.
#[non_exhaustive]
pub enum Handler {
    /// TCP, over IPv4 or IPv6.
    Tcp(Family),
    /// UDP, over IPv4 or IPv6.
    Udp(Family),
    /// Echo requests and the replies to them, over ICMP or ICMPv6.
    Ping(Family),
    /// Packets of the protocol that is asked for, 1–255, over IPv4 or IPv6.
    Raw(Family),
    /// Frames of interfaces, whole or without the link's header.
    Packet(PacketKind),
    /// Something of the embedder's.
    Plugged(Factory),
}

/// Makes the operations of a socket that was asked for.
pub type Factory = Box<dyn FnMut(Request) -> Result<Box<dyn SocketOps>, SocketError> + Send>;

impl Families {
    /// The families that are built in.
    pub(crate) fn new() -> Self {
        let mut table = [const { None }; Domain::COUNT];
        for (domain, entries) in [
            (Domain::INET, Entry::of_ip(Family::V4)),
            (Domain::INET6, Entry::of_ip(Family::V6)),
            (Domain::PACKET, Entry::of_packets()),
        ] {
            if let Some(place) = domain.index().and_then(|index| table.get_mut(index)) {
                *place = Some(Table { entries });
            }
        }
        Self { table }
    }

    /// Whether sockets of the family can be had.
    #[must_use]
    pub fn contains(&self, domain: Domain) -> bool {
        self.get(domain).is_ok()
    }

    /// Makes room for a family, which has no types yet (`sock_register`).
    ///
    /// # Errors
    /// `AlreadyExists`, or `NoBufferSpace` for a number beyond the table, as in the kernel.
    pub fn register(&mut self, domain: Domain) -> Result<(), SocketError> {
        let place = domain.index().and_then(|index| self.table.get_mut(index));
        let place = place.ok_or(SocketError::NoBufferSpace)?;
        if place.is_some() {
            return Err(SocketError::AlreadyExists);
        }
        *place = Some(Table::default());
        Ok(())
    }

    /// Takes a family out (`sock_unregister`); whether it was there.
    pub fn unregister(&mut self, domain: Domain) -> bool {
        let place = domain.index().and_then(|index| self.table.get_mut(index));
        place.is_some_and(|place| place.take().is_some())
    }

    /// Adds an entry to a family (`inet_register_protosw`): behind the permanent ones, in front of the
    /// others, which it therefore overrides.
    ///
    /// # Errors
    /// `AddressFamily` where the family is not registered; `PermissionDenied` where a permanent entry
    /// has the same type and protocol; `NoBufferSpace` where the family is full.
    pub fn add(&mut self, domain: Domain, entry: Entry) -> Result<(), SocketError> {
        let entries = &mut self.get_mut(domain)?.entries;
        if entries.len() >= MAX_ENTRIES {
            return Err(SocketError::NoBufferSpace);
        }
        let taken = |old: &Entry| old.permanent && old.key() == entry.key();
        if entries.iter().any(taken) {
            return Err(SocketError::PermissionDenied(
                "the protocol is built in and cannot be overridden",
            ));
        }
        let at = entries.iter().filter(|old| old.permanent).count();
        entries.insert(at, entry);
        Ok(())
    }

    /// Takes out the entries of this type and protocol that are not permanent; whether there were any.
    pub fn remove(&mut self, domain: Domain, socket_type: SocketType, protocol: Protocol) -> bool {
        let Ok(table) = self.get_mut(domain) else {
            return false;
        };
        let before = table.entries.len();
        table
            .entries
            .retain(|entry| entry.permanent || entry.key() != (socket_type, protocol));
        table.entries.len() < before
    }

    /// The entry that serves the request, and the request with the protocol that it comes to.
    pub(crate) fn find(
        &mut self,
        request: Request,
    ) -> Result<(&mut Handler, Request), SocketError> {
        let Request {
            domain,
            socket_type,
            protocol,
        } = request;
        let entries = &mut self.get_mut(domain)?.entries;
        let is_ip = matches!(domain, Domain::INET | Domain::INET6);
        if is_ip && !(0..Protocol::COUNT).contains(&protocol.0) {
            return Err(SocketError::InvalidInput("there is no such protocol"));
        }
        let mut known = false;
        for entry in entries {
            if entry.socket_type != socket_type {
                continue;
            }
            known = true;
            // As in the kernel, to whose raw sockets of IP "any" is no protocol.
            let nothing = is_ip && (protocol, entry.protocol) == (Protocol::ANY, Protocol::ANY);
            if let Some(protocol) = entry.serves(protocol).filter(|_| !nothing) {
                let request = Request {
                    protocol,
                    ..request
                };
                return Ok((&mut entry.handler, request));
            }
        }
        Err(if known {
            SocketError::ProtocolNotSupported
        } else {
            SocketError::SocketTypeNotSupported
        })
    }

    fn get(&self, domain: Domain) -> Result<&Table, SocketError> {
        let place = domain.index().and_then(|index| self.table.get(index));
        place
            .and_then(Option::as_ref)
            .ok_or(SocketError::AddressFamily)
    }

    fn get_mut(&mut self, domain: Domain) -> Result<&mut Table, SocketError> {
        let place = domain.index().and_then(|index| self.table.get_mut(index));
        place
            .and_then(Option::as_mut)
            .ok_or(SocketError::AddressFamily)
    }
}

impl Entry {
    /// An entry that another may override. `protocol` zero stands for every protocol.
    #[must_use]
    pub const fn new(socket_type: SocketType, protocol: Protocol, handler: Handler) -> Self {
        Self {
            socket_type,
            protocol,
            permanent: false,
            handler,
        }
    }

    /// What IPv4 or IPv6 has (`inetsw_array`).
    fn of_ip(family: Family) -> Vec<Self> {
        let icmp = match family {
            Family::V4 => Protocol::ICMP,
            Family::V6 => Protocol::ICMPV6,
        };
        let permanent = |socket_type, protocol, handler| Self {
            permanent: true,
            ..Self::new(socket_type, protocol, handler)
        };
        let (tcp, udp) = (Handler::Tcp(family), Handler::Udp(family));
        let (ping, raw) = (Handler::Ping(family), Handler::Raw(family));
        Vec::from([
            permanent(SocketType::STREAM, Protocol::TCP, tcp),
            permanent(SocketType::DGRAM, Protocol::UDP, udp),
            Self::new(SocketType::DGRAM, icmp, ping),
            Self::new(SocketType::RAW, Protocol::ANY, raw),
        ])
    }

    /// What packet sockets have; their protocols are EtherTypes.
    fn of_packets() -> Vec<Self> {
        [
            (SocketType::DGRAM, PacketKind::Cooked),
            (SocketType::RAW, PacketKind::Raw),
            (SocketType::PACKET, PacketKind::Raw),
        ]
        .map(|(socket_type, kind)| Self::new(socket_type, Protocol::ANY, Handler::Packet(kind)))
        .into()
    }

    fn key(&self) -> (SocketType, Protocol) {
        (self.socket_type, self.protocol)
    }

    /// The protocol that a request for `wanted` comes to, if the entry serves it: exactly; by being
    /// the first of its type, where the usual one is asked for; or by standing for every protocol.
    fn serves(&self, wanted: Protocol) -> Option<Protocol> {
        match (wanted, self.protocol) {
            (wanted, own) if wanted == own => Some(wanted),
            (Protocol::ANY, own) => Some(own),
            (wanted, Protocol::ANY) => Some(wanted),
            _ => None,
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(family) => f.debug_tuple("Tcp").field(family).finish(),
            Self::Udp(family) => f.debug_tuple("Udp").field(family).finish(),
            Self::Ping(family) => f.debug_tuple("Ping").field(family).finish(),
            Self::Raw(family) => f.debug_tuple("Raw").field(family).finish(),
            Self::Packet(kind) => f.debug_tuple("Packet").field(kind).finish(),
            Self::Plugged(_) => f.debug_tuple("Plugged").finish_non_exhaustive(),
        }
    }
}

/// The most entries of a family.
const MAX_ENTRIES: usize = 64;
