//! The bytes that the application gave us and the peer has not acknowledged.

use crate::buf::{SMALL_PAYLOAD, copy_of};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// A segment ends at this many pieces rather than spilling its list onto the heap.
const MAX_PIECES: usize = 8;

/// Pieces below this length are copied together while they wait behind other unsent data.
const SMALL: usize = 512;

/// Room for small pieces: what is kept for them, and what is made at once for those that wait.
const FIRST_CHUNK: usize = 64;
const OPEN_CHUNK: usize = 4096;

/// Bytes that an empty queue takes even when the stack's memory is spent.
const LEAST_ALLOWANCE: usize = 16 << 10;

/// Unacknowledged and unsent bytes in order; segments are slices of them, so sending again is free.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    pieces: VecDeque<Bytes>,
    /// Small writes; they come after `pieces`. Its room serves again.
    open: BytesMut,
    /// Bytes in `pieces` and `open`.
    len: usize,
    /// Where the last slice ended, so that the next need not search: a piece and the offset of its
    /// first byte from the front of the queue.
    cursor: (usize, usize),
}

impl SendQueue {
    /// Bytes that are not acknowledged.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes that may join while the stack's budget has `left`. Memory pressure slows a sender down
    /// but never stops it: what an empty queue takes does not depend on others.
    pub(crate) fn allowance(&self, left: usize) -> usize {
        if self.len == 0 {
            left.max(LEAST_ALLOWANCE)
        } else {
            left
        }
    }

    /// Puts `bytes` at the end. `behind_unsent` says that unsent data waits in front of it, so that
    /// small pieces can join.
    pub(crate) fn push(&mut self, bytes: Bytes, behind_unsent: bool) {
        if bytes.len() < SMALL && (behind_unsent || !self.open.is_empty()) {
            self.join(&bytes, OPEN_CHUNK);
        } else if !bytes.is_empty() {
            self.close_open();
            self.len += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// Puts a copy of `bytes` at the end; `behind_unsent` as for [`push`](Self::push).
    pub(crate) fn push_copy(&mut self, bytes: &[u8], behind_unsent: bool) {
        let waits = behind_unsent || !self.open.is_empty();
        if bytes.len() < SMALL && waits {
            self.join(bytes, OPEN_CHUNK);
        } else if bytes.len() <= SMALL_PAYLOAD {
            // A segment carries so few behind its headers.
            self.join(bytes, FIRST_CHUNK);
        } else {
            self.push(copy_of(bytes), false);
        }
    }

    /// Puts a copy of `bytes` at the end, for which it may make `room`.
    fn join(&mut self, bytes: &[u8], room: usize) {
        let free = self.open.capacity() - self.open.len();
        if free < bytes.len() && !self.open.try_reclaim(bytes.len()) {
            self.close_open();
            self.open = BytesMut::with_capacity(room.max(bytes.len()));
        }
        self.len += bytes.len();
        self.open.extend_from_slice(bytes);
    }

    /// Slices up to `max` bytes from `offset` on into `body`; how many it got, fewer where they
    /// would need more than eight pieces.
    pub(crate) fn slice(
        &mut self,
        offset: usize,
        max: usize,
        body: &mut SmallVec<[Bytes; MAX_PIECES]>,
    ) -> usize {
        if offset + max > self.len - self.open.len() {
            self.close_open();
        }
        self.seek(offset);
        let (mut index, mut start) = self.cursor;
        let mut done = 0;
        while done < max && body.len() < MAX_PIECES {
            let Some(piece) = self.pieces.get(index) else {
                break;
            };
            let (position, end) = (offset + done, start + piece.len());
            if position < end {
                let take = (end - position).min(max - done);
                body.push(piece.slice(position - start..position - start + take));
                done += take;
            }
            if offset + done < end {
                break;
            }
            index += 1;
            start = end;
        }
        self.cursor = (index, start);
        done
    }

    /// Copies what lies at `offset` into `out`; `false` if it does not lie in one piece.
    pub(crate) fn copy(&mut self, offset: usize, out: &mut [u8]) -> bool {
        if let Some(from) = offset.checked_sub(self.len - self.open.len())
            && let Some(part) = self.open.get(from..from + out.len())
        {
            out.copy_from_slice(part);
            return true;
        }
        self.seek(offset);
        let (index, start) = self.cursor;
        let piece = self.pieces.get(index).and_then(|piece| {
            let from = offset.checked_sub(start)?;
            piece.get(from..from + out.len())
        });
        let Some(piece) = piece else {
            return false;
        };
        out.copy_from_slice(piece);
        true
    }

    /// Moves the cursor to the piece that `offset` lies in, or the last one in front of it.
    fn seek(&mut self, offset: usize) {
        let (mut index, mut start) = self.cursor;
        if offset < start || index >= self.pieces.len() {
            (index, start) = (0, 0);
        }
        while let Some(piece) = self.pieces.get(index)
            && start + piece.len() <= offset
        {
            start += piece.len();
            index += 1;
        }
        self.cursor = (index, start);
    }

    /// Drops `count` acknowledged bytes from the front.
    pub(crate) fn release(&mut self, count: usize) {
        let count = count.min(self.len);
        let closed = self.len - self.open.len();
        self.len -= count;
        if let Some(part) = count.checked_sub(closed) {
            self.open.advance(part);
            if self.open.is_empty() {
                self.open.clear();
            }
            if self.len == 0 && (self.open.capacity() > SMALL || self.open.try_reclaim(SMALL + 1)) {
                // Made for many that waited.
                self.open = BytesMut::new();
            }
        }
        if closed == 0 {
            return;
        }
        let (mut left, mut popped) = (count.min(closed), 0);
        while left > 0 {
            let Some(front) = self.pieces.front_mut() else {
                break;
            };
            let part = front.len().min(left);
            left -= part;
            front.advance(part);
            if front.is_empty() {
                self.pieces.pop_front();
                popped += 1;
            }
        }
        self.cursor = match self.cursor {
            (index, start) if index > popped => (index - popped, start.saturating_sub(count)),
            _ => (0, 0),
        };
    }

    /// A copy of everything.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len);
        for piece in &self.pieces {
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(&self.open);
        out
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn close_open(&mut self) {
        if !self.open.is_empty() {
            self.pieces.push_back(self.open.split().freeze());
        }
    }
}
