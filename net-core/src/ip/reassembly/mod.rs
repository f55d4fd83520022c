//! Putting fragments together (RFC 791 §3.2, RFC 815, RFC 8200 §4.5, RFC 5722).
//!
//! What strangers can make wait here is bounded three ways: by memory for all datagrams, by a share
//! of it for each source, and by fragments for each datagram. Who exceeds a bound loses the oldest of
//! what he has; a datagram that contradicts itself is refused to its last fragment.

mod datagram;

pub(crate) use datagram::Arrived;

use crate::buf::RxPacket;
use crate::config::{Config, ReassemblyConfig};
use crate::iface::IfaceId;
use crate::ip::Delivery;
use crate::seed::{Key, Seed};
use crate::stack::Budget;
use crate::stats::{DropReason, Stats};
use crate::time::Instant;
use crate::wire::{Fragment, IpHeader};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::{IpAddr, Ipv6Addr};
use datagram::{Pieces, Progress, Taken};
use hashbrown::HashMap;

/// Every datagram of which fragments are there.
#[derive(Debug)]
pub(crate) struct Reassembler {
    config: ReassemblyConfig,
    /// By age: the oldest has the least number.
    datagrams: BTreeMap<u64, Box<Datagram>>,
    numbers: HashMap<Name, u64, Key>,
    shares: HashMap<IpAddr, Share, Key>,
    next_number: u64,
    /// Memory that all of them hold.
    used: usize,
}

/// What fragments of one datagram have in common (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name {
    source: IpAddr,
    dest: IpAddr,
    id: u32,
    /// IPv4 only: IPv6 goes by that of the first fragment.
    protocol: u8,
    /// Where addresses mean something on one link only.
    iface: Option<IfaceId>,
}

#[derive(Debug)]
struct Datagram {
    name: Name,
    state: State,
    expires: Instant,
    charged: usize,
}

#[derive(Debug)]
enum State {
    Open(Pieces),
    /// It contradicted itself: what is still to come of it is dropped too (RFC 5722 §4).
    Refused,
}

/// What one source has here.
#[derive(Debug, Default)]
struct Share {
    used: usize,
    numbers: BTreeSet<u64>,
}

/// A datagram whose time has run out.
#[derive(Debug)]
pub(crate) struct Expired {
    /// The headers of its first fragment, where it came from, and all of it.
    pub(crate) first: Option<(IpHeader, IfaceId, Delivery, RxPacket)>,
    /// How many fragments are dropped with it.
    pub(crate) fragments: u64,
}

impl Reassembler {
    /// Memory that a datagram costs beside its fragments.
    const OVERHEAD: usize = 512;

    /// Nothing is waiting.
    pub(crate) fn new(config: &Config, seed: Seed) -> Self {
        let memory = config.reassembly.memory.min(config.memory / 4);
        Self {
            config: ReassemblyConfig {
                memory,
                ..config.reassembly.clone()
            },
            datagrams: BTreeMap::new(),
            numbers: HashMap::with_hasher(seed.key("fragments")),
            shares: HashMap::with_hasher(seed.key("fragment sources")),
            next_number: 0,
            used: 0,
        }
    }

    /// Whether fragments of the same datagram are there that do not contradict each other.
    pub(crate) fn is_waiting_for(&self, header: &IpHeader, place: Fragment, over: IfaceId) -> bool {
        let number = self.numbers.get(&Name::new(header, place, over));
        let datagram = number.and_then(|number| self.datagrams.get(number));
        datagram.is_some_and(|datagram| matches!(datagram.state, State::Open(_)))
    }

    /// Whether nothing is waiting.
    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Drops what is there of the datagram that a fragment is of, and remembers nothing of it. It counts as
    /// overlapping: two datagrams have claimed one name.
    pub(crate) fn forget(
        &mut self,
        header: &IpHeader,
        place: Fragment,
        over: IfaceId,
        memory: &mut Budget,
        stats: &mut Stats,
    ) {
        if let Some(&number) = self.numbers.get(&Name::new(header, place, over)) {
            let pieces = self.remove(number, memory).unwrap_or_default();
            stats.count_drops(DropReason::FragmentOverlap, pieces.len() as u64);
        }
    }

    /// Takes in a fragment. If it is the last that was missing, `packet` is the whole datagram
    /// afterwards; whether it is.
    ///
    /// # Errors
    /// Why the fragment was dropped; it may have taken its datagram with it.
    pub(crate) fn insert(
        &mut self,
        packet: &mut RxPacket,
        arrived: &Arrived<'_>,
        memory: &mut Budget,
        stats: &mut Stats,
        now: Instant,
    ) -> Result<bool, DropReason> {
        let name = Name::of(arrived);
        let taken = Taken::new(packet, arrived)?;
        let number = match self.numbers.get(&name) {
            Some(&number) => number,
            None => self.begin(name, memory, stats, now)?,
        };
        let full = match self.datagrams.get(&number).map(|datagram| &datagram.state) {
            Some(State::Open(pieces)) => pieces.len() >= self.config.max_fragments,
            _ => return Err(DropReason::FragmentOverlap),
        };
        let cost = taken.cost();
        if full || !self.make_room(name.share(), Some(number), cost, memory, stats) {
            self.refuse(number, DropReason::ReassemblyFull, memory, stats);
            return Err(DropReason::ReassemblyFull);
        }
        let Some(State::Open(pieces)) = self.state_mut(number) else {
            return Err(DropReason::FragmentOverlap);
        };
        match pieces.insert(taken) {
            Ok(Progress::Waits) => {
                self.charge(number, cost, memory);
                Ok(false)
            }
            Ok(Progress::Duplicate) => Err(DropReason::FragmentDuplicate),
            Ok(Progress::Complete) => {
                let whole = self.remove(number, memory).and_then(Pieces::join);
                *packet = whole.ok_or(DropReason::BadFragment)?;
                Ok(true)
            }
            Err(reason) => {
                self.refuse(number, reason, memory, stats);
                Err(reason)
            }
        }
    }

