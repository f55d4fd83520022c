//! Receive buffers that come back.

use alloc::collections::VecDeque;
use bytes::BytesMut;

/// A bounded FIFO of equal buffers.
///
/// A buffer goes out empty, is filled, and what was filled is split off; the rest, which names the
/// same memory, is given back at once. It serves again when everybody has dropped the filled part,
/// so the steady state allocates nothing.
///
/// ```
/// let mut pool = net_core::buf::Pool::new(2048, 8);
/// let packet = pool.filled(|buffer| buffer.extend_from_slice(b"hello"));
/// assert_eq!(&packet[..], b"hello");
/// ```
#[derive(Debug)]
pub struct Pool {
    size: usize,
    limit: usize,
    parents: VecDeque<BytesMut>,
    /// Buffers taken in a row while the next was free too.
    spared: usize,
}

impl Pool {
    /// Buffers of `size` bytes, of which at most `limit` are remembered.
    #[must_use]
    pub fn new(size: usize, limit: usize) -> Self {
        Self {
            size,
            limit,
            parents: VecDeque::new(),
            spared: 0,
        }
    }

    /// Bytes that each buffer has room for.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Bytes of memory that one buffer keeps alive.
    #[must_use]
    pub fn pins(&self) -> u32 {
        u32::try_from(self.size).unwrap_or(u32::MAX)
    }

    /// An empty buffer with room for the pool's size.
    ///
    /// A pool that has had one to spare for several rounds of its buffers gives it up: the fewer
    /// there are, the likelier the next one is still in a cache.
    pub fn take(&mut self) -> BytesMut {
        for _ in 0..self.parents.len().min(ATTEMPTS) {
            let Some(mut parent) = self.parents.pop_front() else {
                break;
            };
            if parent.try_reclaim(self.size) {
                self.spare_one();
                return parent;
            }
            self.parents.push_back(parent);
        }
        BytesMut::with_capacity(self.size)
    }

    /// Looks whether the next buffer is free too, and gives it up if that has long been so.
    fn spare_one(&mut self) {
        let size = self.size;
        let spare = self
            .parents
            .front_mut()
            .is_some_and(|next| next.try_reclaim(size));
        self.spared = if spare { self.spared + 1 } else { 0 };
        if self.spared > PATIENCE * self.parents.len() {
            self.spared = 0;
            self.parents.pop_front();
        }
    }

    /// Gives back what was left after the filled part had been split off.
    pub fn give(&mut self, rest: BytesMut) {
        if self.parents.len() >= self.limit {
            self.parents.pop_front();
        }
        self.parents.push_back(rest);
    }

    /// A buffer that `fill` has written to.
    pub fn filled(&mut self, fill: impl FnOnce(&mut BytesMut)) -> BytesMut {
        let mut buffer = self.take();
        fill(&mut buffer);
        let filled = buffer.split();
        self.give(buffer);
        filled
    }
}

/// For how many rounds of all buffers one must have been free before it is given up.
const PATIENCE: usize = 4;

/// How many buffers are looked at, oldest first, before a new one is made.
const ATTEMPTS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_dropped_buffer_serves_again() {
        let mut pool = Pool::new(2048, 8);
        let first = pool.filled(|buffer| buffer.extend_from_slice(&[1; 1500]));
        let at = first.as_ptr();
        drop(first);
        let second = pool.filled(|buffer| buffer.extend_from_slice(&[2; 40]));
        assert_eq!(second.as_ptr(), at);
        assert_eq!(&second[..], &[2; 40]);
    }

    #[test]
    fn a_buffer_in_use_is_not_touched() {
        let mut pool = Pool::new(64, 8);
        let held: Vec<_> = (0..100u8)
            .map(|number| pool.filled(|buffer| buffer.extend_from_slice(&[number; 64])))
            .collect();
        for (number, buffer) in (0u8..).zip(&held) {
            assert_eq!(&buffer[..], &[number; 64]);
        }
        assert!(pool.parents.len() <= 8);
    }

    #[test]
    fn frozen_slices_keep_the_buffer() {
        let mut pool = Pool::new(64, 8);
        let slice = pool
            .filled(|buffer| buffer.extend_from_slice(b"hello"))
            .freeze()
            .slice(1..3);
        let other = pool.filled(|buffer| buffer.extend_from_slice(b"world"));
        assert_eq!((&slice[..], &other[..]), (&b"el"[..], &b"world"[..]));
    }
}
