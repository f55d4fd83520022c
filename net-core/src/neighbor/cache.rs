//! The table of neighbours: finding them, making room, letting packets wait.

use super::entry::{Ask, Entry, Expiry, Rank, Step, Waiting};
use super::{Neighbor, NeighborConfig, NeighborState};
use crate::iface::IfaceId;
use crate::seed::{Key, Rng};
use crate::stack::{TimerKey, Wheel};
use crate::time::{Duration, Instant};
use crate::wire::MacAddr;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use hashbrown::HashMap;
use slab::Slab;

/// Where a neighbour was found last, so that finding it again costs no hash. It may point anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NeighborHint(u32);

impl Default for NeighborHint {
    /// Nowhere.
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// What the cache needs of its surroundings.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a NeighborConfig,
    pub(crate) wheel: &'a mut Wheel<TimerKey>,
    pub(crate) now: Instant,
}

/// Where a packet for a neighbour goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// To this station.
    Station(MacAddr),
    /// It has to [wait](NeighborCache::wait) at this entry.
    Wait(u32),
    /// There is no room for another neighbour.
    Full,
}

/// How long things take on one link; a router may have said so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) reachable: Duration,
    pub(super) retrans: Duration,
}

/// All neighbours of all interfaces.
#[derive(Debug)]
pub(crate) struct NeighborCache {
    by_address: HashMap<(IfaceId, IpAddr), u32, Key>,
    entries: Slab<Entry>,
    /// Those that may go, the first one first.
    expendable: BTreeSet<(Rank, u64, u32)>,
    /// Counts up with every change of state, to tell older from newer.
    sequence: u64,
    incomplete: usize,
    permanent: usize,
    waiting: usize,
    /// Packets that went with entries that had to make room, not yet reported.
    lost: u64,
    /// REACHABLE_TIME is spread by ½ to 1½ (RFC 4861 §6.3.2); this is the share in 1/1024.
    spread: u32,
    /// By interface, what a router has said: base reachable time and retransmission timer.
    told_times: Vec<(Option<Duration>, Option<Duration>)>,
    /// Addresses of others that are answered for.
    proxies: BTreeSet<(IfaceId, IpAddr)>,
}

impl NeighborCache {
    /// An empty cache.
    pub(crate) fn new(key: Key, rng: &mut Rng) -> Self {
        Self {
            by_address: HashMap::with_hasher(key),
            entries: Slab::new(),
            expendable: BTreeSet::new(),
            sequence: 0,
            incomplete: 0,
            permanent: 0,
            waiting: 0,
            lost: 0,
            spread: 512 + u32::try_from(rng.below(1025)).unwrap_or(512),
            told_times: Vec::new(),
            proxies: BTreeSet::new(),
        }
    }

    /// Where packets for `address` go, and what has to be asked for that. Using a neighbour may start
    /// to question it.
    pub(crate) fn resolve(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        hint: &mut NeighborHint,
        cx: &mut Context<'_>,
    ) -> (Lookup, Option<Ask>) {
        let hinted = self.entries.get(hint.0 as usize);
        let hinted = hinted.is_some_and(|entry| entry.address == address && entry.iface == iface);
        let found = if hinted {
            Some(hint.0)
        } else {
            self.find(iface, address)
        };
        let Some(index) = found else {
            return self.begin(iface, address, hint, cx);
        };
        *hint = NeighborHint(index);
        let Some(entry) = self.entry_mut(index) else {
            return (Lookup::Full, None);
        };
        if entry.state == NeighborState::Incomplete {
            return (Lookup::Wait(index), None);
        }
        let mac = entry.mac;
        if let Some(step) = entry.used(cx.config) {
            self.settle(index, step, cx);
        }
        (Lookup::Station(mac), None)
    }

