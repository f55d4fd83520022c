//! Every flow that is known: found by either tuple with one hash, forgotten in time.

use super::flow::Flow;
use super::state::MAX_FLOWS;
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
    /// The number of a flow twice, and one more for its reply tuple.
    places: HashTable<u32>,
    key: Key,
    rng: Rng,
    timers: Wheel<u32>,
    max: usize,
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
        let is_it = |place: &u32| self.tuple_at(*place) == Some(tuple);
        let place = *self.places.find(tuple.hash(self.key), is_it)?;
        let direction = match place & 1 {
            0 => Direction::Original,
            _ => Direction::Reply,
        };
        Some((place >> 1, direction))
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
        let tuples = [flow.original, flow.reply];
        let entry = self.flows.vacant_entry();
        let index = u32::try_from(entry.key()).expect("fewer flows than 2^28");
        let timer = self.timers.insert(index, timer_at(flow.expires));
        entry.insert(Flow {
            timer: Some(timer),
            ..flow
        });
        for (tuple, place) in tuples.iter().zip(index << 1..) {
            let (flows, key) = (&self.flows, self.key);
            let rehash = |place: &u32| tuple_in(flows, *place).map_or(0, |tuple| tuple.hash(key));
            self.places
                .insert_unique(tuple.hash(self.key), place, rehash);
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
        for (tuple, place) in [flow.original, flow.reply].iter().zip(index << 1..) {
            let entry = self
                .places
                .find_entry(tuple.hash(self.key), |other| *other == place);
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

    /// Behind the largest number that a flow has.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.flows.capacity()).unwrap_or(u32::MAX)
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

    fn tuple_at(&self, place: u32) -> Option<&Tuple> {
        tuple_in(&self.flows, place)
    }
}

fn tuple_in(flows: &Slab<Flow>, place: u32) -> Option<&Tuple> {
    let flow = flows.get((place >> 1) as usize)?;
    Some(match place & 1 {
        0 => &flow.original,
        _ => &flow.reply,
    })
}

/// When a timer for a time rings: in whole seconds, so that many ring together.
fn timer_at(expires: Instant) -> Instant {
    let seconds = expires.as_nanos() / NANOS_PER_SECOND;
    Instant::from_nanos(seconds.saturating_mul(NANOS_PER_SECOND)) + Duration::from_secs(1)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Flows that are looked at when the table is full.
const EVICTION_TRIES: usize = 16;
