//! Many queues in one piece of memory, so that a flow that comes and goes leaves nothing behind.

use super::Queued;
use slab::Slab;

/// The packets of all flows, linked behind each other.
#[derive(Debug, Default)]
pub(super) struct Packets {
    slots: Slab<Slot>,
    bytes: u64,
}

#[derive(Debug)]
struct Slot {
    queued: Queued,
    next: usize,
}

/// One flow's queue among the [`Packets`].
#[derive(Debug, Clone, Copy)]
pub(super) struct FlowQueue {
    head: usize,
    tail: usize,
    len: u32,
    bytes: u64,
}

/// Where a packet is in its queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// The slot of the packet in front of it.
    behind: usize,
}

impl Default for FlowQueue {
    fn default() -> Self {
        Self {
            head: NONE,
            tail: NONE,
            len: 0,
            bytes: 0,
        }
    }
}

impl FlowQueue {
    /// How many packets it has.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// Bytes of its packets on the wire.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Packets {
    /// How many packets all queues have.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of all packets on the wire.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a packet behind the others of a queue.
    pub(super) fn push(&mut self, queue: &mut FlowQueue, queued: Queued) {
        let len = u64::from(queued.wire_len);
        let index = self.slots.insert(Slot { queued, next: NONE });
        match self.slots.get_mut(queue.tail) {
            Some(tail) => tail.next = index,
            None => queue.head = index,
        }
        queue.tail = index;
        queue.len += 1;
        queue.bytes += len;
        self.bytes += len;
    }

    /// The first packet of a queue.
    pub(super) fn first(&self, queue: &FlowQueue) -> Option<&Queued> {
        self.slots.get(queue.head).map(|slot| &slot.queued)
    }

    /// The last packet of a queue.
    pub(super) fn last(&self, queue: &FlowQueue) -> Option<&Queued> {
        self.slots.get(queue.tail).map(|slot| &slot.queued)
    }

    /// The packets of a queue in order, and where each is.
    pub(super) fn iter(&self, queue: &FlowQueue) -> impl Iterator<Item = (Position, &Queued)> {
        let (mut behind, mut next) = (NONE, queue.head);
        core::iter::from_fn(move || {
            let slot = self.slots.get(next)?;
            let position = Position { behind };
            (behind, next) = (next, slot.next);
            Some((position, &slot.queued))
        })
    }

    /// Takes the packet at a position out, which [`iter`](Self::iter) has just named.
    pub(super) fn take(&mut self, queue: &mut FlowQueue, position: Position) -> Option<Queued> {
        let Position { behind } = position;
        let Some(index) = self.slots.get(behind).map(|slot| slot.next) else {
            return self.pop(queue);
        };
        let Slot { queued, next } = self.slots.try_remove(index)?;
        if let Some(slot) = self.slots.get_mut(behind) {
            slot.next = next;
        }
        if next == NONE {
            queue.tail = behind;
        }
        self.count_taken(queue, &queued);
        Some(queued)
    }

    /// Takes the first packet of a queue out.
    pub(super) fn pop(&mut self, queue: &mut FlowQueue) -> Option<Queued> {
        let Slot { queued, next } = self.slots.try_remove(queue.head)?;
        queue.head = next;
        if next == NONE {
            queue.tail = NONE;
        }
        self.count_taken(queue, &queued);
        Some(queued)
    }

    fn count_taken(&mut self, queue: &mut FlowQueue, queued: &Queued) {
        let len = u64::from(queued.wire_len);
        queue.len -= 1;
        queue.bytes -= len;
        self.bytes -= len;
    }
}

/// No slot of a slab: they hold fewer.
const NONE: usize = usize::MAX;
