//! A hierarchical timing wheel: setting, moving and cancelling a timer costs O(1).

use crate::time::Instant;
use alloc::vec::Vec;

/// The name of a timer that was set; stale once it has fired or was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

/// Timers by their time.
///
/// Level 0 has 64 slots of one tick (1,024 ns), each further level slots 64 times as long; nine
/// levels cover the 64 bits of an [`Instant`], so no time is out of range. A timer sits at the
/// level of the highest digit (base 64) in which its tick differs from the wheel's, hence every
/// timer of a lower level is earlier than any of a higher one. Times are kept exactly: a timer
/// never fires early, and [`next`](Self::next) does not round up.
///
/// ```
/// use net_core::stack::Wheel;
/// use net_core::{Instant, time::Duration};
/// let mut wheel = Wheel::new(Instant::ZERO);
/// let second = Instant::ZERO + Duration::from_secs(1);
/// wheel.insert("retransmit", second);
/// let other = wheel.insert("give up", second + Duration::from_secs(60));
/// assert!(wheel.cancel(other));
/// assert_eq!(wheel.next(), Some(second));
/// assert_eq!(wheel.expire(second), Some("retransmit"));
/// assert_eq!(wheel.expire(second), None);
/// ```
#[derive(Debug)]
pub struct Wheel<K> {
    entries: Vec<Entry<K>>,
    free: u32,
    len: usize,
    /// The tick up to which slots have been emptied.
    tick: u64,
    occupied: [u64; LEVELS],
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    at: Instant,
    generation: u32,
    slot: u32,
    prev: u32,
    next: u32,
}

/// A list of timers in the order in which they came.
#[derive(Debug, Clone, Copy)]
struct Slot {
    head: u32,
    tail: u32,
    /// No timer in here is earlier; exact until one is cancelled.
    earliest: Instant,
}

const TICK_BITS: u32 = 10;
const LEVEL_BITS: u32 = 6;
const LEVELS: usize = 9;
const SLOTS: usize = 64;
const SLOTS_U32: u32 = 1 << LEVEL_BITS;
/// The list of timers that are due, behind those of the levels.
const DUE: u32 = 576;
/// The place of an entry that is not in use.
const FREE: u32 = 577;
const NONE: u32 = u32::MAX;
const EMPTY: Slot = Slot {
    head: NONE,
    tail: NONE,
    earliest: Instant::MAX,
};

