//! Packets on their way to the other end.

use crate::buf::RxPacket;
use crate::time::Instant;
use alloc::collections::{BinaryHeap, VecDeque};
use core::cmp::{Ordering, Reverse};

/// Packets by their arrival; what arrives at the same time keeps the order in which it left.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Those that arrive in the order in which they left.
    ordered: VecDeque<Flying>,
    /// Those that later ones overtake, and second copies.
    late: BinaryHeap<Reverse<Flying>>,
    number: u64,
    last_arrival: Instant,
}

#[derive(Debug)]
struct Flying {
    at: Instant,
    number: u64,
    packet: RxPacket,
}

impl Flight {
    /// Sends a packet on its way, to arrive at `at` but not before the one ahead of it; when it will.
    pub(super) fn push(&mut self, at: Instant, packet: RxPacket) -> Instant {
        self.last_arrival = self.last_arrival.max(at);
        self.number += 1;
        self.ordered.push_back(Flying {
            at: self.last_arrival,
            number: self.number,
            packet,
        });
        self.last_arrival
    }

    /// Sends a packet on its way, to arrive at `at` whatever comes before it.
    pub(super) fn push_late(&mut self, at: Instant, packet: RxPacket) {
        self.number += 1;
        self.late.push(Reverse(Flying {
            at,
            number: self.number,
            packet,
        }));
    }

    /// When the last packet in order arrives or arrived.
    pub(super) const fn last_arrival(&self) -> Instant {
        self.last_arrival
    }

    /// When the first packet arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        let ordered = self.ordered.front().map(|flying| flying.at);
        let Some(Reverse(late)) = self.late.peek() else {
            return ordered;
        };
        Some(ordered.map_or(late.at, |at| at.min(late.at)))
    }

    /// Takes the first packet out if it has arrived at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<RxPacket> {
        if self.next()? > now {
            return None;
        }
        let late = match (self.ordered.front(), self.late.peek()) {
            (Some(ordered), Some(Reverse(late))) => late < ordered,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let flying = if late {
            self.late.pop().map(|Reverse(flying)| flying)
        } else {
            self.ordered.pop_front()
        };
        flying.map(|flying| flying.packet)
    }

    pub(super) fn len(&self) -> usize {
        self.ordered.len() + self.late.len()
    }
}

impl PartialEq for Flying {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flying {}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flying {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
