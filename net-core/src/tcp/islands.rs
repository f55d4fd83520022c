//! Data that arrived beyond a hole, and what the peer is told of it (RFC 2018 §4, RFC 2883).

use super::SeqNum;
use super::segment::Payload;
use crate::buf::RecvQueue;
use crate::wire::SackBlocks;
use alloc::vec::Vec;

/// Islands that one connection keeps.
const MAX_ISLANDS: usize = 256;

/// From the first sequence number to the one behind the last.
pub(crate) type Range = (SeqNum, SeqNum);

/// Out-of-order data in the order of the sequence space.
#[derive(Debug, Default)]
pub(crate) struct Islands {
    list: Vec<Island>,
    /// Counts arrivals.
    touches: u32,
    /// Bytes of memory held alive by all of them.
    pins: usize,
    /// Islands that changed since the peer was told of them.
    untold: usize,
}

/// Data without a hole in it.
#[derive(Debug)]
struct Island {
    start: SeqNum,
    end: SeqNum,
    queue: RecvQueue,
    /// Larger is more recent: the peer wants the most recent first.
    touched: u32,
    /// The peer was told of it as it is.
    told: bool,
}

/// There are too many islands: the data was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Islands {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Bytes of memory held alive.
    pub(crate) const fn pins(&self) -> usize {
        self.pins
    }

    /// Whether the peer has not been told of all of them.
    pub(crate) const fn has_news(&self) -> bool {
        self.untold > 0
    }

    /// Everything is dropped.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The first part of `start..end` that is there already.
    pub(crate) fn overlap(&self, (start, end): Range) -> Option<Range> {
        let at = self
            .list
            .partition_point(|island| island.end.at_or_before(start));
        let island = self.list.get(at)?;
        let part = (island.start.max(start), island.end.min(end));
        part.0.before(part.1).then_some(part)
    }

    /// Keeps data from `seq` to `end`; whether some of it is new.
    ///
    /// # Errors
    /// [`NoRoom`] if it would be an island too many.
    pub(crate) fn insert(
        &mut self,
        seq: SeqNum,
        end: SeqNum,
        payload: &mut Payload<'_>,
    ) -> Result<bool, NoRoom> {
        self.touches = self.touches.wrapping_add(1);
        // Everything that ends before `seq` stays; `at` is the first that touches or follows.
        let at = self.list.partition_point(|island| island.end.before(seq));
        let mut grown = Island {
            start: seq,
            end,
            queue: RecvQueue::default(),
            touched: self.touches,
            told: false,
        };
        if let Some(island) = self.list.get_mut(at)
            && island.start.at_or_before(seq)
        {
            if end.at_or_before(island.end) {
                (island.touched, island.told) = (self.touches, false);
                self.recount();
                return Ok(false);
            }
            // It continues this island: the usual case, and no new room is needed.
            payload.trim_front(island.end.distance_from(seq));
            grown.start = island.start;
            grown.queue = core::mem::take(&mut island.queue);
            self.list.remove(at);
        } else if self.list.len() >= MAX_ISLANDS {
            return Err(NoRoom);
        }
        self.swallow(at, &mut grown, payload);
        payload.move_to(&mut grown.queue);
        self.list.insert(at, grown);
        self.recount();
        Ok(true)
    }

    /// Joins to `grown`, and `payload` behind it, the islands from `at` on that they reach. What
    /// those have already is not kept twice.
    fn swallow(&mut self, at: usize, grown: &mut Island, payload: &mut Payload<'_>) {
        while let Some(next) = self.list.get(at) {
            if next.start.after(grown.end) {
                return;
            }
            let mut next = self.list.remove(at);
            if next.end.at_or_before(grown.end) {
                // Covered whole by the new data.
                continue;
            }
            let overlap = grown.end.distance_from(next.start);
            next.queue.discard(overlap as usize);
            payload.move_to(&mut grown.queue);
            grown.queue.append(&mut next.queue);
            grown.end = next.end;
            return;
        }
    }

    /// Moves what has become contiguous with `nxt` into `queue`; RCV.NXT behind it.
    pub(crate) fn absorb(&mut self, mut nxt: SeqNum, queue: &mut RecvQueue) -> SeqNum {
        while self
            .list
            .first()
            .is_some_and(|first| first.start.at_or_before(nxt))
        {
            let mut island = self.list.remove(0);
            if island.end.after(nxt) {
                let known = nxt.distance_from(island.start) as usize;
                island.queue.discard(known);
                queue.append(&mut island.queue);
                nxt = island.end;
            }
        }
        self.recount();
        nxt
    }

    /// Up to `max` SACK blocks: what the peer was not told of first, and of that the most recent
    /// (RFC 2018 §4). It counts as told.
    pub(crate) fn tell(&mut self, max: usize) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        let mut last = None;
        while blocks.len() < max {
            let newest = self
                .list
                .iter_mut()
                .filter(|island| last.is_none_or(|last| (!island.told, island.touched) < last))
                .max_by_key(|island| (!island.told, island.touched));
            let Some(island) = newest else { break };
            blocks.push(island.start, island.end);
            last = Some((!island.told, island.touched));
        }
        for island in &mut self.list {
            let last = last.unwrap_or_default();
            island.told |= (!island.told, island.touched) >= last;
        }
        self.recount();
        blocks
    }

    /// After a change: sums up what is asked for with every packet.
    fn recount(&mut self) {
        self.pins = self.list.iter().map(|island| island.queue.pins()).sum();
        self.untold = self.list.iter().filter(|island| !island.told).count();
    }
}

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
