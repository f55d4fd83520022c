//! Received bytes in order, waiting for the application.

use super::{Chunk, copy};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// A piece that pins more than `2 × payload + SLACK` bytes of memory is copied out.
const SLACK: usize = 256;
/// Room for pieces that a cleared queue keeps.
const SPARE_PIECES: usize = 32;

/// A queue of received bytes that knows how much memory it holds alive.
///
/// Large pieces stay in the buffer they were received into. A piece that would keep more than
/// `2 × payload + 256` bytes of memory alive is copied behind its predecessors into one growing
/// vector, so a peer that sends single bytes cannot make the queue pin a packet buffer for each.
///
/// ```
/// use net_core::buf::{Chunk, RecvQueue};
/// let mut queue = RecvQueue::default();
/// queue.push(Chunk { bytes: b"hello"[..].into(), pins: 2048 });
/// let mut out = [0; 8];
/// assert_eq!(queue.read(&mut out), 5);
/// assert_eq!(&out[..5], b"hello");
/// ```
#[derive(Debug, Default)]
pub struct RecvQueue {
    pieces: VecDeque<Chunk>,
    /// Copied-out bytes; they come after all of `pieces`. Those before `tail_start` were read.
    tail: Vec<u8>,
    tail_start: usize,
    len: usize,
    pieces_pin: usize,
}

impl RecvQueue {
    /// Unread bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory held alive.
    #[must_use]
    pub fn pins(&self) -> usize {
        self.pieces_pin + self.tail.capacity()
    }

    /// Puts `chunk` behind what is there.
    pub fn push(&mut self, chunk: Chunk) {
        let len = chunk.bytes.len();
        if len == 0 {
            return;
        }
        self.len += len;
        if is_wasteful(len, chunk.pins) {
            self.copy_in(&chunk.bytes);
        } else {
            self.close_tail();
            self.pieces_pin += chunk.pins as usize;
            self.pieces.push_back(chunk);
        }
    }

    /// Puts all of `chunks` behind what is there.
    pub(crate) fn push_all(&mut self, chunks: &mut SmallVec<[Chunk; 2]>) {
        if chunks.is_empty() {
            return;
        }
        let (mut len, mut pins, mut plain) = (0, 0, true);
        for chunk in chunks.iter() {
            len += chunk.bytes.len();
            pins += chunk.pins as usize;
            plain &= !chunk.bytes.is_empty() && !is_wasteful(chunk.bytes.len(), chunk.pins);
        }
        if plain {
            self.close_tail();
            self.len += len;
            self.pieces_pin += pins;
            self.pieces.extend(chunks.drain(..));
        } else {
            chunks.drain(..).for_each(|chunk| self.push(chunk));
        }
    }

    /// Puts the bytes of `frame`, which holds `pins` bytes of memory alive, behind what is there,
    /// and empties it; it keeps its memory if they were copied.
    pub(crate) fn push_frame(&mut self, frame: &mut BytesMut, pins: u32) {
        if is_wasteful(frame.len(), pins) {
            self.len += frame.len();
            self.copy_in(frame);
            frame.clear();
        } else {
            let bytes = core::mem::take(frame).freeze();
            self.push(Chunk { bytes, pins });
        }
    }

    fn copy_in(&mut self, bytes: &[u8]) {
        if self.tail.capacity() == 0 {
            self.tail.reserve(bytes.len().max(SLACK));
        } else if self.tail_start > self.tail.len() / 2
            && self.tail.len() + bytes.len() > self.tail.capacity()
        {
            self.tail.drain(..self.tail_start);
            self.tail_start = 0;
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Moves everything from `other` behind what is there; a swap where this queue is empty.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            core::mem::swap(self, other);
            return;
        }
        for piece in other.pieces.drain(..) {
            self.push(piece);
        }
        let rest = other.tail.get(other.tail_start..).unwrap_or_default();
        if !rest.is_empty() {
            self.len += rest.len();
            self.copy_in(rest);
        }
        other.pieces_pin = 0;
        other.len = rest.len();
        other.clear();
    }

