//! Data that arrived beyond a hole, and what the peer is told of it (RFC 2018 §4, RFC 2883).

use super::SeqNum;
use super::segment::Payload;
use crate::buf::RecvQueue;
use crate::wire::SackBlocks;
use alloc::collections::BTreeMap;

/// From the first sequence number to the one behind the last.
pub(crate) type Range = (SeqNum, SeqNum);

/// A sequence number on an axis that does not wrap while there are islands.
type Place = u64;

/// Out-of-order data in the order of the sequence space. O(log n) work for each arrival.
#[derive(Debug, Default)]
pub(crate) struct Islands {
    /// By where they begin.
    map: BTreeMap<Place, Island>,
    /// Where islands begin, by when they changed last; those of which the peer was not told are the
    /// largest.
    recent: BTreeMap<(bool, u64), Place>,
    /// A sequence number and its place.
    origin: (SeqNum, Place),
    /// Counts arrivals.
    touches: u64,
    /// Bytes of memory held alive by all of them.
    pins: usize,
}

/// Data without a hole in it.
#[derive(Debug)]
struct Island {
    end: Place,
    queue: RecvQueue,
    /// Its key in `recent`.
    touched: (bool, u64),
}

/// There are too many islands: the data was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Islands {
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.map.len()
    }

    /// Bytes of memory held alive.
    pub(crate) const fn pins(&self) -> usize {
        self.pins
    }

    /// Whether the peer has not been told of all of them.
    pub(crate) fn has_news(&self) -> bool {
        let newest = self.recent.last_key_value();
        newest.is_some_and(|((untold, _), _)| *untold)
    }

    /// Everything is dropped.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The first part of `start..end` that is there already.
    pub(crate) fn overlap(&self, (start, end): Range) -> Option<Range> {
        if self.map.is_empty() {
            return None;
        }
        let (start, end) = (self.place(start), self.place(end));
        let before = self.map.range(..=start).next_back();
        let (&at, island) = before
            .filter(|(_, island)| island.end > start)
            .or_else(|| self.map.range(start..end).next())?;
        Some((self.seq(at.max(start)), self.seq(island.end.min(end))))
    }

    /// Keeps data from `seq` to `end`, as one of `most` islands; whether some of it is new.
    ///
    /// # Errors
    /// [`NoRoom`] if it would be an island too many.
    pub(crate) fn insert(
        &mut self,
        seq: SeqNum,
        end: SeqNum,
        payload: &mut Payload<'_>,
        most: usize,
    ) -> Result<bool, NoRoom> {
        if self.map.is_empty() {
            self.origin = (seq, FIRST_PLACE);
        }
        let (start, end) = (self.place(seq), self.place(end));
        let before = self.map.range(..=start).next_back();
        let touching = before.filter(|(_, island)| island.end >= start);
        let Some((&start, island)) = touching else {
            if self.map.len() >= most {
                return Err(NoRoom);
            }
            self.grow(start, end, RecvQueue::default(), payload);
            return Ok(true);
        };
        let known = island.end;
        let queue = self.take_out(start);
        if end <= known {
            self.put_in(start, known, queue);
            return Ok(false);
        }
        // It continues this island: the usual case, and no new room is needed.
        payload.trim_front(self.seq(known).distance_from(seq));
        self.grow(start, end, queue, payload);
        Ok(true)
    }

    /// Makes an island of `queue` and `payload` behind it, joined with those that they reach. What
    /// those have already is not kept twice.
    fn grow(
        &mut self,
        start: Place,
        mut end: Place,
        mut queue: RecvQueue,
        payload: &mut Payload<'_>,
    ) {
        while let Some((&next, island)) = self.map.range(start..=end).next() {
            let next_end = island.end;
            let mut next_queue = self.take_out(next);
            // Otherwise it is covered whole by the new data.
            if next_end > end {
                next_queue.discard(self.seq(end).distance_from(self.seq(next)) as usize);
                payload.move_to(&mut queue);
                queue.append(&mut next_queue);
                end = next_end;
                break;
            }
        }
        payload.move_to(&mut queue);
        self.put_in(start, end, queue);
    }

    /// Moves what has become contiguous with `nxt` into `queue`; RCV.NXT behind it.
    pub(crate) fn absorb(&mut self, nxt: SeqNum, queue: &mut RecvQueue) -> SeqNum {
        let mut nxt = self.place(nxt);
        while let Some((&start, island)) = self.map.first_key_value()
            && start <= nxt
        {
            let end = island.end;
            let mut island = self.take_out(start);
            if end > nxt {
                island.discard(self.seq(nxt).distance_from(self.seq(start)) as usize);
                queue.append(&mut island);
                nxt = end;
            }
        }
        self.origin = (self.seq(nxt), nxt);
        self.origin.0
    }

    /// Up to `max` SACK blocks: what the peer was not told of first, and of that the most recent
    /// (RFC 2018 §4). It counts as told.
    pub(crate) fn tell(&mut self, max: usize) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        let mut told = [None; SackBlocks::MAX];
        for ((key, &start), told) in self.recent.iter().rev().take(max).zip(&mut told) {
            if let Some(island) = self.map.get(&start) {
                blocks.push(self.seq(start), self.seq(island.end));
                *told = key.0.then_some((*key, start));
            }
        }
        for (key, start) in told.into_iter().flatten() {
            self.recent.remove(&key);
            let key = (false, key.1);
            self.recent.insert(key, start);
            if let Some(island) = self.map.get_mut(&start) {
                island.touched = key;
            }
        }
        blocks
    }

    /// Takes an island out of the books; its data.
    fn take_out(&mut self, start: Place) -> RecvQueue {
        let Some(island) = self.map.remove(&start) else {
            return RecvQueue::default();
        };
        self.recent.remove(&island.touched);
        self.pins -= island.queue.pins();
        island.queue
    }

    /// Enters an island that has changed.
    fn put_in(&mut self, start: Place, end: Place, queue: RecvQueue) {
        self.touches += 1;
        let touched = (true, self.touches);
        self.pins += queue.pins();
        self.recent.insert(touched, start);
        let island = Island {
            end,
            queue,
            touched,
        };
        self.map.insert(start, island);
    }

    /// Of a sequence number within a window of what is here.
    fn place(&self, seq: SeqNum) -> Place {
        let (origin, place) = self.origin;
        if seq.before(origin) {
            place - Place::from(origin.distance_from(seq))
        } else {
            place + Place::from(seq.distance_from(origin))
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "within a window")]
    fn seq(&self, place: Place) -> SeqNum {
        let (origin, at) = self.origin;
        if place < at {
            origin - (at - place) as u32
        } else {
            origin + (place - at) as u32
        }
    }
}

/// Far enough from zero for what lies in front of it.
const FIRST_PLACE: Place = 1 << 32;

/// Ranges that arrived twice and that the peer has not been told of (RFC 2883).
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    ranges: [Range; Self::MAX],
    len: usize,
}

impl Duplicates {
    /// Reports that may wait; more than these come from a network, or a peer, that copies a lot.
    const MAX: usize = 4;

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A range has arrived twice. Runs that follow each other are one report.
    pub(crate) fn push(&mut self, (start, end): Range) {
        if let Some(last) = self
            .len
            .checked_sub(1)
            .and_then(|at| self.ranges.get_mut(at))
            && last.1 == start
        {
            last.1 = end;
        } else if let Some(free) = self.ranges.get_mut(self.len) {
            *free = (start, end);
            self.len += 1;
        }
    }

    /// The oldest report.
    pub(crate) fn pop(&mut self) -> Option<Range> {
        let first = *self.ranges.first().filter(|_| self.len > 0)?;
        self.ranges.rotate_left(1);
        self.len -= 1;
        Some(first)
    }
}
