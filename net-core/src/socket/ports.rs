//! Who owns which local port: binding, conflicts, listener lookup, ephemeral ports (RFC 6056).

use super::place::Place;
use super::places::{ByPlace, Placed};
use super::{PortShare, SocketId};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::seed::Rng;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::RangeInclusive;

/// A wish to own a local address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    /// The address; port 0 asks for any free port.
    pub(crate) addr: SocketAddr,
    /// `IPV6_V6ONLY`: a claim for `::` leaves IPv4 alone.
    pub(crate) only_v6: bool,
    /// `SO_REUSEADDR`.
    pub(crate) reuse_address: bool,
    /// `SO_REUSEPORT`.
    pub(crate) reuse_port: bool,
    /// `SO_BINDTODEVICE`: sockets of different interfaces do not meet.
    pub(crate) iface: Option<IfaceId>,
}

/// When two sockets that both set `SO_REUSEADDR` may share an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Always (UDP).
    Always,
    /// While neither takes arrivals, that is, listens (TCP).
    WhileInactive,
}

/// The local ports of one protocol.
///
/// Two kinds of entries exist. A *binding* is a socket that asked for the address; it may be
/// *active*, that is, take arrivals that belong to no connection (a TCP listener, an unconnected
/// UDP socket). A *hold* is a count of connections that use the address without owning it
/// (accepted, connected without bind, in TIME_WAIT): later binds respect it, connects do not.
#[derive(Debug)]
pub(crate) struct PortTable {
    /// 256 pages of 256 ports, so that a lookup is two loads and no hash.
    pages: Vec<Option<Box<[Port]>>>,
    range: RangeInclusive<u16>,
    share: PortShare,
    rng: Rng,
    sharing: Sharing,
}

/// One port. Of a place, those that are not active come first.
#[derive(Debug, Default)]
struct Port {
    bindings: ByPlace<Binding>,
    holds: ByPlace<Hold>,
}

#[derive(Debug, Clone, Copy)]
struct Binding {
    place: Place,
    active: bool,
    reuse_address: bool,
    reuse_port: bool,
    iface: Option<IfaceId>,
    id: SocketId,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    place: Place,
    count: u32,
    /// How many of them came from sockets without `SO_REUSEADDR`.
    strict: u32,
}

const PAGE: usize = 256;

impl PortTable {
    /// An empty table that chooses ports from `range`.
    pub(crate) fn new(range: RangeInclusive<u16>, rng: Rng, sharing: Sharing) -> Self {
        Self {
            pages: (0..PAGE).map(|_| None).collect(),
            range,
            share: PortShare::ALL,
            rng,
            sharing,
        }
    }

    /// The same, which leaves ports that belong to others alone.
    pub(crate) fn with_share(self, share: PortShare) -> Self {
        Self { share, ..self }
    }

    /// Makes `id` the owner of the claimed address; the port it got. `active` sockets take
    /// arrivals at once.
    pub(crate) fn bind(
        &mut self,
        claim: Claim,
        id: SocketId,
        active: bool,
    ) -> Result<u16, SocketError> {
        let binding = Binding {
            place: Place::new(claim.addr.ip(), claim.only_v6),
            active,
            reuse_address: claim.reuse_address,
            reuse_port: claim.reuse_port,
            iface: claim.iface,
            id,
        };
        let port = match claim.addr.port() {
            0 => self
                .pick(|table, port| {
                    table
                        .port(port)
                        .is_none_or(|port| port.is_untouched(binding.place))
                })
                .ok_or(SocketError::AddressInUse)?,
            port => port,
        };
        if self
            .port(port)
            .is_some_and(|entry| entry.conflicts(&binding, self.sharing))
        {
            return Err(SocketError::AddressInUse);
        }
        let entry = self
            .port_mut(port)
            .ok_or(SocketError::AddressNotAvailable)?;
        entry.add(binding);
        Ok(port)
    }

    /// Makes a bound socket take arrivals (`listen`) or stop taking them (UDP `connect`).
    ///
    /// `AddressInUse` if another socket already takes them and the two do not share.
    pub(crate) fn set_active(
        &mut self,
        addr: SocketAddr,
        only_v6: bool,
        id: SocketId,
        active: bool,
    ) -> Result<(), SocketError> {
        let place = Place::new(addr.ip(), only_v6);
        let sharing = self.sharing;
        let Some(port) = self.port_mut(addr.port()) else {
            return Err(SocketError::AddressNotAvailable);
        };
        let Some(mut binding) = port.take(place, id) else {
            return Err(SocketError::AddressNotAvailable);
        };
        let before = binding.active;
        binding.active = active;
        let refused = active && port.conflicts_with_active(&binding, sharing);
        if refused {
            binding.active = before;
        }
        port.add(binding);
        if refused {
            Err(SocketError::AddressInUse)
        } else {
            Ok(())
        }
    }

