//! Which queue is the longest, asked for only while there is no room.

use super::ways::QUEUES;
use alloc::collections::BinaryHeap;

/// A queue by its tin and its place there.
pub(super) type QueueId = (u8, u16);

/// Queues by their length, as of when they grew last. A queue that has become shorter is put right when
/// it comes to the top, so the first whose length is right is the longest.
#[derive(Debug, Default)]
pub(super) struct Longest {
    lengths: BinaryHeap<(u64, QueueId)>,
    /// Whether growth is noted: since something did not fit, until all is empty.
    active: bool,
}

impl Longest {
    /// A queue has grown to so many bytes.
    pub(super) fn on_grown(&mut self, id: QueueId, bytes: u64) {
        if !self.active {
            return;
        }
        self.lengths.push((bytes, id));
        // More than once over what there can be: it is made anew when it is needed.
        self.active = self.lengths.len() <= MOST_NOTES;
    }

    /// Nothing waits any more.
    pub(super) fn rest(&mut self) {
        self.active = false;
    }

    /// The longest queue; `all` gives every one that is not empty, `bytes` the length of one.
    pub(super) fn find<I: Iterator<Item = (u64, QueueId)>>(
        &mut self,
        all: impl FnOnce() -> I,
        bytes: impl Fn(QueueId) -> u64,
    ) -> Option<QueueId> {
        if !self.active {
            self.active = true;
            self.lengths.clear();
            self.lengths.extend(all());
        }
        loop {
            let mut top = self.lengths.peek_mut()?;
            let (noted, id) = *top;
            let now = bytes(id);
            if noted == now {
                return Some(id);
            }
            if now == 0 {
                alloc::collections::binary_heap::PeekMut::pop(top);
            } else {
                top.0 = now;
            }
        }
    }
}

/// Twice the queues of eight tins.
const MOST_NOTES: usize = 2 * 8 * QUEUES as usize;