    /// Asks for a neighbour for whom nothing waits: once if nothing is known of him.
    pub(crate) fn probe(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        cx: &mut Context<'_>,
    ) -> Option<Ask> {
        let is_known = self.find(iface, address).is_some();
        let mut hint = NeighborHint::default();
        let (_, ask) = self.resolve(iface, address, &mut hint, cx);
        if !is_known && let Some(entry) = self.entry_mut(hint.0) {
            entry.ask_no_more(cx.config);
        }
        ask
    }

    /// Begins to ask for a neighbour.
    fn begin(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        hint: &mut NeighborHint,
        cx: &mut Context<'_>,
    ) -> (Lookup, Option<Ask>) {
        let Some(index) = self.create(iface, address, cx) else {
            return (Lookup::Full, None);
        };
        *hint = NeighborHint(index);
        let times = self.times(iface, cx.config);
        let Some(step) = self.entry_mut(index).map(|entry| entry.begin(times)) else {
            return (Lookup::Full, None);
        };
        self.settle(index, step, cx);
        (Lookup::Wait(index), step.ask)
    }

    /// Lets a packet wait for the answer; those that have to give way, which are the oldest.
    pub(crate) fn wait(
        &mut self,
        index: u32,
        waiting: Waiting,
        config: &NeighborConfig,
    ) -> VecDeque<Waiting> {
        let mut dropped = VecDeque::new();
        let full = self.waiting >= config.waiting_packets;
        let Some(entry) = self.entries.get_mut(index as usize) else {
            dropped.push_back(waiting);
            return dropped;
        };
        if full && entry.waiting.is_empty() {
            dropped.push_back(waiting);
            return dropped;
        }
        if entry.waiting.is_empty() {
            entry.await_answer();
        }
        entry.waiting_bytes += waiting.packet.len();
        entry.waiting.push_back(waiting);
        self.waiting += 1;
        while entry.waiting.len() > 1
            && (entry.waiting.len() > config.queue_packets
                || entry.waiting_bytes > config.queue_bytes
                || self.waiting > config.waiting_packets)
            && let Some(oldest) = entry.waiting.pop_front()
        {
            entry.waiting_bytes -= oldest.packet.len();
            self.waiting -= 1;
            dropped.push_back(oldest);
        }
        dropped
    }

    /// A timer of an entry has gone off.
    pub(crate) fn handle_timeout(&mut self, index: u32, cx: &mut Context<'_>) -> Expiry {
        let Some(iface) = self.entry_mut(index).map(|entry| entry.iface) else {
            return Expiry::Quiet;
        };
        let times = self.times(iface, cx.config);
        let Some(entry) = self.entry_mut(index) else {
            return Expiry::Quiet;
        };
        entry.timer = None;
        let step = entry.on_timeout(cx.config, times, cx.now);
        let address = entry.address;
        if step.over {
            return match self.remove_at(index, cx.wheel) {
                Some(waiting) if !waiting.is_empty() => Expiry::Failed(iface, waiting),
                _ => Expiry::Quiet,
            };
        }
        self.settle(index, step, cx);
        step.ask
            .map_or(Expiry::Quiet, |ask| Expiry::Ask(iface, address, ask))
    }

    /// Says where a neighbour is, for good; the packets that have waited for that.
    pub(crate) fn set_permanent(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        mac: MacAddr,
        wheel: &mut Wheel<TimerKey>,
    ) -> VecDeque<Waiting> {
        let waiting = self.remove(iface, address, wheel);
        let mut entry = Entry::new(iface, address);
        entry.mac = mac;
        entry.state = NeighborState::Permanent;
        self.permanent += 1;
        self.insert(entry);
        waiting
    }

    /// Forgets a neighbour; the packets that have waited for it.
    pub(crate) fn remove(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        wheel: &mut Wheel<TimerKey>,
    ) -> VecDeque<Waiting> {
        let index = self.find(iface, address);
        index
            .and_then(|index| self.remove_at(index, wheel))
            .unwrap_or_default()
    }