    /// Moves the ownership of `addr` by `id` to an interface, or to all.
    pub(crate) fn set_iface(
        &mut self,
        addr: SocketAddr,
        only_v6: bool,
        id: SocketId,
        iface: Option<IfaceId>,
    ) {
        let place = Place::new(addr.ip(), only_v6);
        if let Some(port) = self.port_mut(addr.port())
            && let Some(mut binding) = port.take(place, id)
        {
            binding.iface = iface;
            port.add(binding);
        }
    }

    /// Ends the ownership of `addr` by `id`.
    pub(crate) fn release(&mut self, addr: SocketAddr, only_v6: bool, id: SocketId) {
        let place = Place::new(addr.ip(), only_v6);
        if let Some(port) = self.port_mut(addr.port()) {
            port.take(place, id);
        }
        self.tidy(addr.port());
    }

    /// A connection uses `local` without owning it; `reuse` is the `SO_REUSEADDR` of its socket.
    pub(crate) fn hold(&mut self, local: SocketAddr, reuse: bool) {
        let place = Place::new(local.ip(), true);
        let Some(port) = self.port_mut(local.port()) else {
            return;
        };
        let strict = u32::from(!reuse);
        match port.holds.first_mut(place) {
            Some(hold) => {
                hold.count += 1;
                hold.strict += strict;
            }
            None => {
                let count = 1;
                let hold = Hold {
                    place,
                    count,
                    strict,
                };
                port.holds.insert(hold, |_| true);
            }
        }
    }

    /// The end of one [`hold`](Self::hold) with the same arguments.
    pub(crate) fn unhold(&mut self, local: SocketAddr, reuse: bool) {
        let place = Place::new(local.ip(), true);
        if let Some(port) = self.port_mut(local.port())
            && let Some(hold) = port.holds.first_mut(place)
        {
            hold.count = hold.count.saturating_sub(1);
            hold.strict = hold.strict.saturating_sub(u32::from(!reuse));
            if hold.count == 0 {
                port.holds.remove(place, |_| true);
            }
        }
        self.tidy(local.port());
    }

    /// A port for a connection from `local` that was not bound: nobody owns it there, and
    /// `is_free` (the four-tuple is unused) agrees. The search starts at a random port, so that
    /// the choice cannot be guessed (RFC 6056 §3.3.1).
    pub(crate) fn ephemeral(
        &mut self,
        local: core::net::IpAddr,
        mut is_free: impl FnMut(u16) -> bool,
    ) -> Result<u16, SocketError> {
        let place = Place::new(local, true);
        self.pick(|table, port| {
            table.port(port).is_none_or(|port| !port.is_owned(place)) && is_free(port)
        })
        .ok_or(SocketError::AddressNotAvailable)
    }

    /// The socket that takes arrivals at `local`: the most specific address wins; among sockets
    /// that share it by `SO_REUSEPORT`, `hash` decides; by `SO_REUSEADDR`, the latest. One that is
    /// bound to the interface `over` that the packet came over goes before those that are bound to
    /// none.
    pub(crate) fn lookup(
        &self,
        local: SocketAddr,
        over: IfaceId,
        hash: impl Fn() -> u64,
    ) -> Option<SocketId> {
        let port = self.port(local.port())?;
        Place::candidates(local.ip())
            .into_iter()
            .find_map(|place| port.active_at(place, over, &hash))
    }

