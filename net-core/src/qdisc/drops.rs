//! What disciplines drop.

use super::Queued;
use crate::stats::DropReason;
use alloc::vec::Vec;

/// The packets that a discipline dropped, with why, until the stack has seen to them.
#[derive(Debug, Default)]
pub struct Dropped {
    packets: Vec<(Queued, DropReason)>,
}

impl Dropped {
    /// Adds a packet.
    pub fn push(&mut self, packet: Queued, reason: DropReason) {
        self.packets.push((packet, reason));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Takes the last one out.
    pub fn pop(&mut self) -> Option<(Queued, DropReason)> {
        self.packets.pop()
    }
}
