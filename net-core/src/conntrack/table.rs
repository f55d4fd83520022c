//! Every flow that is known: found by either tuple with one hash, forgotten in time.

use super::flow::Flow;
use super::state::MAX_FLOWS;
use super::tuple::Tag;
use super::{Direction, Tuple};
use crate::seed::{Key, Rng, Seed};
use crate::stack::Wheel;
use crate::time::{Duration, Instant};
use hashbrown::HashTable;
use slab::Slab;

/// The flows.
#[derive(Debug)]
pub(crate) struct FlowTable {
    flows: Slab<Flow>,
    places: HashTable<Entry>,
    key: Key,
    rng: Rng,
    timers: Wheel<u32>,
    max: usize,
}

/// Where the flow of a tuple is. With the tag beside it the tuples of other flows are hardly ever looked at, whose
/// memory no cache may have, and none when the table grows.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: Tag,
    place: Place,
}

/// One tuple of a flow: the flow's number twice, and one more for its reply tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    const fn index(self) -> u32 {
        self.0 >> 1
    }

    const fn direction(self) -> Direction {
        match self.0 & 1 {
            0 => Direction::Original,
            _ => Direction::Reply,
        }
    }

    /// Both of a flow: of the original tuple, and of the reply tuple.
    const fn both(index: u32) -> [Self; 2] {
        [Self(index << 1), Self(index << 1 | 1)]
    }
}

/// What is known about a tuple before the flow that it belongs to is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hint {
    pub(super) tag: Tag,
    /// Where it is likely to be.
    pub(super) place: Option<Place>,
}

/// Why a flow cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The table is full of flows that are in use.
    Full,
    /// One of its tuples is another flow's.
    Clash,
}

impl FlowTable {
    pub(crate) fn new(max: usize, seed: Seed, now: Instant) -> Self {
        Self {
            flows: Slab::new(),
            places: HashTable::new(),
            key: seed.key("flow table"),
            rng: seed.rng("flow table"),
            timers: Wheel::new(now),
            max: max.min(MAX_FLOWS),
        }
    }

    /// The flow that a tuple belongs to, and in which direction.
    #[inline]
    pub(crate) fn find(&self, tuple: &Tuple) -> Option<(u32, Direction)> {
        self.find_tagged(tuple, self.tag(tuple))
    }

    /// The same with what is known about the tuple already.
    #[inline]
    pub(super) fn find_hinted(
        &self,
        tuple: &Tuple,
        hint: Option<Hint>,
    ) -> Option<(u32, Direction)> {
        let Some(Hint { tag, place }) = hint else {
            return self.find(tuple);
        };
        // No two flows have the same tuple: whoever has it now is who would be found.
        match place.filter(|place| self.tuple_at(*place) == Some(tuple)) {
            Some(place) => Some((place.index(), place.direction())),
            None => self.find_tagged(tuple, tag),
        }
    }

    #[inline]
    fn find_tagged(&self, tuple: &Tuple, tag: Tag) -> Option<(u32, Direction)> {
        let is_it = |entry: &Entry| entry.tag == tag && self.tuple_at(entry.place) == Some(tuple);
        let place = self.places.find(tag.hash(), is_it)?.place;
        Some((place.index(), place.direction()))
    }

    /// What tells a tuple from nearly every other one.
    #[inline]
    pub(super) fn tag(&self, tuple: &Tuple) -> Tag {
        Tag::of(tuple, self.key)
    }

    /// Where a tuple with this tag is, for all that can be told without a look at the flow.
    #[inline]
    pub(super) fn guess(&self, tag: Tag) -> Option<Place> {
        let entry = self.places.find(tag.hash(), |entry| entry.tag == tag)?;
        Some(entry.place)
    }