    /// Every active socket that is bound to just this address.
    pub(crate) fn takers_at(&self, local: SocketAddr) -> impl Iterator<Item = SocketId> + '_ {
        let place = Place::new(local.ip(), true);
        let port = self.port(local.port());
        let takers = port.map_or(&[][..], |port| port.takers(place));
        takers.iter().map(|binding| binding.id)
    }

    /// Every socket that is bound to an address which covers `local`.
    pub(crate) fn bound(&self, local: SocketAddr) -> impl Iterator<Item = SocketId> + '_ {
        let place = Place::new(local.ip(), true);
        let ports = self.port(local.port()).into_iter();
        let bindings = ports.flat_map(move |port| port.bindings.overlapping(place));
        bindings.map(|binding| binding.id)
    }

    /// How many bindings and holds there are, for tests of boundedness.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.pages
            .iter()
            .flatten()
            .flat_map(|page| page.iter())
            .map(|port| port.bindings.len() + port.holds.len())
            .sum()
    }

    /// The first port from a random start on that `is_good`; each is tried once.
    fn pick(&mut self, mut is_good: impl FnMut(&Self, u16) -> bool) -> Option<u16> {
        let (first, last) = (u32::from(*self.range.start()), u32::from(*self.range.end()));
        let count = (last + 1).checked_sub(first).filter(|&count| count > 0)?;
        let start = self.rng.below(u64::from(count));
        let start = u32::try_from(start).unwrap_or(0);
        (0..count)
            .filter_map(|step| u16::try_from(first + (start + step) % count).ok())
            .find(|&port| port != 0 && self.share.has(port) && is_good(self, port))
    }

    fn port(&self, port: u16) -> Option<&Port> {
        let [page, offset] = port.to_be_bytes();
        self.pages
            .get(usize::from(page))?
            .as_ref()?
            .get(usize::from(offset))
    }

    /// The port's entry, made if it is not there.
    fn port_mut(&mut self, port: u16) -> Option<&mut Port> {
        let [page, offset] = port.to_be_bytes();
        self.pages
            .get_mut(usize::from(page))?
            .get_or_insert_with(|| (0..PAGE).map(|_| Port::default()).collect())
            .get_mut(usize::from(offset))
    }

    /// Gives the memory of an empty port back.
    fn tidy(&mut self, port: u16) {
        if let Some(entry) = self.port_mut(port)
            && entry.bindings.is_empty()
            && entry.holds.is_empty()
        {
            *entry = Port::default();
        }
    }
}

impl Port {
    /// Whether nothing uses an address that overlaps `place`.
    fn is_untouched(&self, place: Place) -> bool {
        !self.is_owned(place) && self.holds.overlapping(place).next().is_none()
    }

    /// Whether a socket is bound to an address that overlaps `place`.
    fn is_owned(&self, place: Place) -> bool {
        self.bindings.overlapping(place).next().is_some()
    }

    /// Whether `new` may not be bound beside what is there.
    fn conflicts(&self, new: &Binding, sharing: Sharing) -> bool {
        let mut bindings = self.bindings.overlapping(new.place);
        let mut holds = self.holds.overlapping(new.place);
        bindings.any(|old| old.meets(new) && !old.may_share(new, sharing))
            || holds.any(|hold| !(new.reuse_address && hold.strict == 0))
    }

    /// Whether `new` may not become active beside what is active.
    fn conflicts_with_active(&self, new: &Binding, sharing: Sharing) -> bool {
        let mut bindings = self.bindings.overlapping(new.place);
        bindings.any(|old| old.active && old.meets(new) && !old.may_share(new, sharing))
    }

    fn add(&mut self, binding: Binding) {
        let active = binding.active;
        self.bindings.insert(binding, |old| old.active <= active);
    }

    fn take(&mut self, place: Place, id: SocketId) -> Option<Binding> {
        self.bindings.remove(place, |binding| binding.id == id)
    }

    /// The active sockets at exactly `place`.
    fn takers(&self, place: Place) -> &[Binding] {
        let bindings = self.bindings.at(place);
        let inactive = bindings.partition_point(|binding| !binding.active);
        bindings.get(inactive..).unwrap_or_default()
    }

    /// The active socket at exactly `place` for what came over `over`.
    fn active_at(&self, place: Place, over: IfaceId, hash: impl Fn() -> u64) -> Option<SocketId> {
        let group = self.takers(place);
        let bound = group.iter().any(|binding| binding.iface == Some(over));
        let iface = bound.then_some(over);
        let takers = || group.iter().filter(move |binding| binding.iface == iface);
        let last = takers().next_back()?;
        let count = takers().count();
        if count == 1 || !last.reuse_port {
            return Some(last.id);
        }
        let wide = u128::from(hash()) * count as u128;
        let index = usize::try_from(wide >> 64).unwrap_or(0);
        takers().nth(index).map(|binding| binding.id)
    }
}

impl Placed for Binding {
    fn place(&self) -> Place {
        self.place
    }
}

impl Placed for Hold {
    fn place(&self) -> Place {
        self.place
    }
}

impl Binding {
    /// Whether a packet could be for both.
    fn meets(&self, other: &Self) -> bool {
        let over = self.iface.is_none() || other.iface.is_none() || self.iface == other.iface;
        over && self.place.overlaps(other.place)
    }

    fn may_share(&self, other: &Self, sharing: Sharing) -> bool {
        (self.reuse_port && other.reuse_port)
            || (self.reuse_address
                && other.reuse_address
                && (sharing == Sharing::Always || !(self.active || other.active)))
    }
}

#[cfg(test)]
#[path = "ports_tests.rs"]
mod tests;