    /// Forgets everything about an interface; the packets that have waited for its neighbours.
    pub(crate) fn remove_iface(
        &mut self,
        iface: IfaceId,
        wheel: &mut Wheel<TimerKey>,
    ) -> VecDeque<Waiting> {
        let gone: Vec<u32> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.iface == iface)
            .filter_map(|(index, _)| u32::try_from(index).ok())
            .collect();
        let mut waiting = VecDeque::new();
        for index in gone {
            waiting.extend(self.remove_at(index, wheel).unwrap_or_default());
        }
        self.proxies.retain(|&(over, _)| over != iface);
        self.forget_times(iface);
        waiting
    }

    /// Nobody has said anything about the times of a link any more.
    pub(crate) fn forget_times(&mut self, iface: IfaceId) {
        if let Some(told) = self.told_times.get_mut(iface.index()) {
            *told = (None, None);
        }
    }

    /// What a router has said about the times of a link; `None` leaves things as they are.
    pub(crate) fn set_times(
        &mut self,
        iface: IfaceId,
        reachable: Option<Duration>,
        retrans: Option<Duration>,
    ) {
        if self.told_times.len() <= iface.index() {
            self.told_times.resize(iface.index() + 1, (None, None));
        }
        if let Some(told) = self.told_times.get_mut(iface.index()) {
            told.0 = reachable.or(told.0);
            told.1 = retrans.or(told.1);
        }
    }

    /// Starts or stops answering for somebody else's address.
    pub(crate) fn set_proxy(&mut self, iface: IfaceId, address: IpAddr, on: bool) {
        if on {
            self.proxies.insert((iface, address));
        } else {
            self.proxies.remove(&(iface, address));
        }
    }

    /// Whether somebody else's address is answered for.
    pub(crate) fn is_proxy(&self, iface: IfaceId, address: IpAddr) -> bool {
        self.proxies.contains(&(iface, address))
    }

    /// Every neighbour.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Neighbor> + '_ {
        self.entries.iter().map(|(_, entry)| entry.to_neighbor())
    }

    /// How many packets were lost to make room since this was asked last.
    pub(crate) const fn take_lost(&mut self) -> u64 {
        core::mem::replace(&mut self.lost, 0)
    }

    /// How many packets wait for answers.
    #[cfg(test)]
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// The entry at `index`.
    pub(super) fn entry_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.entries.get_mut(index as usize)
    }

    /// Where the entry of a neighbour is.
    pub(crate) fn find(&self, iface: IfaceId, address: IpAddr) -> Option<u32> {
        self.by_address.get(&(iface, address)).copied()
    }

    /// The station of a neighbour, if it is known.
    pub(crate) fn station(&self, iface: IfaceId, address: IpAddr) -> Option<MacAddr> {
        let entry = self.entries.get(self.find(iface, address)? as usize)?;
        (entry.state != NeighborState::Incomplete).then_some(entry.mac)
    }

    /// Whether packets go to a neighbour, as far as is known with success.
    pub(crate) fn is_in_use(&self, iface: IfaceId, address: IpAddr) -> bool {
        let entry = self.entry(iface, address);
        entry.is_some_and(|entry| entry.rank().is_none())
    }

    /// What is known of a neighbour.
    pub(super) fn entry(&self, iface: IfaceId, address: IpAddr) -> Option<&Entry> {
        self.entries.get(self.find(iface, address)? as usize)
    }

    /// An entry whose place is known if it is still there.
    pub(crate) fn at_hint(
        &self,
        iface: IfaceId,
        address: IpAddr,
        hint: NeighborHint,
    ) -> Option<u32> {
        let entry = self.entries.get(hint.0 as usize)?;
        (entry.address == address && entry.iface == iface).then_some(hint.0)
    }

    /// Time between two solicitations on a link.
    pub(crate) fn retrans_timer(&self, iface: IfaceId, config: &NeighborConfig) -> Duration {
        self.times(iface, config).retrans
    }

    /// How long things take on a link.
    pub(super) fn times(&self, iface: IfaceId, config: &NeighborConfig) -> Times {
        let told = self.told_times.get(iface.index());
        let (reachable, retrans) = told.copied().unwrap_or_default();
        let base = reachable.unwrap_or(config.reachable_time);
        Times {
            reachable: base.saturating_mul(self.spread) / 1024,
            retrans: retrans.unwrap_or(config.retrans_timer),
        }
    }

    /// Makes a new entry, and room for it if need be: addresses that nobody has take at most half of
    /// the table (RFC 6583), and neighbours known to be there never give way.
    pub(super) fn create(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        cx: &mut Context<'_>,
    ) -> Option<u32> {
        let max = cx.config.max_entries;
        if self.incomplete >= max.div_ceil(2) {
            let oldest = (Rank::Incomplete, 0, 0);
            let oldest = self.expendable.range(oldest..).next();
            let index = oldest.map(|&(_, _, index)| index)?;
            self.evict(index, cx.wheel);
        }
        if self.entries.len() - self.permanent >= max {
            let &(_, _, index) = self.expendable.first()?;
            self.evict(index, cx.wheel);
        }
        let index = self.insert(Entry::new(iface, address));
        self.incomplete += 1;
        self.sequence += 1;
        let place = (Rank::Incomplete, self.sequence);
        self.expendable.insert((place.0, place.1, index));
        self.entry_mut(index)?.place = Some(place);
        Some(index)
    }

    /// Removes an entry to make room; the packets at it are lost.
    fn evict(&mut self, index: u32, wheel: &mut Wheel<TimerKey>) {
        let lost = self.remove_at(index, wheel).map_or(0, |gone| gone.len());
        self.lost += lost as u64;
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        let key = (entry.iface, entry.address);
        let index = u32::try_from(self.entries.insert(entry)).expect("fewer than 2^32 neighbours");
        self.by_address.insert(key, index);
        index
    }

    /// Takes an entry out; what has waited at it.
    fn remove_at(&mut self, index: u32, wheel: &mut Wheel<TimerKey>) -> Option<VecDeque<Waiting>> {
        let entry = self.entries.try_remove(index as usize)?;
        self.by_address.remove(&(entry.iface, entry.address));
        if let Some((rank, sequence)) = entry.place {
            self.expendable.remove(&(rank, sequence, index));
            self.incomplete -= usize::from(rank == Rank::Incomplete);
        }
        self.permanent -= usize::from(entry.state == NeighborState::Permanent);
        if let Some(timer) = entry.timer {
            wheel.cancel(timer);
        }
        self.waiting -= entry.waiting.len();
        Some(entry.waiting)
    }

    /// Arranges what follows from a step: the timer, and the place among those that may go.
    pub(super) fn settle(&mut self, index: u32, step: Step, cx: &mut Context<'_>) {
        self.sequence += 1;
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        if let Some(timer) = entry.timer.take() {
            cx.wheel.cancel(timer);
        }
        let due = step.wait.map(|wait| cx.now + wait);
        entry.timer = due.map(|at| cx.wheel.insert(TimerKey::Neighbor(index), at));
        let before = entry.place;
        let after = entry.rank().map(|rank| (rank, self.sequence));
        entry.place = after;
        if let Some((rank, sequence)) = before {
            self.expendable.remove(&(rank, sequence, index));
            self.incomplete -= usize::from(rank == Rank::Incomplete);
        }
        if let Some((rank, sequence)) = after {
            self.expendable.insert((rank, sequence, index));
            self.incomplete += usize::from(rank == Rank::Incomplete);
        }
    }

    /// The packets that have waited for what is known now.
    pub(super) fn release(&mut self, index: u32) -> Option<(MacAddr, VecDeque<Waiting>)> {
        let entry = self.entries.get_mut(index as usize)?;
        if entry.waiting.is_empty() {
            return None;
        }
        let waiting = core::mem::take(&mut entry.waiting);
        entry.waiting_bytes = 0;
        self.waiting -= waiting.len();
        Some((entry.mac, waiting))
    }
}