    /// Reads something of all that a packet with this tuple needs of the flow at a place.
    #[inline]
    pub(super) fn touch(&self, tuple: &Tuple, place: Option<Place>) -> u64 {
        let flow = place.and_then(|place| self.get(place.index()));
        flow.map_or(0, |flow| flow.touch(tuple.protocol))
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&Flow> {
        self.flows.get(index as usize)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Flow> {
        self.flows.get_mut(index as usize)
    }

    /// Adds a flow; with its number the one that had to go for it.
    pub(crate) fn add(&mut self, flow: Flow) -> Result<(u32, Option<Flow>), NoRoom> {
        if self.find(&flow.original).is_some() || self.find(&flow.reply).is_some() {
            return Err(NoRoom::Clash);
        }
        let gone = if self.flows.len() >= self.max {
            Some(self.evict().ok_or(NoRoom::Full)?)
        } else {
            None
        };
        let tags = [flow.original, flow.reply].map(|tuple| self.tag(&tuple));
        let entry = self.flows.vacant_entry();
        let index = u32::try_from(entry.key()).expect("fewer flows than 2^28");
        let timer = self.timers.insert(index, timer_at(flow.expires));
        entry.insert(Flow {
            timer: Some(timer),
            ..flow
        });
        for (tag, place) in tags.into_iter().zip(Place::both(index)) {
            let entry = Entry { tag, place };
            self.places
                .insert_unique(tag.hash(), entry, |entry| entry.tag.hash());
        }
        Ok((index, gone))
    }

    /// Sets the timer of a flow anew, whose time comes sooner than it was.
    pub(crate) fn hasten(&mut self, index: u32) {
        if let Some(flow) = self.flows.get_mut(index as usize) {
            let timer = self.timers.insert(index, timer_at(flow.expires));
            if let Some(old) = flow.timer.replace(timer) {
                self.timers.cancel(old);
            }
        }
    }

    /// Forgets a flow.
    pub(crate) fn remove(&mut self, index: u32) -> Option<Flow> {
        let flow = self.flows.get(index as usize)?;
        let tags = [flow.original, flow.reply].map(|tuple| self.tag(&tuple));
        for (tag, place) in tags.into_iter().zip(Place::both(index)) {
            let entry = self
                .places
                .find_entry(tag.hash(), |other| other.place == place);
            if let Ok(entry) = entry {
                entry.remove();
            }
        }
        let gone = self.flows.try_remove(index as usize)?;
        if let Some(timer) = gone.timer {
            self.timers.cancel(timer);
        }
        Some(gone)
    }

    /// Takes out one flow whose time has come; `Ok(None)` when one had more time, `Err` when none is
    /// due.
    pub(crate) fn expire(&mut self, now: Instant) -> Result<Option<Flow>, ()> {
        let index = self.timers.expire(now).ok_or(())?;
        match self.flows.get_mut(index as usize) {
            Some(flow) if flow.expires > now => {
                flow.timer = Some(self.timers.insert(index, timer_at(flow.expires)));
                Ok(None)
            }
            _ => Ok(self.remove(index)),
        }
    }

    /// When to ask for expired flows next.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Every flow, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter().map(|(_, flow)| flow)
    }

    /// Behind the largest number that a flow has. Each keeps its own.
    pub(crate) fn slots(&self) -> usize {
        self.flows.capacity()
    }

    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(crate) const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Makes room: of a few flows by chance, the first that little is lost with.
    fn evict(&mut self) -> Option<Flow> {
        for _ in 0..EVICTION_TRIES {
            let at = self.rng.below(self.flows.len() as u64);
            let index = u32::try_from(at).ok()?;
            if self.get(index).is_some_and(Flow::may_go) {
                return self.remove(index);
            }
        }
        None
    }

    fn tuple_at(&self, place: Place) -> Option<&Tuple> {
        let flow = self.get(place.index())?;
        Some(flow.tuple(place.direction()))
    }
}

/// When a timer for a time rings: in whole seconds, so that many ring together.
fn timer_at(expires: Instant) -> Instant {
    let seconds = expires.as_nanos() / NANOS_PER_SECOND;
    Instant::from_nanos(seconds.saturating_mul(NANOS_PER_SECOND)) + Duration::from_secs(1)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Flows that are looked at when the table is full.
const EVICTION_TRIES: usize = 16;
