//! A queue of sockets in which each is at most once.

use super::SocketId;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Sockets in the order in which they were added, each at most once.
///
/// It holds table indexes, so it is never longer than the socket table, however fast sockets come
/// and go between two takings. What comes out is therefore a hint: the socket that now lives at the
/// index may be another one, which then has nothing to do.
#[derive(Debug, Default)]
pub(crate) struct SocketQueue {
    queue: VecDeque<u32>,
    queued: Vec<bool>,
}

impl SocketQueue {
    /// Adds a socket behind the others, unless it is there.
    pub(crate) fn push(&mut self, id: SocketId) {
        let index = id.index();
        if self.queued.len() <= index {
            self.queued.resize(index + 1, false);
        }
        if let Some(queued) = self.queued.get_mut(index)
            && !*queued
            && let Ok(index) = u32::try_from(index)
        {
            *queued = true;
            self.queue.push_back(index);
        }
    }

    /// Takes the table index of the first socket out.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let index = self.queue.pop_front()?;
        if let Some(queued) = self.queued.get_mut(index as usize) {
            *queued = false;
        }
        Some(index)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