    /// When the oldest datagram's time runs out.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.datagrams
            .first_key_value()
            .map(|(_, datagram)| datagram.expires)
    }

    /// Takes a datagram out whose time has run out at `now`.
    pub(crate) fn expire(&mut self, memory: &mut Budget, now: Instant) -> Option<Expired> {
        let (&number, oldest) = self.datagrams.first_key_value()?;
        if oldest.expires > now {
            return None;
        }
        let pieces = self.remove(number, memory).unwrap_or_default();
        Some(Expired {
            fragments: pieces.len() as u64,
            first: pieces
                .into_first()
                .map(|(first, packet)| (first.header, first.over, first.delivery, packet)),
        })
    }

    /// Makes a place for a datagram whose first fragment to arrive has come.
    fn begin(
        &mut self,
        name: Name,
        memory: &mut Budget,
        stats: &mut Stats,
        now: Instant,
    ) -> Result<u64, DropReason> {
        let source = name.share();
        if !self.make_room(source, None, Self::OVERHEAD, memory, stats) {
            return Err(DropReason::ReassemblyFull);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(name, number);
        self.shares
            .entry(source)
            .or_default()
            .numbers
            .insert(number);
        let datagram = Datagram {
            name,
            state: State::Open(Pieces::default()),
            expires: now + self.config.timeout,
            charged: 0,
        };
        self.datagrams.insert(number, Box::new(datagram));
        self.charge(number, Self::OVERHEAD, memory);
        Ok(number)
    }

    /// Drops old datagrams until `cost` more bytes are within every bound; `false` if they cannot be,
    /// though only the datagram `kept` is left.
    fn make_room(
        &mut self,
        source: IpAddr,
        kept: Option<u64>,
        cost: usize,
        memory: &mut Budget,
        stats: &mut Stats,
    ) -> bool {
        loop {
            let share = self.shares.get(&source);
            let share_used = share.map_or(0, |share| share.used);
            let victim = if share_used + cost > self.config.per_source {
                let numbers = share.map(|share| share.numbers.iter());
                numbers.and_then(|mut numbers| numbers.find(|&&number| Some(number) != kept))
            } else if self.used + cost > self.config.memory || cost > memory.left() {
                self.datagrams.keys().find(|&&number| Some(number) != kept)
            } else {
                return true;
            };
            let Some(&victim) = victim else { return false };
            let pieces = self.remove(victim, memory).unwrap_or_default();
            stats.count_drops(DropReason::ReassemblyFull, pieces.len() as u64);
        }
    }

    /// Drops what there is of a datagram, and remembers to drop the rest.
    fn refuse(&mut self, number: u64, reason: DropReason, memory: &mut Budget, stats: &mut Stats) {
        let Some(datagram) = self.datagrams.get_mut(&number) else {
            return;
        };
        if let State::Open(pieces) = core::mem::replace(&mut datagram.state, State::Refused) {
            stats.count_drops(reason, pieces.len() as u64);
        }
        let excess = datagram.charged.saturating_sub(Self::OVERHEAD);
        datagram.charged -= excess;
        let source = datagram.name.share();
        self.release(source, excess, memory);
    }

    /// Takes a datagram out of every table; its fragments, unless it was refused.
    fn remove(&mut self, number: u64, memory: &mut Budget) -> Option<Pieces> {
        let datagram = self.datagrams.remove(&number)?;
        self.numbers.remove(&datagram.name);
        let source = datagram.name.share();
        self.release(source, datagram.charged, memory);
        if let Some(share) = self.shares.get_mut(&source) {
            share.numbers.remove(&number);
            if share.numbers.is_empty() {
                self.shares.remove(&source);
            }
        }
        match datagram.state {
            State::Open(pieces) => Some(pieces),
            State::Refused => None,
        }
    }

    fn charge(&mut self, number: u64, cost: usize, memory: &mut Budget) {
        let Some(datagram) = self.datagrams.get_mut(&number) else {
            return;
        };
        datagram.charged += cost;
        if let Some(share) = self.shares.get_mut(&datagram.name.share()) {
            share.used += cost;
        }
        self.used += cost;
        // There is room for it: it has just been made.
        let _ = memory.try_charge(cost);
    }

    fn release(&mut self, source: IpAddr, cost: usize, memory: &mut Budget) {
        if let Some(share) = self.shares.get_mut(&source) {
            share.used -= cost;
        }
        self.used -= cost;
        memory.release(cost);
    }

    fn state_mut(&mut self, number: u64) -> Option<&mut State> {
        Some(&mut self.datagrams.get_mut(&number)?.state)
    }
}

impl Name {
    fn of(arrived: &Arrived<'_>) -> Self {
        Self::new(arrived.header, arrived.place, arrived.over)
    }

    fn new(header: &IpHeader, place: Fragment, over: IfaceId) -> Self {
        let scoped = match header.source {
            IpAddr::V4(_) => false,
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        Self {
            source: header.source,
            dest: header.dest,
            id: place.id,
            protocol: match header.dest {
                IpAddr::V4(_) => header.protocol,
                IpAddr::V6(_) => 0,
            },
            iface: scoped.then_some(over),
        }
    }

    /// Whose share of memory it counts against: that of an IPv4 address, or of the prefix of 64 bits
    /// of which one host may have every IPv6 address.
    fn share(&self) -> IpAddr {
        match self.source {
            IpAddr::V4(_) => self.source,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        }
    }
}