impl<K: Copy> Wheel<K> {
    /// A wheel that starts at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            len: 0,
            tick: tick_of(now),
            occupied: [0; LEVELS],
            slots: alloc::vec![EMPTY; LEVELS * SLOTS + 1],
        }
    }

    /// How many timers are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a timer; one in the past is due at once.
    ///
    /// # Panics
    /// With 2^32 timers.
    pub fn insert(&mut self, key: K, at: Instant) -> TimerId {
        let index = if self.free == NONE {
            let index = u32::try_from(self.entries.len()).expect("fewer timers than 2^32");
            self.entries.push(Entry {
                key,
                at,
                generation: 0,
                slot: FREE,
                prev: NONE,
                next: NONE,
            });
            index
        } else {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            self.free = entry.next;
            (entry.key, entry.at) = (key, at);
            index
        };
        self.len += 1;
        self.link(index, self.slot_for(at));
        TimerId {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    /// Takes a timer back; whether it was still set.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        if self.deadline(id).is_none() {
            return false;
        }
        self.unlink(id.index);
        self.recycle(id.index);
        true
    }

    /// When a timer will fire, if it is still set.
    #[must_use]
    pub fn deadline(&self, id: TimerId) -> Option<Instant> {
        self.entries
            .get(id.index as usize)
            .filter(|entry| entry.generation == id.generation && entry.slot != FREE)
            .map(|entry| entry.at)
    }

    /// When to call [`expire`](Self::expire) next: no timer fires before. After a cancellation it
    /// may be earlier than the first timer, once.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        if self.slots[DUE as usize].head != NONE {
            return Some(self.slots[DUE as usize].earliest);
        }
        let slot = self.first()?;
        Some(self.slots[slot as usize].earliest)
    }

    /// Takes one timer out that is due at `now`; to be called until it returns `None`.
    pub fn expire(&mut self, now: Instant) -> Option<K> {
        loop {
            let due = self.slots[DUE as usize].head;
            if due != NONE {
                self.unlink(due);
                self.recycle(due);
                return Some(self.entries[due as usize].key);
            }
            let now_tick = tick_of(now);
            let Some(slot) = self.first() else {
                self.tick = self.tick.max(now_tick);
                return None;
            };
            let start = self.start_of(slot);
            if start > now_tick {
                self.tick = self.tick.max(now_tick);
                return None;
            }
            self.tick = self.tick.max(start);
            let is_tick = (slot as usize) < SLOTS;
            if is_tick && self.slots[slot as usize].earliest > now {
                return None;
            }
            self.empty(slot, now);
        }
    }

    /// Moves the timers of a slot to where they now belong: among the due, or to a lower level.
    fn empty(&mut self, slot: u32, now: Instant) {
        let mut index = self.slots[slot as usize].head;
        self.clear(slot);
        while index != NONE {
            let entry = &self.entries[index as usize];
            let (at, next) = (entry.at, entry.next);
            let to = if at <= now { DUE } else { self.slot_for(at) };
            self.link(index, to);
            index = next;
        }
    }

    /// The earliest slot with a timer.
    fn first(&self) -> Option<u32> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        Some(slot_number(level, self.occupied[level].trailing_zeros()))
    }

    /// The first tick of a slot, seen from the wheel's tick.
    fn start_of(&self, slot: u32) -> u64 {
        let (level, digit) = (slot >> LEVEL_BITS, u64::from(slot) & (SLOTS as u64 - 1));
        let shift = level * LEVEL_BITS;
        let above = shift + LEVEL_BITS;
        let base = self.tick.checked_shr(above).unwrap_or(0);
        base.checked_shl(above).unwrap_or(0) | digit << shift
    }

    /// The slot for a time.
    fn slot_for(&self, at: Instant) -> u32 {
        let tick = tick_of(at).max(self.tick);
        let differs = (tick ^ self.tick) | 1;
        let level = (u64::BITS - 1 - differs.leading_zeros()) / LEVEL_BITS;
        let digit = tick >> (level * LEVEL_BITS) & (SLOTS as u64 - 1);
        slot_number(level as usize, u32::try_from(digit).unwrap_or(0))
    }

    /// Puts an entry at the end of a slot's list.
    fn link(&mut self, index: u32, slot: u32) {
        let list = &mut self.slots[slot as usize];
        let tail = core::mem::replace(&mut list.tail, index);
        if tail == NONE {
            list.head = index;
        }
        let entry = &mut self.entries[index as usize];
        list.earliest = list.earliest.min(entry.at);
        (entry.prev, entry.next, entry.slot) = (tail, NONE, slot);
        if tail != NONE {
            self.entries[tail as usize].next = index;
        }
        if let Some(bits) = self.occupied.get_mut((slot >> LEVEL_BITS) as usize) {
            *bits |= 1 << (slot % SLOTS_U32);
        }
    }

    /// Takes an entry out of its slot's list.
    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let (slot, prev, next) = (entry.slot, entry.prev, entry.next);
        match prev {
            NONE => self.slots[slot as usize].head = next,
            prev => self.entries[prev as usize].next = next,
        }
        match next {
            NONE => self.slots[slot as usize].tail = prev,
            next => self.entries[next as usize].prev = prev,
        }
        if self.slots[slot as usize].head == NONE {
            self.clear(slot);
        }
    }

    /// Marks a slot as empty.
    fn clear(&mut self, slot: u32) {
        self.slots[slot as usize] = EMPTY;
        if let Some(bits) = self.occupied.get_mut((slot >> LEVEL_BITS) as usize) {
            *bits &= !(1 << (slot % SLOTS_U32));
        }
    }

    /// Keeps an entry for the next timer.
    fn recycle(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.slot = FREE;
        entry.next = core::mem::replace(&mut self.free, index);
        self.len -= 1;
    }
}

const fn tick_of(at: Instant) -> u64 {
    at.as_nanos() >> TICK_BITS
}

fn slot_number(level: usize, digit: u32) -> u32 {
    u32::try_from(level * SLOTS).unwrap_or(0) + digit
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
