//! Runs of items in one vector, so that a growing trie asks the allocator for nothing.

use alloc::vec::Vec;

/// Runs of up to 128 items; each lies in a block of a fixed size, and blocks that were given up serve
/// again.
#[derive(Debug)]
pub(super) struct Arena<T> {
    items: Vec<T>,
    /// Blocks that were given up, by the class of their size.
    free: [Vec<u32>; CLASSES],
    /// So many items there may be.
    bound: u32,
}

/// There is no room for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl<T: Copy + Default> Arena<T> {
    pub(super) const fn new(bound: u32) -> Self {
        Self {
            items: Vec::new(),
            free: [const { Vec::new() }; CLASSES],
            bound,
        }
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.items.get(index as usize)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.items.get_mut(index as usize)
    }

    /// Puts an item into the run of `len` items at `base`, to be its `at`th; where the run is now. The run stays
    /// as it is, if there is no room.
    pub(super) fn insert(&mut self, base: u32, len: u32, at: u32, item: T) -> Result<u32, Full> {
        let (from, to) = (class(len), class(len + 1));
        let new = if from == to && len > 0 {
            base
        } else {
            self.take_block(to).ok_or(Full)?
        };
        self.shift(base + at, new + at + 1, len - at);
        if new != base {
            self.shift(base, new, at);
            if len > 0 {
                self.free[from].push(base);
            }
        }
        self.items[(new + at) as usize] = item;
        Ok(new)
    }

    /// Takes the `at`th item out of the run of `len` items at `base`; where the run is now.
    pub(super) fn remove(&mut self, base: u32, len: u32, at: u32) -> u32 {
        let (from, to) = (class(len), class(len - 1));
        if len == 1 {
            self.free[from].push(base);
            return 0;
        }
        let new = if from == to {
            None
        } else {
            self.take_block(to)
        };
        let to_run = new.unwrap_or(base);
        if new.is_some() {
            self.shift(base, to_run, at);
        }
        self.shift(base + at + 1, to_run + at, len - at - 1);
        if new.is_some() {
            self.free[from].push(base);
        } else if from != to {
            // There is no other block: half of this one is left.
            self.free[to].push(base + (1 << to));
        }
        to_run
    }

    /// How many items there are, those included that were given up.
    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes of memory that it holds.
    pub(super) fn memory(&self) -> usize {
        let free: usize = self.free.iter().map(Vec::capacity).sum();
        self.items.capacity() * size_of::<T>() + free * size_of::<u32>()
    }

    fn take_block(&mut self, class: usize) -> Option<u32> {
        if let Some(base) = self.free[class].pop() {
            return Some(base);
        }
        let (base, size) = (self.items.len(), 1 << class);
        if base + size > self.bound as usize {
            return None;
        }
        if self.items.capacity() < base + size {
            // By an eighth: a table that has grown large is not to hold as much again in reserve.
            self.items.reserve_exact(size + base / 8);
        }
        self.items.resize(base + size, T::default());
        u32::try_from(base).ok()
    }

    fn shift(&mut self, from: u32, to: u32, len: u32) {
        let from = from as usize;
        self.items
            .copy_within(from..from + len as usize, to as usize);
    }
}

/// The class of the smallest block for `len` items: its size is two to the power of that. Sizes in between
/// would leave more in blocks that were outgrown than they save in those that are in use.
fn class(len: u32) -> usize {
    len.max(1).next_power_of_two().ilog2() as usize
}

/// For runs of up to 128 items.
const CLASSES: usize = 8;
