//! Memory that writers copy into, used again when the peer has acknowledged it.

use crate::sync::Mutex;
use bytes::{Bytes, BytesMut};
use net_core::buf::in_parts;
use std::collections::VecDeque;
use std::io::IoSlice;

/// A bounded pool of send chunks, shared by all sockets of a stack.
///
/// Chunks come in sizes of powers of two, so a write never pins more than twice its length. A chunk
/// goes to the back of its line when it is filled and is looked at again when it has come to the
/// front: by then the slices that were cut from it are usually gone.
#[derive(Debug)]
pub(crate) struct ChunkPool {
    lines: [Mutex<Line>; LINES],
}

/// Chunks of one size.
#[derive(Debug, Default)]
struct Line {
    chunks: VecDeque<BytesMut>,
    /// Chunks taken in a row while the next was free too.
    spared: usize,
}

impl ChunkPool {
    /// An empty pool.
    pub(crate) fn new() -> Self {
        Self {
            lines: std::array::from_fn(|_| Mutex::new(Line::default())),
        }
    }

    /// Copies the next `len` bytes of `source` into a chunk; `len` is at most [`MAX_CHUNK`].
    pub(super) fn copy(&self, source: &mut Source<'_>, len: usize) -> Bytes {
        let size = len.next_power_of_two().clamp(MIN_CHUNK, MAX_CHUNK);
        let index = usize::try_from((size / MIN_CHUNK).trailing_zeros()).unwrap_or(0);
        let line = &self.lines[index];
        let mut chunk = take(line, size).unwrap_or_else(|| BytesMut::with_capacity(size));
        source.copy(len, |piece| chunk.extend_from_slice(piece));
        let bytes = chunk.split().freeze();
        let evicted = {
            let mut line = line.lock();
            line.chunks.push_back(chunk);
            (line.chunks.len() > MAX_CHUNKS).then(|| line.chunks.pop_front())
        };
        drop(evicted);
        bytes
    }

    /// Copies `data`, at most [`MAX_CHUNK`] bytes.
    pub(crate) fn copy_slice(&self, data: &[u8]) -> Bytes {
        self.copy(&mut Source::new(&[IoSlice::new(data)]), data.len())
    }
}

/// Looks at the first chunks of a line; those that are still in use go to its back. A line that has
/// had one to spare for several rounds of its chunks gives it up: the fewer there are, the likelier
/// the next one is still in a cache.
fn take(line: &Mutex<Line>, size: usize) -> Option<BytesMut> {
    let mut line = line.lock();
    for _ in 0..LOOKS.min(line.chunks.len()) {
        let mut chunk = line.chunks.pop_front()?;
        if chunk.try_reclaim(size) {
            let given_up = line.spare_one(size);
            drop(line);
            drop(given_up);
            return Some(chunk);
        }
        line.chunks.push_back(chunk);
    }
    None
}

impl Line {
    /// Looks whether the next chunk is free too, and gives it up if that has long been so.
    fn spare_one(&mut self, size: usize) -> Option<BytesMut> {
        let next = self.chunks.front_mut();
        let spare = next.is_some_and(|next| next.try_reclaim(size));
        self.spared = if spare { self.spared + 1 } else { 0 };
        if self.spared <= PATIENCE * self.chunks.len() {
            return None;
        }
        self.spared = 0;
        self.chunks.pop_front()
    }
}

/// The bytes of a (vectored) write, taken from the front.
#[derive(Debug)]
pub(super) struct Source<'a> {
    slices: &'a [IoSlice<'a>],
    /// Bytes of the first slice that were taken.
    taken: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(slices: &'a [IoSlice<'a>]) -> Self {
        Self { slices, taken: 0 }
    }

    /// Hands the next `len` bytes to `sink`, piece by piece.
    pub(super) fn copy(&mut self, mut len: usize, mut sink: impl FnMut(&[u8])) {
        while len > 0
            && let Some((first, rest)) = self.slices.split_first()
        {
            let slice = first.get(self.taken..).unwrap_or_default();
            let piece = slice.get(..len).unwrap_or(slice);
            in_parts(piece).for_each(&mut sink);
            len -= piece.len();
            if piece.len() == slice.len() {
                self.slices = rest;
                self.taken = 0;
            } else {
                self.taken += piece.len();
            }
        }
    }
}

/// Largest chunk, in bytes: as much as fits a super-segment.
pub(super) const MAX_CHUNK: usize = 64 * 1024;
const MIN_CHUNK: usize = 2 * 1024;
const LINES: usize = 6;
/// Chunks that are kept of each size.
const MAX_CHUNKS: usize = 256;
/// For how many rounds of all chunks one must have been free before it is given up.
const PATIENCE: usize = 4;
/// Chunks that are looked at before a new one is made.
const LOOKS: usize = 3;