    /// Copies up to `out.len()` bytes out and removes them.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(piece) = self.pieces.front_mut()
            && done < out.len()
        {
            let len = piece.bytes.len().min(out.len() - done);
            copy(&mut out[done..done + len], &piece.bytes[..len]);
            done += len;
            self.len -= len;
            if len < piece.bytes.len() {
                piece.bytes.advance(len);
                return done;
            }
            self.pieces_pin -= piece.pins as usize;
            self.pieces.pop_front();
        }
        let tail = self.tail.get(self.tail_start..).unwrap_or_default();
        let len = tail.len().min(out.len() - done);
        copy(&mut out[done..done + len], &tail[..len]);
        self.discard(len);
        done + len
    }

    /// Copies bytes from `offset` on without removing them; how many were copied.
    pub fn peek(&self, offset: usize, out: &mut [u8]) -> usize {
        let (mut skip, mut done) = (offset, 0);
        let tail = self.tail.get(self.tail_start..).unwrap_or_default();
        for piece in self
            .pieces
            .iter()
            .map(|piece| &piece.bytes[..])
            .chain([tail])
        {
            let Some(piece) = piece.get(skip..).filter(|piece| !piece.is_empty()) else {
                skip -= piece.len();
                continue;
            };
            skip = 0;
            let len = piece.len().min(out.len() - done);
            copy(&mut out[done..done + len], &piece[..len]);
            done += len;
            if done == out.len() {
                break;
            }
        }
        done
    }

    /// The next bytes, as far as they lie together; empty if there are none.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        match self.pieces.front() {
            Some(piece) => &piece.bytes,
            None => self.tail.get(self.tail_start..).unwrap_or_default(),
        }
    }

    /// Takes the next piece without copying, at most `max` bytes of it.
    pub fn take(&mut self, max: usize) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.close_tail();
        }
        let front = self.pieces.front_mut()?;
        let len = front.bytes.len().min(max);
        let bytes = front.bytes.split_to(len);
        self.len -= len;
        self.drop_empty_front();
        Some(bytes)
    }

    /// Removes up to `count` bytes from the front.
    pub fn discard(&mut self, mut count: usize) {
        count = count.min(self.len);
        self.len -= count;
        while let Some(front) = self.pieces.front_mut() {
            let len = front.bytes.len().min(count);
            front.bytes.advance(len);
            count -= len;
            if !self.drop_empty_front() {
                return;
            }
        }
        self.tail_start += count;
        if self.tail_start >= self.tail.len() {
            self.tail.clear();
            self.tail_start = 0;
        }
    }

    /// Takes the byte at `at` out of what is there.
    pub(crate) fn remove(&mut self, at: usize) -> Option<u8> {
        let mut byte = [0];
        if self.peek(at, &mut byte) == 0 {
            return None;
        }
        self.len -= 1;
        let mut skip = at;
        for index in 0..self.pieces.len() {
            let piece = self.pieces.get_mut(index)?;
            if skip >= piece.bytes.len() {
                skip -= piece.bytes.len();
                continue;
            }
            let mut rest = piece.bytes.split_off(skip);
            rest.advance(1);
            let pins = piece.pins;
            self.pieces_pin += pins as usize;
            self.pieces.insert(index + 1, Chunk { bytes: rest, pins });
            self.drop_empty(index + 1);
            self.drop_empty(index);
            return Some(byte[0]);
        }
        self.tail.remove(self.tail_start + skip);
        Some(byte[0])
    }

    fn drop_empty(&mut self, index: usize) {
        let empty = self
            .pieces
            .get(index)
            .is_some_and(|piece| piece.bytes.is_empty());
        if empty && let Some(piece) = self.pieces.remove(index) {
            self.pieces_pin -= piece.pins as usize;
        }
    }

    /// Whether all that is to be read was copied, so that no memory of a packet is held alive.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether it has room that [`clear`](Self::clear) gives back.
    #[must_use]
    pub fn is_bulky(&self) -> bool {
        self.tail.capacity() > 4 * SLACK || self.pieces.capacity() > SPARE_PIECES
    }

    /// Removes everything; keeps one small buffer for the next bytes.
    pub fn clear(&mut self) {
        if self.len > 0 {
            self.discard(self.len);
        }
        if self.tail.capacity() > 4 * SLACK {
            self.tail = Vec::new();
        }
        if self.pieces.capacity() > SPARE_PIECES {
            self.pieces = VecDeque::new();
        }
    }

    /// Drops the front piece if it is used up; whether it was.
    fn drop_empty_front(&mut self) -> bool {
        let used_up = self
            .pieces
            .front()
            .is_some_and(|front| front.bytes.is_empty());
        if used_up && let Some(front) = self.pieces.pop_front() {
            self.pieces_pin -= front.pins as usize;
        }
        used_up
    }

    /// Turns the copied-out bytes into a piece, so that another may follow.
    fn close_tail(&mut self) {
        if self.tail_start < self.tail.len() {
            let pins = u32::try_from(self.tail.capacity()).unwrap_or(u32::MAX);
            let mut bytes = Bytes::from(core::mem::take(&mut self.tail));
            bytes.advance(core::mem::take(&mut self.tail_start));
            self.pieces_pin += pins as usize;
            self.pieces.push_back(Chunk { bytes, pins });
        }
    }
}

/// Whether a piece of `len` bytes keeps so much memory alive that it is better copied out.
pub(crate) const fn is_wasteful(len: usize, pins: u32) -> bool {
    pins as usize > 2 * len + SLACK
}
