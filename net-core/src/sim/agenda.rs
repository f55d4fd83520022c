//! When each of many parts has something to do next.

use crate::time::Instant;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// One deadline for each part, by the part's number. Moving a deadline later costs nothing until
/// its old time comes.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    /// Its deadline; `Instant::MAX` without one.
    wanted: Instant,
    /// Its earliest entry in the heap; others of it are stale.
    queued: Instant,
}

impl Agenda {
    /// Adds a part without a deadline.
    pub(super) fn add(&mut self) {
        self.parts.push(Part {
            wanted: Instant::MAX,
            queued: Instant::MAX,
        });
    }

    /// Sets the deadline of a part.
    pub(super) fn set(&mut self, part: usize, at: Option<Instant>) {
        let number = u32::try_from(part).unwrap_or(u32::MAX);
        let Some(part) = self.parts.get_mut(part) else {
            return;
        };
        part.wanted = at.unwrap_or(Instant::MAX);
        if part.wanted < part.queued {
            part.queued = part.wanted;
            self.heap.push(Reverse((part.wanted, number)));
        }
    }

    /// The earliest deadline, and whose it is.
    pub(super) fn next(&mut self) -> Option<(Instant, usize)> {
        while let Some(&Reverse((at, number))) = self.heap.peek() {
            let Some(part) = self.parts.get_mut(number as usize) else {
                self.heap.pop();
                continue;
            };
            if part.queued == at && part.wanted == at {
                return Some((at, number as usize));
            }
            self.heap.pop();
            if part.queued == at {
                part.queued = part.wanted;
                if part.wanted < Instant::MAX {
                    self.heap.push(Reverse((part.wanted, number)));
                }
            }
        }
        None
    }

    /// Takes one part out whose deadline has come; in the order of deadlines, then of numbers.
    pub(super) fn pop(&mut self, now: Instant) -> Option<usize> {
        let (at, part) = self.next()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        if let Some(part) = self.parts.get_mut(part) {
            part.wanted = Instant::MAX;
            part.queued = Instant::MAX;
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agenda(deadlines: &[u64]) -> Agenda {
        let mut agenda = Agenda::default();
        for (part, at) in deadlines.iter().enumerate() {
            agenda.add();
            agenda.set(part, Some(Instant::from_nanos(*at)));
        }
        agenda
    }

    fn drain(agenda: &mut Agenda) -> Vec<(u64, usize)> {
        core::iter::from_fn(|| {
            let (at, part) = agenda.next()?;
            assert_eq!(agenda.pop(at), Some(part));
            Some((at.as_nanos(), part))
        })
        .collect()
    }

    #[test]
    fn parts_come_in_the_order_of_time_and_then_of_number() {
        let mut agenda = agenda(&[30, 10, 20, 10]);
        assert_eq!(agenda.pop(Instant::from_nanos(9)), None);
        assert_eq!(drain(&mut agenda), [(10, 1), (10, 3), (20, 2), (30, 0)]);
    }

    #[test]
    fn a_deadline_moves_both_ways_and_goes() {
        let mut agenda = agenda(&[10, 20, 30, 40]);
        let at = |nanos| Some(Instant::from_nanos(nanos));
        agenda.set(0, at(35));
        agenda.set(2, at(5));
        agenda.set(2, at(15));
        agenda.set(3, None);
        assert_eq!(drain(&mut agenda), [(15, 2), (20, 1), (35, 0)]);
        agenda.set(3, at(7));
        assert_eq!(drain(&mut agenda), [(7, 3)]);
    }
}
